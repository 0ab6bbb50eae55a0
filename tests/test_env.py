import copy
import functools
import gc
import hashlib
import pickle
import subprocess
import sys
import weakref

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from reference import ROMS

import fastatari
from fastatari import PRESETS, AtariEnv, InvalidAction
from fastatari.compiler import cache
from fastatari.emulator import CONSOLES
from fastatari.palette import rgb_table

# Starts that depend on the timer, on RAM that stays, on what ale-py's states leave out, on all of the RAM; and games
# whose resets act.
STARTS = ["breakout", "seaquest", "berzerk", "venture", "qbert", "atlantis2", "assault", "double_dunk", "adventure"]


def play(env, steps, rng, seed=None):
    """Play at random; yield all that comes out, but for the time that an episode took."""
    is_over = True
    for step in range(steps):
        if is_over:
            observation, info = env.reset(seed=seed)
            seed = None
            yield observation, info
        observation, reward, terminated, truncated, info = env.step(int(rng.integers(env.action_space.n)))
        info.get("episode", {}).pop("t", None)
        yield observation, reward, terminated, truncated, info
        is_over = terminated or truncated or step % 97 == 96


def assert_same(played, expected):
    for mine, theirs in zip(played, expected, strict=True):
        assert np.array_equal(mine[0], theirs[0])
        assert mine[1:] == theirs[1:]


def fields_for(preset):
    """Fields that let a short play see ends of all kinds."""
    return {"max_num_frames_per_episode": 301} if preset != "dopamine@1" else {"max_episode_steps": 83}


@pytest.mark.parametrize("preset", PRESETS)
def test_gymnasiums_checker_finds_nothing(preset):
    check_env(AtariEnv("breakout", preset=preset, render_mode="rgb_array"), skip_render_check=True)
    check_env(gymnasium.make("fastatari/MsPacman-v0", preset=preset, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("preset", PRESETS)
def test_sb3s_checker_finds_nothing(preset):
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
    ],
)
def test_spaces_hold_what_comes_out(fields, shape, dtype):
    env = AtariEnv("pong", **fields)
    assert (env.observation_space.shape, env.observation_space.dtype) == (shape, dtype)
    assert env.action_space.n == len(env.get_action_meanings()) == 6
    for result in play(env, 30, np.random.default_rng(0), seed=0):
        assert result[0] in env.observation_space
    assert result[0].max() > 0
    assert AtariEnv("pong", full_action_space=True).action_space.n == 18


def test_every_game_has_an_id():
    for rom in ROMS:
        spec = gymnasium.spec(f"fastatari/{rom.title().replace('_', '')}-v0")
        assert spec.kwargs == {"game": rom}
    assert sum(name.startswith("fastatari/") for name in gymnasium.registry) == len(ROMS)


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
def test_gymnasiums_vector_environments_play_it(preset):
    make = functools.partial(AtariEnv, "breakout", preset=preset, **fields_for(preset))
    sync = gymnasium.vector.SyncVectorEnv([make] * 2)
    concurrent = gymnasium.vector.AsyncVectorEnv([make] * 2, context="fork")
    rng = np.random.default_rng(0)
    assert np.array_equal(sync.reset(seed=3)[0], concurrent.reset(seed=3)[0])
    ends = 0
    for _ in range(150):
        actions = rng.integers(4, size=2)
        mine, theirs = sync.step(actions), concurrent.step(actions)
        for one, other in zip(mine[:4], theirs[:4], strict=True):
            assert np.array_equal(one, other)
        ends += int(mine[2].sum() + mine[3].sum())
    assert ends
    sync.close()
    concurrent.close()


def test_gymnasiums_wrappers_go_around_it():
    env = gymnasium.make("fastatari/Breakout-v0", episode_statistics=False, render_mode="rgb_array")
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.wrappers.TimeLimit(env, 20))
    env = gymnasium.wrappers.RenderCollection(gymnasium.wrappers.ClipReward(env, -1, 1))
    env.reset(seed=0)
    for _ in range(20):
        *_, info = env.step(1)
    assert info["episode"]["l"] == 20
    assert {frame.shape for frame in env.render()} == {(210, 160, 3)}
    assert env.get_wrapper_attr("get_action_meanings")() == ["NOOP", "FIRE", "RIGHT", "LEFT"]


