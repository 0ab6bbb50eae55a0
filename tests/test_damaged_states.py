"""Saved states that are damaged, or of something else: they are refused and nothing changes, or they do no harm."""

import ctypes
import random
import subprocess
import sys

import damage
import numpy as np
import pytest
from engines import DISABLED, NEXT_STEP, SAME_STEP, make_engine, make_out, reset
from test_engine import make_plain

from fastatari.checkpoint import pack, unpack
from fastatari.console.state import Machine, State
from fastatari.engine.clones import KIND
from fastatari.engine.results import FLAGS


def change(state, function):
    """Return a state with other values and arrays, and a right checksum."""
    values, arrays = unpack(state, KIND)
    arrays = dict(arrays)
    function(values, arrays)
    return pack(KIND, values, arrays)


def assert_refused(engine, state, message, error=ValueError):
    """Check that a state cannot be loaded, and that nothing changes by that."""
    before = [engine.save(i) for i in range(engine.num_envs)]
    with pytest.raises(error, match=message):
        engine.load(0, state)
    assert [engine.save(i) for i in range(engine.num_envs)] == before


@pytest.mark.parametrize("is_pending", [False, True])
def test_what_is_no_state_is_refused(is_pending):
    engine = make_engine("labml", 2, 2)
    reset(engine)
    state = engine.save(0)
    if is_pending:
        engine.send(np.arange(2), np.zeros(2, int))
    for wrong, error, message in (
        (b"", ValueError, "must be a saved state"),
        (state[:-1], ValueError, "it was cut"),
        (state + b"\0", ValueError, "something was added"),
        (state[:-1] + bytes([state[-1] ^ 1]), ValueError, "it was damaged"),
        (5, TypeError, "`data` must be bytes, got int"),
        ("state", TypeError, "`data` must be bytes, got str"),
    ):
        assert_refused(engine, wrong, message, error)
    engine.load(0, memoryview(state))
    assert engine.save(0) == state
    with pytest.raises(TypeError, match="`clone` must be a clone of an environment, got bytes"):
        engine.restore(0, state)
    engine.close()


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("gymnasium", {}, "must be a uint8 array of shape"),
        ("labml", {"stack_num": 3}, "`planes` in the saved state must be"),
        ("labml", {"obs_type": "ram"}, "`picture_0` in the saved state must be"),
        ("labml", {"screen_size": 80}, "`planes` in the saved state must be"),
    ],
)
def test_states_of_other_rules_are_refused(name, fields, message):
    engine = make_engine("labml", 1)
    other = make_engine(name, 1, **fields)
    for each in (engine, other):
        reset(each)
    assert_refused(engine, other.save(0), message)


def test_states_of_other_games_and_engines_are_refused():
    engine, other = make_engine("labml", 1), make_engine("labml", 1, game="pong")
    for each in (engine, other):
        reset(each)
    assert_refused(engine, other.save(0), "the state is of another ROM")
    plain = make_engine("labml", 1, kind=make_plain)
    reset(plain)
    assert_refused(engine, plain.save(0), "must be a saved state of kind 'environment', got kind \"an environment on ")


def test_states_with_a_final_observation_are_refused_in_other_modes():
    engine, other = make_engine("labml", 1, mode=SAME_STEP), make_engine("labml", 1, mode=NEXT_STEP)
    for each in (engine, other):
        reset(each)
    while not engine.results.row("has_final")[0]:
        engine.step(None, np.zeros(1, int), None, make_out(engine, 1))
    assert_refused(other, engine.save(0), "observation that a reset replaced, as only with `autoreset_mode` SAME_STEP")


def test_a_state_of_an_episode_that_is_over_needs_a_reset():
    engine = make_engine("labml", 1, mode=DISABLED)
    reset(engine)
    while not engine.needs_reset[0]:
        engine.step(None, np.zeros(1, int), None, make_out(engine, 1))
    state = engine.save(0)
    reset(engine)
    assert not engine.needs_reset[0]
    engine.load(0, state)
    assert engine.needs_reset[0]


@pytest.fixture(scope="module")
def state():
    """A state of a step that ended an episode, with all parts, and pending."""
    engine = make_engine("sb3 cleared", 1)
    reset(engine)
    while not engine.results.row("has_final")[0]:
        engine.step(None, np.zeros(1, int), None, make_out(engine, 1))
    engine.send(np.array([0]), np.array([1]))
    return engine.save(0)


def test_states_without_a_part_are_refused(state):
    engine = make_engine("sb3 cleared", 1)
    reset(engine)
    values, arrays = unpack(state, KIND)
    for name in values:
        assert_refused(engine, change(state, lambda values, _, name=name: values.pop(name)), f"`{name}`")
    for name in arrays:
        assert_refused(engine, change(state, lambda _, arrays, name=name: arrays.pop(name)), f"`{name}`")
    for name in values["generator"]:
        wrong = change(state, lambda values, _, name=name: values["generator"].pop(name))
        assert_refused(engine, wrong, f"`{name}` is missing")


