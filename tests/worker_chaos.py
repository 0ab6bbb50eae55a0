"""A program that plays with workers to which bad things happen at random; `test_worker_chaos.py` runs it.

``worker_chaos.py PHASE SECONDS SEED`` prints what it did, and fails where anything is not as it has to be.
``worker_chaos.py victim CONTEXT STATE DEATH`` makes workers and dies.
"""

import contextlib
import faulthandler
import gc
import os
import re
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
from failing_games import ACTIONS, EXCEPTIONS, FailingGame

from fastatari import WorkerDiedError
from fastatari.envs import worker_server
from fastatari.envs.worker import Worker
from fastatari.envs.worker_server import Game

CONTEXTS = ("fork", "forkserver", "spawn")


def log(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def within(seconds, what):
    """Check that something takes no longer; if it never ends, show where it hangs."""
    faulthandler.dump_traceback_later(20, exit=True)
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    faulthandler.cancel_dump_traceback_later()
    assert took < seconds, f"{what} took {took:.2f} s"


def count_descriptors():
    """Return how many there are, without those of shared memory that `multiprocessing` keeps for later workers."""
    targets = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            targets.append(os.readlink(each))
    return sum("/pym-" not in target for target in targets)


def count_memory():
    """Return the kilobytes of this process that are in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def churn(seconds, rng):
    """Start and end: nothing may be left of it."""

    def cycle(context):
        worker = Worker(0, context=context)
        worker.child.send(("reset", None))
        if rng.random() < 0.7:
            assert worker.child.recv().shape == (4, 84, 84)
            for _ in range(int(rng.integers(10))):
                worker.child.send(("step", 1))
        if rng.random() < 0.5:
            with within(3, "a close"):
                worker.close()
        else:
            del worker
            gc.collect()

    for context in (*CONTEXTS, "fork", "fork", "fork"):
        cycle(context)
    descriptors, memory, cycles = count_descriptors(), count_memory(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        cycle("fork" if rng.random() < 0.9 else CONTEXTS[rng.integers(1, 3)])
        cycles += 1
        assert count_descriptors() == descriptors
    growth = count_memory() - memory
    log(f"churn: {cycles} cycles, {growth} KB")
    # A start grows and shrinks the heap by a few MB. What is lost in each would add up.
    assert growth < 6_000 + 50 * cycles


class Killer(threading.Thread):
    """Sends signals to workers at random times; a worker that it stops goes on, or is killed, after a while."""

    SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGSTOP)

    def __init__(self, workers, seed):
        super().__init__(daemon=True)
        self.workers, self.rng = workers, np.random.default_rng(seed)
        self.stopped = threading.Event()
        self.sent = {}  # of each process the signals that it was sent

    def run(self):
        while not self.stopped.wait(self.rng.uniform(0.02, 0.3)):
            pid = self.workers[self.rng.integers(len(self.workers))].process.pid
            number = self.rng.choice(self.SIGNALS, p=(0.5, 0.2, 0.1, 0.2))
            self.send(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(self.rng.uniform(0, 0.3))
                self.send(pid, self.rng.choice((signal.SIGCONT, signal.SIGKILL)))

    def send(self, pid, number):
        self.sent.setdefault(pid, set()).add(int(number))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(seconds, rng):
    """Signals to workers: an error that names them in time, and never a wrong observation."""
    end = time.monotonic() + seconds
    games = [Game(0) for _ in range(3)]
    workers = [Worker(0, context="fork") for _ in games]
    pending = [deque([("reset", None)]) for _ in games]  # of each worker the requests that it has not answered
    for worker in workers:
        worker.child.send(("reset", None))
    killer = Killer(workers, rng.integers(2**32))
    killer.start()
    replies = deaths = 0
    while time.monotonic() < end:
        index = int(rng.integers(3))
        worker, death = workers[index], None
        try:
            with within(10, "a request"):  # which may wait until a worker has started
                if len(pending[index]) < 2 and rng.random() < 0.6:
                    request = ("reset", None) if rng.random() < 0.02 else ("step", int(rng.integers(4)))
                    worker.child.send(request)
                    pending[index].append(request)
                elif pending[index]:
                    check(worker.child.recv(), games[index], pending[index].popleft())
                    replies += 1
        except WorkerDiedError as error:
            death = error
        if death:
            assert death.pid == worker.process.pid
            assert -death.exitcode in killer.sent[death.pid], death
            deaths += 1
            with within(3, "a close"):
                worker.close()
            worker = Worker(0, context="fork" if rng.random() < 0.8 else CONTEXTS[rng.integers(3)])
            worker.child.send(("reset", None))
            workers[index], pending[index] = worker, deque([("reset", None)])
    killer.stopped.set()
    killer.join()
    for worker in workers:
        with within(3, "a close"):
            worker.close()
    log(f"kill: {replies} replies, {deaths} deaths")
    assert replies
    assert deaths


def check(reply, game, request):
    """Check that a reply is what a game gives."""
    if request[0] == "reset":
        assert np.array_equal(reply, game.reset()), "a wrong observation"
        return
    expected = game.step(request[1])
    assert np.array_equal(reply[0], expected[0]), "a wrong observation"
    assert reply[1:] == expected[1:]


def truth(seconds, rng):
    """Requests of all kinds in any order, up to five ahead: each gets its own reply."""
    worker_server.Game = FailingGame
    failing = {("step", ACTIONS[name]): error for name, error, _ in EXCEPTIONS}
    wrong = {("step", 4): "InvalidAction", ("fly", None): "NotImplementedError", ("step", None): "TypeError"}
    errors = failing | wrong
    end = time.monotonic() + seconds
    requests = failures = 0
    while time.monotonic() < end:
        worker, game = Worker(0, context="fork"), Game(0)
        pending = deque([("reset", None)])
        worker.child.send(("reset", None))
        for _ in range(int(rng.integers(20, 400))):
            if len(pending) < 5 and rng.random() < 0.6:
                kinds = [[("step", action) for action in range(4)], list(errors), [("reset", None)]]
                kind = kinds[rng.choice(3, p=(0.8, 0.18, 0.02))]
                request = kind[rng.integers(len(kind))]
                worker.child.send(request)
                pending.append(request)
                requests += 1
            elif pending:
                request = pending.popleft()
                try:
                    reply = worker.child.recv()
                except Exception as error:
                    reply = error
                if request in errors:
                    failures += 1
                    assert type(reply).__name__ == errors[request], (request, reply)
                else:
                    check(reply, game, request)
        with within(3, "a close"):
            worker.close()
    log(f"truth: {requests} requests, {failures} failures")
    assert failures


def victim(context, state, death):
    """Die in a state."""
    workers = [Worker(seed, context=context) for seed in range(2)]
    log("begins")
    if state != "starting":
        for worker in workers:
            worker.child.send(("reset", None))
            worker.child.recv()
    if state == "stopped":
        os.kill(workers[1].process.pid, signal.SIGSTOP)
    if state in ("pending", "stopped"):
        for worker in workers:
            worker.child.send(("step", 1))
    match death:
        case "exception":
            raise ValueError("the trainer failed")
        case "exit":
            os._exit(7)
        case "abort":
            os.abort()
        case "SIGINT":
            os.killpg(0, signal.SIGINT)
            workers[1].child.poll(None)  # waits
        case _:
            os.kill(os.getpid(), signal.Signals[death])


if __name__ == "__main__":
    faulthandler.disable()  # workers, which are killed by SIGSEGV here, would print where they were
    phase, *arguments = sys.argv[1:]
    if phase == "victim":
        victim(*arguments)
    else:
        log(f"{phase} for {arguments[0]} s, seed {arguments[1]}")
        {"churn": churn, "kill": kill, "truth": truth}[phase](
            float(arguments[0]), np.random.default_rng(int(arguments[1]))
        )
