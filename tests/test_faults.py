"""What goes wrong in workers, and what callers of `AtariVectorEnv` see of it."""

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import gymnasium
import numpy as np
import pytest
from failing import ENDS, EXCEPTIONS, BrokenEngine, FailingCrew, orders

from fastatari import (
    AtariEnv,
    AtariVectorEnv,
    RemoteTraceback,
    WorkerDiedError,
    WorkerError,
    WorkerTimeoutError,
    crew,
    handle,
    pool,
    protocol,
    vector,
    worker,
)

NUM = 4
ACTIONS = np.random.default_rng(0).integers(4, size=(200, NUM))
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS]


@pytest.fixture
def no_dumps():
    """Without pytest's faulthandler, which a forked worker would inherit, and which would print its end."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


@pytest.fixture
def make(monkeypatch, no_dumps):
    """Makes environments whose workers do as ordered, and have been reset."""
    monkeypatch.setattr(worker, "Crew", FailingCrew)
    with contextlib.ExitStack() as stack:

        def make(**fields):
            env = AtariVectorEnv("breakout", NUM, **{"num_workers": 2, "context": "fork", **fields})
            stack.callback(env.close)
            env.reset(seed=3)
            return env

        yield make
    orders[:] = [0] * len(orders)


def twin():
    env = AtariVectorEnv("breakout", NUM, num_workers=0)
    env.reset(seed=3)
    return env


def assert_goes_on(env, other, steps=5):
    for actions in ACTIONS[:steps]:
        assert_same_step(env.step(actions), other.step(actions))


def assert_same_step(mine, theirs, rows=slice(None)):
    for one, other in zip(mine[:-1], theirs[:-1], strict=True):
        assert np.array_equal(one[rows], other[rows])


def kill(env, index, number=signal.SIGKILL):
    """Send a worker a signal; return its pid."""
    process = env._pool.processes[index]
    os.kill(process.pid, number)
    return process.pid


@contextlib.contextmanager
def soon(seconds=1.0):
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


# As they start.


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_game_that_cannot_start_raises_its_own_exception(num_workers, monkeypatch):
    monkeypatch.setattr(crew, "Engine", BrokenEngine)
    with pytest.raises(OSError, match="no cartridge") as caught:
        AtariVectorEnv("breakout", 4, num_workers=num_workers, context="fork")
    assert not multiprocessing.active_children()
    if num_workers:
        assert "in worker" in caught.value.__notes__[0]
        assert "as it started" in caught.value.__notes__[0]
        assert "failing.py" in str(caught.value.__cause__)


def test_a_process_that_cannot_start_leaves_none_of_the_others(monkeypatch):
    start = multiprocessing.context.ForkProcess.start
    started = []

    def start_one(process):
        if started:
            raise OSError("no more processes")
        start(process)
        started.append(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start_one)
    with pytest.raises(OSError, match="no more processes"):
        AtariVectorEnv("breakout", 4, num_workers=3, context="fork")
    assert started[0].exitcode is not None


def test_a_worker_that_dies_as_it_starts_is_named(monkeypatch, no_dumps):
    monkeypatch.setattr(crew, "Engine", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(WorkerDiedError, match=r"^worker [01] \(process \d+\) died: killed by signal 9 \(SIGKILL\)$"):
        AtariVectorEnv("breakout", 4, num_workers=2, context="fork", restart_workers=True)
    assert not multiprocessing.active_children()


def test_a_worker_that_hangs_as_it_starts_is_named(monkeypatch):
    monkeypatch.setattr(crew, "Engine", lambda *_, **__: time.sleep(60))
    with soon(5), pytest.raises(WorkerTimeoutError, match=r"worker 0 \(process \d+\) has not answered for 0.2 seconds"):
        AtariVectorEnv("breakout", 4, num_workers=2, context="fork", start_timeout=0.2)
    assert not multiprocessing.active_children()


def test_progress_is_told_when_loading_takes_long(monkeypatch, capfd):
    monkeypatch.setattr("fastatari.pool._PATIENCE", 0.0)
    AtariVectorEnv("breakout", 6, num_workers=2).close()
    AtariVectorEnv("breakout", 3, num_workers=0).close()
    lines = capfd.readouterr().err.splitlines()
    assert "fastatari: 2 of 3 environments are loaded" in lines
    assert any(line.endswith("of 6 environments are loaded") for line in lines)


def test_a_program_without_a_guard_is_told_so(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import fastatari\n"
        "fastatari.AtariVectorEnv('breakout', 2, num_workers=2, context='spawn')\n"
        "print('not reached')\n"
    )
    outcome = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 1
    assert not outcome.stdout
    assert "WorkerDiedError: worker 0 (process" in outcome.stderr or "WorkerDiedError: worker 1" in outcome.stderr
    assert "belongs behind `if __name__ == '__main__':`" in outcome.stderr.replace("\n", " ")


@pytest.mark.parametrize(("limit", "most"), [("NOFILE", 14), ("FSIZE", 100_000)])
def test_a_process_at_its_limits_gets_an_error_and_loses_nothing(limit, most):
    """Of files that are open, and of their size, as on a file system that is full."""
    program = f"""
