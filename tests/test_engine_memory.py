"""What the compiled step writes to: its own arrays, whatever is played; and an index of no access is out of bounds."""

import bisect
import ctypes
from types import SimpleNamespace

import engines
import numpy as np
import pytest
from engines import CONFIGURATIONS, make_engine, play, reset
from test_engine_twin import find_plain

from fastatari.compiler import intrinsics
from fastatari.compiler.memory import Pointer8, Pointer64
from fastatari.console import memory, starts
from fastatari.engine import arrays, machine_code, opening, pictures, queue, results, stepping, threads
from fastatari.engine.queue import Queue

GUARD = 0xA5
MARGIN = 256  # bytes before and behind each array


class Guards:
    """Allocates arrays between bytes that nobody may write to."""

    def __init__(self):
        self._memory = []

    def allocate(self, size):
        whole = np.full(size + 2 * MARGIN + 64, GUARD, np.uint8)
        begin = MARGIN + -whole.ctypes.data % 64
        self._memory.append((whole, begin, begin + size))
        array = whole[begin : begin + size]
        array[:] = 0
        return array

    def zeros(self, shape, dtype=float):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.allocate(size).view(dtype).reshape(shape)

    def ones(self, shape, dtype=float):
        array = self.zeros(shape, dtype)
        array[...] = 1
        return array

    def check(self, where):
        for number, (whole, begin, end) in enumerate(self._memory):
            assert (whole[:begin] == GUARD).all(), (
                f"{where}: something wrote before array {number}, of {end - begin} bytes"
            )
            assert (whole[end:] == GUARD).all(), (
                f"{where}: something wrote behind array {number}, of {end - begin} bytes"
            )


class GuardedNumpy:
    """numpy, except that it allocates with guards."""

    def __init__(self, guards):
        self.zeros, self.ones = guards.zeros, guards.ones

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.fixture
def guards(monkeypatch):
    """Let engines have guards around all of their arrays, and around those that observations are written to."""
    guards = Guards()
    for module in (arrays, results, threads, memory, starts):
        monkeypatch.setattr(module, "np", GuardedNumpy(guards))
    for module in (arrays, memory):
        monkeypatch.setattr(module, "allocate", guards.allocate)
    monkeypatch.setattr(arrays, "find_starts", lambda rom, _: starts.Starts(rom.rows))
    monkeypatch.setattr(threads, "Queue", lambda: Queue.from_buffer(guards.allocate(ctypes.sizeof(Queue))))

    def make_out(engine, num_rows):
        out = guards.zeros((num_rows, *engine.rules.shape), np.float32 if engine.rules.scale_obs else np.uint8)
        out[...] = 77
        return out

    monkeypatch.setattr(engines, "make_out", make_out)
    return guards


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_call_writes_beside_its_arrays(guards, name):
    engine = make_engine(name, 3, num_threads=2)
    reset(engine)
    rng = np.random.default_rng(1)
    for shown in play(engine, 24, rng):
        i, k = rng.integers(3, size=2).tolist()
        engine.restore(i, engine.clone(k))
        engine.load(k, engine.save(i))
        guards.check(f"call {shown['call']}")
    engine.close()
    guards.check("close")


def test_guards_notice_a_byte(guards):
    engine = make_engine("pixel", 2)
    guards.check("nothing")
    for place in (engine.arrays.planes.ctypes.data - 1, engine.arrays.planes.ctypes.data + engine.arrays.planes.size):
        ctypes.memset(place, 1, 1)
        with pytest.raises(AssertionError, match=f"of {engine.arrays.planes.size} bytes"):
            guards.check("a byte")
        ctypes.memset(place, GUARD, 1)


