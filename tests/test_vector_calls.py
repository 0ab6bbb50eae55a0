import gymnasium
import numpy as np
import pytest
from environments import SHORT, assert_same
from gymnasium.vector import AutoresetMode
from vectors import NUM, OBSERVATION, STEPS, VectorTwin, actions_for, make, play_twin

from fastatari import InvalidAction
from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv

# What callers may do.


def test_ids_make_it():
    env = gymnasium.make_vec("fastatari/Breakout-v0", num_envs=2, preset="ale", max_episode_steps=7)
    assert isinstance(env, AtariVectorEnv)
    assert (env.spec.id, env.num_envs, env.rules.max_episode_steps) == ("fastatari/Breakout-v0", 2, 7)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    other = AtariVectorEnv("breakout", 1, autoreset_mode="Disabled", frame_skip=5)
    assert other.metadata == {"render_modes": ["rgb_array"], "render_fps": 12, "autoreset_mode": AutoresetMode.DISABLED}
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.action_space == gymnasium.spaces.MultiDiscrete([4, 4])
    assert env.get_action_meanings() == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    observations, _ = env.reset(seed=0)
    assert observations in env.observation_space
    for step in range(7):
        *_, truncated, infos = env.step(env.action_space.sample())
        assert truncated.all() == (step == 6)
        assert infos["game_over"].all() == (step == 6)
    env.close()


def test_vector_wrappers_of_gymnasium_go_around_it():
    env = gymnasium.make_vec("fastatari/Breakout-v0", num_envs=2, **SHORT)
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    env = gymnasium.wrappers.vector.ClipReward(env, -1, 1)
    env = gymnasium.wrappers.vector.DictInfoToList(env)
    _, infos = env.reset(seed=0)
    keys = {"lives", "frame_number", "episode_frame_number", "noops", "env_id"}
    assert [set(info) for info in infos] == [keys] * 2
    episodes = []
    for _ in range(60):
        *_, infos = env.step(env.action_space.sample())
        episodes += [info["episode"] for info in infos if "episode" in info]
    assert len(episodes) >= 2
    assert all(40 < episode["l"] <= 51 for episode in episodes)
    env.close()


@pytest.mark.parametrize("screen", ["last", "pooled"])
def test_screens_are_those_of_single_environments(screen):
    fields = {"render_mode": "rgb_array", "render_screen": screen, "max_episode_steps": 20}
    env, twin = AtariVectorEnv("breakout", 3, **fields), VectorTwin("NextStep", 3, **fields)
    env.reset(seed=0), twin.reset(seed=0)
    for actions in actions_for(env, 100):
        env.step(actions), twin.step(actions)
        screens = env.render()
        assert isinstance(screens, tuple)
        for mine, single in zip(screens, twin.envs, strict=True):
            assert np.array_equal(mine, single.render())


def test_render_without_a_mode_warns():
    env = AtariVectorEnv("pong", 1)
    env.reset()
    with pytest.warns(UserWarning, match="calling render method without specifying any render mode"):
        assert env.render() is None


def test_memory_is_used_again_when_a_caller_lets_go():
    env = make()
    observations, _ = env.reset(seed=0)
    places = set()
    for actions in actions_for(env, 20):
        observations = env.step(actions)[0]
        places.add(observations.ctypes.data)
    assert len(places) == 2
    kept = [env.step(actions)[0] for actions in actions_for(env, 20)]
    assert len({observations.ctypes.data for observations in kept}) == 20
    env.close()


def test_a_refused_step_leaves_lent_observations_alone():
    with make(copy=False, **SHORT) as env:
        for _ in range(3):
            observations, *_ = env.reset(seed=1)
            kept = observations.copy()
            for wrong in ([0, 99, 0, 0], [0] * 3):
                with pytest.raises((InvalidAction, ValueError)):
                    env.step(wrong)
            env.step([1] * NUM)
            assert np.array_equal(observations, kept)


@pytest.mark.parametrize("fields", [{}, {"obs_type": "ram", "scale_obs": True}, {"batch_size": 3}], ids=str)
def test_observations_are_aligned(fields):
    env = make(autoreset_mode="SameStep", **fields, **SHORT)
    observations, infos = env.reset(seed=0)
    kept = [observations]
    for step in range(80):
        asked = infos["env_id"] if step % 3 else [2]
        if step % 3 or "batch_size" not in fields:
            observations, *_, infos = env.step([1] * len(asked), env_id=asked)
            kept.append(observations)
            if "final_obs" in infos:
                kept += [*infos["final_obs"][infos["_final_obs"]]]
    assert all(array.ctypes.data % 64 == 0 for array in kept)
    assert len(kept) > 50


