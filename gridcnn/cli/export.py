"""`gridcnn export`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcnn.cli.columns import Columns
from gridcnn.cli.evaluate import trained_on
from gridcnn.cli.models import load_model, read_for
from gridcnn.cli.options import (
    Choice,
    EncodingOption,
    EndOption,
    LabelOption,
    ModelArgument,
    PathOption,
    StartOption,
    TextOption,
)
from gridcnn.cli.output import list_skipped, note, prepare_output
from gridcnn.cli.segmented import read_by
from gridcnn.cli.sources import parts_of, read_unlabelled
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError, GridcnnError

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.export.onnx_file import Exported
    from gridcnn.model import FittedModel


class Precision(Choice):
    """How the weights are stored, and computed with."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


def export(
    model: ModelArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="A file (model.onnx), or with --web a folder.")
    ],
    web: Annotated[
        bool, typer.Option("--web", help="Write a static page with the model inside: any web server can hand it out.")
    ] = False,
    precision: Annotated[
        Precision,
        typer.Option(
            "--precision",
            help="float16 stores weights in half the space; int8 computes with 8 bits (needs --check).",
        ),
    ] = Precision.float32,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="SOURCE",
            help="Items on which the exported model is compared with the trained one; labelled ones, if you want its "
            "accuracy.  \\[default: made-up items]",
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="NAME", help="Licence of the model, such as MIT or CC-BY-4.0.")
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            "--runtime",
            metavar="FOLDER",
            help="With --web: a folder that holds the npm package onnxruntime-web.  \\[default: node_modules, or npm "
            "fetches it once]",
        ),
    ] = None,
    label: LabelOption = None,
    text: TextOption = None,
    path: PathOption = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Write a model with its preprocessing as one ONNX file: pixels, waveforms, strings or rows in, probabilities out.

    The file runs in plain onnxruntime, in Python, Node.js and browsers. Before it is written, its answers are compared
    with those of the model.
    """
    if web and output.is_file():
        raise ConfigurationError(f"{output} is a file: --web writes a folder, so name one.")
    if not web and output.suffix.lower() != ".onnx":
        raise ConfigurationError(f"{output}: name a file that ends in .onnx, or say --web for a folder.")
    if web and precision is not Precision.float32:
        raise ConfigurationError(f"--precision {precision.value} is for .onnx files: leave it out, or leave out --web.")
    if runtime is not None and not web:
        raise ConfigurationError("--runtime is for pages: say --web, too, or leave it out.")
    columns = Columns(label, text, path, start=start, end=end, encoding=encoding)
    if check is None and columns.given():
        raise ConfigurationError(f"{', '.join(columns.given())}: for the items of --check, so name them as well.")
    prepare_output(output / "index.html" if web else output, [model, *([check] if check else [])])
    fitted = load_model(model)
    data = None if check is None else _data(check, fitted, columns)
    if web:
        from gridcnn.export.site import export_site

        items = None if data is None else data.items
        written = export_site(fitted, output, name=model.stem, licence=licence, items=items, runtime=runtime)
        around = sum(each.stat().st_size for each in (output / "runtime").iterdir())
        size = f"{written / 2**20:.1f} MB, and {around / 2**20:.0f} MB of onnxruntime-web"
        note(f"page: {output}, {size}; try it: python -m http.server --directory {shlex.quote(str(output))}")
        return
    from gridcnn.export.card import model_card
    from gridcnn.export.onnx_file import export_onnx

    name = output.name
    card = model_card(fitted, name=model.stem, licence=licence, source=name, onnx=name, precision=precision.value)
    texts = {"model_card": card}
    if licence is not None:
        texts["licence"] = licence
    found = export_onnx(
        fitted,
        output,
        items=None if data is None else data.items,
        labels=None if data is None else data.labels,
        precision=precision.value,
        metadata=texts,
    )
    _print(found)
    if data is not None and data.skipped:
        note(f"{counted(len(data.skipped), 'item')} of {check} could not be read:")
        list_skipped(data.skipped)


def _data(source: str, model: FittedModel, columns: Columns) -> Dataset:
    """Read items to compare with: the test part if there is one; with labels if it has any, one an item."""
    if model.several:
        return read_by(read_unlabelled(source, columns), model)
    try:
        parts = parts_of(read_for(model, source, columns))
    except GridcnnError:
        return read_by(read_unlabelled(source, columns), model)
    return parts.get("test", next(iter(parts.values())))


def _print(found: Exported) -> None:
    size = f"{found.n_bytes / 1e6:.1f} MB" if found.n_bytes >= 1e6 else f"{found.n_bytes / 1e3:.0f} kB"
    note(f"model: {found.path}, {size}")
    note(
        f"compared with the trained model on {found.n_compared} {found.what}: probabilities differ by "
        f"{found.difference:.1e} at most, {found.same_labels} of {found.n_compared} labels are equal"
    )
    if found.accuracy is not None:
        before, after = found.accuracy
        note(f"accuracy on them: {before:.4f} by the trained model, {after:.4f} by the file")
    if found.n_trained_on:
        note(trained_on(found.n_trained_on, found.n_compared))