def read_all(engine, i):
    """Return all memory of an environment."""
    own, consoles, queue_ = engine.arrays, engine.arrays.consoles, engine.threads
    per_environment = (
        own.blocks, own.planes, own.pair_screens, own.final_obs, own.final_ram, own.needs_reset,
        consoles.blocks, consoles.screens, consoles.changed, queue_.actions, queue_.units, queue_.is_pending,
        queue_._is_done, queue_._outs,
    )  # fmt: skip
    columns = [getattr(part, kind) for part in (own.results, own.finals) for kind in part.ARRAYS]
    return [part[i].tobytes() for part in per_environment if len(part)] + [part[:, i].tobytes() for part in columns]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_step_leaves_other_environments_alone(name):
    engine = make_engine(name, 3)
    reset(engine)
    others = [read_all(engine, i) for i in (0, 2)]
    setup = bytes(engine.arrays.setup)
    rng = np.random.default_rng(2)
    one = np.array([1])
    for step in range(30):
        if engine.needs_reset[1] or step % 11 == 10:
            engine.reset(one, [step if step % 2 else None])
        guarded = np.full((3, *engine.rules.shape), 77, np.float32 if engine.rules.scale_obs else np.uint8)
        engine.step(one, *engines.draw_actions(engine, rng, 1), guarded[1:2])
        assert (guarded[0] == 77).all()
        assert (guarded[2] == 77).all()
        engine.restore(1, engine.clone(1))
        engine.render(1, bool(step % 2))
    assert [read_all(engine, i) for i in (0, 2)] == others
    assert bytes(engine.arrays.setup) == setup


class Bounds:
    """Which addresses the functions under CPython may touch: parts of memory, each of a name."""

    def __init__(self, engine):
        self._engine = engine
        self._starts, self._parts = [], []
        own, consoles, queue_ = engine.arrays, engine.arrays.consoles, engine.threads
        for i in range(engine.num_envs):
            for name in ("planes", "final_obs", "final_ram"):
                if len(getattr(own, name)):
                    self.add(name, getattr(own, name)[i])
            for k in range(3):
                self.add("pair_screens", own.pair_screens[i, k])
            for k in range(2):
                self.add("screens", consoles.screens[i, k])
                self.add("changed", consoles.changed[i, k])
            self.add("environment", own.environments[i])
            self.add("console", consoles[i])
        self.add("setup", own.setup)
        self.add("queue", queue_.queue)
        for part in (own.results, own.finals):
            for kind in part.ARRAYS:
                self.add(kind, getattr(part, kind))
        for name in ("needs_reset", "addresses"):
            self.add(name, getattr(own, name))
        for name in ("indices", "strengths", "actions", "units", "is_pending", "_is_done", "_outs", "_requests"):
            self.add(name, getattr(queue_, name))
        scratch, setup = queue_.scratch, own.setup
        self.add("scratch of kernels", scratch, own.plan.scratch_size)
        for k in range(2):
            self.add("scratch pictures", scratch + setup.scratch_pictures + setup.screen_size * k, setup.screen_size)
        self.add("scratch flags", scratch + setup.scratch_flags, engine.screen_shape[0])

    def add(self, name, thing, size=None):
        """Allow an array, a structure, or so many bytes at an address."""
        if isinstance(thing, np.ndarray):
            begin, size = thing.ctypes.data, thing.nbytes
        elif isinstance(thing, int):
            begin = thing
        else:
            begin, size = ctypes.addressof(thing), ctypes.sizeof(thing)
        if size:
            at = bisect.bisect(self._starts, begin)
            self._starts.insert(at, begin)
            self._parts.insert(at, (begin, begin + size, name))

    def remove(self, begin):
        at = bisect.bisect(self._starts, begin) - 1
        del self._starts[at], self._parts[at]

    def find(self, place):
        """Return where the part begins and ends that an address is in."""
        at = bisect.bisect(self._starts, place) - 1
        begin, end, _ = self._parts[at] if at >= 0 else (0, 0, "")
        if not begin <= place < end:
            raise IndexError(f"{place:#x} is in no array")
        return begin, end

    def check(self, place, size):
        """Check that bytes are within one part."""
        _, end = self.find(place)
        if place + size > end:
            raise IndexError(f"{size} bytes, where there are {end - place}")

    def pointer(self, kind, place):
        if kind in (Pointer8, Pointer64):
            return CheckedPointer(self, kind, place)
        self.check(place, ctypes.sizeof(kind))
        return kind.from_address(place)

    def copy_bytes(self, target, source, count):
        self.check(target, count)
        self.check(source, count)
        ctypes.memmove(target, source, count)

    def store_double(self, place, value):
        self.check(place, 8)
        ctypes.c_double.from_address(place).value = value

    def push(self, *values):
        engine = self._engine
        setup, (height, width) = engine.arrays.setup, engine.screen_shape
        function, plan, scratch, *screens, changed_first, changed_second, old, new = values
        assert (function, plan) == (setup.push, setup.plan)
        self.check(scratch, engine.arrays.plan.scratch_size)
        for place, size in (
            *((screen, height * width) for screen in screens),
            *((changed, height) for changed in (changed_first, changed_second)),
            *((plane, setup.plane_size) for plane in (old, new)),
        ):
            if place:
                self.check(place, size)
        assert screens[0]
        assert new
        return intrinsics._call(*values)

    def call_4(self, function, *values):
        setup, (height, width) = self._engine.arrays.setup, self._engine.screen_shape
        if function == setup.read:
            _, planes, newest, out = values
            self.check(planes, setup.stack_num * setup.plane_size)
            self.check(out, setup.obs_size)
            assert newest in range(setup.stack_num)
        else:
            assert function == setup.draw_start
            self.check(values[2], height * width)
            self.check(values[3], height)
        return intrinsics._call(function, *values)


