"""Saved states of a console: plain data, exact, as objects of this process and as bytes for any other.

Within a process a state is a copy of the console's whole block, and of a screen only where its picture cannot be made
again. As bytes it is a header, the part of the block that is state, and these screens:

====================  =========================================================================
8 bytes               ``fastatar``
4 bytes               a checksum of the names and places of all fields: the format's version
19 bytes              which console it is of: see `identify`
1 byte                1 if the generator of the actions is included, else 0
1 byte                which of the two screens follow, a bit each
2 bytes               rows of a screen
n bytes               the block, up to its second generator or up to the end of it
160 * rows bytes      each of the screens
====================  =========================================================================
"""

import ctypes
import struct
import sys
import zlib
from typing import Any

from fastatari.console import cartridges, states
from fastatari.console.ale_stream import Fields
from fastatari.console.games.description import GAMES_CRC, NAMES
from fastatari.console.limits import check_console
from fastatari.console.state import STATE_SIZE, Console, Machine
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS

SIZE = ctypes.sizeof(Console)


def _offset(name: str) -> int:
    offset: int = getattr(Console, name).offset
    return offset


# Where in the block state ends, without and with the generator of the actions, which comes last.
WITHOUT_GENERATOR, WITH_GENERATOR = _offset("action_generator"), STATE_SIZE
HAS_START, IS_DRAWN, CURRENT, OVER = map(_offset, ("has_start", "is_drawn", "current", "over"))
_FRAME_STARTS, _MACHINE = _offset("frame_starts"), ctypes.sizeof(Machine)
_SCREENS = _offset("screens")
_NUMBERS = {name: _offset(name) for name in ("frame_number", "episode_frame_number", "mode", "difficulty")}


def _list_fields(structure: Any) -> list[Any]:
    return [
        (name, getattr(structure, name).offset, ctypes.sizeof(kind)) for base in structure.__mro__[::-1]
        for name, kind in base.__dict__.get("_fields_", ())
    ]  # fmt: skip


MAGIC = b"fastatar"
VERSION = zlib.crc32(repr((sys.byteorder, _list_fields(Console), _list_fields(Machine), GAMES_CRC)).encode())
_HEADER = struct.Struct("<8sI19sBBH")


