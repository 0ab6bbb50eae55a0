import threading

import ale_py
import numpy as np
import pytest
from environments import SHORT, assert_same, draw_action
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from vectors import MODES, NUM, VectorTwin, actions_for, assert_is_twin, make, play, play_twin

from fastatari import PRESETS
from fastatari.engine.results import INFO_FIELDS, RAM
from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv

# What comes out.


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_steps_are_those_of_single_environments(console, preset, mode):
    env = make(preset=preset, autoreset_mode=mode, **SHORT)
    assert_is_twin(env, play_twin(console, mode, preset=preset))
    env.close()


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("num_threads", [0, 1, 2, 4])
def test_the_number_of_threads_changes_nothing(console, num_threads, mode):
    fields = {"preset": "sb3", "episode_statistics": True, "info_ram": True}
    env = make(num_threads=num_threads, autoreset_mode=mode, **fields, **SHORT)
    assert_is_twin(env, play_twin(console, mode, **fields))
    env.close()


def test_steps_are_those_of_vector_environments_of_gymnasium(console):
    """Where these have something: gymnasium's infos have no masks of kinds."""
    env = make(preset="sb3", autoreset_mode="SameStep", **SHORT)
    sync = SyncVectorEnv([lambda: AtariEnv("breakout", preset="sb3", **SHORT)] * NUM, autoreset_mode="SameStep")
    ends = 0
    for mine, theirs in zip(play(env), play(sync), strict=True):
        assert_same(mine[:-1], theirs[:-1])
        for name in ("lives", "episode_frame_number", "frame_number", "raw_reward", "life_lost", "game_over", "noops"):
            assert_same(mine[-1][name], theirs[-1][name])
        has_final = theirs[-1].get("_final_obs", np.zeros(NUM, bool))
        assert ("_final_obs" in mine[-1]) == has_final.any()
        assert_same(mine[-1].get("_final_obs", np.zeros(NUM, bool)), has_final)
        for index in np.flatnonzero(has_final):
            assert_same(mine[-1]["final_obs"][index], theirs[-1]["final_obs"][index])
            for name in ("lives", "raw_reward", "life_lost", "game_over"):
                assert mine[-1]["final_info"][name][index] == theirs[-1]["final_info"][name][index]
        ends += has_final.sum()
    assert ends > 4


