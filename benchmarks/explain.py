"""`gridcnn explain` on one picture: the whole command in a new process, the trace alone, and the page in a browser.

    python benchmarks/explain.py [--turns 5] [--write]

In turns: the command beside `import torch` in a new process, a trace beside the same net's answer, the page beside an
empty one. The nets are the defaults, trained for one epoch: what they know costs no time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from results import save

from gridcnn import GridClassifier, datasets, explain
from gridcnn.adapters import ImageAdapter

GRIDCNN = str(Path(sys.executable).with_name("gridcnn"))
EMPTY = '<!doctype html><html data-drawn="yes"><title>empty</title></html>'
INTRO = """## Explaining one picture

`benchmarks/explain.py`: medians of {turns} turns, with their range. “Command” is `gridcnn explain` in a new process,
from its start to its end; “trace” records every step of the default net for one picture; “page” is the time from
opening the file in a new tab of Chromium until all its maps are drawn.

| picture | command, s | × `import torch` | trace, ms | × one answer | page, ms | × an empty page |
| --- | --- | --- | --- | --- | --- | --- |
"""

Work = Callable[[], object]


def pictures() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return small and large pictures with labels."""
    digits = datasets.load("digits").take(range(100))
    colour = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    return {"digit, 8×8": (digits.items, digits.labels), "colour, 64×64": (colour, np.tile(["a", "b"], 8))}


def prepare(name: str, items: np.ndarray, labels: np.ndarray, folder: Path, browser: Browser) -> list[Work]:
    """Return what is timed: the command, the trace and the page, each followed by its reference."""
    model, item, page, empty = (folder / f"{name}.{end}" for end in ("safetensors", "png", "html", "empty.html"))
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, cache=False).fit(items, labels)
    classifier.save(model)
    Image.fromarray(items[0]).save(item)
    empty.write_text(EMPTY)
    return [
        lambda: subprocess.run([GRIDCNN, "explain", model, item, "-o", page], check=True, capture_output=True),
        lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
        lambda: explain.trace(classifier, item),
        lambda: classifier.predict_proba([item]),
        lambda: open_page(browser, page),
        lambda: open_page(browser, empty),
    ]


def open_page(browser: Browser, place: Path) -> None:
    """Open a page in a new tab and wait until it is drawn."""
    tab = browser.new_page()
    tab.goto(place.as_uri())
    tab.wait_for_selector("html[data-drawn=yes]", state="attached")
    tab.close()


def seconds(work: Work) -> float:
    """Return the wall clock of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(name: str, turns: list[list[float]]) -> str:
    """Return a row of the table: each time with its range, and the ratio to its reference."""
    times = np.array(turns)  # (turns, works)
    cells = []
    for at, unit in ((0, 1), (2, 1000), (4, 1000)):
        own, digits = unit * times[:, at], 1 if unit == 1 else 0
        cells.append(f"{statistics.median(own):.{digits}f} ({own.min():.{digits}f}–{own.max():.{digits}f})")
        cells.append(f"{statistics.median(times[:, at] / times[:, at + 1]):.1f}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    chosen = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        works = {name: prepare(name, *each, Path(folder), browser) for name, each in pictures().items()}
        found: dict[str, Any] = {name: [] for name in works}
        for turn in range(chosen.turns + 1):
            for name, each in works.items():
                times = [seconds(work) for work in each]
                if turn:  # the first warms the disk, the nets and the browser
                    found[name].append(times)
        browser.close()
    text = INTRO.format(turns=chosen.turns) + "\n".join(row(name, turns) for name, turns in found.items())
    print(text)
    if chosen.write:
        save("explain", text)


if __name__ == "__main__":
    main()