def test_states_with_arrays_of_other_kinds_are_refused(state):
    engine = make_engine("sb3 cleared", 1)
    reset(engine)
    for name, array in unpack(state, KIND)[1].items():
        if name == "console":
            continue
        for wrong in (np.append(array, np.uint8(0)), array[:-1], array.astype(np.int8), array.reshape(1, -1)):
            if wrong.tobytes() == array.tobytes() and wrong.shape == array.shape and wrong.dtype == array.dtype:
                continue
            changed = change(state, lambda _, arrays, name=name, wrong=wrong: arrays.update({name: wrong}))
            assert_refused(engine, changed, f"`{name}` in the saved state must be a uint8 array of shape")


def test_states_with_flags_other_than_0_and_1_are_refused(state):
    engine = make_engine("sb3 cleared", 1)
    reset(engine)
    for k in range(2 * len(FLAGS)):

        def set_flag(_, arrays, k=k):
            arrays["flags"] = arrays["flags"].copy()
            arrays["flags"][k] = 2

        assert_refused(engine, change(state, set_flag), "`flags` in the saved state must be bytes 0 and 1")


def test_states_with_a_wrong_console_are_refused(state):
    engine, other = make_engine("sb3 cleared", 1), make_engine("labml", 1, kind=make_plain)
    for each in (engine, other):
        reset(each)
    of_ale = other.ale(0).cloneState().serialize()
    whole = unpack(state, KIND)[1]["console"].tobytes()
    for wrong, message in (
        (b"", "`console` in the saved state must be a state of this package's console"),
        (of_ale, "`console` in the saved state must be a state of this package's console"),
        (whole[:-1], "where its header asks for"),
        (whole[:30], "ends within its header"),
    ):
        changed = change(state, lambda _, arrays, wrong=wrong: arrays.update(console=np.frombuffer(wrong, np.uint8)))
        assert_refused(engine, changed, message)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("current", 2),
        ("cut", 1),
        ("row", 10**6),
        ("drawn", -(10**6)),
        ("line_clock", 1),
        ("window_end", 0),
        ("bank", 9),
    ],
)
def test_states_with_a_wrong_machine_are_refused(field, value):
    engine = make_engine("envpool", 1)
    reset(engine)
    engine.step(None, np.array([1]), None, make_out(engine, 1))
    state = engine.save(0)
    values, arrays = unpack(state, KIND)
    assert values["pair_has_start"] == [1, 1]
    pair = arrays["pair"].copy()
    for k in range(2):
        changed = pair.copy()
        setattr(Machine.from_buffer(changed.data, ctypes.sizeof(Machine) * k), field, value)
        wrong = change(state, lambda _, arrays, changed=changed: arrays.update(pair=changed))
        assert_refused(engine, wrong, rf"^the state has {value} as `pair\[{k}\].{field}`, which must be ")


@pytest.mark.parametrize(
    ("field", "value"),
    [("sticky_action", 18), ("mode", 3), ("over", 2), ("is_partial", 9), ("row", 10**6), ("playfield", 2**20)],
)
def test_states_with_a_wrong_field_of_the_console_are_refused(field, value):
    engine = make_engine("envpool", 1)
    reset(engine)
    state = engine.save(0)
    console = unpack(state, KIND)[1]["console"].copy()
    head = len(console) - ctypes.sizeof(State)
    setattr(State.from_buffer(console.data, head), field, value)
    wrong = change(state, lambda _, arrays: arrays.update(console=console))
    assert_refused(engine, wrong, f"^the state has {value} as `{field}`, which must be ")


@pytest.mark.parametrize("preset", ["ale", "gymnasium"])
def test_states_of_generators_that_draw_the_same_for_ever_are_refused(preset):
    engine = make_engine(preset, 1)
    reset(engine)
    if preset == "ale":
        zeros = np.zeros(4 * 624, np.uint8)
        zeros[0] = 1  # of the first word, only the highest bit counts
        wrong = change(engine.save(0), lambda _, arrays: arrays.update(noop_words=zeros))
        assert_refused(engine, wrong, "^`noop_words` in the saved state must not all be 0$")
        return
    wrong = change(engine.save(0), lambda values, _: values["generator"].update(state=0, inc=0))
    assert_refused(engine, wrong, "^`inc` in the saved state must be an odd integer, got 0$")
    engine.set_np_random(0, np.random.Generator(np.random.MT19937(1)))
    wrong = change(engine.save(0), lambda values, _: values["generator"].update(key=8 * 624 * "0"))
    assert_refused(engine, wrong, "^`key` in the saved state must be a string of hexadecimal digits that are not all 0")


def run_damage(*arguments):
    """Run `damage`, in a process of its own, which may crash; return what it prints."""
    seed = random.randrange(2**31)
    process = subprocess.run(
        [sys.executable, "-X", "faulthandler", damage.__file__, *map(str, arguments), str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, ""), f"seed {seed}: {process.stdout}\n{process.stderr}"
    return process.stdout


def test_extreme_values_are_refused_or_harmless():
    run_damage("extremes")


def test_random_damage_does_no_harm():
    run_damage("random", 180)


@pytest.mark.sweep
def test_much_random_damage_does_no_harm():
    run_damage("random", 100_000)
