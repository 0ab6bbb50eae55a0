import copy
import pickle
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from environments import SHORT, assert_same
from gymnasium.vector import AutoresetMode
from vectors import (
    MODES,
    NUM,
    actions_for,
    go_on,
    make,
    play,
)

from fastatari import checkpoint
from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv

# Copies and saved states.


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_copies_go_on_by_themselves(mode, duplicate):
    fields = {"preset": "sb3", "repeat_action_probability": 0.25, "autoreset_mode": mode, "info_ram": True, **SHORT}
    env = make(**fields)
    fresh = duplicate(env)
    assert_same(fresh.reset(seed=1), env.reset(seed=1))
    play(env, 30)
    copied = duplicate(env)
    env.reset(seed=5)
    if mode != AutoresetMode.DISABLED:
        env.send([1, 0, 3], [3, 1, 0])
        copied = duplicate(env)
        assert_same(copied.recv(), env.recv())
    else:
        copied = duplicate(env)
    expected = [*go_on(env, 40), *play(env, 20, seed=None)]
    again = [*go_on(copied, 40), *play(copied, 20, seed=None)]
    for mine, theirs in zip(again, expected, strict=True):
        assert_same(mine, theirs)


def test_copies_hold_what_was_not_received():
    env = make(batch_size=2, autoreset_mode="SameStep", **SHORT)
    env.reset(seed=3)
    copied = copy.deepcopy(env)
    assert_same(copied.recv(), env.recv())
    for actions in actions_for(env, 12):
        env.send(actions[:2])
        copied = pickle.loads(pickle.dumps(env))
        mine, theirs = copied.recv(), env.recv()
        if mine[-1]["env_id"].tolist() == theirs[-1]["env_id"].tolist():  # whoever was ready first
            assert_same(mine, theirs)
    env.close()


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(("num_threads", "other"), [(0, 2), (2, 0), (None, 4)])
def test_a_saved_state_goes_on_to_the_byte(num_threads, other, mode):
    fields = {"preset": "sb3", "autoreset_mode": mode, "repeat_action_probability": 0.25, **SHORT}
    env = make(num_threads=num_threads, **fields)
    play(env, 40)
    state = env.save_state()
    # Without a seed: the generators go on, too.
    expected = [*go_on(env, 5), *play(env, 60, seed=None)]
    drawn = env.np_random.random(3).tolist()
    env.close()
    env = make(num_threads=other, **fields)
    env.reset(seed=99)
    for _ in range(2):
        env.load_state(bytearray(state))
        again = [*go_on(env, 5), *play(env, 60, seed=None)]
        for mine, theirs in zip(again, expected, strict=True):
            assert_same(mine, theirs)
        assert env.np_random.random(3).tolist() == drawn
        assert env.np_random_seed == 3
    env.close()


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_loading_returns_what_waits_for_an_action(mode):
    env = make(autoreset_mode=mode, info_ram=True, **SHORT)
    results = play(env, 51)
    loaded, told = env.load_state(env.save_state())
    assert np.array_equal(loaded, results[-1][0])
    infos = results[-1][-1]
    assert told.keys() == {name for name in infos if "final" not in name}
    if len(results[-1]) == 5:
        assert_same(*({name: each[name] for name in each if "final" not in name} for each in (told, infos)))
    env.close()


@pytest.mark.parametrize("num_threads", [0, 2])
def test_a_saved_state_holds_what_was_not_received(num_threads):
    env = make(num_threads=num_threads, batch_size=2, autoreset_mode="SameStep", **SHORT)
    _, infos = env.reset(seed=3)
    actions = actions_for(env, 400)
    for step in range(20):
        env.send(actions[step, infos["env_id"]])
        *_, infos = env.recv()
    waiting = infos["env_id"]

    def play_each():
        """Play each environment for itself; return what each gave."""
        played = {index: [] for index in range(NUM)}
        ready = waiting
        while min(map(len, played.values())) < 40 and max(map(len, played.values())) < 400:
            env.send([actions[len(played[index]), index] for index in ready], ready)
            observations, *rest, infos = env.recv()
            ready = infos["env_id"]
            for row, index in enumerate(ready):
                has_final = "final_obs" in infos and infos["_final_obs"][row]
                final = infos["final_obs"][row].tobytes() if has_final else None
                played[index].append((observations[row].tobytes(), final, *(each[row].item() for each in rest)))
        return played

    state = env.save_state()
    expected = play_each()
    loaded, infos = env.load_state(state)
    assert len(loaded) == 2
    assert np.array_equal(infos["env_id"], waiting)
    again = play_each()
    for index, played in expected.items():
        count = min(len(played), len(again[index]))
        assert again[index][:count] == played[:count]
    env.close()


def test_a_run_goes_on_in_another_process(console, tmp_path):
    env = make(preset="ale", **SHORT)
    play(env, 30)
    (tmp_path / "state").write_bytes(env.save_state())
    expected = [env.step(actions) for actions in actions_for(env, 60)]
    env.close()
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, pickle, numpy\n"
        "from fastatari.envs.vector import AtariVectorEnv\n"
        f"env = AtariVectorEnv('breakout', 4, preset='ale', max_num_frames_per_episode=203, console={console!r})\n"
        "env.load_state(open(sys.argv[1], 'rb').read())\n"
        "actions = numpy.random.default_rng(0).integers(4, size=(60, 4))\n"
        "sys.stdout.buffer.write(pickle.dumps([env.step(each) for each in actions]))\n"
        "env.close()\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-P", "-W", "error", program, tmp_path / "state"], capture_output=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr.decode()
    for mine, theirs in zip(pickle.loads(outcome.stdout), expected, strict=True):
        assert_same(mine, theirs)