class ALEState:
    """The state of an `ALEInterface`, exact: what follows a restore is what would have followed without.

    It can be pickled, compared and copied. States that come from elsewhere are checked field by field before they are
    used. A state of ale-py's is taken, too; as it leaves things out, what follows can differ in the next frame.

    Args:
        state (ALEState | bytes, optional): what `serialize` returned, here or in ale-py.
        serialized (bytes, optional): the same, in ale-py's second form, where the first argument is any state.

    Raises:
        TypeError: an argument is of another type.
        ValueError: the bytes are not a state.
    """

    __slots__ = ("_block", "_data", "_fields", "_has_generator", "_identity", "_is_checked", "_owner", "_screens")

    _block: bytes
    _data: bytes | None
    _fields: Fields | None
    _has_generator: bool
    _is_checked: bool
    _identity: bytes
    _owner: object
    _screens: tuple[bytes, bytes]

    def __init__(self, state: Any = b"", serialized: bytes | None = None) -> None:
        if serialized is not None:
            if not isinstance(state, ALEState):
                raise TypeError(f"the first of two arguments must be an ALEState, got {type(state).__name__}")
            state = serialized
        self.__setstate__(state)

    @classmethod
    def _of(
        cls, block: bytes, screens: tuple[bytes, bytes], identity: bytes, has_generator: bool, owner: object
    ) -> Any:
        """Return a state of a console of this process, which needs no check where `owner` is that console's."""
        self: ALEState = cls.__new__(cls)
        self._block, self._screens, self._identity = block, screens, identity
        self._has_generator, self._owner, self._data, self._fields = has_generator, owner, None, None
        self._is_checked = True
        return self

    def serialize(self) -> bytes:
        """Return the state as bytes, for `ALEState`."""
        if self._data is None:
            head = _HEADER.pack(
                MAGIC, VERSION, self._identity, self._has_generator, *self._describe_screens(),
            )  # fmt: skip
            self._data = b"".join([head, self._core(), *self._screens])
        return self._data

    def serialize_canonically(self) -> bytes:
        """Return the state as bytes that equal states have in common: not which pictures were looked at."""
        data = bytearray(self.serialize())
        if self._block:
            _, core, _ = self._canonical()
            data[_HEADER.size : _HEADER.size + len(core)] = core
        return bytes(data)

    def __reduce__(self) -> tuple[type["ALEState"], tuple[bytes]]:
        return ALEState, (self.serialize(),)

    def __getstate__(self) -> bytes:
        return self.serialize()

    def __setstate__(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"a state is made of bytes, got {type(data).__name__}")
        self._data, self._owner, self._fields, self._screens = data, None, None, (b"", b"")
        self._block, self._identity, self._has_generator, self._is_checked = b"", b"", False, False
        if data.startswith(MAGIC):
            self._parse(data)
        elif data:
            self._fields = states.read_state(data)
            self._identity = bytes.fromhex(self._fields["md5"])

    @property
    def is_whole(self) -> bool:
        """Whether it is a state of this package's console, with the generator of the actions."""
        return bool(self._block) and self._has_generator

    def equals(self, other: "ALEState") -> bool:
        """Return whether two states are the same."""
        return self == other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ALEState):
            return NotImplemented
        return self._canonical() == other._canonical()

    __hash__ = None  # type: ignore[assignment]

    def getFrameNumber(self) -> int:  # noqa: N802
        """Return how many frames were played since the ROM was loaded."""
        return self._number("frame_number")

    def getEpisodeFrameNumber(self) -> int:  # noqa: N802
        """Return how many frames were played since the last reset."""
        return self._number("episode_frame_number")

    def getDifficulty(self) -> int:  # noqa: N802
        """Return the difficulty."""
        return self._number("difficulty")

    def getCurrentMode(self) -> int:  # noqa: N802
        """Return the mode."""
        return self._number("mode")

    def _number(self, name: str) -> int:
        if self._fields is not None:
            return int(self._fields[name])
        return int.from_bytes(self._block[_NUMBERS[name] : _NUMBERS[name] + 4], sys.byteorder, signed=True)

    def _core(self) -> bytes:
        """Return the part of the block that is state."""
        return self._block[: WITH_GENERATOR if self._has_generator else WITHOUT_GENERATOR]

    def _describe_screens(self) -> tuple[int, int]:
        """Return which screens there are, and their rows."""
        return sum(1 << k for k in range(2) if self._screens[k]), max(map(len, self._screens)) // PIXELS

    def _canonical(self) -> tuple[Any, ...]:
        """Return what equal states have in common: not which pictures were looked at."""
        if self._fields is not None or not self._block:
            return (self._data,)
        core = bytearray(self._core())
        for k in range(2):
            core[IS_DRAWN + k] = not core[HAS_START + k]
            if not core[HAS_START + k]:
                core[_FRAME_STARTS + _MACHINE * k : _FRAME_STARTS + _MACHINE * (k + 1)] = bytes(_MACHINE)
        return self._identity, bytes(core), self._screens

    def _parse(self, data: bytes) -> None:
        """Take the bytes apart. What the fields hold is only checked where a console is."""
        if len(data) < _HEADER.size:
            raise ValueError(f"the state ends within its header of {_HEADER.size} bytes: it has {len(data)}")
        _, version, self._identity, has_generator, mask, rows = _HEADER.unpack_from(data)
        if version != VERSION:
            raise ValueError(f"the state is of version {version:#x}, of another fastatari; here they are {VERSION:#x}")
        if has_generator > 1 or mask > 3:
            raise ValueError(f"the state's header has {has_generator} and {mask}, which must be at most 1 and 3")
        self._has_generator = bool(has_generator)
        size = WITH_GENERATOR if has_generator else WITHOUT_GENERATOR
        screen = PIXELS * rows
        needed = _HEADER.size + size + screen * mask.bit_count()
        if len(data) != needed:
            raise ValueError(f"the state has {len(data)} bytes, where its header asks for {needed}")
        at = _HEADER.size
        self._block = data[at : at + size]
        at += size
        screens = [b"", b""]
        for k in range(2):
            if mask >> k & 1:
                screens[k] = data[at : at + screen]
                at += screen
        self._screens = screens[0], screens[1]


