"""The settings of an `ALEInterface`, by the names and with the defaults that ale-py's have."""

# ruff: noqa: N802 - the methods have ale-py's names

import math
import operator
import os
import secrets
from typing import Any

import ale_py
import numpy as np
from ale_py import LoggerMode

from fastatari.console.arguments import refuse
from fastatari.console.games import NAMES
from fastatari.console.games.facts import DEFAULT_PADDLE_LIMITS, PADDLE_LIMITS
from fastatari.console.inputs import PADDLES
from fastatari.console.state import Console

_ALE = ale_py.ALEInterface
_MOST_RESISTANCE = 1_000_000

_INTEGERS = {
    "random_seed": -1,
    "system_random_seed": 4753849,
    "frame_skip": 1,
    "max_num_frames": 0,
    "max_num_frames_per_episode": 0,
    "paddle_min": -1,
    "paddle_max": -1,
    "reward_min": -(2**31),
    "reward_max": 2**31 - 1,
    "fragsize": 64,
    "freq": 31400,
    "tiafreq": 31400,
    "volume": 100,
}
_FLAGS = {
    "truncate_on_loss_of_life": False,
    "color_averaging": False,
    "display_screen": False,
    "sound": False,
    "sound_obs": False,
    "send_rgb": False,
    "record_sound_for_user": False,
}
_FLOATS = {"repeat_action_probability": 0.25}
_STRINGS = {
    "rom_file": "",
    "cpu": "low",
    "palette": "standard",
    "record_screen_dir": "",
    "record_sound_filename": "",
    "game_controller": "",
}
# What there is in ale-py's class only.
_MISSING = {
    "color_averaging": "the averaging of colours",
    "display_screen": "a window that shows the screen",
    "sound": "sound",
    "sound_obs": "sound",
    "send_rgb": "the averaging of colours",
    "record_sound_for_user": "the recording of sound",
    "record_screen_dir": "the recording of screens",
    "record_sound_filename": "the recording of sound",
}


