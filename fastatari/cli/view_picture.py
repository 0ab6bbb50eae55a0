"""The pictures of `fastatari view`: a moment of a play, and a contact sheet of some."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastatari.cli.view_play import Moment, UInt8Array

SCREEN_SCALE: Final = 2

# How many moments a contact sheet shows at most, and in how many columns.
SHEET_MOMENTS: Final = 12
SHEET_COLUMNS: Final = 3

_MARGIN: Final = 24
_GAP: Final = 16
_WIDE_GAP: Final = 32
_SHEET_GAP: Final = 12
_LABEL_HEIGHT: Final = 22
_HEADING_HEIGHT: Final = 44
_STATUS_HEIGHT: Final = 60

_HEADING_SIZE: Final = 22
_VALUE_SIZE: Final = 20
_LABEL_SIZE: Final = 14

# Grays, which are among those of the planes: a picture of a GIF has at most 255 colours.
_BACKGROUND: Final = (32, 32, 32)
_SHEET: Final = (16, 16, 16)
_FRAME: Final = (96, 96, 96)
_LABEL: Final = (160, 160, 160)
_VALUE: Final = (240, 240, 240)

# The names of what is told of a moment, and how much of the width each has.
_STATUS: Final = (("step", 0.12), ("action", 0.26), ("reward", 0.13), ("return", 0.14), ("lives", 0.11), ("episode", 0))


class Box(NamedTuple):
    """Where pixels are shown: the left upper corner, and how many times as large as they are."""

    left: int
    top: int
    scale: int


class Layout:
    """Where everything stands in the picture of a moment.

    Args:
        screen_shape (tuple[int, int]): height and width of the screen.
        planes_shape (tuple[int, int, int]): number, height and width of the planes.
        heading (str): what stands above; nothing for a part of a contact sheet.

    Attributes:
        size (tuple[int, int]): width and height of the picture, both even, as films have to be.
        screen (Box): where the screen is.
        planes (list[Box]): where the planes are, the oldest first.
    """

    def __init__(self, screen_shape: tuple[int, int], planes_shape: tuple[int, int, int], heading: str = "") -> None:
        self._heading = heading
        height, width = (SCREEN_SCALE * side for side in screen_shape)
        plane_num, plane_height, plane_width = planes_shape
        columns = math.ceil(math.sqrt(plane_num))
        rows = math.ceil(plane_num / columns)
        # As large as they fit beside the screen, each below its label; that of the first row is beside the screen's.
        scale = max(1, (height - _LABEL_HEIGHT * (rows - 1)) // (rows * plane_height))
        block_height = max(height, rows * (scale * plane_height + _LABEL_HEIGHT) - _LABEL_HEIGHT)
        self._status_top = _MARGIN + (_HEADING_HEIGHT if heading else 0)
        top = self._status_top + _STATUS_HEIGHT + _LABEL_HEIGHT
        planes_left = _MARGIN + width + _WIDE_GAP
        # The last row ends where the screen does.
        pitch = (block_height - scale * plane_height) // max(1, rows - 1)
        self.screen = Box(_MARGIN, top, SCREEN_SCALE)
        self.planes = [
            Box(planes_left + index % columns * (scale * plane_width + _GAP), top + index // columns * pitch, scale)
            for index in range(plane_num)
        ]
        right = planes_left + columns * (scale * plane_width + _GAP) - _GAP
        self._width = right - _MARGIN
        self.size = _make_even(right + _MARGIN), _make_even(top + block_height + _MARGIN)
        self._base = self._draw_base(screen_shape, planes_shape)

    def _draw_base(self, screen_shape: tuple[int, int], planes_shape: tuple[int, int, int]) -> Image.Image:
        """Return what is the same in all pictures."""
        picture = Image.new("RGB", self.size, _BACKGROUND)
        pen = ImageDraw.Draw(picture)
        pen.text((_MARGIN, _MARGIN), self._heading, _VALUE, _find_font(_HEADING_SIZE), anchor="la")
        for (name, _), left in zip(_STATUS, self._list_status_lefts(), strict=True):
            pen.text((left, self._status_top), name, _LABEL, _find_font(_LABEL_SIZE), anchor="la")
        sides = f"{screen_shape[0]} x {screen_shape[1]}"
        self._label(pen, self.screen, screen_shape, f"screen, {sides}")
        for index, box in enumerate(self.planes):
            age = len(self.planes) - 1 - index
            text = (
                f"{age} step{'s' * (age > 1)} before" if age else f"newest plane, {planes_shape[1]} x {planes_shape[2]}"
            )
            self._label(pen, box, planes_shape[1:], text)
        return picture

    def _label(self, pen: ImageDraw.ImageDraw, box: Box, shape: tuple[int, ...], text: str) -> None:
        """Draw a frame around where pixels will be, and a text above it."""
        height, width = (box.scale * side for side in shape)
        pen.rectangle((box.left - 1, box.top - 1, box.left + width, box.top + height), outline=_FRAME)
        pen.text((box.left, box.top - 6), text, _LABEL, _find_font(_LABEL_SIZE), anchor="ls")

    def _list_status_lefts(self) -> list[int]:
        lefts = [float(_MARGIN)]
        for _, share in _STATUS[:-1]:
            lefts.append(lefts[-1] + share * self._width)
        return [round(left) for left in lefts]

    def draw(self, moment: Moment) -> Image.Image:
        """Return the picture of a moment, RGB."""
        picture = self._base.copy()
        pen = ImageDraw.Draw(picture)
        values = (
            (f"{moment.step}", True),
            (moment.action, True),
            (f"{moment.reward:+g}" if moment.reward else "0", bool(moment.reward)),
            (f"{moment.episode_return:g}", True),
            (f"{moment.lives}", True),
            (f"{moment.episode}{', ' * bool(moment.end)}{moment.end}", True),
        )
        top = self._status_top + _LABEL_SIZE + 6
        for (text, is_bright), left in zip(values, self._list_status_lefts(), strict=True):
            pen.text((left, top), text, _VALUE if is_bright else _LABEL, _find_font(_VALUE_SIZE), anchor="la")
        for box, pixels in ((self.screen, moment.screen), *zip(self.planes, moment.planes, strict=True)):
            picture.paste(_enlarge(pixels, box.scale), (box.left, box.top))
        return picture


def make_layout(moment: Moment, heading: str = "") -> Layout:
    """Return the layout of a moment, and of all others of its play."""
    height, width, _ = moment.screen.shape
    number, plane_height, plane_width = moment.planes.shape
    return Layout((height, width), (number, plane_height, plane_width), heading)


def draw_sheet(moments: Sequence[Moment], heading: str) -> Image.Image:
    """Return the pictures of some moments of a play side by side, in rows, from left to right, RGB."""
    chosen = choose(moments)
    layout = make_layout(chosen[0])
    width, height = (side + _SHEET_GAP for side in layout.size)
    columns = min(SHEET_COLUMNS, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    top = _SHEET_GAP + _HEADING_HEIGHT
    picture = Image.new("RGB", (columns * width + _SHEET_GAP, top + rows * height), _SHEET)
    pen = ImageDraw.Draw(picture)
    pen.text((_SHEET_GAP, _SHEET_GAP), heading, _VALUE, _find_font(_HEADING_SIZE), anchor="la")
    for index, moment in enumerate(chosen):
        place = _SHEET_GAP + index % columns * width, top + index // columns * height
        picture.paste(layout.draw(moment), place)
    return picture


def choose(moments: Sequence[Moment]) -> list[Moment]:
    """Return the moments of a contact sheet: at equal distances, with the first and the last."""
    count = min(SHEET_MOMENTS, len(moments))
    return [moments[index] for index in np.linspace(0, len(moments) - 1, count).round().astype(int)]


def _find_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if size not in _fonts:
        _fonts[size] = ImageFont.load_default(size)
    return _fonts[size]


_fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}


def _enlarge(pixels: UInt8Array, scale: int) -> Image.Image:
    """Return an image of pixels as squares, RGB."""
    return Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)).convert("RGB")


def _make_even(side: int) -> int:
    return side + side % 2
