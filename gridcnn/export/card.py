"""A model card: what a model was trained on, how good it is and how sure that is, what it is not for, how to run it.

All of it is filled in from the model. What the model does not know is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gridcnn.export.card_running import running
from gridcnn.export.card_scores import (
    MOST_CLASSES,
    AnyReport,
    about_baseline,
    about_calibration,
    about_scores,
    count,
    measured,
)
from gridcnn.export.markdown import LICENCES, plain, table, yaml_string
from gridcnn.model import FittedModel, fitted_model

__all__ = ["model_card"]


def model_card(
    model: Any,
    *,
    name: str,
    licence: str | None = None,
    evaluation: AnyReport | None = None,
    purpose: str | None = None,
    source: str | None = None,
    onnx: str | None = None,
    precision: str = "float32",
) -> str:
    """Return the card of a model: Markdown that begins with the metadata of the Hugging Face Hub.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    name : str
        What the model is called; it stands in the title.
    licence : str, optional
        Licence of the model, such as `mit`.
    evaluation : Report or LabelSetReport, optional
        Scores on items that the model has not seen, from `make_report`, or with several labels an item from
        `make_label_set_report`. Without it the card tells the scores that were known when the model was trained, and
        that nobody measured its calibration.
    purpose : str, optional
        What it was made for, in a sentence or more.
    source : str, optional
        What the commands name as the model: a file, or `hf://USER/NAME`. The default is `model.safetensors`.
    onnx : str, optional
        Name of the ONNX file that lies beside the card, or has the card in it.
    precision : {"float32", "float16", "int8"}, default "float32"
        What that file stores and computes with, see `gridcnn.export.onnx_file.export_onnx`.

    Returns
    -------
    str
        The card, in UTF-8 whatever the names of classes hold.

    References
    ----------
    Mitchell et al. 2019, "Model cards for model reporting".

    Examples
    --------
    >>> from gridcnn import datasets, fit
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> model = fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1})
    >>> print(model_card(model, name="digits", licence="mit").partition("## ")[0])
    ---
    library_name: "gridcnn"
    license: "mit"
    ...
    """
    model = fitted_model(model)
    parts = [
        *_front_matter(model, name, licence, evaluation, onnx),
        f"# {plain(name)}\n",
        *_about(model),
        "## Intended use\n",
        *_use(model, purpose, licence),
        "## Data\n",
        *_data(model),
        "## Scores\n",
        *about_scores(model, evaluation),
        "### Calibration\n",
        about_calibration(evaluation),
        "### Beside a classic baseline\n",
        about_baseline(model, evaluation),
        "## Limits\n",
        *_limits(model),
        "## How to run it\n",
        *running(model, source or "model.safetensors", onnx, precision),
        "## How it was trained\n",
        *_training(model),
    ]
    return "\n".join(parts)


# ---- metadata -------------------------------------------------------------------------------------------------------


def _front_matter(
    model: FittedModel, name: str, licence: str | None, evaluation: AnyReport | None, onnx: str | None
) -> Iterator[str]:
    """Yield the metadata as lines of YAML, whose strings are written as JSON, which YAML contains."""
    task, tags = model.adapter.task, ["gridcnn", "convolutional-network", *(["onnx"] if onnx else [])]
    yield "---"
    yield 'library_name: "gridcnn"'
    if licence is not None:
        known = licence.strip().lower() in LICENCES
        yield f"license: {yaml_string(licence.strip().lower() if known else 'other')}"
        if not known:
            yield f"license_name: {yaml_string(licence)}"
    if task:
        yield f"pipeline_tag: {yaml_string(task)}"
    yield from ("tags:", *(f"- {yaml_string(tag)}" for tag in tags))
    metric, title = ("average_precision", "mean average precision") if model.several else ("accuracy", "")
    yield from ("metrics:", f"- {yaml_string(metric)}")
    scored = [(each, each.of_labels.get(title) if title else each.right) for each in measured(model, evaluation)]
    shown = [(each.what, value) for each, value in scored if value is not None]
    if shown and task:
        what, value = shown[-1]
        yield from (
            "model-index:",
            f"- name: {yaml_string(name)}",
            "  results:",
            "  - task:",
            f"      type: {yaml_string(task)}",
        )
        yield from ("    dataset:", f"      name: {yaml_string(what)}", '      type: "held-out"')
        yield from ("    metrics:", f"    - type: {yaml_string(metric)}", f"      value: {value:.4f}")
        if title:
            yield f"      name: {yaml_string(title)}"
    yield "---\n"


# ---- sections -------------------------------------------------------------------------------------------------------


def _about(model: FittedModel) -> Iterator[str]:
    names = ", ".join(map(plain, model.class_names[:10])) + (", …" if len(model.classes) > 10 else "")
    kernels = "its kernels fixed, its votes learned" if model.recipe.get("solved") else "all of them learned"
    yield (
        f"A convolutional network with {model.n_parameters:,} weights, {kernels}. It takes one {model.adapter.noun} "
        f"and answers with a probability for each of {len(model.classes)} classes: {names}.{_about_several(model)}\n"
    )
    yield f"The network reads it as a grid of {plain(model.adapter.spec_)}.\n"


def _about_several(model: FittedModel) -> str:
    if not model.several:
        return ""
    return (
        " An item may have several of these labels, or none: each has a probability and a threshold of its own, so "
        "that probabilities do not sum to 1."
    )


def _use(model: FittedModel, purpose: str | None, licence: str | None) -> Iterator[str]:
    nouns = f"{model.adapter.noun.removesuffix('s')}s"
    which, gets = f"one of its {len(model.classes)} classes", "one of these names"
    if model.several:
        which, gets = f"some of its {len(model.classes)} classes, or to none", "some of these names or none"
    yield f"{plain(purpose)}\n" if purpose else "What the model was made for is not recorded in it.\n"
    yield (
        f"It suits {nouns} that come from where its training items came from, and that belong to {which}. It has no "
        f"answer for anything else: an item of another class gets {gets} all the same, and may get it with a high "
        "probability. How it fares on items of another origin is not "
        "known, nor whether it treats groups of people alike; neither was measured. Do not let it decide alone where a "
        "mistake harms someone.\n"
    )
    yield f"Licence: {plain(licence)}.\n" if licence else "Licence: none was stated, so ask its author before use.\n"


def _data(model: FittedModel) -> Iterator[str]:
    summary = model.summary
    counts: Mapping[str, int] = summary.get("class_counts", {})
    if not counts:
        yield "The model does not record what it was trained on.\n"
        return
    yield "The model does not record where its items come from, only how many there were.\n"
    rows = [("training items", summary.get("training_items")), ("validation items", summary.get("validation_items"))]
    rows.append(("left out because they could not be read", summary.get("skipped_items")))
    rows.append(("equal to another item, and counted once", summary.get("merged_items")))
    yield table(("items", "number"), [(what, count(number)) for what, number in rows])
    if summary.get("refit"):
        yield "The final model was trained on the validation items as well.\n"
    listed = sorted(counts.items(), key=lambda each: -each[1]) if len(counts) > MOST_CLASSES else list(counts.items())
    shown = listed
    if len(listed) > MOST_CLASSES:
        shown = [*listed[: MOST_CLASSES // 2], *listed[-MOST_CLASSES // 2 :]]
        yield f"The {MOST_CLASSES // 2} most and the {MOST_CLASSES // 2} least frequent of {len(listed):,} classes:\n"
    yield table(("class", "training items"), [(plain(name), count(number)) for name, number in shown])
    if len(model.fingerprints):
        yield (
            "The file holds a digest of 16 bytes for each training item. Whoever has an item can tell by it that the "
            "item was used; an item cannot be restored from it.\n"
        )


def _limits(model: FittedModel) -> Iterator[str]:
    counts = [count for count in model.summary.get("class_counts", {}).values() if count]
    said = [plain(each) for each in model.adapter.remarks()]
    if model.interrupted:
        said.append("The training was ended early by a person: these are the best weights until then.")
    if len(counts) > 1 and max(counts) >= 20 * min(counts):
        said.append(
            f"The most frequent class had {max(counts):,} training items and the least frequent one {min(counts):,}: "
            "accuracy alone is misleading."
        )
    if model.background is not None:
        name = model.class_names[model.background]
        said.append(plain(f"“{name}” is never given as an answer: an item that is most like it is none of the others."))
    said.append("It learned from its training items only, and has the gaps and the leanings that they have.")
    yield from (f"- {each}" for each in said)
    yield ""


def _training(model: FittedModel) -> Iterator[str]:
    network = model.network.backbone.config
    kernels = ", ".join(map(str, getattr(network, "kernels", ())))
    told: list[tuple[str, str]] = [("adapter", type(model.adapter).__name__), ("grid", str(model.adapter.spec_))]
    told += [("kernels of each block", kernels)] if kernels else []
    if model.history:
        told.append(("epochs", f"{len(model.history)}, of which number {model.best_epoch} was kept"))
    settings = (("batch_size", "items of a batch"), ("learning_rate", "learning rate"), ("random_state", "seed"))
    told += [(what, str(model.recipe[each])) for each, what in settings if model.recipe.get(each) is not None]
    told += [(f"version of {what}", str(version)) for what, version in model.summary.get("versions", {}).items()]
    yield table(("setting", "value"), [(plain(what), plain(value)) for what, value in told])
