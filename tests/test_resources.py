"""Cores and memory that a process may use, on machines made of files."""

import os
import re
import subprocess
import sys

import pytest

from fastatari import resources
from fastatari.resources import check_memory, count_cores

MIB = 2**20

CORES = {
    "no cgroups": ({}, 64),
    "version 2 without a quota": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
    "version 2 with a quota of 1.5 cores": (
        {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "150000 100000\n"},
        2,
    ),
    "version 2 with a quota of the cgroup above": (
        {
            "proc/self/cgroup": "0::/jobs/mine\n",
            "sys/fs/cgroup/jobs/mine/cpu.max": "max 100000\n",
            "sys/fs/cgroup/jobs/cpu.max": "300000 100000\n",
        },
        3,
    ),
    "version 2 in a container that sees the tree from its own folder": (
        {"proc/self/cgroup": "0::/docker/7f3a\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        1,
    ),
    "version 1 with a quota": (
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/mine\n0::/\n",
            "sys/fs/cgroup/cpu/mine/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/mine/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1 without a quota": (
        {
            "proc/self/cgroup": "3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        64,
    ),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 64),
    "less than a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "0 100000\n"}, 1),
    "files that say nothing": ({"proc/self/cgroup": "0::/\nx\n\n", "sys/fs/cgroup/cpu.max": "many 0\n"}, 64),
    "a period of 0": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"}, 64),
}

LARGEST = (sys.maxsize, "the largest size of an array")
IN_V2 = {"proc/self/cgroup": "0::/a/b\n"}
MEMORY = {
    "nothing known": ({}, LARGEST),
    "the machine": (
        {"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable:   2000 kB\n"},
        (2_048_000, "MemAvailable of the machine"),
    ),
    "an old system without MemAvailable": ({"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 1 kB\n"}, LARGEST),
    "version 2": (
        IN_V2 | {"sys/fs/cgroup/a/b/memory.max": f"{8 * MIB}\n", "sys/fs/cgroup/a/b/memory.current": f"{5 * MIB}\n"},
        (3 * MIB, "the limit of the cgroup {root}/sys/fs/cgroup/a/b"),
    ),
    "version 2 with files in the cache": (
        IN_V2
        | {
            "sys/fs/cgroup/a/b/memory.max": f"{8 * MIB}\n",
            "sys/fs/cgroup/a/b/memory.current": f"{7 * MIB}\n",
            "sys/fs/cgroup/a/b/memory.stat": "anon 5\nfile 9\nactive_file 100\ninactive_file 20\nslab_reclaimable 3\n",
        },
        (MIB + 123, "the limit of the cgroup {root}/sys/fs/cgroup/a/b"),
    ),
    "version 2 with the limit of the cgroup above": (
        IN_V2
        | {
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/b/memory.current": "7\n",
            "sys/fs/cgroup/a/memory.max": "1000\n",
            "sys/fs/cgroup/a/memory.current": "900\n",
        },
        (100, "the limit of the cgroup {root}/sys/fs/cgroup/a"),
    ),
    "version 2 with a limit that was lowered": (
        IN_V2 | {"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "1500\n"},
        (0, "the limit of the cgroup {root}/sys/fs/cgroup"),
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/mine\n3:cpu:/\n0::/\n",
            "sys/fs/cgroup/memory/mine/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup/memory/mine/memory.usage_in_bytes": "600\n",
            "sys/fs/cgroup/memory/mine/memory.stat": "active_file 1\ntotal_active_file 50\ninactive_file 2\n",
        },
        (452, "the limit of the cgroup {root}/sys/fs/cgroup/memory/mine"),
    ),
    "version 1 without a limit": (
        {
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "600\n",
            "proc/meminfo": "MemAvailable: 7 kB\n",
        },
        (7168, "MemAvailable of the machine"),
    ),
    "files that say nothing": (
        IN_V2
        | {
            "proc/meminfo": "Mem\n",
            "sys/fs/cgroup/memory.max": "lots\n",
            "sys/fs/cgroup/memory.current": "\n",
            "sys/fs/cgroup/a/memory.max": "1000\n",
        },
        LARGEST,
    ),
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes the files of a machine with 64 cores and no limits of its own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    monkeypatch.setattr(os, "sysconf_names", {})
    monkeypatch.setattr(resources, "resource", None)

    def make(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize("name", CORES)
def test_count_cores_obeys_the_quotas_of_cgroups(name, machine):
    files, expected = CORES[name]
    assert count_cores(machine(files)) == expected


def test_count_cores_is_at_most_the_number_of_cores_that_this_process_may_run_on():
    assert 1 <= count_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("cores", "expected"), [(6, 6), (None, 1)])
def test_count_cores_counts_all_cores_when_the_system_has_no_affinity(cores, expected, machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert count_cores(machine({})) == expected


@pytest.mark.parametrize("name", MEMORY)
def test_check_memory_raises_when_more_is_needed_than_the_tightest_limit_leaves(name, machine):
    files, (available, limit) = MEMORY[name]
    root = machine(files)
    check_memory(available, "64 environments", root)
    for needed in (available + 1, 10**40):
        message = (
            f"not enough memory for 64 environments: {needed:,} bytes are needed, {available:,} are available "
            f"({limit.format(root=root)})"
        )
        with pytest.raises(MemoryError, match=f"^{re.escape(message)}$"):
            check_memory(needed, "64 environments", root)


def test_check_memory_knows_the_size_of_the_machine_when_there_is_no_proc(machine, monkeypatch):
    root = machine({})
    monkeypatch.setattr(os, "sysconf_names", {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 2})
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 100, "SC_PAGE_SIZE": 16384}.__getitem__)
    check_memory(1_638_400, "an environment", root)
    with pytest.raises(MemoryError, match=r"1,638,401 bytes are needed, 1,638,400 are available \(the machine's"):
        check_memory(1_638_401, "an environment", root)


def test_check_memory_has_only_the_largest_size_when_the_system_says_nothing(machine, monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    with pytest.raises(MemoryError, match="the largest size of an array"):
        check_memory(2**63, "an environment", machine({}))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the size of this process is not known")
def test_check_memory_subtracts_what_the_process_has_when_its_address_space_is_limited():
    program = (
        "import resource\n"
        "from fastatari.resources import check_memory\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, size + 2**26))\n"
        "check_memory(2**24, 'a small thing')\n"
        "check_memory(2**27, 'a large thing')\n"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    message = (
        r"MemoryError: not enough memory for a large thing: 134,217,728 bytes are needed, \d\d,\d{3},\d{3} are "
        r"available \(the limit RLIMIT_AS\)"
    )
    assert re.search(message, outcome.stderr), outcome.stderr


def test_check_memory_passes_on_this_machine_when_little_is_needed():
    check_memory(2**20, "an environment")
