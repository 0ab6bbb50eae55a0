"""fastatari.ALEInterface against ale_py.ALEInterface, method for method."""

import copy
import pickle
import shutil
import sys

import ale_py
import ale_py.env
import ale_py.roms
import gymnasium
import numpy as np
import pytest
from PIL import Image
from reference import ROMS

import fastatari
from fastatari import ALEInterface, ALEState, InvalidAction
from fastatari.console import machine_code, memory
from fastatari.console.states import read_state

REFERENCE = ale_py.ALEInterface
ROM = ale_py.roms.get_rom_path


def load(kind, rom="breakout", **settings):
    ale = kind()
    for name, value in {"random_seed": 1, "repeat_action_probability": 0.25, **settings}.items():
        setter = {bool: ale.setBool, int: ale.setInt, float: ale.setFloat}[type(value)]
        setter(name, value)
    ale.loadROM(ROM(rom))
    return ale


def load_both(rom="breakout", **settings):
    return load(ALEInterface, rom, **settings), load(REFERENCE, rom, **settings)


def look(ale):
    """All that an interface shows."""
    return {
        "lives": ale.lives(),
        "over": ale.game_over(),
        "over_by_itself": ale.game_over(with_truncation=False),
        "truncated": ale.game_truncated(),
        "frame": ale.getFrameNumber(),
        "episode_frame": ale.getEpisodeFrameNumber(),
        "ram": ale.getRAM(),
        "screen": ale.getScreen(),
        "rgb": ale.getScreenRGB(),
        "gray": ale.getScreenGrayscale(),
    }


def assert_same(mine, theirs):
    for name, expected in theirs.items():
        assert type(mine[name]) is type(expected), name
        if isinstance(expected, np.ndarray):
            assert (mine[name].dtype, mine[name].shape) == (expected.dtype, expected.shape), name
        assert np.array_equal(mine[name], expected), name


@pytest.mark.parametrize("rom", ROMS)
def test_all_that_is_shown_is_the_same(rom):
    mine, theirs = load_both(rom)
    for name in ("getAvailableModes", "getAvailableDifficulties", "getMinimalActionSet", "getLegalActionSet"):
        assert getattr(mine, name)() == getattr(theirs, name)(), name
    assert mine.getScreenDims() == theirs.getScreenDims()
    assert_same(look(mine), look(theirs))
    actions = np.random.default_rng(0).integers(18, size=40).tolist()
    for action in actions:
        assert mine.act(action) == theirs.act(action)
        if theirs.game_over():
            mine.reset_game(), theirs.reset_game()
    assert_same(look(mine), look(theirs))


@pytest.mark.parametrize("rom", ["breakout", "air_raid", "pong", "skiing", "lost_luggage"])
def test_actions_are_taken_in_every_form(rom):
    mine, theirs = load_both(rom, repeat_action_probability=0.0)
    for action in (*ale_py.Action, *range(18), np.int64(3), np.uint8(4), True):
        for strength in (1.0, 0.7, -0.25, 0, np.float32(0.1)):
            assert mine.act(action, strength) == theirs.act(action, strength)
            assert type(mine.act(action=action, paddle_strength=strength)) is int
            theirs.act(action, strength)
    assert_same(look(mine), look(theirs))


