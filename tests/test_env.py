import copy
import functools
import gc
import pickle
import subprocess
import sys
import time
import weakref

import ale_py
import gymnasium
import numpy as np
import pytest
from environments import STARTS, assert_same, assert_same_play, play, play_on
from gymnasium.utils.env_checker import check_env
from reference import ROMS, a_third_of_roms

from fastatari import PRESETS, InvalidAction
from fastatari.compiler import cache
from fastatari.engine.interface import CONSOLES
from fastatari.engine.results import EPISODE_FIELDS, INFO_FIELDS, RAM
from fastatari.envs.env import AtariEnv
from fastatari.palette import rgb_table


def fields_for(preset):
    """Fields that let a short play see ends of all kinds."""
    has_frames = preset not in {"dopamine@1", "envpool@1"}
    return {"max_num_frames_per_episode": 301} if has_frames else {"max_episode_steps": 83}


# What comes out.


@pytest.mark.parametrize("preset", PRESETS)
def test_check_env_of_gymnasium_finds_nothing(preset):
    check_env(AtariEnv("breakout", preset=preset, render_mode="rgb_array"), skip_render_check=True)
    check_env(gymnasium.make("fastatari/MsPacman-v0", preset=preset, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("fields", [{"obs_type": "ram"}, {"scale_obs": True}], ids=str)
def test_check_env_of_gymnasium_finds_nothing_with_other_observations(fields):
    check_env(AtariEnv("breakout", render_mode="rgb_array", **fields), skip_render_check=True)


def test_check_env_of_gymnasium_finds_that_continuous_actions_are_not_normalized():
    """As ale-py's are not."""
    with pytest.warns(UserWarning, match="For Box action spaces, we recommend") as warned:
        check_env(AtariEnv("breakout", render_mode="rgb_array", continuous=True), skip_render_check=True)
    assert len(warned) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_check_env_of_stable_baselines3_finds_nothing(preset):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(AtariEnv("breakout", preset=preset), warn=True)


@pytest.mark.parametrize(
    ("fields", "shape", "dtype"),
    [
        ({}, (4, 84, 84), np.uint8),
        ({"preset": "sb3"}, (84, 84, 4), np.uint8),
        ({"grayscale_obs": False}, (4, 84, 84, 3), np.uint8),
        ({"grayscale_obs": False, "stack_axis": -1}, (84, 84, 12), np.uint8),
        ({"scale_obs": True, "screen_size": (96, 70), "stack_num": 2}, (2, 70, 96), np.float32),
        ({"obs_type": "ram"}, (128,), np.uint8),
        ({"obs_type": "ram", "stack_num": 3, "stack_axis": -1, "scale_obs": True}, (128, 3), np.float32),
    ],
)
def test_spaces_hold_what_comes_out(fields, shape, dtype):
    env = AtariEnv("pong", **fields)
    assert (env.observation_space.shape, env.observation_space.dtype) == (shape, dtype)
    assert env.action_space.n == len(env.get_action_meanings()) == 6
    for result in play(env, 30, np.random.default_rng(0), seed=0):
        assert result[0] in env.observation_space
        assert (result[0].shape, result[0].dtype) == (shape, dtype)
    assert result[0].max() > 0
    assert AtariEnv("pong", full_action_space=True).action_space.n == 18


def test_ram_is_what_the_console_has():
    env, stacked = AtariEnv("seaquest", obs_type="ram"), AtariEnv("seaquest", obs_type="ram", stack_num=3)
    rams = [env.reset(seed=4)[0]] * 3
    assert np.array_equal(stacked.reset(seed=4)[0], rams)
    for action in range(1, 18):
        observation, *_ = env.step(action)
        assert np.array_equal(observation, env.ale.getRAM())
        rams = [*rams[1:], observation]
        assert np.array_equal(stacked.step(action)[0], rams)


@pytest.mark.parametrize("rom", ["breakout", "pong", "seaquest"])
def test_continuous_actions_are_those_of_ale_py(rom):
    threshold = 0.3
    mine = AtariEnv(
        rom, continuous=True, continuous_action_threshold=threshold, noop_max=0, frame_skip=3, maxpool=False,
        obs_type="ram", render_mode="rgb_array",
    )  # fmt: skip
    theirs = gymnasium.make(
        f"ALE/{rom.title()}-v5", continuous=True, continuous_action_threshold=threshold, frameskip=3, obs_type="ram",
        repeat_action_probability=0.0, render_mode="rgb_array",
    ).unwrapped  # fmt: skip
    assert mine.action_space == theirs.action_space
    assert len(mine.get_action_meanings()) == 18
    assert np.array_equal(mine.reset(seed=5)[0], theirs.reset(seed=5)[0])
    rng = np.random.default_rng(0)
    for _ in range(150):
        action = rng.uniform(theirs.action_space.low, theirs.action_space.high).astype(np.float32)
        (ram, reward, terminated, *_), (ram_2, reward_2, terminated_2, *_) = mine.step(action), theirs.step(action)
        assert np.array_equal(ram, ram_2)
        assert (reward, terminated) == (reward_2, terminated_2)
        assert np.array_equal(mine.render(), theirs.render())
        if terminated:
            mine.reset(), theirs.reset()


def test_every_game_has_an_id():
    for rom in ROMS:
        spec = gymnasium.spec(f"fastatari/{rom.title().replace('_', '')}-v0")
        assert spec.kwargs == {"rom": rom}
    assert sum(name.startswith("fastatari/") for name in gymnasium.registry) == len(ROMS)


def test_an_id_refuses_another_game():
    with pytest.raises(TypeError, match="unexpected keyword argument 'game': the id says that it is breakout"):
        gymnasium.make("fastatari/Breakout-v0", game="pong")
    with pytest.raises(TypeError, match="unexpected keyword argument 'game': the id says that it is breakout"):
        gymnasium.make_vec("fastatari/Breakout-v0", game="pong", num_envs=2)


def test_an_id_is_enough_in_a_fresh_process(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import gymnasium\n"
        "def make():\n"
        "    return gymnasium.make('fastatari:fastatari/Breakout-v0', preset='sb3', frame_skip=3)\n"
        "if __name__ == '__main__':\n"
        "    envs = gymnasium.vector.AsyncVectorEnv([make] * 2, context='spawn')\n"
        "    print(envs.reset(seed=0)[0].shape, envs.step(envs.action_space.sample())[0].dtype)\n"
        "    envs.close()\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-P", "-W", "error", program], capture_output=True, text=True, check=False
    )
    assert outcome.stdout == "(2, 84, 84, 4) uint8\n", outcome.stderr


@pytest.mark.parametrize("preset", PRESETS)
def test_vector_environments_of_gymnasium_play_it(preset):
    make = functools.partial(AtariEnv, "breakout", preset=preset, info_ram=True, **fields_for(preset))
    sync = gymnasium.vector.SyncVectorEnv([make] * 2)
    concurrent = gymnasium.vector.AsyncVectorEnv([make] * 2, context="fork")
    rng = np.random.default_rng(0)
    assert_same(concurrent.reset(seed=3), sync.reset(seed=3))
    ends = 0
    for _ in range(100):
        actions = rng.integers(4, size=2)
        mine, theirs = sync.step(actions), concurrent.step(actions)
        assert_same(mine, theirs)
        ends += int(mine[2].sum() + mine[3].sum())
        for field in (*INFO_FIELDS, RAM):
            assert mine[4][field.name].dtype == field.dtype, field.name
    assert ends
    sync.close()
    concurrent.close()


def test_wrappers_of_gymnasium_go_around_it():
    env = gymnasium.make("fastatari/Breakout-v0", render_mode="rgb_array")
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.wrappers.TimeLimit(env, 20))
    env = gymnasium.wrappers.RenderCollection(gymnasium.wrappers.ClipReward(env, -1, 1))
    env.reset(seed=0)
    for _ in range(20):
        *_, info = env.step(1)
    assert info["episode"]["l"] == 20
    assert {frame.shape for frame in env.render()} == {(210, 160, 3)}
    assert env.get_wrapper_attr("get_action_meanings")() == ["NOOP", "FIRE", "RIGHT", "LEFT"]


