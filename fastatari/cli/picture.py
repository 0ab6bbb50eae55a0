"""The picture: a screen in its colours, and beside it the planes that the agent sees."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fastatari.cli.files import write_file

UInt8Array = npt.NDArray[np.uint8]

_SCREEN_SCALE: Final = 2

# Pixels between the edge of the picture and what is on it, between planes, and between the screen and the planes.
_MARGIN: Final = 48
_GAP: Final = 16
_WIDE_GAP: Final = 56

# Of formats that lose something.
_QUALITY: Final = 95

_TITLE_SIZE: Final = 28
_LABEL_SIZE: Final = 20

_BACKGROUND: Final = "#202124"
_TITLE: Final = "#f1f3f4"
_LABEL: Final = "#9aa0a6"
_FRAME: Final = "#5f6368"


def draw(title: str, rgb: UInt8Array, planes: UInt8Array) -> Image.Image:
    """Draw a screen and the planes that were made of it and of those before it.

    Args:
        title (str): stands above the screen.
        rgb (uint8[H, W, 3]): the screen; only read.
        planes (uint8[K, h, w]): the planes, the oldest first; only read.

    Returns:
        Image.Image: the picture, RGB.
    """
    screen = _enlarge(rgb, _SCREEN_SCALE)
    # Planes about as high as the screen: both 420 pixels for 210 lines, 500 and 504 for 250.
    tiles = [_enlarge(plane, round(screen.height / planes.shape[1])) for plane in planes]
    height = max(screen.height, tiles[0].height)
    top = _MARGIN + _TITLE_SIZE + _GAP
    planes_left = _MARGIN + screen.width + _WIDE_GAP
    size = (
        planes_left + len(tiles) * (tiles[0].width + _GAP) - _GAP + _MARGIN,
        top + height + _GAP + _LABEL_SIZE + _MARGIN,
    )
    picture = Image.new("RGB", size, _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    title_font, label_font = (ImageFont.load_default(size) for size in (_TITLE_SIZE, _LABEL_SIZE))

    def place(tile: Image.Image, left: int, label: str) -> None:
        y = top + (height - tile.height) // 2
        pen.rectangle((left - 1, y - 1, left + tile.width, y + tile.height), outline=_FRAME)
        picture.paste(tile, (left, y))
        pen.text((left + tile.width / 2, top + height + _GAP), label, _LABEL, label_font, anchor="ma")

    pen.text((_MARGIN, _MARGIN), title, _TITLE, title_font, anchor="la")
    pen.text((planes_left, _MARGIN), f"what the agent sees, {_multiply(planes.shape)}", _TITLE, title_font, anchor="la")
    place(screen, _MARGIN, f"screen, {_multiply(rgb.shape[:2])}")
    for i, tile in enumerate(tiles):
        age = len(tiles) - 1 - i
        label = f"{age} step{'s' * (age > 1)} before" if age else "newest"
        place(tile, planes_left + i * (tile.width + _GAP), label)
    return picture


def save(path: Path, title: str, rgb: UInt8Array, planes: UInt8Array) -> None:
    """Write what `draw` draws of the same arguments to a file, in the format of its name; PNG if that has no ending.

    Raises:
        CommandError: the file cannot be written.
    """
    picture = draw(title, rgb, planes)
    write_file(path, lambda temporary: picture.save(temporary, format=find_format(path), quality=_QUALITY))


def find_format(path: Path) -> str:
    """Return Pillow's name of the format of a picture; PNG if the file's name has no ending."""
    return {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(path.suffix.lower(), "PNG")


def _enlarge(pixels: UInt8Array, scale: int) -> Image.Image:
    return Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)).convert("RGB")


def _multiply(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
