"""Sets that need no download: four that suit a convolution, and one, a grade sheet, that does not."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gridcnn.datasets.dataset import Dataset
from gridcnn.errors import DataError

__all__ = ["digits", "grades", "tones", "word_order", "xo"]


@overload
def xo(
    n_items: int = ..., size: int = ..., random_state: int = ..., *, with_masks: Literal[False] = ...
) -> Dataset: ...
@overload
def xo(
    n_items: int = ..., size: int = ..., random_state: int = ..., *, with_masks: Literal[True]
) -> tuple[Dataset, NDArray[np.bool_]]: ...
def xo(
    n_items: int = 2000, size: int = 32, random_state: int = 0, *, with_masks: bool = False
) -> Dataset | tuple[Dataset, NDArray[np.bool_]]:
    """Draw the letters X and O, each with its own shift, scale, rotation, proportions, stroke width and noise.

    Parameters
    ----------
    n_items : int, default=2000
        Number of pictures; the classes are balanced.
    size : int, default=32
        Height and width in pixels, at least 12.
    random_state : int, default=0
        Seed.
    with_masks : bool, default=False
        Also return the strokes, to measure whether an explanation points at them.

    Returns
    -------
    dataset : Dataset
        Items of shape ``(n_items, size, size)``, uint8, 0 is black; labels "X" and "O".
    masks : ndarray of shape (n_items, size, size), bool
        True on the stroke; only with `with_masks`.

    Raises
    ------
    DataError
        If `size` or `n_items` is too small.
    """
    if size < 12:
        raise DataError(f"size={size}: an X and an O need at least 12 pixels: use 12 or more.")
    rng = np.random.default_rng(random_state)
    labels = _balanced(("X", "O"), n_items, rng)
    strokes = np.stack([_stroke(label, size, rng) for label in labels])  # (n, H, W), 0–1
    shape = (n_items, 1, 1)
    paper = rng.uniform(0.0, 0.35, shape)
    ink = paper + rng.uniform(0.4, 0.65, shape)
    noise = rng.normal(size=strokes.shape) * rng.uniform(0.0, 0.12, shape)
    pictures = np.clip(paper + (ink - paper) * strokes + noise, 0, 1)
    dataset = Dataset(
        np.round(pictures * 255).astype(np.uint8),
        labels,
        "image",
        name="xo",
        axes=("height", "width"),
        description="The letters X and O, drawn at random.",
    )
    return (dataset, strokes > 0.5) if with_masks else dataset


def _stroke(label: str, size: int, rng: Generator) -> NDArray[np.float64]:
    """Draw one letter without noise, 0–1, four times as large and then reduced, so that its edges are smooth."""
    from PIL import Image, ImageDraw  # noqa: PLC0415

    large = 4 * size
    radius = rng.uniform(0.2, 0.38)
    width = rng.uniform(0.05, 0.11)
    room = max(0.0, 0.5 - radius - width / 2 - 1 / size)  # a pixel of paper all round
    centre = 0.5 + rng.uniform(-room, room, 2)
    angle = np.deg2rad(rng.uniform(-25, 25))
    axes = radius * np.array([1.0, rng.uniform(0.75, 1.0)])
    if label == "O":
        turn = np.linspace(0, 2 * np.pi, 64)
        lines = [np.stack([np.cos(turn), np.sin(turn)], axis=1)]
    else:
        corner = np.sqrt(0.5)  # the ends of the arms lie where the O would
        lines = [corner * np.array([[-1, -1], [1, 1]]), corner * np.array([[-1, 1], [1, -1]])]
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    picture = Image.new("L", (large, large))
    draw = ImageDraw.Draw(picture)
    for line in lines:
        points = (line * axes @ rotation + centre) * large
        draw.line([(x, y) for x, y in points.tolist()], fill=255, width=round(width * large), joint="curve")
    return np.asarray(picture.reduce(4), dtype=np.float64) / 255


def digits() -> Dataset:
    """Return scikit-learn's real handwritten digits.

    Returns
    -------
    Dataset
        Items of shape ``(1797, 8, 8)``, uint8, 0–255, 0 is paper; labels 0–9.

    References
    ----------
    Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (test part).
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, labels = load_digits().images, load_digits().target
    return Dataset(
        np.round(images * (255 / 16)).astype(np.uint8),
        labels.astype(np.int64),
        "image",
        name="digits",
        axes=("height", "width"),
        description="Real handwritten digits of scikit-learn (UCI, 1998).",
    )


