import copy
import functools
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import ale_py
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastatari
from fastatari import PRESETS, AtariEnv, AtariVectorEnv, InvalidAction
from fastatari.cores import count_cores

NUM = 4
STEPS = 130
# Ends of all kinds within these steps, but not all at once: a random number of no-ops counts too.
SHORT = {"max_num_frames_per_episode": 203}
MODES = list(AutoresetMode)

make = functools.partial(AtariVectorEnv, "breakout", NUM)


def assert_same(mine, theirs, path=""):
    """Check that two things that environments returned are the same to the byte, but for times."""
    if isinstance(theirs, dict):
        assert mine.keys() == theirs.keys(), path
        for name in theirs:
            assert_same(mine[name], theirs[name], f"{path}/{name}")
    elif isinstance(theirs, tuple):
        assert len(mine) == len(theirs)
        for number, pair in enumerate(zip(mine, theirs, strict=True)):
            assert_same(*pair, f"{path}/{number}")
    elif theirs is None or theirs.dtype == object:
        assert (mine is None) == (theirs is None), path
        for number, pair in enumerate(zip(mine, theirs, strict=True) if theirs is not None else ()):
            assert_same(*pair, f"{path}/{number}")
    elif not path.endswith("episode/t"):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape), path
        assert mine.tobytes() == theirs.tobytes(), path


def without_id(infos):
    """Infos without what only `AtariVectorEnv` tells."""
    assert np.array_equal(infos["env_id"], np.arange(len(infos["env_id"])))
    assert infos["_env_id"].all()
    return {name: values for name, values in infos.items() if name not in {"env_id", "_env_id"}}


def actions_for(env, steps=STEPS):
    return np.random.default_rng(0).integers(env.single_action_space.n, size=(steps, env.num_envs))


def go_on(env, steps=STEPS):
    """Return all that a vector environment gives; those that nobody resets are reset when they have to."""
    results = []
    for actions in actions_for(env, steps):
        results.append(env.step(actions))
        mask = results[-1][2] | results[-1][3]
        if env.metadata["autoreset_mode"] == AutoresetMode.DISABLED and mask.any():
            results.append(env.reset(options={"reset_mask": mask}))
    return results


def play(env, steps=STEPS, seed=3):
    return [env.reset(seed=seed), *go_on(env, steps)]


@functools.cache
def play_twin(preset, mode, seed=3):
    """What gymnasium's own vector environment gives of single environments."""
    sync = SyncVectorEnv([lambda: AtariEnv("breakout", preset=preset, **SHORT)] * NUM, autoreset_mode=mode)
    results = play(sync, seed=seed)
    assert sum(int(result[2].sum() + result[3].sum()) for result in results if len(result) > 2) > 4
    return results


def assert_is_twin(env, preset, mode, seed=3):
    results = play(env, seed=seed)
    for mine, theirs in zip(results, play_twin(preset, mode, seed), strict=True):
        assert_same((*mine[:-1], without_id(mine[-1])), theirs)


# What comes out.


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_it_gives_what_gymnasiums_vector_environment_gives(preset, mode):
    with_default = make(preset=preset, autoreset_mode=mode, **SHORT)
    assert_is_twin(with_default, preset, mode)
    with_default.close()


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("num_workers", [0, 1, 2, 4])
def test_the_number_of_workers_changes_nothing(num_workers, mode):
    env = make(num_workers=num_workers, preset="sb3", autoreset_mode=mode, **SHORT)
    assert env.num_workers == len(multiprocessing.active_children()) == num_workers
    assert_is_twin(env, "sb3@1", mode)
    env.close()


@pytest.mark.parametrize("context", multiprocessing.get_all_start_methods())
def test_the_start_method_changes_nothing(context):
    env = make(num_workers=3, preset="sb3", context=context, **SHORT)
    assert_is_twin(env, "sb3@1", AutoresetMode.NEXT_STEP)
    env.close()


