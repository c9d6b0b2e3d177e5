"""The audit: planted faults that it finds, what it says of clean real sets, and what it costs.

    GRIDCNN_DATA=… python benchmarks/audit.py [--write] [planted] [clean] [labels] [scale]

Faults are planted in parts of real sets, with fixed seeds. The clean sets are as they are published; each finding there
is explained by hand, after a look at the items. Results are kept in `audit.jsonl`, so that parts can be run one by one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import results
import soundfile
import soxr
from PIL import Image

from gridcnn.adapters import Adapter, ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import Dataset, load, load_folder, load_manifest
from gridcnn.evaluation.audit import QUICK, Audit, audit

DATA = Path(os.environ.get("GRIDCNN_DATA", "data"))
KEPT = Path(__file__).with_name("audit.jsonl")

Found = tuple[str, int, int]
"""What was planted, how many of it, and how many of those were found."""


# ---- planted faults


def picture_changes(rng: np.random.Generator) -> dict[str, Callable[[Image.Image], bytes]]:
    """Return ways to store a picture differently."""

    def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, form, **options)
        return buffer.getvalue()

    def scaled(picture: Image.Image) -> Image.Image:
        by = rng.choice([0.5, 0.75, 1.5, 2, 3])
        return picture.resize((round(by * picture.width), round(by * picture.height)), Image.Resampling.BICUBIC)

    return {
        "JPEG of quality 40 to 95": lambda it: saved(it, "JPEG", quality=int(rng.integers(40, 96))),
        "WebP": lambda it: saved(it, "WEBP", quality=60),
        "half to three times as large": lambda it: saved(scaled(it), "PNG"),
        "larger, and JPEG": lambda it: saved(it.resize((64, 64)), "JPEG", quality=60),
        "mirrored": lambda it: saved(it.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
        "darker": lambda it: saved(it.point(lambda level: int(0.8 * level + 10)), "PNG"),
    }


def sound_changes(rng: np.random.Generator) -> dict[str, Callable[[np.ndarray, int], tuple[np.ndarray, int, str, str]]]:
    """Return ways to store a recording differently: samples, rate, format, subtype."""
    return {
        "softer": lambda wave, rate: (rng.uniform(0.1, 0.7) * wave, rate, "WAV", "PCM_16"),
        "50 to 500 ms later": lambda wave, rate: (
            np.pad(wave, (int(rng.uniform(0.05, 0.5) * rate), 0)), rate, "WAV", "PCM_16",
        ),
        "the first 20 ms cut": lambda wave, rate: (wave[int(0.02 * rate) :], rate, "WAV", "PCM_16"),
        "MP3": lambda wave, rate: (wave, rate, "MP3", "MPEG_LAYER_III"),
        "Ogg Vorbis": lambda wave, rate: (wave, rate, "OGG", "VORBIS"),
        "twice the sample rate": lambda wave, rate: (soxr.resample(wave, rate, 2 * rate), 2 * rate, "FLAC", "PCM_16"),
    }  # fmt: skip


def text_changes(rng: np.random.Generator) -> dict[str, Callable[[str], str]]:
    """Return ways to write a text differently."""
    return {
        "other case": lambda text: text.upper() if text != text.upper() else text.lower(),
        "other punctuation": lambda text: f"“{text.replace(',', ';').rstrip(' .?!')}” …",
        "other white space": lambda text: f"  {text.replace(' ', '  ')}\t",
    }


def paired(found: Audit, pairs: list[tuple[int, int]]) -> int:
    """Count the pairs of items that a finding puts into one cluster."""
    of = {item: (finding.kind, at)
          for finding in found.findings if finding.kind.startswith("copies")
          for at, cluster in enumerate(finding.numbers["clusters"]) for item in cluster}  # fmt: skip
    return sum(one in of and of[one] == of.get(other) for one, other in pairs)


def planted_copies(
    adapter: Adapter,
    items: list[Any],
    labels: Any,
    changes: dict[str, Any],
    make: Callable[[Any, Any, int], Any],
    each: int,
) -> Iterator[Found]:
    """Plant changed copies of some items, in another part, and see which are found."""
    rng = np.random.default_rng(1)
    for name, change in changes.items():
        chosen = rng.choice(len(items), each, replace=False).tolist()
        copies = [make(change, items[at], number) for number, at in enumerate(chosen)]
        parts = ["train"] * len(items) + ["test"] * each
        found = audit(
            adapter, [*items, *copies], [*labels, *(labels[at] for at in chosen)], parts=parts, checks=["copies"]
        )
        yield name, each, paired(found, [(at, len(items) + number) for number, at in enumerate(chosen)])


def planted_pictures(folder: Path) -> Iterator[Found]:
    """Plant faults in 1,500 pictures of CIFAR-10."""
    data = load_folder(DATA / "cifar10" / "train").take(np.random.default_rng(0).choice(50_000, 1500, replace=False))
    items, labels = [Path(item) for item in data.items], np.asarray(data.labels)
    changes = picture_changes(np.random.default_rng(0))

    def make(change: Any, item: Path, number: int) -> Path:
        path = folder / f"{time.perf_counter_ns()}-{number}.img"
        with Image.open(item) as picture:
            path.write_bytes(change(picture.convert("RGB")))
        return path

    for what, planted, found in planted_copies(ImageAdapter(), items, labels, changes, make, 40):
        yield f"pictures: {what}", planted, found
    broken, plain = [], []
    for at in range(20):
        broken.append(folder / f"broken{at}.jpg")
        broken[-1].write_bytes(items[at].read_bytes()[: 200 + 20 * at])
        plain.append(folder / f"plain{at}.png")
        Image.new("RGB", (32, 32), (10 * at, 5, 200)).save(plain[-1])
    result = audit(ImageAdapter(), [*items, *broken, *plain], checks=["readable", "flaws"])
    by_kind = {finding.kind: set(finding.affected) for finding in result.findings}
    yield "pictures: cut off", 20, len(by_kind.get("unreadable", set()) & set(range(1500, 1520)))
    yield "pictures: of one colour", 20, len(by_kind.get("of-one-colour", set()) & set(range(1520, 1540)))
    for name, options in {"JPEG quality": {"quality": 60}, "image size": {"quality": 75}, "format": {}}.items():
        stored = []
        for at, item in enumerate(items[:600]):
            path = folder / f"shortcut-{name[:4]}-{at}.img"
            with Image.open(item) as picture:
                own = labels[at] < "dog"
                side = 48 if own and name == "image size" else 32
                form = "PNG" if own and name == "format" else "JPEG"
                quality = options.get("quality", 75) if own else 75
                picture.resize((side, side)).save(path, form, quality=quality)
            stored.append(path)
        result = audit(ImageAdapter(), stored, labels[:600] < "dog", checks=["shortcuts"])
        yield f"pictures: class by {name}", 1, len(result.findings)


def planted_sounds(folder: Path) -> Iterator[Found]:
    """Plant faults in 600 spoken digits."""
    paths = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))[::5]
    labels = np.array([path.name[0] for path in paths])
    changes = sound_changes(np.random.default_rng(0))

    def make(change: Any, item: Path, number: int) -> Path:
        wave, rate, form, subtype = change(*soundfile.read(item, dtype="float32"))
        path = folder / f"{time.perf_counter_ns()}-{number}.{form.lower()}"
        soundfile.write(path, wave, rate, format=form, subtype=subtype)
        return path

    for what, planted, found in planted_copies(AudioAdapter(), paths, labels, changes, make, 40):
        yield f"sounds: {what}", planted, found
    made: dict[str, list[Path]] = {"unreadable": [], "silent": [], "clipped": [], "mixed-sample-rate": []}
    for at in range(20):
        wave, rate = soundfile.read(paths[at], dtype="float32")
        for kind, group in made.items():
            group.append(folder / f"{kind}{at}.wav")
            if kind == "unreadable":
                group[-1].write_bytes(paths[at].read_bytes()[:1500])
                continue
            changed = {"silent": 0 * wave, "clipped": np.clip(wave * 8 / np.abs(wave).max(), -1, 1)}.get(kind, wave)
            soundfile.write(group[-1], changed, 11_025 if kind == "mixed-sample-rate" else rate)
    items = [*paths, *(path for group in made.values() for path in group)]
    result = audit(AudioAdapter(), items, checks=["readable", "flaws", "mixed"])
    by_kind = {finding.kind: set(finding.affected) for finding in result.findings}
    for number, kind in enumerate(made):
        start = len(paths) + 20 * number
        yield f"sounds: {kind}", 20, len(by_kind.get(kind, set()) & set(range(start, start + 20)))


def planted_texts(folder: Path) -> Iterator[Found]:
    """Plant faults in the questions of TREC."""
    data = load_manifest(DATA / "text" / "trec_train.csv", text="text", label="label")
    items, labels = list(data.items), np.asarray(data.labels)
    changes = text_changes(np.random.default_rng(0))
    for what, planted, found in planted_copies(TextAdapter(), items, labels, changes, lambda how, it, _: how(it), 100):
        yield f"texts: {what}", planted, found
    names = {"HUM": ["Hum", "HUM ", "HUMs"], "DESC": ["DЕSC", "DESC\u200b"], "ENTY": ["enty"]}
    for right, wrongs in names.items():
        for wrong in wrongs:
            changed = labels.astype(object)
            changed[np.flatnonzero(labels == right)[:20]] = wrong
            result = audit(TextAdapter(), items, changed.astype(str), checks=["labels"])
            yield f"labels: {wrong!r} for {right!r}", 1, len(result.findings)
    long = np.array(
        [f"{text} and so on" if label == "HUM" else text for text, label in zip(items, labels, strict=True)]
    )
    result = audit(TextAdapter(), list(long), labels == "HUM", checks=["shortcuts"])
    yield "texts: class by length (10 characters more)", 1, len(result.findings)
    groups = np.arange(len(items)) // 10
    parts = np.where(groups % 5, "train", "test")
    moved = np.flatnonzero(parts == "test")[:30]
    parts[moved[::2]] = "train"
    result = audit(TextAdapter(), items, labels, groups=groups, parts=parts, checks=["groups"])
    yield "groups on both sides", 3, result.findings[0].numbers["groups"] if result.findings else 0


def planted_series(folder: Path) -> Iterator[Found]:
    """Plant series in time: autoregressive rows, and the hours of a weather station."""
    rng = np.random.default_rng(0)
    for memory in (0.5, 0.7, 0.9):
        rows = rng.normal(size=(400, 12))
        for at in range(1, 400):
            rows[at] += memory * rows[at - 1]
        labels = rows[:, 0] > 0
        yield (
            f"rows: each keeps {memory} of the one before",
            1,
            len(audit(ArrayAdapter(), rows, labels, checks=["series"]).findings),
        )
    for name in ("win_wind_hours", "win_pm25_hours"):
        rows = np.load(DATA / "ordering" / f"{name}.npz")["X"]
        yield f"rows: {name[4:].replace('_', ', ')}", 1, len(audit(ArrayAdapter(), rows, checks=["series"]).findings)


def planted() -> list[Found]:
    """Plant all faults, and see which are found."""
    with tempfile.TemporaryDirectory() as folder:
        makers = (planted_pictures, planted_sounds, planted_texts, planted_series)
        return [each for maker in makers for each in maker(Path(folder))]


# ---- clean sets


def clean_sets() -> Iterator[tuple[str, Adapter, Dataset]]:
    """Yield the real sets, as they are published."""
    text = DATA / "text"
    rng = np.random.default_rng(0)
    mnist = load_folder(DATA / "mnist" / "training").take(np.sort(rng.choice(60_000, 5_000, replace=False)))
    cifar = load_folder(DATA / "cifar10" / "train").take(np.sort(rng.choice(50_000, 5_000, replace=False)))
    yield "MNIST, test", ImageAdapter(), load_folder(DATA / "mnist" / "testing")
    yield "MNIST, 5,000 of training", ImageAdapter(), mnist
    yield "CIFAR-10, test", ImageAdapter(), load_folder(DATA / "cifar10" / "test")
    yield "CIFAR-10, 5,000 of training", ImageAdapter(), cifar
    yield "digits", ImageAdapter(), load("digits")
    yield "FSDD", AudioAdapter(), load("fsdd")
    yield "ESC-10", AudioAdapter(), load_folder(DATA / "esc10")
    yield (
        "drums",
        AudioAdapter(),
        load_manifest(
            DATA / "development" / "drums" / "items.csv",
            path_column="file",
            label="label",
            split="split",
            group="machine",
        ),
    )
    for name, path, split in (
        ("TREC", text / "trec_train.csv", None),
        ("MR", text / "mr.csv", None),
        ("SST-2", text / "sst2_train.csv", None),
        ("names", DATA / "development" / "names.csv", None),
        ("tweets", DATA / "development" / "tweet_irony.csv", "split"),
        ("splice", DATA / "development" / "splice_dna.csv", "split"),
    ):
        yield name, TextAdapter(), load_manifest(path, text="text", label="label", split=split)
    series = np.load(DATA / "development" / "ts_MedicalImages.npz")
    rows = np.concatenate([series["X_train"], series["X_test"]])[:, 0]
    parts = np.repeat(["train", "test"], [len(series["X_train"]), len(series["X_test"])])
    labels = np.concatenate([series["y_train"], series["y_test"]]).astype(str)
    yield "MedicalImages", ArrayAdapter(), Dataset(rows, labels, "array", split=parts)


def clean() -> list[dict[str, Any]]:
    """Audit the clean sets, without training."""
    found = []
    for name, adapter, data in clean_sets():
        started = time.perf_counter()
        result = audit(adapter, data.items, data.labels, groups=data.groups, parts=data.split, checks=QUICK)
        found.append({
            "set": name, "items": len(data), "seconds": time.perf_counter() - started,
            "findings": [
                {"kind": each.kind, "severity": each.severity, "count": each.count, "message": each.message,
                 "exact": each.numbers.get("exact", 0)}
                for each in result.findings
            ],
        })  # fmt: skip
        print(name, [(each["kind"], each["count"]) for each in found[-1]["findings"]], flush=True)
    return found


# ---- wrong labels, and scale


def wrong_labels() -> Iterator[dict[str, Any]]:
    """Exchange 3 % of the labels of two sets, and none; count what is reported rightly and wrongly."""
    trec = load_manifest(DATA / "text" / "trec_train.csv", text="text", label="label")
    for name, adapter, data, share in (
        ("digits", ImageAdapter(), load("digits"), 0.03),
        ("digits", ImageAdapter(), load("digits"), 0.0),
        ("TREC", TextAdapter(), trec, 0.03),
        ("TREC", TextAdapter(), trec, 0.0),
    ):
        labels = np.asarray(data.labels).copy()
        rng, classes = np.random.default_rng(0), np.unique(labels)
        planted = np.flatnonzero(rng.random(len(labels)) < share)
        for at in planted.tolist():
            labels[at] = rng.choice(classes[classes != labels[at]])
        result = audit(adapter, data.items, labels, checks=["label-errors"])
        reported = {item for finding in result.findings for item in finding.affected}
        right = len(reported & set(planted.tolist()))
        yield {
            "set": name, "items": len(labels), "planted": len(planted), "found": right, "others": len(reported) - right,
            "seconds": sum(result.seconds.values()),
            "confident": sum(each.numbers["confident"] for each in result.findings),
            "examples": [str(data.items[at])[:100] for at in sorted(reported - set(planted.tolist()))][:20]
            if name == "TREC" else [],
        }  # fmt: skip


def scale() -> dict[str, Any]:
    """Audit 50,000 pictures, and say how long it took and how much memory."""
    data = load_folder(DATA / "cifar10" / "train")
    started = time.perf_counter()
    result = audit(ImageAdapter(), data.items, data.labels, checks=QUICK)
    return {
        "items": len(data), "seconds": time.perf_counter() - started, "by check": dict(result.seconds),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "copies": sum(each.count for each in result.findings if each.kind.startswith("copies")),
        "contradicting": sum(each.count for each in result.findings if each.kind == "copies-of-different-classes"),
    }  # fmt: skip


# ---- the section


EXPLAINED = {
    "MNIST, test, copies": "a false alarm: two straight ones of one slope",
    "CIFAR-10, test, copies": "true: photographs that differ in brightness, sharpness or colour, or are mirrored",
    "CIFAR-10, 5,000 of training, copies": "true, of the same kinds",
    "digits, series": "true: the digits stand writer by writer",
    "FSDD, groups-across-parts": "true: the official split has all speakers on both sides",
    "ESC-10, copies": "true: two cuts of one fire, whose waveforms correlate at 0.97",
    "drums, copies-of-different-classes": "true: equal samples, called mid tom and snare",
    "drums, copies": "a drum of one machine, its knobs set nearly alike (25 of 27 clusters); by waveform, not by ear",
    "drums, copies-across-parts": "true: two machines with one sample",
    "drums, mixed-sample-rate": "true: 242 hits are not at 44,100 Hz",
    "TREC, copies": "true: 71 equal questions, others but for case, punctuation and spaces",
    "MR, copies": "true: sentences that differ in quotation marks and dots",
    "SST-2, copies": "true: equal sentences",
    "names, copies-of-different-classes": "true: surnames that several nations share",
    "names, copies": "true: Voß and Voss, An and an",
    "names, uneven-classes": "true: 8,115 Russian and 63 Vietnamese names",
    "tweets, copies": "true: tweets that differ in an exclamation mark",
    "splice, copies-of-different-classes": "true: one sequence is labelled both ways",
    "splice, copies-across-parts": "true: the official parts share sequences",
    "splice, copies": "true: equal sequences",
    "MedicalImages, copies-across-parts": "true: an equal series in both parts",
    "MedicalImages, copies": "true: equal series",
    "MedicalImages, uneven-classes": "true: the largest class has more than 20 times the items of the smallest",
}
"""Why each finding on a clean set is one, after a look at its items: "set, kind"."""


def section(kept: dict[str, Any]) -> str:
    """Write the section of docs/RESULTS.md."""
    lines = ["## The audit of data", ""]
    if "planted" in kept:
        total = sum(planted for _, planted, _ in kept["planted"])
        hits = sum(found for _, _, found in kept["planted"])
        lines += [f"Planted faults found: **{hits:,} of {total:,}** (`gridcnn audit --quick`).", ""]
        lines += ["| planted in real sets | number | found |", "| --- | ---: | ---: |"]
        lines += [f"| {name} | {planted} | {found} |" for name, planted, found in kept["planted"]]
        lines.append("")
    if "clean" in kept:
        lines += ["What it says of the real sets, as they are published:", ""]
        lines += ["| set | items | finding | number | what it is |", "| --- | ---: | --- | ---: | --- |"]
        for row in kept["clean"]:
            if not row["findings"]:
                lines.append(f"| {row['set']} | {row['items']:,} | nothing | 0 | |")
            for each in row["findings"]:
                why = EXPLAINED.get(f"{row['set']}, {each['kind']}", "")
                what = f"{each['kind']} ({each['severity']})"
                lines.append(f"| {row['set']} | {row['items']:,} | {what} | {each['count']:,} | {why} |")
        lines.append("")
    if "labels" in kept:
        lines += ["Labels exchanged at random, and those reported as wrong:", ""]
        lines += [
            "| set | items | exchanged | of these reported | others reported | off the confident joint alone |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {r['set']} | {r['items']:,} | {r['planted']} | {r['found']} | {r['others']} | {r['confident'] or '–'} |"
            for r in kept["labels"]
        ]
        lines.append("")
    if "labels" in kept:
        lines += [
            "Of the four others of TREC two can be doubted (“What does laser stand for ?” is no abbreviation, “Where "
            "is the human skin least sensitive ?” no place); two are right (“Where does the U.S. rank …?”, a number).",
            "",
        ]
    if "scale" in kept:
        it = kept["scale"]
        lines += [
            f"{it['items']:,} pictures (CIFAR-10, training part) take {it['seconds']:.0f} s and {it['memory']:,.0f} MB "
            f"on a machine that was shared with other work; {it['copies']} copies were found, {it['contradicting']} of "
            "them of another class."
        ]
    return "\n".join(lines)


def main() -> None:
    """Run the parts that are asked for, keep what they found, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["planted", "clean", "labels", "scale", []], default=[])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    runs: dict[str, Callable[[], Any]] = {"planted": planted, "clean": clean, "labels": wrong_labels, "scale": scale}
    for name in (name for name in runs if name in given.parts):
        result = runs[name]()
        if not isinstance(result, Iterator):
            keep(name, result)
            continue
        rows = []
        for row in result:  # of hours of training, nothing is lost
            rows.append(row)
            keep(name, rows)
    kept = read_kept()
    print(section(kept))
    if given.write:
        results.save("audit", section(kept), threads=False)


def read_kept() -> dict[str, Any]:
    """Return what earlier runs found, by part."""
    lines = KEPT.read_text().splitlines() if KEPT.exists() else []
    return {row["part"]: row["result"] for row in map(json.loads, lines)}


def keep(name: str, result: Any) -> None:
    """Keep what a part found."""
    kept = {**read_kept(), name: result}
    KEPT.write_text("".join(json.dumps({"part": part, "result": it}) + "\n" for part, it in kept.items()))


if __name__ == "__main__":
    main()