def test_videos_are_of_the_raw_screen(tmp_path):
    env = gymnasium.make("fastatari/Pong-v0", render_mode="rgb_array", max_num_frames_per_episode=100)
    env = gymnasium.wrappers.RecordVideo(env, str(tmp_path / "videos"), disable_logger=True)
    for _ in play(env, 30, np.random.default_rng(0), seed=0):
        pass
    env.close()
    (video,) = tmp_path.glob("videos/*episode-0.mp4")
    assert video.stat().st_size > 1000


@pytest.mark.parametrize("rom", STARTS)
def test_rendering_shows_the_games_screen(rom):
    mine, theirs = (
        AtariEnv(rom, render_mode="rgb_array", console=console, noop_max=2, max_num_frames_per_episode=40)
        for console in CONSOLES
    )
    rngs = [np.random.default_rng(0) for _ in range(2)]
    for _ in zip(play(mine, 60, rngs[0], 0), play(theirs, 60, rngs[1], 0), strict=True):
        screen = mine.render()
        assert screen.dtype == np.uint8
        assert np.array_equal(screen, theirs.ale.getScreenRGB())
        assert np.array_equal(screen, theirs.render())


@pytest.mark.parametrize("rom", ROMS)
def test_openings_are_those_on_ale_py(rom):
    fields = {"noop_max": 3, "max_num_frames_per_episode": 36}
    mine, theirs = (AtariEnv(rom, console=console, **fields) for console in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same(play(mine, 60, rngs[0], 1), play(theirs, 60, rngs[1], 1))


@pytest.mark.sweep
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", ROMS)
def test_long_play_is_that_on_ale_py(rom, preset):
    mine, theirs = (AtariEnv(rom, preset=preset, console=kind, max_num_frames_per_episode=211) for kind in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same(play(mine, 2500, rngs[0], 1), play(theirs, 2500, rngs[1], 1))


@pytest.mark.parametrize("preset", ["sb3", "ale", "cleanrl"])
@pytest.mark.parametrize("rom", ["breakout", "seaquest", "qbert"])
def test_openings_with_fire_are_those_on_ale_py(rom, preset):
    fields = {"preset": preset, "noop_max": 4, "max_num_frames_per_episode": 61}
    mine, theirs = (AtariEnv(rom, console=console, **fields) for console in CONSOLES)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    assert_same(play(mine, 250, rngs[0], 1), play(theirs, 250, rngs[1], 1))


def test_states_are_of_the_console_that_they_were_taken_from():
    mine, theirs = (AtariEnv("breakout", console=console) for console in CONSOLES)
    for env in (mine, theirs):
        env.reset(seed=0)
    with pytest.raises(ValueError, match="the state is of `console` 'ale', not of 'fastatari'"):
        mine.restore_state(theirs.clone_state())
    with pytest.raises(ValueError, match="the state is of `console` 'fastatari', not of 'ale'"):
        theirs.restore_state(mine.clone_state())


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", STARTS)
def test_a_seed_decides_everything(rom, preset):
    fields = {"preset": preset, **fields_for(preset)}
    first, second = AtariEnv(rom, **fields), AtariEnv(rom, **fields)
    for _ in play(second, 70, np.random.default_rng(5)):
        pass
    assert_same(play(first, 60, np.random.default_rng(0), seed=7), play(second, 60, np.random.default_rng(0), seed=7))
    assert second.np_random_seed == 7


def test_seeds_differ_and_no_seed_differs():
    env = AtariEnv("breakout")
    noops = [[env.reset(seed=seed)[1]["noops"]] + [env.reset()[1]["noops"] for _ in range(9)] for seed in range(5)]
    assert len({tuple(row) for row in noops}) == 5
    others = [[AtariEnv("breakout").reset()[1]["noops"] for _ in range(6)] for _ in range(4)]
    assert len({tuple(row) for row in others}) == 4
    assert {noop for row in noops for noop in row} <= set(range(1, 31))
    assert AtariEnv("breakout").np_random_seed == -1


@pytest.mark.parametrize("preset", ["gymnasium", "ale"])
def test_np_random_can_be_replaced(preset):
    env, twin = (AtariEnv("breakout", preset=preset) for _ in range(2))
    env.reset(seed=1)
    twin.reset(seed=2)
    env.np_random = np.random.default_rng(5)
    twin.np_random = copy.deepcopy(env.np_random)
    assert twin.np_random_seed == -1
    assert [env.reset()[1]["noops"] for _ in range(9)] == [twin.reset()[1]["noops"] for _ in range(9)]


def test_infos_tell_lives_frames_and_rewards():
    env = AtariEnv("breakout", reward_clip=True, noop_max=0)
    _, info = env.reset(seed=0)
    assert info == {"lives": 5, "episode_frame_number": 0, "frame_number": 0, "noops": 0}
    rng = np.random.default_rng(0)
    total, lives, lost, before = 0.0, 5, 0, 0
    for game in range(2):
        for step in range(1, 10_000):
            _, reward, terminated, truncated, info = env.step(int(rng.integers(4)))
            total += info["raw_reward"]
            assert reward == np.sign(info["raw_reward"])
            assert info["life_lost"] == (info["lives"] < lives)
            lost += info["life_lost"]
            lives = info["lives"]
            assert ("episode" in info) == terminated
            if terminated:
                break
            assert info["episode_frame_number"] == 4 * step
            assert info["frame_number"] == before + 4 * step
        assert not truncated
        assert (info["episode"]["r"], info["episode"]["l"]) == (total, step)
        assert 0 < info["episode"]["t"] < 60
        before = info["frame_number"]
        lives, total = 5, 0.0
        _, info = env.reset()
        assert info == {"lives": 5, "episode_frame_number": 0, "frame_number": before, "noops": 0}
        assert lost == 5 * (game + 1)


def test_episodes_of_lives_are_told_from_games():
    env = AtariEnv("breakout", preset="sb3")
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


def test_a_seed_begins_a_new_game_even_after_a_lost_life():
    env = AtariEnv("breakout", preset="sb3")
    first, info = env.reset(seed=3)
    terminated = False
    while not terminated:
        *_, terminated, _, step_info = env.step(1)
    assert step_info["lives"] == 4
    again, info_again = env.reset(seed=3)
    assert np.array_equal(first, again)
    assert info == info_again


def test_reported_lives_do_not_end_the_episode():
    env = AtariEnv("breakout", life_loss="report", noop_max=0)
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


# What ale-py's states leave out: lives; and which action sticks where the emulator itself makes it stick.
NO_STATES = {("atlantis2", preset) for preset in PRESETS} | {("double_dunk", "dopamine@1"), ("berzerk", "dopamine@1")}
NO_STATES |= {("adventure", "dopamine@1")}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rom", STARTS)
def test_a_restored_state_goes_on_to_the_byte(request, rom, preset):
    if (rom, preset) in NO_STATES and request.config.getoption("--console") == "ale":
        pytest.skip("ale-py's states do not hold all of it")
    fields = {"preset": preset, **fields_for(preset)}
    env = AtariEnv(rom, **fields)
    rng = np.random.default_rng(2)
    for _ in play(env, int(rng.integers(200, 300)), rng, seed=2):
        pass
    env.reset()
    for _ in range(5):
        env.step(1)
    state = pickle.loads(pickle.dumps(env.clone_state()))
    played, fresh = AtariEnv(rom, **fields), AtariEnv(rom, **fields)
    for _ in play(played, 20, rng):
        pass
    expected = list(play_on(env, 120))
    for other in (played, fresh, env):
        other.restore_state(state)
        assert_same(play_on(other, 120), expected)


@pytest.mark.parametrize("steps", [0, 1, 30])
@pytest.mark.parametrize("rom", ["qbert", "tetris", "amidar", "koolaid", "breakout", "assault", "venture"])
def test_states_hold_what_ale_pys_leave_out(rom, steps):
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
    expected = list(play_on(env, 30))
    for other in (fresh, reset, played):
        other.restore_state(state)
        assert_same(play_on(other, 30), expected)
        assert np.array_equal(other.ale.getRAM(), env.ale.getRAM())


def test_a_state_of_before_the_first_reset_can_be_restored():
    fields = {"preset": "sb3", "max_num_frames_per_episode": 6, "noop_max": 5, "render_mode": "rgb_array"}
    fresh, used = AtariEnv("freeway", **fields), AtariEnv("freeway", **fields)
    for _ in play(used, 30, np.random.default_rng(0), seed=0):
        pass
    used.restore_state(fresh.clone_state())
    for use in (used.render, lambda: used.step(0)):
        with pytest.raises(gymnasium.error.ResetNeeded):
            use()
    for seed in range(6):
        assert np.array_equal(used.reset(seed=seed)[0], fresh.reset(seed=seed)[0])
        assert np.array_equal(used.step(0)[0], fresh.step(0)[0])


def play_on(env, steps):
    """Play at random without a reset at the beginning."""
    rng = np.random.default_rng(9)
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(int(rng.integers(env.action_space.n)))
        info.get("episode", {}).pop("t", None)
        yield observation, reward, terminated, truncated, info
        if terminated or truncated:
            yield env.reset()


def test_a_state_of_an_episodes_end_can_be_restored():
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


def test_a_state_renders_its_own_screen():
    env, other = (AtariEnv("pong", render_mode="rgb_array") for _ in range(2))
    env.reset(seed=0)
    for _ in range(30):
        env.step(2)
    other.reset(seed=1)
    other.restore_state(env.clone_state())
    assert np.array_equal(other.render(), env.render())
    assert np.array_equal(other.render(), rgb_table("ntsc")[env.ale.getScreen()])


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on_by_themselves(clone):
    env = gymnasium.make("fastatari/Breakout-v0", frame_skip=3).unwrapped
    for _ in play(env, 50, np.random.default_rng(0), seed=0):
        pass
    copied = clone(env)
    assert copied.spec.id == "fastatari/Breakout-v0"
    assert copied.rules == env.rules
    expected = list(play_on(env, 40))
    assert_same(play_on(copied, 40), expected)


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


@pytest.mark.parametrize("preset", PRESETS)
def test_close_frees_the_emulator(preset):
    env = AtariEnv("breakout", preset=preset)
    env.reset()
    console = weakref.ref(env._engine.console)
    gc.disable()
    try:
        env.close()
        assert console() is None
    finally:
        gc.enable()


def test_a_state_in_another_process_goes_on_to_the_byte(request, tmp_path):
    console = request.config.getoption("--console")
    env = AtariEnv("seaquest", preset="dopamine", console=console)
    for _ in play(env, 200, np.random.default_rng(0), seed=0):
        pass
    (tmp_path / "state").write_bytes(pickle.dumps(env.clone_state()))
    program = (
        "import pickle, sys, hashlib, fastatari\n"
        f"env = fastatari.AtariEnv('seaquest', preset='dopamine', console={console!r})\n"
        "env.restore_state(pickle.load(open(sys.argv[1], 'rb')))\n"
        "print(hashlib.sha256(b''.join(env.step(i % 18)[0].tobytes() for i in range(60))).hexdigest())\n"
    )
    expected = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path / "state")], capture_output=True, text=True, check=True
    ).stdout
    mine = hashlib.sha256(b"".join(env.step(i % 18)[0].tobytes() for i in range(60))).hexdigest()
    assert expected == mine + "\n"


