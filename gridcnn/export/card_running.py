"""The part of a model card that says how to run the model, with gridcnn and without."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from gridcnn.export.markdown import encodable, plain
from gridcnn.model import FittedModel
from gridcnn.versions import versions

__all__ = ["running"]

_OF_FILE = {
    "float32": "It was written only because its probabilities differed from those of the trained model by at most "
    "0.0001 on the items that both were tried on.",
    "float16": "It stores its weights in 16 bits and computes in 32.",
    "int8": "It computes convolutions and dense layers with 8 bits, whose ranges were learned from some items.",
}
"""What is to be said of an exported file, by the precision of its weights."""

_OTHER_NUMBERS = (
    "So its answers are not quite those of the trained model, which the scores above are of. How good the file is, it "
    "does not record: `gridcnn export --check SOURCE` measures it on labelled items."
)


def running(model: FittedModel, source: str, onnx: str | None, precision: str) -> Iterator[str]:
    """Yield paragraphs of Markdown: the commands, and the program that needs only onnxruntime.

    Parameters
    ----------
    model : FittedModel
        The model.
    source : str
        What the commands name.
    onnx : str or None
        Name of the ONNX file; None if there is none.
    precision : {"float32", "float16", "int8"}
        That of the ONNX file.
    """
    adapter, exported = model.adapter, source.lower().endswith(".onnx")
    extras = ",".join(["hub"] * source.startswith("hf://") + ["export"] * exported)
    asked = "sentences.txt" if adapter.reads_texts else "new/" if adapter.reads_files else "rows.csv"
    what = f'".[{extras}]"' if extras else "."
    yield f"With gridcnn {versions()['gridcnn']} or newer, installed by `pip install {what}` in its source folder:\n"
    place = shlex.quote(" ".join(encodable(source).split()))
    serve = "" if exported else f"gridcnn serve {place}\n"  # it explains, too, and needs the weights
    yield f"```sh\ngridcnn predict {place} {asked}\n{serve}```\n"
    if onnx is None:
        yield "`gridcnn export` makes one ONNX file of it, which runs without gridcnn.\n"
        return
    yield (
        f"Without gridcnn: {plain(onnx)} has the preprocessing inside, and needs only onnxruntime. It takes "
        f"{adapter.describe_input()}.\n"
    )
    yield f"{_OF_FILE[precision]}{'' if precision == 'float32' else f' {_OTHER_NUMBERS}'}\n"
    yield f"```python\n{_CONSUMER.replace('PATH', json.dumps(encodable(onnx)))}```\n"


_CONSUMER = """\
import onnxruntime

session = onnxruntime.InferenceSession(PATH)
(entry,) = session.get_inputs()
print(entry.name, entry.type, entry.shape)


def predict(batch):
    return session.run(["label", "probabilities"], {entry.name: batch})
"""
