"""`AtariVectorEnv`: gymnasium's vector environment, in worker processes."""

import multiprocessing
import operator
import pickle
import warnings
from collections.abc import Collection, Iterable, Sequence
from multiprocessing.context import BaseContext
from typing import Any, Literal, NamedTuple, NoReturn, Self

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from fastatari.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_mask,
    check_seconds,
    check_target,
)
from fastatari.cores import count_cores
from fastatari.crew import CrewRules, Final, MemberState
from fastatari.emulator import CONSOLES, ConsoleName, find_rom
from fastatari.errors import InvalidAction
from fastatari.handle import GRACE, check_context
from fastatari.infos import StepReader, read_rows
from fastatari.loans import Loans
from fastatari.pool import Memory, Pool
from fastatari.rules import AtariRules, check_same_rules
from fastatari.shared import LOST

Array = npt.NDArray[Any]
StepResult = tuple[Array, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]

# One that is being written, one that the caller has, and one that it may have besides.
_SLOT_NUM = 3

_copy = operator.methodcaller("copy")


class VectorState(NamedTuple):
    """What `AtariVectorEnv.save_state` pickles.

    Attributes:
        rom (str): the ROM's id.
        rules (AtariRules): the rules.
        autoreset_mode (AutoresetMode): when environments are reset.
        members (list[MemberState]): each environment.
        memories (list[Memory]): what is known of each.
        records (RECORD[n]): what was told of each last.
        is_idle (bool[n]): which wait for an action.
        needs_reset (bool[n]): which do not, because their episode is over, and nobody resets them.
        answered (list[int]): which have answered, and were not received.
        finals (dict[int, Final]): what these showed before they were reset.
        restarted (set[int]): which of these were truncated, or began anew, because their worker was lost.
        shown (dict[int, ndarray]): what was received last of environments whose workers were lost.
        rows (dict[int, ndarray]): of environments that were lost, what they answered before, and was not received.
        np_random (tuple): the vector environment's own generator and its seed.
    """

    rom: str
    rules: AtariRules
    autoreset_mode: AutoresetMode
    members: list[MemberState]
    memories: list[Memory]
    records: Array
    is_idle: npt.NDArray[np.bool_]
    needs_reset: npt.NDArray[np.bool_]
    answered: list[int]
    finals: dict[int, Final]
    restarted: set[int]
    shown: dict[int, Array]
    rows: dict[int, Array]
    np_random: tuple[np.random.Generator | None, int | None]