def test_preprocessing_of_gymnasium_goes_around_single_frames_only():
    env = gymnasium.make(
        "fastatari/Breakout-v0", frame_skip=1, noop_max=0, screen_size=(160, 210), stack_num=1, stack_axis=-1
    )
    mine, theirs = (
        gymnasium.wrappers.AtariPreprocessing(each, noop_max=0, frame_skip=4)
        for each in (env, gymnasium.make("BreakoutNoFrameskip-v4"))
    )
    assert np.array_equal(mine.reset(seed=0)[0], theirs.reset(seed=0)[0])
    for action in [1, 2, 3, 0] * 10:
        assert np.array_equal(mine.step(action)[0], theirs.step(action)[0])
    with pytest.raises(ValueError, match="Disable frame-skipping in the original env"):
        gymnasium.wrappers.AtariPreprocessing(gymnasium.make("fastatari/Breakout-v0"))


def test_videos_are_of_the_screen(tmp_path):
    env = gymnasium.make("fastatari/Pong-v0", render_mode="rgb_array", max_num_frames_per_episode=100)
    env = gymnasium.wrappers.RecordVideo(env, str(tmp_path / "videos"), disable_logger=True)
    env.reset(seed=0)
    frames = 1
    while not env.step(0)[3]:
        frames += 1
    env.close()
    (path,) = tmp_path.glob("videos/*episode-0.mp4")
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FRAME_HEIGHT), video.get(cv2.CAP_PROP_FRAME_WIDTH) == (210, 160)
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == frames + 1


# Screens.


@pytest.mark.parametrize("rom", STARTS)
def test_render_shows_the_screen_of_the_game(rom):
    mine, theirs = (
        AtariEnv(rom, render_mode="rgb_array", console=each, noop_max=2, max_num_frames_per_episode=40)
        for each in CONSOLES
    )
    rngs = [np.random.default_rng(0) for _ in range(2)]
    for _ in zip(play(mine, 40, rngs[0], 0), play(theirs, 40, rngs[1], 0), strict=True):
        screen = mine.render()
        assert screen.dtype == np.uint8
        assert np.array_equal(screen, theirs.ale.getScreenRGB())
        assert np.array_equal(screen, mine.ale.getScreenRGB())
        assert np.array_equal(screen, theirs.render())


