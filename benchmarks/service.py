"""The service under load, beside a bare loop around onnxruntime.

    OMP_NUM_THREADS=1 python benchmarks/service.py [--clients 50] [--seconds 60] [--items 1 16] [--cases …] [--write]

`gridcnn serve` runs as a process of its own, with one thread that computes. Clients keep their connections, and each
sends its next request as soon as it has its answer; every answer is compared with that of `predict` for the same item
from a file. The clients share the machine with the service, as they do not in practice.

The reference is what a good engineer would write for a script: one process with one thread reads the same files with
the adapter's own code, as many at a time as is fastest for it (of 1, 16 and 64), and computes the folded network in
onnxruntime. It knows no HTTP, no limits and no cautions. It runs before and after the service, and the mean counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from prediction import CASES, train
from results import save

from gridcnn import FittedModel, load, predict
from gridcnn.inference.folding import fold_batch_norm, probabilities
from gridcnn.inference.onnx_runtime import in_onnxruntime
from gridcnn.network.augment import flipped_copies

N_ITEMS = 320
BATCHES = (1, 16, 64)
NAME = "model"
BOUNDARY = "----gridcnn"
EQUAL = 1e-6


class Load(NamedTuple):
    """What clients met: seconds of each request, and how many answers were errors, or wrong."""

    seconds: list[float]
    n_items: int
    errors: int
    wrong: int
    took: float


# --- the reference ---------------------------------------------------------------------------------------------------


def reference(model: FittedModel, items: Sequence[Any], seconds: float) -> float:
    """Return the items a second of a bare loop in onnxruntime, with the fastest batch."""
    adapter, network = model.adapter, model.network
    logits = in_onnxruntime(fold_batch_norm(network.calibrated()))
    assert logits is not None, "pip install gridcnn[fast]"

    @torch.inference_mode()
    def answers(part: Sequence[Any]) -> np.ndarray:
        windows = [adapter.encode(item) for item in part]
        grids = network.frontend(torch.from_numpy(np.concatenate(windows)))
        copies = [probabilities(logits(each)) for each in flipped_copies(grids, adapter.spec_, network.flip_axes)]
        first = np.cumsum([0, *map(len, windows[:-1])])
        return np.add.reduceat(np.mean(copies, axis=0), first) / np.array([[len(each)] for each in windows])

    expected = predict(model, items).probabilities
    best = 0.0
    for batch in BATCHES:
        done, started, worst = 0, time.perf_counter(), 0.0
        while time.perf_counter() - started < seconds / len(BATCHES):
            first = done % len(items)
            found = answers(items[first : first + batch])
            worst = max(worst, float(np.abs(found - expected[first : first + batch]).max()))
            done += len(found)
        assert worst < 1e-5, f"the reference has other answers than predict, by {worst:.2g}"
        best = max(best, done / (time.perf_counter() - started))
    return best


# --- the clients -----------------------------------------------------------------------------------------------------


def request_of(items: Sequence[Any]) -> bytes:
    """Return one request as it stands on the wire."""
    if isinstance(items[0], str):
        kind, body = "application/json", json.dumps({"inputs": list(items)}).encode()
    else:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n'
        parts = [(head % item.name).encode() + item.read_bytes() + b"\r\n" for item in items]
        body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    lines = (
        f"POST /v1/models/{NAME}/predict HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


async def load_it(
    port: int, items: Sequence[Any], expected: np.ndarray, clients: int, per: int, seconds: float
) -> Load:
    """Let so many clients ask for so long."""
    requests = [(request_of(items[at : at + per]), expected[at : at + per]) for at in range(0, len(items), per)]
    log = Load([], 0, 0, 0, 0.0)
    answered = errors = wrong = 0
    started = time.perf_counter()

    async def client(first: int) -> None:
        nonlocal answered, errors, wrong
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        at = first
        while (sent := time.perf_counter()) - started < seconds:
            request, right = requests[at % len(requests)]
            at += 1
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            body = await reader.readexactly(int(length[1]))
            log.seconds.append(time.perf_counter() - sent)
            if not head.startswith(b"HTTP/1.1 200"):
                errors += 1
                continue
            for result, row in zip(json.loads(body)["results"], right, strict=True):
                answered += 1
                if "error" in result:
                    errors += 1
                else:
                    wrong += bool(np.abs(np.array(result["probabilities"]) - row).max() > EQUAL)
        writer.close()

    await asyncio.gather(*(client(number * 7) for number in range(clients)))
    return log._replace(n_items=answered, errors=errors, wrong=wrong, took=time.perf_counter() - started)


@contextmanager
def serving(bundle: Path) -> Iterator[int]:
    """Run the service, and yield its port."""
    code = "import sys; from gridcnn.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", f"{NAME}={bundle}", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r":(\d+) ", process.stdout.readline())
    assert found is not None, "the service did not start"
    try:
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


def measure(name: str, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield a row of the table for each number of items in a request."""
    case, rng = CASES[name], np.random.default_rng(1)
    bundle = folder / f"{len(name)}.safetensors"
    train(name, bundle)
    model = load(bundle)
    items = [case.make(rng) for _ in range(N_ITEMS)]
    if case.write is not None:
        paths = [folder / f"{len(name)}-{index}{case.ending}" for index in range(N_ITEMS)]
        for path, item in zip(paths, items, strict=True):
            case.write(path, item)
        items = paths
    expected = predict(model, items).probabilities
    for per in options.items:
        before = reference(model, items, options.seconds / 4)
        with serving(bundle) as port:
            asyncio.run(load_it(port, items, expected, options.clients, per, 2))  # warm
            met = asyncio.run(load_it(port, items, expected, options.clients, per, options.seconds))
        loop = (before + reference(model, items, options.seconds / 4)) / 2
        speed = met.n_items / met.took
        p50, p99 = np.percentile(met.seconds, [50, 99]) * 1000
        yield (
            f"| {name} | {per} | {len(met.seconds):,} | {met.errors} | {met.wrong} | {p50:.0f} ms | {p99:.0f} ms | "
            f"{speed:,.0f} | {loop:,.0f} | {speed / loop:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--items", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        "| items | in a request | requests | errors | wrong | p50 | p99 | items a second | bare loop | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(rows), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            for row in measure(name, Path(folder), options):
                rows.append(row)
                print(row, flush=True)
    if options.write:
        table = "\n".join(rows)
        text = (
            f"## Service\n\n{options.clients} clients for {options.seconds:g} s against `gridcnn serve` with one "
            "computing thread, beside a bare loop around onnxruntime in one process, which decodes the same files. An "
            f"answer is wrong if a probability differs from that of `predict` by more than {EQUAL:g}.\n\n{table}\n"
        )
        save("service", text)


if __name__ == "__main__":
    main()
