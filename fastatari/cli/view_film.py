"""Films of `fastatari view`: GIF by Pillow, and MP4 by ffmpeg, which imageio-ffmpeg brings along."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from fastatari.cli.failures import CommandError

# How long a GIF shows a picture, in milliseconds, is a multiple of this.
_GIF_TICK: Final = 10
# Browsers show pictures of a GIF that are to be shown for less time for 100 ms.
_LEAST_GIF_TIME: Final = 20

# The index of no colour, in palettes of GIFs.
_TRANSPARENT: Final = 255

# Of H.264: from 0, without loss, to 51.
_QUALITY: Final = 14


def write_gif(path: Path, pictures: Iterable[Image.Image], rate: int) -> None:
    """Write a GIF that is shown again and again.

    Args:
        path (Path): the file.
        pictures (Iterable[Image.Image]): RGB, all of one size; colours are kept if there are at most 255 in a picture.
        rate (int): how many a second.
    """
    first, *others = _reduce_colors(pictures)
    first.save(
        path,
        "GIF",
        save_all=True,
        append_images=others,
        duration=list_times(1 + len(others), rate),
        loop=0,
        disposal=1,
        optimize=False,
        transparency=_TRANSPARENT,
    )


def list_times(count: int, rate: int) -> list[int]:
    """Return for how long a GIF shows each picture, in milliseconds: on average, as long as at a rate."""
    if 1000 / rate < _LEAST_GIF_TIME:
        return [_LEAST_GIF_TIME] * count
    ends = [round(1000 * (number + 1) / rate / _GIF_TICK) * _GIF_TICK for number in range(count)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def _reduce_colors(pictures: Iterable[Image.Image]) -> Iterator[Image.Image]:
    """Yield pictures with palettes of their own colours, transparent where they show what the last one did."""
    is_there = np.zeros(1 << 24, np.bool_)
    index_of = np.zeros(1 << 24, np.uint8)
    shown: npt.NDArray[np.int64] | None = None
    for picture in pictures:
        packed = _pack(picture)
        is_there[packed] = True
        colors = np.flatnonzero(is_there)
        is_there[colors] = False
        if len(colors) > _TRANSPARENT:
            packed = _pack(picture.quantize(_TRANSPARENT, dither=Image.Dither.NONE).convert("RGB"))
            colors = np.unique(packed)
        index_of[colors] = np.arange(len(colors))
        indices = index_of[packed]
        if shown is not None:
            indices[packed == shown] = _TRANSPARENT  # a fourth of the bytes
        shown = packed
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(colors)] = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], 1)
        reduced = Image.fromarray(indices)
        reduced.putpalette(palette.tobytes())
        reduced.info["transparency"] = _TRANSPARENT
        yield reduced


def _pack(picture: Image.Image) -> npt.NDArray[np.int64]:
    """Return the colours of an RGB picture as integers."""
    rgb = np.asarray(picture).astype(np.int64)
    packed: npt.NDArray[np.int64] = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    return packed


def load_ffmpeg() -> Any:
    """Return the module that writes MP4.

    Raises:
        CommandError: it is not installed.
    """
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        text = '.mp4 needs imageio-ffmpeg; it comes with: pip install "fastatari[view]"; .gif and .png do not need it'
        raise CommandError(text) from error


def write_mp4(path: Path, pictures: Iterable[Image.Image], rate: int) -> None:
    """Write an MP4 with H.264.

    Args:
        path (Path): the file.
        pictures (Iterable[Image.Image]): RGB, all of one size, of even width and height.
        rate (int): how many a second.

    Raises:
        CommandError: imageio-ffmpeg is not installed.
        OSError: ffmpeg failed.
    """
    ffmpeg = load_ffmpeg()
    writer: Any = None
    try:
        for picture in pictures:
            if writer is None:
                writer = ffmpeg.write_frames(
                    str(path),
                    picture.size,
                    fps=rate,
                    codec="libx264",
                    quality=None,
                    macro_block_size=2,
                    output_params=["-crf", str(_QUALITY)],
                    ffmpeg_log_level="error",
                )
                writer.send(None)
            writer.send(picture.tobytes())
    except OSError as error:
        lines = str(error).strip().splitlines()
        raise OSError(f"ffmpeg failed: {lines[-1] if lines else type(error).__name__}") from error
    finally:
        if writer is not None:
            writer.close()
