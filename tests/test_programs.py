"""What happens to whole programs that have workers or threads: each runs in an interpreter and a session of its own."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

# What a program has: labml's workers, started in some way, or a vector environment, with threads and no process.
KINDS = [*multiprocessing.get_all_start_methods(), "vector"]

PROGRAM = """
import os, signal, sys, time
import numpy as np
from fastatari import AtariVectorEnv, Worker

# A shell's background jobs ignore it, and so would this program.
signal.signal(signal.SIGINT, signal.default_int_handler)
{start}

def make_workers():
    workers = [Worker(i, context=sys.argv[1]) for i in range(2)]
    for worker in workers:
        worker.child.send(("reset", None))
    for worker in workers:
        worker.child.recv()
    return workers, [worker.process for worker in workers]

def step_workers(workers):
    for worker in workers:
        worker.child.send(("step", 1))
    for worker in workers:
        worker.child.recv()

def make_vector():
    env = AtariVectorEnv("breakout", 4, num_threads=2)
    env.reset()
    env.send([1] * 4)  # starts the threads
    env.recv()
    return [env], []

def step_vector(envs):
    envs[0].step([1] * 4)

def main():
    make, step = (make_vector, step_vector) if sys.argv[1] == "vector" else (make_workers, step_workers)
    subjects, processes = make()
    print(*(process.pid for process in processes), flush=True)
    del processes
    {end}

if __name__ == "__main__":
    main()
"""

STEP_FOREVER = "while True: step(subjects)"


@pytest.fixture(params=KINDS)
def run_program(request, tmp_path):
    """Return a function that starts a program, and returns the running process and its workers' pids."""

    def run(end, start=""):
        path = tmp_path / "program.py"
        path.write_text(PROGRAM.format(start=start, end=textwrap.dedent(end).strip().replace("\n", "\n    ")))
        process = subprocess.Popen(
            # What nobody closed is said where Python is asked for it, and is tested elsewhere.
            [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore:unclosed", str(path), request.param],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return process, [int(pid) for pid in line.split()]

    processes = []
    yield run
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def communicate(process):
    """Return what a program still prints."""
    return process.communicate(timeout=10)


def assert_gone(pids):
    deadline = time.monotonic() + 3
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "workers outlive their caller"
        time.sleep(0.01)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("end", "returncode"),
    [
        (STEP_FOREVER, -signal.SIGKILL),
        ("time.sleep(60)", -signal.SIGKILL),
        ("time.sleep(60)", -signal.SIGTERM),
        ("os._exit(5)", 5),
    ],
)
def test_workers_end_when_their_caller_is_gone(end, returncode, run_program):
    process, pids = run_program(end)
    if returncode < 0:
        os.kill(process.pid, -returncode)
    assert process.wait(5) == returncode
    assert_gone(pids)


@pytest.mark.parametrize("end", ["return", "step(subjects)", "subjects.clear()"])
def test_a_program_that_closes_nothing_ends_quietly(end, run_program):
    process, pids = run_program(end)
    begin = time.monotonic()
    _, stderr = communicate(process)
    assert (process.returncode, stderr) == (0, "")
    assert time.monotonic() - begin < 5
    assert_gone(pids)


def test_a_handler_that_keeps_the_caller_from_ending_does_not_keep_its_workers(run_program):
    start = "signal.signal(signal.SIGTERM, lambda *_: None)"
    process, pids = run_program("globals().update(kept=subjects)", start)
    _, stderr = communicate(process)
    assert (process.returncode, stderr) == (0, "")
    assert_gone(pids)


def test_an_uncaught_exception_leaves_one_traceback(run_program):
    process, pids = run_program("raise ValueError('the trainer failed')")
    _, stderr = communicate(process)
    assert process.returncode == 1
    assert stderr.count("Traceback") == 1
    assert_gone(pids)


def test_ctrl_c_prints_one_traceback(run_program):
    process, pids = run_program(STEP_FOREVER)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = communicate(process)
    assert process.returncode != 0
    assert stderr.count("Traceback") == stderr.count("KeyboardInterrupt") == 1, stderr
    assert_gone(pids)


@pytest.mark.parametrize("run_program", KINDS[:-1], indirect=True)
def test_ctrl_c_while_workers_start_prints_one_traceback(run_program):
    start = """
from fastatari.envs.worker_connection import WorkerConnection
start_worker = WorkerConnection.__init__
started = []
def start_and_interrupt(connection, *args, **kwargs):
    start_worker(connection, *args, **kwargs)
    started.append(connection._pid)
    if len(started) == 2:
        print(*started, flush=True)
        os.killpg(0, signal.SIGINT)
WorkerConnection.__init__ = start_and_interrupt
"""
    process, pids = run_program("pass", start)
    _, stderr = communicate(process)
    assert process.returncode != 0
    assert_gone(pids)
    assert stderr.count("Traceback") == stderr.count("KeyboardInterrupt") == 1, stderr


def test_ctrl_c_spares_the_workers_of_a_caller_that_catches_it(run_program):
    process, pids = run_program(
        """
        try:
            print("asleep", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print(step(subjects))
        """,
    )
    assert process.stdout.readline() == "asleep\n"
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = communicate(process)
    assert (process.returncode, stdout, stderr) == (0, "None\n", "")
    assert_gone(pids)