SEEDS = [
    (-1, ValueError, "`seed` must be at least 0, got -1"),
    (1.0, TypeError, "`seed` must be an integer, got 1.0"),
    ("1", TypeError, "`seed` must be an integer, got '1'"),
    (True, TypeError, "`seed` must be an integer, got True"),
]


@pytest.mark.parametrize(("seed", "error", "message"), SEEDS)
def test_bad_seeds_are_refused(seed, error, message):
    env, twin = AtariEnv("breakout"), AtariEnv("breakout")
    for each in (env, twin):
        each.reset(seed=0)
    with pytest.raises(error, match=message):
        env.reset(seed=seed)
    assert np.array_equal(env.step(1)[0], twin.step(1)[0])


def test_seeds_of_ale_py_have_31_bits():
    env = AtariEnv("breakout", preset="ale")
    env.reset(seed=2**31 - 1)
    with pytest.raises(ValueError, match=r"`seed` must be below 2\*\*31 with `seeding` 'ale', got 2147483648"):
        env.reset(seed=2**31)
    AtariEnv("breakout").reset(seed=2**80)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask": 1}, ValueError, "`options` must be empty, got 'mask'"),
        ([1], TypeError, r"`options` must be a dict, got \[1\]"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    env = AtariEnv("breakout")
    with pytest.raises(error, match=message):
        env.reset(options=options)
    env.reset(options={})


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (4, InvalidAction, r"action 4 is not in 0..3, the actions of breakout: NOOP, FIRE, RIGHT, LEFT"),
        (-1, gymnasium.error.InvalidAction, r"action -1 is not in 0..3"),
        (1.0, TypeError, "`action` must be an integer, got 1.0 of type float"),
        (True, TypeError, "`action` must be an integer, got True of type bool"),
        (None, TypeError, "`action` must be an integer, got None"),
        (np.array([1, 2]), TypeError, "`action` must be an integer, got array"),
        ("FIRE", TypeError, "`action` must be an integer, got 'FIRE'"),
    ],
)
def test_bad_actions_change_nothing(action, error, message):
    env, twin = AtariEnv("breakout"), AtariEnv("breakout")
    for each in (env, twin):
        each.reset(seed=0)
        each.step(1)
    with pytest.raises(error, match=message):
        env.step(action)
    for good in (1, np.int32(2), np.int64(3), np.uint8(0), np.array(1)):
        assert np.array_equal(env.step(good)[0], twin.step(int(good))[0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "`game` 'brakeout' is not a game of ale-py .*; the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"game": 3}, TypeError, "`game` must be a string, got 3"),
        ({"preset": "atari"}, ValueError, "`preset` must be one of 'labml', 'gymnasium'"),
        ({"render_mode": "ansi"}, ValueError, "`render_mode` must be one of 'human', 'rgb_array', got 'ansi'"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"episode_statistics": 1}, TypeError, "`episode_statistics` must be True or False, got 1"),
        ({"frameskip": 4}, TypeError, "unexpected keyword argument 'frameskip'; the closest rule is 'frame_skip'"),
        ({"mode": 3}, ValueError, "`mode` must be one of 0, 4, 8, .*, got 3"),
        ({"difficulty": 7}, ValueError, "`difficulty` must be one of 0, 1, got 7"),
        ({"screen_size": (170, 84)}, ValueError, r"`screen_size` must be at most \(160, 210\), got \(170, 84\)"),
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
    with pytest.raises(gymnasium.error.ResetNeeded, match="Cannot call `render` before calling `reset`"):
        env.render()
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="after the end of an episode"):
        env.step(0)
    env.reset()
    env.step(0)


