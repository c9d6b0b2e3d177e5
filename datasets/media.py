"""Pictures and sounds, told apart by their suffixes, or by their first bytes if the suffix is unknown."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gridcnn.errors import DataError, Skipped
from gridcnn.stored import Stored

IGNORED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})
"""Names (in lower case) that operating systems leave behind; names that begin with a dot are ignored as well."""

STRAY_SHARE = 0.1
"""Up to this share of files of the other kind, such as album covers, is skipped; more is a mixture."""

NAMES_AT_ONCE = 50_000
"""Names of a folder that are held at a time; it is read again for the next ones."""

_NO_PICTURE = frozenset({"BUFR", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"})
_MORE_SOUND = frozenset(
    {"3gp", "aac", "aif", "aifc", "amr", "caf", "m4a", "mp2", "oga", "opus", "snd", "w64", "wave", "wma"}
)
_NO_SOUND = frozenset({"raw", "mat4", "mat5"})  # samples without a header, and formats that are not named by a suffix


class Media(NamedTuple):
    """Files of one kind, and those that were left out.

    Parameters
    ----------
    modality : {"image", "sound"}
        The kind.
    paths : list of Path or Stored
        The files of that kind, in their order.
    skipped : tuple of Skipped
        The other files, with the reasons.
    kept : list of bool
        For each file that was given, whether it is among `paths`.
    """

    modality: Literal["image", "sound"]
    paths: list[Any]
    skipped: tuple[Skipped, ...]
    kept: list[bool]


def visible(name: str) -> bool:
    """Return whether a person made a file or folder of this name, rather than an operating system or an editor."""
    return not name.startswith(".") and name.casefold() not in IGNORED


def walk(folder: Path) -> Iterator[Path]:
    """Yield every visible file below a folder in the order of the paths; follow links, but into each folder once.

    So no circle of links goes on for ever, and no ladder of them, each step twice as wide. A folder that cannot be read
    is among the files, so that it is reported as something that is no item. The names of a few folders are held at a
    time, and of a large folder some of them.
    """
    seen: set[tuple[int, int]] = set()
    stack = [(folder, _names(folder, seen))]
    while stack:
        here, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
        elif name.endswith("/") and _leads_back(here, name[:-1]):
            continue
        elif name.endswith("/"):
            stack.append((here / name[:-1], _names(here / name[:-1], seen)))
        else:
            yield here / name


def _names(folder: Path, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield the names in a folder in order, those of folders with "/"; "" if it cannot be read, none if it was seen."""
    last = ""
    while True:
        try:
            state = folder.stat()
            if not last and (state.st_dev, state.st_ino) in seen:
                return
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as found:
                names = (f"{each.name}/" if _is_folder(each) else each.name for each in found if visible(each.name))
                some = heapq.nsmallest(NAMES_AT_ONCE, (name for name in names if name > last))
        except OSError:  # also of a path that is too long
            yield ""
            return
        yield from some
        if len(some) < NAMES_AT_ONCE:
            return
        last = some[-1]


def _leads_back(parent: Path, name: str) -> bool:
    """Whether a link leads to a folder that it lies in, which need not be one of those that were seen."""
    link = parent / name
    return os.path.islink(link) and parent.resolve().is_relative_to(link.resolve())  # noqa: PTH114  (of any length)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link to where nobody may look
        return entry.is_dir()
    return False


def what_else(path: Path) -> str:
    """Say what a path is that is no plain file."""
    if os.path.isdir(path):  # noqa: PTH112
        return "this folder cannot be read"
    if os.path.lexists(path):
        return "no plain file, but a pipe, a device, or a link that leads to none"
    return "no such file"


@cache
def _kinds_by_suffix() -> dict[str, Literal["image", "sound"]]:
    import soundfile  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    sounds = {name.lower() for name in soundfile.available_formats()} - _NO_SOUND | _MORE_SOUND
    pictures = [
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PICTURE
    ]
    return {**dict.fromkeys(pictures, "image"), **dict.fromkeys((f".{name}" for name in sounds), "sound")}