@pytest.mark.parametrize("rom", ["space_invaders", "air_raid"])
def test_render_of_the_pooled_screen_shows_two_frames(rom):
    """Of a step's last two frames, as the twin on ale-py's emulator shows them."""
    fields = {"noop_max": 0, "max_num_frames_per_episode": 399, "render_mode": "rgb_array"}
    env = AtariEnv(rom, render_screen="pooled", **fields)
    frames = gymnasium.make(f"ALE/{rom.title().replace('_', '')}-v5", frameskip=1, repeat_action_probability=0.0)
    ale = frames.unwrapped.ale
    _, info = env.reset(seed=0)
    frames.reset(seed=0)
    assert np.array_equal(env.render(), ale.getScreenRGB())
    is_over, flickers = False, 0
    while not is_over:
        before = info["episode_frame_number"]
        *_, is_over, info = env.step(1)
        screens = []
        for _ in range(info["episode_frame_number"] - before):
            frames.step(1)
            screens.append(ale.getScreenRGB())
        shown = screens[-1] if is_over else np.maximum(*screens[-2:])
        assert np.array_equal(env.render(), shown)
        flickers += not np.array_equal(shown, screens[-1])
    assert flickers > 20
    assert len(screens) < 4


@pytest.mark.parametrize("fields", [{"frame_skip": 1}, {"maxpool": False}])
def test_render_of_the_pooled_screen_is_the_last_where_planes_are_of_one(fields):
    env = AtariEnv("space_invaders", render_mode="rgb_array", render_screen="pooled", **fields)
    env.reset(seed=0)
    for _ in range(30):
        env.step(1)
        assert np.array_equal(env.render(), env.ale.getScreenRGB())


def test_render_without_a_mode_warns():
    env = AtariEnv("breakout")
    env.reset()
    with pytest.warns(UserWarning, match="without specifying any render mode"):
        assert env.render() is None


