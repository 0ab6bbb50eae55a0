"""`Actions`: the actions of a game, their space, and the checks of what a caller gives."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ale_py import Action
from gymnasium import spaces

from fastatari.checks import check_integers, to_int
from fastatari.errors import InvalidAction
from fastatari.rules import AtariRules

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# Of a continuous action: how far the stick is moved, in which direction, and how far FIRE is pressed.
LOW: Final = np.array([0.0, -np.pi, 0.0], np.float32)
HIGH: Final = np.array([1.0, np.pi, 1.0], np.float32)


class Actions:
    """Reads actions: indices of the game's actions, or continuous ones, which are mapped to indices.

    Args:
        rom (str): the ROM's id, for messages.
        meanings (sequence of str): the names of the actions, by index.
        rules (AtariRules): whether actions are continuous, and their threshold.

    Attributes:
        meanings (list[str]): the names of the actions, by index.
        space (spaces.Discrete | spaces.Box): the space of an action: indices, or float32[3].
    """

    def __init__(self, rom: str, meanings: Sequence[str], rules: AtariRules) -> None:
        self._rom, self.meanings = rom, list(meanings)
        self._count = len(self.meanings)
        self._is_continuous = rules.continuous
        self._threshold = rules.continuous_action_threshold
        self.space: spaces.Discrete[Any] | spaces.Box[Any] = (
            spaces.Box(LOW, HIGH, dtype=np.float32) if rules.continuous else spaces.Discrete(self._count)
        )
        self._one = np.zeros(1, np.int64)

    def read(self, actions: Any, env_ids: Sequence[int] | Int64Array) -> tuple[Int64Array, Float32Array | None]:
        """Read an action for each of some environments.

        Args:
            actions (int[m] | float[m, 3]): the actions; any sequence or array.
            env_ids (sequence of int): the environments' numbers.

        Returns:
            tuple: indices, int64[m], which may be the given ones, and of which `Engine.step` finds out whether the game
            has them; and how far paddles are moved, float32[m], or None for 1 each.

        Raises:
            TypeError: the actions are of another type.
            ValueError: they are not as many.
            InvalidAction: a continuous one is not in the space, or an index has more than 64 bits.
        """
        if self._is_continuous:
            return self._map(self._check_continuous(actions, env_ids))
        try:
            array = actions if type(actions) is np.ndarray else np.asarray(actions)
            if array.dtype.kind in "iu" and array.shape == (len(env_ids),):
                return array.astype(np.int64, copy=False), None
        except ValueError:
            pass  # of a list of lists of several lengths
        values: Sequence[Any] = actions
        # numpy makes floats of a list with integers of more than 64 bits.
        if not isinstance(actions, list | tuple) or len(actions) != len(env_ids) or {*map(type, actions)} != {int}:
            values = check_integers("actions", actions, len(env_ids), "for each environment").tolist()
        raise self._find_invalid(values, env_ids) or AssertionError(f"{actions!r} could be read")

    def find_invalid(self, actions: Any, env_ids: Sequence[int] | Int64Array) -> InvalidAction | None:
        """Return the exception that says which action the game has not, of those that `read` took; or None."""
        return None if self._is_continuous else self._find_invalid(np.asarray(actions).tolist(), env_ids)

    def _find_invalid(self, values: Sequence[int], env_ids: Sequence[int] | Int64Array) -> InvalidAction | None:
        for value, env_id in zip(values, env_ids, strict=True):
            if not 0 <= value < self._count:
                return InvalidAction.of(value, self._rom, self.meanings, f"environment {env_id}: ")
        return None

    def read_one(self, action: Any) -> tuple[Int64Array, Float32Array | None]:
        """Read the action of a single environment; return what `read` does, in an array that is used again.

        Raises:
            TypeError: it is of another type.
            ValueError: it has another shape.
            InvalidAction: the game has no such action.
        """
        if self._is_continuous:
            return self._map(self._check_continuous([action], None))
        index = action if type(action) is int else to_int("action", action)
        if not 0 <= index < self._count:
            raise InvalidAction.of(index, self._rom, self.meanings)
        self._one[0] = index
        return self._one, None

    def _check_continuous(self, actions: Any, env_ids: Sequence[int] | Int64Array | None) -> Float32Array:
        name, count = ("action", 1) if env_ids is None else ("actions", len(env_ids))
        shape = "(3,)" if env_ids is None else f"({count}, 3)"
        try:
            array = np.asarray(actions)
        except ValueError:
            raise ValueError(f"`{name}` must have shape {shape}, got {actions!r:.200}") from None
        if array.dtype.kind not in "fiu":
            given = actions[0] if env_ids is None else actions
            raise TypeError(f"`{name}` must be floats of shape {shape}, got {given!r:.200}")
        if array.shape != (count, 3):
            got = array.shape[1:] if env_ids is None else array.shape
            raise ValueError(f"`{name}` must have shape {shape}, got shape {got}")
        checked = array.astype(np.float32)
        is_allowed = ((checked >= LOW) & (checked <= HIGH)).all(1)  # nan is not
        if not is_allowed.all():
            place = int(np.argmin(is_allowed))
            where = "" if env_ids is None else f"environment {env_ids[place]}: "
            raise InvalidAction(
                f"{where}action {array[place].tolist()} is not in the action space: radius from 0 to 1, angle from -pi "
                "to pi, FIRE from 0 to 1"
            )
        return checked

    def _map(self, actions: Float32Array) -> tuple[Int64Array, Float32Array]:
        """Return the indices of continuous actions, and how far paddles are moved, as ale-py's environments do."""
        threshold = self._threshold
        x, y = actions[:, 0] * np.cos(actions[:, 1]), actions[:, 0] * np.sin(actions[:, 1])
        columns, rows = ((stick > threshold).astype(np.int64) - (stick < -threshold) for stick in (x, y))
        is_fire = (actions[:, 2] > threshold).astype(np.int64)
        return _INDICES[rows + 1, columns + 1, is_fire], np.ascontiguousarray(actions[:, 0])


# By where the stick is (down, middle, up; left, middle, right) and whether FIRE is pressed: the number of the action.
_INDICES: Final = np.array(
    [
        [[Action.__members__[f"{vertical}{horizontal}{fire}" or "NOOP"].value for fire in ("", "FIRE")]
         for horizontal in ("LEFT", "", "RIGHT")]
        for vertical in ("DOWN", "", "UP")
    ],
    np.int64,
)  # fmt: skip

_KEYS: Final = {"UP": "w", "DOWN": "s", "LEFT": "a", "RIGHT": "d", "FIRE": " ", "NOOP": "e"}


def list_keys(meanings: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Return which keys stand for which action, for `gymnasium.utils.play`."""
    return {tuple(key for name, key in _KEYS.items() if name in text): index for index, text in enumerate(meanings)}
