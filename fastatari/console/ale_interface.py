"""`ALEInterface`: ale-py's class, method for method, on the console of this package."""
# ruff: noqa: N802 - the methods have ale-py's names

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
import numpy.typing as npt
from ale_py import Action

from fastatari.console import machine_code, states
from fastatari.console.arguments import (
    check_flag,
    check_natural,
    list_choices,
    name_game,
    read_rom,
    to_number,
    to_units,
)
from fastatari.console.display import Display, refuse_to_act
from fastatari.console.games.facts import DIFFICULTIES, LEGAL_ACTIONS, MINIMAL_ACTIONS, MODES
from fastatari.console.inputs import PADDLE_STEP
from fastatari.console.memory import Consoles
from fastatari.console.saved import ALEState, clone_state, identify, restore_state
from fastatari.console.starts import Resets

UInt8Array = npt.NDArray[np.uint8]

_ACTIONS = tuple(Action.__members__.values())


class ALEInterface(Display):
    """An Atari 2600 with the methods of ``ale_py.ALEInterface``, and with what they return, bit for bit.

    Restored states are exact here, and the screen is theirs at once. Sound, the display, recording and the averaging of
    colours are only in ale-py's class. Settings take effect when a ROM is loaded.

    Raises:
        RuntimeError: a method needs a ROM, and none is loaded.
    """

    __slots__ = (
        "_act_frames",
        "_can_truncate",
        "_clamp",
        "_frame_skip",
        "_game",
        "_history",
        "_identity",
        "_last_frame",
        "_owner",
        "_predictions",
        "_reset_game",
        "_start_lives",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._act_frames: Callable[..., int] = refuse_to_act
        self._reset_game: Callable[..., int] = refuse_to_act
        self._identity, self._owner = b"", object()
        self._frame_skip, self._last_frame = 1, 0
        self._clamp: tuple[int, int] | None = None
        self._can_truncate = False
        # A frame is drawn at once if its screen is going to be read; guessing wrong only costs time. The guess is what
        # came last after the same history: whether the screen was read after each of the last eight acts, a bit each.
        self._history = 0
        self._predictions = bytearray(256)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle or copy an 'ALEInterface'; `cloneSystemState` returns what can be")

    # ROMs and games.

    @staticmethod
    def isSupportedROM(path: str | os.PathLike[str], /) -> str | None:
        """Return the id of the game whose ROM a file is, or None.

        Raises:
            RuntimeError: there is no such file.
        """
        if not Path(path).is_file():
            raise RuntimeError(f"ROM file doesn't exist: {os.fspath(path)!r}")
        return name_game(Path(path).read_bytes(), "")

    def loadROM(self, path: str | os.PathLike[str], /) -> None:
        """Load a ROM and begin a game.

        Raises:
            TypeError: `path` is of another type.
            OSError: there is no such file, or it cannot be read.
            ValueError: it is the ROM of no game that is played here, or a setting is not allowed.
            RuntimeError: the game's mode cannot be reached.
        """
        rom = read_rom(path)
        functions = machine_code.functions_with_gil()
        consoles = Consoles(rom)
        c = consoles[0]
        seeds = self._settings.prepare(c)
        address = ctypes.addressof(c)
        if functions.power_on(address, *seeds):
            raise RuntimeError(f"the mode {c.mode} of {rom.game} was not reached")
        self._settings.note_loaded(path, c)
        self._show(consoles, 0)
        self._frame_skip = max(1, self._settings["frame_skip"])
        self._last_frame = min(self._frame_skip, 63) - 1
        self._clamp = self._settings.clamp
        if self._settings["truncate_on_loss_of_life"]:
            self._can_truncate = True
            self._start_lives = _find_start_lives(c.game)
            self._act_frames = self._act_watching_lives

    @classmethod
    def show(cls, consoles: Consoles, index: int) -> "ALEInterface":
        """Return an interface to one of some consoles that was turned on, whoever else plays it.

        Args:
            consoles (Consoles): the consoles.
            index (int): which of them.
        """
        self = cls()
        self._show(consoles, index)
        return self

    def _show(self, consoles: Consoles, index: int) -> None:
        functions = machine_code.functions_with_gil()
        c = consoles[index]
        self._connect(consoles, index, functions.draw_picture)
        self._game, self._identity, self._owner = consoles.rom.game, identify(consoles.rom.md5, c), object()
        self._frame_skip, self._last_frame, self._clamp = 1, 0, None
        self._start_lives = -(2**31)
        self._can_truncate = c.max_num_frames_per_episode > 0
        self._act_frames = functions.act_frames
        self._reset_game = Resets(consoles, index).reset

    def getLegalActionSet(self) -> list[Action]:
        """Return the actions that the game takes."""
        return [_ACTIONS[number] for number in LEGAL_ACTIONS[self._loaded_game]]

    def getMinimalActionSet(self) -> list[Action]:
        """Return the actions that make a difference in the game."""
        return [_ACTIONS[number] for number in MINIMAL_ACTIONS[self._loaded_game]]

    def getAvailableModes(self) -> list[int]:
        """Return the game's modes."""
        return list(MODES[self._loaded_game])

    def getAvailableDifficulties(self) -> list[int]:
        """Return the game's difficulties."""
        return list(DIFFICULTIES[self._loaded_game])

    def setMode(self, mode: int, /) -> None:
        """Set the mode, from the next reset on.

        Raises:
            TypeError: `mode` is not an integer, or negative.
            RuntimeError: the game has no such mode.
        """
        allowed, number = self.getAvailableModes(), check_natural("setMode", "mode", mode)
        if number not in allowed:
            raise RuntimeError(f"Invalid game mode requested: {number}; {self._game} has {list_choices(allowed)}")
        self._console.mode = number

    def setDifficulty(self, difficulty: int, /) -> None:
        """Set the difficulty, from the next frame on.

        Raises:
            TypeError: `difficulty` is not an integer, or negative.
            RuntimeError: the game has no such difficulty.
        """
        allowed, number = self.getAvailableDifficulties(), check_natural("setDifficulty", "difficulty", difficulty)
        if number not in allowed:
            raise RuntimeError(f"Invalid difficulty requested: {number}; {self._game} has {list_choices(allowed)}")
        self._console.difficulty = number

    # Play.

    def act(self, action: Action | int, paddle_strength: float = 1.0) -> int:
        """Play `frame_skip` frames with an action.

        Args:
            action (Action | int): the action, or its number, 0 to 17.
            paddle_strength (float): how far a paddle moves, 1 being the most of a joystick.

        Returns:
            int: the sum of the rewards. After the end of the game nothing is played.

        Raises:
            TypeError: an argument is of another type.
            InvalidAction: there is no such action.
            ValueError: the strength is not finite.
        """
        number = action._value_ if type(action) is Action else to_number(action)  # type: ignore[attr-defined]
        units = PADDLE_STEP if paddle_strength == 1.0 else to_units(paddle_strength)
        was_read, predictions = self._was_read, self._predictions
        history = self._history
        predictions[history] = was_read
        self._history = history = history << 1 & 0xFF | was_read
        self._was_read = 0
        reward = self._act_frames(
            self._address, number, units, self._frame_skip, predictions[history] << self._last_frame
        )
        if self._clamp is None:
            return reward
        least, most = self._clamp
        return min(max(reward, least), most)

    def reset_game(self) -> None:
        """Begin a game.

        Raises:
            RuntimeError: the game's mode cannot be reached.
        """
        c = self._console
        if self._reset_game():
            raise RuntimeError(f"the mode {c.mode} of {self._game} was not reached")

    def game_over(self, with_truncation: bool = True) -> bool:
        """Return whether the game is over, by its own rules or, with `with_truncation`, by the settings."""
        is_over: bool = self._console.over != 0
        if with_truncation is not True:
            return is_over or (check_flag("game_over", "with_truncation", with_truncation) and self.game_truncated())
        return is_over or (self._can_truncate and self.game_truncated())

    def game_truncated(self) -> bool:
        """Return whether the settings end the game: by the number of its frames, or because a life was lost."""
        c = self._console
        limit = c.max_num_frames_per_episode
        is_truncated: bool = 0 < limit <= c.episode_frame_number or c.lives < self._start_lives
        return is_truncated

    def lives(self) -> int:
        """Return the lives that are left."""
        lives: int = self._console.lives
        return lives

    def getFrameNumber(self) -> int:
        """Return how many frames were played since the ROM was loaded."""
        number: int = self._console.frame_number
        return number

    def getEpisodeFrameNumber(self) -> int:
        """Return how many frames were played since the last reset."""
        number: int = self._console.episode_frame_number
        return number

    # States.

    def cloneState(self, include_rng: bool = False) -> ALEState:
        """Return the state.

        Args:
            include_rng (bool): whether with the generator that decides whether an action is repeated.
        """
        if include_rng is not False:
            check_flag("cloneState", "include_rng", include_rng)
        self._memory[0]
        return clone_state(self._memory, self._console, self._identity, include_rng, self._owner)

    def cloneSystemState(self) -> ALEState:
        """Return the state, with the generator that decides whether an action is repeated."""
        self._memory[0]
        return clone_state(self._memory, self._console, self._identity, True, self._owner)

    def restoreState(self, state: "ALEState | ale_py.ALEState", /) -> None:
        """Go on from a state of this class's, exactly, or of ale-py's, as exactly as it is.

        Raises:
            TypeError: `state` is no state.
            ValueError: it is of another ROM, or not the state of any console; the game goes on as it was.
        """
        self._memory[0]
        c = self._console
        if type(state) is not ALEState:
            if isinstance(state, ale_py.ALEState):
                state = ALEState(state.serialize())
            elif not isinstance(state, ALEState):
                raise TypeError(f"`state` must be an ALEState, of fastatari or of ale_py, got {type(state).__name__}")
        restore_state(self._memory, c, state, self._identity, self._owner)

    def restoreSystemState(self, state: "ALEState | ale_py.ALEState", /) -> None:
        """Do what `restoreState` does."""
        self.restoreState(state)

    def cloneAleState(self, include_rng: bool = False) -> ale_py.ALEState:
        """Return the state for ale-py's class, which cannot go on from it exactly: its states leave things out."""
        check_flag("cloneAleState", "include_rng", include_rng)
        self._memory[0]
        return ale_py.ALEState(states.to_ale_state(self._console, self._identity[:16].hex(), include_rng=include_rng))

    # What the methods have in common.

    @property
    def _loaded_game(self) -> str:
        self._memory[0]
        return self._game

    def _act_watching_lives(self, address: int, number: int, units: int, frames: int, drawn: int) -> int:
        """Play frames until a life is lost; after that only the generator of the actions goes on."""
        c, reward = self._console, 0
        act_frames = machine_code.functions_with_gil().act_frames
        for frame in range(frames):
            over, is_lost = c.over, c.lives < self._start_lives
            try:
                c.over = 1 if is_lost else over
                reward += act_frames(address, number, units, 1, drawn >> min(frame, 62) & 1)
            finally:
                if is_lost:
                    c.over = over
        return reward


def _find_start_lives(game: int) -> int:
    """Return the lives with which ale-py compares, to find that one was lost: those at a reset, before any frame."""
    from fastatari.console.games.bookkeeping import START_LIVES  # noqa: PLC0415 - 70 ms that nearly nobody needs

    return START_LIVES[game]
