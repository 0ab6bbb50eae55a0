"""`adapters.envpool` beside envpool itself."""

import doctest
import importlib

import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, NoAsyncCallError

import fastatari.adapters.envpool as ours
from fastatari.adapters import envpool_spec
from fastatari.errors import InvalidAction

theirs = pytest.importorskip("envpool")

CASES = [
    ("Breakout-v5", {"seed": 11}),
    ("SpaceInvaders-v5", {"episodic_life": True, "reward_clip": True, "seed": 3}),
    ("Seaquest-v5", {"repeat_action_probability": 0.25, "episodic_life": True}),
    ("Pong-v5", {"max_episode_steps": 20, "noop_max": 5, "stack_num": 3, "frame_skip": 3}),
    ("Breakout-v5", {"gray_scale": False, "img_height": 60, "img_width": 80, "use_fire_reset": False}),
    ("Freeway-v5", {"full_action_space": True, "seed": [7, 3, 2**31 - 1]}),
]


def assert_same(mine, theirs, where=""):
    """Check that two results are the same: arrays, dtypes, and names in their order."""
    assert len(mine) == len(theirs), where
    for own, other in zip(mine, theirs, strict=True):
        if isinstance(other, dict):
            assert list(own) == list(other), where
            assert_same(own.values(), other.values(), (where, list(other)))
        else:
            assert own.dtype == other.dtype, where
            assert np.array_equal(own, other), where


@pytest.mark.parametrize(("task", "arguments"), CASES)
def test_envpool_gives_the_same(task, arguments):
    both = [package.make(task, "gymnasium", num_envs=3, **arguments) for package in (ours, theirs)]
    mine, other = both
    assert (mine.observation_space, mine.action_space) == (other.observation_space, other.action_space)
    assert_same(mine.reset(), other.reset(), "reset")
    rng = np.random.default_rng(0)
    for step in range(400):
        actions = rng.integers(mine.action_space.n, size=3)
        if step % 50 == 49:
            ids = rng.permutation(3)[: int(rng.integers(1, 3))].astype(np.int32)
            assert_same(mine.step(actions[: len(ids)], ids), other.step(actions[: len(ids)], ids), (step, "some"))
        elif step == 200:
            assert_same(mine.reset(np.array([2, 0])), other.reset(np.array([2, 0])), (step, "reset of some"))
        elif step == 300:
            options = {"reset_mask": np.array([False, True, True])}
            assert_same(mine.reset(options=options), other.reset(options=options), (step, "mask"))
        else:
            assert_same(mine.step(actions), other.step(actions), step)
    mine.close(), other.close()


@pytest.mark.parametrize("api", ["gymnasium", "dm"])
def test_envpool_resets_of_all_in_another_order_give_the_same(api):
    mine, other = (package.make("Breakout-v5", api, num_envs=3, seed=[5, 6, 7]) for package in (ours, theirs))
    rng = np.random.default_rng(0)
    for order in ([1, 2, 0], [2, 1, 0], [0, 1, 2]):
        ids = np.array(order, np.int32)
        assert_same(find_arrays(mine.reset(ids)), find_arrays(other.reset(ids)), order)
        for step in range(30):
            actions = rng.integers(4, size=3).astype(np.int32)
            assert_same(find_arrays(mine.step(actions)), find_arrays(other.step(actions)), (order, step))
    mine.close(), other.close()


def find_arrays(results):
    """The arrays of results, of dm_env's `TimeStep` too."""
    if hasattr(results, "step_type"):
        fields = results.observation
        return [results.step_type, results.reward, fields.obs, fields.lives, fields.players.env_id]
    return results


def test_envpool_batches_of_those_that_are_ready():
    both = [package.make("Breakout-v5", "gymnasium", num_envs=4, batch_size=2, seed=1) for package in (ours, theirs)]
    rows = [{}, {}]
    for env, seen in zip(both, rows, strict=True):
        assert env.is_async
        env.async_reset()
        counts = np.zeros(4, int)
        for _ in range(60):
            observations, rewards, _, _, infos = env.recv()
            for k, i in enumerate(infos["env_id"].tolist()):
                seen[i, counts[i]] = observations[k].tobytes(), float(rewards[k]), int(infos["elapsed_step"][k])
                counts[i] += 1
            env.send(infos["env_id"] % 4, infos["env_id"])
        env.close()
    common = rows[0].keys() & rows[1].keys()
    assert len(common) > 60
    assert all(rows[0][key] == rows[1][key] for key in common)