def test_human_mode_shows_each_frame():
    program = (
        "import fastatari\n"
        "from fastatari.envs.env import AtariEnv\n"
        "env = AtariEnv('breakout', render_mode='human')\n"
        "observation, _ = env.reset(seed=0)\n"
        "twin = AtariEnv('breakout', console='ale')\n"
        "same = (observation == twin.reset(seed=0)[0]).all()\n"
        "for _ in range(5):\n"
        "    same &= (env.step(1)[0] == twin.step(1)[0]).all()\n"
        "print(same, env.render(), env.ale.getBool('display_screen'))\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={
            "SDL_VIDEODRIVER": "dummy",
            "SDL_AUDIODRIVER": "dummy",
            "PATH": "",
            "HOME": "/tmp",
            "FASTATARI_CACHE_DIR": str(cache.folders()[0].parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.stdout == "True None True\n", outcome.stderr


# The same on both consoles.


@pytest.mark.parametrize("rom", a_third_of_roms(0))
def test_starts_are_those_on_ale_py(rom):
    fields = {"noop_max": 3, "max_num_frames_per_episode": 36}
    mine, theirs = (AtariEnv(rom, console=each, **fields) for each in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same_play(play(mine, 30, rngs[0], 1), play(theirs, 30, rngs[1], 1))
    assert_same_play(play(mine, 3, rngs[0], 7), play(theirs, 3, rngs[1], 7))


@pytest.mark.sweep
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", ROMS)
def test_long_play_is_that_on_ale_py(rom, preset):
    mine, theirs = (AtariEnv(rom, preset=preset, console=kind, max_num_frames_per_episode=211) for kind in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same_play(play(mine, 2500, rngs[0], 1), play(theirs, 2500, rngs[1], 1))


@pytest.mark.parametrize("preset", ["sb3", "ale", "cleanrl", "envpool"])
@pytest.mark.parametrize("rom", ["breakout", "seaquest", "qbert"])
def test_starts_with_fire_are_those_on_ale_py(rom, preset):
    fields = {"preset": preset, "noop_max": 4, "max_num_frames_per_episode": 61}
    mine, theirs = (AtariEnv(rom, console=each, **fields) for each in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same_play(play(mine, 100, rngs[0], 1), play(theirs, 100, rngs[1], 1))


# Seeds and generators.


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", STARTS)
def test_a_seed_decides_everything(rom, preset):
    fields = {"preset": preset, **fields_for(preset)}
    first, second = AtariEnv(rom, **fields), AtariEnv(rom, **fields)
    for _ in play(second, 40, np.random.default_rng(5)):
        pass
    rngs = [np.random.default_rng(0) for _ in range(2)]
    assert_same_play(play(first, 40, rngs[0], seed=7), play(second, 40, rngs[1], seed=7))
    assert second.np_random_seed == 7


def test_seeds_differ_and_so_do_environments_without():
    env = AtariEnv("breakout")
    noops = [[env.reset(seed=seed)[1]["noops"]] + [env.reset()[1]["noops"] for _ in range(9)] for seed in range(5)]
    assert len({tuple(row) for row in noops}) == 5
    others = [[AtariEnv("breakout").reset()[1]["noops"] for _ in range(6)] for _ in range(4)]
    assert len({tuple(row) for row in others}) == 4
    assert {noop for row in noops for noop in row} <= set(range(1, 31))
    assert AtariEnv("breakout").np_random_seed == -1


@pytest.mark.parametrize("preset", ["gymnasium", "ale", "envpool"])
def test_np_random_can_be_replaced(preset):
    env, twin = (AtariEnv("breakout", preset=preset) for _ in range(2))
    env.reset(seed=1)
    twin.reset(seed=2)
    env.np_random = np.random.default_rng(5)
    twin.np_random = copy.deepcopy(env.np_random)
    assert twin.np_random_seed == -1
    noops = [env.reset()[1]["noops"] for _ in range(9)]
    assert noops == [twin.reset()[1]["noops"] for _ in range(9)]
    assert noops != [env.reset(seed=1)[1]["noops"] for _ in range(9)]


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_np_random_of_any_kind_draws_what_sticks_by_the_rules_of_stable_baselines3(bits):
    fields = {"preset": "sb3", "repeat_action_probability": 0.5, "obs_type": "ram"}
    env, twin, other = (AtariEnv("pong", **fields) for _ in range(3))
    for each, seed in ((env, 1), (twin, 1), (other, 2)):
        each.reset(seed=3)
        each.np_random = np.random.Generator(bits(seed))
    results = [[each.step(action)[0].tobytes() for action in [2, 3] * 20] for each in (env, twin, other)]
    assert results[0] == results[1] != results[2]


def test_np_random_has_to_be_a_generator():
    env = AtariEnv("breakout")
    with pytest.raises(TypeError, match=r"`np_random` must be a numpy.random.Generator, got RandomState"):
        env.np_random = np.random.RandomState(0)


# Infos.


def test_infos_have_the_same_keys_and_types_always():
    env = AtariEnv("breakout", preset="sb3", info_ram=True, **fields_for("sb3@1"))
    expected = {
        field.name: (np.ndarray if field.shape or field.dtype is np.bool_ else field.dtype, field.dtype, field.shape)
        for field in (*INFO_FIELDS, RAM)
    }
    ends = 0
    for *_, info in play(env, 250, np.random.default_rng(0), seed=0):
        assert {name: (type(value), value.dtype, value.shape) for name, value in info.items()} == expected
        ends += bool(info["game_over"])
    assert ends


def test_infos_are_described():
    for field in INFO_FIELDS:
        assert f"* ``{field.name}``: {field.meaning}" in " ".join(AtariEnv.__doc__.split())
    for field in (*EPISODE_FIELDS, RAM):
        assert f"``{field.name}``" in AtariEnv.__doc__


def test_infos_hold_lives_frames_and_rewards():
    env = AtariEnv("breakout", reward_clip=True, noop_max=0, episode_statistics=True, max_num_frames_per_episode=1500)
    before_game = {"lives": 5, "episode_frame_number": 0, "raw_reward": 0, "life_lost": False, "game_over": False}
    _, info = env.reset(seed=0)
    assert info == {**before_game, "frame_number": 0, "noops": 0}
    rng = np.random.default_rng(0)
    total, lives, lost, before = 0.0, 5, 0, 0
    for _ in range(2):
        for step in range(1, 10_000):
            _, reward, terminated, truncated, info = env.step(int(rng.integers(4)))
            total += info["raw_reward"]
            assert reward == np.sign(info["raw_reward"])
            assert info["life_lost"] == (info["lives"] < lives)
            lost += bool(info["life_lost"])
            lives = info["lives"]
            assert ("episode" in info) == (terminated or truncated) == info["game_over"]
            if terminated or truncated:
                break
            assert info["episode_frame_number"] == 4 * step
            assert info["frame_number"] == before + 4 * step
        assert (info["episode"]["r"], info["episode"]["l"]) == (total, step)
        assert [value.dtype for value in info["episode"].values()] == [np.float64, np.int64, np.float64]
        before = info["frame_number"]
        lives, total = 5, 0.0
        _, info = env.reset()
        assert info == {**before_game, "frame_number": before, "noops": 0}
    assert lost > 4


@pytest.mark.parametrize(("rom", "seeded"), [("pacman", 32), ("breakout", 0), ("name_this_game", None)])
def test_frame_numbers_are_those_of_ale_py(rom, seeded):
    """Also where the actions of a reset count."""
    env = AtariEnv(rom, noop_max=0)
    twin = gymnasium.make(f"ALE/{rom.title().replace('_', '')}-v5", frameskip=4, repeat_action_probability=0.0)
    for seed in (3, None, 4):
        mine, theirs = env.reset(seed=seed)[1], twin.reset(seed=seed)[1]
        assert seeded is None or seed is None or mine["frame_number"] == seeded
        for _ in range(3):
            for name in ("frame_number", "episode_frame_number", "lives"):
                assert mine[name] == theirs[name], (seed, name)
            mine, theirs = env.step(0)[4], twin.step(0)[4]


def test_noops_are_as_many_as_frames_are_played():
    """One fewer where FIRE is pressed for a frame, and never fewer than none."""
    seen = set()
    for preset, fires in (("ale", 1), ("envpool", 1), ("gymnasium", 0)):
        env = AtariEnv("breakout", preset=preset, noop_max=3)
        for seed in range(20):
            info = env.reset(seed=seed)[1]
            assert info["noops"] == info["episode_frame_number"] - fires
            seen.add((preset, int(info["noops"])))
    assert seen == {
        *(("ale", number) for number in range(2)), *(("envpool", number) for number in range(3)),
        *(("gymnasium", number) for number in (1, 2, 3)),
    }  # fmt: skip


def test_a_clock_measures_each_game_for_itself():
    env = AtariEnv("breakout", episode_statistics=True, max_episode_steps=3)
    times = []
    for seconds in (0.2, 0.0):
        begin = time.perf_counter()
        env.reset()
        time.sleep(seconds)
        for _ in range(3):
            info = env.step(0)[4]
        times.append(info["episode"]["t"])
        assert 0 < times[-1] <= time.perf_counter() - begin
    assert times[0] >= 0.2 > times[1]


def test_a_clock_goes_on_with_a_restored_state():
    env = AtariEnv("breakout", episode_statistics=True, max_episode_steps=3)
    env.reset()
    time.sleep(0.2)
    env.step(0)
    other = AtariEnv("breakout", episode_statistics=True, max_episode_steps=3)
    other.restore_state(env.clone_state())
    other.step(0)
    assert other.step(0)[4]["episode"]["t"] >= 0.2


def test_episodes_of_lives_are_told_from_games():
    env = AtariEnv("breakout", preset="sb3", episode_statistics=True)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    ends, games, steps = 0, [], 0
    while len(games) < 2:
        *_, terminated, _, info = env.step(int(rng.integers(4)))
        steps += 1
        if terminated:
            ends += 1
            if "episode" in info:
                games.append(ends)
                assert info["episode"]["l"] == steps
                steps = 0
            env.reset()
    assert games == [5, 10]


def lose_a_life(env):
    while True:
        *_, terminated, _, info = env.step(1)
        if terminated:
            return info


@pytest.mark.parametrize(
    ("arguments", "is_new"), [({}, False), ({"seed": 3}, True), ({"options": {"new_game": True}}, True),
                              ({"options": {"new_game": False}}, False)]
)  # fmt: skip
@pytest.mark.parametrize("preset", ["sb3", "envpool"])
def test_a_new_game_begins_after_a_lost_life_only_when_asked_for(preset, arguments, is_new):
    env = AtariEnv("breakout", preset=preset, life_loss="continue")
    env.reset(seed=3)
    assert lose_a_life(env)["lives"] == 4
    assert env.reset(**arguments)[1]["lives"] == (5 if is_new else 4)


def test_reported_lives_do_not_end_the_episode():
    env = AtariEnv("breakout", life_loss="report", noop_max=0, episode_statistics=True)
    env.reset(seed=0)
    losses = 0
    while True:
        *_, terminated, _, info = env.step(1)
        losses += terminated
        assert info["game_over"] == ("episode" in info)
        if info["game_over"]:
            break
    assert losses == 5
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(1)


# States.

# What ale-py's states leave out: lives; and which action sticks where the emulator itself makes it stick.
NO_STATES = {("atlantis2", preset) for preset in PRESETS}
NO_STATES |= {(rom, "dopamine@1") for rom in ("double_dunk", "berzerk", "adventure")}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", STARTS)
def test_a_restored_state_goes_on_to_the_byte(console, rom, preset):
    if (rom, preset) in NO_STATES and console == "ale":
        pytest.skip("ale-py's states do not hold all of it")
    fields = {"preset": preset, **fields_for(preset)}
    env = AtariEnv(rom, **fields)
    rng = np.random.default_rng(2)
    for _ in play(env, int(rng.integers(100, 200)), rng, seed=2):
        pass
    env.reset(seed=3)
    for _ in range(5):
        env.step(1)
    state = pickle.loads(pickle.dumps(env.clone_state()))
    data = env.save_state()
    played, fresh, loaded = AtariEnv(rom, **fields), AtariEnv(rom, **fields), AtariEnv(rom, **fields)
    for _ in play(played, 20, rng):
        pass
    expected = play_on(env, 90)
    for other in (played, fresh, env):
        other.restore_state(state)
        assert_same_play(play_on(other, 90), expected)
    loaded.load_state(bytearray(data))
    assert_same_play(play_on(loaded, 90), expected)


@pytest.mark.parametrize("steps", [0, 1, 30])
@pytest.mark.parametrize("rom", ["qbert", "tetris", "amidar", "koolaid", "breakout", "assault", "venture"])
def test_states_hold_what_those_of_ale_py_leave_out(rom, steps):
    """Of some games a reset ends in the middle of a frame, of which the emulator's own states say nothing."""
    env = AtariEnv(rom, noop_max=0)
    env.reset(seed=0)
    for _ in range(steps):
        env.step(1)
    state = env.clone_state()
    fresh, reset, played = (AtariEnv(rom, noop_max=0) for _ in range(3))
    reset.reset(seed=1)
    for _ in play(played, 33, np.random.default_rng(0)):
        pass
    expected = play_on(env, 20)
    for other in (fresh, reset, played):
        other.restore_state(state)
        assert_same_play(play_on(other, 20), expected)
        assert np.array_equal(other.ale.getRAM(), env.ale.getRAM())


def test_states_are_equal_where_environments_are():
    env = AtariEnv("breakout", preset="sb3")
    env.reset(seed=1)
    for action in (1, 2, 3):
        env.step(action)
    state = env.clone_state()
    time.sleep(0.01)
    assert state == env.clone_state()
    assert state in [None, env.clone_state()]
    assert hash(state) == hash(env.clone_state())
    env.step(0)
    assert state != env.clone_state()
    env.restore_state(state)
    assert state == env.clone_state()


def test_a_state_of_before_the_first_reset_can_be_restored():
    fields = {"preset": "sb3", "max_num_frames_per_episode": 6, "noop_max": 5, "render_mode": "rgb_array"}
    fresh, used = AtariEnv("freeway", **fields), AtariEnv("freeway", **fields)
    for _ in play(used, 30, np.random.default_rng(0), seed=0):
        pass
    used.restore_state(fresh.clone_state())
    for use in (used.render, used.save_state, lambda: used.step(0)):
        with pytest.raises(gymnasium.error.ResetNeeded):
            use()
    for seed in range(6):
        assert_same(used.reset(seed=seed), fresh.reset(seed=seed))
        assert_same(used.step(0), fresh.step(0))


def test_a_state_of_the_end_of_an_episode_can_be_restored():
    env = AtariEnv("breakout", preset="sb3", max_num_frames_per_episode=99)
    env.reset(seed=0)
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, _ = env.step(1)
    state = env.clone_state()
    first, _ = env.reset()
    env.restore_state(state)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(1)
    assert np.array_equal(env.reset()[0], first)


@pytest.mark.parametrize("screen", ["last", "pooled"])
def test_a_state_renders_its_own_screen(screen):
    env, other = (AtariEnv("pong", render_mode="rgb_array", render_screen=screen) for _ in range(2))
    env.reset(seed=0)
    for _ in range(30):
        env.step(2)
    shown = env.render()
    other.reset(seed=1)
    other.restore_state(env.clone_state())
    assert np.array_equal(other.render(), shown)
    if screen == "last":
        assert np.array_equal(other.render(), rgb_table("ntsc")[env.ale.getScreen()])


def test_loading_returns_the_last_observation_and_info():
    env, other = (AtariEnv("breakout", preset="sb3", info_ram=True) for _ in range(2))
    env.reset(seed=2)
    for action in (1, 2, 3):
        observation, *_, info = env.step(action)
    assert_same(other.load_state(env.save_state()), (observation, info))


def test_states_of_others_are_refused(console):
    env = AtariEnv("breakout")
    observation, _ = env.reset(seed=0)
    state = env.clone_state()
    cases = [
        (AtariEnv("pong").clone_state(), ValueError, "`state` must be of breakout, got one of pong"),
        (
            AtariEnv("breakout", frame_skip=3, gray="cv2").clone_state(),
            ValueError,
            "`state` must be of the same rules, got one with other frame_skip, gray",
        ),
        (ale_py.ALEState(), TypeError, "`state` must come from `clone_state`, got ALEState"),
        (None, TypeError, "`state` must come from `clone_state`, got NoneType"),
        (tuple(state), TypeError, "`state` must come from `clone_state`, got tuple"),
        (state._replace(data=b"FASTATAR"), (ValueError, TypeError), "`data` must|must be"),
        (
            state._replace(console=next(each for each in CONSOLES if each != console)),
            ValueError,
            f"`state` must be of `console` '{console}', got one of ",
        ),
    ]
    for bad, error, message in cases:
        with pytest.raises(error, match=message):
            env.restore_state(bad)
    assert np.array_equal(env.step(0)[0][:3], observation[1:])


def test_bytes_of_others_are_refused():
    env, twin = AtariEnv("breakout"), AtariEnv("breakout")
    for each in (env, twin):
        each.reset(seed=0)
    data = env.save_state()
    pong, other = AtariEnv("pong"), AtariEnv("breakout", frame_skip=3, gray="cv2")
    for each in (pong, other):
        each.reset()
    cases = [
        (7, TypeError, "`state` must be bytes-like, got int"),
        ("state", TypeError, "`state` must be bytes-like, got str"),
        (b"", ValueError, "`data` must be a saved state"),
        (b"state", ValueError, "`data` must be a saved state"),
        (data[:1000], ValueError, "it was cut"),
        (data[:1000] + b"x" + data[1001:], ValueError, "it was damaged"),
        (pickle.dumps(data), ValueError, "`data` must be a saved state"),
        (pong.save_state(), ValueError, "`state` must have the same game, breakout, got one with pong"),
        (other.save_state(), ValueError, "`state` must be of the same rules, got one with other frame_skip, gray"),
    ]
    for bad, error, message in cases:
        with pytest.raises(error, match=message):
            env.load_state(bad)
    assert_same(env.step(1), twin.step(1))


def test_a_state_in_another_process_goes_on_to_the_byte(console, tmp_path):
    env = AtariEnv("seaquest", preset="dopamine")
    for _ in play(env, 100, np.random.default_rng(0), seed=0):
        pass
    (tmp_path / "state").write_bytes(env.save_state())
    program = (
        "import sys, hashlib\n"
        "from fastatari.envs.env import AtariEnv\n"
        f"env = AtariEnv('seaquest', preset='dopamine', console={console!r})\n"
        "env.load_state(open(sys.argv[1], 'rb').read())\n"
        "print(b''.join(env.step(i % 18)[0].tobytes()[::97] for i in range(40)).hex())\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path / "state")], capture_output=True, text=True, check=True
    )
    assert outcome.stdout.strip() == b"".join(env.step(i % 18)[0].tobytes()[::97] for i in range(40)).hex()


class SubEnv(AtariEnv):
    def __init__(self, colour):
        super().__init__("breakout")
        self.colour = colour


def test_copies_of_subclasses_keep_their_attributes():
    env = SubEnv("red")
    env.reset(seed=4)
    copied = copy.deepcopy(env)
    assert (type(copied), copied.colour, copied.np_random_seed) == (SubEnv, "red", 4)
    assert np.array_equal(copied.step(1)[0], env.step(1)[0])
    env.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        copy.deepcopy(env).reset()


def test_copies_keep_what_gymnasium_knows_of_them():
    env = gymnasium.make("fastatari/Breakout-v0", frame_skip=3).unwrapped
    copied = pickle.loads(pickle.dumps(env))
    assert copied.spec.id == "fastatari/Breakout-v0"
    assert copied.rules == env.rules


@pytest.mark.parametrize("preset", PRESETS)
def test_close_frees_the_emulator(preset):
    env = AtariEnv("breakout", preset=preset)
    env.reset()
    engine = weakref.ref(env._engine)
    gc.disable()
    try:
        env.close()
        assert engine() is None
    finally:
        gc.enable()


# What is refused.


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, "`seed` must be at least 0, got -1"),
        (1.0, TypeError, "`seed` must be an integer, got 1.0"),
        ("1", TypeError, "`seed` must be an integer, got '1'"),
        (True, TypeError, "`seed` must be an integer, got True"),
        ([1], TypeError, r"`seed` must be an integer, got \[1\]"),
    ],
)
def test_bad_seeds_are_refused(seed, error, message):
    env, twin = AtariEnv("breakout"), AtariEnv("breakout")
    for each in (env, twin):
        each.reset(seed=0)
    with pytest.raises(error, match=message):
        env.reset(seed=seed)
    assert np.array_equal(env.step(1)[0], twin.step(1)[0])


@pytest.mark.parametrize("preset", ["ale", "envpool"])
def test_seeds_of_ale_py_have_31_bits(preset):
    env = AtariEnv("breakout", preset=preset)
    env.reset(seed=2**31 - 1)
    with pytest.raises(ValueError, match=r"`seed` must be below 2\*\*31 with `seeding` 'ale', got 2147483648"):
        env.reset(seed=2**31)
    AtariEnv("breakout").reset(seed=2**80)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask": 1}, ValueError, "`options` may hold 'new_game', got 'mask'"),
        ({"reset_mask": np.ones(1, bool)}, ValueError, "`options` may hold 'new_game', got 'reset_mask'"),
        ([1], TypeError, r"`options` must be a dict, got \[1\]"),
        ({"new_game": 1}, TypeError, r"`options\['new_game'\]` must be True or False, got 1"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    env, twin = AtariEnv("breakout"), AtariEnv("breakout")
    for each in (env, twin):
        each.reset(seed=0)
    with pytest.raises(error, match=message):
        env.reset(seed=1, options=options)
    assert_same(env.step(1), twin.step(1))
    env.reset(options={})


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        ([0.5, 0.0], ValueError, r"`action` must have shape \(3,\), got shape \(2,\)"),
        (np.zeros((1, 3), np.float32), ValueError, r"`action` must have shape \(3,\), got shape \(1, 3\)"),
        (1.0, ValueError, r"`action` must have shape \(3,\), got shape \(\)"),
        ("abc", TypeError, r"`action` must be floats of shape \(3,\), got 'abc'"),
        ([True, False, True], TypeError, r"`action` must be floats of shape"),
        (None, TypeError, r"`action` must be floats of shape \(3,\), got None"),
        ([1.5, 0.0, 0.0], InvalidAction, r"action \[1.5, 0.0, 0.0\] is not in the action space: radius from 0 to 1"),
        ([-0.1, 0.0, 0.0], InvalidAction, "is not in the action space"),
        ([0.5, 3.2, 0.0], InvalidAction, "angle from -pi to pi"),
        ([0.5, 0.0, np.nan], InvalidAction, "FIRE from 0 to 1"),
        ([0.5, 0.0, np.inf], InvalidAction, "FIRE from 0 to 1"),
    ],
)
def test_bad_continuous_actions_change_nothing(action, error, message):
    env, twin = AtariEnv("breakout", continuous=True), AtariEnv("breakout", continuous=True)
    for each in (env, twin):
        each.reset(seed=0)
    with pytest.raises(error, match=message):
        env.step(action)
    good = np.array([0.75, 0.5, 1.0], np.float32)
    for same in (good, good.astype(np.float64), good.tolist(), tuple(good), good.astype(np.float16)):
        assert_same(env.step(same), twin.step(good))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "`game` 'brakeout' is not a game of ale-py .*; the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"game": 3}, TypeError, "`game` must be a string, got 3"),
        ({"preset": "atari"}, ValueError, "`preset` must be one of 'labml', 'gymnasium'"),
        ({"render_mode": "ansi"}, ValueError, "`render_mode` must be one of 'human', 'rgb_array', got 'ansi'"),
        ({"render_screen": "first"}, ValueError, "`render_screen` must be one of 'last', 'pooled', got 'first'"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"episode_statistics": 1}, TypeError, "`episode_statistics` must be True or False, got 1"),
        ({"info_ram": None}, TypeError, "`info_ram` must be True or False, got None"),
        ({"obs_type": "rgb"}, ValueError, "`obs_type` must be one of 'screen', 'ram', got 'rgb'"),
        ({"frameskip": 4}, TypeError, "'frameskip'.*frame_skip"),
        ({"resets": 1}, TypeError, "unexpected keyword argument 'resets': it is gone, because resets are as fast"),
        ({"render_scren": "last"}, TypeError, "'render_scren'.*render_screen"),
        ({"mode": 3}, ValueError, "`mode` must be one of 0, 4, 8, .*, got 3"),
        ({"difficulty": 7}, ValueError, "`difficulty` must be one of 0, 1, got 7"),
        ({"screen_size": (170, 84)}, ValueError, r"`screen_size` must be at most \(160, 210\), got \(170, 84\)"),
        ({"stack_num": 10**9}, MemoryError, "not enough memory for the observations of 1 environments: .* bytes"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        AtariEnv(**({"game": "breakout"} | arguments))


def test_modes_and_difficulties_are_played():
    plain, other = AtariEnv("breakout", noop_max=0), AtariEnv("breakout", noop_max=0, mode=4, difficulty=1)
    twin = gymnasium.make("ALE/Breakout-v5", mode=4, difficulty=1, frameskip=1, repeat_action_probability=0).unwrapped
    mine = [other.reset(seed=0)[0]]
    twin.reset(seed=0)
    for _ in range(30):
        mine.append(other.step(1)[0])
        for _ in range(4):
            twin.step(1)
        assert np.array_equal(other.ale.getScreen(), twin.ale.getScreen())
    plain.reset(seed=0)
    assert any(not np.array_equal(plain.step(1)[0], each) for each in mine[1:])


def test_step_and_render_need_a_reset():
    env = AtariEnv("pong", render_mode="rgb_array", max_episode_steps=2)
    with pytest.raises(gymnasium.error.ResetNeeded, match="Cannot call `step` before calling `reset`"):
        env.step(0)
    for name in ("render", "save_state"):
        with pytest.raises(gymnasium.error.ResetNeeded, match=f"Cannot call `{name}` before calling `reset`"):
            getattr(env, name)()
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="after the end of an episode"):
        env.step(0)
    env.render()
    env.reset()
    env.step(0)


