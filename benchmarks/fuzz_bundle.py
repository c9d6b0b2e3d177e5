"""Fuzz the loader of bundles with atheris: millions of files that differ from valid ones where it hurts.

    python benchmarks/fuzz_bundle.py --seconds 60                # in CI; exit code 1 if anything is found
    python benchmarks/fuzz_bundle.py --executions 10000000 --state fuzz/     # a campaign, which adds to its counts

One execution is one file, as bytes, through `unsealed` and `opened`, which is all of `gridcnn.load` but for the disk.
Mutations are structured, see `bundle_mutations.py`, and guided by the coverage of gridcnn's own code. Only
`BundleError` may come out. A file that passes every check is a model: one in `BUILT` of them is built, described and
asked for an answer, where any error of gridcnn may come out. libFuzzer ends the run if a file takes more than 5 seconds
or 2 GB.
Each finding (type and place of an exception) is written once to the folder `findings/`, and the run goes on.

Without atheris, or with --plain, the mutations are the same and no coverage guides them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from bundle_mutations import Mutator

try:
    import atheris
except ImportError:
    atheris = None

with (
    contextlib.redirect_stderr(io.StringIO()),
    contextlib.nullcontext() if atheris is None else atheris.instrument_imports(include=["gridcnn"]),
):
    from gridcnn import bundle, fit
    from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TableAdapter, TextAdapter
    from gridcnn.errors import BundleError, GridcnnError
    from gridcnn.export.card import model_card
    from gridcnn.inference import predict
    from gridcnn.pipeline.sealed import read_sealed, unsealed, write_sealed

COUNTED = ("past the digest", "all checks passed", "built and used")
KIND, LARGEST = "gridcnn", 32_768
BUILT = 100
MOST_SECONDS, MOST_MEGABYTES = 5, 2_048


def seeds() -> list[bytes]:
    """Return a small bundle of each adapter, in memory."""
    rng = np.random.default_rng(0)
    series, kinds = rng.normal(size=(4, 2, 12)).cumsum(axis=2), ["a", "b"] * 2
    deep = [(rng.integers(0, 4096, (9, 7)) * 16).astype(np.uint16) for _ in kinds]
    scheme: dict[str, Any] = {
        "epochs": 1,
        "kernels": (2,),
        "validation_fraction": 0,
        "cache": False,
        "batch_norm": False,
    }
    models = [
        fit(ImageAdapter(size=8), [rng.integers(0, 256, (8, 8, 3)).astype(np.uint8) for _ in kinds], kinds, scheme),
        fit(ImageAdapter(), deep, [0, 1] * 2, {**scheme, "batch_norm": True, "class_weight": {0: 1.0, 1: 2.0}}),
        fit(AudioAdapter(sample_rate=1000, duration=0.2, n_mels=4), list(series.reshape(4, -1).repeat(9, 1)), kinds,
            {**scheme, "kernels": (2, 2), "dense": (3,)}),
        fit(TextAdapter(min_count=1, embedding_dim=2), ["the dog bites", "man and dog"] * 2, kinds, scheme),
        fit(ArrayAdapter(("channels", "time"), scaling="both"), series, kinds, scheme),
        fit(TableAdapter(ordering="assume"), series[:, 0], [1.0, 2.0] * 2, scheme),
    ]  # fmt: skip
    return [_content(model, whole=number < 2) for number, model in enumerate(models)]


def _content(model: Any, *, whole: bool) -> bytes:
    """Return a bundle as bytes; unless `whole`, without what is only shown to a person, which costs time each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        bundle.save(model, path)
        if not whole:
            values, tensors = read_sealed(path, KIND, bundle.FORMAT_VERSION)
            write_sealed(path, KIND, bundle.FORMAT_VERSION, values | {"recipe": {}, "summary": {}}, tensors)
        return path.read_bytes()


