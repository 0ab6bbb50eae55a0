"""`Worker` in whole programs in which bad things happen at random; ``worker_chaos.py`` is what is run.

A few seconds of it are part of all tests; ``pytest -m chaos -n 0`` runs it for minutes. What fails shows the seed with
which `CHAOS_SEED` plays it again.
"""

import contextlib
import ctypes
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("worker_chaos.py")
CONTEXTS = multiprocessing.get_all_start_methods()
DEATHS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM, "exit": 7, "abort": -signal.SIGABRT, "exception": 1}
STATES = ("idle", "pending", "starting", "stopped")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def orphans():
    """Become the parent of processes that lose theirs; return a function that returns those that are left."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = find_descendants()

    def find():
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return {pid: text for pid, text in find_descendants().items() if pid not in before}

    yield find
    prctl(PR_SET_CHILD_SUBREAPER, 0)


def find_descendants():
    """Return the processes that come from this one: what ``/proc`` says of each."""
    parents, texts = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            texts[int(folder.name)] = text = (folder / "stat").read_text()
            parents[int(folder.name)] = int(text.rpartition(")")[2].split()[1])

    def is_mine(pid):
        return parents.get(pid) == os.getpid() or (pid in parents and is_mine(parents[pid]))

    return {pid: text for pid, text in texts.items() if is_mine(pid)}


def assert_nothing_left(process, orphans):
    deadline = time.monotonic() + 3
    while left := orphans():
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)
    assert not list(Path("/dev/shm").glob(f"pym-{process.pid}-*"))


def finish(process, timeout):
    """Return what a program wrote; kill it, and its workers, if it takes too long."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


def run(phase, seconds, orphans):
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**31)))
    process = start(phase, seconds, seed)
    stdout, stderr = finish(process, 3 * seconds + 60)
    stderr = "".join(line for line in stderr.splitlines(keepends=True) if "threads, and forks" not in line)
    assert process.returncode == 0, f"CHAOS_SEED={seed}\n{stdout}\n{stderr}"
    assert "Traceback" not in stderr
    assert_nothing_left(process, orphans)


@pytest.mark.parametrize(("phase", "seconds"), [("churn", 2), ("kill", 4), ("truth", 2)])
def test_workers_survive_a_little_chaos(phase, seconds, orphans):
    run(phase, seconds, orphans)


@pytest.mark.chaos
@pytest.mark.parametrize(("phase", "seconds"), [("churn", 30), ("kill", 60), ("truth", 30)])
def test_workers_survive_chaos(phase, seconds, orphans):
    run(phase, seconds, orphans)


def die(context, state, death, orphans):
    process = start("victim", context, state, death)
    stdout, stderr = finish(process, 30)
    assert process.returncode == DEATHS[death], stderr
    assert stdout == "begins\n"
    assert stderr.count("Traceback") == (death == "exception"), stderr
    for word in ("leaked", "resource_tracker", "Process ForkProcess"):
        assert word not in stderr
    assert_nothing_left(process, orphans)


# Each start method, each death and each state once; all combinations with `pytest -m chaos`.
SOME = [
    ("fork", "idle", "exception"),
    ("fork", "stopped", "SIGKILL"),
    ("spawn", "pending", "SIGTERM"),
    ("forkserver", "starting", "exit"),
    ("forkserver", "stopped", "abort"),
]


@pytest.mark.parametrize(("context", "state", "death"), SOME)
def test_workers_end_when_their_caller_dies(context, state, death, orphans):
    die(context, state, death, orphans)


@pytest.mark.chaos
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_end_whenever_and_however_their_caller_dies(context, state, death, orphans):
    die(context, state, death, orphans)


@pytest.mark.parametrize(
    ("context", "state"),
    [("fork", "pending")]
    + [pytest.param(context, state, marks=pytest.mark.chaos) for context in CONTEXTS for state in STATES],
)
def test_ctrl_c_prints_one_traceback_and_ends_the_workers(context, state, orphans):
    process = start("victim", context, state, "SIGINT")
    _, stderr = finish(process, 30)
    assert process.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == stderr.count("KeyboardInterrupt") == 1, stderr
    assert_nothing_left(process, orphans)