import os, resource, sys
import fastatari
twin = fastatari.AtariVectorEnv("breakout", 4, num_workers=0)
before = len(os.listdir("/proc/self/fd"))
limits = resource.getrlimit(resource.RLIMIT_{limit})
resource.setrlimit(resource.RLIMIT_{limit}, ({most}, limits[1]))
try:
    fastatari.AtariVectorEnv("breakout", 4, num_workers=4, context="fork")
except OSError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_{limit}, limits)
# One is the arena that later workers share; two are lost by `multiprocessing` if the second pipe of a process fails.
print(len(os.listdir("/proc/self/fd")) - before <= 3)
env = fastatari.AtariVectorEnv("breakout", 4, num_workers=4, context="fork")
print((env.reset(seed=1)[0] == twin.reset(seed=1)[0]).all())
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert outcome.stdout == f"{24 if limit == 'NOFILE' else 27}\nTrue\nTrue\n", outcome.stderr


# Exceptions.


@pytest.mark.parametrize(("order", "error", "text"), EXCEPTIONS)
def test_exceptions_travel_whatever_they_are(order, error, text, make):
    env = make()
    orders[2] = order
    with pytest.raises(Exception, match=f"(?m){text}") as caught:
        env.step(ACTIONS[0])
    assert type(caught.value).__name__ == error
    pid = env._pool.processes[1].pid
    assert f"raised in worker 1 (process {pid}), in a step" in caught.value.__notes__
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "failing.py" in str(caught.value.__cause__)
    if error == "WorkerError":
        assert (caught.value.index, caught.value.pid) == (1, pid)
    with pytest.raises(gymnasium.error.ResetNeeded, match="need a `reset` first: 0, 1, 2, 3"):
        env.step(ACTIONS[0])
    other = twin()
    assert np.array_equal(env.reset(seed=3)[0], other.reset(seed=3)[0])
    assert_goes_on(env, other)


def test_of_several_exceptions_one_is_raised_and_the_others_are_noted(make):
    env = make(num_workers=4)
    orders[1], orders[3] = 100, 106
    with pytest.raises((ValueError, RecursionError)) as caught:
        env.step(ACTIONS[0])
    assert any("Another worker raised" in note for note in caught.value.__notes__)
    env.reset(seed=3)
    assert_goes_on(env, twin())


@pytest.mark.parametrize("num_workers", [0, None])
def test_exceptions_of_this_process_are_like_those_of_workers(num_workers, monkeypatch):
    monkeypatch.setattr("fastatari.pool.Crew", FailingCrew)
    env = AtariVectorEnv("breakout", NUM, num_workers=num_workers)
    env.reset(seed=3)
    orders[0] = 100
    env.send(ACTIONS[0])
    with pytest.raises(ValueError, match="a value"):
        env.recv()
    with pytest.raises(gymnasium.error.ResetNeeded, match="need a `reset` first: 0, 1, 2, 3"):
        env.step(ACTIONS[0])
    env.reset(seed=3)
    orders[1] = 107
    with pytest.raises(KeyboardInterrupt):
        env.step(ACTIONS[0])
    with pytest.raises(gymnasium.error.ResetNeeded, match="An interrupt cut off a step; call `reset` first"):
        env.recv()
    env.reset(seed=3)
    assert_goes_on(env, twin())
    env.close()


def test_an_exception_in_a_part_of_a_batch_comes_with_it(make):
    env = make(batch_size=2)
    orders[0] = 100
    with pytest.raises(ValueError, match="a value"):  # noqa: PT012 -- in the batch in which it is, or will be
        for _ in range(1000):
            env.step([0, 0])
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step([0, 0])
    env.reset(seed=3)
    env.step([0, 0])


def test_what_cannot_be_saved_can_still_be_played(make):
    env = make()
    orders[2] = 100
    with pytest.raises(ValueError, match="a value") as caught:
        env.save_state()
    assert "in a call of 'save'" in caught.value.__notes__[0]
    orders[2] = 0
    assert_goes_on(env, twin())


# Deaths.