@pytest.mark.parametrize(
    "settings",
    [
        {"frame_skip": 4},
        {"frame_skip": 0},
        {"frame_skip": 70},
        {"max_num_frames_per_episode": 10, "frame_skip": 4},
        {"max_num_frames_per_episode": -3},
        {"truncate_on_loss_of_life": True},
        {"truncate_on_loss_of_life": True, "frame_skip": 5},
        {"repeat_action_probability": 1.5},
        {"repeat_action_probability": -1.0},
        {"repeat_action_probability": float("nan")},
        {"repeat_action_probability": 0.3},
        {"random_seed": -7},
        {"system_random_seed": 5},
        {"paddle_min": 100_000, "paddle_max": 400_000},
        {"reward_max": 0},
        {"reward_min": 3, "reward_max": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("rom", ["breakout", "bank_heist", "demon_attack"])
def test_settings_do_the_same(rom, settings):
    mine, theirs = load_both(rom, **settings)
    rng = np.random.default_rng(1)
    for step in range(150):
        if step == 100:
            mine.reset_game(), theirs.reset_game()
        action = int(rng.integers(18))
        assert mine.act(action) == theirs.act(action)
        assert (mine.game_over(), mine.game_truncated()) == (theirs.game_over(), theirs.game_truncated())
    assert_same(look(mine), look(theirs))


def test_settings_are_read_as_they_were_set():
    mine, theirs = ALEInterface(), REFERENCE()
    names = {
        "Int": "random_seed system_random_seed frame_skip max_num_frames_per_episode paddle_min reward_max foo",
        "Bool": "truncate_on_loss_of_life color_averaging display_screen sound sound_obs foo",
        "Float": "repeat_action_probability foo",
        "String": "rom_file record_screen_dir foo random_seed repeat_action_probability sound truncate_on_loss_of_life",
    }
    for ale in (mine, theirs):
        ale.setInt("random_seed", np.int32(-5))
        ale.setFloat("repeat_action_probability", 0.1)
        ale.setBool("truncate_on_loss_of_life", True)
        ale.setBool("sound", False)
    for kind, text in names.items():
        for name in text.split():
            value, expected = (getattr(ale, f"get{kind}")(name) for ale in (mine, theirs))
            assert (type(value), value) == (type(expected), expected), name
    for ale in (mine, theirs):
        ale.loadROM(ROM("backgammon"))
    assert mine.getString("rom_file") == theirs.getString("rom_file")
    assert mine.getInt("paddle_max") == theirs.getInt("paddle_max") == 1_000_000


def test_a_second_rom_in_the_same_interface():
    mine, theirs = load_both("backgammon")
    for rom in ("breakout", "air_raid", "pong"):
        mine.loadROM(str(ROM(rom))), theirs.loadROM(str(ROM(rom)))
        for _ in range(20):
            mine.act(4), theirs.act(4)
        assert_same(look(mine), look(theirs))


@pytest.mark.parametrize("rom", ["breakout", "video_cube", "adventure", "amidar"])
def test_modes_and_difficulties(rom):
    mine, theirs = load_both(rom)
    for mode in theirs.getAvailableModes()[:4]:
        for difficulty in theirs.getAvailableDifficulties():
            for ale in (mine, theirs):
                ale.setMode(np.int64(mode))
                ale.setDifficulty(difficulty)
                ale.reset_game()
                for _ in range(10):
                    ale.act(2)
            assert_same(look(mine), look(theirs))
            state, expected = mine.cloneState(), theirs.cloneState()
            assert state.getCurrentMode() == expected.getCurrentMode() == mode
            assert state.getDifficulty() == expected.getDifficulty() == difficulty


def test_ram_is_written():
    mine, theirs = load_both()
    for ale in (mine, theirs):
        for index in range(0, 128, 7):
            ale.setRAM(index, np.uint8(index + 100))
    assert_same(look(mine), look(theirs))
    mine.act(1), theirs.act(1)
    assert_same(look(mine), look(theirs))
    assert mine.getRAMSize() == theirs.getRAMSize() == 128


@pytest.mark.parametrize("name", ["getRAM", "getScreen", "getScreenRGB", "getScreenGrayscale", "getAudio"])
def test_what_is_read_can_be_written_to_the_callers_memory(name):
    ale = load(ALEInterface)
    expected = getattr(ale, name)()
    assert expected.flags.owndata or expected.base is not None
    assert expected.flags.writeable
    assert not np.shares_memory(expected, getattr(ale, name)())
    buffer = np.full_like(expected, 7)
    assert getattr(ale, name)(buffer) is None
    assert np.array_equal(buffer, expected)
    assert getattr(ale, name)(buffer=buffer[::1]) is None
    wrong = [np.zeros(expected.shape, np.float32), np.zeros(expected.shape, np.int8), [0], None]
    read_only = np.zeros_like(expected)
    read_only.flags.writeable = False
    for other in (*wrong, read_only):
        with pytest.raises(TypeError, match=rf"{name}\(\): incompatible function arguments.*uint8.*got"):
            getattr(ale, name)(other)
    error = TypeError if expected.ndim == 1 else RuntimeError
    with pytest.raises(error, match=rf"{name}\(\): (invalid shape|incompatible)"):
        getattr(ale, name)(np.zeros((3, *expected.shape), np.uint8))


def test_the_screen_is_the_same_whenever_it_is_read():
    """Whether the frames before were read or not, and however that was foreseen."""
    mine, theirs = load_both("riverraid")
    rng = np.random.default_rng(2)
    for _ in range(400):
        action = int(rng.integers(18))
        mine.act(action), theirs.act(action)
        if theirs.game_over():
            mine.reset_game(), theirs.reset_game()
        if rng.random() < 0.3:
            assert np.array_equal(mine.getScreen(), theirs.getScreen())


def test_foreseeing_draws_what_is_read_and_nothing_else():
    ale = load(ALEInterface)
    drawn = []
    act = ale._act_frames
    ale._act_frames = lambda *arguments: drawn.append(arguments[-1]) or act(*arguments)
    for _ in range(30):
        for frame in range(4):
            ale.act(3)
            if frame >= 2:
                ale.getScreen()
    assert drawn[-16:] == [0, 0, 1, 1] * 4


def test_screens_are_saved_as_png(tmp_path):
    mine, theirs = load_both("air_raid")
    mine.saveScreenPNG(str(tmp_path / "mine.png")), theirs.saveScreenPNG(str(tmp_path / "theirs.png"))
    pixels = [np.asarray(Image.open(tmp_path / f"{who}.png")) for who in ("mine", "theirs")]
    assert np.array_equal(*pixels)
    with pytest.raises(FileNotFoundError):
        mine.saveScreenPNG(str(tmp_path / "nowhere" / "mine.png"))


# An interface to a console that somebody else plays, too.


def make_consoles(rom, number=3):
    consoles = memory.Consoles(memory.load_rom(ROM(rom).read_bytes(), rom), number)
    for address, c in zip(consoles.addresses, map(consoles.__getitem__, range(number)), strict=True):
        c.sticky_threshold = 2**30
        machine_code.functions().power_on(int(address), 4753849, 1)
    return consoles


@pytest.mark.parametrize("rom", ["breakout", "air_raid", "montezuma_revenge", "pitfall2", "surround"])
def test_a_shown_console_is_shown_as_a_loaded_one(rom):
    consoles = make_consoles(rom)
    others = consoles.blocks[::2].copy(), consoles.screens[::2].copy()
    mine, twin = ALEInterface.show(consoles, 1), load(ALEInterface, rom)
    assert_same(look(mine), look(twin))
    for name in (
        "getAvailableModes", "getAvailableDifficulties", "getMinimalActionSet", "getLegalActionSet", "getScreenDims",
    ):  # fmt: skip
        assert getattr(mine, name)() == getattr(twin, name)(), name
    rng = np.random.default_rng(3)
    state = None
    for step in range(120):
        if twin.game_over() or rng.random() < 0.03:
            for ale in (mine, twin):
                ale.setDifficulty(step % len(twin.getAvailableDifficulties()))
                ale.setRAM(step, 7)
                ale.reset_game()
        action, strength = int(rng.integers(18)), float(rng.uniform(-1, 1))
        assert mine.act(action, strength) == twin.act(action, strength)
        if step % 10 == 0:
            assert_same(look(mine), look(twin))
        if step == 50:
            state = mine.cloneState(include_rng=True)
            assert state == twin.cloneState(include_rng=True)
    mine.restoreState(state), twin.restoreState(pickle.loads(pickle.dumps(state)))
    assert mine.act(2) == twin.act(2)
    assert_same(look(mine), look(twin))
    np.testing.assert_array_equal(consoles.blocks[::2], others[0])
    np.testing.assert_array_equal(consoles.screens[::2], others[1])


def test_a_shown_console_can_be_played_by_whoever_has_it():
    consoles = make_consoles("breakout")
    shown = [ALEInterface.show(consoles, 1) for _ in range(2)]
    twin = load(ALEInterface)
    functions = machine_code.functions()
    rng = np.random.default_rng(4)
    for step in range(60):
        action = int(rng.integers(18))
        if step % 3 == 2:
            functions.act_frames(int(consoles.addresses[1]), action, 23000, 1, int(rng.integers(2)))
        else:
            shown[step % 3].act(action)
        twin.act(action)
        if rng.random() < 0.5:
            for ale in shown:
                assert_same(look(ale), look(twin))
    assert shown[0].cloneSystemState() == shown[1].cloneSystemState() == twin.cloneSystemState()


def test_the_settings_of_a_shown_console_count():
    consoles = make_consoles("breakout")
    ale = ALEInterface.show(consoles, 2)
    assert not ale.game_over()
    consoles[2].max_num_frames_per_episode = 3
    ale = ALEInterface.show(consoles, 2)
    for _ in range(5):
        ale.act(0)
    assert (ale.getEpisodeFrameNumber(), ale.game_truncated(), ale.game_over()) == (3, True, True)
    assert ale.game_over(with_truncation=False) is False
    ale.reset_game()
    assert not ale.game_over()


def test_loading_a_rom_lets_go_of_the_shown_console():
    consoles = make_consoles("breakout")
    ale = ALEInterface.show(consoles, 0)
    before = consoles.blocks.copy(), consoles.screens.copy()
    ale.setInt("random_seed", 1)
    ale.setFloat("repeat_action_probability", 0.25)
    ale.loadROM(ROM("pong"))
    ale.act(2)
    twin = load(ALEInterface, "pong")
    twin.act(2)
    assert_same(look(ale), look(twin))
    np.testing.assert_array_equal(consoles.blocks, before[0])
    np.testing.assert_array_equal(consoles.screens, before[1])


# ROMs.


def test_supported_roms_are_the_same(tmp_path):
    for rom in ale_py.roms.get_all_rom_ids():
        assert ALEInterface.isSupportedROM(ROM(rom)) == REFERENCE.isSupportedROM(ROM(rom))
    assert ALEInterface.isSupportedROM(str(ROM("pong"))) == "pong"
    other = tmp_path / "tetris.bin"
    other.write_bytes(bytes(4096))
    assert ALEInterface.isSupportedROM(other) is REFERENCE.isSupportedROM(other) is None
    with pytest.raises(RuntimeError, match=r"ROM file doesn't exist: '.*nothing.bin'"):
        ALEInterface.isSupportedROM(tmp_path / "nothing.bin")


def write_program(path):
    """A program that counts in RAM, and writes to the TIA so that frames end."""
    path.write_bytes(bytes([0xE6, 0x80, 0x85, 0x09, 0x4C, 0x00, 0xF0]).ljust(4092, b"\xea") + b"\x00\xf0\x00\xf0")
    return path


def test_other_roms_are_played_by_the_name_of_their_file(tmp_path):
    for name in ("tetris.bin", "Tetris.BIN", "tetris"):
        mine, theirs = ALEInterface(), REFERENCE()
        for ale in (mine, theirs):
            ale.setInt("random_seed", 1)
            ale.loadROM(write_program(tmp_path / name))
            for _ in range(5):
                ale.act(1)
        assert_same(look(mine), look(theirs))
    shutil.copy(ROM("pong"), tmp_path / "anything.bin")
    ale = ALEInterface()
    ale.loadROM(tmp_path / "anything.bin")
    assert ale.getMinimalActionSet() == load(REFERENCE, "pong").getMinimalActionSet()


def test_roms_that_are_not_played_are_refused_and_the_game_goes_on(tmp_path):
    ale = load(ALEInterface)
    twin = load(REFERENCE)
    (tmp_path / "pong.bin").write_bytes(bytes(100))
    cases = [
        (ROM("combat"), ValueError, "'.*combat.bin' is the ROM of combat, which has no mode for one player"),
        (ROM("joust"), ValueError, "'.*joust.bin' is the ROM of joust, which"),
        (ROM("maze_craze"), ValueError, "'.*maze_craze.bin' is the ROM of maze_craze, which"),
        (ROM("warlords"), ValueError, "'.*warlords.bin' is the ROM of warlords, which"),
        (write_program(tmp_path / "unknown.bin"), ValueError, "is none of the 108 ROMs that are known, and its name"),
        (tmp_path / "pong.bin", ValueError, "a ROM of 100 bytes; those of the supported cartridges have 2048"),
        (tmp_path / "nothing.bin", FileNotFoundError, "nothing.bin"),
        (tmp_path, OSError, "directory"),
        (None, TypeError, r"loadROM\(\): incompatible function arguments.*str.*got None of type NoneType"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            ale.loadROM(path)
        ale.act(3), twin.act(3)
        assert_same(look(ale), look(twin))


# Bad input.


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda ale: ale.act(18), InvalidAction, r"action 18 is not in 0..17, the actions of ale-py: NOOP, FIRE, "),
        (lambda ale: ale.act(-1), ValueError, r"action -1 is not in 0..17"),
        (lambda ale: ale.act(1.0), TypeError, r"act\(\): incompatible.*got 1.0 of type float"),
        (lambda ale: ale.act("UP"), TypeError, r"act\(\): incompatible.*got 'UP' of type str"),
        (lambda ale: ale.act(None), TypeError, r"act\(\): incompatible.*got None of type NoneType"),
        (lambda ale: ale.act(3, "1"), TypeError, r"act\(\): incompatible.*got '1' of type str"),
        (lambda ale: ale.act(3, float("nan")), ValueError, "`paddle_strength` must be a finite number.*, got nan"),
        (lambda ale: ale.act(3, 1e60), ValueError, r"`paddle_strength` must be a finite number.*, got 1e\+60"),
        (lambda ale: ale.setMode(3), RuntimeError, "Invalid game mode requested: 3; breakout has 0, 4, 8, 12"),
        (lambda ale: ale.setMode(-1), TypeError, r"setMode\(\): incompatible.*got -1 of type int"),
        (lambda ale: ale.setMode(1.5), TypeError, r"setMode\(\): incompatible.*got 1.5 of type float"),
        (lambda ale: ale.setDifficulty(2), RuntimeError, "Invalid difficulty requested: 2; breakout has 0, 1"),
        (lambda ale: ale.setDifficulty("1"), TypeError, r"setDifficulty\(\): incompatible.*got '1' of type str"),
        (lambda ale: ale.setRAM(128, 0), RuntimeError, "setRAM index out of bounds: 128, where 0 to 127 are allowed"),
        (lambda ale: ale.setRAM(-1, 0), TypeError, r"setRAM\(\): incompatible.*got -1 of type int"),
        (lambda ale: ale.setRAM(0, 256), TypeError, r"setRAM\(\): incompatible.*value: int from 0 to 255.*got 256"),
        (lambda ale: ale.setInt("foo", 1), RuntimeError, "The key foo you are trying to set does not exist .*: random"),
        (lambda ale: ale.setInt("random_seed", 2**31), TypeError, r"setInt\(\): incompatible.*got 2147483648"),
        (lambda ale: ale.setInt("random_seed", 1.5), TypeError, r"setInt\(\): incompatible.*got 1.5"),
        (lambda ale: ale.setInt("frame_skip", -1), ValueError, "`frame_skip` must be at least 1, or 0 for 1, got -1"),
        (lambda ale: ale.setInt(3, 1), TypeError, "the name of a setting must be a str, got 3"),
        (lambda ale: ale.setBool("sound", 0), TypeError, r"setBool\(\): incompatible.*got 0 of type int"),
        (lambda ale: ale.setBool("random_seed", True), RuntimeError, "The key random_seed .*: truncate"),
        (lambda ale: ale.setFloat("repeat_action_probability", "1"), TypeError, r"setFloat\(\): incompatible.*got '1'"),
        (lambda ale: ale.setString("cpu", 1), TypeError, r"setString\(\): incompatible.*got 1 of type int"),
        (lambda ale: ale.setString("foo", ""), RuntimeError, "The key foo .*: rom_file, cpu"),
        (lambda ale: ale.setBool("sound", True), NotImplementedError, "sound is only in `ale_py.ALEInterface`"),
        (lambda ale: ale.setBool("sound_obs", True), NotImplementedError, "sound is only in `ale_py.ALEInterface`"),
        (lambda ale: ale.setBool("display_screen", True), NotImplementedError, "a window .* `ale_py.ALEInterface`"),
        (lambda ale: ale.setBool("color_averaging", True), NotImplementedError, "averaging .* `ale_py.ALEInterface`"),
        (lambda ale: ale.setString("record_screen_dir", "x"), NotImplementedError, "recording .* `ale_py"),
        (lambda ale: ale.game_over(with_truncation=1), TypeError, r"game_over\(\): incompatible.*got 1 of type int"),
        (lambda ale: ale.cloneState(include_rng=1), TypeError, r"cloneState\(\): incompatible.*got 1 of type int"),
        (lambda ale: ale.restoreState(3), TypeError, "`state` must be an ALEState, of fastatari or of ale_py, got int"),
        (lambda ale: ale.restoreState(b""), TypeError, "`state` must be an ALEState, .* got bytes"),
        (lambda ale: ale.restoreState(ALEState()), ValueError, "is of another ROM, of MD5 none, not f34f"),
        (pickle.dumps, TypeError, "cannot pickle or copy an 'ALEInterface'; `cloneSystemState` returns what can be"),
        (copy.copy, TypeError, "cannot pickle or copy an 'ALEInterface'"),
        (lambda ale: setattr(ale, "x", 1), AttributeError, "has no attribute 'x'"),
        (lambda ale: ale.setLoggerMode(3), TypeError, "setLoggerMode"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_the_game_goes_on(function, error, message):
    ale, twin = load(ALEInterface), load(REFERENCE)
    with pytest.raises(error, match=message):
        function(ale)
    for _ in range(3):
        assert ale.act(3) == twin.act(3)
    assert_same(look(ale), look(twin))


def test_paddle_limits_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"`paddle_min` and `paddle_max` must be from 0 to 1000000 .* got 5 and 3"):
        load(ALEInterface, paddle_min=5, paddle_max=3)


@pytest.mark.parametrize(
    "function",
    [
        lambda ale: ale.act(0),
        lambda ale: ale.lives(),
        lambda ale: ale.reset_game(),
        lambda ale: ale.game_over(),
        lambda ale: ale.game_truncated(),
        lambda ale: ale.getRAM(),
        lambda ale: ale.setRAM(0, 0),
        lambda ale: ale.getScreen(),
        lambda ale: ale.getScreenRGB(),
        lambda ale: ale.getScreenGrayscale(),
        lambda ale: ale.getScreenDims(),
        lambda ale: ale.getFrameNumber(),
        lambda ale: ale.getEpisodeFrameNumber(),
        lambda ale: ale.getMinimalActionSet(),
        lambda ale: ale.getLegalActionSet(),
        lambda ale: ale.getAvailableModes(),
        lambda ale: ale.getAvailableDifficulties(),
        lambda ale: ale.setMode(0),
        lambda ale: ale.setDifficulty(0),
        lambda ale: ale.cloneState(),
        lambda ale: ale.cloneSystemState(),
        lambda ale: ale.cloneAleState(),
        lambda ale: ale.restoreState(ALEState()),
        lambda ale: ale.saveScreenPNG("screen.png"),
    ],
)
def test_without_a_rom_there_is_an_error(function):
    with pytest.raises(RuntimeError, match="ROM not set: call `loadROM` first"):
        function(ALEInterface())


def test_the_class_has_all_methods_of_ale_pys():
    names = {name for name in dir(REFERENCE) if not name.startswith("_")}
    assert names <= set(dir(ALEInterface))
    assert {name for name in dir(ale_py.ALEState) if not name.startswith("_")} <= set(dir(ALEState))
    assert ALEInterface.__doc__
    assert all(getattr(ALEInterface, name).__doc__ for name in names)
    assert fastatari.ALEInterface is ALEInterface

    class Derived(ALEInterface):
        """Classes can be derived."""

    assert load(Derived).lives() == 5


# ale-py's environment around it.


@pytest.mark.parametrize("rom", ["breakout", "air_raid", "pong", "montezuma_revenge"])
@pytest.mark.parametrize("arguments", [{}, {"obs_type": "grayscale"}, {"obs_type": "ram", "continuous": True}], ids=str)
def test_ale_pys_environment_is_the_same_on_it(monkeypatch, rom, arguments):
    def make():
        return ale_py.env.AtariEnv(rom, **arguments)

    theirs = make()
    with monkeypatch.context() as patch:
        patch.setattr(ale_py, "ALEInterface", ALEInterface)
        mine = make()
    assert type(mine.ale) is ALEInterface
    mine.action_space.seed(0)
    for seed in (3, None):
        (first, info), (expected, expected_info) = mine.reset(seed=seed), theirs.reset(seed=seed)
        assert np.array_equal(first, expected)
        assert info == expected_info
        for _ in range(60):
            action = mine.action_space.sample()
            (observation, *rest), (expected, *expected_rest) = mine.step(action), theirs.step(action)
            assert np.array_equal(observation, expected)
            assert rest == expected_rest


@pytest.mark.parametrize("rom", ["breakout", "qbert", "mr_do"])
def test_gymnasiums_preprocessing_around_ale_pys_environment_is_the_same_on_it(monkeypatch, rom):
    def make():
        env = ale_py.env.AtariEnv(rom, frameskip=1, repeat_action_probability=0.0)
        env.spec = gymnasium.spec("ALE/Breakout-v5")
        return gymnasium.wrappers.AtariPreprocessing(env, terminal_on_life_loss=True)

    theirs = make()
    with monkeypatch.context() as patch:
        patch.setattr(ale_py, "ALEInterface", ALEInterface)
        mine = make()
    mine.action_space.seed(0)
    is_over, seed = True, 5
    for _ in range(150):
        if is_over:
            (first, info), (expected, expected_info) = mine.reset(seed=seed), theirs.reset(seed=seed)
            assert np.array_equal(first, expected)
            assert info == expected_info
            seed = None
        action = mine.action_space.sample()
        (observation, *rest), (expected, *expected_rest) = mine.step(action), theirs.step(action)
        assert np.array_equal(observation, expected)
        assert rest == expected_rest
        is_over = rest[1]


def test_the_module_prints_nothing(capfd):
    load(ALEInterface)
    assert capfd.readouterr() == ("", "")
    assert "fastatari.console.ale_interface" in sys.modules


def test_buffers_that_a_copy_would_be_made_of_are_refused():
    ale = ALEInterface()
    ale.loadROM(ale_py.roms.get_rom_path("pong"))
    buffer = np.zeros((16, 16), np.uint8)[:, :8]
    with pytest.raises(TypeError, match=r"got writeable, not contiguous, uint8\[16, 8\] of type ndarray"):
        ale.getRAM(buffer)
    strided = np.zeros(256, np.uint8)[::2]
    ale.getRAM(strided)
    np.testing.assert_array_equal(strided, ale.getRAM())


def test_joystick_games_have_their_own_limits_of_paddles():
    for make in (ale_py.ALEInterface, ALEInterface):
        ale = make()
        ale.setInt("paddle_min", 5)
        ale.setInt("paddle_max", 10)
        ale.loadROM(ale_py.roms.get_rom_path("tennis"))
        state = ale.cloneAleState() if make is ALEInterface else ale.cloneState()
        fields = read_state(state.serialize())
        assert (fields["paddle_min"], fields["paddle_max"], fields["paddle_left"]) == (27450, 790196, 408823)
