"""Bad things at random, to whole programs; ``chaos.py`` is what is run.

A cut of it, of some twenty seconds, is part of all tests; ``pytest -m chaos -n 0`` is the whole of three minutes. What
fails shows the seed with which `CHAOS_SEED` plays it again.
"""

import contextlib
import ctypes
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SUBJECT = Path(__file__).with_name("chaos.py")
CONTEXTS = multiprocessing.get_all_start_methods()
DEATHS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM, "exit": 7, "abort": -signal.SIGABRT, "exception": 1}
STATES = ("idle", "pending", "starting", "stopped")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", SUBJECT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def orphans():
    """Become the parent of processes that lose theirs; return a function that returns those, and theirs."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = {process.pid for process in find_descendants()}

    def find():
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return [process for process in find_descendants() if process.pid not in before]

    yield find
    prctl(PR_SET_CHILD_SUBREAPER, 0)


class Process:
    def __init__(self, pid, state, name):
        self.pid, self.state, self.name = pid, state, name

    def __repr__(self):
        return f"{self.pid} {self.state} {self.name}"


def find_descendants():
    parents, processes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (folder / "stat").read_text().rpartition(")")
            state, parent, *_ = rest.split()
            pid = int(folder.name)
            parents[pid], processes[pid] = int(parent), Process(pid, state, name.partition("(")[2])

    def is_mine(pid):
        return parents.get(pid) == os.getpid() or (pid in parents and is_mine(parents[pid]))

    return [process for pid, process in processes.items() if is_mine(pid)]


def run(phase, seconds):
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**31)))
    process = start(phase, seconds, seed)
    try:
        stdout, stderr = process.communicate(timeout=3 * seconds + 60)
        stderr = re.sub(r"fastatari: \d+ of \d+ environments are loaded\n", "", stderr)  # on a busy machine
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, stderr) == (0, ""), f"CHAOS_SEED={seed}\n{stdout}\n{stderr}"
    assert not list(Path("/dev/shm").glob(f"pym-{process.pid}-*"))


@pytest.mark.parametrize(("phase", "seconds"), [("churn", 4), ("kill", 6), ("poison", 3), ("truth", 4)])
def test_a_little_chaos(phase, seconds, orphans):
    run(phase, seconds)
    assert_gone(orphans)


@pytest.mark.chaos
@pytest.mark.parametrize(("phase", "seconds"), [("churn", 35), ("kill", 60), ("poison", 20), ("truth", 30)])
def test_chaos(phase, seconds, orphans):
    run(phase, seconds)
    assert_gone(orphans)


def assert_gone(orphans):
    deadline = time.monotonic() + 3
    while left := orphans():
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)


def die(context, state, death, orphans):
    process = start("victim", context, state, death)
    process.wait(30)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == DEATHS[death], stderr
    assert stdout.startswith("begins")
    assert stderr.count("Traceback") == (death == "exception"), stderr
    for word in ("leaked", "resource_tracker", "Process ForkProcess"):
        assert word not in stderr
    assert_gone(orphans)
    assert not list(Path("/dev/shm").glob(f"pym-{process.pid}-*"))


# Each death and each state once; all of both with `pytest -m chaos`.
SOME = [
    ("fork", "idle", "SIGKILL"),
    ("fork", "stopped", "SIGKILL"),
    ("spawn", "pending", "SIGTERM"),
    ("forkserver", "starting", "exit"),
    ("forkserver", "stopped", "abort"),
    ("spawn", "idle", "exception"),
]


@pytest.mark.parametrize(("context", "state", "death"), SOME)
def test_some_parents_die(context, state, death, orphans):
    die(context, state, death, orphans)


@pytest.mark.chaos
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("context", CONTEXTS)
def test_parents_die(context, state, death, orphans):
    if state == "starting" and death == "exception":
        pytest.skip("a timer's exception ends nothing")
    die(context, state, death, orphans)


@pytest.mark.parametrize(
    ("context", "state"),
    [("fork", "pending"), *(pytest.param(c, s, marks=pytest.mark.chaos) for c in CONTEXTS for s in STATES[:3])],
)
def test_ctrl_c_at_any_time_prints_one_traceback(context, state, orphans):
    process = start("victim", context, state, "SIGINT")
    _, stderr = process.communicate(timeout=30)
    assert process.returncode != 0
    assert stderr.count("Traceback") == stderr.count("KeyboardInterrupt") == 1, stderr
    assert_gone(orphans)