@pytest.mark.parametrize("number", SIGNALS)
def test_a_killed_worker_is_named_at_once(number, make):
    env = make()
    pid = kill(env, 1, number)
    text = rf"^worker 1 \(process {pid}\) died: killed by signal {number:d} \({number.name}\)$"
    with soon(), pytest.raises(WorkerDiedError, match=text) as caught:
        env.step(ACTIONS[0])
    error = caught.value
    assert (error.index, error.pid, error.exitcode) == (1, pid, -number)
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.index, copied.pid, copied.exitcode) == (str(error), 1, pid, -number)
    for operate in (env.reset, env.recv, env.save_state, lambda: env.step(ACTIONS[0]), lambda: env.send(ACTIONS[0])):
        with pytest.raises((WorkerDiedError, gymnasium.error.AlreadyPendingCallError)):
            operate()
    with soon():
        env.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("order", "exitcode", "text"), ENDS)
def test_code_that_ends_a_worker_is_named(order, exitcode, text, make):
    env = make()
    orders[1] = order
    with soon(), pytest.raises(WorkerDiedError, match=rf"^worker 0 \(process \d+\) died: {text}$") as caught:
        env.step(ACTIONS[0])
    assert caught.value.exitcode == exitcode


def test_a_worker_that_dies_while_the_caller_waits_for_another_is_named_at_once(make):
    env = make()
    kill(env, 0, signal.SIGSTOP)
    env.send(ACTIONS[0])
    threading.Timer(0.2, kill, (env, 1)).start()
    with soon(1.2), pytest.raises(WorkerDiedError, match=r"^worker 1 .*SIGKILL"):
        env.recv()


def test_a_worker_that_dies_as_it_is_reset_or_saved_is_named_at_once(make):
    for operate in ("reset", "save_state"):
        env = make()
        kill(env, 0, signal.SIGSTOP)
        threading.Timer(0.2, kill, (env, 0)).start()
        with soon(1.2), pytest.raises(WorkerDiedError, match=r"^worker 0 .*SIGKILL"):
            getattr(env, operate)()


def test_death_is_seen_although_another_process_holds_the_pipe_open(monkeypatch, make):
    ends = []
    start = multiprocessing.context.ForkProcess.start

    def start_and_keep(process):
        ends.append(os.dup(process._args[0].fileno()))
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start_and_keep)
    env = make()
    kill(env, 1)
    with soon(), pytest.raises(WorkerDiedError, match=r"^worker 1 .*SIGKILL"):
        env.step(ACTIONS[0])
    for end in ends:
        os.close(end)


def test_a_worker_killed_as_it_is_closed_is_no_matter(make):
    env = make()
    env.send(ACTIONS[0])
    kill(env, 0), kill(env, 1, signal.SIGSTOP)
    with soon(3):
        env.close()
    assert not multiprocessing.active_children()


# Delays.


def test_a_worker_that_hangs_is_named_and_may_still_answer(make):
    env, other = make(timeout=0.3), twin()
    pid = kill(env, 1, signal.SIGSTOP)
    text = rf"^worker 1 \(process {pid}\) has not answered for 0.3 seconds$"
    for operate in (lambda: env.step(ACTIONS[0]), env.recv):
        with soon(2), pytest.raises(WorkerTimeoutError, match=text) as caught:
            operate()
        assert isinstance(caught.value, TimeoutError)
        assert pickle.loads(pickle.dumps(caught.value)).seconds == 0.3
    kill(env, 1, signal.SIGCONT)
    assert_same_step(env.recv(), other.step(ACTIONS[0]))
    assert_goes_on(env, other)
    kill(env, 0, signal.SIGSTOP)
    with soon(2):
        env.close()


def test_a_worker_that_hangs_is_named_while_others_answer(make):
    env = make(timeout=0.3, batch_size=2)
    kill(env, 1, signal.SIGSTOP)
    with soon(5), pytest.raises(WorkerTimeoutError, match=r"^worker 1 "):  # noqa: PT012 -- once its answer is missed
        while True:
            env.step([0, 0])


def test_a_caller_that_was_stopped_finds_nobody_late(make):
    env, other = make(timeout=0.2), twin()
    env.send(ACTIONS[0])
    time.sleep(0.5)
    assert_same_step(env.recv(), other.step(ACTIONS[0]))
    # Both are stopped, as by Ctrl-Z; the caller's clock goes on.
    kill(env, 0, signal.SIGSTOP)
    env.send(ACTIONS[1])
    time.sleep(0.5)
    threading.Timer(0.1, kill, (env, 0, signal.SIGCONT)).start()
    assert_same_step(env.recv(), other.step(ACTIONS[1]))


# Replacements.


def derived_seed(seed, replacements=1):
    return int(np.random.SeedSequence((seed, replacements)).generate_state(1)[0]) >> 1


def assert_replaced(env, index, step):
    """Lose a worker in a step; return what the step gave, and the pids before and after."""
    before = env._pool.processes[index].pid
    with (
        soon(),
        pytest.warns(
            RuntimeWarning,
            match=rf"worker {index} \(process {before}\) died: .*; its environments, \d to \d, are truncated",
        ),
    ):
        result = step()
    after = env._pool.processes[index].pid
    assert before != after
    return result


