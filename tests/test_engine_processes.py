"""Engines when a process forks, and when it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(program, seconds=60, options=()):
    """Run a program, which may use these modules; return what it prints."""
    process = subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, ""), process.stdout + process.stderr
    return process.stdout


_EXIT = """
import sys, time, numpy as np
from engines import make_engine, make_out, reset
parked, closed, awake, playing = [make_engine(name, 6, 2) for name in ("labml", "sb3", "ale", "long steps")]
for engine in (parked, closed, awake, playing):
    reset(engine)
    engine.step(None, np.zeros(6, int), None, make_out(engine, 6))
closed.close()
time.sleep(0.05)
awake.step(None, np.zeros(6, int), None, make_out(awake, 6))
playing.send(np.arange(6), np.zeros(6, int))
begin = time.perf_counter()
import atexit, threading
def check():
    sys.stdout.write(f"{time.perf_counter() - begin}")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastatari")]
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "playing = [playing]; playing.append(playing)"])
def test_programs_end_cleanly_and_at_once(end):
    # What was registered before the finalizers is called after them.
    program = "import atexit\natexit.register(lambda: check())\n" + _EXIT + end
    seconds = float(run(program, options=["-X", "dev"]))
    assert seconds < 2


_FORK = """
import multiprocessing, os, sys, threading
import numpy as np
from engines import ENGINES, NEXT_STEP, assert_same, make_engine, make_out, play, reset, show

NAME = "sticky"

def make(num_threads):
    engine = make_engine(NAME, 4, num_threads, mode=NEXT_STEP)
    reset(engine)
    for _ in play(engine, 10, np.random.default_rng(0)):
        pass
    return engine

def go_on(engine, is_pending, seed):
    if is_pending:
        received = [i for _ in range(3) for i in engine.recv(1).tolist()]
        assert sorted(received) == [0, 1, 3], received
    return list(play(engine, 20, np.random.default_rng(seed)))

def check(engine, is_pending, seed):
    twin = make(0)
    if is_pending:
        twin.send(np.array([0, 1, 3]), np.array([1, 2, 3]))
    for mine, theirs in zip(go_on(engine, is_pending, seed), go_on(twin, is_pending, seed), strict=True):
        assert_same(mine, theirs)
    assert not engine.is_pending.any()

def fork(function, *arguments):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid

def check_twice(*arguments):
    check(*arguments)
    engine = make(2)
    assert os.waitpid(fork(check, engine, False, 7), 0)[1] == 0
    engine.close()

def main(is_pending):
    engine = make(2)
    if is_pending:
        engine.send(np.array([0, 1, 3]), np.array([1, 2, 3]))
    pids = [fork(check_twice, engine, is_pending, seed) for seed in range(2)]
    process = multiprocessing.get_context("fork").Process(target=check, args=(engine, is_pending, 3))
    process.start()
    check(engine, is_pending, 4)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    process.join()
    assert process.exitcode == 0
    engine.close()
    assert threading.active_count() == 1, threading.enumerate()

for is_pending in (False, True):
    main(is_pending)
    idle = make_engine(NAME, 4, 2)  # whose threads were not started yet
    assert os.waitpid(fork(lambda: (reset(idle), list(play(idle, 3, np.random.default_rng(0))))), 0)[1] == 0
sys.stdout.write("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_parents_and_children_go_on_after_a_fork():
    assert run(_FORK) == "done"


_FORK_BESIDE = """
import os, threading, time
import numpy as np
from engines import make_engine, make_out, play, reset

forks, is_over = [], threading.Event()

def fork():
    while not is_over.is_set():
        pid = os.fork()
        if not pid:
            os._exit(0)
        forks.append(os.waitpid(pid, 0)[1])

engine, twin = make_engine("sticky", 8, 2), make_engine("sticky", 8, 0)
reset(engine)
reset(twin)
forker = threading.Thread(target=fork)
forker.start()
out, expected = make_out(engine, 8), make_out(twin, 8)
end = time.monotonic() + 2
try:
    while time.monotonic() < end and not engine.needs_reset.any():
        engine.step(None, np.zeros(8, int), None, out)
        twin.step(None, np.zeros(8, int), None, expected)
        assert (out == expected).all()
        engine.send(np.arange(8), np.zeros(8, int))
        twin.send(np.arange(8), np.zeros(8, int))
        for _ in range(8):
            engine.recv(1)
            twin.recv(1)
finally:
    is_over.set()
    forker.join()
assert forks and not any(forks), forks
print("done")
"""


def test_a_thread_forks_while_another_steps():
    assert run(_FORK_BESIDE, options=["-W", "ignore::DeprecationWarning"]) == "done\n"