@pytest.mark.parametrize("num_threads", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_who_is_ready_first_changes_nothing(console, batch_size, num_threads):
    """Each environment gets the actions of a whole batch's play, and has to give the same."""
    env = make(num_threads=num_threads, batch_size=batch_size, preset="sb3", **SHORT)
    expected = play_twin(console, AutoresetMode.NEXT_STEP, preset="sb3")
    actions = actions_for(env)
    played = np.zeros(NUM, int)
    observations, infos = env.reset(seed=3)
    rest = []
    while played.max() < len(expected):
        ready = infos["env_id"]
        assert len(observations) == len(ready) == batch_size
        assert (np.diff(ready) > 0).all()
        for row, index in enumerate(ready):
            theirs = expected[played[index]]
            assert observations[row].tobytes() == theirs[0][index].tobytes()
            told = [mine[row] for mine in rest]
            assert told == [their[index] for their in theirs[1:-1]] if played[index] else not any(told)
            for name in ("lives", "frame_number", "raw_reward", "noops"):
                assert infos[name][row] == theirs[-1][name][index]
                assert infos[f"_{name}"][row] == theirs[-1][f"_{name}"][index]
            played[index] += 1
        if played.max() < len(expected):  # some can be ready far more often than others
            env.send([actions[played[index] - 1, index] for index in ready])
            observations, *rest, infos = env.recv()
    assert played.min() > 0
    env.close()


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_part_of_the_environments_is_stepped_by_itself(mode, batch_size):
    fields = {"preset": "sb3", "info_ram": True, "episode_statistics": True, **SHORT}
    env, twins = (
        make(batch_size=batch_size, autoreset_mode=mode, **fields),
        [VectorTwin(mode, 1, **fields) for _ in "1234"],
    )
    env.reset(seed=5)
    if batch_size:
        env.recv()
    for index, twin in enumerate(twins):
        twin.reset(seed=5 + index)
    rng = np.random.default_rng(1)
    ends = 0
    for step in range(120):
        asked = rng.permutation(NUM)[: rng.integers(1, NUM + 1)]
        actions = rng.integers(4, size=len(asked))
        if mode == AutoresetMode.DISABLED and (over := [index for index in asked if twins[index].is_over[0]]):
            results = env.reset(seed=[step + index for index in over], env_id=over)
            expected = [twins[index].reset(seed=step + int(index)) for index in over]
            asked_now = over
        else:
            results = env.step(actions, env_id=[asked, asked.tolist(), tuple(asked)][step % 3])
            expected = [twins[index].step([action]) for index, action in zip(asked, actions, strict=True)]
            ends += int(results[2].sum() + results[3].sum())
            asked_now = asked
        assert results[-1]["env_id"].tolist() == list(asked_now)
        for row in range(len(asked_now)):
            mine = take_row(results, row)
            mine[-1]["env_id"][:] = 0
            if not mine[-1].get("_final_obs", False):
                mine = *mine[:-1], {name: value for name, value in mine[-1].items() if "final" not in name}
            assert_same(mine, expected[row])
    assert ends > 4
    env.close()


def take_row(results, row):
    """Results of one environment, of those of several."""
    if isinstance(results, dict):
        return {name: take_row(value, row) for name, value in results.items()}
    if isinstance(results, tuple):
        return tuple(take_row(value, row) for value in results)
    return results[row : row + 1].copy()


@pytest.mark.parametrize("fields", [{}, {"life_loss": "report"}, {"autoreset_mode": "SameStep"}], ids=str)
def test_steps_are_those_of_the_vector_environment_of_ale_py(fields):
    mode = fields.get("autoreset_mode", "NextStep")
    theirs = ale_py.vector_env.AtariVectorEnv(
        "breakout",
        NUM,
        autoreset_mode=mode,
        life_loss_info="life_loss" in fields,
        max_num_frames_per_episode=SHORT["max_num_frames_per_episode"],
    )
    env = make(preset="ale", **fields, **SHORT)
    told = ("env_id", "lives", "frame_number", "episode_frame_number")
    ends = 0
    for mine, their in zip(play(env, 300), play(theirs, 300), strict=True):
        for one, other in zip(mine[:-1], their[:-1], strict=True):
            assert np.array_equal(one, other)
        if len(mine) > 2:
            ends += int(mine[2].sum() + mine[3].sum())
        if mode == "NextStep":
            for name in told:
                assert np.array_equal(mine[-1][name], their[-1][name]), name
        else:
            for index in np.flatnonzero(mine[-1].get("_final_obs", False)):
                assert np.array_equal(mine[-1]["final_obs"][index], their[-1]["final_obs"][index])
    assert ends > 8
    env.close()
    theirs.close()


@pytest.mark.parametrize("rom", ["breakout", "seaquest"])
def test_continuous_actions_are_those_of_the_vector_environment_of_ale_py(rom):
    fields = {"continuous": True, "continuous_action_threshold": 0.3}
    theirs = ale_py.vector_env.AtariVectorEnv(rom, 3, **fields)
    env = AtariVectorEnv(rom, 3, preset="ale", **fields)
    assert env.action_space == theirs.action_space
    assert np.array_equal(env.reset(seed=1)[0], theirs.reset(seed=1)[0])
    rng = np.random.default_rng(0)
    for _ in range(100):
        actions = np.array([draw_action(env.single_action_space, rng) for _ in range(3)])
        for mine, their in zip(env.step(actions)[:-1], theirs.step(actions)[:-1], strict=True):
            assert np.array_equal(mine, their)
    theirs.close()


@pytest.mark.parametrize(
    ("fields", "shape", "dtype"),
    [
        ({"grayscale_obs": False, "stack_axis": -1}, (84, 84, 12), np.uint8),
        ({"preset": "dopamine", "stack_num": 3}, (84, 84, 3), np.uint8),
        ({"scale_obs": True, "screen_size": (96, 70), "stack_num": 2}, (2, 70, 96), np.float32),
        ({"obs_type": "ram"}, (128,), np.uint8),
        ({"obs_type": "ram", "stack_num": 2, "scale_obs": True}, (2, 128), np.float32),
    ],
)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_observations_of_all_shapes_are_those_of_single_environments(fields, shape, dtype, mode):
    fields |= {"max_episode_steps": 5}
    env, twin = AtariVectorEnv("pong", 2, autoreset_mode=mode, **fields), VectorTwin(mode, 2, "pong", **fields)
    assert env.single_observation_space == twin.envs[0].observation_space
    assert env.observation_space.shape == (2, *shape)
    assert_same(env.reset(seed=0), twin.reset(seed=0))
    for actions in actions_for(env, 12):
        results = env.step(actions)
        assert (results[0].dtype, results[0].shape) == (dtype, (2, *shape))
        assert results[0] in env.observation_space
        assert_same(results, twin.step(actions))


@pytest.mark.parametrize("rom", ["seaquest", "boxing", "venture", "qbert", "atlantis2", "assault", "double_dunk"])
def test_games_side_by_side_begin_as_on_ale_py_by_themselves(rom):
    """Starts that depend on the timer, on RAM that stays, on what ale-py's states leave out, or on all of the RAM."""
    env = AtariVectorEnv(rom, 3, max_num_frames_per_episode=80)
    twin = VectorTwin("NextStep", 3, rom, console="ale", max_num_frames_per_episode=80)
    for mine, theirs in zip(play(env, 80), play(twin, 80), strict=True):
        assert_same(mine, theirs)


# Infos.


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_infos_have_the_same_keys_and_types_always(mode):
    env = make(preset="sb3", autoreset_mode=mode, episode_statistics=True, info_ram=True, **SHORT)

    def describe(infos):
        if isinstance(infos, dict):
            return {name: describe(value) for name, value in infos.items()}
        return infos.dtype, infos.shape

    described = [describe(result[-1]) for result in play(env)]
    finals = [{name: each.pop(name) for name in list(each) if "final" in name} for each in described]
    assert all(each == described[0] for each in described)
    assert not any(finals) or mode == AutoresetMode.SAME_STEP
    assert all(each.keys() in (set(), {"final_obs", "_final_obs", "final_info", "_final_info"}) for each in finals)
    for field in (*INFO_FIELDS, RAM):
        assert described[0][field.name] == (field.dtype, (NUM, *field.shape))
        assert described[0][f"_{field.name}"] == (np.bool_, (NUM,))


def test_infos_can_be_written_to():
    """Nothing that comes later is seen."""
    env, twin = make(preset="sb3", **SHORT), make(preset="sb3", **SHORT)
    results = env.reset(seed=3), twin.reset(seed=3)
    for actions in actions_for(env, 80):
        for value in results[0][-1].values():
            value[...] = 1
        results = env.step(actions), twin.step(actions)
        assert_same(*results)


def test_infos_of_a_masked_reset_are_about_those_that_were_reset():
    env = make(autoreset_mode="Disabled", episode_statistics=True, info_ram=True, max_episode_steps=2)
    env.reset(seed=1)
    for steps in (0, 1, 2):
        env.reset(seed=1)
        for _ in range(steps):
            env.step([1] * NUM)
        mask = np.array([False, True, True, False])
        _, infos = env.reset(options={"reset_mask": mask})
        for name in ("lives", "frame_number", "episode_frame_number", "noops", "ram"):
            assert infos[f"_{name}"].tolist() == mask.tolist()
            assert infos[name][mask].any()
            assert not infos[name][~mask].any()
        for name in ("raw_reward", "life_lost", "game_over", "episode"):
            assert not infos[f"_{name}"].any()
        assert not any(values.any() for values in infos["episode"].values())


def test_times_are_those_of_each_game():
    env = make(episode_statistics=True, **SHORT)
    assert any(results[-1]["_episode"].any() for results in play(env)[1:])
    for results in play(env)[1:]:
        episode, is_end = results[-1]["episode"], results[-1]["_episode"]
        assert (episode["t"][is_end] > 0).all()
        assert (episode["t"] < 60).all()
        assert not episode["t"][~is_end].any()


def test_two_of_them_live_side_by_side():
    first, second, twin = make(), AtariVectorEnv("pong", 2), make(num_threads=0)
    first.reset(seed=1), second.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(first, 10):
        first.send(actions)
        second.step([0, 1])
        assert_same(first.recv(), twin.step(actions))
    second.close()
    assert_same(first.step([0] * NUM), twin.step([0] * NUM))
    first.close()


def test_it_lives_in_a_thread():
    results = []

    def run():
        env = AtariVectorEnv("breakout", 2)
        env.reset(seed=3)
        results.append([env.step([1, 2])[0] for _ in range(20)])
        env.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    twin = AtariVectorEnv("breakout", 2, num_threads=0)
    twin.reset(seed=3)
    for observations in results[0]:
        assert np.array_equal(observations, twin.step([1, 2])[0])
