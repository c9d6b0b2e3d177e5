"""Pictures written byte by byte, in ways that no library offers."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: np.ndarray, bits: int, colour_type: int) -> bytes:
    """Write what Pillow cannot, rows of any depth; `pixels` has one row of bytes a row."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png_of(pixels.shape[1], pixels.shape[0], bits, colour_type, zlib.compress(rows))


def png_of(width: int, height: int, bits: int, colour_type: int, packed: bytes, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def psd(pixels: np.ndarray) -> bytes:
    """Write a flat PSD, planes one after another."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3)
    return head + bytes(12) + b"\0\0" + pixels.transpose(2, 0, 1).tobytes()