def test_a_closed_environment_says_so():
    env = AtariEnv("breakout")
    env.reset(seed=0)
    state = env.clone_state()
    env.close()
    env.close()
    for use in (
        env.reset,
        env.render,
        env.clone_state,
        env.get_action_meanings,
        lambda: env.step(0),
        lambda: env.restore_state(state),
        lambda: env.ale,
        lambda: env.np_random,
    ):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=r"after a call to `close\(\)`"):
            use()


def test_states_of_others_are_refused():
    env = AtariEnv("breakout")
    observation, _ = env.reset(seed=0)
    cases = [
        (AtariEnv("pong").clone_state(), ValueError, "`state` must be of breakout, got one of pong"),
        (
            AtariEnv("breakout", frame_skip=3, gray="cv2").clone_state(),
            ValueError,
            "`state` must be of the same rules, got one with other frame_skip, gray",
        ),
        (env.ale.cloneState(), TypeError, "`state` must come from `clone_state`, got ALEState"),
        (None, TypeError, "`state` must come from `clone_state`, got NoneType"),
    ]
    for state, error, message in cases:
        with pytest.raises(error, match=message):
            env.restore_state(state)
    assert np.array_equal(env.step(0)[0][:3], observation[1:])


def test_render_without_a_mode_warns():
    env = AtariEnv("breakout")
    env.reset()
    with pytest.warns(UserWarning, match="without specifying any render mode"):
        assert env.render() is None


def test_keys_stand_for_actions():
    keys = AtariEnv("breakout").get_keys_to_action()
    assert keys == {("e",): 0, (" ",): 1, ("d",): 2, ("a",): 3}
    assert AtariEnv("seaquest").get_keys_to_action()[("w", "d", " ")] == 14


def test_human_mode_shows_each_frame():
    program = (
        "import fastatari\n"
        "env = fastatari.AtariEnv('breakout', render_mode='human')\n"
        "observation, _ = env.reset(seed=0)\n"
        "twin = fastatari.AtariEnv('breakout')\n"
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


def test_info_metadata_is_the_environments_own():
    first, second = AtariEnv("breakout", frame_skip=2), AtariEnv("breakout")
    first.metadata["autoreset_mode"] = 1
    assert (first.metadata["render_fps"], second.metadata["render_fps"]) == (30, 15)
    assert "autoreset_mode" not in second.metadata
    assert "autoreset_mode" not in fastatari.AtariEnv.metadata
