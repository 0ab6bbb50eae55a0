"""`Pool`: environments that all play by the same rules, in worker processes or in this one."""

import copy
import itertools
import math
import select
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import util
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.cores import Separation
from fastatari.crew import Crew, CrewRules, Description, Final, MemberState
from fastatari.errors import WorkerDiedError, WorkerError, WorkerTimeoutError
from fastatari.handle import GRACE, Reply, WorkerHandle, end_workers
from fastatari.lookout import look_out
from fastatari.shared import LOST, Layout

# How long a worker may take that was late, in seconds. All are, where a program was stopped and goes on.
_REPRIEVE = 1.0

# How many workers in turn may be lost as they start, and are still replaced.
_MOST_FAILED_STARTS = 2

# How long to wait for workers awake, in seconds, at most; until then nobody looks whether they are late.
_MOST_AWAKE = 0.05

_Call = tuple[str, Callable[[range], tuple[Any, ...]]]
_NO_CALL: _Call = "", lambda _: ()

# After how many seconds of loading, and how often from then on, its progress is told.
_PATIENCE = 3.0


class Memory(NamedTuple):
    """What a pool knows of one environment, so that it can be replaced.

    Attributes:
        seed (int | None): the seed of the last reset that had one.
        replacements (int): how often it was replaced since then.
        has_begun (bool): whether it was ever reset.
        is_lost (bool): whether it was replaced, and has not begun again since.
        is_told (bool): whether its caller knows.
    """

    seed: int | None = None
    replacements: int = 0
    has_begun: bool = False
    is_lost: bool = False
    is_told: bool = True


