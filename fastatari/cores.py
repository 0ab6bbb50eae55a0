"""How many cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path


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
