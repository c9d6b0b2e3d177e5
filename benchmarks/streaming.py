"""Peak memory of `gridcnn predict` on 20,000 and on 200,000 items, beside a program that reads them all first.

    python benchmarks/streaming.py [CASE …] [--write]

Each run is a process of its own, and its peak is what the system reports of it (`ru_maxrss`). The reference reads the
same input with pandas, calls `gridcnn.predict` on all items, and writes the table of all answers: what one would write
in Python. Models are tiny, so that the memory measured is that of items and answers. Pictures are 28 × 28 in PNG files;
a manifest of 200,000 rows names 5,000 of them 40 times each. Takes ten minutes on two cores, and 1 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from results import save

FEW, MANY, FILES = 20_000, 200_000, 5_000
CASES = {
    "texts of a csv": ("text", "csv", "csv"),
    "lines on standard input": ("text", "txt", "csv"),
    "texts of a jsonl": ("text", "jsonl", "jsonl"),
    "texts of a parquet": ("text", "parquet", "parquet"),
    "pictures of a manifest": ("image", "csv", "csv"),
    "rows of a table, 64 columns": ("table", "csv", "parquet"),
}
"""Model, suffix of the input, suffix of the answers."""

_PREPARE = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter, TextAdapter

folder, few, many, files = Path(sys.argv[1]), *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
quick = {"epochs": 1, "cache": False, "kernels": (8,)}
words = np.array([f"word{number}" for number in range(5000)])
sentences = [" ".join(rng.choice(words, 12)) for _ in range(many)]
model = GridClassifier(adapter=TextAdapter(), **quick)
model.fit(sentences[:600], list("abcde") * 120).save(folder / "text.safetensors")
pictures = rng.integers(0, 256, (files, 28, 28), dtype=np.uint8)
model = GridClassifier(adapter=ImageAdapter(), **quick)
model.fit(list(pictures[:60]), list("ab") * 30).save(folder / "image.safetensors")
series = pd.DataFrame(rng.normal(size=(many, 64)).cumsum(axis=1).round(4)).add_prefix("c")
GridClassifier(ordering="assume", **quick).fit(series[:60], list("ab") * 30).save(folder / "table.safetensors")
(folder / "pictures").mkdir()
for number, pixels in enumerate(pictures):
    Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")
for rows in (few, many):
    texts = pd.DataFrame({"id": range(rows), "text": sentences[:rows]})
    texts.to_csv(folder / f"text-{rows}.csv", index=False)
    texts.to_json(folder / f"text-{rows}.jsonl", orient="records", lines=True)
    texts.to_parquet(folder / f"text-{rows}.parquet")
    (folder / f"text-{rows}.txt").write_text("\\n".join(sentences[:rows]) + "\\n")
    names = pd.DataFrame({"path": [f"pictures/{number % files}.png" for number in range(rows)]})
    names.to_csv(folder / f"image-{rows}.csv", index=False)
    series[:rows].to_csv(folder / f"table-{rows}.csv", index=False)
"""

_WHOLE = """
import sys
from pathlib import Path
import pandas as pd
import gridcnn

model, source, output = sys.argv[1:]
source = Path(source)
reader = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(source.suffix)
if source.suffix == ".jsonl":
    table = pd.read_json(source, lines=True)
elif reader is None:
    table = pd.DataFrame({"text": source.read_text().splitlines()})
else:
    table = reader(source)
items = table
if "text" in table:
    items = table["text"].tolist()
elif "path" in table:
    items = [source.parent / name for name in table["path"]]
frame = gridcnn.predict(gridcnn.load(model), items).to_frame()
if output.endswith(".parquet"):
    frame.to_parquet(output)
elif output.endswith(".jsonl"):
    frame.to_json(output, orient="records", lines=True)
else:
    frame.to_csv(output, index=False)
"""


def watched(command: list[str], source: Path | None = None) -> float:
    """Run a command to its end, with a file as its standard input; return its peak of memory in MB."""
    with open(source or os.devnull, "rb") as given, tempfile.TemporaryFile() as told:  # noqa: PTH123
        process = subprocess.Popen(command, stdin=given, stdout=told, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            sys.exit(f"{' '.join(command)}: {told.read().decode()[-2000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return float(usage.ru_maxrss / unit)


def measured(folder: Path, case: str) -> tuple[float, float, float]:
    """Return the peaks on few and on many items, and that of the reference on many."""
    model, read, written = CASES[case]
    runs = []
    for rows in (FEW, MANY):
        source, output = folder / f"{model}-{rows}.{read}", folder / f"answers.{written}"
        piped = read == "txt"
        command = [sys.executable, "-c", "from gridcnn.cli import main; main()", "predict"]
        command.append(str(folder / f"{model}.safetensors"))
        runs.append(watched([*command, "-" if piped else str(source), "-o", str(output)], source if piped else None))
    whole = [sys.executable, "-c", _WHOLE, str(folder / f"{model}.safetensors"), str(source), str(output)]
    return runs[0], runs[1], watched(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"all of them if none is named: {', '.join(CASES)}")
    parser.add_argument("--write", action="store_true", help="keep the result as a section of docs/RESULTS.md")
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watched([sys.executable, "-c", _PREPARE, name, str(FEW), str(MANY), str(FILES)])
        for case in given.cases or CASES:
            few, many, whole = measured(folder, case)
            lines.append(f"| {case} | {few:.0f} MB | {many:.0f} MB | {many / few:.3f} | {whole:.0f} MB |")
            print(lines[-1], flush=True)
    text = f"""## Predictions on many items

`benchmarks/streaming.py`: peak memory of `gridcnn predict` as a process, interpreter and libraries included, on
{FEW:,} and on {MANY:,} items, with answers written as csv, jsonl or parquet. The reference reads all of {MANY:,}
items with pandas, calls `gridcnn.predict` on them and writes one table. The models are tiny, so that the memory is
that of items and answers. The bar is a ratio of 1.1.

| items | {FEW:,} | {MANY:,} | ratio | all at once in Python |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    print(f"\n{text}")
    if given.write:
        save("streaming", text)


if __name__ == "__main__":
    main()
