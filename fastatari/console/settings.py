"""The settings of an `ALEInterface`, by the names and with the defaults that ale-py's have."""

import operator
from typing import Any, NoReturn

import numpy as np

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
            _refuse("setInt", "(key: str, value: int)", key, value)
        if not isinstance(key, str) or not -(2**31) <= number < 2**31:
            _refuse("setInt", "(key: str, value: int of 32 bits)", key, value)
        _check_key(key, _INTEGERS)
        if key == "frame_skip" and number < 0:
            raise ValueError(f"`frame_skip` must be at least 1, got {number}")
        self._values[key] = number

    def set_flag(self, key: Any, value: Any) -> None:
        """Set a boolean.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
            NotImplementedError: it asks for what only ale-py's class has.
        """
        if not isinstance(key, str) or not isinstance(value, bool):
            _refuse("setBool", "(key: str, value: bool)", key, value)
        _check_key(key, _FLAGS)
        _check_there_is(key, value)
        self._values[key] = value

    def set_float(self, key: Any, value: Any) -> None:
        """Set a number, which becomes one of 32 bits.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
        """
        if not isinstance(key, str) or isinstance(value, str | bytes) or not hasattr(value, "__float__"):
            _refuse("setFloat", "(key: str, value: float)", key, value)
        _check_key(key, _FLOATS)
        self._values[key] = float(np.float32(value))

    def set_string(self, key: Any, value: Any) -> None:
        """Set a string.

        Raises:
            TypeError: a name or value of another type.
            RuntimeError: there is no such setting.
            NotImplementedError: it asks for what only ale-py's class has.
        """
        if not isinstance(key, str) or not isinstance(value, str):
            _refuse("setString", "(key: str, value: str)", key, value)
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


def _check_key(key: str, allowed: dict[str, Any]) -> None:
    if key not in allowed:
        raise RuntimeError(
            f"The key {key} you are trying to set does not exist or has incorrect value type; of this type are: "
            f"{', '.join(allowed)}"
        )


def _check_there_is(key: str, value: bool | str) -> None:
    if key in _MISSING and value:
        raise NotImplementedError(f"`{key}` is {value!r}, but {_MISSING[key]} is only in `ale_py.ALEInterface`")


def _refuse(function: str, allowed: str, key: object, value: object) -> NoReturn:
    raise TypeError(
        f"{function}(): incompatible function arguments. The following argument types are supported: {allowed}; got "
        f"{key!r:.80} of type {type(key).__name__}, {value!r:.80} of type {type(value).__name__}"
    )
