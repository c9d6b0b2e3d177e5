"""Files of rows, arrays and archives: mutations that know separators, JSON, checksums, and how they are read.

Each table is read twice, whole as `train` does and in parts as `predict` does, and both have to give every row the same
number and the same content.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from families import Family, Unsuited, register
from mutations import GENERIC
from table_bombs import BOMBS, excel_file, zip_file

ROWS = 24

CHECKED = {".gz", ".zip", ".xlsx"}
"""Files with checksums of their content."""

SUMMED = {"truncated", "flipped", "flipped_header", "lying", "blanked", "removed", "exchanged"}
"""Mutations after which a checksum is wrong, unless they met a place that holds no data."""

TEXTS = pd.DataFrame(
    {
        "text": [f'row {n} says "{("café", "naïve", "plain")[n % 3]}" twice, {n}' for n in range(ROWS)],
        "label": [f"{'abc'[n % 3]}" for n in range(ROWS)],
        "group": [n // 4 for n in range(ROWS)],
    }
)


def numbers() -> pd.DataFrame:
    """Return waves with a gap and a label."""
    random = np.random.default_rng(0)
    waves = pd.DataFrame(np.sin(np.arange(12) / 3 + random.uniform(0, 6, (ROWS, 1))).round(4)).add_prefix("c")
    waves.iloc[3, 4] = np.nan
    return waves.assign(label=["ab"[n % 2] for n in range(ROWS)])


def _parquet(table: pd.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, **options)
    return buffer.getvalue()


def _tar(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _array(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    """Return tables of texts and of numbers in all formats, arrays, and archives of class folders."""
    waves, lines = numbers(), TEXTS.to_json(orient="records", lines=True, force_ascii=False).encode()
    csv = TEXTS.to_csv(index=False).encode()
    documents = {f"{'ab'[n % 2]}/{n}.txt": f"document {n} {'x' * n}".encode() for n in range(12)}
    many = {f"c{n}": np.arange(ROWS) * n for n in range(40)} | {"label": waves["label"]}
    return {
        "text.csv": csv,
        "text-semicolon.csv": TEXTS.to_csv(index=False, sep=";").replace("\n", "\r\n").encode("utf-8-sig"),
        "text-western.csv": csv.decode().encode("cp1252"),
        "text-wide.csv": csv.decode().encode("utf-16"),
        "text.tsv": TEXTS.to_csv(index=False, sep="\t").encode(),
        "text.csv.gz": gzip.compress(csv, mtime=0),
        "text.jsonl.gz": gzip.compress(lines, mtime=0),
        "text.zip": zip_file({"text.csv": csv}),
        "text.jsonl": lines,
        "text.json": TEXTS.to_json(orient="records").encode(),
        "text-columns.json": TEXTS.to_json(orient="columns").encode(),
        "text-split.json": TEXTS.to_json(orient="split").encode(),
        "text.parquet": _parquet(TEXTS),
        "text-plain.parquet": _parquet(TEXTS, compression=None, use_dictionary=False),
        "text-zstd.parquet": _parquet(TEXTS, compression="zstd", data_page_version="2.0", row_group_size=7),
        "text-checked.parquet": _parquet(TEXTS, write_page_checksum=True),
        "text.xlsx": excel_file(TEXTS),
        "numbers.csv": waves.to_csv(index=False).encode(),
        "numbers-comma.csv": waves.to_csv(index=False, sep=";", decimal=",").encode(),
        "numbers.jsonl": waves.to_json(orient="records", lines=True).encode(),
        "numbers.parquet": _parquet(waves),
        "numbers-many.parquet": _parquet(pd.DataFrame(many), compression="gzip"),
        "numbers.xlsx": excel_file(waves),
        "array.npy": _array(waves.iloc[:, :12].to_numpy(np.float32)),
        "array-of-three-axes.npy": _array(np.arange(240, dtype=">i2").reshape(10, 6, 4)),
        "classes.zip": zip_file(documents),
        "classes.tar": _tar(documents),
        "classes.tar.gz": gzip.compress(_tar(documents), mtime=0),
    }


# --- mutations -------------------------------------------------------------------------------------------------------


def inside(data: bytes, random: Random) -> bytes:
    """Damage what is packed, and pack it again with checksums that are right."""
    change = random.choice(list(GENERIC.values()))
    if data.startswith(b"\x1f\x8b"):
        return gzip.compress(change(gzip.decompress(data), random), mtime=0)
    if not data.startswith(b"PK\3\4"):
        raise Unsuited
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = random.choice(sorted(members))
    members[chosen] = change(members[chosen] or b"\0", random)
    return zip_file(members)


TOKENS = (
    b",", b";", b"\t", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xe9", b"\xc3\xa9",
    b"NaN",
    b"inf", b"-Infinity", b"1e999", b"9" * 400, b"9" * 5000, b"0x10", b"1_000", b"\xed\xa0\x80", b"{", b"}",
    b"[" * 2000,
    b'{"a":' * 2000, b'"text":"x",', b"null", b"true", b"sep=;\n", b"text,label\n", b"/dev/zero",
    b"../../etc/passwd", b" ",
)  # fmt: skip


def token(data: bytes, random: Random) -> bytes:
    """Put something with a meaning somewhere, or in the place of a byte."""
    if b"label" not in data[:4000] or data.startswith((b"PAR1", b"PK", b"\x1f\x8b")):
        raise Unsuited
    at = random.randrange(len(data))
    return data[:at] + random.choice(TOKENS) + data[at + random.randrange(2) :]


def rows(data: bytes, random: Random) -> bytes:
    """Take away, repeat or exchange separators, cells or lines."""
    if b"label" not in data[:4000] or data.startswith((b"PAR1", b"PK", b"\x1f\x8b")):
        raise Unsuited
    mark = random.choice([each for each in (b",", b";", b"\t", b"\n", b":", b'"') if each in data])
    cut = data.split(mark)
    at, how = random.randrange(len(cut)), random.randrange(4)
    if how == 0 and len(cut) > 1:
        cut[at - 1 : at + 1] = [cut[at - 1] + cut[at]]
    elif how == 1:
        cut.insert(at, cut[at])
    elif how == 2:
        del cut[at]
    else:
        random.shuffle(cut)
    return mark.join(cut)


def footer(data: bytes, random: Random) -> bytes:
    """Change a byte of the part that says what a parquet file holds, or the header of one of its pages."""
    if not data.startswith(b"PAR1"):
        raise Unsuited
    size = int.from_bytes(data[-8:-4], "little")
    start, end = random.choice(((len(data) - 8 - size, len(data) - 4), (4, min(60, len(data)))))
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(start, end)
        changed[at] = random.choice((changed[at] ^ 1 << random.randrange(8), random.randrange(256), 0xFF, 0x7F, 0))
    return bytes(changed)


def array_header(data: bytes, random: Random) -> bytes:
    """Let the header of an array state another shape or type."""
    if not data.startswith(b"\x93NUMPY"):
        raise Unsuited
    end = 10 + int.from_bytes(data[8:10], "little")
    kinds = ("<f8", "|O", "<U8", "<M8[s]", "|V8", "<c16", "|b1", "<f2", ">i4", "<f16", "|S3")
    shapes = ((2**40, 12), (0,), (), (-1, 4), (24, 12), (12, 24), (1,) * 40, (2**62, 4), (5, 2**61), (24, 3, 4))
    header = repr({
        "descr": random.choice(kinds), "fortran_order": random.random() < 0.5, "shape": random.choice(shapes)
    }).encode()  # fmt: skip
    return data[:10] + header[: end - 11].ljust(end - 11) + b"\n" + data[end:]


# --- how they are tried ----------------------------------------------------------------------------------------------


def attempt(_loaded: Any, path: Path) -> None:
    """Read a file as the commands do."""
    content(None, path)


def content(_loaded: Any, path: Path) -> bytes:
    """Return what is read of a file, as text."""
    kind = PurePath(path).name.partition(".")[0].partition("-")[0]
    return repr(READ[kind](path)).encode("utf-8", "surrogatepass")


def _texts(path: Path) -> list[Any]:
    """Return the numbered rows of a table of texts; AssertionError if they differ when it is read in parts."""
    from gridcnn.datasets import load_manifest  # noqa: PLC0415
    from gridcnn.datasets.cells import is_missing  # noqa: PLC0415
    from gridcnn.datasets.streamed import StreamedTable  # noqa: PLC0415
    from gridcnn.datasets.tables import read_table  # noqa: PLC0415
    from gridcnn.errors import GridcnnError  # noqa: PLC0415

    data = load_manifest(path, text="text", label="label", group="group", on_error="skip")
    left_out = {each.row for each in data.skipped}
    table = read_table(path, None)
    assert _in_order(table), "rows are not numbered in order"
    kept = [number for number in table.index.tolist() if number not in left_out]
    assert len(kept) == len(data), f"{len(table)} rows, {len(left_out)} left out, {len(data)} kept"
    whole = dict(zip(kept, data.items, strict=True))
    in_parts: dict[int, str] = {}
    try:
        for part in StreamedTable(path).parts("text"):
            cells = zip(part.index.tolist(), part["text"], strict=True)
            in_parts |= {n: str(cell) for n, cell in cells if not is_missing(cell)}
    except GridcnnError:
        in_parts = whole  # a pass over the whole file finds what one part does not show
    differs = {number for number in whole if in_parts.get(number) != whole[number]}
    assert not differs, f"read in parts, rows differ: {sorted(differs)[:3]}"
    return [list(whole.items()), data.labels.tolist() if data.labels is not None else None]


def _numbers(path: Path) -> list[Any]:
    """Return the rows of a table of numbers as an adapter takes them."""
    from gridcnn.adapters.numbers import as_numbers  # noqa: PLC0415
    from gridcnn.datasets import load_table  # noqa: PLC0415
    from gridcnn.errors import DataError  # noqa: PLC0415

    data = load_table(path, label="label", on_error="skip")
    assert _in_order(data.items), "rows are not numbered in order"
    try:
        read = as_numbers(data.items, exact=True, known=True)
    except (ValueError, TypeError) as error:  # in scikit-learn's words, of which commands make one line
        raise DataError(str(error)) from error
    return [data.items.index.tolist(), list(data.items.columns), read.tolist(), data.labels.tolist()]


def _in_order(table: pd.DataFrame) -> bool:
    return bool(table.index.is_monotonic_increasing and table.index.is_unique)


def _array_of(path: Path) -> list[Any]:
    from gridcnn.datasets.arrays import load_array  # noqa: PLC0415

    array = load_array(path)
    return [array.shape, array.dtype.str, array.tolist()]


def _classes(path: Path) -> list[Any]:
    from gridcnn.datasets import load_folder  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load_folder(path)
    return [data.items, data.labels.tolist()]


READ: Mapping[str, Callable[[Path], list[Any]]] = {
    "text": _texts, "numbers": _numbers, "array": _array_of, "classes": _classes
}  # fmt: skip


def load(_prepared: Any) -> None:
    """Import what reads tables, so that it does not count as memory of the first one."""
    import openpyxl  # noqa: F401, PLC0415
    import pyarrow.parquet  # noqa: F401, PLC0415
    from sklearn.utils import check_array  # noqa: F401, PLC0415


def damage_shows(seed: str, mutation: str) -> bool:
    """Whether a checksum tells that a file was changed."""
    return PurePath(seed).suffix in CHECKED and mutation in SUMMED


register(
    Family(
        "tables", seeds, lambda folder: None, load, attempt, content, damage_shows,
        {each.__name__: each for each in (inside, token, rows, footer, array_header)}, BOMBS,
    )
)  # fmt: skip
