"""The kernels' machine code: how it is kept, loaded and called, and what numba's settings do."""

import ctypes
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import KINDS, MAKERS, Bench, noise

from fastatari.compiler import native
from fastatari.preprocessing import machine_code


def test_addresses_are_those_of_the_functions():
    addresses = machine_code.addresses()
    assert addresses.keys() == {"push", "read", "note_changes"}
    screen = noise(np.random.default_rng(0), (210, 160))
    bench = Bench((210, 160), (84, 84), order="gray-resize-max")
    bench.push(screen)
    out = np.zeros((4, 84, 84), np.uint8)
    read = ctypes.CFUNCTYPE(None, *(ctypes.c_int64,) * 4)(addresses["read"])
    read(bench.plan.address, bench.ring.ctypes.data, bench.newest, out.ctypes.data)
    assert np.array_equal(out[3], bench.ring[bench.newest])


def test_code_for_any_processor_gives_the_same(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("FASTATARI_CACHE_DIR", str(tmp_path))
    entry = machine_code.prepare("generic")
    assert entry.compiled
    assert entry.path.parent == tmp_path / "code"
    assert machine_code.prepare().path == entry.path  # as there is no better one
    loaded = native.load(entry.code)
    functions = {
        name: ctypes.CFUNCTYPE(None, *(ctypes.c_uint64,) * number)(loaded.address(name))
        for name, number in machine_code.KERNELS.items()
    }
    for kind in KINDS:
        bench = Bench((210, 160), (84, 84), functions=functions, **kind)
        for make in MAKERS:
            bench.push(make(rng, (210, 160)), make(rng, (210, 160)), old=False)
            bench.read()


def test_what_decides_about_the_code_is_in_its_key(monkeypatch):
    host, generic = native.Target.host(), native.Target.generic()

    def find_key(target):
        return machine_code._make_program()._key(target)

    keys = [find_key(host), find_key(generic)]
    assert keys[0] == find_key(host)
    for name, value in {"OPT": "0", "LOOP_VECTORIZE": "0", "CPU_NAME": "generic"}.items():
        with monkeypatch.context() as context:
            context.setenv(f"NUMBA_{name}", value)
            keys.append(find_key(host))
    assert len(set(keys)) == 5
    assert f"numba {importlib.metadata.version('numba')}" in keys[0]
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert find_key(host) == keys[0]


def test_a_processor_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="target 'z80' is not known; on this machine there are"):
        machine_code.prepare("z80")


def run(program, **environment):
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


NOTICE = "fastatari: compiling for this machine, once; this takes some seconds\n"

SMALL = """
import sys
import numpy as np
import pictures
from fastatari.preprocessing import machine_code
rng = np.random.default_rng(0)
sides = [((42, 37), (17, 15)), ((20, 16), (10, 8)), ((9, 9), (3, 3)), ((5, 2), (5, 1)), ((9, 160), (4, 84)),
         ((9, 70), (8, 2))]
for kind in pictures.KINDS:
    for number, (shape, size) in enumerate(sides):
        bench = pictures.Bench(shape, size, stack_num=3 + number % 2, stack_axis=-(number % 3 > 0), **kind)
        screens = np.array([pictures.bands(rng, shape) for _ in range(3)])
        bench.push(*screens)
        bench.push(screens[0])
        bench.push(*screens[:2], old=False)
        other = pictures.edit(rng, screens[:2], 255)
        bench.push(*other, flags=(other != screens[:2]).any(axis=2))
        bench.read()
        kept = bench.place(screens[:2], 0)
        machine_code.functions()["note_changes"](
            bench.plan.address, other[0].ctypes.data, other[1].ctypes.data, kept.ctypes.data, bench.flags.ctypes.data)
        assert np.array_equal(kept, other)
print("same")
"""


@pytest.mark.parametrize(
    ("environment", "notice"), [({"NUMBA_DISABLE_JIT": "1"}, ""), ({"NUMBA_BOUNDSCHECK": "1"}, NOTICE)], ids=str
)
def test_same_without_the_compiler_and_within_bounds(environment, notice, tmp_path):
    result = run(SMALL, FASTATARI_CACHE_DIR=str(tmp_path), **environment)
    assert (result.stdout, result.stderr) == ("same\n", notice)
    assert not any(tmp_path.rglob("*.code"))


BEYOND = """
import numpy as np
import pictures
bench = pictures.Bench((42, 37), (17, 15), order="gray-max-resize")
bench.plan._area.rows[-1, 0] += 3
bench.functions["push"](
    bench.plan.address, bench.scratch.ctypes.data, bench.screens.ctypes.data, 0, 0, 0, 0, 0, bench.ring.ctypes.data)
print("back")
"""


def test_what_is_out_of_bounds_is_noticed_where_numba_checks(tmp_path):
    result = run(BEYOND, FASTATARI_CACHE_DIR=str(tmp_path), NUMBA_BOUNDSCHECK="1")
    assert result.stdout == "back\n"
    assert "IndexError: index is out of bounds" in result.stderr


def test_works_where_no_cache_can_be_written():
    result = run(
        "from fastatari.compiler import cache; cache.folders = lambda: []\n" + SMALL.replace("KINDS", "KINDS[:1]")
    )
    assert (result.stdout, result.stderr) == ("same\n", NOTICE)


LIGHT = """
import sys
from fastatari.preprocessing import machine_code
machine_code.addresses()
print([name for name in ("fastatari.preprocessing.jit", "fastatari.preprocessing.kernels") if name in sys.modules])
"""


def test_compiled_code_is_loaded_without_numba():
    machine_code.prepare()
    result = run(LIGHT)
    assert (result.stdout, result.stderr) == ("[]\n", "")
