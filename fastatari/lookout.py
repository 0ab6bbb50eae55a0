"""Waits for what is likely to come soon, awake."""

import os
import select
import time

Ready = list[tuple[int, int]]

# How long to look out before going to sleep, in seconds. On a virtual machine it takes 20 to 30 us to wake up, once or
# twice a batch, where a batch of 8 environments on 2 cores takes 1000.
_PATIENCE = 200e-6


def look_out(poller: select.poll, until: float, timeout: float | None = None) -> Ready:
    """Return what `select.poll` does; stay awake for some time, but so that any other process goes first.

    Args:
        poller (select.poll): has the descriptors.
        until (float): until when to stay awake, by `time.perf_counter`.
        timeout (float, optional): how many milliseconds to wait then at most.
    """
    while time.perf_counter() < until:
        if ready := poller.poll(0):
            return ready
        os.sched_yield()
    return poller.poll(timeout)


class Lookout:
    """Waits for what nobody knows when it comes: at first awake, if the last wait was short.

    Args:
        poller (select.poll): has the descriptors.
    """

    def __init__(self, poller: select.poll) -> None:
        self._poller = poller
        self._is_likely = False

    def wait(self) -> Ready:
        """Return what `select.poll` does."""
        end = time.perf_counter() + _PATIENCE
        ready = look_out(self._poller, end if self._is_likely else 0.0)
        self._is_likely = time.perf_counter() < end
        return ready
