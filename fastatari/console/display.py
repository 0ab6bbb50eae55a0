"""What an `ALEInterface` shows of its console: RAM, screen and sound."""
# ruff: noqa: N802 - the methods have ale-py's names

from collections.abc import Callable
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fastatari.console.arguments import check_buffer, check_natural
from fastatari.console.memory import Consoles
from fastatari.console.png import write_png
from fastatari.console.saved import CURRENT, IS_DRAWN
from fastatari.console.settings import Configurable
from fastatari.console.state import Console
from fastatari.palette import gray_table, rgb_table

UInt8Array = npt.NDArray[np.uint8]

_RAM_SIZE, _AUDIO_SIZE = 128, 512
_NOT_SET = "ROM not set: call `loadROM` first"

# The default of arguments that stand for a fresh array.
_FRESH: Any = object()


class NotLoaded:
    """Stands for a console, and for its memory, before there is one."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(_NOT_SET)

    def __getitem__(self, index: int) -> int:
        raise RuntimeError(_NOT_SET)


def refuse_to_act(*_: int) -> int:
    """Stand for the function that plays, before there is a console."""
    raise RuntimeError(_NOT_SET)


class Display(Configurable):
    """The methods of an `ALEInterface` that show its console: RAM, which can be written to, screen and sound."""

    __slots__ = (
        "_address",
        "_console",
        "_consoles",
        "_draw_picture",
        "_gray",
        "_memory",
        "_pictures",
        "_ram",
        "_rgb",
        "_was_read",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._console: Any = NotLoaded()
        self._memory: Any = NotLoaded()
        self._address = 0
        # Whether the screen was read after the last act.
        self._was_read = 1

    def _connect(self, consoles: Consoles, index: int, draw_picture: Callable[[int], int]) -> None:
        """Show one of some consoles."""
        c = consoles[index]
        self._consoles, self._console, self._address = consoles, c, int(consoles.addresses[index])
        block = consoles.blocks[index]
        self._memory = block.data
        ram: Any = Console.ram
        self._ram = block[ram.offset : ram.offset + _RAM_SIZE]
        self._pictures = tuple(consoles.screens[index, :, : c.height])
        palette = "pal" if c.is_pal else "ntsc"
        self._rgb, self._gray = rgb_table(palette), gray_table(palette, "ale").tobytes()
        self._draw_picture = draw_picture
        self._was_read = 1

    def _read_picture(self) -> UInt8Array:
        """Return the screen; it is drawn now if it was not."""
        memory = self._memory
        current = memory[CURRENT]
        if not memory[IS_DRAWN + current]:
            self._draw_picture(self._address)
        self._was_read = 1
        picture: UInt8Array = self._pictures[current]
        return picture

    @overload
    def getRAM(self) -> UInt8Array: ...

    @overload
    def getRAM(self, buffer: UInt8Array) -> None: ...

    def getRAM(self, buffer: UInt8Array = _FRESH) -> UInt8Array | None:
        """Return the RAM as a fresh uint8[128], or write it to `buffer`."""
        self._memory[0]
        return _give(self._ram, "getRAM", buffer)

    def setRAM(self, index: int, value: int, /) -> None:
        """Write a byte of the RAM.

        Raises:
            TypeError: an argument is not an integer, or not one of a byte.
            RuntimeError: there is no such byte.
        """
        self._memory[0]
        place = check_natural("setRAM", "index", index)
        if place >= _RAM_SIZE:
            raise RuntimeError(f"setRAM index out of bounds: {place}, where 0 to {_RAM_SIZE - 1} are allowed")
        self._ram[place] = check_natural("setRAM", "value", value, 255)
        self._console.bus = self._ram[place]

    def getRAMSize(self) -> int:
        """Return the number of bytes of the RAM."""
        return _RAM_SIZE

    def getScreenDims(self) -> tuple[int, int]:
        """Return height and width of the screen."""
        return self._console.height, self._pictures[0].shape[1]

    @overload
    def getScreen(self) -> UInt8Array: ...

    @overload
    def getScreen(self, buffer: UInt8Array) -> None: ...

    def getScreen(self, buffer: UInt8Array = _FRESH) -> UInt8Array | None:
        """Return the screen as a fresh uint8[H, 160] of colour indices, or write it to `buffer`."""
        return _give(self._read_picture(), "getScreen", buffer)

    @overload
    def getScreenRGB(self) -> UInt8Array: ...

    @overload
    def getScreenRGB(self, buffer: UInt8Array) -> None: ...

    def getScreenRGB(self, buffer: UInt8Array = _FRESH) -> UInt8Array | None:
        """Return the screen as a fresh uint8[H, 160, 3] of red, green and blue, or write it to `buffer`."""
        picture = self._read_picture()
        return _give(self._rgb.take(picture, 0), "getScreenRGB", buffer, is_fresh=True)

    @overload
    def getScreenGrayscale(self) -> UInt8Array: ...

    @overload
    def getScreenGrayscale(self, buffer: UInt8Array) -> None: ...

    def getScreenGrayscale(self, buffer: UInt8Array = _FRESH) -> UInt8Array | None:
        """Return the screen as a fresh uint8[H, 160] of gray levels, or write it to `buffer`."""
        picture = self._read_picture()
        gray = np.frombuffer(bytearray(picture.tobytes().translate(self._gray)), np.uint8)
        return _give(gray.reshape(picture.shape), "getScreenGrayscale", buffer, is_fresh=True)

    def saveScreenPNG(self, path: str, /) -> None:
        """Write the screen to a PNG file, each pixel twice as wide as high.

        Raises:
            OSError: the file cannot be written.
        """
        picture = self._read_picture()
        write_png(path, self._rgb.take(picture, 0).repeat(2, 1))

    def getAudioSize(self) -> int:
        """Return the number of samples of sound."""
        return _AUDIO_SIZE

    @overload
    def getAudio(self) -> UInt8Array: ...

    @overload
    def getAudio(self, buffer: UInt8Array) -> None: ...

    def getAudio(self, buffer: UInt8Array = _FRESH) -> UInt8Array | None:
        """Return silence, uint8[512], or write it to `buffer`: sound is only in ale-py's class."""
        return _give(np.zeros(_AUDIO_SIZE, np.uint8), "getAudio", buffer, is_fresh=True)


def _give(array: UInt8Array, function: str, buffer: UInt8Array, is_fresh: bool = False) -> UInt8Array | None:
    """Write an array to the caller's, or return it, or a copy where it is not a fresh one."""
    if buffer is _FRESH:
        return array if is_fresh else array.copy()
    np.copyto(check_buffer(function, buffer, array.shape), array)
    return None
