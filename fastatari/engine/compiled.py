"""`CompiledEngine`: environments whose steps and resets are compiled calls, of several threads if wanted."""

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_pair
from fastatari.console import machine_code as console_code
from fastatari.console.ale_interface import ALEInterface
from fastatari.console.inputs import PADDLE_STEP
from fastatari.engine import machine_code
from fastatari.engine.arrays import Arrays, address_of
from fastatari.engine.clones import Clone
from fastatari.engine.copying import Copier
from fastatari.engine.interface import ConsoleName, Int64Array, Observations, UInt8Array
from fastatari.engine.loading import Loader, place
from fastatari.engine.opening import NEW_GAME, SEEDED
from fastatari.engine.seeding import Generators
from fastatari.engine.threads import Threads
from fastatari.palette import rgb_table
from fastatari.resources import count_cores
from fastatari.rules import AtariRules


class CompiledEngine:
    """Environments on this package's console; see `interface.Engine`.

    Args:
        game (str): the name of the game.
        rules (AtariRules): the rules.
        num_envs (int): how many environments, n.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        num_threads (int | None): see `interface.Engine`; 0 for the caller's alone; None for one a core, or for the
            caller's alone if there is one core.
        has_times (bool): whether `results` hold the seconds of an episode.

    Attributes:
        arrays (Arrays): where everything lies.
        threads (Threads): the threads, and the queue between them and the caller.
        generators (Generators): what environments draw from.

    Raises:
        TypeError, ValueError, OSError: as for `games.find_rom`; or the game has no such mode or difficulty.
        MemoryError: there is not enough memory.
    """

    console: ConsoleName = "fastatari"

    def __init__(
        self,
        game: str,
        rules: AtariRules,
        num_envs: int,
        autoreset_mode: AutoresetMode,
        *,
        num_threads: int | None = 0,
        has_times: bool = False,
    ) -> None:
        loader = Loader(game, rules)
        self._loader = loader
        self.rom, self.rules, self.num_envs, self.autoreset_mode = loader.name, rules, num_envs, autoreset_mode
        self.action_meanings = loader.action_meanings
        self.screen_shape = loader.screen_shape
        self.palette: Literal["ntsc", "pal"] = loader.palette
        height, width = self.screen_shape
        check_pair("screen_size", rules.size[::-1], (width, height), "(width, height)")
        self._functions, self._console_functions = machine_code.functions(), console_code.functions()

        self.arrays = arrays = Arrays(loader, rules, num_envs, autoreset_mode)
        self.results, self.finals, self.needs_reset = arrays.results, arrays.finals, arrays.needs_reset
        if num_threads is None:
            cores = count_cores()
            num_threads = min(cores, num_envs) if cores > 1 else 0
        self.num_threads = num_threads
        self.threads = Threads(arrays, num_threads)
        self.is_pending = self.threads.is_pending
        self.generators = Generators(rules, arrays.environments, arrays.consoles)
        self._has_times, self.begin_times = has_times, np.zeros(num_envs)
        self._is_reset, self._episode_length, self._episode_seconds = (
            self.results.row(name) for name in ("is_reset", "episode_length", "episode_seconds")
        )
        self._everyone = np.arange(num_envs)
        self._ales: dict[int, ALEInterface] = {}
        self._copier = Copier(arrays, self.generators, self.threads, self.begin_times)
        for i in range(num_envs):
            loader.rewind(arrays.consoles, i)

    def reset(self, env_ids: Int64Array, seeds: Sequence[int | None], new_game: bool = False) -> None:
        """Begin an episode in some environments. See `Engine.reset`."""
        self._drop(env_ids)
        for i, seed in zip(env_ids.tolist(), seeds, strict=True):
            self._reset(i, seed, new_game)
        self._note_times(env_ids)

    def _reset(self, i: int, seed: int | None, new_game: bool) -> None:
        e = self.arrays.environments[i]
        self.needs_reset[i] = True  # until all is done
        e.waits_for = 0  # also after a reset that an exception cut off
        flags = NEW_GAME if new_game or seed is not None else 0
        if seed is None:
            self.generators[i]
        else:
            flags |= SEEDED
            self._seed(i, seed)
        address = self.arrays.addresses.item(i)
        while self._functions.reset(address, self.threads.scratch, flags):
            self._seed(i, seed)
        self._functions.write_reset(address, self.arrays.setup_address)
        if e.has_failed:
            e.has_failed = 0
            self.needs_reset[i] = True
            raise RuntimeError(f"the mode {self.rules.mode} of {self.rom} was not reached")

    def _seed(self, i: int, seed: int | None) -> None:
        """Seed the generators of an environment, and turn its console back."""
        self._loader.rewind(self.arrays.consoles, i, self.generators.seed(i, seed))

    def _drop(self, env_ids: Int64Array) -> None:
        """Take notice of what is pending in some environments, and drop it."""
        if self.is_pending.any():
            self.threads.finish()
            for i in env_ids[self.is_pending[env_ids]].tolist():
                self._functions.notice(self.threads.address, i)

    def _set_actions(self, actions: Int64Array, strengths: npt.NDArray[np.float32] | None) -> None:
        count = len(actions)
        self.threads.indices[:count] = actions
        units = PADDLE_STEP if strengths is None else np.abs(strengths) * np.float32(PADDLE_STEP)
        self.threads.strengths[:count] = units

    def send(self, env_ids: Int64Array, actions: Int64Array, strengths: npt.NDArray[np.float32] | None = None) -> bool:
        """Begin a step in some environments. See `Engine.send`."""
        self.threads.start()
        self._set_actions(actions, strengths)
        return self.threads.submit(address_of(env_ids), len(env_ids))

    def recv(self, count: int) -> Int64Array:
        """Wait until some of the pending environments are ready. See `Engine.recv`."""
        env_ids = np.empty(count, np.int64)
        self.threads.receive(count, address_of(env_ids))
        env_ids.sort()
        self._note_times(env_ids)
        return env_ids

    def step(
        self,
        env_ids: Int64Array | None,
        actions: Int64Array,
        strengths: npt.NDArray[np.float32] | None,
        out: Observations,
    ) -> bool:
        """Step some environments, and write their observations. See `Engine.step`."""
        self.threads.start()
        self._set_actions(actions, strengths)
        target = np.empty(out.shape, np.uint8) if self.rules.scale_obs else out
        place = 0 if env_ids is None else address_of(env_ids)
        if not self.threads.step_all(place, len(actions), address_of(target)):
            return False
        if self.rules.scale_obs:
            _scale(target, out)
        self._note_times(env_ids)
        return True

    def read(self, env_ids: Int64Array, out: Observations) -> None:
        """Write the present observations of some environments. See `Engine.read`."""
        target = np.empty(out.shape, np.uint8) if self.rules.scale_obs else out
        self._functions.read_stacks(self.threads.address, address_of(env_ids), len(env_ids), address_of(target))
        if self.rules.scale_obs:
            _scale(target, out)

    def read_final(self, env_ids: Int64Array, out: Observations) -> None:
        """Write the observations that resets replaced. See `Engine.read_final`."""
        final_obs = self.arrays.final_obs.take(env_ids, 0)
        if self.rules.scale_obs:
            _scale(final_obs, out)
        else:
            out[...] = final_obs

    def read_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM of some environments. See `Engine.read_ram`."""
        begin, end = place("ram")
        out[...] = self.arrays.consoles.blocks[env_ids, begin:end]

    def read_final_ram(self, env_ids: Int64Array, out: UInt8Array) -> None:
        """Write the RAM as it was before a reset in the same step. See `Engine.read_final_ram`."""
        out[...] = self.arrays.final_ram[env_ids]

    def render(self, env_id: int, pooled: bool = False) -> UInt8Array:
        """Return the screen of an environment in its colours. See `Engine.render`."""
        self._wait_for(env_id)
        arrays, colours = self.arrays, rgb_table(self.palette)
        height = self.screen_shape[0]
        if pooled and arrays.environments[env_id].is_complete:
            self._functions.show_pair(arrays.addresses.item(env_id), self.threads.scratch)
            first, second = colours[arrays.pair_screens[env_id, :2, : self._picture_size]]
            pooled_screen: UInt8Array = np.maximum(first, second).reshape(*self.screen_shape, 3)
            return pooled_screen
        self._console_functions.draw_picture(arrays.consoles.addresses.item(env_id))
        current: int = arrays.consoles[env_id].current
        screen: UInt8Array = colours[arrays.consoles.screens[env_id, current, :height]]
        return screen

    @property
    def _picture_size(self) -> int:
        height, width = self.screen_shape
        return height * width

    def ale(self, env_id: int) -> Any:
        """Return an `ALEInterface` that shows the console of an environment. See `Engine.ale`."""
        self._wait_for(env_id)
        if env_id not in self._ales:  # made once: that takes 0.6 ms, and programs look at it in every step
            self._ales[env_id] = ALEInterface.show(self.arrays.consoles, env_id)
        return self._ales[env_id]

    def np_random(self, env_id: int) -> np.random.Generator:
        """Return the generator of an environment's no-ops, and maybe of what sticks. See `Engine.np_random`."""
        return self.generators[env_id]

    def set_np_random(self, env_id: int, generator: np.random.Generator) -> None:
        """Let an environment draw from another generator. See `Engine.set_np_random`."""
        self._wait_for(env_id)
        self.generators.replace(env_id, generator)

    def clone(self, env_id: int) -> Clone:
        """Return a copy of an environment. See `Engine.clone`."""
        self._wait_for(env_id)
        return self._copier.clone(env_id)

    def restore(self, env_id: int, clone: Clone) -> None:
        """Go on from a copy of an environment of the same game and rules. See `Engine.restore`.

        Raises:
            ValueError: it is damaged, or of another game. Nothing has changed.
        """
        contents = self._copier.check(env_id, clone)
        if self.is_pending[env_id]:
            self._drop(self._everyone[env_id : env_id + 1])
        self._copier.restore(env_id, contents)

    def save(self, env_id: int) -> bytes:
        """Return all that an environment is. See `Engine.save`."""
        return self.clone(env_id).serialize()

    def load(self, env_id: int, data: bytes) -> None:
        """Go on from what `save` returned. See `Engine.load`."""
        self.restore(env_id, Clone(data))

    def close(self) -> None:
        """End the threads. See `Engine.close`."""
        self.threads.stop()

    def _wait_for(self, env_id: int) -> None:
        """Wait until no step of an environment is being played."""
        if self.is_pending[env_id]:
            self.threads.finish()

    def _note_times(self, env_ids: Int64Array | None) -> None:
        """Fill in the seconds since games began, of some environments or of all, if somebody asked for times."""
        if not self._has_times:
            return
        now = time.perf_counter()
        if np.count_nonzero(self._is_reset):
            has_begun = self._is_reset & (self._episode_length == 0)
            which = np.flatnonzero(has_begun) if env_ids is None else env_ids[has_begun[env_ids]]
            self.finals.row("episode_seconds")[which] = now - self.begin_times[which]
            self.begin_times[which] = now
        if env_ids is None:
            np.subtract(now, self.begin_times, out=self._episode_seconds)
        else:
            self._episode_seconds[env_ids] = now - self.begin_times[env_ids]


def _scale(observations: UInt8Array, out: Observations) -> None:
    np.divide(observations, np.float32(255), out=out, dtype=np.float32)
