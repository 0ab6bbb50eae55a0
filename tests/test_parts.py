"""The small parts of worker pools."""

import operator
import os
import select
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastatari import cores, lookout, protocol, shared
from fastatari.infos import StepReader, read_rows
from fastatari.loans import Loans
from fastatari.lookout import Lookout, look_out

# Files below the root, and how many cores they leave of 64.
QUOTAS = {
    "none": ({}, 64),
    "version 2": (
        {"proc/self/cgroup": "0::/jobs/mine\n", "sys/fs/cgroup/jobs/mine/cpu.max": "150000 100000\n"},
        2,
    ),
    "version 2, of a parent": (
        {
            "proc/self/cgroup": "0::/jobs/mine\n",
            "sys/fs/cgroup/jobs/mine/cpu.max": "max 100000\n",
            "sys/fs/cgroup/jobs/cpu.max": "300000 100000\n",
        },
        3,
    ),
    "version 2, of a container that sees the tree from its own folder": (
        {"proc/self/cgroup": "0::/docker/7f3a\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        1,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/mine\n0::/\n",
            "sys/fs/cgroup/cpu/mine/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/mine/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1, without a quota": (
        {
            "proc/self/cgroup": "3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        64,
    ),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 64),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_cores_are_counted_as_cgroups_allow(name, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    files, expected = QUOTAS[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert cores.count_cores(tmp_path) == expected


def test_cores_are_at_most_those_that_this_process_may_use():
    assert 1 <= cores.count_cores() <= len(os.sched_getaffinity(0))


@settings(max_examples=30, deadline=None)
@given(
    num=st.integers(1, 9),
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    dtype=st.sampled_from(["uint8", "float32"]),
    slot_num=st.integers(1, 3),
)
def test_slots_do_not_overlap(num, shape, dtype, slot_num):
    layout = shared.Layout(num, shape, dtype, slot_num)
    memory = bytearray(layout.size)
    slots = layout.view(memory)
    arrays = [array for slot in slots for array in slot[:3]]
    for value, array in enumerate(arrays, 1):
        array.view(np.uint8)[...] = value
    for value, array in enumerate(arrays, 1):
        assert (array.view(np.uint8) == value).all()
        assert array.flags.writeable
        assert (array.ctypes.data - np.frombuffer(memory, np.uint8).ctypes.data) % 64 == 0
    assert slots[-1].observations.shape == (num, *shape)


def test_a_row_is_packed_as_a_record_is_laid_out():
    record = np.zeros(1, shared.RECORD)
    values = (1.5, -2.0, 3, 4, 5, True, False, True, False, True, shared.RESET)
    shared.ROW.pack_into(record.view(np.uint8).data, 0, *values)
    names = (
        "reward", "raw_reward", "lives", "episode_frame_number", "frame_number", "terminated", "truncated", "life_lost",
        "game_over", "needs_reset", "kind",
    )  # fmt: skip
    assert tuple(record[0][name].item() for name in names) == values


@settings(max_examples=50, deadline=None)
@given(num=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
def test_plain_rows_are_read_as_any_others(num, seed):
    rng = np.random.default_rng(seed)
    layout = shared.Layout(num, (1,), "uint8", 2)
    slots = layout.view(bytearray(layout.size))
    for slot in slots:
        for name in shared.RECORD.names:
            slot.records[name] = rng.integers(2 if slot.records[name].dtype == bool else 1000, size=num)
        slot.records["kind"] = shared.STEP
    reader = StepReader(slots)
    for number, slot in enumerate(slots):
        # Of all environments from the first slot, and of some from the other.
        batch = np.sort(rng.choice(num, rng.integers(1, num + 1), replace=False)) if number else None
        take = np.copy if batch is None else operator.itemgetter(batch)
        expected = read_rows(slot.records, take)
        rewards, terminated, truncated, infos = reader.read(number, batch)
        assert np.array_equal(infos.pop("env_id"), np.arange(num) if batch is None else batch)
        assert infos.pop("_env_id").all()
        assert infos.keys() == expected.keys()
        for name, values in infos.items():
            assert values.dtype == expected[name].dtype
            assert np.array_equal(values, expected[name])
        for name, values in (("reward", rewards), ("terminated", terminated), ("truncated", truncated)):
            assert values.dtype == slot.records[name].dtype
            assert np.array_equal(values, take(slot.records[name]))
            assert values.flags.c_contiguous


VIEWS = [
    lambda array: array,
    lambda array: array[0],
    lambda array: array[1:, ::2].T,
    lambda array: array.reshape(-1)[3:],
    lambda array: array.view(np.int8),
    lambda array: array.view(np.matrix) if array.ndim == 2 else array,
    memoryview,
    lambda array: np.asarray(memoryview(array))[1:],
    np.from_dlpack,
    lambda array: {"kept": [array[0]]},
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(VIEWS), st.integers(0, 6)), min_size=5, max_size=40))
def test_what_is_lent_is_not_written_to_while_anything_refers_to_it(loans_made):
    """Each loan is kept by some view of it for some rounds; whatever is kept has to stay what it was."""
    layout = shared.Layout(3, (5, 4), "uint8", 3)
    memory = bytearray(layout.size)
    slots = layout.view(memory)
    loans = Loans(memory, slots)
    kept = []
    for round_number, (view, rounds) in enumerate(loans_made):
        kept = [(end, value, each) for end, value, each in kept if end > round_number]
        slot = loans.find_free()
        assert slot is not None
        slots[slot].observations[:] = round_number
        kept.append((round_number + rounds, round_number, view(loans.lend(slot))))
        for _, value, each in kept:
            assert (np.asarray(each["kept"][0] if isinstance(each, dict) else each) == value).all()


def test_lending_copies_only_the_last_slot():
    layout = shared.Layout(2, (3,), "float32", 3)
    memory = bytearray(layout.size)
    loans = Loans(memory, layout.view(memory))
    shares = [np.shares_memory(array, np.frombuffer(memory, np.uint8)) for array in map(loans.lend, (0, 1, 2))]
    assert shares == [True, True, True]  # none was kept
    kept = [loans.lend(loans.find_free()) for _ in range(5)]
    shares = [np.shares_memory(array, np.frombuffer(memory, np.uint8)) for array in kept]
    assert shares == [True, True, False, False, False]
    del kept[0]
    assert loans.find_free() == 0
    assert kept[0].dtype == np.float32


def test_a_lookout_sees_what_comes_and_sleeps_when_nothing_does(monkeypatch):
    reader, writer = os.pipe()
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    there = [(reader, select.POLLIN)]
    now, yields = time.perf_counter, []
    monkeypatch.setattr(os, "sched_yield", lambda: yields.append(1))
    begin = now()
    assert look_out(poller, 0.0, 20) == []
    assert now() - begin >= 0.02
    assert not yields
    begin = now()
    assert look_out(poller, begin + 0.02, 20) == []
    assert now() - begin >= 0.04
    assert yields
    monkeypatch.setattr(os, "sched_yield", lambda: os.write(writer, b"x"))
    assert look_out(poller, now() + 10) == there
    assert look_out(poller, 0.0) == there
    waiting = Lookout(poller)
    assert waiting.wait() == there
    os.read(reader, 1)
    # Awake only after a short wait: patience is long here, or a busy machine would decide what is short.
    for patience, is_awake in ((10, False), (10, True), (1e-9, True), (1e-9, False)):
        monkeypatch.setattr(lookout, "_PATIENCE", patience)
        waiting._is_likely = is_awake
        yields.clear()
        monkeypatch.setattr(os, "sched_yield", lambda: yields.append(1))
        timer = threading.Timer(0.05, os.write, (writer, b"x"))
        timer.start()
        assert waiting.wait() == there
        timer.join()
        assert bool(yields) == (is_awake and patience == 10)
        assert waiting._is_likely == (patience == 10)
        os.read(reader, 1)
    os.close(reader), os.close(writer)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one core nobody can be kept apart")
def test_others_keep_off_the_core_of_who_asks(monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    usable = os.sched_getaffinity(0)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    calls = []

    def set_affinity(pid, others, set_affinity=os.sched_setaffinity):
        calls.append((pid, others))
        set_affinity(pid, others)

    monkeypatch.setattr(os, "sched_setaffinity", set_affinity)
    separation = cores.Separation([gone.pid, process.pid])
    for core in sorted(usable)[:2]:
        monkeypatch.setattr(cores, "_find_core", lambda core=core: core)
        for _ in range(3):
            separation.renew()
        assert calls == [(process.pid, usable - {core})]
        assert os.sched_getaffinity(process.pid) == usable - {core}
        calls.clear()
    # Where there is one core, or no telling which, all stays as it is.
    for find_core, allowed in ((lambda: 7, {7}), (None, usable)):
        monkeypatch.setattr(cores, "_find_core", find_core)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, allowed=allowed: allowed)
        cores.Separation([process.pid]).renew()
        assert not calls
    # Nor where others chose: here they left out two cores.
    monkeypatch.setattr(cores, "_find_core", lambda: 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: usable if pid else usable | {1000, 1001})
    cores.Separation([process.pid]).renew()
    assert not calls
    process.communicate(b"\n")


def test_messages_arrive_whatever_the_pipe_holds():
    """Large ones in parts, as the pipe has room; a reader that finds nothing waits."""
    reader, writer = os.pipe()
    for descriptor in (reader, writer):
        os.set_blocking(descriptor, False)
    message = np.random.default_rng(0).bytes(300_000)
    received = []
    protocol.write(writer, message, lambda: received.append(os.read(reader, 40_000)))
    rest = len(message) - sum(map(len, received))
    assert b"".join(received) + protocol.read(reader, rest) == message
    assert len(received) > 3
    data = protocol.read(reader, 5, lambda: os.write(writer, b"ab"))
    assert data == b"ababa"
    os.close(writer)
    with pytest.raises(EOFError):
        protocol.read(reader, 2)
    os.close(reader)


@pytest.mark.parametrize("indices", [[], [0], [3, 1, 2], range(300)])
def test_requests_and_replies_are_read_as_they_were_packed(indices):
    reader, writer = os.pipe()
    os.write(writer, protocol.pack_step(2, indices))
    kind, slot, numbers = protocol.read_request(reader)
    assert (kind, slot, list(numbers)) == (protocol.STEP, 2, list(indices))
    os.write(writer, protocol.pack_call("reset", 1, {0: None}))
    assert protocol.read_request(reader) == (protocol.CALL, 0, ("reset", (1, {0: None})))
    os.write(writer, protocol.pack_close())
    assert protocol.read_request(reader)[0] == protocol.CLOSE
    for reply in [
        (protocol.STEP, True, 4, None),
        (protocol.STEP, False, 2, ["final"]),
        (protocol.PROGRESS, True, 7, None),
    ]:
        os.write(writer, protocol.pack_reply(*reply))
        head = protocol.read(reader, protocol.HEAD_SIZE)
        assert protocol.read_reply(head, reader, lambda: None) == reply
    os.close(reader), os.close(writer)
