import functools
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from reference import ROMS, ReferenceGame

import fastatari
from fastatari import Game, InvalidAction
from fastatari.emulator import Emulator, find_rom, list_roms

PACKAGE = Path(fastatari.__file__).parent

# With screens of all five heights, both television standards, games with lives and without, and varied resets.
LONG = [
    "breakout", "pong", "space_invaders", "ms_pacman", "qbert", "seaquest", "enduro", "asteroids", "montezuma_revenge",
    "riverraid", "carnival", "pooyan", "journey_escape", "mr_do", "assault",
]  # fmt: skip


def play_side_by_side(rom, steps, seed=0, reset_every=None, **kwargs):
    """Play `Game` and its twin with the same actions, compare all they return, and return the ends of the episodes."""
    game, twin = Game(seed, game=rom), ReferenceGame(seed, rom, **kwargs)
    mine, theirs = game.reset(), twin.reset()
    assert mine.dtype == np.uint8
    assert np.array_equal(mine, theirs)
    ends = []
    rng = np.random.default_rng(seed)
    for step, action in enumerate(rng.integers(twin.env.action_space.n, size=steps)):
        if reset_every and step % reset_every == reset_every - 1:
            assert np.array_equal(game.reset(), twin.reset())
        mine, *rest = game.step(action)
        theirs, *expected = twin.step(action)
        assert np.array_equal(mine, theirs)
        assert rest == expected
        assert [type(value) for value in rest] == [float, bool, type(expected[2])]
        assert game.lives == twin.lives
        assert game.rewards == twin.rewards
        if rest[1]:
            ends.append(rest[2])
    twin.env.close()
    return ends


@pytest.mark.parametrize("rom", LONG)
def test_long_games_are_the_references(rom):
    ends = play_side_by_side(rom, 1400)
    if rom in {"breakout", "space_invaders", "ms_pacman", "qbert", "seaquest", "asteroids", "riverraid", "assault"}:
        assert len(ends) > 2


def test_a_game_without_lives_ends_when_it_is_over():
    ends = play_side_by_side("pong", 1700, seed=1)
    assert ends
    assert -21 <= ends[0]["reward"] <= 21


@pytest.mark.parametrize("rom", ROMS)
def test_every_rom_starts_and_restarts_as_the_reference(rom):
    play_side_by_side(rom, 28, reset_every=5)


@pytest.mark.sweep
@pytest.mark.parametrize("rom", ROMS)
def test_every_rom_plays_as_the_reference(rom):
    play_side_by_side(rom, 3000, seed=2, reset_every=211)


def test_the_frame_budget_ends_the_episode(few_frames):
    ends = play_side_by_side("pong", 300, max_num_frames_per_episode=few_frames)
    assert [end["length"] for end in ends[:2]] == [few_frames // 4 + 1] * 2


def test_float64_has_the_same_values():
    game, twin = Game(0), Game(0, dtype=np.float64)
    observation, same = game.reset(), twin.reset()
    for action in [1, 2, 3, 0] * 10:
        assert same.dtype == np.float64
        assert np.array_equal(observation, same)
        (observation, *_), (same, *_) = game.step(action), twin.step(action)


def test_observations_are_fresh():
    game = Game(0)
    kept = [game.reset()]
    copies = [kept[0].copy()]
    while len(kept) < 100:
        observation, _, done, _ = game.step(1)
        kept.append(observation)
        copies.append(observation.copy())
        if done:
            kept.append(game.reset())
            copies.append(kept[-1].copy())
    assert np.array_equal(kept, copies)
    before = kept[-1].copy()
    kept[-1][:] = 7
    assert np.array_equal(game.step(0)[0][:3], before[1:])


def test_a_step_in_parts_is_a_step():
    game, twin = Game(0, dtype=np.float64), Game(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        game.observe()
    game.begin()
    assert np.array_equal(game.observe(), twin.reset())
    for action in [1, 2, 3, 0] * 15:
        result = game.advance(action)
        observation, *expected = twin.step(action)
        assert list(result) == expected
        assert np.array_equal(game.observe(), observation)
        assert np.array_equal(game.plane, observation[3])


@pytest.mark.parametrize("name", ["breakout", "Breakout", "ALE/Breakout-v5", "BreakoutNoFrameskip-v4", "Breakout-v0"])
def test_names_of_a_game(name):
    assert Game(0, game=name).console.rom == "breakout"


def test_all_roms_are_listed():
    assert list_roms() == sorted(ROMS)


def test_every_rom_has_its_names():
    for rom in ROMS:
        name = rom.title().replace("_", "")
        assert {find_rom(each)[0] for each in (rom, name, f"ALE/{name}-v5", f"{name}NoFrameskip-v4")} == {rom}


@pytest.mark.parametrize("rom", ["combat", "joust", "maze_craze", "warlords"])
def test_a_rom_that_would_end_the_process_is_refused(rom):
    with pytest.raises(ValueError, match=f"`game` '{rom}' is refused by ale-py .*: it has no mode for one player"):
        Game(0, game=rom)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "`game` 'brakeout' is not a game of ale-py .*; the closest is 'breakout'"),
        ({"game": ""}, ValueError, "`game` '' is not a game of ale-py"),
        ({"game": "ALE/Breakout-ram-v5"}, ValueError, "'ALE/Breakout-ram-v5' is not a game .* closest is 'breakout'"),
        ({"game": None}, TypeError, "`game` must be a string, got None"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 1.0}, TypeError, "`seed` must be an integer, got 1.0 of type float"),
        ({"seed": True}, TypeError, "`seed` must be an integer, got True of type bool"),
        ({"seed": None}, TypeError, "`seed` must be an integer, got None of type NoneType"),
        ({"dtype": np.float32}, ValueError, "`dtype` must be uint8 or float64, got float32"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"dtype": None}, TypeError, "`dtype` must be uint8 or float64, got None"),
        ({"dtype": "picture"}, TypeError, "data type 'picture' not understood"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Game(**{"seed": 0, **arguments})


@pytest.mark.parametrize("folder", ["missing", "empty", "damaged"])
def test_a_rom_file_that_is_not_there_or_not_it_is_an_os_error(folder, tmp_path, monkeypatch, capsys):
    path = tmp_path / folder
    if folder != "missing":
        path.mkdir()
    if folder == "damaged":
        (path / "breakout.bin").write_bytes(b"no game")
    monkeypatch.setenv("ALE_ROMS_DIR", str(path))
    with pytest.raises(OSError, match=str(path) if folder != "damaged" else "hash of breakout.bin does not match"):
        Game(0)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (4, InvalidAction, r"action 4 is not in 0\.\.3, the actions of breakout: NOOP, FIRE, RIGHT, LEFT"),
        (-1, InvalidAction, r"action -1 is not in 0\.\.3"),
        (np.int64(17), InvalidAction, r"action 17 is not in 0\.\.3"),
        (2**63, InvalidAction, r"action 9223372036854775808 is not in 0\.\.3"),
        (1.0, TypeError, "`action` must be an integer, got 1.0 of type float"),
        (np.float32(1), TypeError, r"`action` must be an integer, got np.float32\(1.0\) of type float32"),
        (float("nan"), TypeError, "`action` must be an integer, got nan of type float"),
        (True, TypeError, "`action` must be an integer, got True of type bool"),
        (np.bool_(True), TypeError, r"`action` must be an integer, got np.True_ of type bool"),
        ("1", TypeError, "`action` must be an integer, got '1' of type str"),
        (None, TypeError, "`action` must be an integer, got None of type NoneType"),
        (np.array([1]), TypeError, r"`action` must be an integer, got array\(\[1\]\) of type ndarray"),
    ],
)
def test_a_bad_action_is_an_error_and_the_game_goes_on(action, error, message):
    game, twin = Game(0), Game(0)
    game.reset()
    twin.reset()
    for good in [1, 2, 3] * 4:
        with pytest.raises(error, match=message):
            game.step(action)
        (mine, *rest), (theirs, *expected) = game.step(good), twin.step(good)
        assert np.array_equal(mine, theirs)
        assert rest == expected
    assert issubclass(InvalidAction, gymnasium.error.InvalidAction)