def kind_of(path: Path | Stored) -> Literal["image", "sound"] | None:
    """Return whether a file is a picture, a sound, or neither; open it only if its suffix is unknown.

    Pipes and devices, which may never end, are neither, whatever their names are. Of a stored file, it is what is known
    without opening it.
    """
    if isinstance(path, Stored):
        return path.kind()
    if not os.path.isfile(path):  # noqa: PTH113  (twice as fast; a name may be too long)
        return None
    return _kinds_by_suffix().get(path.suffix.lower()) or _kind_by_content(path)


def is_media_name(name: str) -> bool:
    """Return whether a name ends as those of pictures or sounds do."""
    return kind_by_name(name) is not None


def kind_by_name(name: str) -> Literal["image", "sound"] | None:
    """Return whether a name ends as that of a picture, of a sound, or of neither."""
    return _kinds_by_suffix().get(os.path.splitext(name)[1].lower())  # noqa: PTH122  (of text that may be no path)


def _kind_by_content(path: Path) -> Literal["image", "sound"] | None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    return kind_by_start(start)


def kind_by_start(start: bytes) -> Literal["image", "sound"] | None:
    """Return whether content that begins with these 16 bytes is a picture, a sound, or neither, as far as they tell."""
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")):
        return "image"
    if start.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b".snd")):
        return "sound"
    if start[:4] in (b"RIFF", b"RF64", b"FORM"):
        return {b"WEBP": "image", b"WAVE": "sound", b"AIFF": "sound", b"AIFC": "sound"}.get(start[8:12])  # type: ignore[return-value]
    if start[:2] == b"BM" and start[6:10] == b"\0\0\0\0":
        return "image"
    return None


def sort_media(paths: Sequence[Path | Stored], where: str) -> Media:
    """Keep the pictures or the sounds, whichever are more.

    Parameters
    ----------
    paths : sequence of Path or Stored
        Files; what is something else is left out.
    where : str
        Their folder or manifest, for messages.

    Returns
    -------
    Media
        The kind, the files of that kind, and the others.

    Raises
    ------
    DataError
        If no file is a picture or a sound, or if more than `STRAY_SHARE` of them are of the other kind.
    """
    kinds = [kind_of(path) for path in paths]
    modality = most_of(Counter(kinds), where)
    kept = [kind == modality for kind in kinds]
    return Media(
        modality,
        list(itertools.compress(paths, kept)),
        tuple(
            Skipped(str(path), _stray(path, kind)) for path, kind in zip(paths, kinds, strict=True) if kind != modality
        ),
        kept,
    )


def count_media(paths: Iterable[Path | Stored], where: str) -> tuple[Literal["image", "sound"], int]:
    """Return the kind that most files are of, as `sort_media` decides, and the number of files, without keeping them.

    Raises
    ------
    DataError
        As `sort_media`.
    """
    kinds = Counter(map(kind_of, paths))
    return most_of(kinds, where), kinds.total()


def stray(path: Path | Stored, modality: Literal["image", "sound"]) -> str:
    """Return why a file is none of those of a kind; empty if it is."""
    kind = kind_of(path)
    return "" if kind == modality else _stray(path, kind)


def most_of(kinds: Counter[Literal["image", "sound"] | None], where: str) -> Literal["image", "sound"]:
    """Return the kind that most files are of, as `sort_media` decides."""
    pictures, sounds = kinds["image"], kinds["sound"]
    if not pictures + sounds:
        raise DataError(
            f"{where}: none of the {kinds.total()} files there is a picture or a sound: expected files such as "
            ".png, .jpg, .wav, .flac, .ogg or .mp3. Put sentences into a csv file with a text column."
        )
    if min(pictures, sounds) > STRAY_SHARE * (pictures + sounds):
        raise DataError(
            f"{where}: {pictures} pictures and {sounds} sounds are mixed, but one model reads one kind: "
            "separate them into two folders or manifests and train a model on each."
        )
    return "image" if pictures > sounds else "sound"


def _stray(path: Path | Stored, kind: Literal["image", "sound"] | None) -> str:
    is_one = kind is not None or isinstance(path, Stored) or os.path.isfile(path)  # noqa: PTH113
    return why_stray(kind) if is_one else what_else(Path(str(path)))


def why_stray(kind: Literal["image", "sound"] | None) -> str:
    """Return why a file of this kind is not read with those of the other kind."""
    return {
        None: "neither a picture nor a sound",
        "image": "a picture among sounds",
        "sound": "a sound among pictures",
    }[kind]