@pytest.mark.parametrize(
    "arguments",
    [{"max_episode_steps": 9, "episodic_life": True}, {"zero_discount_on_life_loss": True, "max_episode_steps": 90}],
)
def test_envpool_dm_form_gives_the_same(arguments):
    arguments = {"num_envs": 2, "seed": 4, **arguments}
    dm_env = pytest.importorskip("dm_env")
    mine, other = (package.make_dm("Breakout-v5", **arguments) for package in (ours, theirs))
    assert isinstance(mine, dm_env.Environment)
    assert repr(mine.action_spec()) == repr(other.action_spec())
    own, their = mine.observation_spec(), other.observation_spec()
    assert own._fields == their._fields
    for name in set(own._fields) - {"players"}:
        assert (getattr(own, name).shape, getattr(own, name).dtype) == (
            getattr(their, name).shape,
            getattr(their, name).dtype,
        )
    steps = [(mine.reset(), other.reset())]
    steps += [(mine.step(np.array([1, 3])), other.step(np.array([1, 3]))) for _ in range(120)]
    for number, (own, their) in enumerate(steps):
        assert_same(own[:3], their[:3], number)
        assert own.observation._fields == their.observation._fields
        players = own.observation.players.env_id, their.observation.players.env_id
        assert_same([players[0]], [players[1]], number)
        values = [
            [value for name, value in zip(o._fields, o, strict=True) if name != "players"]
            for o in (own.observation, their.observation)
        ]
        assert_same(*values, number)
    mine.close(), other.close()


def test_envpool_gym_form_is_that_of_old_gym():
    env = ours.make("Breakout-v5", env_type="gym", num_envs=2, episodic_life=True, reward_clip=True, seed=1)
    twin = ours.make_gymnasium("Breakout-v5", num_envs=2, episodic_life=True, reward_clip=True, seed=1)
    env.num_envs, env.single_action_space = 2, env.action_space  # as CleanRL sets them
    assert np.array_equal(env.reset(), twin.reset()[0])
    for step in range(200):
        actions = np.array([step % 4, 1])
        (observations, rewards, dones, infos), expected = env.step(actions), twin.step(actions)
        assert np.array_equal(observations, expected[0])
        assert np.array_equal(rewards, expected[1])
        assert np.array_equal(dones, expected[2] | expected[3])
        assert np.array_equal(infos["reward"], expected[4]["reward"])
        assert (1 - infos["terminated"]).dtype == np.int32
    assert env.unwrapped is env
    env.close(), twin.close()


def test_envpool_specs_are_the_same():
    for arguments in ({}, {"num_envs": 3, "gray_scale": False, "full_action_space": True, "stack_num": 2}):
        mine, other = ours.make_spec("Pong-v5", **arguments), theirs.make_spec("Pong-v5", **arguments)
        assert mine.config._fields == other.config._fields
        for name, value in other.config._asdict().items():
            if name not in ("base_path", "task"):
                assert getattr(mine.config, name) == value, name
        assert mine.observation_space == other.observation_space
        assert mine.action_space == other.action_space
        for part in ("state_array_spec", "action_array_spec"):
            own, their = getattr(mine, part), getattr(other, part)
            assert list(own) == list(their)
            for name in their:
                fields = [(list(s.shape), np.dtype(s.dtype), s.minimum, s.maximum) for s in (own[name], their[name])]
                assert fields[0][:2] == fields[1][:2], name
                assert np.allclose(fields[0][2], fields[1][2]), name
                assert np.allclose(fields[0][3], fields[1][3]), name