class Target:
    """What is fuzzed, and what came of it.

    Parameters
    ----------
    state : Path
        Folder of counts and findings.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.counts = dict.fromkeys(("executions", *COUNTED), 0)
        self.findings: dict[str, str] = {}
        self.started = self.told = time.perf_counter()
        self._make, bundle._made = bundle._made, self._made
        self._in_use = False

    def __call__(self, content: bytes) -> None:
        """Load one file; anything but the errors that may come is a finding."""
        self.counts["executions"] += 1
        self._in_use = False
        try:
            values = unsealed(content, KIND, bundle.FORMAT_VERSION, "fuzzed")
            self.counts["past the digest"] += 1
            self._use(bundle.opened(values, "fuzzed"))
        except BundleError:
            pass
        except GridcnnError:
            if not self._in_use:
                self._found(content)
        except Exception:
            self._found(content)
        if time.perf_counter() > self.told + 2:
            self.tell()

    def _made(self, *parts: Any) -> Any:
        """Stand in for what builds a network, which takes as long as ten executions, but for one in `BUILT`."""
        self.counts["all checks passed"] += 1
        if self.counts["all checks passed"] % BUILT:
            raise BundleError("not built")
        return self._make(*parts)

    def _use(self, model: Any) -> None:
        """Ask for what a person would see of a model, and for an answer."""
        self._in_use = True
        self.counts["built and used"] += 1
        model_card(model, name="fuzzed")
        model.adapter.describe_grid()
        items = model.adapter.check_items(model.adapter.trial_items(np.random.default_rng(0)))[:3]
        predict(model, items, device="cpu", n_jobs=1)
        for item in items:
            model.adapter.cautions(item)
        bundle.save(model, self.state / "again.safetensors")

    def _found(self, content: bytes) -> None:
        kind, error, trace = sys.exc_info()
        last = traceback.extract_tb(trace)[-1]
        own = [
            each for each in traceback.extract_tb(trace) if "gridcnn" in each.filename or "adapters" in each.filename
        ]
        place = own[-1] if own else last
        name = f"{getattr(kind, '__name__', '?')} at {Path(place.filename).name}:{place.lineno}"
        if name not in self.findings:
            self.findings[name] = repr(error)[:300]
            folder = self.state / "findings"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{len(self.findings):03}.safetensors").write_bytes(content)
            story = "".join(traceback.format_exception(error))
            (folder / f"{len(self.findings):03}.txt").write_text(
                f"{name}\n{story[-4000:]}", "utf-8", "backslashreplace"
            )
            print(f"FOUND {name}: {repr(error)[:200]}", file=sys.stderr, flush=True)

    def tell(self) -> None:
        """Write what was counted so far."""
        self.told = time.perf_counter()
        seconds = self.told - self.started
        place = self.state / f"run-{int(time.time() - seconds)}.json"
        place.write_text(json.dumps({"seconds": seconds, **self.counts, "findings": self.findings}, indent=1))


def total(state: Path) -> dict[str, Any]:
    """Return the sums over all runs of a campaign."""
    runs = [json.loads(path.read_text()) for path in sorted(state.glob("run-*.json"))]
    sums = {name: round(sum(run[name] for run in runs), 1) for name in ("executions", "seconds", *COUNTED)}
    return {**sums, "findings": {name: why for run in runs for name, why in run["findings"].items()}}


def main() -> None:
    """Fuzz for so many seconds or executions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=0, help="0: until the executions are done")
    parser.add_argument("--executions", type=int, default=0, help="of all runs in --state; 0: until the time is up")
    parser.add_argument("--state", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--plain", action="store_true", help="not guided by coverage")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    end = time.time() + (given.seconds or 10**9)
    stopped = 0
    while time.time() < end and (left := given.executions - total(given.state)["executions"] or 10**12) > 0:
        child = os.fork()  # libFuzzer ends its process in its own way, and a file may end it in another
        if not child:
            _fuzz(given, int(end - time.time()), left)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            stopped += 1
            print("a file ended the process, see above, and lies beside the counts", file=sys.stderr)
        if given.seconds:
            break
    found = total(given.state)
    print(json.dumps({**found, "executions/s": round(found["executions"] / max(found["seconds"], 1e-9), 1)}, indent=1))
    sys.exit(bool(found["findings"] or stopped))


def _fuzz(given: argparse.Namespace, seconds: int, left: int) -> None:
    """Fuzz in this process, which ends with it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    examples = seeds()
    target, mutate = Target(given.state), Mutator(examples, KIND)
    if given.plain or atheris is None:
        random_, end = random.Random(given.seed or time.time_ns()), time.perf_counter() + seconds
        while time.perf_counter() < end and target.counts["executions"] < left:
            content = random_.choice(examples)
            for _ in range(random_.choice([1, 1, 2, 3, 5])):
                content = mutate(content, LARGEST, random_.getrandbits(32))
                target(content)
        target.tell()
        os._exit(0)
    corpus = given.state / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(examples):
        (corpus / f"seed-{number}").write_bytes(content)
    options = [f"-max_len={LARGEST}", f"-timeout={MOST_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}", f"-runs={left}"]
    options += [f"-max_total_time={seconds}", f"-seed={given.seed}", f"-artifact_prefix={given.state}/", "-reload=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target, custom_mutator=mutate, internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