@pytest.fixture
def pair():
    """An environment and its twin for bad states, which have to leave it as it is."""
    env, twin = make(**SHORT), make(**SHORT)
    env.reset(seed=3), twin.reset(seed=3)
    yield env, twin
    env.close()


def test_the_state_of_a_pending_environment_goes_on_in_a_single_one():
    env, single = make(autoreset_mode="NextStep", **SHORT), AtariEnv("breakout", **SHORT)
    env.reset(seed=3), single.reset()
    env.send([1, 2, 3, 0])
    states = env.call("clone_state")
    env.recv()
    single.restore_state(states[1])
    for action in (2, 3, 1):
        expected = env.step([action] * NUM)[0][1]
        assert np.array_equal(single.step(action)[0], expected)
    env.close(), single.close()


def test_other_states_are_refused(pair):
    env, twin = pair
    state = env.save_state()
    others = [
        AtariVectorEnv("pong", NUM),
        AtariVectorEnv("breakout", 1),
        make(reward_clip=True, **SHORT),
        make(autoreset_mode="SameStep", **SHORT),
        make(batch_size=2, **SHORT),
    ]
    for other in others:
        other.reset()
    pong, fewer, clipped, same_step, halves = (other.save_state() for other in others)
    single = AtariEnv("breakout", **SHORT)
    single.reset()
    for bad, error, message in [
        (7, TypeError, "`state` must be bytes-like, got int"),
        ("state", TypeError, "`state` must be bytes-like, got str"),
        (b"state", ValueError, "`data` must be a saved state"),
        (state[: len(state) // 2], ValueError, "it was cut"),
        (state[:-9] + b"x" + state[-8:], ValueError, "it was damaged"),
        (pickle.dumps(state), ValueError, "`data` must be a saved state"),
        (single.save_state(), ValueError, "`data` must be a saved state of kind 'AtariVectorEnv', got kind 'AtariEnv'"),
        (pong, ValueError, "`state` must have the same game, breakout, got one with pong"),
        (fewer, ValueError, "`state` must have the same number of environments, 4, got one with 1"),
        (clipped, ValueError, "`state` must be of the same rules, got one with other reward_clip"),
        (same_step, ValueError, "`state` must have the same `autoreset_mode`, NextStep, got one with SameStep"),
        (halves, ValueError, "`state` must have the same `batch_size`, 4, got one with 2"),
    ]:
        with pytest.raises(error, match=message):
            env.load_state(bad)
        assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))


def test_a_state_with_a_damaged_environment_changes_nothing(pair):
    """Not even of the environments before it."""
    env, twin = pair
    env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0])
    values, arrays = checkpoint.unpack(env.save_state(), "AtariVectorEnv")
    env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0])
    damaged = arrays["environments"].copy()
    damaged[-100] ^= 255
    bad = checkpoint.pack("AtariVectorEnv", values, arrays | {"environments": damaged})
    with pytest.raises(ValueError, match="it was damaged"):
        env.load_state(bad)
    for name, array, message in [
        ("sizes", arrays["sizes"] + 1, "`sizes` in the saved state must add up to"),
        ("is_owed", arrays["is_owed"][:2], "`is_owed` in the saved state must be a bool array of shape"),
        ("received", np.array([7]), "`env_id` must be from 0 to 3, got 7"),
    ]:
        with pytest.raises(ValueError, match=message):
            env.load_state(checkpoint.pack("AtariVectorEnv", values, arrays | {name: array}))
    assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_an_episode_that_is_over_needs_a_reset_in_another_environment(console, mode):
    arguments = {"preset": "cleanrl", "max_episode_steps": 3, "console": console}
    env, other = AtariVectorEnv("breakout", 1, autoreset_mode=mode, **arguments), AtariEnv("breakout", **arguments)
    env.reset(seed=1)
    for _ in range(3):
        truncated = env.step([0])[3]
    assert truncated.all()
    other.reset(seed=2)
    other.restore_state(env.call("clone_state")[0])
    with pytest.raises(gymnasium.error.ResetNeeded):
        other.step(0)
    other.reset()
    other.step(0)


def test_a_shallow_copy_has_its_own_turns():
    env = AtariVectorEnv("breakout", 4, batch_size=2)
    env.reset(seed=1)
    copied = copy.copy(env)
    first, _ = env.recv()[::4]
    second, _ = copied.recv()[::4]
    assert np.array_equal(first, second)


def test_generators_that_share_what_they_draw_from_are_refused():
    env = AtariVectorEnv("breakout", 2)
    bits = np.random.MT19937(0)
    with pytest.raises(ValueError, match="`values` must be 2 different generators"):
        env.set_attr("np_random", [np.random.Generator(bits), np.random.Generator(bits)])