@pytest.mark.parametrize("num_workers", [0, 1, 2, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_who_is_ready_first_changes_nothing(batch_size, num_workers):
    """Each environment gets the actions of a whole batch's play, and has to give the same."""
    env = make(num_workers=num_workers, batch_size=batch_size, preset="sb3", **SHORT)
    expected = play_twin("sb3@1", AutoresetMode.NEXT_STEP)
    actions = actions_for(env)
    played = np.zeros(NUM, int)
    observations, infos = env.reset(seed=3)
    rest = []
    while True:
        ready = infos["env_id"]
        assert len(observations) == len(ready) == batch_size
        assert (np.diff(ready) > 0).all()
        for row, index in enumerate(ready):
            theirs = expected[played[index]]
            assert observations[row].tobytes() == theirs[0][index].tobytes()
            told = [mine[row] for mine in rest]
            assert told == [their[index] for their in theirs[1:-1]] if played[index] else not any(told)
            for name in ("lives", "frame_number", "raw_reward", "noops"):
                told = name in infos and bool(infos[f"_{name}"][row])
                assert told == (name in theirs[-1] and bool(theirs[-1][f"_{name}"][index]))
                assert not told or infos[name][row] == theirs[-1][name][index]
            played[index] += 1
        if played.min() > 60 or played.max() == len(expected):  # some can be ready far more often than others
            break
        env.send([actions[played[index] - 1, index] for index in ready])
        observations, *rest, infos = env.recv()
    assert played.min() > 5
    env.close()


def test_environments_can_be_asked_by_name():
    env = make(num_workers=2, batch_size=1, **SHORT)
    expected = play_twin("gymnasium@1", AutoresetMode.NEXT_STEP)
    first = [env.reset(seed=3), *(env.recv() for _ in range(NUM - 1))]
    assert sorted(int(result[-1]["env_id"][0]) for result in first) == list(range(NUM))
    actions = actions_for(env)
    for step in range(20):
        for index in (2, 0):
            env.send(actions[step, [index]], env_id=[index])
            observations, rewards, *_, infos = env.recv()
            assert infos["env_id"] == [index]
            assert np.array_equal(observations[0], expected[step + 1][0][index])
            assert rewards == expected[step + 1][1][index]
    env.close()


@pytest.mark.parametrize("fields", [{}, {"life_loss": "report"}, {"autoreset_mode": "SameStep"}], ids=str)
def test_it_gives_what_ale_pys_vector_environment_gives(fields):
    mode = fields.get("autoreset_mode", "NextStep")
    theirs = ale_py.vector_env.AtariVectorEnv(
        "breakout",
        NUM,
        autoreset_mode=mode,
        life_loss_info="life_loss" in fields,
        max_num_frames_per_episode=SHORT["max_num_frames_per_episode"],
    )
    env = make(num_workers=2, preset="ale", **fields, **SHORT)
    told = ("env_id", "lives", "frame_number", "episode_frame_number")
    ends = 0
    for mine, their in zip(play(env, 400), play(theirs, 400), strict=True):
        for one, other in zip(mine[:-1], their[:-1], strict=True):
            assert np.array_equal(one, other)
        if len(mine) > 2:
            ends += int(mine[2].sum() + mine[3].sum())
        if mode == "NextStep":
            for name in told:
                assert np.array_equal(mine[-1][name], their[-1][name]), name
        elif "final_obs" in mine[-1]:
            for index in np.flatnonzero(mine[-1]["_final_obs"]):
                assert np.array_equal(mine[-1]["final_obs"][index], their[-1]["final_obs"][index])
    assert ends > 8
    env.close()
    theirs.close()


@pytest.mark.parametrize(
    ("fields", "shape", "dtype"),
    [
        ({"grayscale_obs": False, "stack_axis": -1}, (84, 84, 12), np.uint8),
        ({"preset": "dopamine", "stack_num": 3}, (84, 84, 3), np.uint8),
        ({"scale_obs": True, "screen_size": (96, 70), "stack_num": 2}, (2, 70, 96), np.float32),
    ],
)
def test_observations_of_all_shapes_are_those_of_single_environments(fields, shape, dtype):
    env = AtariVectorEnv("pong", 2, num_workers=1, **fields)
    singles = [AtariEnv("pong", **fields) for _ in range(2)]
    assert env.single_observation_space == singles[0].observation_space
    assert env.observation_space.shape == (2, *shape)
    observations, _ = env.reset(seed=0)
    theirs = [single.reset(seed=seed)[0] for seed, single in enumerate(singles)]
    for actions in actions_for(env, 12):
        assert (observations.dtype, observations.shape) == (dtype, (2, *shape))
        assert np.array_equal(observations, theirs)
        observations = env.step(actions)[0]
        theirs = [single.step(action)[0] for single, action in zip(singles, actions, strict=True)]
    assert observations.max() > 0
    env.close()


@pytest.mark.parametrize("rom", ["seaquest", "boxing", "venture", "qbert", "atlantis2", "assault", "double_dunk"])
def test_games_side_by_side_begin_as_on_ale_py_by_themselves(rom):
    """Starts that depend on the timer, on RAM that stays, on what ale-py's states leave out, or on all of the RAM."""
    env = AtariVectorEnv(rom, 3, num_workers=0, max_num_frames_per_episode=120)
    sync = SyncVectorEnv([lambda: AtariEnv(rom, console="ale", max_num_frames_per_episode=120)] * 3)
    for mine, theirs in zip(play(env, 200), play(sync, 200), strict=True):
        assert_same((*mine[:-1], without_id(mine[-1])), theirs)


# What callers may do.


def test_ids_make_it():
    env = gymnasium.make_vec("fastatari/Breakout-v0", num_envs=2, preset="ale", max_episode_steps=7)
    assert isinstance(env, AtariVectorEnv)
    assert (env.spec.id, env.num_envs, env.rules.max_episode_steps) == ("fastatari/Breakout-v0", 2, 7)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    other = AtariVectorEnv("breakout", 1, autoreset_mode="Disabled", num_workers=0, frame_skip=5)
    assert other.metadata == {"render_modes": ["rgb_array"], "render_fps": 12, "autoreset_mode": AutoresetMode.DISABLED}
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.action_space == gymnasium.spaces.MultiDiscrete([4, 4])
    assert env.get_action_meanings() == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    observations, _ = env.reset(seed=0)
    assert observations in env.observation_space
    for step in range(7):
        *_, truncated, infos = env.step(env.action_space.sample())
        assert truncated.all() == (step == 6)
    assert infos["episode"]["l"].tolist() == [7, 7]
    env.close()


def test_every_core_gets_a_share():
    cores = count_cores()
    with_default = AtariVectorEnv("breakout", 8)
    assert with_default.num_workers == min(8, cores) - 1
    with_default.close()
    for fields in ({"batch_size": 2}, {"restart_workers": True}):
        env = AtariVectorEnv("breakout", 3, **fields)
        assert env.num_workers == min(3, cores)
        env.close()


@pytest.mark.skipif(count_cores() < 2, reason="on one core there is nobody else")
def test_workers_keep_off_the_core_of_a_caller_that_plays():
    usable = os.sched_getaffinity(0)
    with AtariVectorEnv("breakout", 8) as env:
        env.reset()
        env.step([0] * 8)
        for process in env._pool.processes:
            assert len(usable - os.sched_getaffinity(process.pid)) == 1
    with AtariVectorEnv("breakout", 2, num_workers=2) as env:
        env.reset()
        assert [os.sched_getaffinity(process.pid) for process in env._pool.processes] == [usable] * 2
    assert os.sched_getaffinity(0) == usable


def test_gymnasiums_vector_wrappers_go_around_it():
    env = gymnasium.make_vec("fastatari/Breakout-v0", num_envs=2, episode_statistics=False, **SHORT)
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    env = gymnasium.wrappers.vector.ClipReward(env, -1, 1)
    env = gymnasium.wrappers.vector.DictInfoToList(env)
    _, infos = env.reset(seed=0)
    assert [set(info) for info in infos] == [{"lives", "frame_number", "episode_frame_number", "noops", "env_id"}] * 2
    episodes = []
    for _ in range(60):
        *_, infos = env.step(env.action_space.sample())
        episodes += [info["episode"] for info in infos if "episode" in info]
    assert len(episodes) >= 2
    assert all(40 < episode["l"] <= 51 for episode in episodes)
    env.close()


def test_screens_are_rendered():
    env = AtariVectorEnv("pong", 3, num_workers=1, render_mode="rgb_array")
    singles = [AtariEnv("pong", render_mode="rgb_array") for _ in range(3)]
    env.reset(seed=5)
    env.step([0, 1, 2])
    for index, (mine, single) in enumerate(zip(env.render(), singles, strict=True)):
        single.reset(seed=5 + index)
        single.step(index)
        assert np.array_equal(mine, single.render())
    env.close()
    silent = AtariVectorEnv("pong", 1, num_workers=0)
    silent.reset()
    with pytest.warns(UserWarning, match="calling render method without specifying any render mode"):
        assert silent.render() is None


@pytest.mark.parametrize("num_workers", [0, 2, None])
def test_observations_are_the_callers_for_ever(num_workers):
    env = make(num_workers=num_workers, **SHORT)
    expected = play_twin("gymnasium@1", AutoresetMode.NEXT_STEP)
    kept = [env.reset(seed=3)[0]]
    for step, actions in enumerate(actions_for(env)):
        observations = env.step(actions)[0]
        # Kept or not, whole or in part, written to or not, through whatever view: nothing that comes later is seen.
        kept.append([observations, observations[1:3, ..., ::2].T, memoryview(observations)[0:1], None][step % 4])
        if step % 5 == 0:
            observations = observations.copy()
            kept[-1] = observations
        elif step % 7 == 0:
            kept[-1] = None
            observations[:] = step
    for step, observations in enumerate(kept[1:], 1):
        theirs = expected[step][0]
        if isinstance(observations, memoryview):
            assert bytes(observations) == theirs[:1].tobytes()
        elif observations is not None:
            theirs = theirs if observations.shape == theirs.shape else theirs[1:3, ..., ::2].T
            assert np.array_equal(observations, theirs)
    env.close()
    assert np.array_equal(kept[0], expected[0][0])


def test_memory_is_used_again_when_a_caller_lets_go():
    env = make(num_workers=2)
    observations, _ = env.reset(seed=0)
    places = set()
    for actions in actions_for(env, 20):
        observations = env.step(actions)[0]
        places.add(observations.ctypes.data)
    assert len(places) == 2
    kept = [env.step(actions)[0] for actions in actions_for(env, 20)]
    assert len({observations.ctypes.data for observations in kept}) == 20
    env.close()


@pytest.mark.parametrize("batch_size", [NUM, 2])
def test_views_last_as_long_as_is_said(batch_size):
    env = make(num_workers=2, copy=False, batch_size=batch_size, **SHORT)
    expected = play_twin("gymnasium@1", AutoresetMode.NEXT_STEP)
    before, _ = env.reset(seed=3)
    if batch_size == NUM:
        for step, actions in enumerate(actions_for(env), 1):
            observations = env.step(actions)[0]
            assert np.array_equal(observations, expected[step][0])
            assert np.array_equal(before, expected[step - 1][0])
            before = observations
    else:
        again = env.recv()[0]
        assert again is before
    env.close()


def test_observations_are_written_where_the_caller_wants_them():
    expected = play_twin("gymnasium@1", AutoresetMode.NEXT_STEP)
    for batch_size in (NUM, 2):
        env = make(num_workers=2, batch_size=batch_size, **SHORT)
        rollout = np.zeros((STEPS + 1, batch_size, 4, 84, 84), np.uint8)
        rollout[0], _ = env.reset(seed=3)
        for step, actions in enumerate(actions_for(env), 1):
            if batch_size == NUM:
                observations, *_ = env.step(actions, out=rollout[step])
                assert np.array_equal(observations, expected[step][0])
            else:
                assert (env.recv(rollout[step]) if step == 1 else env.step([0, 0], rollout[step]))[0].base is rollout
        assert rollout[1].any()
        strided = np.zeros((batch_size, 4, 84, 168), np.uint8)[..., ::2]
        observations, *_ = env.step([0] * batch_size, out=strided)
        assert observations is strided
        assert strided.any()
        env.close()


def test_tensors_are_written_to():
    torch = pytest.importorskip("torch")
    env = make(num_workers=0, **SHORT)
    env.reset(seed=3)
    tensor = torch.zeros((NUM, 4, 84, 84), dtype=torch.uint8).share_memory_()
    actions = actions_for(env)
    observations, *_ = env.step(torch.tensor(actions[0]), out=tensor)
    assert observations is tensor
    assert np.array_equal(tensor.numpy(), play_twin("gymnasium@1", AutoresetMode.NEXT_STEP)[1][0])


class OldTensor:
    """One whose `__dlpack__` cannot say whether it may be written to, as before version 1 of the protocol."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **_):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_old_tensors_are_written_to():
    env = make(num_workers=0)
    env.reset(seed=3)
    tensor = OldTensor(np.zeros((NUM, 4, 84, 84), np.uint8))
    assert env.step([0] * NUM, out=tensor)[0] is tensor
    assert tensor.array.any()
    frozen = OldTensor(np.zeros((NUM, 4, 84, 84), np.uint8))
    frozen.array.flags.writeable = False
    with pytest.raises((ValueError, BufferError), match=r"(?i)read-?only"):
        env.step([0] * NUM, out=frozen)


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        lambda actions: actions.astype(np.uint8),
        lambda actions: actions.astype(">i8"),
        lambda actions: np.repeat(actions, 2)[::2],
        lambda actions: np.broadcast_to(actions[:1], NUM),
        lambda actions: [np.int32(action) for action in actions],
        lambda actions: actions.astype(np.uint64).view(np.recarray),
    ],
)
def test_actions_may_be_any_integers(convert):
    env, twin = make(num_workers=1), make(num_workers=0)
    env.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(env, 5):
        converted = convert(actions)
        assert_same(env.step(converted)[:-1], twin.step(np.array(converted).astype(np.int64))[:-1])
    env.close()


def test_actions_are_taken_when_they_are_sent():
    env, twin = make(num_workers=2), make(num_workers=0)
    env.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(env, 20):
        mine = actions.copy()
        env.send(mine)
        mine[:] = 0
        assert_same(env.recv()[:-1], twin.step(actions)[:-1])
    env.close()


def test_some_environments_are_reset_and_the_others_go_on():
    env, twins = make(num_workers=3, autoreset_mode="Disabled"), [AtariEnv("breakout") for _ in range(NUM)]
    observations, _ = env.reset(seed=[5, None, 7, 8])
    for index in (0, 2, 3):
        assert np.array_equal(observations[index], twins[index].reset(seed=[5, 0, 7, 8][index])[0])
    for actions in actions_for(env, 10):
        before = env.step(actions)[0]
        for index in (0, 2, 3):
            assert np.array_equal(before[index], twins[index].step(actions[index])[0])
    options = {"reset_mask": np.array([False, True, True, False])}
    observations, infos = env.reset(seed=[1, 2, 30, 4], options=options)
    assert list(options) == ["reset_mask"]
    assert np.array_equal(observations[[0, 3]], before[[0, 3]])
    assert np.array_equal(observations[2], twins[2].reset(seed=30)[0])
    assert np.array_equal(observations[1], AtariEnv("breakout").reset(seed=2)[0])
    assert infos["_lives"].tolist() == infos["_noops"].tolist() == options["reset_mask"].tolist()
    assert infos["lives"].tolist() == [0, 5, 5, 0]
    for actions in actions_for(env, 10):
        observations = env.step(actions)[0]
        for index in (0, 2, 3):
            assert np.array_equal(observations[index], twins[index].step(actions[index])[0])
    env.close()


def test_seeds_are_for_the_environments_and_the_vector_environment():
    env = make(num_workers=0)
    first, _ = env.reset(seed=9)
    assert env.np_random_seed == 9
    assert np.array_equal(first, env.reset(seed=np.arange(9, 9 + NUM))[0])
    assert env.np_random_seed == 9
    assert np.array_equal(first[1], env.reset(seed=np.int64(10))[0][0])
    assert env.np_random_seed == 10
    noops = {tuple(env.reset()[1]["noops"]) for _ in range(5)}
    assert len(noops) == 5


# What callers may not do. Nothing of it is seen by the environments.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"num_envs": 0}, ValueError, "`num_envs` must be at least 1, got 0"),
        ({"num_envs": -1}, ValueError, "`num_envs` must be at least 1, got -1"),
        ({"num_envs": 2.5}, TypeError, "`num_envs` must be an integer, got 2.5 of type float"),
        ({"num_envs": True}, TypeError, "`num_envs` must be an integer, got True of type bool"),
        ({"num_envs": None}, TypeError, "`num_envs` must be an integer, got None"),
        ({"num_workers": 5}, ValueError, "`num_workers` must be from 0 to 4, got 5"),
        ({"num_workers": -1}, ValueError, "`num_workers` must be from 0 to 4, got -1"),
        ({"num_workers": "2"}, TypeError, "`num_workers` must be an integer, got '2'"),
        ({"batch_size": 5}, ValueError, "`batch_size` must be from 1 to 4, got 5"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be from 1 to 4, got 0"),
        ({"autoreset_mode": "Sometimes"}, ValueError, r"`autoreset_mode` must be one of .*'NextStep'.*got 'Sometimes'"),
        ({"copy": 1}, TypeError, "`copy` must be True or False, got 1"),
        ({"restart_workers": None}, TypeError, "`restart_workers` must be True or False, got None"),
        ({"episode_statistics": "no"}, TypeError, "`episode_statistics` must be True or False, got 'no'"),
        ({"context": "illegal"}, ValueError, "cannot find context for 'illegal'"),
        ({"timeout": 0}, ValueError, r"`timeout` must be positive and at most 1000000, or None, got 0\.0"),
        ({"timeout": "1"}, TypeError, "`timeout` must be a number, got '1'"),
        (
            {"start_timeout": float("nan")},
            ValueError,
            "`start_timeout` must be positive and at most 1000000, or None, got nan",
        ),
        ({"render_mode": "human"}, ValueError, "`render_mode` must be one of None, 'rgb_array', got 'human'"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"preset": "sb4"}, ValueError, "`preset` must be one of .* got 'sb4'"),
        ({"frameskip": 4}, TypeError, "unexpected keyword argument 'frameskip'; the closest rule is 'frame_skip'"),
        ({"frame_skip": 0}, ValueError, "`frame_skip` must be at least 1, got 0"),
        ({"screen_size": (84,)}, TypeError, "`screen_size` must be a pair"),
    ],
)
def test_bad_arguments_are_refused_before_a_process_starts(arguments, error, message):
    before = threading.active_count()
    with pytest.raises(error, match=message):
        AtariVectorEnv(**{"game": "breakout", "num_envs": 4, "num_workers": 2, **arguments})
    assert not multiprocessing.active_children()
    assert threading.active_count() == before


def test_what_only_the_game_knows_is_refused_too():
    with pytest.raises(ValueError, match=r"`screen_size` must be at most \(160, 210\), got \(200, 200\)") as caught:
        AtariVectorEnv("breakout", 2, num_workers=2, screen_size=200)
    assert any("raised in worker " in note for note in caught.value.__notes__)
    assert not multiprocessing.active_children()


@pytest.fixture
def pair():
    """An environment and its twin for bad arguments, which have to leave it as it is."""
    env, twin = make(num_workers=2, **SHORT), make(num_workers=0, **SHORT)
    env.reset(seed=3), twin.reset(seed=3)
    yield env, twin
    env.close()


BAD_ACTIONS = [
    (
        [0, 1, 2],
        ValueError,
        r"`actions` must have shape \(4,\), one integer for each environment, got shape \(3,\)",
    ),
    ([0] * 5, ValueError, r"got shape \(5,\)"),
    ([], ValueError, r"got shape \(0,\)"),
    (np.zeros((4, 1), int), ValueError, r"got shape \(4, 1\)"),
    ([[0, 1], [2]], ValueError, r"got \[\[0, 1\], \[2\]\]"),
    (1, TypeError, "`actions` must be a sequence of 4 integers, one for each environment, got 1"),
    (None, TypeError, "must be a sequence of 4 integers, one for each environment, got None"),
    ({0: 1}, TypeError, "must be a sequence of 4 integers"),
    ("0123", TypeError, "must be a sequence of 4 integers"),
    ([0.0, 1.0, 2.0, 3.0], TypeError, "`actions` must be integers, one for each environment, got dtype float64"),
    ([0, 1, 2, np.nan], TypeError, "got dtype float64"),
    ([True] * 4, TypeError, "got dtype bool"),
    ([0, 1, 2, None], TypeError, "got dtype object"),
    (list("0123"), TypeError, "got dtype <U1"),
    ([0, 1, 4, 0], InvalidAction, r"environment 2: action 4 is not in 0\.\.3, the actions of breakout: NOOP, FIRE"),
    ([0, -1, 9, 0], InvalidAction, r"environment 1: action -1 is not in 0\.\.3"),
    ([0, 0, 0, 2**63 - 1], InvalidAction, f"environment 3: action {2**63 - 1} is not in"),
    (np.array([0, 0, 2**64 - 1, 0], np.uint64), InvalidAction, f"environment 2: action {2**64 - 1} is not in"),
]


def test_bad_actions_are_refused_before_anything_is_sent(pair):
    env, twin = pair
    for actions, error, message in BAD_ACTIONS:
        for ask in (env.step, env.send):
            with pytest.raises(error, match=message):
                ask(actions)
        assert_same(env.step([1, 2, 3, 0])[:-1], twin.step([1, 2, 3, 0])[:-1])


READ_ONLY = np.zeros((4, 4, 84, 84), np.uint8)
READ_ONLY.flags.writeable = False


BAD_PLACES = [
    ([0], TypeError, "`out` must be an array or have `__dlpack__`, got list"),
    (np.zeros((4, 4, 84, 84)), TypeError, "`out` must have dtype uint8, got float64"),
    (
        np.zeros((3, 4, 84, 84), np.uint8),
        ValueError,
        r"`out` must have shape \(4, 4, 84, 84\), got \(3, 4, 84, 84\)",
    ),
    (READ_ONLY, ValueError, "`out` must be writeable, got a read-only array"),
]


def test_a_bad_place_for_observations_is_refused(pair):
    env, twin = pair
    for out, error, message in BAD_PLACES:
        with pytest.raises(error, match=message):
            env.step([1, 2, 3, 0], out=out)
        env.send([1, 2, 3, 0])
        with pytest.raises(error, match=message):
            env.recv(out)
        assert_same(env.recv()[:-1], twin.step([1, 2, 3, 0])[:-1])


BAD_RESETS = [
    (1.5, None, TypeError, "`seed` must be an integer, got 1.5"),
    (True, None, TypeError, "`seed` must be an integer, got True of type bool"),
    ("1", None, TypeError, "`seed` must be an integer, got '1'"),
    (-1, None, ValueError, "`seed` must be at least 0, got -1"),
    ([1, 2, 3], None, ValueError, "the length must match num_envs=4 but got length=3"),
    ([1, 2, 3, -4], None, ValueError, "`seed` must be at least 0, got -4"),
    ([1, 2, 3, 4.0], None, TypeError, "`seed` must be an integer, got 4.0"),
    (np.array(1.0), None, TypeError, "`seed` must be an integer, got array"),
    (None, 7, TypeError, "`options` must be a dict, got 7"),
    (None, {"mask": 1}, ValueError, "`options` may hold 'reset_mask', got 'mask'"),
    (None, {"reset_mask": [True] * 4}, TypeError, r"`options\['reset_mask'\]` must be a numpy array, got list"),
    (None, {"reset_mask": np.ones(4)}, TypeError, "must have dtype bool, got float64"),
    (None, {"reset_mask": np.ones(3, bool)}, ValueError, r"must have shape \(4,\), got \(3,\)"),
    (None, {"reset_mask": np.zeros(4, bool)}, ValueError, "must have a True among its 4 values, got none"),
]


def test_bad_resets_are_refused(pair):
    env, twin = pair
    for seed, options, error, message in BAD_RESETS:
        with pytest.raises(error, match=message):
            env.reset(seed=seed, options=options)
        assert_same(env.step([1, 2, 3, 0])[:-1], twin.step([1, 2, 3, 0])[:-1])


def test_seeds_of_ale_py_are_of_31_bits():
    env = make(num_workers=0, preset="ale")
    with pytest.raises(ValueError, match=f"`seed` must be below 2\\*\\*31 with `seeding` 'ale', got {2**31 + 1}"):
        env.reset(seed=2**31 - 2)
    env.reset(seed=2**31 - NUM)


def test_calls_out_of_turn_are_named():
    env, twin = make(num_workers=2), make(num_workers=0)
    for call in (lambda: env.step([0] * NUM), env.render, env.save_state):
        with pytest.raises(
            gymnasium.error.ResetNeeded, match=r"need a `reset` first: 0, 1, 2, 3|before calling `reset`"
        ):
            call()
    with pytest.raises(gymnasium.error.ResetNeeded, match="Cannot reset some environments before all were reset"):
        env.reset(options={"reset_mask": np.array([True, False, True, True])})
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        env.recv()
    env.reset(seed=1), twin.reset(seed=1)
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        env.recv()
    env.send([1, 2, 3, 0])
    text = "Calling `{}` while waiting for a pending call to `send` to complete."
    for name, call in {
        "send": lambda: env.step([0] * NUM),
        "render": env.render,
        "save_state": env.save_state,
    }.items():
        with pytest.raises(gymnasium.error.AlreadyPendingCallError, match=text.format(name)):
            call()
    assert_same(env.recv()[:-1], twin.step([1, 2, 3, 0])[:-1])
    with pytest.raises(ValueError, match="`env_id` must be None where a batch is all environments"):
        env.send([1], env_id=[0])
    # A reset drops what was not received.
    env.send([1, 2, 3, 0])
    assert_same(env.reset(seed=1)[0], twin.reset(seed=1)[0])
    assert_same(env.step([1, 2, 3, 0])[:-1], twin.step([1, 2, 3, 0])[:-1])
    env.close()


def test_calls_out_of_turn_are_named_for_parts_of_a_batch():
    env = make(num_workers=2, batch_size=2)
    with pytest.raises(gymnasium.error.ResetNeeded, match="need a `reset` first"):
        env.send([0, 0])
    _, infos = env.reset(seed=0)
    first = infos["env_id"]
    for actions, ids, error, message in [
        ([0], [9], ValueError, "`env_id` must be from 0 to 3, got 9"),
        ([0, 0], [first[0], first[0]], ValueError, "`env_id` must name no environment twice"),
        ([0], [1.0], TypeError, "`env_id` must be integers, one for each action, got dtype float64"),
        ([], [], ValueError, r"`env_id` must have shape \(n,\), one integer for each action, got shape \(0,\)"),
        (
            [0, 0],
            [[0], [1, 2]],
            ValueError,
            r"`env_id` must have shape \(n,\), one integer for each action, got \[\[0\]",
        ),
        ([0], 0, TypeError, "`env_id` must be a sequence of n integers, one for each action, got 0"),
        ([0, 0], [first[0]], ValueError, r"`actions` must have shape \(1,\)"),
    ]:
        with pytest.raises(error, match=message):
            env.send(actions, env_id=ids)
    env.send([0, 0])
    with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="Calling `send` while waiting"):
        env.send([0, 0])
    with pytest.raises(ValueError, match="needs a batch of all environments, without a `batch_size`"):
        env.reset(options={"reset_mask": np.ones(NUM, bool)})
    env.recv(), env.recv()
    with pytest.raises(gymnasium.error.NoAsyncCallError):
        env.recv()
    env.close()


def test_a_finished_environment_needs_a_reset_where_nobody_else_does_it():
    env = make(num_workers=2, autoreset_mode="Disabled", max_episode_steps=3)
    env.reset(seed=0)
    mask = np.array([True, False, False, True])
    env.step([0] * NUM)
    env.reset(options={"reset_mask": mask})
    env.step([0] * NUM)
    *_, truncated, _ = env.step([0] * NUM)
    assert truncated.tolist() == [False, True, True, False]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"need a `reset` first: 1, 2$"):
        env.step([0] * NUM)
    env.reset(options={"reset_mask": truncated})
    env.step([0] * NUM)
    env.close()


def test_a_bad_timeout_of_a_close_closes_nothing():
    env = make(num_workers=2)
    env.reset(seed=0)
    with pytest.raises(TypeError, match="`timeout` must be a number, got 'x'"):
        env.close(timeout="x")
    env.step([0] * NUM)
    env.close(timeout=0.5)
    assert env.closed


def test_a_context_has_to_be_one_even_where_none_is_used():
    with pytest.raises(ValueError, match="cannot find context for 'illegal'"):
        make(num_workers=0, context="illegal")


def test_some_environments_are_not_reset_while_others_play():
    env, twin = make(num_workers=2), make(num_workers=0)
    env.reset(seed=0), twin.reset(seed=0)
    env.send([1] * NUM)
    with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="Calling `reset` while waiting for a pending"):
        env.reset(options={"reset_mask": np.array([True, False, False, False])})
    assert_same(env.recv()[:-1], twin.step([1] * NUM)[:-1])
    env.close()


def test_screens_are_those_of_single_environments():
    env = AtariVectorEnv("breakout", 3, num_workers=0, render_mode="rgb_array", max_episode_steps=40)
    singles = [AtariEnv("breakout", render_mode="rgb_array", max_episode_steps=40) for _ in range(3)]
    env.reset(seed=0)
    is_over = [False] * 3
    for seed, single in enumerate(singles):
        single.reset(seed=seed)
    rng = np.random.default_rng(0)
    for _ in range(400):
        actions = rng.integers(4, size=3)
        env.step(actions)
        for index, single in enumerate(singles):
            if is_over[index]:
                single.reset()
                is_over[index] = False
            else:
                _, _, terminated, truncated, _ = single.step(actions[index])
                is_over[index] = terminated or truncated
        for screen, single in zip(env.render(), singles, strict=True):
            assert np.array_equal(screen, single.render())


def test_nothing_works_after_a_close():
    env = make(num_workers=2, render_mode="rgb_array")
    env.reset(seed=0)
    state = env.save_state()
    env.send([0] * NUM)
    for _ in range(3):
        env.close()
    assert env.closed
    assert not multiprocessing.active_children()
    for call in (
        env.reset,
        env.recv,
        env.render,
        env.save_state,
        lambda: env.step([0] * NUM),
        lambda: env.send([0] * NUM),
        lambda: env.load_state(state),
    ):
        with pytest.raises(
            gymnasium.error.ClosedEnvironmentError, match="Trying to operate on `AtariVectorEnv`, after"
        ):
            call()


def test_it_is_neither_pickled_nor_copied(pair):
    env, twin = pair
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="an `AtariVectorEnv` cannot be pickled or copied"):
            duplicate(env)
    assert_same(env.step([1, 2, 3, 0])[:-1], twin.step([1, 2, 3, 0])[:-1])


def test_one_that_nobody_closed_says_so():
    env = make(num_workers=2)
    env.reset()
    with pytest.warns(ResourceWarning, match=r"unclosed AtariVectorEnv\(num_envs=4\)"):
        env = gc.collect()
    assert not multiprocessing.active_children()


# Saved states.


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(("num_workers", "other"), [(0, 2), (2, 0), (None, 4)])
def test_a_saved_state_goes_on_to_the_byte(num_workers, other, mode):
    fields = {"preset": "sb3", "autoreset_mode": mode, "repeat_action_probability": 0.25, **SHORT}
    env = make(num_workers=num_workers, **fields)
    play(env, 40)
    state = env.save_state()
    # Without a seed: the generators go on, too.
    expected = [*go_on(env, 5), *play(env, 60, seed=None)]
    env.close()
    env = make(num_workers=other, **fields)
    env.reset(seed=99)
    for _ in range(2):
        env.load_state(bytearray(state))
        again = [*go_on(env, 5), *play(env, 60, seed=None)]
        for mine, theirs in zip(again, expected, strict=True):
            assert_same(mine, theirs)
    env.close()


def test_loading_returns_what_waits_for_an_action():
    env = make(num_workers=2, **SHORT)
    results = play(env, 70)
    state = env.save_state()
    loaded, told = env.load_state(state)
    assert np.array_equal(loaded, results[-1][0])
    assert_same(told, results[-1][-1])
    env.close()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_saved_state_holds_what_was_not_received(num_workers):
    env = make(num_workers=num_workers, batch_size=2, autoreset_mode="SameStep", **SHORT)
    _, infos = env.reset(seed=3)
    actions = actions_for(env)
    for step in range(20):
        env.send(actions[step, infos["env_id"]])
        *_, infos = env.recv()
    waiting = infos["env_id"]

    def play_each():
        """Play each environment for itself; return what each gave."""
        played = {index: [] for index in range(NUM)}
        ready = waiting
        while min(map(len, played.values())) < 40:
            env.send([actions[len(played[index]), index] for index in ready], ready)
            observations, *rest, infos = env.recv()
            ready = infos["env_id"]
            for row, index in enumerate(ready):
                is_end = "final_obs" in infos and infos["_final_obs"][row]
                final = infos["final_obs"][row].tobytes() if is_end else None
                played[index].append((observations[row].tobytes(), final, *(each[row].item() for each in rest)))
        return played

    state = env.save_state()
    expected = play_each()
    loaded, infos = env.load_state(state)
    assert len(loaded) == 2
    assert np.array_equal(infos["env_id"], waiting)
    again = play_each()
    assert any(final for played in expected.values() for _, final, *_ in played)
    for index, played in expected.items():
        assert again[index][:40] == played[:40]
    env.close()


def test_a_run_goes_on_in_another_process(tmp_path):
    env = make(num_workers=2, preset="ale", **SHORT)
    play(env, 30)
    (tmp_path / "state").write_bytes(env.save_state())
    expected = [env.step(actions) for actions in actions_for(env, 60)]
    env.close()
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, pickle, numpy, fastatari\n"
        "if __name__ == '__main__':\n"
        "    env = fastatari.AtariVectorEnv(\n"
        "        'breakout', 4, num_workers=1, context='spawn', preset='ale', max_num_frames_per_episode=203\n"
        "    )\n"
        "    env.load_state(open(sys.argv[1], 'rb').read())\n"
        "    actions = numpy.random.default_rng(0).integers(4, size=(60, 4))\n"
        "    sys.stdout.buffer.write(pickle.dumps([env.step(each) for each in actions]))\n"
        "    env.close()\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-P", "-W", "error", program, tmp_path / "state"], capture_output=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr.decode()
    for mine, theirs in zip(pickle.loads(outcome.stdout), expected, strict=True):
        assert_same(mine, theirs)


def test_other_states_are_refused(pair):
    env, twin = pair
    state = env.save_state()
    other = AtariVectorEnv("pong", NUM, num_workers=0)
    other.reset()
    fewer = AtariVectorEnv("breakout", 1, num_workers=0)
    fewer.reset()
    clipped = make(num_workers=0, reward_clip=True, **SHORT)
    clipped.reset()
    same_step = make(num_workers=0, autoreset_mode="SameStep", **SHORT)
    same_step.reset()
    part = make(num_workers=0, batch_size=1, **SHORT)
    part.reset()
    for bad, error, message in [
        (7, TypeError, "`state` must be bytes-like, got int"),
        ("state", TypeError, "`state` must be bytes-like, got str"),
        (b"state", ValueError, "`state` must come from `save_state`, got something else: UnpicklingError"),
        (state[: len(state) // 2], ValueError, "`state` must come from `save_state`, got something else"),
        (pickle.dumps(7), ValueError, "`state` must come from `save_state`, got a pickled int"),
        (other.save_state(), ValueError, "`state` must have the same game, breakout, got one with pong"),
        (fewer.save_state(), ValueError, "`state` must have the same number of environments, 4, got one with 1"),
        (clipped.save_state(), ValueError, "`state` must be of the same rules, got one with other reward_clip"),
        (same_step.save_state(), ValueError, "`state` must have the same `autoreset_mode`"),
        (part.save_state(), ValueError, "`state` must have no environment that was not received"),
    ]:
        with pytest.raises(error, match=message):
            env.load_state(bad)
    assert_same(env.step([1, 2, 3, 0])[:-1], twin.step([1, 2, 3, 0])[:-1])


# What only concerns processes that start others.


def run_in_daemon(connection):
    try:
        AtariVectorEnv("breakout", 2, num_workers=1)
    except RuntimeError as error:
        env = AtariVectorEnv("breakout", 2, num_workers=0)
        connection.send((str(error), env.reset(seed=0)[0].shape))


def test_a_daemonic_process_is_told_that_it_may_not():
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=run_in_daemon, args=(theirs,), daemon=True)
    process.start()
    text, shape = mine.recv()
    assert "a daemonic process may not start an `AtariVectorEnv` with workers; use `num_workers=0`, or make" in text
    assert shape == (2, 4, 84, 84)
    process.join(5)


def test_a_fork_of_a_process_with_threads_is_warned_of():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn, too
        with pytest.warns(RuntimeWarning, match="this process has 2 threads, and forks: a lock that one of them holds"):
            env = AtariVectorEnv("breakout", 1, num_workers=1, context="fork")
    stop.set()
    thread.join()
    env.close()


def test_two_of_them_live_side_by_side():
    first, second = make(num_workers=2), AtariVectorEnv("pong", 2, num_workers=1)
    twin = make(num_workers=0)
    first.reset(seed=1), second.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(first, 10):
        first.send(actions)
        second.step([0, 1])
        assert_same(first.recv()[:-1], twin.step(actions)[:-1])
    second.close()
    assert_same(first.step([0] * NUM)[:-1], twin.step([0] * NUM)[:-1])
    first.close()


def test_it_lives_in_a_thread():
    results = []

    def run():
        env = AtariVectorEnv("breakout", 2, num_workers=1, context="forkserver")
        env.reset(seed=3)
        results.append([env.step([1, 2])[0] for _ in range(20)])
        env.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    twin = AtariVectorEnv("breakout", 2, num_workers=0)
    twin.reset(seed=3)
    for observations in results[0]:
        assert np.array_equal(observations, twin.step([1, 2])[0])
    assert fastatari.AtariVectorEnv is AtariVectorEnv
