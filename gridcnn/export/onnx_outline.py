"""What an ONNX file is made of, told without loading it: texts, operators, and whatever no file of gridcnn's has.

onnxruntime computes any graph, and a stranger's may read other files as its weights, run operators that were added to
this machine, or go round in a loop for ever. So the bytes are looked through before onnxruntime sees them. They are a
protocol buffer: numbered fields, of which a few are read here and the others passed over.

References
----------
`onnx.proto` of ONNX 1.17 for the numbers; "Protocol Buffers: Encoding" for the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["OPERATORS", "outline"]

_PLAIN = """
Abs Add And ArgMax AveragePool BatchNormalization Cast CastLike Clip Compress Concat Constant Conv CumSum
DequantizeLinear Div Equal Expand Flatten Floor Gather GatherND Gemm GlobalAveragePool GlobalMaxPool Greater
GreaterOrEqual Identity IsNaN Less LessOrEqual Log MatMul MatMulInteger Max MaxPool Min Mod Mul NonZero Not Or Pad
QuantizeLinear Range ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape Round STFT
ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice Softmax Sqrt Squeeze StringConcat Sub Sum TopK Transpose
Unique Unsqueeze Where
"""

OPERATORS = {*(("", name) for name in _PLAIN.split()), ("ai.onnx.ml", "LabelEncoder"), ("com.microsoft", "Tokenizer")}
"""Domain and name of each operator that an exported model may have: no loop, no branch, nothing that opens a file."""

_OTHER_NAME = "ai.onnx"  # of the domain ""
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # how a field is written


def outline(content: bytes) -> tuple[dict[str, str], str]:
    """Return the texts that travel in an ONNX file, and what it has that no exported model has; empty if nothing.

    Raises
    ------
    ValueError
        If it is no ONNX file.
    """
    texts: dict[str, str] = {}
    odd = ""
    has_graph = False
    for number, value in _fields(memoryview(content)):
        if number == 7:
            has_graph = True
            odd = odd or _odd_in_graph(_message(value))
        elif number == 14:
            entry = dict(_fields(_message(value)))
            texts[_text(entry.get(1, b""))] = _text(entry.get(2, b""))
        elif number in {20, 25}:
            odd = odd or ("a training of its own" if number == 20 else "functions of its own")
    if not has_graph:
        raise ValueError("it has no graph")
    return texts, odd


def _odd_in_graph(graph: memoryview) -> str:
    for number, value in _fields(graph):
        odd = ""
        if number == 1:
            odd = _odd_in_node(_message(value))
        elif number == 5:
            odd = _odd_in_tensor(_message(value))
        elif number == 15:
            odd = "sparse numbers"
        if odd:
            return odd
    return ""


def _odd_in_node(node: memoryview) -> str:
    domain = name = ""
    for number, value in _fields(node):
        if number == 4:
            name = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5 and (odd := _odd_in_attribute(_message(value))):
            return odd
    known = ("" if domain == _OTHER_NAME else domain, name) in OPERATORS
    return "" if known else f"the operator {f'{domain}:{name}'.lstrip(':')[:100]!r}"


def _odd_in_attribute(attribute: memoryview) -> str:
    for number, value in _fields(attribute):
        if number in {5, 10} and (odd := _odd_in_tensor(_message(value))):
            return odd
        if number in {6, 11, 22, 23}:
            return "a graph inside an operator" if number in {6, 11} else "sparse numbers"
    return ""


def _odd_in_tensor(tensor: memoryview) -> str:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):
            return "numbers in another file"
    return ""


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: a whole number, or the bytes of what has a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _NUMBER:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in {_EIGHT, _FOUR}:
            size = 8 if kind == _EIGHT else 4
        else:
            raise ValueError("fields of a kind that ONNX does not have")
        if at + size > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a whole number that takes as many bytes as it needs, seven bits each, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("it ends too early")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number of too many bytes")


def _message(value: Any) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("a number where parts are expected")
    return value


def _text(value: Any) -> str:
    return bytes(_message(value) if not isinstance(value, bytes) else value).decode("utf-8", "strict")
