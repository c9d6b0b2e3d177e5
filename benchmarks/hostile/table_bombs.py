"""Small files of rows and archives that would become huge, or never end, if they were believed."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd


def excel_file(table: pd.DataFrame) -> bytes:
    """Return a table as an Excel file."""
    buffer = io.BytesIO()
    table.to_excel(buffer, index=False)
    return buffer.getvalue()


def zip_file(members: Mapping[str, bytes]) -> bytes:
    """Return files, by their names, in a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _parquet_of(rows_: int, groups: int, text: str = "a") -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows_, np.int32)), [text])
    table = pa.table({"text": column, "label": column, "group": column})
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)
    return buffer.getvalue()


def _parquet_of_zeros(rows: int) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"label": np.zeros(rows)}).to_parquet(buffer, compression="zstd", use_dictionary=False)
    return buffer.getvalue()


def _zeros(unit: bytes, times: int, head: bytes = b"text,label,group\n") -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(head)
        for _ in range(times):
            file.write(unit * (2**20 // len(unit)))
    return buffer.getvalue()


def _sheet(content: str, before: str = "") -> bytes:
    """Return an Excel file with a sheet of this content."""
    with zipfile.ZipFile(io.BytesIO(excel_file(pd.DataFrame({"text": ["a"], "label": ["b"]})))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'{before}<worksheet xmlns="{space}"><sheetData>{content}</sheetData></worksheet>'
    return zip_file(members | {"xl/worksheets/sheet1.xml": sheet.encode()})


def _cell(column: str, row: int, value: str = "1") -> str:
    return f'<row r="{row}"><c r="{column}{row}" t="str"><v>{value}</v></c></row>'


def _entities() -> str:
    ladder = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    return f'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{ladder}]>'


def _tar_claiming(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("a/1.txt")
    member.size, member.type = size, kind
    return _zeros(bytes(2**20), 3000, member.tobuf(tarfile.GNU_FORMAT))


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "text-billion-rows.parquet": lambda: _parquet_of(10_000_000, 100),
    "text-long-entry.parquet": lambda: _parquet_of(1000, 1, "x" * 10_000_000),
    "numbers-of-zeros.parquet": lambda: _parquet_of_zeros(100_000_000),
    "text-three-gigabytes.csv.gz": lambda: _zeros(b"a,b,c\n", 3000),
    "text-one-line.csv.gz": lambda: _zeros(b"a" * 1000, 3000),
    "text-three-gigabytes.jsonl.gz": lambda: _zeros(b'{"text":"a","label":"b","group":1}\n', 3000, b""),
    "text-cell-of-10-megabytes.csv": lambda: b"text,label,group\n" + b"word " * 2_000_000 + b",a,1\nfine,b,1\n",
    "text-million-columns.csv": lambda: b"text,label,group" + b",c" * 10**6 + b"\na,b,1" + b",1" * 10**6 + b"\n",
    "numbers-million-columns.csv": lambda: b"label" + b",c" * 10**6 + b"\na" + b",1" * 10**6 + b"\n",
    "text-commas.csv": lambda: b"text,label,group\n" + b"," * 40_000_000 + b"\nfine,b,1\n",
    "text-empty-lines.csv": lambda: b"text,label,group\n" + b"\n" * 50_000_000 + b"fine,b,1\n",
    "text-unclosed.csv": lambda: b'text,label,group\n"' + b"x,y,1\n" * 5_000_000,
    "text-keys.jsonl": lambda: b"".join(b'{"k%d":1,"text":"a","label":"b","group":1}\n' % n for n in range(50_000)),
    "text-rows.json": lambda: json.dumps({f"c{n}": {f"r{n}": 1} for n in range(30_000)}).encode(),
    "text-deep.json": lambda: b"[" * 10_000_000,
    "text-deep.jsonl": lambda: b'{"text":' + b"[" * 10**6 + b"]" * 10**6 + b'}\n{"text":"a","label":"b","group":1}\n',
    "text-sparse.xlsx": lambda: _sheet(f"{_cell('XFD', 1)}{_cell('A', 1_048_576)}"),
    "text-last-row.xlsx": lambda: _sheet(_cell("A", 99_999_999_999_999)),
    "text-entities.xlsx": lambda: _sheet(_cell("A", 1, "&j;"), _entities()),
    "text-spaces.xlsx": lambda: _sheet(" " * 2**29),
    "classes-zeros.zip": lambda: zip_file({"a/1.txt": bytes(2**31 - 1), "b/1.txt": bytes(2**30)}),
    "classes-header.tar.gz": lambda: _tar_claiming(tarfile.GNUTYPE_LONGNAME, 3 * 2**30 - 1),
    "classes-file.tar.gz": lambda: _tar_claiming(tarfile.REGTYPE, 3 * 2**30 - 1),
}
