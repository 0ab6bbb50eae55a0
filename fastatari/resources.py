"""What this process may use of the machine: cores and memory.

A process is limited by the machine, by its own limits (the cores that it may run on, ``RLIMIT_AS``), and on Linux by
its cgroups, such as those of a container or of a job. What a system does not have, such as ``/proc`` outside of Linux,
limits nothing.
"""

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

_ROOT = Path("/")


def count_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process can use at a time, at least 1.

    These are the cores that it may run on (``sched_getaffinity``), or all cores where the system does not say that. A
    quota of a cgroup lowers the number: a quota of 1.5 cores counts as 2.

    Args:
        root (Path): the folder with ``proc/self/cgroup`` and ``sys/fs/cgroup``.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, list_core_quotas(root))]))


def check_memory(needed: int, what: str, root: Path = _ROOT) -> None:
    """Check that there is memory for something, before it is made.

    Args:
        needed (int): its size in bytes; an integer of any size.
        what (str): what needs the memory, such as "64 environments".
        root (Path): the folder with ``proc`` and ``sys/fs/cgroup``.

    Raises:
        MemoryError: it is more than there is. It says how many bytes are needed, how many there are, and what limits
            them.
    """
    available, limit = min(_list_memory(root))
    if needed > available:
        raise MemoryError(
            f"not enough memory for {what}: {needed:,} bytes are needed, {available:,} are available ({limit})"
        )


def list_core_quotas(root: Path = _ROOT) -> Iterator[float]:
    """Yield how many cores each cgroup of this process with a quota allows, such as 1.5.

    Args:
        root (Path): as for `count_cores`.
    """
    for folder, version in list_cgroups(root, "cpu"):
        files = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        # "max" or -1 instead of a number means that there is no quota.
        words = " ".join(_read(folder / file) for file in files).split()
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0:
            yield int(words[0]) / int(words[1])


def _list_memory(root: Path) -> Iterator[tuple[int, str]]:
    """Yield the bytes that each limit leaves, and the name of the limit."""
    yield sys.maxsize, "the largest size of an array"
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024, "MemAvailable of the machine"
    if hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "the machine's memory"
    for folder, version in list_cgroups(root, "memory"):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        most, used = (_read(folder / name).strip() for name in names)
        if most.isdecimal() and used.isdecimal():
            yield max(0, int(most) - int(used) + _count_reclaimable(folder)), f"the limit of the cgroup {folder}"
    if resource is not None:
        most_addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most_addresses != resource.RLIM_INFINITY:
            pages = int((_read(root / "proc/self/statm").split() or ["0"])[0])
            yield max(0, most_addresses - pages * resource.getpagesize()), "the limit RLIMIT_AS"


def _count_reclaimable(folder: Path) -> int:
    """Return the bytes that a cgroup uses, but gives back when they are needed: cached files and the like."""
    words = (line.split() for line in _read(folder / "memory.stat").splitlines())
    sizes = {name: int(size) for name, size in (pair for pair in words if len(pair) == 2) if size.isdecimal()}
    # In version 1, the names with "total_" count the cgroups below, too, as all names do in version 2.
    names = ("active_file", "inactive_file", "slab_reclaimable")
    return sum(sizes.get(f"total_{name}", sizes.get(name, 0)) for name in names)


def list_cgroups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the folders of this process's cgroups with a controller, and of all above them, with their version."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # Version 2 has one tree, for all controllers and without a name; version 1 has one tree for each controller.
        if controllers and controller not in controllers.split(","):
            continue
        tree = mount / controller if controllers else mount
        folder = tree / path.lstrip("/")
        # The tree itself is looked at, too, because a container may find its own folder there, while `path` is the
        # host's.
        for each in {tree, folder, *folder.parents} - set(tree.parents):
            yield each, 1 if controllers else 2


def _read(path: Path) -> str:
    """Return a file's text; nothing if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
