"""How many cores this process may use, and which of them its workers do."""

import contextlib
import ctypes
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_find_core: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None)


class Separation:
    """Keeps other processes off the core of this one, which is about to work beside them.

    Linux often lets a process that is woken begin on the core of the one that wakes it, if the other cores have slept
    for some milliseconds. If the latter works on instead of waiting, the former begins only when that is over. On a
    virtual machine with two cores, after a sleep of 5 ms, that was so four times of five: two processes with 1.2 ms to
    do each took 2.6 ms, and take 1.4 if kept apart.

    Args:
        pids (Sequence[int]): the other processes.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._usable = os.sched_getaffinity(0)
        self._core = -1

    def renew(self) -> None:
        """Let them run on all cores that this process was allowed at first, but for the one that it is on now.

        To be called before they are woken. It takes 0.1 us to look, and two system calls for each if that has changed.
        One that was given another affinity by others keeps that.
        """
        core = -1 if _find_core is None else _find_core()
        if core == self._core:
            return
        others = self._usable - {core}
        for pid in self._pids if others else ():
            with contextlib.suppress(OSError):  # it is gone, or this is not allowed
                present = os.sched_getaffinity(pid)
                if present <= self._usable and len(self._usable - present) <= 1:
                    os.sched_setaffinity(pid, others)
        self._core = core


def count_cores(root: Path = Path("/")) -> int:
    """Return how many cores' time this process may use, at least 1.

    That is the cores that it may run on (``sched_getaffinity``), or fewer where a cgroup, as of a container, has a
    quota: a quota of 1.5 cores counts as 2.

    Args:
        root (Path): where to look for ``proc/self/cgroup`` and ``sys/fs/cgroup``.
    """
    return max(1, min([len(os.sched_getaffinity(0)), *_list_quotas(root)]))


def _list_quotas(root: Path) -> Iterator[int]:
    """Yield the quotas, in whole cores, of this process's cgroups and of all above them."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        # Version 2 has one tree, without a name; version 1 has one for each of its controllers.
        if controllers and "cpu" not in controllers.split(","):
            continue
        tree = mount / "cpu" if controllers else mount
        folder = tree / path.lstrip("/")
        # The tree itself, too, for a container may see its own folder there, and above it a path of the host's.
        for each in {tree, folder, *folder.parents} - set(tree.parents):
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            values = " ".join(_read(each / file) for file in files).split()
            if len(values) == 2 and values[0] not in {"max", "-1"}:
                yield math.ceil(int(values[0]) / int(values[1]))


def _read(path: Path) -> str:
    """Return a file's text; nothing if it is not there."""
    try:
        return path.read_text()
    except OSError:
        return ""