class AtariVectorEnv(VectorEnv[Array, Array, Array]):
    """Many environments of an Atari game, as `AtariEnv` plays it, in worker processes of several environments each.

    Each environment gives the same bytes as an `AtariEnv` with its seed and actions, however many workers there are,
    however they were started, and whoever is ready first.

    Every call checks all that it was given before it does anything: after an error for a bad argument, the next call
    finds all environments as they were. Not to be shared between threads.

    Args:
        game (str): as for `AtariEnv`.
        num_envs (int): how many environments, n.
        num_workers (int, optional): in how many processes; 0 for this one. By default each core that this process may
            use, by its affinity and its cgroups' quotas, gets a share of the environments. That is a worker each; but
            this process, which would only wait for them, plays one of the shares itself, and workers keep off the core
            that it does so on, unless `batch_size` or `restart_workers` is given.
        preset (str): as for `AtariEnv`.
        autoreset_mode (AutoresetMode | str): when an environment is reset after the end of an episode: in the next
            step, whose action is ignored then (``NEXT_STEP``); in the same one, whose last observation and info are
            ``info["final_obs"]`` and ``info["final_info"]`` (``SAME_STEP``); or by the caller (``DISABLED``), who with
            a `batch_size` can only reset all.
        batch_size (int, optional): how many environments `recv` waits for: by default all. With fewer, it returns those
            that are ready first.
        copy (bool): whether observations are the caller's for ever, in this process. If not, they are valid until the
            call after the next of `step`, `send`, `reset` and `load_state`; with fewer environments in a batch, until
            the next of `recv`, `step`, `reset` and `load_state`.
        context (str | multiprocessing.context.BaseContext, optional): the start method of workers, ``"fork"``,
            ``"forkserver"`` or ``"spawn"``; by default the one that `multiprocessing` would use.
        timeout (float, optional): how many seconds a worker may take for a step or any other request; None for any
            number.
        start_timeout (float, optional): how many seconds a worker may take to load an environment.
        restart_workers (bool): whether a worker that dies or is late is replaced, with a `RuntimeWarning`. Its
            environments' episodes are then truncated with ``info["restarted"]``, and go on with a reset. Their seeds
            follow from the last ones, so that what they play then depends on nothing but that. Where it is a `reset`
            that comes next, that has ``info["restarted"]`` for those of them that had begun and get no seed.
        render_mode ("rgb_array", optional): whether `render` returns the screens.
        console ("fastatari" | "ale"): as for `AtariEnv`.
        episode_statistics (bool): as for `AtariEnv`.
        overrides: fields of `AtariRules` that are to be other than the preset's.

    Attributes:
        num_envs (int): n.
        num_workers (int): the number of worker processes.
        batch_size (int): how many environments are in a batch, b.
        rules (AtariRules): all that decides what is computed.
        autoreset_mode (AutoresetMode): as above.
        single_observation_space (spaces.Box): that of each environment.
        single_action_space (spaces.Discrete): the same, of actions.
        observation_space (spaces.Box): of a batch.
        action_space (spaces.MultiDiscrete): of a batch.

    ``info`` holds, for each environment of the batch, what `AtariEnv` tells, as arrays with masks; and ``env_id``,
    int64[b].

    Raises:
        TypeError, ValueError, OSError: as for `AtariEnv`; or an argument is not allowed; before a process is started.
        RuntimeError: this is a daemonic process, which may not have processes of its own.
        WorkerDiedError: a worker ended as it started.
        WorkerTimeoutError: a worker was late as it started.
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        *,
        num_workers: int | None = None,
        preset: str = "gymnasium",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        batch_size: int | None = None,
        copy: bool = True,
        context: str | BaseContext | None = None,
        timeout: float | None = 60.0,
        start_timeout: float | None = 60.0,
        restart_workers: bool = False,
        render_mode: Literal["rgb_array"] | None = None,
        console: ConsoleName = "fastatari",
        episode_statistics: bool = True,
        **overrides: Any,
    ) -> None:
        self.rules = rules = AtariRules.from_preset(preset, **overrides)
        rom, _ = find_rom(game)
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        self.batch_size = self.num_envs
        if batch_size is not None:
            self.batch_size = check_integer("batch_size", batch_size, 1, self.num_envs)
        self._is_whole = self.batch_size == self.num_envs
        self.autoreset_mode = _check_mode(autoreset_mode)
        self._copies = check_flag("copy", copy)
        self._restarts = check_flag("restart_workers", restart_workers)
        cores = count_cores()
        if num_workers is not None:
            self.num_workers = check_integer("num_workers", num_workers, 0, self.num_envs)
            plays = not self.num_workers
        else:
            plays = self._is_whole and not self._restarts
            self.num_workers = min(self.num_envs, cores) - plays
        check_choice("render_mode", render_mode, (None, "rgb_array"))
        check_choice("console", console, CONSOLES)
        has_statistics = check_flag("episode_statistics", episode_statistics)
        seconds = check_seconds("timeout", timeout), check_seconds("start_timeout", start_timeout)
        if context is not None and not isinstance(context, BaseContext):
            context = multiprocessing.get_context(context)
        if self.num_workers:
            context = check_context(context, rules, "an `AtariVectorEnv` with workers", "`num_workers=0`")

        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": rules.render_fps,
            "autoreset_mode": self.autoreset_mode,
        }
        slot_num = (_SLOT_NUM if self._copies else 2) if self._is_whole else 1
        self._pool = Pool(
            CrewRules(rom, rules, self.autoreset_mode, console, has_statistics),
            self.num_envs,
            self.num_workers,
            plays,
            slot_num,
            context if isinstance(context, BaseContext) else None,
            # Of a part of the environments, each worker answers its share, so that all have something left to do.
            group=self.num_envs if self._is_whole else max(1, self.batch_size // max(1, self.num_workers)),
            looks_out=self._is_whole and self.num_workers <= cores,
            timeout=seconds[0],
            start_timeout=seconds[1],
            restart_workers=self._restarts,
        )
        self._loans = Loans(self._pool.memory, self._pool.slots)
        self._reader = StepReader(self._pool.slots)
        self._slot = 0

        self.single_observation_space = rules.observation_space
        self.observation_space = batch_space(self.single_observation_space, self.batch_size)
        self._action_num = len(self._pool.description.action_meanings)
        self.single_action_space = gymnasium.spaces.Discrete(self._action_num)
        self.action_space = batch_space(self.single_action_space, self.batch_size)
        # Where observations of a part of the environments go that are not the caller's for ever.
        self._buffer: Array | None = None
        if not (self._is_whole or self._copies):
            self._buffer = np.empty_like(self._pool.slots[0].observations[: self.batch_size])

        # How many environments were asked and not received; which were received last; which wait for an action.
        self._pending = 0
        self._received = np.arange(self.num_envs)
        self._is_idle = np.zeros(self.num_envs, np.bool_)
        # Which cannot play before a reset by the caller, and whether there are none.
        self._needs_reset = np.ones(self.num_envs, np.bool_)
        self._is_ready = False
        # What was received last of each environment, if workers are replaced; until then, no memory at all.
        self._shown = np.zeros_like(self._pool.slots[0].observations)
        # Of gymnasium's own, for as many environments as are in a batch.
        self._merger: VectorEnv[Any, Any, Any] = VectorEnv()
        self._merger.num_envs = self.batch_size

    def reset(
        self, *, seed: int | Sequence[int | None] | Array | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in all environments, or in some. Steps that were not received are dropped.

        Args:
            seed (int | sequence of int | None, optional): the seed of the first environment, upon which the others'
                follow; or of each one, or None. A seed seeds the no-ops and the sticky actions, and begins a game as
                after loading the ROM. Without one the generators go on.
            options (dict, optional): may hold ``"reset_mask"``, bool[n]: which environments are reset. The others'
                observations are returned as they are. Only where a batch is all environments.

        Returns:
            tuple: the observations of a batch, uint8[b, *shape] or float32[b, *shape]; and info.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            gymnasium.error.ResetNeeded: there is a mask, and besides it an environment that was never reset.
            gymnasium.error.AlreadyPendingCallError: there is a mask, and steps that were not received.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            WorkerError, Exception: as for `recv`.
        """
        self._check_open()
        mask = self._check_options(options)
        seeds = self._check_seeds(seed)
        indices = range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist()
        if mask is not None and self._pending:
            self._raise_pending("reset")
        try:
            self._forget(indices)
            if isinstance(seed, int | np.integer):
                super().reset(seed=seeds[0])
            self._slot = self._choose_slot()
            pool = self._pool
            pool.reset(self._slot, {index: seeds[index] for index in indices})
            self._show(pool.lost)
            self._needs_reset[indices] = False
            self._is_ready = not self._needs_reset.any()
            if mask is not None:
                pool.answered.clear()
                pool.answered.extend(range(self.num_envs))
            self._is_idle[:] = self._is_whole
            self._pending = self.num_envs
            batch, _ = self._take_answered()
            observations = self._take_observations(batch, None)
            if self._restarts:
                self._remember(batch, observations)
            infos = self._take_infos(batch, True if mask is None else mask)
            if pool.restarted:
                self._add_ends(infos)
            return observations, infos
        except BaseException:
            self._cut_off()
            raise

    def step(self, actions: Any, out: Any = None) -> StepResult:
        """Apply an action in each environment received last, and wait for a batch: `send`, then `recv`.

        Args:
            actions (int[b]): of each an index of `get_action_meanings`; any sequence or array of integers.
            out (uint8[b, *shape] or float32[b, *shape], optional): where the observations are to be written to: an
                array, or anything in this machine's memory that has ``__dlpack__``, such as a tensor.

        Returns:
            tuple: observations, `out` or an array; rewards, float64[b]; whether episodes are terminated, bool[b];
            whether they are truncated, bool[b]; and info.

        Raises:
            TypeError, ValueError, InvalidAction, Exception: as for `send` and `recv`.
        """
        self._check_open()
        target = None if out is None else self._check_out(out)
        self.send(actions)
        return self._recv(target, out)

    def send(self, actions: Any, env_id: Any = None) -> None:
        """Ask environments to apply an action each. Where it is time for a reset, they do that instead.

        Args:
            actions (int[m]): of each an index of `get_action_meanings`; any sequence or array of integers.
            env_id (int[m], optional): which environments; by default those received last.

        Raises:
            TypeError, ValueError: these are no integers, or not as many as environments; or `env_id` is not allowed.
            InvalidAction: the game has no such action.
            gymnasium.error.AlreadyPendingCallError: an environment was asked before, and not received since.
            gymnasium.error.ResetNeeded: an environment needs a `reset` first: there was none; or its episode is over
                and `autoreset_mode` is ``DISABLED``; or an exception came in the middle of a step.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            WorkerError: a worker is gone.
        """
        self._check_open()
        indices = None if self._is_whole else self._received
        if env_id is not None:
            indices = self._check_env_id(env_id)
        count = self.num_envs if indices is None else len(indices)
        self._check_turn(indices)
        checked = self._check_actions(actions, count, indices)
        pool = self._pool
        try:
            self._slot = self._choose_slot()
            if indices is None:
                pool.slots[self._slot].actions[:] = checked
            else:
                pool.slots[self._slot].actions[indices] = checked
                self._is_idle[indices] = False
            self._pending += count
            pool.request_steps(self._slot, None if indices is None else indices.tolist())
        except BaseException:
            self._cut_off()
            raise

    def recv(self, out: Any = None) -> StepResult:
        """Wait for a batch of environments that were asked.

        Args:
            out: as for `step`.

        Returns:
            tuple: as of `step`, in the order of ``info["env_id"]``, which ascends.

        Raises:
            TypeError, ValueError: `out` is not allowed.
            gymnasium.error.NoAsyncCallError: so many were not asked.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            WorkerDiedError: a worker is gone, and could not be replaced. All further calls but `close` raise it again.
            WorkerTimeoutError: a worker is late. Waiting again is allowed; if it stopped in the middle of a message,
                that raises this again.
            WorkerError: an exception, as of a signal handler, cut off a message. All further calls but `close` raise it
                again.
            Exception: what a worker raised, with a note that names it, and its traceback as the cause. The next call
                has to be a `reset` of all environments.
        """
        self._check_open()
        return self._recv(None if out is None else self._check_out(out), out)

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Return the screens as the consoles show them: of each environment uint8[H, W, 3], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
            gymnasium.error.AlreadyPendingCallError: a batch is all environments, and was not received yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            WorkerError, Exception: as for `recv`.
        """
        self._settle("render")
        if self.render_mode is None:
            gymnasium.logger.warn(
                "You are calling render method without specifying any render mode. You can specify the render_mode at "
                'initialization, e.g. AtariVectorEnv("breakout", 8, render_mode="rgb_array")'
            )
            return None
        return tuple(self._pool.render())

    def save_state(self) -> bytes:
        """Return all that the vector environment is: consoles, stacks, counters, generators, answers not received.

        Returns:
            bytes: some 150 KB an environment, for `load_state`.

        Raises:
            gymnasium.error.ResetNeeded, gymnasium.error.AlreadyPendingCallError,
            gymnasium.error.ClosedEnvironmentError, WorkerError, Exception: as for `render`.
            WorkerDiedError: a worker was lost meanwhile. If it was replaced, the next call goes on.
        """
        self._settle("save_state")
        pool = self._pool
        members = pool.save()
        state = VectorState(
            pool.description.rom,
            self.rules,
            self.autoreset_mode,
            members,
            pool.memories,
            pool.slots[self._slot].records.copy(),
            self._is_idle,
            self._needs_reset,
            list(pool.answered),
            pool.finals,
            pool.restarted,
            {index: self._shown[index].copy() for index in {*pool.lost, *pool.restarted}},
            {index: pool.slots[self._slot].observations[index].copy() for index in pool.lost if index in pool.answered},
            (self._np_random, self._np_random_seed),
        )
        return pickle.dumps(state)

    def load_state(self, state: Any) -> tuple[Array, dict[str, Any]]:
        """Go on from what `save_state` returned: every step and reset to come is what it was, to the byte.

        It is as exact as `AtariEnv.restore_state`. As with all that is pickled, a state from somebody else could do
        anything.

        Args:
            state (bytes-like): of a vector environment with the same game, rules, number of environments and
                `autoreset_mode`, in this process or another. The number of workers may be another.

        Returns:
            tuple: the observations of all environments that wait for an action, as they were received; and info,
            without what was told only once: ``final_obs``, ``final_info`` and ``restarted``.

        Raises:
            TypeError: `state` is not bytes-like.
            ValueError: it is not from `save_state`, or of another game, other rules or the like.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            WorkerError, Exception: as for `recv`.
        """
        self._check_open()
        loaded = self._check_state(state)
        pool = self._pool
        try:
            self._forget(range(self.num_envs))
            self._slot = self._choose_slot()
            slot = pool.slots[self._slot]
            slot.records[:] = loaded.records
            pool.load(self._slot, loaded.members, loaded.memories)
            pool.answered.extend(loaded.answered)
            pool.finals.update(loaded.finals)
            pool.restarted.update(loaded.restarted)
            pool.special.update(loaded.answered)
            for index, observation in loaded.shown.items():
                self._shown[index] = observation
            self._show(pool.lost)
            for index, observation in loaded.rows.items():
                slot.observations[index] = observation
            self._np_random, self._np_random_seed = loaded.np_random
            self._is_idle[:], self._needs_reset[:] = loaded.is_idle, loaded.needs_reset
            self._is_ready = not self._needs_reset.any()
            self._pending = len(loaded.answered)
            self._received = np.flatnonzero(self._is_idle)
            batch = None if self._is_whole else self._received
            observations = self._take_observations(None, None) if batch is None else slot.observations[batch]
            if self._restarts:
                self._remember(batch, observations)
            return observations, self._take_infos(batch)
        except BaseException:
            self._cut_off()
            raise

    def get_action_meanings(self) -> list[str]:
        """Return the names of the actions, by index."""
        return list(self._pool.description.action_meanings)

    def close_extras(self, timeout: float = GRACE) -> None:
        """End the workers, by force those that take longer than so many seconds; called by `close`.

        Raises:
            TypeError, ValueError: `timeout` is no such number.
        """
        self._pool.close(check_seconds("timeout", timeout) or GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        pool: Pool | None = getattr(self, "_pool", None)
        if pool is not None and pool.is_open:
            self.close()
            if self.num_workers:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an `AtariVectorEnv` cannot be pickled or copied: its processes belong to this one")

    def _recv(self, target: Array | None, out: Any) -> StepResult:
        if self._pending < self.batch_size:
            self._pool.check()
            raise gymnasium.error.NoAsyncCallError("Calling `recv` without any prior call to `send`.", "recv")
        pool = self._pool
        if error := pool.gather(self.batch_size):
            self._forget(range(self.num_envs))
            raise error
        try:
            batch, is_plain = self._take_answered()
            observations = self._take_observations(batch, target)
            if is_plain:
                rewards, terminated, truncated, infos = self._reader.read(self._slot, batch)
            else:
                take = _copy if batch is None else operator.itemgetter(batch)
                records = pool.slots[self._slot].records
                rewards, terminated, truncated = (take(records[name]) for name in ("reward", "terminated", "truncated"))
                infos = self._take_infos(batch)
                if pool.finals or pool.restarted:
                    self._add_ends(infos)
            if self._restarts:
                self._remember(batch, observations)
            return observations if out is None else out, rewards, terminated, truncated, infos
        except BaseException:
            self._cut_off()
            raise

    def _take_answered(self) -> tuple[Array | None, bool]:
        """Take a batch of environments that have answered.

        Returns:
            tuple: which, or None for all; and whether their rows are all of kind `STEP`.
        """
        answered, special = self._pool.answered, self._pool.special
        self._pending -= self.batch_size
        batch, is_plain = None, not special
        if self._is_whole:
            answered.clear()
            special.clear()
        else:
            indices = sorted([answered.popleft() for _ in range(self.batch_size)])
            if not is_plain:
                is_plain = special.isdisjoint(indices)
                special.difference_update(indices)
            batch = np.array(indices)
            self._received = batch
            self._is_idle[batch] = True
        if self.autoreset_mode == AutoresetMode.DISABLED:
            which = slice(None) if batch is None else batch
            self._needs_reset[which] = self._pool.slots[self._slot].records["needs_reset"][which]
            self._is_ready = not self._needs_reset.any()
        return batch, is_plain

    def _take_observations(self, batch: Array | None, target: Array | None) -> Array:
        """Return the observations of a batch, in `target` or in an array that is to be given out."""
        pool = self._pool
        if pool.restarted:
            kinds = pool.slots[self._slot].records["kind"]
            self._show(index for index in pool.restarted if kinds[index] == LOST)
        shared = pool.slots[self._slot].observations
        if batch is not None:
            # The mode spares numpy a copy: there is no index that could be wrong.
            out: Any = self._buffer if target is None else target
            return np.take(shared, batch, 0, out=out, mode="clip")
        if target is not None:
            target[:] = shared
            return target
        return self._loans.lend(self._slot) if self._copies else shared

    def _take_infos(self, batch: Array | None, is_asked: Array | bool = True) -> dict[str, Any]:
        """Return what is told of a batch."""
        pool = self._pool
        records = pool.slots[self._slot].records
        take = _copy if batch is None else operator.itemgetter(batch)
        count = self.num_envs if batch is None else len(batch)
        infos = read_rows(records, take, is_asked)
        infos["env_id"] = np.arange(count) if batch is None else batch.copy()
        infos["_env_id"] = np.ones(count, np.bool_)
        return infos

    def _add_ends(self, infos: dict[str, Any]) -> None:
        """Add what was replaced by resets in the same step, and who is in a new process because a worker was lost."""
        pool, merge = self._pool, self._merger._add_info
        records = pool.slots[self._slot].records
        for place, index in enumerate(infos["env_id"].tolist()):
            if index in pool.restarted:
                pool.restarted.discard(index)
                merge(infos, {"restarted": True}, place)
                if self.autoreset_mode == AutoresetMode.SAME_STEP and records["truncated"][index]:
                    pool.finals[index] = Final(index, self._shown[index].copy(), {"restarted": True})
            if index in pool.finals:
                final = pool.finals.pop(index)
                merge(infos, {"final_obs": final.observation, "final_info": final.info}, place)

    def _remember(self, batch: Array | None, observations: Array) -> None:
        """Note what was received last of environments, for when their worker is lost: the caller may change its own."""
        self._shown[slice(None) if batch is None else batch] = observations

    def _show(self, lost: Iterable[int]) -> None:
        """Write what was received last of environments that have nothing else to show."""
        observations = self._pool.slots[self._slot].observations
        for index in lost:
            observations[index] = self._shown[index]

    def _choose_slot(self) -> int:
        """Return the slot for the next results."""
        if not self._is_whole:
            return 0
        if not self._copies:
            return 1 - self._slot
        slot = self._loans.find_free()
        assert slot is not None
        return slot

    def _forget(self, indices: Collection[int]) -> None:
        """Drop all steps that were not received; environments need a reset then.

        Raises:
            WorkerError: as for `recv`.
        """
        self._pool.settle()
        self._pool.forget()
        self._pending = 0
        self._needs_reset[list(indices)] = True
        self._is_ready = False

    def _cut_off(self) -> None:
        """Note that an exception, as of a signal handler, came where it is not known any more who waits for what."""
        self._pending = 0
        self._needs_reset[:] = True
        self._is_ready = False

    def _settle(self, name: str) -> None:
        """Make sure that no worker owes an answer; if a batch is all environments, that it was received."""
        self._check_open()
        if self._is_whole and self._pending:
            self._raise_pending(name)
        if not all(memory.has_begun for memory in self._pool.memories):
            raise gymnasium.error.ResetNeeded(f"Cannot call `{name}` before calling `reset`.")
        if error := self._pool.settle():
            self._forget(range(self.num_envs))
            raise error

    def _check_open(self) -> None:
        if self.closed:
            raise gymnasium.error.ClosedEnvironmentError(
                f"Trying to operate on `{type(self).__name__}`, after a call to `close()`."
            )

    def _check_turn(self, indices: Array | None) -> None:
        """Check that environments wait for an action."""
        if not self._is_ready:
            needs_reset = self._needs_reset if indices is None else self._needs_reset[indices]
            if needs_reset.any():
                self._pool.check()
                which = np.flatnonzero(needs_reset) if indices is None else indices[needs_reset]
                raise gymnasium.error.ResetNeeded(
                    f"Cannot step environments that need a `reset` first: {', '.join(map(str, which))}"
                )
        if self._pending and (indices is None or not len(indices) or not self._is_idle[indices].all()):
            self._raise_pending("send")

    def _raise_pending(self, name: str) -> NoReturn:
        self._pool.check()
        raise gymnasium.error.AlreadyPendingCallError(
            f"Calling `{name}` while waiting for a pending call to `send` to complete.", "send"
        )

    def _check_actions(self, actions: Any, count: int, indices: Array | None) -> Array:
        array = check_integers("actions", actions, count, "for each environment")
        values = array.tolist()
        if min(values) < 0 or max(values) >= self._action_num:
            place = next(place for place, value in enumerate(values) if not 0 <= value < self._action_num)
            where = f"environment {place if indices is None else indices[place]}: "
            raise InvalidAction.of(values[place], *self._pool.description, where)
        return array

    def _check_env_id(self, env_id: Any) -> Array:
        if self._is_whole:
            raise ValueError(
                "`env_id` must be None where a batch is all environments; a smaller `batch_size` allows it"
            )
        array = check_integers("env_id", env_id, None, "for each action")
        for index in array.tolist():
            if not 0 <= index < self.num_envs:
                raise ValueError(f"`env_id` must be from 0 to {self.num_envs - 1}, got {index}")
        if len(np.unique(array)) < len(array):
            raise ValueError(f"`env_id` must name no environment twice, got {array}")
        return array.astype(np.int64)

    def _check_out(self, out: Any) -> Array:
        dtype = self._pool.slots[0].observations.dtype
        return check_target("out", out, (self.batch_size, *self.rules.shape), dtype)

    def _check_options(self, options: Any) -> Array | None:
        """Return the mask of a partial reset, if there is one."""
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"`options` must be a dict, got {options!r}")
        if unknown := set(options or ()) - {"reset_mask"}:
            raise ValueError(f"`options` may hold 'reset_mask', got {', '.join(map(repr, unknown))}")
        if not options:
            return None
        mask = check_mask("options['reset_mask']", options["reset_mask"], self.num_envs)
        if not self._is_whole:
            raise ValueError("`options['reset_mask']` needs a batch of all environments, without a `batch_size`")
        if not all(memory.has_begun or is_asked for memory, is_asked in zip(self._pool.memories, mask, strict=True)):
            raise gymnasium.error.ResetNeeded("Cannot reset some environments before all were reset.")
        return mask

    def _check_seeds(self, seed: Any) -> list[int | None]:
        """Return a seed or None for each environment."""
        check = self.rules.check_seed
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, Sequence | np.ndarray) and np.ndim(seed) and not isinstance(seed, str | bytes):
            if len(seed) != self.num_envs:
                raise ValueError(
                    f"If seeds are passed as a list the length must match num_envs={self.num_envs} but got "
                    f"length={len(seed)}."
                )
            return [None if each is None else check(each) for each in seed]
        first = check(seed)
        check(first + self.num_envs - 1)
        return list(range(first, first + self.num_envs))

    def _check_state(self, state: Any) -> VectorState:
        try:
            view = memoryview(state)
        except TypeError:
            raise TypeError(f"`state` must be bytes-like, got {type(state).__name__}") from None
        try:
            loaded = pickle.loads(view)
        except Exception as error:
            raise ValueError(f"`state` must come from `save_state`, got something else: {error!r:.200}") from error
        if not isinstance(loaded, VectorState):
            raise ValueError(f"`state` must come from `save_state`, got a pickled {type(loaded).__name__}")
        for name, theirs, mine in (
            ("game", loaded.rom, self._pool.description.rom),
            ("number of environments", len(loaded.members), self.num_envs),
            ("`autoreset_mode`", loaded.autoreset_mode, self.autoreset_mode),
        ):
            if theirs != mine:
                raise ValueError(f"`state` must have the same {name}, {mine}, got one with {theirs}")
        check_same_rules("state", loaded.rules, self.rules)
        if self._is_whole and not loaded.is_idle.all():
            raise ValueError("`state` must have no environment that was not received where a batch is all environments")
        return loaded


def _check_mode(mode: Any) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        allowed = ", ".join(f"{each} ({each.value!r})" for each in AutoresetMode)
        raise ValueError(f"`autoreset_mode` must be one of {allowed}, got {mode!r}") from None
