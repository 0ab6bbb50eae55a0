"""`PlainEngine`: the slow engine over ale-py's own emulator, which plays environments one after the other."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checkpoint import pack, take_array, take_bool, unpack
from fastatari.checks import check_pair
from fastatari.engine import plain_states
from fastatari.engine.interface import ConsoleName, Int64Array, Observations, UInt8Array
from fastatari.engine.plain_console import PlainConsole
from fastatari.engine.plain_environment import PlainEnvironment, Row
from fastatari.engine.results import FLAGS, FLOATS, INTEGERS, Results
from fastatari.rules import RAM_SIZE, AtariRules

_KIND = "an environment on ale-py's console"


class PlainEngine:
    """An `Engine`, made of as many `PlainEnvironment`: the twin of the compiled engine. `send` plays at once.

    Args:
        game (str): as for `find_rom`.
        rules (AtariRules): the rules.
        num_envs (int): how many environments.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        is_shown (bool): whether ale-py shows every frame in a window.
        has_times (bool): whether `results` hold the seconds of an episode.

    Attributes:
        As of `Engine`.

    Raises:
        TypeError, ValueError, OSError: as for `PlainConsole`; or planes are larger than screens.
    """

    console: ConsoleName = "ale"
    num_threads = 0

    def __init__(
        self,
        game: str,
        rules: AtariRules,
        num_envs: int,
        autoreset_mode: AutoresetMode,
        is_shown: bool = False,
        has_times: bool = False,
    ) -> None:
        self.rules, self.num_envs, self.autoreset_mode, self._has_times = rules, num_envs, autoreset_mode, has_times
        consoles = [PlainConsole(game, rules, is_shown) for _ in range(num_envs)]
        self.rom, self.palette = consoles[0].rom, consoles[0].palette
        self.action_meanings: tuple[str, ...] = tuple(action.name for action in consoles[0].actions)
        self.screen_shape: tuple[int, int] = consoles[0].ale.getScreenDims()
        check_pair("screen_size", rules.size[::-1], self.screen_shape[::-1], "(width, height)")
        self._environments = [PlainEnvironment(console) for console in consoles]
        self._final_observations = np.zeros((num_envs, *rules.shape), np.float32 if rules.scale_obs else np.uint8)
        self._final_rams = np.zeros((num_envs, RAM_SIZE), np.uint8)
        self._is_over = np.zeros(num_envs, np.bool_)
        self.results, self.finals = Results.zeros(num_envs), Results.zeros(num_envs)
        self.needs_reset, self.is_pending = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.bool_)

    def reset(self, env_ids: Int64Array, seeds: Sequence[int | None], new_game: bool = False) -> None:
        """Begin an episode in some environments. See `Engine.reset`."""
        self.needs_reset[env_ids], self.is_pending[env_ids] = True, False
        for index, seed in zip(env_ids.tolist(), seeds, strict=True):
            self._reset(index, seed, new_game)

    def send(self, env_ids: Int64Array, actions: Int64Array, strengths: npt.NDArray[np.float32] | None = None) -> bool:
        """Play a step in some environments. See `Engine.send`."""
        are_ready = not (self.needs_reset | self.is_pending)[env_ids].any()
        if not are_ready or not all(0 <= action < len(self.action_meanings) for action in actions.tolist()):
            return False
        if strengths is None:
            strengths = np.ones(len(actions), np.float32)
        for index, action, strength in zip(env_ids.tolist(), actions.tolist(), strengths.tolist(), strict=True):
            self._step(index, action, strength)
            self.is_pending[index] = True
        return True

    def recv(self, count: int) -> Int64Array:
        """Return the first pending environments, which are not pending any more. See `Engine.recv`."""
        env_ids = np.flatnonzero(self.is_pending)[:count]
        self.is_pending[env_ids] = False
        return env_ids

    def step(
        self,
        env_ids: Int64Array | None,
        actions: Int64Array,
        strengths: npt.NDArray[np.float32] | None,
        out: Observations,
    ) -> bool:
        """Play a step in some environments and write their observations. See `Engine.step`."""
        env_ids = np.arange(self.num_envs) if env_ids is None else env_ids
        pending = self.is_pending.copy()
        try:
            if not self.send(env_ids, actions, strengths):
                return False
        finally:
            self.is_pending[:] = pending
        self.read(env_ids, out)
        return True

    def _step(self, index: int, action: int, strength: float) -> None:
        """Play a step, or what takes its place by the autoreset mode; write the column of `results`."""
        mode = self.autoreset_mode
        if mode == AutoresetMode.NEXT_STEP and self._is_over[index]:
            self._reset(index, None, False)
            return
        environment = self._environments[index]
        self.needs_reset[index] = True  # an exception of a signal handler can come between any two lines
        row = environment.step(action, strength)
        is_over = not environment.is_playing
        if mode == AutoresetMode.SAME_STEP and is_over:
            self._write(self.finals, index, row)
            self._final_observations[index] = environment.observe()
            self._final_rams[index] = environment.ale.getRAM()
            given = {name: row[name] for name in ("reward", "terminated", "truncated")}
            row = environment.reset(None) | given | {"has_final": True}
            is_over = False
        self._write(self.results, index, row)
        self._is_over[index] = is_over
        self.needs_reset[index] = is_over and mode == AutoresetMode.DISABLED

    def _reset(self, index: int, seed: int | None, new_game: bool) -> None:
        self.needs_reset[index] = True
        self._write(self.results, index, self._environments[index].reset(seed, new_game))
        self._is_over[index] = self.needs_reset[index] = False

    def _write(self, results: Results, index: int, row: Row) -> None:
        """Write a column; what it does not name is 0."""
        if not self._has_times:
            row = row | {"episode_seconds": 0.0}
        for array, names in ((results.floats, FLOATS), (results.integers, INTEGERS), (results.flags, FLAGS)):
            array[:, index] = [row.get(name, 0) for name in names]

    def read(self, env_ids: Int64Array, out: Observations) -> None:
        """Write present observations. See `Engine.read`."""
        for row, index in enumerate(env_ids.tolist()):
            out[row] = self._environments[index].observe()

    def read_final(self, env_ids: Int64Array, out: Observations) -> None:
        """Write the observations that resets replaced. See `Engine.read_final`."""
        out[:] = self._final_observations[env_ids]

    def read_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM. See `Engine.read_ram`."""
        for row, index in enumerate(env_ids.tolist()):
            out[row] = self._environments[index].ale.getRAM()

    def read_final_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM before resets. See `Engine.read_final_ram`."""
        out[:] = self._final_rams[env_ids]

    def render(self, env_id: int, pooled: bool = False) -> UInt8Array:
        """Return the screen in its colours. See `Engine.render`."""
        return self._environments[env_id].render(pooled)

    def ale(self, env_id: int) -> Any:
        """Return the emulator of an environment. See `Engine.ale`."""
        return self._environments[env_id].ale

    def np_random(self, env_id: int) -> np.random.Generator:
        """Return the generator of an environment. See `Engine.np_random`."""
        return self._environments[env_id].console.np_random

    def set_np_random(self, env_id: int, generator: np.random.Generator) -> None:
        """Let an environment draw from another generator. See `Engine.set_np_random`."""
        self._environments[env_id].console.set_np_random(generator)

    def clone(self, env_id: int) -> bytes:
        """Return what `save` does. See `Engine.clone`."""
        return self.save(env_id)

    def restore(self, env_id: int, clone: Any) -> None:
        """Do what `load` does. See `Engine.restore`."""
        self.load(env_id, clone)

    def save(self, env_id: int) -> bytes:
        """Return all that an environment is. See `Engine.save`."""
        values, arrays = plain_states.describe(self._environments[env_id])
        is_over = bool(self._is_over[env_id])
        values |= {"is_over": is_over, "is_pending": bool(self.is_pending[env_id])}
        values["needs_reset"] = bool(self.needs_reset[env_id]) and not is_over
        for name, results in (("results", self.results), ("finals", self.finals)):
            arrays |= {f"{name}_{kind}": getattr(results, kind)[:, env_id] for kind in Results.ARRAYS}
        arrays["final_observation"], arrays["final_ram"] = self._final_observations[env_id], self._final_rams[env_id]
        return pack(_KIND, values, arrays)

    def load(self, env_id: int, data: bytes) -> None:
        """Go on from what `save` returned. See `Engine.load`."""
        values, arrays = unpack(data, _KIND)
        environment = self._environments[env_id]
        restore = plain_states.prepare(environment, values, arrays)
        is_over, is_pending, needs_reset = (
            take_bool(values, name) for name in ("is_over", "is_pending", "needs_reset")
        )
        targets = {
            f"{name}_{kind}": getattr(results, kind)[:, env_id]
            for name, results in (("results", self.results), ("finals", self.finals))
            for kind in Results.ARRAYS
        }
        targets |= {"final_observation": self._final_observations[env_id], "final_ram": self._final_rams[env_id]}
        sources = {name: take_array(arrays, name, target.dtype, target.shape) for name, target in targets.items()}

        self.needs_reset[env_id] = True  # until all is done
        restore()
        for name, target in targets.items():
            target[...] = sources[name]
        environment.begin_time = time.perf_counter() - float(self.results.row("episode_seconds")[env_id])
        self._is_over[env_id], self.is_pending[env_id] = is_over, is_pending
        self.needs_reset[env_id] = needs_reset or (is_over and self.autoreset_mode != AutoresetMode.NEXT_STEP)

    def close(self) -> None:
        """Let go of the consoles."""
        self._environments = []