def test_torch_and_dlpack_take_observations_without_a_copy():
    torch = pytest.importorskip("torch")
    env = make()
    observations, _ = env.reset(seed=0)
    assert torch.as_tensor(observations).data_ptr() == observations.ctypes.data
    tensor = torch.from_dlpack(observations)
    expected = observations.copy()
    del observations
    for actions in actions_for(env, 10):
        env.step(actions)
    assert np.array_equal(tensor.numpy(), expected)


@pytest.mark.parametrize("batch_size", [NUM, 2])
def test_views_last_as_long_as_is_said(console, batch_size):
    env = make(copy=False, batch_size=batch_size, **SHORT)
    expected = play_twin(console, AutoresetMode.NEXT_STEP)
    before, _ = env.reset(seed=3)
    places = {before.ctypes.data}
    for step, actions in enumerate(actions_for(env), 1):
        observations = env.step(actions)[0] if batch_size == NUM else env.recv()[0] if step == 1 else before
        if batch_size == NUM:
            assert np.array_equal(observations, expected[step][0])
            assert np.array_equal(before, expected[step - 1][0])
        before = observations
        places.add(before.ctypes.data)
    assert len(places) == 2


def test_observations_are_written_where_the_caller_wants_them(console):
    expected = play_twin(console, AutoresetMode.NEXT_STEP)
    env = make(**SHORT)
    rollout = np.zeros((STEPS + 1, NUM, *OBSERVATION), np.uint8)
    rollout[0], _ = env.reset(seed=3)
    for step, actions in enumerate(actions_for(env), 1):
        observations, *_ = env.step(actions, out=rollout[step])
        assert observations.base is rollout
    assert all(np.array_equal(mine, theirs[0]) for mine, theirs in zip(rollout, expected, strict=True))
    strided = np.zeros((NUM, 4, 84, 168), np.uint8)[..., ::2]
    env.send([0] * NUM)
    observations, *_ = env.recv(out=strided)
    assert observations is strided
    assert np.array_equal(strided, env.load_state(env.save_state())[0])


def test_a_part_of_the_observations_is_written_where_the_caller_wants_them():
    for fields in ({"batch_size": 2}, {}):
        env, twin = make(**fields), make(**fields)
        env.reset(seed=3), twin.reset(seed=3)
        if fields:
            env.recv(), twin.recv()
        out = np.zeros((3, *OBSERVATION), np.uint8)
        assert env.step([1, 2, 3], [3, 0, 2], out=out)[0] is out
        assert np.array_equal(out, twin.step([1, 2, 3], [3, 0, 2])[0])
        env.send([1, 1], [0, 3]), twin.send([1, 1], [0, 3])
        assert env.recv(out[:2])[0].base is out
        assert np.array_equal(out[:2], twin.recv()[0])


def test_tensors_are_written_to(console):
    torch = pytest.importorskip("torch")
    env = make(**SHORT)
    env.reset(seed=3)
    tensor = torch.zeros((NUM, *OBSERVATION), dtype=torch.uint8).share_memory_()
    actions = actions_for(env)
    observations, *_ = env.step(torch.tensor(actions[0]), out=tensor)
    assert observations is tensor
    assert np.array_equal(tensor.numpy(), play_twin(console, AutoresetMode.NEXT_STEP)[1][0])


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
    env = make()
    env.reset(seed=3)
    tensor = OldTensor(np.zeros((NUM, *OBSERVATION), np.uint8))
    assert env.step([0] * NUM, out=tensor)[0] is tensor
    assert tensor.array.any()
    frozen = OldTensor(np.zeros((NUM, *OBSERVATION), np.uint8))
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
    env, twin = make(), make()
    env.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(env, 5):
        converted = convert(actions)
        assert_same(env.step(converted), twin.step(np.array(converted).astype(np.int64)))


def test_actions_are_taken_when_they_are_sent():
    env, twin = make(), make()
    env.reset(seed=1), twin.reset(seed=1)
    for actions in actions_for(env, 20):
        mine = actions.copy()
        env.send(mine)
        mine[:] = 0
        assert_same(env.recv(), twin.step(actions))
    env.close()


def test_some_environments_are_reset_and_the_others_go_on():
    env, twins = make(autoreset_mode="Disabled"), [AtariEnv("breakout") for _ in range(NUM)]
    observations, _ = env.reset(seed=[5, None, 7, 8])
    for index in (0, 2, 3):
        assert np.array_equal(observations[index], twins[index].reset(seed=[5, 0, 7, 8][index])[0])
    for actions in actions_for(env, 10):
        before = env.step(actions)[0]
        for index in (0, 2, 3):
            assert np.array_equal(before[index], twins[index].step(actions[index])[0])
    options = {"reset_mask": np.array([False, True, True, False])}
    observations, _ = env.reset(seed=[1, 2, 30, 4], options=options)
    assert list(options) == ["reset_mask"]
    assert np.array_equal(observations[[0, 3]], before[[0, 3]])
    assert np.array_equal(observations[2], twins[2].reset(seed=30)[0])
    assert np.array_equal(observations[1], AtariEnv("breakout").reset(seed=2)[0])
    for actions in actions_for(env, 10):
        observations = env.step(actions)[0]
        for index in (0, 2, 3):
            assert np.array_equal(observations[index], twins[index].step(actions[index])[0])