def test_a_lost_worker_is_replaced_and_the_others_lose_nothing(make):
    env, other = make(restart_workers=True), twin()
    assert_goes_on(env, other)
    last = env.step(ACTIONS[5])[0].copy()
    other.step(ACTIONS[5])
    kill(env, 1)
    observations, rewards, terminated, truncated, infos = result = assert_replaced(env, 1, lambda: env.step(ACTIONS[6]))
    assert_same_step(result, other.step(ACTIONS[6]), slice(0, 2))
    assert np.array_equal(observations[2:], last[2:])
    assert rewards[2:].tolist() == [0, 0]
    assert (terminated.tolist(), truncated.tolist()) == ([False] * 4, [False, False, True, True])
    assert infos["restarted"].tolist() == infos["_restarted"].tolist() == [False, False, True, True]
    assert infos["_lives"].tolist() == [True, True, False, False]
    # They begin anew, by seeds that follow from the last.
    observations, _, terminated, truncated, infos = result = env.step(ACTIONS[7])
    assert_same_step(result, other.step(ACTIONS[7]), slice(0, 2))
    assert not terminated.any()
    assert not truncated.any()
    assert "restarted" not in infos
    assert infos["_noops"].tolist() == [False, False, True, True]
    singles = [AtariEnv("breakout") for _ in range(2)]
    for row, single in enumerate(singles):
        assert np.array_equal(observations[2 + row], single.reset(seed=derived_seed(5 + row))[0])
    for actions in ACTIONS[8:30]:
        result = env.step(actions)
        assert_same_step(result, other.step(actions), slice(0, 2))
        for row, single in enumerate(singles):
            assert np.array_equal(result[0][2 + row], single.step(actions[2 + row])[0])
    # A seed gives what it always gave.
    other.reset(seed=3)
    env.reset(seed=3)
    assert_goes_on(env, other)


def test_a_worker_that_was_lost_while_nobody_asked_is_replaced_too(make):
    env, other = make(restart_workers=True), twin()
    for round_number in (1, 2, 3):
        kill(env, 0)
        env._pool.processes[0].join(5)
        *_, truncated, infos = assert_replaced(env, 0, lambda: env.step(ACTIONS[0]))
        other.step(ACTIONS[0])
        assert truncated.tolist() == infos["restarted"].tolist() == [True, True, False, False]
        observations = env.step(ACTIONS[0])[0]
        assert np.array_equal(observations[0], AtariEnv("breakout").reset(seed=derived_seed(3, round_number))[0])
        other.step(ACTIONS[0])
    assert_same_step(env.step(ACTIONS[1]), other.step(ACTIONS[1]), slice(2, 4))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_worker_is_replaced_within_the_step(number, make):
    env, other = make(restart_workers=True, autoreset_mode="SameStep", timeout=0.3), twin()
    last = env.step(ACTIONS[0])[0].copy()
    other.step(ACTIONS[0])
    kill(env, 0, number)
    with pytest.warns(RuntimeWarning, match="worker 0 .* died: killed by signal 9"):
        observations, _, _, truncated, infos = result = env.step(ACTIONS[1])
    assert_same_step(result, other.step(ACTIONS[1]), slice(2, 4))
    assert truncated.tolist() == [True, True, False, False]
    assert infos["_final_obs"].tolist() == infos["restarted"].tolist() == truncated.tolist()
    assert infos["final_info"]["restarted"].tolist() == truncated.tolist()
    for index in range(2):
        assert np.array_equal(infos["final_obs"][index], last[index])
        assert np.array_equal(observations[index], AtariEnv("breakout").reset(seed=derived_seed(3 + index))[0])
    result = env.step(ACTIONS[2])
    assert_same_step(result, other.step(ACTIONS[2]), slice(2, 4))
    assert "restarted" not in result[-1]


def test_a_lost_worker_is_replaced_where_nobody_resets(make):
    env, other = make(restart_workers=True, autoreset_mode="Disabled"), twin()
    env.step(ACTIONS[0]), other.step(ACTIONS[0])
    kill(env, 1)
    before, *_, truncated, _ = assert_replaced(env, 1, lambda: env.step(ACTIONS[1]))
    other.step(ACTIONS[1])
    assert truncated.tolist() == [False, False, True, True]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"need a `reset` first: 2, 3$"):
        env.step(ACTIONS[2])
    mask = np.array([False, False, True, False])
    observations, _ = env.reset(options={"reset_mask": mask})
    assert np.array_equal(observations[[0, 1, 3]], before[[0, 1, 3]])
    assert np.array_equal(observations[2], AtariEnv("breakout").reset(seed=derived_seed(5))[0])
    env.reset(seed=[0, 0, 0, 9], options={"reset_mask": np.array([False, False, False, True])})
    assert_same_step(env.step(ACTIONS[2]), other.step(ACTIONS[2]), slice(0, 2))


