"""The machine that is measured on, and what disturbs measurements: other processes, a quota, throttling."""

import os
import platform
import time
from pathlib import Path
from typing import Final, NamedTuple

from fastatari import __version__
from fastatari.cli.packages import find_version
from fastatari.resources import count_cores, list_cgroups, list_core_quotas

_ROOT: Final = Path("/")

_DISTRIBUTIONS: Final = ("numpy", "ale-py", "gymnasium", "opencv-python-headless", "envpool", "stable-baselines3")

# For how long the machine is looked at before anything is started, in seconds.
_WATCH_SECONDS: Final = 0.5

# How much of a core others may use before it is said.
_BUSY_CORES: Final = 0.2


def describe_machine() -> dict[str, str]:
    """Return the machine, and the versions of all that is measured."""
    lines = _read(_ROOT / "proc/cpuinfo").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    found = {
        "CPU": models[0] if models else platform.processor() or platform.machine(),
        "cores": str(count_cores()),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "fastatari": __version__,
    }
    versions = {name: find_version(name) for name in _DISTRIBUTIONS}
    return found | {name: version for name, version in versions.items() if version is not None}


class Reading(NamedTuple):
    """Counters of the machine at a moment.

    Attributes:
        time (float): the moment, in seconds.
        busy (float, optional): seconds for which cores were not idle, all together; None if the system does not say.
        own (float): seconds that this process and its ended children computed.
        throttled_num (int): how often cgroups of this process were throttled.
        throttled (float): for how many seconds.
    """

    time: float
    busy: float | None
    own: float
    throttled_num: int
    throttled: float


def read(root: Path = _ROOT) -> Reading:
    """Return the counters now.

    Args:
        root (Path): the folder with ``proc`` and ``sys/fs/cgroup``.
    """
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Reading(time.monotonic(), _read_busy(root), own, *_read_throttling(root))


def warn_before(root: Path = _ROOT, seconds: float = _WATCH_SECONDS) -> list[str]:
    """Return warnings of what will disturb a measurement, before anything is started.

    Args:
        root (Path): the folder with ``proc`` and ``sys/fs/cgroup``.
        seconds (float): for how long to look.
    """
    warnings = []
    before = read(root)
    time.sleep(seconds)
    others = count_other_cores(before, read(root))
    if others is None:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        if load > _BUSY_CORES:
            warnings.append(f"the machine is busy: a load of {load:.1f} in the last minute; figures will vary")
    elif others > _BUSY_CORES:
        cores = os.cpu_count() or 1
        warnings.append(f"the machine is busy: other processes use {others:.1f} of {cores} cores; figures will vary")
    quota, cores = min(list_core_quotas(root), default=float("inf")), _count_allowed()
    if quota < cores:
        warnings.append(
            f"a CPU quota allows {quota:g} of {cores} cores: packages that start more threads than that are throttled"
        )
    return warnings


def warn_after(before: Reading, after: Reading) -> list[str]:
    """Return warnings of what disturbed a measurement, all of whose processes have ended."""
    warnings = []
    others = count_other_cores(before, after)
    if others is not None and others > _BUSY_CORES:
        warnings.append(f"while measuring, other processes used {others:.1f} cores on average")
    if after.throttled_num > before.throttled_num:
        count, seconds = after.throttled_num - before.throttled_num, after.throttled - before.throttled
        warnings.append(f"while measuring, the CPU quota was used up {count} times: throttled for {seconds:.1f} s")
    return warnings


def count_other_cores(before: Reading, after: Reading) -> float | None:
    """Return how many cores other processes used on average between two readings; None if it is not known."""
    passed = after.time - before.time
    if before.busy is None or after.busy is None or passed <= 0:
        return None
    return max(0.0, after.busy - before.busy - (after.own - before.own)) / passed


def _read_busy(root: Path) -> float | None:
    """Return the seconds of all cores that were not idle, from ``/proc/stat``."""
    words = _read(root / "proc/stat").partition("\n")[0].split()
    if words[:1] != ["cpu"] or not all(word.isdecimal() for word in words[1:]) or len(words) < 6:
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in user already
    ticks = [int(word) for word in words[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _read_throttling(root: Path) -> tuple[int, float]:
    """Return how often, and for how many seconds, a cgroup of this process was throttled: the most of all of them."""
    found = [(0, 0.0)]
    for folder, version in list_cgroups(root, "cpu"):
        pairs = (line.split() for line in _read(folder / "cpu.stat").splitlines())
        numbers = {name: int(number) for name, number in (pair for pair in pairs if len(pair) == 2)}
        seconds = numbers.get("throttled_usec", 0) / 1e6 if version == 2 else numbers.get("throttled_time", 0) / 1e9
        found.append((numbers.get("nr_throttled", 0), seconds))
    return max(found)


def _count_allowed() -> int:
    """Return on how many cores this process may run, whatever the quota is."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _read(path: Path) -> str:
    """Return a file's text; nothing if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