@overload
def tones(
    n_items: int = ..., sample_rate: int = ..., random_state: int = ..., *, with_clean: Literal[False] = ...
) -> Dataset: ...
@overload
def tones(
    n_items: int = ..., sample_rate: int = ..., random_state: int = ..., *, with_clean: Literal[True]
) -> tuple[Dataset, NDArray[np.float32]]: ...
def tones(
    n_items: int = 800, sample_rate: int = 8000, random_state: int = 0, *, with_clean: bool = False
) -> Dataset | tuple[Dataset, NDArray[np.float32]]:
    """Synthesise one-second sounds whose pitch rises, falls, stays or trills.

    Pitch, onset, length, loudness, overtones and noise are random: only the course of the pitch depends on the class.

    Parameters
    ----------
    n_items : int, default=800
        Number of sounds; the classes are balanced.
    sample_rate : int, default=8000
        Samples per second (Hz), at least 8000.
    random_state : int, default=0
        Seed.
    with_clean : bool, default=False
        Also return the sounds without noise, to measure whether an explanation points at the tone.

    Returns
    -------
    dataset : Dataset
        Items of shape ``(n_items, sample_rate)``, float32, -1 to 1; labels "rising", "falling", "steady", "trilling".
    clean : ndarray of shape (n_items, sample_rate), float32
        The tones without noise, zero before and after; only with `with_clean`.

    Raises
    ------
    DataError
        If `sample_rate` or `n_items` is too small.
    """
    if sample_rate < 8000:
        raise DataError(f"sample_rate={sample_rate}: the overtones reach 3.6 kHz, so use 8000 Hz or more.")
    rng = np.random.default_rng(random_state)
    labels = _balanced(("rising", "falling", "steady", "trilling"), n_items, rng)
    sounds = [_tone(label, sample_rate, rng) for label in labels]
    dataset = Dataset(
        np.stack([np.clip(noise + tone, -1, 1).astype(np.float32) for noise, tone in sounds]),
        labels,
        "sound",
        name="tones",
        axes=("time",),
        sample_rate=sample_rate,
        description="Rising, falling, steady and trilling sounds, synthesised at random.",
    )
    return (dataset, np.stack([tone.astype(np.float32) for _, tone in sounds])) if with_clean else dataset