@pytest.mark.parametrize("action", [1, np.int32(1), np.int64(1), np.uint8(1), np.array(1)])
def test_integers_of_any_type_are_actions(action):
    game, twin = Game(0), Game(0)
    game.reset()
    twin.reset()
    assert np.array_equal(game.step(action)[0], twin.step(1)[0])


def test_step_needs_a_reset():
    game = Game(0)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"Cannot call `step` before calling `reset`"):
        game.step(0)
    game.reset()
    game.step(0)


class Interrupt(Exception):
    pass


def cut_off(function, line):
    """Call a function, and raise an `Interrupt` in it at a line of fastatari's, as a signal handler may."""
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return None
        lines += event == "line"
        if lines == line:
            raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function()
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("call", ["reset", "step"])
@pytest.mark.parametrize("rom", ["breakout", "qbert", "entombed"])
def test_a_cut_off_call_needs_a_reset_and_the_reset_is_right(rom, call):
    game, twin = Game(0, game=rom), ReferenceGame(0, rom)
    for _ in range(3):
        assert np.array_equal(game.reset(), twin.reset())
    function = game.reset if call == "reset" else functools.partial(game.step, 0)
    cuts = needed = 0
    while True:
        try:
            cut_off(function, cuts + 1)
            break
        except Interrupt:
            cuts += 1
        try:
            game.step(0)
        except gymnasium.error.ResetNeeded:
            needed += 1
        assert np.array_equal(game.reset(), twin.reset())
        for action in (1, 2, 3):
            (mine, *rest), (theirs, *expected) = game.step(action), twin.step(action)
            assert np.array_equal(mine, theirs)
            assert rest == expected
    assert cuts > needed > cuts // 3
    twin.env.close()


def test_the_seed_changes_nothing_that_can_be_seen():
    observations = []
    for seed in (0, 1, np.int64(2**40)):
        game = Game(seed, game="seaquest")
        observations.append([game.reset(), *(game.step(action)[0] for action in [1, 5, 3, 11] * 15)])
    assert np.array_equal(observations[0], observations[1])
    assert np.array_equal(observations[0], observations[2])


def test_unknown_colours_are_an_error(monkeypatch):
    monkeypatch.setattr("fastatari.emulator.palette.rgb_table", lambda name: np.ones((256, 3), np.uint8))
    with pytest.raises(ValueError, match="the colours of breakout are neither NTSC's nor PAL's"):
        Emulator("breakout")


def test_the_references_gymnasium_id_is_labmls():
    spec = gymnasium.spec("BreakoutNoFrameskip-v4")
    assert spec.kwargs["frameskip"] == 1
    assert spec.kwargs["repeat_action_probability"] == 0
    assert spec.kwargs["max_num_frames_per_episode"] == 108_000
