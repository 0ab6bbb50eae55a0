"""Lives that are won and lost: what ends an episode, and what infos say of it."""

import itertools
import random

import pytest
from beside import Beside, find_ale, make_package
from naive import NaiveEnv

import fastatari
from fastatari import AtariRules

# Where the number of lives is in RAM.
ADDRESSES = {"breakout": 0x39, "space_invaders": 0x49, "seaquest": 0x3B}


def write_lives(game, lives, *consoles):
    """Write a number of lives into the RAM of consoles."""
    for ale in consoles:
        ale.setRAM(ADDRESSES[game], lives - (game == "seaquest"))


def play_lives(game, lives, **fields):
    """Play a step of no-op for each number of lives, written before it; return the steps."""
    env = fastatari.AtariEnv(game, noop_max=0, **fields)
    env.reset(seed=0)
    steps = []
    for number in lives:
        write_lives(game, number, env.unwrapped.ale)
        _, _, terminated, truncated, info = env.step(0)
        assert info["lives"] == number
        assert not truncated
        steps.append((bool(info["life_lost"]), terminated))
        if terminated and fields.get("life_loss") != "report":
            break
    return steps


LIVES = [5, 4, 5, 4, 3, 3, 5]
LOST = [False, True, False, True, True, False, False]


@pytest.mark.parametrize("preset", ["gymnasium", "labml", "sb3", "ale", "envpool"])
def test_life_lost_is_true_when_a_step_leaves_fewer_lives_than_the_one_before(preset):
    found = play_lives("breakout", LIVES, preset=preset, life_loss="ignore", fire_reset="never")
    assert found == [(is_lost, False) for is_lost in LOST]


@pytest.mark.parametrize(
    ("life_reference", "terminated"),
    [
        ("frame", LOST),
        ("step", LOST),
        ("reset", [False, True, False, True, True, True, False]),
    ],
)
def test_a_lost_life_is_one_fewer_than_after_the_last_step_or_reset_as_the_rules_say(life_reference, terminated):
    found = play_lives("breakout", LIVES, life_loss="report", life_reference=life_reference)
    assert found == list(zip(LOST, terminated, strict=True))


@pytest.mark.parametrize(
    ("life_reference", "length"),
    # Of the lives 6, 7, 6, 5, 4.
    [("frame", 3), ("step", 3), ("reset", 5)],
)
@pytest.mark.parametrize("life_unit", ["frame", "step"])
@pytest.mark.parametrize("life_loss", ["reset", "continue"])
def test_an_episode_ends_with_a_lost_life_after_an_extra_life(life_loss, life_unit, life_reference, length):
    fields = {"life_loss": life_loss, "life_unit": life_unit, "life_reference": life_reference}
    found = play_lives("breakout", [6, 7, 6, 5, 4], **fields)
    if life_reference == "reset":  # 5 lives after it
        assert found == [(False, False), (False, False), (True, False), (True, False), (True, True)]
    else:
        assert found == [(False, False), (False, False), (True, True)]
    assert len(found) == length


@pytest.mark.parametrize(
    ("life_reference", "steps"),
    [
        ("frame", [(3, True, 843)]),
        ("step", [(3, False, 1000), (2, True, 1150)]),
        ("reset", [(3, False, 1000), (2, False, 2000), (2, False, 3000)]),
    ],
)
def test_the_reference_of_lives_decides_where_a_life_is_won_and_lost_in_one_step(life_reference, steps):
    """In Demon Attack there is one life until the first frame; then there are four, of which no-ops lose one by one."""
    fields = {"noop_max": 0, "frame_skip": 1000, "life_loss": "reset", "life_reference": life_reference}
    for env in (fastatari.AtariEnv("demon_attack", **fields), NaiveEnv("demon_attack", AtariRules(**fields))):
        assert env.reset(seed=0)[1]["lives"] == 1
        found = [env.step(0) for _ in steps]
        assert [
            (info["lives"], terminated, info["episode_frame_number"]) for _, _, terminated, _, info in found
        ] == steps


@pytest.mark.parametrize("life_reference", ["frame", "step", "reset"])
@pytest.mark.parametrize(("counts_last_life", "terminated"), [(True, [True, True]), (False, [True, False])])
def test_the_last_life_counts_if_the_rules_say_so(life_reference, counts_last_life, terminated):
    """Phoenix goes on without lives if only their number is changed."""
    fields = {"life_loss": "report", "life_reference": life_reference, "counts_last_life": counts_last_life}
    env = fastatari.AtariEnv("phoenix", noop_max=0, **fields)
    env.reset(seed=0)
    for lives, is_reported in zip((2, 0), terminated, strict=True):
        env.unwrapped.ale.setRAM(0x4B, lives)
        step = env.step(0)
        assert step[2] is is_reported
        assert step[4]["lives"] == lives
        assert step[4]["life_lost"]
        assert not step[4]["game_over"]


PRESETS = [("labml", {}), ("gymnasium", {"life_loss": "reset"}), ("gymnasium", {}), ("sb3", {}), ("cleanrl", {})]


@pytest.mark.parametrize("game", ADDRESSES)
@pytest.mark.parametrize(("preset", "fields"), PRESETS)
def test_lives_won_and_lost_end_episodes_as_in_the_package(preset, fields, game):
    package = make_package(preset, game, **fields)
    if package is None:
        pytest.skip("the package is not installed")
    draw = random.Random(f"{preset} {game}")
    env = fastatari.AtariEnv(game, preset=preset, **fields)
    both = Beside(env, package)
    lives = both.reset(5)["lives"]
    gains = losses = 0
    for _ in range(80):
        if both.is_over:
            lives = both.reset()["lives"]
        if draw.random() < 0.5:
            write_lives(game, draw.randint(1, 6), env.unwrapped.ale, find_ale(package))
        lives_before = lives
        *_, info = both.step(draw.randrange(4))
        lives = info["lives"]
        assert info["life_lost"] == (lives < lives_before)
        gains += lives > lives_before
        losses += lives < lives_before
    assert gains > 1
    assert losses > 5
    package.close()


@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        ("gymnasium", {}),
        ("ale", {"life_loss": "report"}),
        ("ale", {"life_loss": "reset"}),
        ("envpool", {"life_loss": "continue"}),
        ("envpool", {}),
    ],
)
def test_an_extra_life_of_atlantis_is_as_in_the_package(preset, fields):
    package = make_package(preset, "atlantis", **fields)
    if package is None:
        pytest.skip("the package is not installed")
    env = fastatari.AtariEnv("atlantis", preset=preset, **fields)
    both = Beside(env, package)
    both.play(random.Random(1), 1200)
    lives = [int(info["lives"]) for *_, info in both.steps]
    assert any(after > before > 0 for before, after in itertools.pairwise(lives))