def clone_state(memory: memoryview, c: Console, identity: bytes, has_generator: bool, owner: object) -> ALEState:
    """Return the state of a console between two frames.

    Args:
        memory (memoryview): the console's block; copying from it takes 0.4 us less than from an address.
        c (Console): the same.
        identity (bytes): which console it is: see `identify`.
        has_generator (bool): whether the generator of the actions is part of it.
        owner (object): what stands for this console's settings and memory; a state of the same owner is restored
            without a check.
    """
    block = memory[:SIZE].tobytes()
    screens = _NO_SCREENS
    if not (block[HAS_START] and block[HAS_START + 1]):
        size = PIXELS * c.height
        first, second = (b"" if block[HAS_START + k] else ctypes.string_at(c.screens[k], size) for k in range(2))
        screens = first, second
    return ALEState._of(block, screens, identity, has_generator, owner)  # type: ignore[no-any-return]


_NO_SCREENS = (b"", b"")


def restore_state(memory: memoryview, c: Console, state: ALEState, identity: bytes, owner: object) -> None:
    """Bring a console to a state.

    Args:
        memory (memoryview): the console's block.
        c (Console): the same; untouched where there is an error.
        state (ALEState): the state.
        identity (bytes): which console it is: see `identify`.
        owner (object): as for `clone_state`.

    Raises:
        ValueError: the state is of another ROM, or is none that the console can have.
    """
    block = state._block
    if state._owner is not owner:
        if state._fields is not None:
            _check_identity(state._identity, identity)
            states.from_ale_state(c, state._fields, identity[:16].hex())
            return
        check_state(c, state, identity)
        size = WITH_GENERATOR if state._has_generator else WITHOUT_GENERATOR
        memory[:size] = block[:size]
        c.outdated = ALL_OBJECTS
        cartridges.connect(c)
    elif state._has_generator:
        memory[:SIZE] = block
    else:
        memory[:WITHOUT_GENERATOR] = block[:WITHOUT_GENERATOR]
        memory[WITH_GENERATOR:SIZE] = block[WITH_GENERATOR:]
    screens = state._screens
    for k in (0, 1):
        if block[HAS_START + k]:
            c.is_drawn[k] = 0
        else:
            ctypes.memmove(c.screens[k], screens[k], len(screens[k]))
            ctypes.memset(c.changed[k], 1, c.height)


def identify(md5: str, c: Console) -> bytes:
    """Return what consoles have in common that can take each other's states: 19 bytes.

    These are the MD5 of the ROM, the game whose bookkeeping it has, whether the television is PAL, and the rows of the
    picture. Of a state of ale-py's the MD5 is all that is known.
    """
    return bytes.fromhex(md5) + bytes((c.game, c.is_pal, c.height - 1))


def _check_identity(found: bytes, identity: bytes) -> None:
    if found[:16] != identity[:16]:
        raise ValueError(f"the state is of another ROM, of MD5 {found[:16].hex() or 'none'}, not {identity[:16].hex()}")
    if found != identity[: len(found)]:
        game, is_pal, rows = found[16:]
        raise ValueError(
            f"the state is of {NAMES[game] if game < len(NAMES) else game}, {'PAL' if is_pal else 'NTSC'}, {rows + 1} "
            f"rows, where the same ROM is played here as {NAMES[identity[16]]}, {'PAL' if identity[17] else 'NTSC'}, "
            f"{identity[18] + 1} rows"
        )


def check_state(c: Console, state: ALEState, identity: bytes) -> None:
    """Check that a state, none of ale-py's, can be one of a console.

    Args:
        c (Console): the console.
        state (ALEState): the state.
        identity (bytes): which console it is: see `identify`.

    Raises:
        ValueError: the state is of another ROM, or is none that the console can have.
    """
    _check_identity(state._identity, identity)
    if state._is_checked:
        return
    whole = bytearray(ctypes.string_at(ctypes.addressof(c), SIZE))
    core = state._core()
    whole[: len(core)] = core
    other = Console.from_buffer(whole)
    check_console(other, c)
    for k in range(2):
        if not other.has_start[k] and len(state._screens[k]) != PIXELS * c.height:
            rows = len(state._screens[k]) // PIXELS
            raise ValueError(f"the state has {rows} rows of screen {k}, where this console needs {c.height}")
    state._is_checked = True
