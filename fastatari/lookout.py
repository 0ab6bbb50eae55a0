"""`Lookout`: waits for what is likely to come soon."""

import os
import select
import time

# How long to look out before going to sleep, in seconds. On a virtual machine it takes 20 to 30 us to wake up, once or
# twice a batch, where a batch of 8 environments on 2 cores takes 1000.
_PATIENCE = 200e-6


class Lookout:
    """Waits for descriptors; at first awake, if the last wait was short, but so that any other process goes first.

    Args:
        poller (select.poll): has the descriptors.
    """

    def __init__(self, poller: select.poll) -> None:
        self._poller = poller
        self._is_likely = False

    def wait(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Return what `select.poll` does.

        Args:
            timeout (float, optional): how many milliseconds to wait at most.
        """
        poll = self._poller.poll
        ready = poll(0)
        if ready:
            return ready
        end = time.perf_counter() + _PATIENCE
        while not ready and self._is_likely and time.perf_counter() < end:
            os.sched_yield()
            ready = poll(0)
        ready = ready or poll(timeout)
        self._is_likely = time.perf_counter() < end
        return ready
