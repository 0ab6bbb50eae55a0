"""`CompiledEngine` beside `PlainEngine`, and what holds for it alone: its draws and its memory."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engines import CONFIGURATIONS, DISABLED, LIVES, assert_same, make_engine, make_out, play, reset, show

from fastatari.compiler import intrinsics
from fastatari.engine import arrays, compiled, opening
from fastatari.engine.plain import PlainEngine
from fastatari.engine.state import CONSOLES_OWN, NUMPYS

GENERATORS = ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]
# Those that show what others do not; the twin of all rules is compared with elsewhere.
SOME = [
    "gymnasium", "sb3", "sb3 cleared", "cleanrl", "ale", "ale going on", "envpool", "envpool same", "sticky",
    "one screen", "one frame", "colour", "ram", "cut frames", "partial frames", "pal", "super chip", "dpc",
    "short games of envpool",
]  # fmt: skip


def make_plain(game, rules, num_envs, mode, num_threads):
    """Return the plain engine; it has no threads."""
    assert num_threads == 0
    return PlainEngine(game, rules, num_envs, mode)


def make_both(name, num_envs, **fields):
    """Return a compiled and a plain engine, which were reset with the same seeds."""
    engines = make_engine(name, num_envs, **fields), make_engine(name, num_envs, kind=make_plain, **fields)
    for engine in engines:
        reset(engine, 5)
    return engines


def assert_same_play(engines, calls, where):
    plays = [play(engine, calls, np.random.default_rng(4)) for engine in engines]
    for mine, theirs in zip(*plays, strict=True):
        assert_same(mine, theirs, f"{where}, call {mine['call']}")


@pytest.mark.parametrize("name", SOME)
def test_compiled_engine_shows_what_the_plain_one_shows(name):
    assert_same_play(make_both(name, 1), 25, name)


def test_lives_that_rise_and_fall_within_a_step_are_those_of_the_plain_engine():
    engines = make_both("lives of frames", 1, game="breakout", frame_skip=120)
    rng, (address, number) = np.random.default_rng(1), LIVES["breakout"]
    for step in range(30):
        lives = int(rng.integers(1, number))
        for engine in engines:
            engine.ale(0).setRAM(address, lives)
            engine.step(None, np.array([1]), None, make_out(engine, 1))
        assert_same(show(engines[0]), show(engines[1]), f"step {step}")


@pytest.mark.sweep
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_compiled_engine_shows_for_long_what_the_plain_one_shows(name):
    assert_same_play(make_both(name, 3), 1000, name)


# Draws.


@pytest.mark.parametrize("kind", GENERATORS)
def test_environments_draw_what_the_generator_draws(kind):
    engines = make_both("sticky", 2, mode=DISABLED, noop_max=7)
    for engine in engines:
        for i in range(2):
            engine.set_np_random(i, np.random.Generator(getattr(np.random, kind)(i)))
    assert_same_play(engines, 15, kind)
    for i in range(2):
        mine, theirs = (engine.np_random(i) for engine in engines)
        assert mine.random() == theirs.random()
        assert mine.integers(2**20) == theirs.integers(2**20)


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("noop_max", [1, 2, 30, 1000, 2**31, 3 * 2**29])
def test_draw_integer_is_numpys(kind, noop_max):
    engine = make_engine("gymnasium", 1)
    e, s = engine.arrays.environments[0], engine.arrays.setup
    s.noop_max, s.noop_remainder = noop_max, 2**32 % noop_max
    engine.set_np_random(0, np.random.Generator(getattr(np.random, kind)(6)))
    twin = np.random.Generator(getattr(np.random, kind)(6))
    assert e.noop_draws == NUMPYS
    for _ in range(100):
        assert opening.draw_integer(e, s) == twin.integers(noop_max)
        assert engine.np_random(0).random() == twin.random()  # both have drawn as much


@pytest.mark.parametrize("noop_max", [1, 2, 30, 1000, 2**31, 3 * 2**29])
def test_draw_uniform_is_that_of_libstdcpp(noop_max):
    engine = make_engine("ale", 1)
    engine.reset(np.array([0]), [8])
    e, s = engine.arrays.environments[0], engine.arrays.setup
    words = np.random.RandomState(8)
    words.randint(0, 2**32, dtype=np.uint32)  # that of the reset
    s.noop_max, s.noop_remainder = noop_max, 2**32 % noop_max
    assert e.noop_draws == CONSOLES_OWN
    for _ in range(1000):
        # Lemire's method, with the same threshold in another form: https://arxiv.org/abs/1805.10941
        low = -1
        while low < (2**32 - noop_max) % noop_max:
            number, low = divmod(int(words.randint(0, 2**32, dtype=np.uint32)) * noop_max, 2**32)
        assert opening.draw_uniform(e, s) == number


@pytest.mark.parametrize("kind", GENERATORS)
def test_draw_below_is_numpys(kind):
    engine = make_engine("sticky", 1)
    engine.set_np_random(0, np.random.Generator(getattr(np.random, kind)(6)))
    e, twin = engine.arrays.environments[0], np.random.Generator(getattr(np.random, kind)(6))
    for probability in np.linspace(0, 1, 200).tolist():
        bits = struct.unpack("<q", struct.pack("<d", probability))[0]
        assert intrinsics.draw_below(e.draw_double, e.draw_state, bits) == (twin.random() < probability)


# Threads and memory.


def test_threads_are_by_default_one_a_core_and_at_most_one_an_environment(monkeypatch):
    for cores, expected in ((1, 0), (2, 2), (3, 3), (64, 3)):
        monkeypatch.setattr(compiled, "count_cores", lambda cores=cores: cores)
        assert make_engine("labml", 3, num_threads=None).num_threads == expected


@pytest.mark.parametrize(
    ("num_envs", "fields"),
    [(10**15, {}), (1, {"stack_num": 10**9}), (2**70, {}), (2, {"stack_num": 2**61}), (10**9, {"stack_num": 10**9})],
)
def test_too_much_memory_is_an_error_before_anything_is_made(monkeypatch, num_envs, fields):
    monkeypatch.setattr(arrays, "Consoles", None)
    monkeypatch.setattr(arrays, "allocate", None)
    message = rf"^not enough memory for {num_envs} environments of breakout: ([\d,]+) bytes are needed, [\d,]+ are "
    with pytest.raises(MemoryError, match=message) as caught:
        make_engine("labml", num_envs, **fields)
    needed = int(re.match(message, str(caught.value))[1].replace(",", ""))
    planes = fields.get("stack_num", 4) * 84 * 84
    assert num_envs * 2 * planes < needed < num_envs * (2 * planes + 200_000)


_MEMORY = """
import re, sys, pathlib, numpy as np
from engines import make_engine, make_out, reset
def measure():
    return 1024 * int(re.search(r"VmRSS:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
def play(num_envs):
    engine = make_engine("envpool", num_envs, 2)
    reset(engine)
    out = make_out(engine, num_envs)
    for step in range(30):
        engine.step(None, np.full(num_envs, step % 3), None, out)
        engine.reset(np.flatnonzero(engine.needs_reset), [None] * int(engine.needs_reset.sum()))
    return engine, out
small = play(2)
before = measure()
large = play(256)
sys.stdout.write(str((measure() - before) // 256))
large[0].close()
small[0].close()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_an_environment_needs_at_most_200_000_bytes():
    process = subprocess.run(
        [sys.executable, "-c", _MEMORY], capture_output=True, text=True, cwd=Path(__file__).parent, check=True
    )
    assert int(process.stdout) < 200_000


def test_a_reset_does_not_go_on_with_one_that_was_cut_off():
    engine, twin = make_engine("sb3", 1), make_engine("sb3", 1)
    reset(engine)
    twin.load(0, engine.save(0))
    # As after an exception between two calls of the compiled reset, when the game was over in its opening.
    for name, value in {"waits_for": opening.GAME, "fires_left": 0, "noops_left": 3}.items():
        setattr(engine.arrays.environments[0], name, value)
    for each in (engine, twin):
        each.reset(np.array([0]), [None])
    assert_same(show(engine), show(twin))


def test_a_step_of_nobody_does_nothing():
    engine = make_engine("labml", 2)
    reset(engine)
    nobody = np.zeros(0, np.int64)
    state = engine.save(0)
    engine.step(nobody, nobody, None, make_out(engine, 0))
    engine.send(nobody, nobody)
    assert engine.recv(0).tolist() == []
    engine.reset(nobody, [])
    assert engine.save(0) == state