def test_a_lost_worker_is_replaced_in_parts_of_a_batch(make):
    env = make(restart_workers=True, batch_size=2)
    shown, restarted = {}, set()
    kill(env, 1)
    with soon(20), pytest.warns(RuntimeWarning, match="worker 1"):  # noqa: PT031
        while restarted != {2, 3} or len(shown) < NUM:
            observations, *_, truncated, infos = env.step([0, 0])
            for row, index in enumerate(infos["env_id"].tolist()):
                if truncated[row]:
                    restarted.add(index)
                    assert infos["restarted"][row]
                    assert index not in shown or np.array_equal(observations[row], shown[index])
                shown[index] = observations[row]


def test_a_worker_lost_in_a_reset_is_replaced_without_a_trace(make):
    env, other = make(restart_workers=True), twin()
    env.step(ACTIONS[0])
    kill(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"):
        observations, infos = env.reset(seed=3)
    assert np.array_equal(observations, other.reset(seed=3)[0])
    assert "restarted" not in infos
    assert_goes_on(env, other)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_worker_lost_in_a_reset_without_seeds_is_told(mode, make):
    env, other = make(restart_workers=True, autoreset_mode=mode), twin()
    env.step(ACTIONS[0]), other.step(ACTIONS[0])
    kill(env, 1)
    mask = np.array([True, True, True, False])
    with pytest.warns(RuntimeWarning, match="worker 1"):
        observations, infos = env.reset(seed=[None, 8, None, None], options={"reset_mask": mask})
    other.reset(seed=[None, 8, None, None], options={"reset_mask": mask})
    assert infos["restarted"].tolist() == infos["_restarted"].tolist() == [False, False, True, False]
    assert infos["_noops"].tolist() == mask.tolist()
    assert "final_obs" not in infos
    assert np.array_equal(observations[2], AtariEnv("breakout").reset(seed=derived_seed(5))[0])
    # The one that was not asked for is told of in the step to come.
    *_, truncated, infos = result = env.step(ACTIONS[1])
    assert_same_step(result, other.step(ACTIONS[1]), slice(0, 2))
    assert truncated.tolist() == infos["restarted"].tolist() == [False, False, False, True]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_worker_lost_in_a_step_that_a_reset_drops_is_told(mode, make):
    env = make(restart_workers=True, autoreset_mode=mode)
    orders[2] = 108
    env.send(ACTIONS[0])
    time.sleep(1)
    with pytest.warns(RuntimeWarning, match="worker 1"):
        _, infos = env.reset(seed=[None, None, None, 3])
    assert infos["restarted"].tolist() == infos["_restarted"].tolist() == [False, False, True, False]
    *_, infos = env.step(ACTIONS[0])
    assert "restarted" not in infos


def test_a_worker_lost_in_a_reset_without_seeds_is_told_in_parts_of_a_batch(make):
    env = make(restart_workers=True, batch_size=2, autoreset_mode="SameStep")
    kill(env, 1)
    with pytest.warns(RuntimeWarning, match="worker 1"):
        _, infos = env.reset()
    told = dict(zip(infos["env_id"].tolist(), infos.get("restarted", [False, False]), strict=True))
    _, _, _, truncated, infos = env.recv()
    told |= dict(zip(infos["env_id"].tolist(), infos.get("restarted", [False, False]), strict=True))
    assert told == {0: False, 1: False, 2: True, 3: True}
    assert not truncated.any()
    assert "final_obs" not in infos


@pytest.mark.parametrize("name", ["reset", "load_state"])
def test_a_worker_lost_after_its_part_of_a_call_does_that_again(name, make, monkeypatch):
    """Another of them is still at work then, so that the call is not over."""

    class MortalCrew(crew.Crew):
        def __init__(self, *arguments):
            if not arguments[1] and orders[0] == 1:  # a replacement
                orders[0] = 2
            super().__init__(*arguments)

        def reset(self, *arguments):
            super().reset(*arguments)
            self.die_or_wait()

        def load(self, *arguments):
            super().load(*arguments)
            self.die_or_wait()

        def die_or_wait(self):
            if not self._first and orders[0] == 0:
                orders[0] = 1
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
            while self._first and orders[0] < 2:
                time.sleep(0.01)

    monkeypatch.setattr(worker, "Crew", MortalCrew)
    orders[0] = 2
    env, other = make(restart_workers=True), twin()
    state = env.save_state()
    orders[0] = 0
    with pytest.warns(RuntimeWarning, match="worker 0"):
        observations, infos = env.reset(seed=3) if name == "reset" else env.load_state(state)
    assert orders[0] == 2
    assert np.array_equal(observations, other.reset(seed=3)[0])
    assert "restarted" not in infos
    assert_goes_on(env, other)


def test_what_is_lost_cannot_be_saved_but_what_came_of_it(make):
    env = make(restart_workers=True)
    env.step(ACTIONS[0])
    kill(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"), pytest.raises(WorkerDiedError, match=r"^worker 0 "):
        env.save_state()
    state = env.save_state()
    expected = [env.step(actions) for actions in ACTIONS[1:20]]
    assert expected[0][-1]["restarted"].tolist() == [True, True, False, False]
    other = AtariVectorEnv("breakout", NUM, num_workers=0)
    other.load_state(state)
    for actions, theirs in zip(ACTIONS[1:20], expected, strict=True):
        mine = other.step(actions)
        assert_same_step(mine, theirs)
        assert mine[-1].keys() == theirs[-1].keys()


def lose(env, index):
    """Kill a worker, and wait until it is gone."""
    kill(env, index)
    env._pool.processes[index].join(5)


def test_what_was_shown_last_is_not_what_the_caller_made_of_it(make):
    env, other = make(restart_workers=True), twin()
    out = np.zeros((NUM, 4, 84, 84), np.uint8)
    for step in (lambda: env.step(ACTIONS[0]), lambda: env.step(ACTIONS[1], out)):
        mine = step()[0]
        last = mine.copy()
        mine[:] = 7
        lose(env, 1)
        with pytest.warns(RuntimeWarning, match="worker 1"):
            observations, *_, truncated, _ = env.step(ACTIONS[2])
        assert truncated.tolist() == [False, False, True, True]
        assert np.array_equal(observations[2:], last[2:])
        env.reset(seed=3)
    assert_goes_on(env, other)


def test_parts_of_a_batch_in_one_array_do_not_mix_what_was_shown_last(make):
    env = make(restart_workers=True, batch_size=2)
    out, shown, told = np.zeros((2, 4, 84, 84), np.uint8), {}, set()
    for number in range(200):
        if number == 100:
            lose(env, 0)
        with pytest.warns(RuntimeWarning, match="worker 0") if number == 100 else contextlib.nullcontext():
            *_, truncated, infos = env.step([number % 4, 1], out)
        for row, index in enumerate(infos["env_id"].tolist()):
            if truncated[row]:
                told.add(index)
                assert np.array_equal(out[row], shown[index])
            shown[index] = out[row].copy()
    assert told == {0, 1}


def test_a_worker_lost_after_a_load_shows_what_that_showed(make):
    env = make(restart_workers=True)
    observations, _ = env.load_state(env.save_state())
    lose(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"):
        shown, *_, truncated, _ = env.step(ACTIONS[0])
    assert truncated.tolist() == [True, True, False, False]
    assert np.array_equal(shown[:2], observations[:2])


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("when", ["answered", "first", "asked"])
def test_what_was_not_received_is_saved_if_its_worker_is_lost(when, mode, make):
    env, other = (make(restart_workers=True, batch_size=2, autoreset_mode=mode) for _ in range(2))
    if when != "first":
        env.recv()
        env.send([1] * NUM, range(NUM))
        env.recv(), env.recv()
    if when == "answered":
        env.send([2] * NUM, range(NUM))
    env._pool.settle()
    lose(env, 0)
    is_noticed = contextlib.nullcontext() if when == "asked" else pytest.raises(WorkerDiedError, match=r"^worker 0 ")
    with pytest.warns(RuntimeWarning, match="worker 0"), is_noticed:
        env.send([2] * NUM, range(NUM)) if when == "asked" else env.save_state()
    state = env.save_state()
    other.load_state(state)
    for number in range(12):
        mine, theirs = (each.recv() if number < 2 - (when == "first") else step(each) for each in (env, other))
        assert_same_step(mine, theirs)
        for name in ("env_id", "restarted", "final_obs"):
            assert (name in mine[-1]) == (name in theirs[-1])
            if name in mine[-1]:
                assert all(np.array_equal(*pair) for pair in zip(mine[-1][name], theirs[-1][name], strict=True))


def step(env):
    """Play those received last, and all others before them, so that who is ready first does not matter."""
    env.send([3, 1])
    env._pool.settle()
    env._pool.answered = type(env._pool.answered)(sorted(env._pool.answered))
    return env.recv()


def test_what_is_lost_is_shown_black(make):
    env = make(restart_workers=True, render_mode="rgb_array")
    screens = env.render()
    assert all(screen.any() for screen in screens)
    lose(env, 1)
    with pytest.warns(RuntimeWarning, match="worker 1"):
        env.step(ACTIONS[0])
    screens = env.render()
    assert [bool(screen.any()) for screen in screens] == [True, True, False, False]
    assert {screen.shape for screen in screens} == {(210, 160, 3)}
    env.step(ACTIONS[0])
    assert all(screen.any() for screen in env.render())


def test_who_is_lost_again_before_it_began_is_not_told_of_twice(make):
    env, other = make(restart_workers=True), twin()
    kill(env, 0)
    *_, truncated, _ = assert_replaced(env, 0, lambda: env.step(ACTIONS[0]))
    assert truncated.tolist() == [True, True, False, False]
    lose(env, 0)
    observations, *_, truncated, infos = assert_replaced(env, 0, lambda: env.step(ACTIONS[1]))
    assert not truncated.any()
    assert "restarted" not in infos
    assert infos["_noops"].tolist() == [True, True, False, False]
    for index in range(2):
        single = AtariEnv("breakout")
        assert np.array_equal(observations[index], single.reset(seed=derived_seed(3 + index, 2))[0])
        assert np.array_equal(env.step(ACTIONS[2])[0][index], single.step(ACTIONS[2][index])[0]) or index
    for actions in ACTIONS[:2]:
        other.step(actions)


def test_a_worker_that_does_not_read_is_replaced(make):
    env = make(restart_workers=True, timeout=0.3)
    state = env.save_state()
    kill(env, 0, signal.SIGSTOP)
    with pytest.warns(RuntimeWarning, match="worker 0 .* died: killed by signal 9"), soon(3):
        observations, _ = env.load_state(state)
    assert np.array_equal(observations, twin().reset(seed=3)[0])
    assert_goes_on(env, twin())


def test_a_worker_that_does_not_read_is_named(make):
    env = make(timeout=0.3)
    state = env.save_state()
    kill(env, 0, signal.SIGSTOP)
    for call in (lambda: env.load_state(state), env.reset, lambda: env.step(ACTIONS[0])):
        with soon(2), pytest.raises(WorkerTimeoutError, match=r"^worker 0 .* has not answered for 0\.3 seconds$"):
            call()


def test_what_is_sent_to_a_replacement_may_wait_for_it():
    with AtariVectorEnv("breakout", 16, num_workers=1, context="fork", restart_workers=True, timeout=0.5) as env:
        expected, _ = env.reset(seed=3)
        state = env.save_state()
        lose(env, 0)
        with pytest.warns(RuntimeWarning, match="worker 0"):
            observations, _ = env.load_state(state)
    assert np.array_equal(observations, expected)


def test_replacements_have_the_time_of_a_start(make):
    env = make(restart_workers=True, timeout=0.2, context="spawn")
    lose(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"):
        env.step(ACTIONS[0])
    for actions in ACTIONS[:5]:
        env.step(actions)


@pytest.mark.parametrize("timeout", [None, 0.5])
def test_a_replacement_that_raises_ends_it(timeout, make, monkeypatch):
    env = make(restart_workers=True, timeout=timeout)
    monkeypatch.setattr(crew, "Engine", BrokenEngine)
    lose(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"), pytest.raises(OSError, match=r"^no cartridge"):
        [env.step(actions) for actions in ACTIONS]
    for call in (lambda: env.step(ACTIONS[0]), env.reset, env.save_state):
        with soon(2), pytest.raises(OSError, match=r"^no cartridge"):
            call()


def test_a_late_replacement_counts_once(make, monkeypatch):
    class SlowCrew(FailingCrew):
        def __init__(self, *arguments):
            if orders[8]:
                orders[8] -= 1
                time.sleep(60)
            super().__init__(*arguments)

    env = make(restart_workers=True, timeout=5, start_timeout=0.5)
    monkeypatch.setattr(worker, "Crew", SlowCrew)
    orders[8] = 2
    lose(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0") as warned:
        played = [env.step(actions) for actions in ACTIONS[:5]]
    assert len(played) == 5
    assert len(warned) == 3


def test_a_replacement_that_cannot_start_ends_it(make, monkeypatch):
    env = make(restart_workers=True)
    monkeypatch.setattr(crew, "Engine", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    kill(env, 0)
    with pytest.warns(RuntimeWarning, match="worker 0"):
        env.step(ACTIONS[0])
    with warnings.catch_warnings(), pytest.raises(WorkerDiedError, match=r"^worker 0 "):  # noqa: PT012
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(4):
            env.step(ACTIONS[0])
    with pytest.raises(WorkerDiedError, match=r"^worker 0 "):
        env.reset()


# Interrupts.


class Interrupt(Exception):
    pass


FILES = {vector.__file__, pool.__file__}


def count_lines(function, stop):
    """Call a function; raise `Interrupt` before one of the lines of `FILES`. Return how many were begun."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            count += 1
            if count == stop:
                raise Interrupt
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("stride", [6, pytest.param(1, marks=pytest.mark.chaos)])
@pytest.mark.parametrize(("batch_size", "num_workers"), [(NUM, 1), (NUM, None), (2, 2)])
def test_an_interrupt_at_any_line_neither_hangs_nor_gives_wrong_observations(batch_size, num_workers, stride, make):
    def start():
        env = make(batch_size=batch_size, num_workers=num_workers, timeout=3)
        if batch_size < NUM:
            env.recv()
        return env

    def play():
        env.send(np.ones(NUM, int), None if batch_size == NUM else range(NUM))
        for _ in range(NUM // batch_size):
            received.append(env.recv())  # noqa: PERF401 - one by one

    other = twin()
    expected = [other.reset(seed=3)[0], *(other.step(np.ones(NUM, int))[0] for _ in range(3))]
    env, received = start(), []
    line_num = count_lines(play, 0)
    assert line_num > 50
    for stop in range(random.randint(1, stride), line_num + 1, stride):
        env.close() if env._pool._failure else None
        env = start() if env.closed else env
        env.reset(seed=3)
        if batch_size < NUM:
            env.recv()
        received.clear()
        with contextlib.suppress(Interrupt):
            count_lines(play, stop)
        allowed = (
            WorkerError,
            gymnasium.error.ResetNeeded,
            gymnasium.error.NoAsyncCallError,
            gymnasium.error.AlreadyPendingCallError,
        )
        for call in (env.recv, play, env.recv):
            with contextlib.suppress(allowed):
                received.append(call())
        shown = {index: expected[0][index] for index in range(NUM)}
        for observations, *_, infos in filter(None, received):
            for row, index in enumerate(infos["env_id"].tolist()):
                step = next(n for n, each in enumerate(expected) if np.array_equal(each[index], observations[row]))
                assert step > next(n for n, each in enumerate(expected) if np.array_equal(each[index], shown[index]))
                shown[index] = observations[row].copy()


@pytest.mark.parametrize("name", ["write", "read"])
def test_an_interrupt_within_a_message_is_final(name, make, monkeypatch):
    """What comes after would be taken for the reply to another request."""
    env = make()
    function = getattr(protocol, name)

    def interrupted(*arguments):
        function(*arguments)
        raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(protocol, name, interrupted)
        with pytest.raises(Interrupt):
            env.step(ACTIONS[0])
    for operate in (env.recv, env.reset):
        with pytest.raises(WorkerError, match="an interrupt cut off a message to or from worker"):
            operate()
    with soon():
        env.close()


def test_an_interrupt_between_messages_is_final(make, monkeypatch):
    env = make()
    ask = handle.WorkerHandle.request_step

    def interrupted(worker, *arguments):
        if worker.index:
            raise Interrupt
        ask(worker, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(handle.WorkerHandle, "request_step", interrupted)
        with pytest.raises(Interrupt):
            env.step(ACTIONS[0])
    with pytest.raises(WorkerError, match="an interrupt cut off the messages to or from workers"):
        env.reset()


def test_an_interrupt_of_a_wait_harms_nothing(make):
    env, other = make(), twin()

    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    kill(env, 0, signal.SIGSTOP)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Interrupt):
        env.step(ACTIONS[0])
    signal.signal(signal.SIGALRM, before)
    kill(env, 0, signal.SIGCONT)
    assert_same_step(env.recv(), other.step(ACTIONS[0]))
    assert_goes_on(env, other)


# Processes.


def test_a_forked_process_neither_uses_nor_harms_its_parents_environment(make):
    env, other = make(), twin()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            try:
                env.step(ACTIONS[0])
            except RuntimeError as error:
                env.close()
                os._exit(0 if "belongs to process" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert_goes_on(env, other)


def test_signals_that_the_caller_handles_do_not_end_workers(make):
    """As those that a cluster sends to all processes of a job before it ends."""
    received = []
    before = {
        number: signal.signal(number, lambda *_: received.append(1)) for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    env, other = make(), twin()
    for number, handler in before.items():
        kill(env, 0, number), kill(env, 1, number)
        signal.signal(number, handler)
    assert_goes_on(env, other)
    state = env.save_state()
    env.load_state(state)
    assert not received


def test_starting_and_closing_leaks_no_descriptors():
    AtariVectorEnv("breakout", 2, num_workers=2, context="fork").close()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(8):
        env = AtariVectorEnv("breakout", 2, num_workers=2, context="fork")
        env.reset()
        env.close()
    del env
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_close_in_another_thread_and_after_an_exception(make):
    env = make()
    thread = threading.Thread(target=env.close)
    thread.start()
    thread.join(5)
    assert env.closed
    with pytest.raises(ValueError, match="of the trainer"), contextlib.closing(make()) as env:
        raise ValueError("of the trainer")
    assert not multiprocessing.active_children()
