"""ONNX graphs, node by node: what the parts of an exported model are written with.

Only standard operators and those that every build of onnxruntime has are used, so that one file runs in Python, in
Node.js and in a browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Graph", "Windows"]

OPSET, IR_VERSION = 20, 9
OTHER_OPSETS = {"ai.onnx.ml": 2, "com.microsoft": 1}
"""Versions of the operators for tables of strings (LabelEncoder), and of onnxruntime's own (Tokenizer)."""


@dataclass(frozen=True)
class Windows:
    """Items in a graph, cut into windows and turned into grids.

    Parameters
    ----------
    grids : str
        Name of the grids, float32 `(windows, *spec.shape)`.
    item : str or None
        Name of the item that each window belongs to, int64 `(windows,)`, in order; None if each item is one window.
    n_items : str or None
        Name of the number of items, int64 `(1,)`; None if each item is one window.
    shown : dict of str to str
        What a page needs to show of the items beside the grids, by name: the tokens of texts and whether they are
        known.
    """

    grids: str
    item: str | None = None
    n_items: str | None = None
    shown: dict[str, str] | None = None


class Graph:
    """A graph that is being written.

    Values have names, which are strings; so a method that adds a node takes and returns names.

    Attributes
    ----------
    part : str
        What the nodes that follow belong to; their names begin with it.
    """

    def __init__(self) -> None:
        self.part = "input"
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._told: list[Any] = []
        self._known: dict[tuple[Any, ...], str] = {}

    def input(self, name: str, dtype: Any, shape: Sequence[int | str | None]) -> str:
        """Declare an input; a size that is a string varies.

        Parameters
        ----------
        name : str
            Its name.
        dtype : dtype or type
            A numpy type, or `str` for strings.
        shape : sequence of int, str or None
            Its sizes.
        """
        from onnx import helper  # noqa: PLC0415  (optional, and needed by nobody who only reads the shapes)

        self._inputs.append(helper.make_tensor_value_info(name, element_type(dtype), list(shape)))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: Sequence[int | str | None]) -> None:
        """Make a value an output under another name."""
        from onnx import helper  # noqa: PLC0415

        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, element_type(dtype), list(shape)))

    def typed(self, value: str, dtype: Any, shape: Sequence[int | str | None]) -> str:
        """Tell the type and shape of a value, and return its name: onnx cannot infer those of onnxruntime's operators.

        Its inference even crashes on what it knows and that follows (LabelEncoder, onnx 1.23).
        """
        from onnx import helper  # noqa: PLC0415

        self._told.append(helper.make_tensor_value_info(value, element_type(dtype), list(shape)))
        return value

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Return the name of a constant: an array, a number or a list; equal ones are stored once.

        Parameters
        ----------
        values : array_like
            Numbers, or strings.
        dtype : dtype, optional
            A numpy type; the default is that of `values`, int64 for a Python int, float32 for a Python float.
        """
        from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

        array = np.asarray(values, dtype=dtype)
        if dtype is None and array.dtype == np.float64 and not isinstance(values, np.ndarray | np.generic):
            array = array.astype(np.float32)
        key = None
        if array.dtype != object:
            content = array.tobytes()
            key = (array.dtype.str, array.shape, content if len(content) <= 64 else hashlib.sha256(content).digest())
        if key is not None and key in self._known:
            return self._known[key]
        name = f"constant {len(self._constants)}"
        if array.dtype.kind in "UO":
            encoded = [str(each).encode() for each in array.ravel()]
            strings: Any = encoded  # which make_tensor takes, though it does not say so
            self._constants.append(helper.make_tensor(name, TensorProto.STRING, array.shape, strings))
        else:
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        if key is not None:
            self._known[key] = name
        return name

    def __call__(self, operator: str, *inputs: str | None, **attributes: Any) -> str:
        """Add a node with one output, and return the name of that.

        Parameters
        ----------
        operator : str
            Name of the operator; one of another domain is written with it, `"ai.onnx.ml:LabelEncoder"`.
        *inputs : str or None
            Names of values; None leaves out an optional one.
        **attributes
            As ONNX has them.
        """
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, n_outputs: int, *inputs: str | None, **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return their names."""
        from onnx import helper  # noqa: PLC0415

        domain, _, name = operator.rpartition(":")
        outputs = [f"value {len(self._nodes)}" + (f".{at}" if at else "") for at in range(n_outputs)]
        taken = [each or "" for each in inputs]
        called = f"{self.part} {len(self._nodes)}"
        self._nodes.append(helper.make_node(name, taken, outputs, called, domain=domain or None, **attributes))
        return outputs

    def model(self, metadata: dict[str, str] | None = None) -> Any:
        """Return what was written as an `onnx.ModelProto`.

        Parameters
        ----------
        metadata : dict of str to str, optional
            Texts that travel with the model.
        """
        from onnx import helper  # noqa: PLC0415

        graph = helper.make_graph(
            self._nodes, "gridcnn", self._inputs, self._outputs, self._constants, value_info=self._told
        )
        domains = {node.domain for node in self._nodes} & OTHER_OPSETS.keys()
        opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(each, OTHER_OPSETS[each]) for each in domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="gridcnn")
        helper.set_model_props(model, metadata or {})
        return model

    # ---- what many parts need ---------------------------------------------------------------------------------------

    def cast(self, value: str, dtype: Any) -> str:
        """Return the values as another type."""
        return self("Cast", value, to=element_type(dtype))

    def size(self, value: str, axis: int) -> str:
        """Return the size of one axis, int64 `(1,)`."""
        return self("Shape", value, start=axis, **({"end": axis + 1} if axis != -1 else {}))

    def shape(self, *sizes: str | int) -> str:
        """Return sizes as one list, int64 `(n,)`: numbers, and names of values of shape `(1,)`."""
        parts = [self.constant([each]) if isinstance(each, int) else each for each in sizes]
        return parts[0] if len(parts) == 1 else self("Concat", *parts, axis=0)

    def slice(self, value: str, start: str | int, stop: str | int, axis: int, step: int = 1) -> str:
        """Return the values from `start` up to `stop` along one axis; they are numbers, or names of `(1,)`."""
        return self("Slice", value, self.shape(start), self.shape(stop), self.constant([axis]), self.constant([step]))

    def range(self, size: str) -> str:
        """Return 0, 1, … up to a size `(1,)`, int64 `(size,)`."""
        scalar = self("Squeeze", size, self.constant([0]))
        return self("Range", self.constant(np.int64(0)), scalar, self.constant(np.int64(1)))


def element_type(dtype: Any) -> int:
    """Return ONNX's number of a numpy type, or of `str`."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    number: int = TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return number
