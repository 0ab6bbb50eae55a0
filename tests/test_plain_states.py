"""Saved states of the plain engine, on ale-py's console, that somebody else has made: they are refused, or harmless."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from fastatari.checkpoint import pack, unpack
from fastatari.engine.plain import PlainEngine
from fastatari.rules import AtariRules

KIND = "an environment on ale-py's console"
ONLY = np.arange(1)
RULES = AtariRules.from_preset("sb3", repeat_action_probability=0.25, sticky_draws="emulator")


class Player:
    """An engine with one environment, and what it shows."""

    def __init__(self, game="breakout", rules=RULES, mode=AutoresetMode.NEXT_STEP):
        self.engine = PlainEngine(game, rules, 1, mode)
        self.observations = np.zeros((1, *rules.shape), np.uint8)

    def reset(self, seed=3):
        self.engine.reset(ONLY, [seed])
        self.engine.read(ONLY, self.observations)
        return self.show()

    def step(self, action=1):
        self.engine.step(None, np.array([action]), None, self.observations)
        return self.show()

    def show(self):
        results = self.engine.results
        columns = [results.floats[:3], results.integers, results.flags]  # without the time
        return [self.observations.tobytes(), *(column.tobytes() for column in columns)]


@pytest.fixture(scope="module")
def saved():
    player = Player()
    player.reset()
    for _ in range(5):
        player.step()
    return unpack(player.engine.save(0), KIND)


@pytest.fixture(scope="module")
def player():
    player = Player()
    player.reset()
    return player


def assert_refused(player, data, message):
    """Check that a state is refused, and that nothing has changed."""
    before = player.engine.save(0)
    with pytest.raises(ValueError, match=message):
        player.engine.load(0, data)
    assert player.engine.save(0) == before


def test_states_need_every_value(player, saved):
    values, arrays = saved
    assert len(values) > 10
    for name in values:
        rest = {other: value for other, value in values.items() if other != name}
        assert_refused(player, pack(KIND, rest, arrays), f"`{name}` is missing in the saved state")


def test_states_need_every_array(player, saved):
    values, arrays = saved
    assert len(arrays) > 10
    for name in arrays:
        rest = {other: array for other, array in arrays.items() if other != name}
        assert_refused(player, pack(KIND, values, rest), f"`{name}` is missing|the state is of another ROM")


@pytest.mark.parametrize(
    "change", [lambda array: array[:-1], lambda array: array[np.newaxis], lambda array: array * 1.5]
)
def test_states_need_arrays_of_the_right_shape_and_dtype(player, saved, change):
    values, arrays = saved
    for name in set(arrays) - {"emulator", "shown"}:  # one or two screens are shown
        changed = np.ascontiguousarray(change(np.array(arrays[name])))
        if (changed.dtype, changed.shape) != (arrays[name].dtype, arrays[name].shape):
            assert_refused(player, pack(KIND, values, arrays | {name: changed}), f"`{name}` in the saved state must be")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rom", "pong", "the state must be of breakout, got one of 'pong'"),
        ("rom", 3, "`rom` in the saved state must be a string, got 3"),
        ("lives", -1, "`lives` in the saved state must be an integer from 0"),
        ("lives", 2.5, "`lives` in the saved state must be an integer from 0"),
        ("episode_return", 2**70, "`episode_return` in the saved state must be an integer"),
        ("is_playing", 1, "`is_playing` in the saved state must be True or False, got 1"),
        ("is_pending", None, "`is_pending` in the saved state must be True or False, got None"),
        ("sticky_action", 18, "`sticky_action` in the saved state must be an integer from 0 to 17, got 18"),
        ("generators", {}, "`(np_random|sticky_draws)` is missing in the saved state"),
        ("generators", {"np_random": {"bit_generator": "Dice"}}, "`bit_generator` in the saved state must be one of"),
    ],
)
def test_states_need_values_that_are_possible(player, saved, name, value, message):
    values, arrays = saved
    assert_refused(player, pack(KIND, values | {name: value}, arrays), message)


def test_states_need_the_state_of_an_emulator(player, saved):
    """What ale-py itself would end the process for."""
    values, arrays = saved
    emulator = arrays["emulator"]
    pong = Player("pong")
    pong.reset()
    other = unpack(pong.engine.save(0), KIND)[1]["emulator"]
    for bad in (emulator[:0], emulator[:100], np.zeros_like(emulator), other, emulator[::-1].copy()):
        assert_refused(player, pack(KIND, values, arrays | {"emulator": bad}), "state")
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = emulator.copy()
        damaged[rng.integers(len(damaged), size=3)] = rng.integers(256, size=3)
        try:
            player.engine.load(0, pack(KIND, values, arrays | {"emulator": damaged}))
        except ValueError:
            continue
        player.step()  # whatever that shows
        player.reset()


@pytest.mark.parametrize("data", [b"", b"state", b"FASTATAR" + bytes(100)])
def test_states_need_to_be_states(player, data):
    assert_refused(player, data, "`data` must")


def test_states_of_an_end_need_a_reset_except_in_next_step():
    rules = AtariRules.from_preset("sb3", max_episode_steps=3)
    for before in AutoresetMode:
        player = Player(rules=rules, mode=before)
        player.reset()
        for _ in range(3):
            player.step()
        data = player.engine.save(0)
        for after in AutoresetMode:
            other = Player(rules=rules, mode=after)
            other.engine.load(0, data)
            is_over = before != AutoresetMode.SAME_STEP
            assert other.engine.needs_reset[0] == (is_over and after != AutoresetMode.NEXT_STEP)
            if not other.engine.needs_reset[0]:
                other.step()
                assert other.engine.results.row("is_reset")[0] == is_over


def test_states_of_cut_off_environments_need_a_reset():
    player = Player()
    player.reset()
    player.engine._environments[0].console.act = None  # an exception in the middle of a step
    with pytest.raises(TypeError):
        player.step()
    assert player.engine.needs_reset[0]
    other = Player()
    other.engine.load(0, player.engine.save(0))
    assert other.engine.needs_reset[0]
    assert other.reset(8) == Player().reset(8)


def test_clones_of_another_type_are_refused(player):
    with pytest.raises(TypeError, match="`data` must be bytes, got int"):
        player.engine.restore(0, 5)