def test_a_closed_environment_says_so():
    env = AtariEnv("breakout")
    env.reset(seed=0)
    state, data = env.clone_state(), env.save_state()
    env.close()
    env.close()
    for use in (
        env.reset,
        env.render,
        env.clone_state,
        env.save_state,
        env.get_action_meanings,
        env.get_keys_to_action,
        lambda: env.step(0),
        lambda: env.restore_state(state),
        lambda: env.load_state(data),
        lambda: env.ale,
        lambda: env.np_random,
    ):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=r"`AtariEnv`, after a call to `close\(\)`"):
            use()


def test_keys_stand_for_actions():
    keys = AtariEnv("breakout").get_keys_to_action()
    assert keys == {("e",): 0, (" ",): 1, ("d",): 2, ("a",): 3}
    assert AtariEnv("seaquest").get_keys_to_action()[("w", "d", " ")] == 14
    with pytest.raises(AttributeError, match="`get_keys_to_action` needs actions that are indices"):
        AtariEnv("seaquest", continuous=True).get_keys_to_action()


def test_metadata_are_the_own_ones_of_an_environment():
    first, second = AtariEnv("breakout", frame_skip=7), AtariEnv("breakout")
    first.metadata["autoreset_mode"] = 1
    assert (first.metadata["render_fps"], second.metadata["render_fps"]) == (9, 15)
    assert "autoreset_mode" not in second.metadata
    assert "autoreset_mode" not in AtariEnv.metadata


def test_the_emulator_is_one_object():
    env = AtariEnv("pong")
    env.reset(seed=0)
    ale = env.ale
    env.step(0)
    assert env.ale is ale
    assert ale.getEpisodeFrameNumber() == env.ale.getEpisodeFrameNumber() > 0