def test_envpool_ids_are_the_same():
    known = set(theirs.list_all_envs())
    assert set(ours.list_all_envs()) <= known
    assert len(ours.list_all_envs()) == 104


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"task_id": "Breakot-v5"},
            ValueError,
            "`task_id` must be one of .*, got 'Breakot-v5'; the closest is 'Breakout-v5'",
        ),
        ({"task_id": 3}, TypeError, "`task_id` must be a string, got 3"),
        ({"env_type": "jax"}, ValueError, "`env_type` must be one of .*'dm', 'gym', 'gymnasium'.*, got 'jax'"),
        ({"frameskip": 4}, TypeError, "envpool has no argument 'frameskip'; it has num_envs, batch_size"),
        ({"num_envs": 0}, ValueError, "`num_envs` must be .*1.*, got 0"),
        ({"num_envs": 2, "batch_size": 3}, ValueError, "`batch_size` must be .*2.*, got 3"),
        ({"use_inter_area_resize": False}, ValueError, "`use_inter_area_resize` must be True here, got False"),
        ({"gym_reset_return_info": False}, ValueError, "`gym_reset_return_info` must be True here, got False"),
        ({"num_envs": 2, "seed": [1]}, ValueError, "`seed` must be a number or 2 of them, got 1"),
        ({"seed": -5}, ValueError, "`seed` must be .*0.*, got -5"),
        ({"num_envs": 3, "seed": 2**31 - 1}, ValueError, "`seed` must be .*2147483645, got 2147483647"),
        ({"seed": 1, "env_seed": 2}, ValueError, "`seed` and `env_seed` must not be given both"),
        ({"img_height": 0}, ValueError, "`img_height` must be .*1.*, got 0"),
        ({"reward_clip": 1}, TypeError, "`reward_clip` must be"),
    ],
)
def test_envpool_refuses_at_once(arguments, error, message):
    arguments = {"task_id": "Breakout-v5", "env_type": "gymnasium", **arguments}
    with pytest.raises(error, match=message):
        ours.make(**arguments)


def test_envpool_errors_lose_nothing():
    env, twin = (ours.make_gymnasium("Breakout-v5", num_envs=2, seed=5) for _ in range(2))
    env.reset(), twin.reset()
    for action, env_id, error, message in (
        (np.zeros(3), None, ValueError, r"`action` must be 2 numbers, one for each environment, got shape \(3,\)"),
        (np.array(["a", "b"]), None, TypeError, "`action` must be numbers, got"),
        (np.array([0, 7]), None, InvalidAction, "7"),
        (np.array([0]), np.array([2]), ValueError, "`env_id` must be from 0 to 1, got 2"),
        (np.array([2**32 + 1, 0]), None, InvalidAction, "4294967297"),
        (np.array([2**63, 0], np.uint64), None, InvalidAction, "9223372036854775808"),
        (np.array([np.nan, 0]), None, ValueError, "`action` must be numbers that are integers of 32 bits, got"),
    ):
        with pytest.raises(error, match=message):
            env.step(action, env_id)
    env.send(np.zeros(2, int))
    twin.send(np.zeros(2, int))
    with pytest.raises(AlreadyPendingCallError):
        env.send(np.zeros(2, int))
    assert_same(env.recv(), twin.recv())
    named = {"action": np.array([1.9, 0.0]), "env_id": np.array([1, 0])}
    assert_same(env.step(named), twin.step(np.array([1, 0]), np.array([1, 0])))
    with pytest.raises(ValueError, match=r"`env_id` and `options\['reset_mask'\]` must not be given both"):
        env.reset(np.array([0]), options={"reset_mask": [True, False]})
    assert_same(env.reset(options={"reset_mask": [True, False]}), twin.reset(np.array([0])))
    env.async_reset(), twin.reset()
    assert_same(env.step(np.zeros(2)), twin.step(np.zeros(2)))  # what was not received is dropped
    with pytest.raises(NoAsyncCallError):
        env.recv()
    with pytest.warns(UserWarning, match="`seed` of `reset` is of no meaning; environments are seeded by `make`"):
        env.reset(seed=3)
    with pytest.raises(NotImplementedError, match="render"):
        env.render()
    assert repr(env).startswith("GymnasiumEnvPool(num_envs=2, batch_size=2")
    assert (len(env), env.is_vector_env, env.all_env_ids.dtype) == (2, True, np.int32)
    assert env.config["task"] == "breakout"
    assert envpool_spec.DEFAULTS.keys() == env.config.keys()
    env.close(), env.close()


def test_envpool_examples_give_what_they_say():
    results = doctest.testmod(importlib.import_module("fastatari.adapters.envpool"))
    assert results.attempted
    assert not results.failed