@pytest.mark.parametrize("convert", [list, tuple, np.array, "torch"])
def test_seeds_may_be_any_integers(convert):
    if convert == "torch":
        convert = pytest.importorskip("torch").tensor
    env, twin = make(), make()
    assert_same(env.reset(seed=convert([9, 10, 11, 12])), twin.reset(seed=9))
    assert_same(env.reset(seed=convert([3, 9]), env_id=convert([2, 0])), twin.reset(seed=[3, 9], env_id=[2, 0]))
    assert_same(env.reset(seed=convert([7])[0]), twin.reset(seed=7))


def test_seeds_are_for_the_environments_and_the_vector_environment():
    env = make()
    first, _ = env.reset(seed=9)
    assert env.np_random_seed == 9
    assert np.array_equal(first, env.reset(seed=np.arange(9, 9 + NUM))[0])
    assert env.np_random_seed == 9
    assert np.array_equal(first[1], env.reset(seed=np.int64(10))[0][0])
    assert env.np_random_seed == 10
    assert np.array_equal(first[[3, 1]], env.reset(seed=9, env_id=[3, 1])[0])
    noops = {tuple(env.reset()[1]["noops"]) for _ in range(5)}
    assert len(noops) == 5


def test_a_new_game_begins_after_a_lost_life_only_when_asked_for():
    env = make(preset="sb3", autoreset_mode="Disabled")
    env.reset(seed=3)
    is_over = np.zeros(NUM, bool)
    while not is_over.all():
        asked = np.flatnonzero(~is_over)
        *_, terminated, _, _ = env.step([1] * len(asked), env_id=asked)
        is_over[asked] = terminated
    options = {"reset_mask": np.array([True, False, False, True]), "new_game": True}
    assert env.reset(options=options)[1]["lives"].tolist() == [5, 0, 0, 5]
    assert env.reset(env_id=[1, 2])[1]["lives"].tolist() == [4, 4]
    assert env.reset(options={"new_game": True})[1]["lives"].tolist() == [5] * NUM


def test_each_environment_can_be_asked():
    env, twin = make(render_mode="rgb_array"), VectorTwin("NextStep", render_mode="rgb_array")
    env.reset(seed=1), twin.reset(seed=1)
    env.step([0, 1, 2, 3]), twin.step([0, 1, 2, 3])
    assert env.call("get_action_meanings") == (["NOOP", "FIRE", "RIGHT", "LEFT"],) * NUM
    assert env.call("get_keys_to_action")[0] == twin.envs[0].get_keys_to_action()
    assert all(map(np.array_equal, env.call("render"), [each.render() for each in twin.envs]))
    assert env.get_attr("render_mode") == ("rgb_array",) * NUM
    assert env.get_attr("rules") == (env.rules,) * NUM
    assert env.get_attr("metadata")[0] is env.metadata
    assert env.get_attr("observation_space") == (env.single_observation_space,) * NUM
    assert env.get_attr("action_space") == (env.single_action_space,) * NUM
    for ale, single in zip(env.get_attr("ale"), twin.envs, strict=True):
        assert np.array_equal(ale.getRAM(), single.ale.getRAM())
        assert ale.lives() == single.ale.lives()
    generators = [np.random.default_rng(seed) for seed in range(NUM)]
    env.set_attr("np_random", generators)
    assert all(mine is theirs for mine, theirs in zip(env.get_attr("np_random"), generators, strict=True))
    states = env.call("clone_state")
    single = AtariEnv("breakout", render_mode="rgb_array")
    single.restore_state(states[2])
    assert_same(env.step([3] * NUM)[0][2], single.step(3)[0])


def test_what_each_environment_does_not_have_is_an_attribute_error():
    env = make()
    for call in (lambda: env.call("step", 1), lambda: env.get_attr("lifes")):
        with pytest.raises(AttributeError, match=r"environments have 'ale', 'np_random', .*, got '(step|lifes)'"):
            call()
    with pytest.raises(AttributeError, match="only 'np_random' of environments can be set, got 'rules'"):
        env.set_attr("rules", env.rules)
    generator = np.random.default_rng(0)
    for values, error, message in [
        (generator, ValueError, "`values` must be 4 different generators, one for each environment, got 1 values"),
        ([generator] * NUM, ValueError, "`values` must be 4 different generators"),
        ([1] * NUM, TypeError, r"`np_random` must be a numpy.random.Generator, got int"),
    ]:
        with pytest.raises(error, match=message):
            env.set_attr("np_random", values)
