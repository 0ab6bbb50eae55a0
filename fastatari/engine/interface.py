"""`Engine`: what an engine is, the compiled one and the plain one alike, and all that the environments ask of it."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.engine.results import Results
from fastatari.rules import AtariRules

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
# uint8, or float32 where the rules scale observations.
Observations = npt.NDArray[Any]

ConsoleName = Literal["fastatari", "ale"]
CONSOLES: tuple[ConsoleName, ...] = ("fastatari", "ale")


class Engine(Protocol):
    """Environments of one game under one set of rules, numbered from 0.

    What is given has been checked: `env_ids` are int64, C-contiguous, in range, and name no environment twice; there is
    an action for each of them; arrays to be written to have the right shape and dtype, are C-contiguous and writeable.
    Nothing that is given is kept.

    An exception that comes in the middle of a call, such as one of a signal handler, leaves each environment as it was,
    or as it is after the call, or in need of a reset and not pending.

    Attributes:
        rom (str): the ROM's id, such as ``breakout``.
        rules (AtariRules): all that decides what is computed.
        console ("fastatari" | "ale"): whose emulator plays.
        num_envs (int): how many environments there are, n.
        num_threads (int): how many threads play what `send` was given; in `step`, the caller's plays instead of one.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        action_meanings (tuple[str, ...]): the names of the actions, by index.
        screen_shape (tuple[int, int]): height H and width W of the screens.
        palette ("ntsc" | "pal"): the television standard of the game.
        needs_reset (bool[n]): which environments cannot make a step before a `reset`: those that had none, and in
            ``DISABLED`` those whose episode is over.
        is_pending (bool[n]): which environments were asked by `send` and not returned by `recv` yet.
        results (Results): of the last step or reset of each environment. It is only defined where none is pending.
        finals (Results): of the step that ended an episode, where ``has_final`` is True in `results`.
    """

    rom: str
    rules: AtariRules
    console: ConsoleName
    num_envs: int
    num_threads: int
    autoreset_mode: AutoresetMode
    action_meanings: tuple[str, ...]
    screen_shape: tuple[int, int]
    palette: Literal["ntsc", "pal"]
    needs_reset: npt.NDArray[np.bool_]
    is_pending: npt.NDArray[np.bool_]
    results: Results
    finals: Results

    def reset(self, env_ids: Int64Array, seeds: Sequence[int | None], new_game: bool = False) -> None:
        """Begin an episode in some environments, and wait until it has begun. What is pending in these is dropped.

        Args:
            env_ids (int64[m]): which environments.
            seeds (sequence of int | None): the seed of each, or None: then its generators go on.
            new_game (bool): whether games are reset even where a lost life ends episodes only.
        """
        ...

    def send(self, env_ids: Int64Array, actions: Int64Array, strengths: npt.NDArray[np.float32] | None = None) -> bool:
        """Begin a step in some environments; or a reset, in ``NEXT_STEP`` after the end of an episode.

        Args:
            env_ids (int64[m]): which environments.
            actions (int64[m]): of each, an index into `action_meanings`.
            strengths (float32[m] | None): how far each moves its paddle; None for 1 each.

        Returns:
            bool: True; or False, and nothing was done, because one is pending or needs a reset, or an action is none.
        """
        ...

    def recv(self, count: int) -> Int64Array:
        """Wait until some of the pending environments are ready, and no longer pending.

        Args:
            count (int): how many, at most as many as are pending.

        Returns:
            int64[count]: which, ascending.
        """
        ...

    def step(
        self,
        env_ids: Int64Array | None,
        actions: Int64Array,
        strengths: npt.NDArray[np.float32] | None,
        out: Observations,
    ) -> bool:
        """Do what `send` does, wait until these environments are ready, and write their observations.

        It may wait for others that are pending, too, which stay pending.

        Args:
            env_ids (int64[m] | None): which environments; None for all.
            actions (int64[m]): as for `send`.
            strengths (float32[m] | None): as for `send`.
            out (uint8[m, *shape] or float32[m, *shape]): where the observations are written to, in the order of
                `env_ids`.

        Returns:
            bool: as of `send`.
        """
        ...

    def read(self, env_ids: Int64Array, out: Observations) -> None:
        """Write the present observations of environments that are not pending, as for `step`."""
        ...

    def read_final(self, env_ids: Int64Array, out: Observations) -> None:
        """Write the observations that resets replaced, of environments whose `results` have ``has_final``."""
        ...

    def read_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM of environments that are not pending: uint8[m, 128]."""
        ...

    def read_final_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM as it was before a reset in the same step, as for `read_final`: uint8[m, 128]."""
        ...

    def render(self, env_id: int, pooled: bool = False) -> UInt8Array:
        """Return the screen of an environment in its colours: uint8[H, W, 3], a fresh array.

        A pending step is waited for.

        Args:
            env_id (int): which one; it had a reset.
            pooled (bool): whether it is the maximum, channel by channel, of the colours of a step's last two frames.
                Where planes are of one frame, after a reset, and after a step that ended early, it is the last alone.
        """
        ...

    def ale(self, env_id: int) -> Any:
        """Return an object with the methods of ``ALEInterface`` that shows the console of an environment."""
        ...

    def np_random(self, env_id: int) -> np.random.Generator:
        """Return the generator of an environment's no-ops, and with ``sticky_draws="np_random"`` of what sticks.

        With ``seeding="ale"``, no-ops are drawn by another, until `set_np_random` is called.
        """
        ...

    def set_np_random(self, env_id: int, generator: np.random.Generator) -> None:
        """Let an environment draw from another generator from now on, except for what the emulator draws."""
        ...

    def clone(self, env_id: int) -> Any:
        """Return what `save` does as something for `restore` that takes less time; it can be compared and pickled."""
        ...

    def restore(self, env_id: int, clone: Any) -> None:
        """Go on from what `clone` returned, as `load` does.

        Raises:
            TypeError: `clone` is of another type.
            ValueError: as for `load`.
        """
        ...

    def save(self, env_id: int) -> bytes:
        """Return all that the steps and resets of an environment depend on, and what it gave last.

        A pending step is waited for. The state holds what it gave, and that the environment is pending.
        """
        ...

    def load(self, env_id: int, data: bytes) -> None:
        """Go on from what `save` returned, of any environment of the same game and rules on the same console.

        An environment whose episode is over then needs a reset, except from ``NEXT_STEP`` to ``NEXT_STEP``.

        Raises:
            ValueError: the state is damaged, or of another game or console. Nothing has changed. That the rules are the
                same has been checked.
        """
        ...

    def close(self) -> None:
        """End threads and free memory. May be called again; nothing else may be called afterwards."""
        ...