class Settings:
    """Settings by name. They take effect when a ROM is loaded."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {**_INTEGERS, **_FLAGS, **_FLOATS, **_STRINGS}

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def set_integer(self, key: Any, value: Any) -> None:
        """Set an integer of 32 bits.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
            ValueError: the value is not allowed.
        """
        if isinstance(value, bool | np.bool_):
            value = int(value)
        try:
            number = operator.index(value)
        except TypeError:
            number = 2**31
        if not -(2**31) <= number < 2**31:
            refuse("setInt", "(key: str, value: int of 32 bits)", value)
        _check_key(key, _INTEGERS)
        if key == "frame_skip" and number < 0:
            raise ValueError(f"`frame_skip` must be at least 1, or 0 for 1, got {number}")
        self._values[key] = number

    def set_flag(self, key: Any, value: Any) -> None:
        """Set a boolean.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
            NotImplementedError: it asks for what only ale-py's class has.
        """
        if not isinstance(value, bool):
            refuse("setBool", "(key: str, value: bool)", value)
        _check_key(key, _FLAGS)
        _check_there_is(key, value)
        self._values[key] = value

    def set_float(self, key: Any, value: Any) -> None:
        """Set a number, which becomes one of 32 bits.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
        """
        if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
            refuse("setFloat", "(key: str, value: float)", value)
        _check_key(key, _FLOATS)
        self._values[key] = float(np.float32(value))

    def set_string(self, key: Any, value: Any) -> None:
        """Set a string.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
            NotImplementedError: it asks for what only ale-py's class has.
        """
        if not isinstance(value, str):
            refuse("setString", "(key: str, value: str)", value)
        _check_key(key, _STRINGS)
        _check_there_is(key, value)
        self._values[key] = value

    def get_integer(self, key: str) -> int:
        """Return an integer, -1 if there is none of the name."""
        return int(self._values[key]) if key in _INTEGERS else -1

    def get_flag(self, key: str) -> bool:
        """Return a boolean, False if there is none of the name."""
        return bool(self._values[key]) if key in _FLAGS else False

    def get_float(self, key: str) -> float:
        """Return a number, -1.0 if there is none of the name."""
        return float(self._values[key]) if key in _FLOATS else -1.0

    def get_string(self, key: str) -> str:
        """Return a string, or another setting as a string; "" if there is none of the name."""
        value = self._values.get(key, "")
        if isinstance(value, float):
            return f"{value:g}"
        return str(int(value)) if isinstance(value, bool | int) else str(value)

    @property
    def clamp(self) -> tuple[int, int] | None:
        """The least and the most reward of an act; None if all integers are allowed."""
        limits = self._values["reward_min"], self._values["reward_max"]
        return None if limits == (_INTEGERS["reward_min"], _INTEGERS["reward_max"]) else limits

    def prepare(self, c: Console) -> tuple[int, int]:
        """Set what a console has of the settings, before it is turned on.

        Returns:
            tuple: the seeds of its two generators, the system's first.

        Raises:
            ValueError: the limits of the paddles are not allowed.
        """
        values = self._values
        c.max_num_frames_per_episode = max(0, values["max_num_frames_per_episode"])
        c.sticky_threshold = to_threshold(values["repeat_action_probability"])
        own = PADDLE_LIMITS[NAMES[c.game]]
        limits = [values[name] for name in ("paddle_min", "paddle_max")]
        for k in range(2):
            if c.controllers != PADDLES or own[k] != DEFAULT_PADDLE_LIMITS[k] or limits[k] == -1:
                limits[k] = own[k]
        lowest, highest = limits
        if not 0 <= lowest <= highest <= _MOST_RESISTANCE:
            raise ValueError(
                f"`paddle_min` and `paddle_max` must be from 0 to {_MOST_RESISTANCE} and in this order, or -1, got "
                f"{lowest} and {highest}"
            )
        c.paddle_minimum, c.paddle_maximum = lowest, highest
        seeds = values["system_random_seed"], values["random_seed"]
        system, action = (secrets.randbits(32) if seed == -1 else seed % 2**32 for seed in seeds)
        return system, action

    def note_loaded(self, path: str | os.PathLike[str], c: Console) -> None:
        """Keep what loading a ROM leaves in the settings: as in ale-py, two games leave their limits of the paddles."""
        self._values["rom_file"] = os.fspath(path)
        if PADDLE_LIMITS[NAMES[c.game]][1] != DEFAULT_PADDLE_LIMITS[1]:
            self._values["paddle_max"] = c.paddle_maximum


class Configurable:
    """The methods of an `ALEInterface` that set and get its settings. They take effect when a ROM is loaded."""

    __slots__ = ("_settings",)

    def __init__(self) -> None:
        self._settings = Settings()

    def setInt(self, key: str, value: int, /) -> None:
        """Set an integer."""
        self._settings.set_integer(key, value)

    def setBool(self, key: str, value: bool, /) -> None:
        """Set a boolean."""
        self._settings.set_flag(key, value)

    def setFloat(self, key: str, value: float, /) -> None:
        """Set a number."""
        self._settings.set_float(key, value)

    def setString(self, key: str, value: str, /) -> None:
        """Set a string."""
        self._settings.set_string(key, value)

    def getInt(self, key: str, /) -> int:
        """Return an integer; -1 if there is none of the name."""
        return self._settings.get_integer(key)

    def getBool(self, key: str, /) -> bool:
        """Return a boolean; False if there is none of the name."""
        return self._settings.get_flag(key)

    def getFloat(self, key: str, /) -> float:
        """Return a number; -1.0 if there is none of the name."""
        return self._settings.get_float(key)

    def getString(self, key: str, /) -> str:
        """Return a setting as a string; "" if there is none of the name."""
        return self._settings.get_string(key)

    @staticmethod
    def setLoggerMode(mode: LoggerMode, /) -> None:
        """Set what ale-py prints. This class prints nothing."""
        _ALE.setLoggerMode(mode)


def to_threshold(probability: float) -> int:
    """Return `Console.sticky_threshold` of a probability: any real number, or none."""
    if math.isnan(probability):
        return 2**32
    return math.ceil(min(max(probability, 0.0), 1.0) * 2**32)


def _check_key(key: Any, allowed: dict[str, Any]) -> None:
    if not isinstance(key, str):
        raise TypeError(f"incompatible function arguments: the name of a setting must be a str, got {key!r:.80}")
    if key not in allowed:
        raise RuntimeError(
            f"The key {key} you are trying to set does not exist or has incorrect value type; of this type are: "
            f"{', '.join(allowed)}"
        )


def _check_there_is(key: str, value: bool | str) -> None:
    if key in _MISSING and value:
        raise NotImplementedError(f"`{key}` is {value!r}, but {_MISSING[key]} is only in `ale_py.ALEInterface`")