class CheckedPointer:
    """A pointer that knows how far it reaches."""

    def __init__(self, bounds, kind, place):
        self._pointer, self._place = ctypes.cast(place, kind), place
        self._size = ctypes.sizeof(kind._type_)
        self._begin, self._end = bounds.find(place)

    def _check(self, index):
        place = self._place + self._size * index
        if not self._begin <= place <= self._end - self._size:
            raise IndexError(f"index {index} is out of bounds")

    def __getitem__(self, index):
        self._check(index)
        return self._pointer[index]

    def __setitem__(self, index, value):
        self._check(index)
        self._pointer[index] = value


def run_within_bounds(engine, monkeypatch):
    """Let an engine without threads call the functions as they are in the sources, with a check of each access."""
    bounds = Bounds(engine)
    replaced = {name: getattr(bounds, name) for name in ("pointer", "copy_bytes", "store_double", "call_4")}
    for module in (stepping, opening, pictures, queue, intrinsics):
        for name, function in (replaced | {"call_9": bounds.push}).items():
            if hasattr(module, name) and (module is not intrinsics or name == "pointer"):
                monkeypatch.setattr(module, name, function)

    def give_arrays(name, sizes):
        """Return a function that may touch the caller's arrays, too, as long as it runs."""
        plain = find_plain(name)

        def call(*values):
            count = values[sizes["count"]]
            lent = [("env_ids", values[sizes["env_ids"]], 8 * count)]
            if "out" in sizes:
                lent.append(("out", values[sizes["out"]], engine.arrays.setup.obs_size * count))
            lent = [(name, place, size) for name, place, size in lent if place and size]
            for part in lent:
                bounds.add(*part)
            result = plain(*values)
            for _, place, _ in lent:
                bounds.remove(place)
            return result

        return call

    places = {
        "submit": {"env_ids": 1, "count": 2, "out": 3},
        "step_all": {"env_ids": 1, "count": 2, "out": 3},
        "read_stacks": {"env_ids": 1, "count": 2, "out": 3},
        "receive": {"count": 1, "env_ids": 2},
    }
    functions = {name: find_plain(name) for name in machine_code.EXPORTS}
    functions |= {name: give_arrays(name, sizes) for name, sizes in places.items()}
    engine._functions = engine.threads._functions = SimpleNamespace(**functions)
    return bounds


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_index_is_out_of_bounds(monkeypatch, name, num_envs):
    engine = make_engine(name, num_envs)
    run_within_bounds(engine, monkeypatch)
    reset(engine, 7)
    for _ in play(engine, 24 // num_envs, np.random.default_rng(num_envs)):
        pass


def test_bounds_notice_an_index(monkeypatch):
    engine = make_engine("sb3", 1)
    bounds = run_within_bounds(engine, monkeypatch)
    reset(engine)
    own = engine.arrays
    planes = own.planes[0]
    assert bounds.pointer(Pointer8, planes.ctypes.data)[planes.size - 1] == planes[-1, -1]
    with pytest.raises(IndexError, match=f"index {planes.size} is out of bounds"):
        bounds.pointer(Pointer8, planes.ctypes.data)[planes.size]
    with pytest.raises(IndexError, match="index -1 is out of bounds"):
        bounds.pointer(Pointer64, planes.ctypes.data)[-1] = 0
    own.environments[0].newest = -2
    with pytest.raises(IndexError, match=r"is in no array|where there are"):
        engine.step(None, np.array([0]), None, engines.make_out(engine, 1))
    engine.threads.queue.finished += 1  # who closes the engine would wait for that step