def _tone(label: str, sample_rate: int, rng: Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one second of noise, and the tone to add to it."""
    length = int(rng.uniform(0.4, 0.9) * sample_rate)
    onset = rng.integers(sample_rate - length + 1)
    course = np.linspace(-0.5, 0.5, length)
    slide, trill = rng.uniform(0.5, 1.0), rng.uniform(0.15, 0.3)  # octaves
    octaves = {
        "rising": slide * course,
        "falling": -slide * course,
        "steady": 0 * course,
        "trilling": trill * np.sin(2 * np.pi * rng.uniform(5, 9) * np.arange(length) / sample_rate),
    }[label]
    pitch = 220 * 2 ** (rng.uniform(0, 1.5) + octaves)  # Hz, 155–880
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate + rng.uniform(0, 2 * np.pi)
    overtones = rng.uniform(0, 0.5, 3)
    sound = np.sin(phase) + sum(share * np.sin(times * phase) for times, share in enumerate(overtones, start=2))
    fade = np.clip(np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.02 * sample_rate), 0, 1)
    loudness = rng.uniform(0.1, 0.6)
    noise = rng.normal(size=sample_rate) * loudness * rng.uniform(0.01, 0.2)
    tone = np.zeros(sample_rate)
    tone[onset : onset + length] = loudness * fade * sound / (1 + overtones.sum())
    return noise, tone


_PRAISE = (
    "good", "great", "kind", "clever", "honest", "warm", "bright", "fresh", "funny", "lively", "moving",
    "careful", "gentle", "subtle", "brave", "elegant",
)  # fmt: skip
_COMPLAINT = (
    "bad", "awful", "rude", "stupid", "fake", "cold", "dull", "stale", "boring", "tired", "clumsy",
    "careless", "harsh", "crude", "timid", "ugly",
)  # fmt: skip
_SUBJECT = (
    "film", "book", "play", "story", "song", "meal", "speech", "show", "dinner", "concert", "lesson", "novel",
    "talk", "game", "series", "exhibition",
)  # fmt: skip
_OPENING = (
    "",
    "i think that",
    "my sister told me",
    "to be fair",
    "after an hour we agreed",
    "most people in the room felt",
    "as the paper wrote",
    "on the second evening",
)
_ENDING = (
    "",
    "from start to finish",
    "in my opinion",
    "and nobody was surprised",
    "at least for the first half",
    "and we talked about it all the way home",
    "as usual",
    "which says a lot",
)
_VERB = ("was", "seemed", "felt", "turned out", "became")
_CONTRAST = (  # the first word of the pair holds in these ...
    "{0} not {1}",
    "{0} rather than {1}",
    "more {0} than {1}",
    "not {1} but {0}",  # ... and stands last in these
    "less {1} than {0}",
)


def word_order(n_items: int = 2000, random_state: int = 0) -> Dataset:
    """Write sentences that praise or complain with the same words, so that only the order of the words tells.

    "the meal was good not bad" praises; "the meal was bad not good" complains. Each sentence contrasts one word of
    praise with one word of complaint in one of five ways, and the sentence with the two words exchanged is equally
    likely. A bag of words is therefore at chance, while three neighbouring words are enough to decide.

    Parameters
    ----------
    n_items : int, default=2000
        Number of sentences; the classes are balanced.
    random_state : int, default=0
        Seed.

    Returns
    -------
    Dataset
        Items are sentences of 6–23 words in lower case; labels "praise" and "complaint".

    Raises
    ------
    DataError
        If `n_items` is below 2.
    """
    rng = np.random.default_rng(random_state)
    labels = _balanced(("praise", "complaint"), n_items, rng)
    return Dataset(
        [_sentence(label, rng) for label in labels],
        labels,
        "text",
        name="word_order",
        description="Praise and complaint in the same words, written at random.",
    )


def _sentence(label: str, rng: Generator) -> str:
    praise, complaint = str(rng.choice(_PRAISE)), str(rng.choice(_COMPLAINT))
    holds, fails = (praise, complaint) if label == "praise" else (complaint, praise)
    contrast = str(rng.choice(_CONTRAST)).format(holds, fails)
    words = (rng.choice(_OPENING), "the", rng.choice(_SUBJECT), rng.choice(_VERB), contrast, rng.choice(_ENDING))
    return " ".join(word for word in map(str, words) if word)


_SUBJECTS = {
    "sciences": ("mathematics", "physics", "chemistry", "biology"),
    "languages": ("english", "french", "latin", "literature"),
    "society": ("history", "geography", "economics"),
    "arts": ("music", "art", "sport"),
}


def grades(n_items: int = 200, random_state: int = 0) -> Dataset:
    """Make a sheet of student grades: a table that looks like a picture but has no order.

    The grades of a student share a general ability and one talent for each group of subjects. Related subjects are next
    to each other, as on a real sheet, but any order of the columns holds the same information.

    Parameters
    ----------
    n_items : int, default=200
        Number of students.
    random_state : int, default=0
        Seed.

    Returns
    -------
    Dataset
        Items are a DataFrame of 14 columns, integer points 0–100. Labels "yes" and "no" say whether the student passed,
        with a mean of at least 50 points and at most two subjects under 40.
    """
    import pandas as pd  # noqa: PLC0415

    rng = np.random.default_rng(random_state)
    ability = rng.normal(size=(n_items, 1))
    columns: dict[str, NDArray[np.int64]] = {}
    for subjects in _SUBJECTS.values():
        talent = rng.normal(size=(n_items, 1))
        luck = rng.normal(size=(n_items, len(subjects)))
        difficulty = rng.normal(56, 4, size=len(subjects))
        points = np.clip(np.round(difficulty + 9 * ability + 8 * talent + 8 * luck), 0, 100).astype(np.int64)
        columns.update(zip(subjects, points.T, strict=True))
    sheet = pd.DataFrame(columns)
    passed = (sheet.mean(axis=1) >= 50) & ((sheet < 40).sum(axis=1) <= 2)
    return Dataset(
        sheet,
        np.where(passed, "yes", "no"),
        "table",
        name="grades",
        description="A sheet of student grades, made at random: its columns have no order.",
    )


def _balanced(names: tuple[str, ...], n_items: int, rng: Generator) -> NDArray[np.str_]:
    if n_items < len(names):
        raise DataError(f"n_items={n_items}: there are {len(names)} classes, so ask for {len(names)} items or more.")
    labels: NDArray[np.str_] = np.array(names)[rng.permutation(np.arange(n_items) % len(names))]
    return labels
