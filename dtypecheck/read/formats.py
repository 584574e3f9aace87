"""Which reader a file's name asks for, and what its header then holds."""

from __future__ import annotations

from typing import Final

from ..dtypes import U8, DType
from ..files import Entry, Files
from ..subjects import Stock
from .header import Header
from .weights import read_safetensors, touch_safetensors

READERS: Final = {".safetensors": "safetensors", ".gguf": "gguf"} | dict.fromkeys(
    (".bin", ".pt", ".pth", ".ckpt", ".th"), "pickled"
)
"""The formats that are read, by suffix."""
FOREIGN: Final = {
    ".onnx": "an ONNX graph",
    ".onnx_data": "the data of an ONNX graph",
    ".msgpack": "Flax weights",
    ".h5": "TensorFlow weights",
    ".tflite": "a TensorFlow Lite model",
    ".pb": "a TensorFlow graph",
    ".engine": "a TensorRT engine",
    ".mlmodel": "a Core ML model",
}


def stock_of(header: Header) -> dict[DType, Stock]:
    """How much a file holds of each dtype; packed GGUF tensors are counted logically, their bytes are in its metadata."""
    stock = header.tensors.stock() if header.tensors else {}
    total = header.metadata.get("tensor_bytes", "") if header.format == "gguf" else ""
    if U8 in stock and total.isdecimal():
        rest = sum(amount.nbytes for dtype, amount in stock.items() if dtype is not U8)
        stock[U8] = stock[U8]._replace(nbytes=max(0, int(total) - rest))
    return stock


def read_header(form: str, files: Files, entry: Entry) -> Header:
    """The header of one weight file; the readers of the rarer formats are imported when one is met."""
    if form == "safetensors":
        return read_safetensors(files, entry)
    if form == "gguf":
        from .gguf import read_gguf

        return read_gguf(files, entry)
    from .pickled import read_pickled

    return read_pickled(files, entry)


def touch_header(form: str, files: Files, entry: Entry) -> None:
    """Ask for the bytes that a reader will ask for. errors: none raised, as by `read_header`."""
    if form == "safetensors":
        touch_safetensors(files, entry)
    else:
        read_header(form, files, entry)


def suffix_of(name: str) -> str:
    """The last suffix of a path, dot and all, in small letters."""
    return "." + name.rpartition("/")[2].rpartition(".")[2].lower()
