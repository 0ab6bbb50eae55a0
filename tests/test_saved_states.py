"""Saved states of the compiled engine: whatever follows is what would have followed."""

import copy
import hashlib
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engines import CONFIGURATIONS, LIVES, describe, make_engine, make_out, read, reset

from fastatari.engine.clones import Clone


class Script:
    """Plays an environment by itself, with calls that depend on nothing but their number and what needs a reset.

    Args:
        engine (CompiledEngine): the engine.
        i (int): the environment.
        number (int): how many calls were made.
    """

    def __init__(self, engine, i, number=0):
        self.engine, self.i, self.number = engine, i, number

    def go_on(self):
        """Make the next call; return what the environment shows then, or nothing while it is pending."""
        engine, one, number = self.engine, np.array([self.i]), self.number
        self.number += 1
        if engine.is_pending[self.i]:
            assert engine.recv(1).tolist() == [self.i]
        elif engine.needs_reset[self.i] or number % 37 == 36:
            engine.reset(one, [None], number % 2 == 1)
        else:
            if number % 14 == 12 and engine.rom in LIVES:
                engine.ale(self.i).setRAM(LIVES[engine.rom][0], number % 3)
            strengths = np.array([(number % 5) / 4], np.float32)
            engine.send(one, np.array([number // 5 % len(engine.action_meanings)]), strengths)
            return b""
        return look(engine, self.i, is_rendered=number % 16 == 4)


def look(engine, i, is_rendered=False):
    """Return all that an environment shows, except for times."""
    results, one = engine.results, np.array([i])
    parts = [np.delete(results.floats[:, i], -1), results.integers[:, i], results.flags[:, i], read(engine, one)]
    if results.row("has_final")[i]:
        final = make_out(engine, 1)
        engine.read_final(one, final)
        parts += [np.delete(engine.finals.floats[:, i], -1), engine.finals.integers[:, i], final]
    if is_rendered:
        parts += [engine.render(i, True), engine.render(i), engine.ale(i).getRAM()]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).digest()


def record(engine, i, calls, moments, copy_of):
    """Play an environment that had no reset; return what it showed after each call, and copies of it at moments."""
    script, seen, copies = Script(engine, i), [], {}
    for number in range(calls):
        if number in moments:
            copies[number] = copy_of(i)
        seen.append(script.go_on())
    engine.recv(int(engine.is_pending[i]))
    return seen, copies


def assert_goes_on(engine, i, number, seen, where):
    """Check that an environment shows again what one did from a moment on."""
    script = Script(engine, i, number)
    for expected in seen[number:]:
        assert script.go_on() == expected, f"{where}: call {script.number}, {script.number - number} after the state"
    engine.recv(int(engine.is_pending[i]))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_states_of_any_moment_go_on_alike_everywhere(name):
    rng = random.Random(name)
    moments = [0, *rng.sample(range(1, 50), 3)]
    engine = make_engine(name, 2, 1)
    other = make_engine(name, 3, 2)
    seen, states = record(engine, 1, 65, moments, engine.save)
    for number in moments:
        i = rng.randrange(3)
        other.load(i, states[number])
        assert other.save(i) == states[number]
        assert_goes_on(other, i, number, seen, f"{name}, state {number}")
    for each in (engine, other):
        each.close()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_clones_of_any_moment_go_on_alike(name):
    rng = random.Random(name)
    moments = rng.sample(range(50), 2)
    engine = make_engine(name, 2)
    seen, copies = record(engine, 0, 65, moments, engine.clone)
    for number in rng.sample(moments, 2):
        engine.restore(0, copies[number])
        assert engine.clone(0) == copies[number]
        assert_goes_on(engine, 0, number, seen, f"{name}, clone {number}")
        engine.restore(1, copies[number])
        assert_goes_on(engine, 1, number, seen, f"{name}, clone {number} in another environment")


@pytest.mark.parametrize("name", ["envpool", "gymnasium", "sticky", "cut frames", "partial frames"])
def test_a_state_goes_on_for_a_hundred_steps(name):
    engine, other = make_engine(name, 1), make_engine(name, 1, 2)
    seen, states = record(engine, 0, 240, [30, 37], engine.save)
    for number, state in states.items():
        other.load(0, state)
        assert_goes_on(other, 0, number, seen, name)
    other.close()


@pytest.mark.parametrize(
    "name", ["envpool", "gymnasium", "one screen", "one frame", "cut frames", "partial frames", "ram"]
)
def test_copies_change_nothing(name):
    engines = [make_engine(name, 1) for _ in range(3)]
    for engine in engines:
        engine.reset(np.array([0]), [8])
    scripts = [Script(engine, 0) for engine in engines]
    for _ in range(40):
        _, copied, restored = engines
        copied.clone(0)
        copied.save(0)
        restored.restore(0, restored.clone(0))
        shown = [script.go_on() for script in scripts]
        assert shown[0] == shown[1] == shown[2]
    assert describe(engines[0], 0) == describe(engines[1], 0) == describe(engines[2], 0)


@pytest.mark.parametrize("name", ["envpool", "sb3", "cleanrl", "ram"])
def test_a_state_from_before_the_first_reset_is_that_of_a_new_environment(name):
    new, old = make_engine(name, 1), make_engine(name, 1)
    script = Script(old, 0)
    for _ in range(31):
        script.go_on()
    state = new.save(0)
    old.load(0, state)
    assert old.save(0) == state
    for engine in (new, old):
        assert engine.needs_reset.all()
        engine.reset(np.array([0]), [None])
    assert describe(new, 0) == describe(old, 0)


def test_states_go_on_alike_in_another_process(tmp_path):
    names = ["envpool", "gymnasium", "sticky", "ram of five", "super chip", "pal"]
    states, expected = {}, []
    for name in names:
        engine = make_engine(name, 2, 2)
        seen, copies = record(engine, 1, 60, [21], engine.clone)
        states[name] = copies[21]
        expected += seen[21:]
        engine.close()
    path = tmp_path / "states"
    path.write_bytes(pickle.dumps(states))
    program = (
        "import pickle, pathlib, sys; from engines import make_engine; from test_saved_states import Script\n"
        "for name, state in pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()).items():\n"
        "    engine = make_engine(name, 1)\n"
        "    engine.restore(0, state)\n"
        "    script = Script(engine, 0, 21)\n"
        "    for _ in range(39):\n"
        "        sys.stdout.write(script.go_on().hex() + '\\n')\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, cwd=Path(__file__).parent, check=True
    )
    assert process.stdout.split("\n") == [*(each.hex() for each in expected), ""]


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_states_hold_the_generator_of_any_kind(kind):
    engine, other = make_engine("sticky", 1), make_engine("sticky", 2)
    reset(engine)
    engine.set_np_random(0, np.random.Generator(getattr(np.random, kind)(5)))
    seen, copies = record(engine, 0, 60, [20], lambda i: (engine.clone(i), engine.save(i)))
    clone, state = copies[20]
    other.load(1, state)
    assert type(other.np_random(1).bit_generator).__name__ == kind
    assert_goes_on(other, 1, 20, seen, kind)
    engine.set_np_random(0, np.random.default_rng(1))
    engine.restore(0, clone)
    assert_goes_on(engine, 0, 20, seen, kind)


class OwnBitGenerator(np.random.PCG64):
    """A bit generator that is none of numpy's."""


def test_save_of_a_foreign_generator_raises():
    engine = make_engine("sticky", 1)
    reset(engine)
    engine.set_np_random(0, np.random.Generator(OwnBitGenerator(5)))
    with pytest.raises(ValueError, match=r"must have a bit generator of PCG64, .*, got OwnBitGenerator"):
        engine.save(0)
    seen, copies = record(engine, 0, 40, [20], engine.clone)
    engine.restore(0, copies[20])
    assert_goes_on(engine, 0, 20, seen, "a foreign generator")


def test_clones_are_values():
    engine = make_engine("envpool", 2)
    reset(engine)
    first = engine.clone(0)
    engine.restore(1, first)
    same = [first, engine.clone(0), Clone(engine.save(0)), copy.deepcopy(first), pickle.loads(pickle.dumps(first))]
    assert all(each == first for each in same)
    assert len(set(same)) == 1
    engine.step(None, np.zeros(2, int), None, make_out(engine, 2))
    later = engine.clone(0)
    assert later != first
    assert first != first.serialize()
    engine.restore(0, first)
    assert engine.clone(0) == first
