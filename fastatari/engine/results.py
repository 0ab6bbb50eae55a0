"""What an engine writes beside observations: the rows of `Results`, and the one table of what an info holds."""

from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

# The rows of a `Results`' arrays, by name. Each has a column for each environment.
FLOATS: Final = ("reward", "raw_reward", "episode_return", "episode_seconds")
INTEGERS: Final = ("lives", "episode_frame_number", "frame_number", "noops", "episode_length")
FLAGS: Final = (
    "terminated", "truncated", "life_lost", "game_over", "is_step", "is_reset", "ends_game", "has_final",
)  # fmt: skip


class Results:
    """What the last step or reset of each environment gave, a column each.

    A column is of a step or of a reset. Whatever an info is to show as 0 or False there is 0 or False here:
    `noops` in a column of a step; `reward`, `raw_reward`, `terminated`, `truncated`, `life_lost`, `game_over` and
    `ends_game` in a column of a reset.

    In ``SAME_STEP``, a step that ends an episode is followed by a reset at once. Then the column is the reset's,
    except that `reward`, `terminated` and `truncated` are the step's, and `has_final` is True.

    Rows of `floats`:

    * `reward`: as the rules give it, clipped or not.
    * `raw_reward`: the sum of the rewards of the step's frames.
    * `episode_return`: the sum of the raw rewards since the game's reset.
    * `episode_seconds`: the seconds since then; 0 where nobody asked for times.

    Rows of `integers`:

    * `lives`: those left.
    * `episode_frame_number`, `frame_number`: frames since the game's reset, and since the ROM was loaded, as
      ``ALEInterface.getEpisodeFrameNumber`` and ``getFrameNumber`` count them.
    * `noops`: how many no-ops the reset played.
    * `episode_length`: steps since the game's reset.

    Rows of `flags`:

    * `terminated`, `truncated`: whether the step ended the episode, and how.
    * `life_lost`: whether fewer lives are left than after the step or reset before.
    * `game_over`: whether the game is over or truncated.
    * `is_step`, `is_reset`: of which of both the column is; of none before the first reset.
    * `ends_game`: whether the next reset resets the game, so that the rows `episode_...` are those of a whole game.
    * `has_final`: whether a reset in the same step replaced what the step gave.

    Args:
        floats (float64[4, n]): the rows `FLOATS`; kept, not copied.
        integers (int64[5, n]): the rows `INTEGERS`; kept, not copied.
        flags (bool[8, n]): the rows `FLAGS`; kept, not copied.
    """

    ARRAYS: Final = ("floats", "integers", "flags")
    __slots__ = ARRAYS

    def __init__(
        self, floats: npt.NDArray[np.float64], integers: npt.NDArray[np.int64], flags: npt.NDArray[np.bool_]
    ) -> None:
        self.floats, self.integers, self.flags = floats, integers, flags

    @classmethod
    def zeros(cls, num_envs: int) -> "Results":
        """Return results of nothing yet, of `num_envs` environments."""
        return cls.of(*make_rows(num_envs))

    @classmethod
    def of(cls, numbers: npt.NDArray[np.int64], flags: npt.NDArray[np.bool_]) -> "Results":
        """Return results that are views of rows as of `make_rows`."""
        return cls(numbers[: len(FLOATS)].view(np.float64), numbers[len(FLOATS) :], flags)

    def copy(self) -> "Results":
        """Return a copy, in arrays of its own."""
        return Results(self.floats.copy(), self.integers.copy(), self.flags.copy())

    def take(self, env_ids: npt.NDArray[np.int64]) -> "Results":
        """Return a copy of the columns of some environments, int64[m], in their order."""
        return Results(self.floats.take(env_ids, 1), self.integers.take(env_ids, 1), self.flags.take(env_ids, 1))

    def row(self, name: str) -> npt.NDArray[Any]:
        """Return a row, by its name: a view."""
        array, number = place_of(name)
        view: npt.NDArray[Any] = getattr(self, array)[number]
        return view

    @property
    def has_begun(self) -> npt.NDArray[np.bool_]:
        """Which environments had a reset: bool[n], whose columns are of a step or of a reset."""
        has_begun: npt.NDArray[np.bool_] = self.row("is_step") | self.row("is_reset")
        return has_begun


_PLACES: Final = {
    name: (array, number)
    for array, names in (("floats", FLOATS), ("integers", INTEGERS), ("flags", FLAGS))
    for number, name in enumerate(names)
}


def place_of(name: str) -> tuple[str, int]:
    """Return which array of a `Results` a row is in, and its number there."""
    return _PLACES[name]


def make_rows(num_envs: int, count: int = 1) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the memory of so many `Results`, zeros, one behind the other: 64-bit numbers, and flags."""
    numbers = np.zeros((count * (len(FLOATS) + len(INTEGERS)), num_envs), np.int64)
    return numbers, np.zeros((count * len(FLAGS), num_envs), np.bool_)


class InfoField(NamedTuple):
    """A field of an info.

    Attributes:
        name (str): its key.
        row (str | None): the row of `Results` that it is; None if it is made otherwise.
        dtype (type): of its values.
        shape (tuple[int, ...]): of a value.
        when: after what it holds something; at other times it is 0 or False.
        meaning (str): what it says.
    """

    name: str
    row: str | None
    dtype: type[np.generic]
    shape: tuple[int, ...]
    when: Literal["always", "step", "reset", "end"]
    meaning: str


RAM_SIZE: Final = 128

# What every info holds. In a vector environment's each has an array of n, and under its name with ``_`` before it, a
# mask, bool[n]: of which environments it holds something.
INFO_FIELDS: Final = (
    InfoField("lives", "lives", np.int64, (), "always", "lives that are left"),
    InfoField(
        "episode_frame_number", "episode_frame_number", np.int64, (), "always", "frames since the reset of the game"
    ),
    InfoField("frame_number", "frame_number", np.int64, (), "always", "frames since the ROM was loaded"),
    InfoField("raw_reward", "raw_reward", np.float64, (), "step", "sum of the frames' rewards, never clipped"),
    InfoField("life_lost", "life_lost", np.bool_, (), "step", "whether fewer lives are left than before the step"),
    InfoField("game_over", "game_over", np.bool_, (), "step", "whether the game is over or truncated"),
    InfoField("noops", "noops", np.int64, (), "reset", "how many no-ops followed the reset of the game"),
)

# Of vector environments only.
ENV_ID: Final = InfoField("env_id", None, np.int64, (), "always", "the environment's number")

# With ``info_ram=True``.
RAM: Final = InfoField("ram", None, np.uint8, (RAM_SIZE,), "always", "the console's RAM")

# With ``episode_statistics=True``: a dict of its own, at the end of a game.
EPISODE: Final = "episode"
EPISODE_FIELDS: Final = (
    InfoField("r", "episode_return", np.float64, (), "end", "sum of the raw rewards since the reset of the game"),
    InfoField("l", "episode_length", np.int64, (), "end", "steps since the reset of the game"),
    InfoField("t", "episode_seconds", np.float64, (), "end", "seconds since the reset of the game"),
)
