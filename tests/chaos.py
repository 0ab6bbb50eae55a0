"""A program that plays with workers to which bad things happen; `test_chaos` runs it.

``chaos.py PHASE SECONDS SEED`` prints what it did, and fails where anything is not as it has to be. ``chaos.py victim
CONTEXT STATE DEATH`` dies.
"""

import contextlib
import faulthandler
import gc
import hashlib
import os
import re
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from failing import FAILURES, FailingCrew, orders

import fastatari.worker
from fastatari import AtariVectorEnv, WorkerDiedError, WorkerTimeoutError

NUM = 4
CONTEXTS = ("fork", "forkserver", "spawn")
MODES = ("NextStep", "SameStep", "Disabled")
SHORT = {"max_num_frames_per_episode": 303}  # so that episodes end


def log(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def within(seconds, what):
    """Check that something does not take longer; if it never ends, show where it hangs."""
    faulthandler.dump_traceback_later(20, exit=True)
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    faulthandler.cancel_dump_traceback_later()
    assert took < seconds, f"{what} took {took:.2f} s"


def count_descriptors():
    """Return how many there are, but for multiprocessing's heap, which keeps some of its memory for the next pool."""
    targets = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            targets.append(os.readlink(each))
    return sum("/pym-" not in target for target in targets)


def count_memory():
    """Return the kilobytes of this process that are in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def reset_mask(env, results):
    """Return which environments the caller has to reset."""
    return (results[2] | results[3]) if env.metadata["autoreset_mode"].value == "Disabled" else np.zeros(NUM, bool)


def churn(seconds, rng):
    """Start and end: nothing may be left of it."""
    end = time.monotonic() + seconds

    def cycle(context):
        num_workers = int(rng.integers(1, 4))
        env = AtariVectorEnv("breakout", 3, num_workers=num_workers, context=context)
        env.reset(seed=0)
        for _ in range(int(rng.integers(10))):
            env.step([0, 1, 2])
        if rng.random() < 0.3:
            env.send([0, 1, 2])
        if rng.random() < 0.5:
            with within(2, "a close"):
                env.close()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                del env
                gc.collect()

    for context in CONTEXTS:
        cycle(context)
    for _ in range(3):
        cycle("fork")
    descriptors, memory, cycles = count_descriptors(), count_memory(), 0
    while time.monotonic() < end:
        cycle("fork" if rng.random() < 0.85 else CONTEXTS[rng.integers(1, 3)])
        cycles += 1
        assert count_descriptors() == descriptors
    growth = count_memory() - memory
    log(f"churn: {cycles} cycles, {growth} KB")
    # A start grows and shrinks the heap by a few MB; what is lost in each would add up.
    assert growth < 6_000 + 50 * cycles


class Killer(threading.Thread):
    """Sends signals to workers, at random times, until told to stop."""

    SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGSTOP)

    def __init__(self, env, seed):
        super().__init__(daemon=True)
        self.env, self.rng = env, np.random.default_rng(seed)
        self.stopped = threading.Event()
        self.sent = []
        self.killed_starting = False

    def run(self):
        while not self.stopped.wait(self.rng.uniform(0.02, 0.4)):
            index = int(self.rng.integers(self.env.num_workers))
            number = self.rng.choice(self.SIGNALS, p=(0.6, 0.15, 0.1, 0.15))
            handle = self.env._pool._handles[index]
            # One that is stopped before it has started is given `start_timeout`, a minute, by right; and three in a row
            # that are lost before they have started are not replaced.
            may_kill = number != signal.SIGSTOP and not self.killed_starting and self.rng.random() < 0.1
            if handle.is_started or may_kill:
                self.killed_starting = not handle.is_started
                with contextlib.suppress(ProcessLookupError):
                    self.sent.append((index, int(number)))
                    os.kill(handle.pid, number)

    def stop(self):
        self.stopped.set()
        self.join()


def kill(seconds, rng):
    """Signals to workers: a named error within two seconds, or a replacement; and never a wrong observation."""
    warnings.filterwarnings("ignore", r"worker \d \(process \d+\) died: ", RuntimeWarning)
    end = time.monotonic() + seconds
    deaths = late = replaced = steps = 0
    twin = {mode: AtariVectorEnv("breakout", NUM, num_workers=0, autoreset_mode=mode, **SHORT) for mode in MODES}
    while time.monotonic() < end:
        mode, restarts = str(rng.choice(MODES)), bool(rng.random() < 0.5)
        num_workers = int(rng.integers(1, NUM + 1))
        env = AtariVectorEnv(
            "breakout",
            NUM,
            num_workers=num_workers,
            context="fork",
            autoreset_mode=mode,
            timeout=0.4,
            restart_workers=restarts,
            **SHORT,
        )
        env.reset(seed=1), twin[mode].reset(seed=1)
        is_true = np.ones(NUM, bool)  # which are still what their twins are
        killer = Killer(env, rng.integers(2**32))
        killer.start()
        until, caught = time.monotonic() + rng.uniform(0.5, 4), None
        try:
            while time.monotonic() < until:
                # A replacement loads environments, for 0.1 s each and more under load, and may be lost as well.
                with within(10 if restarts else 4, "a step"):
                    if rng.random() < 0.01:
                        env.reset(seed=1), twin[mode].reset(seed=1)
                        is_true[:] = True
                    elif rng.random() < 0.01:
                        with contextlib.suppress(WorkerDiedError) if restarts else contextlib.nullcontext():
                            env.save_state()
                    actions = rng.integers(4, size=NUM)
                    mine, theirs = env.step(actions), twin[mode].step(actions)
                    steps += 1
                    if "restarted" in mine[-1]:
                        replaced += int(mine[-1]["restarted"].sum())
                        is_true &= ~mine[-1]["restarted"]
                    for one, other in zip(mine[:-1], theirs[:-1], strict=True):
                        assert np.array_equal(one[is_true], other[is_true]), "a wrong observation"
                    for each, mask in ((env, reset_mask(env, mine)), (twin[mode], reset_mask(twin[mode], theirs))):
                        if mask.any():
                            _, infos = each.reset(options={"reset_mask": mask})
                            is_true &= ~infos.get("restarted", np.zeros(NUM, bool))
        except WorkerDiedError as error:
            caught = error.index, -error.exitcode
            deaths += 1
        except WorkerTimeoutError as error:
            caught = error.index, int(signal.SIGSTOP)
            late += 1
        killer.stop()
        assert caught is None or (caught in killer.sent and not restarts), (caught, killer.sent)
        with within(1.5, "a close"):
            env.close()
    log(f"kill: {steps} steps, {deaths} deaths, {late} late, {replaced} environments replaced")
    assert steps


class PoisonedCrew(FailingCrew):
    """A crew that fails where `place` says."""

    place, failure = "", 0

    def __init__(self, *arguments):
        if self.place == "construct":
            FAILURES[self.failure]()
        super().__init__(*arguments)

    def reset(self, *arguments):
        if self.place == "reset":
            FAILURES[self.failure]()
        super().reset(*arguments)


def poison(seconds, rng):
    """Failures of all kinds at all places: the error that is due, and the next pool works."""
    fastatari.worker.Crew = PoisonedCrew
    end, count = time.monotonic() + seconds, 0
    raising = [100, 101, 102, 103, 106, 109, 110, 112]
    ending = [104, 105, 107]
    while time.monotonic() < end or count < 6:
        place = str(rng.choice(["construct", "reset", "step", "save"]))
        failure = int(rng.choice(raising + ending))
        env = caught = None
        with within(5, f"{failure} at {place}"):
            try:
                PoisonedCrew.place, PoisonedCrew.failure = place, failure
                env = AtariVectorEnv("breakout", 2, num_workers=2, context="fork")
                env.reset(seed=0)
                orders[1] = failure if place in {"step", "save"} else 0
                env.save_state() if place == "save" else env.step([0, 0])
            except Exception as error:
                caught = error
            assert isinstance(caught, WorkerDiedError if failure in ending else Exception), (place, failure, caught)
            assert failure in ending or any("raised in worker" in note for note in caught.__notes__), (place, caught)
            PoisonedCrew.place, orders[1] = "", 0
            if env is not None:
                if failure in raising and place != "reset":
                    env.reset(seed=0)
                    env.step([0, 0])
                env.close()
        with AtariVectorEnv("breakout", 2, num_workers=1, context="fork") as env:
            env.reset()
        count += 1
    log(f"poison: {count} doses")


def play(envs, sums, actions):
    """Step environments, and add what they give to sums."""
    for env, total in zip(envs, sums, strict=True):
        result = env.step(actions)
        for array in result[:-1]:
            total.update(array.tobytes())
        mask = reset_mask(env, result)
        if mask.any():
            total.update(env.reset(options={"reset_mask": mask})[0].tobytes())


def truth(seconds, rng):
    """Long random play: all observations are those of environments in this process, also after states and deaths."""
    end = time.monotonic() + seconds
    steps = rebuilt = 0
    descriptors = memory = None
    AtariVectorEnv("breakout", 1, num_workers=1, context="forkserver").close()  # the fork server stays
    while time.monotonic() < end or not rebuilt:
        mode, seed = str(rng.choice(MODES)), int(rng.integers(1000))
        fields = {"autoreset_mode": mode, "preset": str(rng.choice(["gymnasium", "sb3", "ale"])), **SHORT}
        twin = AtariVectorEnv("breakout", NUM, num_workers=0, **fields)
        choices = [{"num_workers": None}, {"num_workers": 2}, {"num_workers": 3, "context": "forkserver"}]
        env = AtariVectorEnv("breakout", NUM, **choices[rng.integers(3)], **fields)
        sums = [hashlib.sha256(), hashlib.sha256()]
        played = []
        states = None

        env.reset(seed=seed), twin.reset(seed=seed)
        for _ in range(int(rng.integers(50, 400))):
            actions = rng.integers(4, size=NUM)
            played.append(actions)
            play((env, twin), sums, actions)
            steps += 1
            if rng.random() < 0.02:
                states = env.save_state(), twin.save_state()
            elif rng.random() < 0.02 and states:
                env.load_state(states[0]), twin.load_state(states[1])
        assert sums[0].digest() == sums[1].digest(), "wrong observations"
        if env.num_workers > 1:
            # All that was played, again from the seed, by workers that take the place of dead ones.
            os.kill(env._pool.processes[0].pid, signal.SIGKILL)
            with contextlib.suppress(WorkerDiedError):
                env.step(actions)
            env.close()
            env = AtariVectorEnv("breakout", NUM, num_workers=2, **fields)
            env.reset(seed=seed), twin.reset(seed=seed)
            for actions in played:
                play((env, twin), sums, actions)
            assert sums[0].digest() == sums[1].digest(), "wrong observations after a death"
            rebuilt += 1
        env.close()
        del env, twin
        gc.collect()
        if descriptors is None:
            descriptors, memory = count_descriptors(), count_memory()
    log(f"truth: {steps} steps, {rebuilt} rebuilt, {count_memory() - memory} KB")
    assert count_descriptors() == descriptors
    assert count_memory() - memory < 30_000


def victim(context, state, death):
    """Die in a state."""
    deaths = {
        "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
        "SIGINT": lambda: os.killpg(0, signal.SIGINT),
        "exit": lambda: os._exit(7),
        "abort": os.abort,
        "exception": None,
    }
    if state == "starting":
        threading.Timer(0.25, deaths[death]).start()
        warnings.simplefilter("ignore")
    log("begins")
    env = AtariVectorEnv("breakout", 8 if state == "starting" else 4, num_workers=4, context=context, timeout=5)
    if state == "starting":
        time.sleep(20)
    env.reset()
    if state == "pending":
        env.send([0] * 4)
    elif state == "stopped":
        os.kill(env._pool.processes[1].pid, signal.SIGSTOP)
        env.send([0] * 4)
    if death == "exception":
        raise ValueError("the trainer failed")
    deaths[death]()
    while True:
        env.step([0] * 4) if state == "idle" else env.recv()
        env.send([0] * 4) if state == "pending" else None


def main():
    faulthandler.disable()  # or workers, which are killed by SIGSEGV here, would print where they were
    if sys.argv[1] == "victim":
        victim(*sys.argv[2:])
        return
    phase, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    log(f"{phase} for {seconds} s, seed {seed}")
    {"churn": churn, "kill": kill, "poison": poison, "truth": truth}[phase](seconds, np.random.default_rng(seed))


if __name__ == "__main__":
    main()