class Pool:
    """Environments in worker processes, or in this one.

    Requests are answered environment by environment. Whoever asks makes sure that no environment is asked for a step
    before its last answer was taken, nor, after an exception, before it was reset.

    Args:
        crew_rules (CrewRules): what the environments play.
        num_envs (int): how many there are.
        num_workers (int): in how many processes. Each has a run of them.
        plays (bool): whether this process has the first run. Then workers keep off the core that it is on.
        slot_num (int): how many slots the shared memory has.
        context (BaseContext | None): how processes are started; None if there are none.
        group (int): after how many environments a worker answers.
        looks_out (bool): whether workers may use a core to wait.
        timeout (float | None): how many seconds may pass without any answer; None for any number.
        start_timeout (float | None): how many seconds may pass without any environment having been loaded.
        restart_workers (bool): whether a worker that is lost is replaced.

    Attributes:
        description (Description): what the game is.
        memory (RawArray | bytearray): the shared memory.
        slots (list[Slot]): views of it.
        answered (deque[int]): the environments whose answers came; the caller takes them away.
        special (set[int]): those of them whose rows may be of another kind than `STEP`; the same.
        finals (dict[int, Final]): what was replaced by resets in the same step; the caller takes them away.
        restarted (set[int]): those that were truncated, or began anew, because their worker was lost; the same.
        memories (list[Memory]): what is known of each environment.

    Raises:
        Exception: what a worker raised as it started. Then all are ended.
    """

    description: Description

    def __init__(
        self,
        crew_rules: CrewRules,
        num_envs: int,
        num_workers: int,
        plays: bool,
        slot_num: int,
        context: BaseContext | None,
        *,
        group: int,
        looks_out: bool,
        timeout: float | None,
        start_timeout: float | None,
        restart_workers: bool,
    ) -> None:
        rules = crew_rules.rules
        self._layout = Layout(num_envs, rules.shape, str(rules.observation_space.dtype), slot_num)
        self.memory: Any = context.RawArray("B", self._layout.size) if context else bytearray(self._layout.size)
        self.slots = self._layout.view(self.memory)
        self.answered: deque[int] = deque()
        self.special: set[int] = set()
        self.finals: dict[int, Final] = {}
        self.restarted: set[int] = set()
        self.memories = [Memory()] * num_envs

        self._crew_rules, self._context = crew_rules, context
        self._group, self._looks_out = group, looks_out
        self._timeout, self._start_timeout = timeout, start_timeout
        self._restarts_workers = restart_workers
        # Why the pool is of no more use; and what workers raised, until all have answered.
        self._failure: BaseException | None = None
        self._errors: list[BaseException] = []
        # How many workers in turn were lost before they had started; in the first start that may be none.
        self._failed_starts = _MOST_FAILED_STARTS
        # Whether there is an environment that is lost.
        self._has_lost = False
        # Whether all environments have been there; a worker that fails to start is a replacement from then on.
        self._is_loaded = False
        # Which slot the last request named; which call is under way, and what workers returned.
        self._slot = 0
        self._call = _NO_CALL
        self._results: dict[int, Any] = {}

        # This process's own environments, and which of them were asked for a step that they have not played yet.
        self._crew: Crew | None = None
        self._own = range(0)
        self._asked: Sequence[int] = ()
        self._handles: list[WorkerHandle] = []
        self._by_descriptor: dict[int, WorkerHandle] = {}
        self._poller = select.poll()
        # Until when it is worth to wait for workers awake, by `time.perf_counter`.
        self._awake_until = 0.0
        # Before when no worker is late, by `time.monotonic`.
        self._check_time = 0.0
        # By multiprocessing's own means, for at exit it would wait for the processes before weakref's would run.
        self._finalizer = util.Finalize(self, end_workers, (self._handles, GRACE), exitpriority=0)
        bounds = [num_envs * share // (num_workers + plays) for share in range(num_workers + plays + 1)]
        runs = [range(first, end) for first, end in itertools.pairwise(bounds)]
        try:
            if plays:
                self._own = runs.pop(0)
            self._handles += (self._start(index, run) for index, run in enumerate(runs))
            self._load()
        except BaseException:
            self.close()
            raise
        self._separation = Separation([handle.pid for handle in self._handles] if plays else ())

    @property
    def is_open(self) -> bool:
        """Whether it was neither closed nor ended with the process."""
        return self._finalizer.still_active()

    @property
    def lost(self) -> list[int]:
        """The environments that were replaced, and have not begun again since."""
        return [index for index, memory in enumerate(self.memories) if memory.is_lost] if self._has_lost else []

    @property
    def processes(self) -> list[Any]:
        """The worker processes."""
        return [handle.process for handle in self._handles]

    def request_steps(self, slot: int, indices: Sequence[int] | None = None) -> None:
        """Ask for a step of some environments, or, in the order of their indices, of all.

        Args:
            slot (int): the slot with their actions, for their results.
            indices (Sequence[int], optional): which.

        Raises:
            WorkerError: a worker is gone.
        """
        self.check()
        self._separation.renew()
        self._slot = slot
        if self._has_lost and self._crew_rules.autoreset_mode != AutoresetMode.SAME_STEP:
            everyone = range(len(self.memories)) if indices is None else indices
            untold = [index for index in everyone if not self.memories[index].is_told]
            self._tell_lost(untold)
            indices = [index for index in everyone if index not in untold]
        try:
            for handle in self._handles:
                own = handle.environments
                self._ask(handle, own if indices is None else [index for index in indices if index in own])
        except BaseException as error:
            self._cut_off(error)
            raise
        if self._crew is not None:
            self._asked = self._own if indices is None else [*self._asked, *(i for i in indices if i in self._own)]

    def gather(self, count: int) -> BaseException | None:
        """Wait until that many environments have answered; not for more than were asked.

        Returns:
            BaseException | None: what the first of the workers raised, if one did; then nobody owes an answer.

        Raises:
            WorkerError: a worker is gone, or has not answered in time. In the latter case, waiting again is allowed.
        """
        self.check()
        if self._asked:
            self._play()
        while len(self.answered) < count and not self._errors:
            self._receive()
        return self.settle() if self._errors else None

    def settle(self) -> BaseException | None:
        """Wait until nobody owes an answer.

        Returns:
            BaseException | None: as for `gather`.

        Raises:
            WorkerError: as for `gather`.
        """
        self.check()
        if self._asked:
            self._play()
        while any(handle.owed for handle in self._handles):
            self._receive()
        self._call = _NO_CALL
        errors, self._errors = self._errors, []
        for other in errors[1:]:
            errors[0].add_note(f"Another worker raised {other!r:.500}")
        return errors[0] if errors else None

    def forget(self) -> None:
        """Forget all answers. To be called when nobody owes one."""
        for index in self.restarted:
            self.memories[index] = self.memories[index]._replace(is_told=False)
        self.answered.clear()
        self.special.clear()
        self.finals.clear()
        self.restarted.clear()

    def reset(self, slot: int, seeds: Mapping[int, int | None]) -> None:
        """Begin an episode of some environments; those have answered then. To be called when nobody owes an answer.

        Args:
            slot (int): where their results go, and the last ones of all others, but for the observations of those that
                are lost.
            seeds (Mapping[int, int | None]): by environment, in order, the seed.

        Raises:
            WorkerError, Exception: as for `gather`.
        """
        for index, seed in seeds.items():
            if seed is not None:
                self.memories[index] = self.memories[index]._replace(seed=seed, replacements=0)
        if slot != self._slot:
            self.slots[slot].records[:] = self.slots[self._slot].records
        self._slot = slot
        self._call_all("reset", lambda own: (slot, {i - own.start: seeds[i] for i in own if i in seeds}))
        for index, seed in seeds.items():
            memory = self.memories[index]
            if not memory.is_told and seed is None:  # its generators are not those that it had
                self.restarted.add(index)
            self.memories[index] = memory._replace(has_begun=True, is_lost=False, is_told=True)
        self.special.update(seeds)
        self.answered.extend(seeds)

    def save(self) -> list[MemberState]:
        """Return the state of each environment. To be called when nobody owes an answer.

        Raises:
            WorkerError, Exception: as for `gather`.
        """
        return [state for states in self._call_all("save", lambda _: ()) for state in states]

    def load(self, slot: int, states: Sequence[MemberState], memories: Sequence[Memory]) -> None:
        """Go on from what `save` returned. To be called when nobody owes an answer.

        Args:
            slot (int): where the observations go, but for those of environments that are lost or never began.
            states (Sequence[MemberState]): the states.
            memories (Sequence[Memory]): what was known.

        Raises:
            WorkerError, Exception: as for `gather`.
        """
        self._slot = slot
        self._call_all("load", lambda own: (slot, states[own.start : own.stop]))
        self.memories = list(memories)
        self._has_lost = any(memory.is_lost for memory in memories)

    def render(self) -> list[npt.NDArray[np.uint8]]:
        """Return the screens: of each environment uint8[H, W, 3]. To be called when nobody owes an answer.

        Raises:
            WorkerError, Exception: as for `gather`.
        """
        return [screen for screens in self._call_all("render", lambda _: ()) for screen in screens]

    def check(self) -> None:
        """Raise why the pool is of no more use, if it is not.

        Raises:
            RuntimeError: it is another process's.
            WorkerError: a worker is gone, or a message was cut off.
        """
        failure = self._failure or (self._handles and self._handles[0].failure)
        if failure:
            raise copy.copy(failure)

    def close(self, timeout: float = GRACE) -> None:
        """End the workers, by force those that take longer than so many seconds. May be called again."""
        self._finalizer.cancel()
        end_workers(self._handles, timeout)
        self._crew = None

    def _start(self, index: int, environments: range) -> WorkerHandle:
        assert self._context is not None
        handle = WorkerHandle(
            self._context,
            index,
            self._crew_rules,
            environments.start,
            [_derive_seed(self.memories[i]) for i in environments],
            self._layout,
            self.memory,
            group=self._group,
            looks_out=self._looks_out,
            announces=True,
            timeout=self._timeout,
            start_timeout=self._start_timeout,
        )
        for descriptor in (handle.fileno(), handle.sentinel):
            self._by_descriptor[descriptor] = handle
            self._poller.register(descriptor, select.POLLIN)
        return handle

    def _load(self) -> None:
        """Wait until all environments are there, and say how far it is if that takes long."""
        notice = time.monotonic() + _PATIENCE

        def report(count: int) -> None:
            nonlocal notice
            if time.monotonic() > notice and count < len(self.memories):
                sys.stderr.write(f"fastatari: {count} of {len(self.memories)} environments are loaded\n")
                notice = time.monotonic() + _PATIENCE

        crew = Crew(self._crew_rules, 0, self.slots, [None] * len(self._own), report) if self._own else None
        while not all(handle.is_started for handle in self._handles):
            self._receive()
            if self._errors:
                raise self._errors[0]
            report(len(self._own) + sum(handle.loaded for handle in self._handles))
        self._crew = crew
        description = self._handles[0].description if crew is None else crew.describe()
        assert description is not None
        self.description = description
        self._is_loaded = True

    def _ask(self, handle: WorkerHandle, indices: Sequence[int]) -> None:
        """Ask a worker for a step of some of its environments."""
        if not indices:
            return
        try:
            handle.request_step(self._slot, indices)
        except WorkerDiedError as death:
            self._lose(handle, death)
        except WorkerTimeoutError as error:
            self._miss(handle, error)

    def _ask_for_call(self, handle: WorkerHandle) -> None:
        """Ask a worker for its part of the call that is under way."""
        name, make_arguments = self._call
        try:
            handle.request_call(name, *make_arguments(handle.environments))
        except WorkerDiedError as death:
            self._lose(handle, death)
        except WorkerTimeoutError as error:
            self._miss(handle, error)

    def _play(self) -> None:
        """Play the step that this process's own environments were asked for."""
        assert self._crew is not None
        indices = self._asked
        begin = time.perf_counter()
        try:
            self._asked = ()
            self._take(None, Reply(indices, *self._crew.step(self._slot, indices)))
            # The workers have as much to do, and may have begun late: they are worth as long a wait.
            now = time.perf_counter()
            self._awake_until = now + min(now - begin, _MOST_AWAKE)
        except Exception as error:
            self._errors.append(error)
        except BaseException:
            self._errors.append(gymnasium.error.ResetNeeded("An interrupt cut off a step; call `reset` first."))
            raise

    def _receive(self) -> None:
        """Wait for messages of workers, and take in all that are there."""
        wait = None if math.isinf(self._check_time) else max(0, 1000 * (self._check_time - time.monotonic()))
        ready = look_out(self._poller, self._awake_until, wait)
        try:
            for descriptor, _ in ready:
                handle = self._by_descriptor[descriptor]
                try:
                    reply = handle.receive()
                except WorkerDiedError as death:
                    self._lose(handle, death)
                    break  # other descriptors may be another worker's now
                except WorkerTimeoutError as error:
                    self._miss(handle, error)
                    break
                self._take(handle, reply)
            if time.monotonic() >= self._check_time:
                self._find_late()
        except BaseException as error:
            self._cut_off(error)
            raise

    def _take(self, handle: WorkerHandle | None, reply: Reply) -> None:
        """Take in what a worker, or a crew of this process, answered."""
        if reply.error:
            if handle is not None and not handle.is_started and self._is_loaded:
                self._failure = reply.error  # a replacement's, which answers nothing
                raise copy.copy(reply.error)
            self._errors.append(reply.error)
            return
        if handle is not None and reply.result is not None:
            self._results[handle.environments.start] = reply.result
        if reply.is_plain:
            self.answered.extend(reply.indices)
            return
        self.special.update(reply.indices)
        self.answered.extend(reply.indices)
        for final in reply.finals:
            self.finals[final.environment] = final
        if self._has_lost:
            # They have begun again. Where that is in the step in which they were lost, it is also their end.
            for index in reply.indices:
                memory = self.memories[index]
                if memory.is_lost and not memory.is_told:
                    self.slots[self._slot].records["truncated"][index] = True
                    self.restarted.add(index)
                self.memories[index] = memory._replace(is_lost=False, is_told=True)
            self._has_lost = any(memory.is_lost for memory in self.memories)

    def _find_late(self) -> None:
        """Replace workers that have not answered for too long, or raise."""
        now = time.monotonic()
        timeouts = [seconds for seconds in (self._timeout, self._start_timeout) if seconds is not None]
        self._check_time = now + min(timeouts, default=math.inf)
        for handle in list(self._handles):
            timeout = handle.timeout
            if timeout is None or (not handle.owed and handle.is_started):
                continue
            if now >= handle.since + timeout:
                reprieve = min(timeout, _REPRIEVE)
                handle.since = now - timeout + reprieve
                if handle.is_suspect:
                    self._miss(handle, WorkerTimeoutError(handle.index, handle.pid, timeout))
                handle.is_suspect = not handle.is_suspect
            self._check_time = min(self._check_time, handle.since + timeout)

    def _miss(self, handle: WorkerHandle, error: WorkerTimeoutError) -> None:
        """Replace a worker that does not answer, or raise."""
        if not self._restarts_workers:
            raise error
        self._lose(handle, handle.kill(), error)

    def _lose(self, handle: WorkerHandle, death: WorkerDiedError, error: WorkerError | None = None) -> None:
        """Replace a worker that is gone, or raise `error`, by default its death."""
        for descriptor in (handle.fileno(), handle.sentinel):
            self._poller.unregister(descriptor)
            del self._by_descriptor[descriptor]
        self._failed_starts = 0 if handle.is_started else self._failed_starts + 1
        if not self._restarts_workers or self._failed_starts > _MOST_FAILED_STARTS:
            raise death if error is None else error
        own = handle.environments
        pending = [index for indices in handle.owed for index in indices or ()]
        # Those of whose loss the caller knows already are asked for what comes after it.
        again = [index for index in pending if self.memories[index].is_lost and self.memories[index].is_told]
        warnings.warn(
            f"{death}; its environments, {own[0]} to {own[-1]}, are truncated, and begin anew in another process",
            RuntimeWarning,
            stacklevel=2,
        )
        for index in own:
            memory = self.memories[index]
            is_told = memory.is_told and (memory.is_lost or not memory.has_begun)
            self.memories[index] = memory._replace(
                replacements=memory.replacements + 1, is_lost=memory.has_begun, is_told=is_told
            )
            self._has_lost |= memory.has_begun
        place = self._handles.index(handle)
        end_workers([handle], 0)
        self._handles[place] = replacement = self._start(place, own)
        if self._crew_rules.autoreset_mode == AutoresetMode.SAME_STEP:
            again = pending
        self._tell_lost([index for index in pending if index not in again])
        self._ask(replacement, again)
        name, _ = self._call
        if name in {"reset", "load"}:  # also if it had answered, for the replacement knows nothing of it
            self._ask_for_call(replacement)
        elif None in handle.owed:  # there is nothing left of what was to be saved or shown
            self._errors.append(death)

    def _tell_lost(self, indices: Sequence[int]) -> None:
        """Answer for environments that are lost: their episode is truncated."""
        records = self.slots[self._slot].records
        for index in indices:
            records[index] = 0
            for name, value in (("kind", LOST), ("truncated", True), ("needs_reset", True)):
                records[name][index] = value
            self.memories[index] = self.memories[index]._replace(is_told=True)
            self.restarted.add(index)
        self.special.update(indices)
        self.answered.extend(indices)

    def _call_all(self, name: str, make_arguments: Callable[[range], tuple[Any, ...]]) -> list[Any]:
        """Call a method of all crews, with arguments for the environments of each; return what they returned."""
        self._separation.renew()
        self._call = name, make_arguments
        self._results.clear()
        with _Undivided(self):
            for handle in list(self._handles):
                self._ask_for_call(handle)
        own = [getattr(self._crew, name)(*make_arguments(self._own))] if self._crew is not None else []
        if error := self.settle():
            raise error
        return own + [self._results.get(handle.environments.start) for handle in self._handles]

    def _cut_off(self, error: BaseException) -> None:
        """Note that an exception, as of a signal handler, came where messages could be mistaken from then on."""
        failures = [handle.failure for handle in self._handles if handle.failure is not None]
        if self._failure is not None:
            return
        if failures:
            self._failure = failures[0]
        elif not isinstance(error, WorkerError):
            self._failure = WorkerError("an interrupt cut off the messages to or from workers", None, 0)


class _Undivided:
    """What must not be cut off, as by an exception of a signal handler: if it is, the pool is of no more use."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self._pool._cut_off(error)


def _derive_seed(memory: Memory) -> int | None:
    """Return the seed of the first reset of an environment in a process: None, or what follows from the last seed."""
    if memory.seed is None or not memory.replacements:
        return None
    return int(np.random.SeedSequence((memory.seed, memory.replacements)).generate_state(1)[0]) >> 1
