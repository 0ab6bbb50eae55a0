"""Pictures as PNG files."""

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_png(path: str | Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture.

    Args:
        path (str | Path): the file.
        rgb (uint8[H, W, 3]): red, green and blue.

    Raises:
        OSError: the file cannot be written.
    """
    height, width, _ = rgb.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each behind the number of its filter, 0
    rows[:, 1:] = rgb.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_pack(kind, data) for kind, data in chunks))


def _pack(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
