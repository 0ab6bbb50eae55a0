"""How a reset reaches a mode: on consoles that only remember what is pressed, and against ale-py."""

import ctypes

import ale_py
import pytest
from ale_py.roms import get_rom_path

from fastatari.compiler import Module, native
from fastatari.console.games import NAMES, modes
from fastatari.console.games.facts import MODES, STARTING_ACTIONS
from fastatari.console.memory import Consoles, load_rom
from fastatari.console.reset import power_on, reset_game
from fastatari.console.state import Console

UNUSED = 0x7F  # a byte of RAM that shows no game's mode


class Keys:
    """Takes the place of the functions that play frames, and writes down what is played."""

    def __init__(self, monkeypatch):
        self.log = []
        self.on_press = self.on_act = lambda c, argument: None
        for name in ("act", "play", "press_reset", "press_select"):
            monkeypatch.setattr(modes, name, getattr(self, name))

    def act(self, c, action, units):
        assert units == 0
        self.log.append(f"act {action}")
        self.on_act(c, action)
        return 0

    def play(self, c, action):
        self.log.append(f"play {action}")

    def press_reset(self, c, frames):
        self.log.append(f"reset {frames}")

    def press_select(self, c, frames):
        self.log.append(f"select {frames}")
        self.on_press(c, frames)


@pytest.fixture
def keys(monkeypatch):
    return Keys(monkeypatch)


def make_console(name, mode):
    c = Console()
    c.game = NAMES.index(name)
    c.mode = mode
    return c


def count_up(address, step=1):
    def press(c, _):
        c.ram[address] = c.ram[address] + step & 255

    return press


def test_a_mode_is_reached_by_presses_of_select(keys):
    c = make_console("breakout", 44)
    keys.on_press = count_up(0x32, 4)

    assert modes.select_mode(c) == modes.MODE_REACHED
    assert c.ram[0x32] == 44
    assert keys.log == ["select 1"] * 11 + ["reset 4"]


def test_nothing_is_pressed_where_the_mode_is_shown(keys):
    assert modes.select_mode(make_console("breakout", 0)) == modes.MODE_REACHED
    assert keys.log == ["reset 4"]


def test_nothing_is_played_where_a_game_has_no_modes(keys):
    assert modes.select_mode(make_console("seaquest", 0)) == modes.MODE_REACHED
    assert keys.log == []


@pytest.mark.parametrize(
    ("name", "mode", "first"),
    [
        ("air_raid", 2, ["select 20", "select 10"]),
        ("berzerk", 1, ["act 0"] * 20 + ["select 2"]),
        ("gopher", 2, ["reset 4"] + ["select 5"] * 2),
        ("yars_revenge", 1, ["select 2"]),
    ],
)
def test_some_games_begin_with_something_else(keys, name, mode, first):
    address = {"air_raid": 0x2A, "berzerk": 0x00, "gopher": 0x53, "yars_revenge": 0x63}[name]
    keys.on_press = count_up(address)

    assert modes.select_mode(make_console(name, mode)) == modes.MODE_REACHED
    assert keys.log == [*first, "reset 4"]


def test_adventure_presses_for_a_random_time(keys, monkeypatch):
    numbers = iter([0xABCDEF00, 0xFF])
    monkeypatch.setattr(modes, "draw", lambda generator: next(numbers))
    c = make_console("adventure", 2)
    keys.on_press = count_up(0x5D, 2)

    assert modes.select_mode(c) == modes.MODE_REACHED
    assert keys.log == ["select 2", "act 0", "select 257", "act 0", "reset 4"]


def test_a_mode_that_is_not_reached_is_an_error(keys):
    for name in NAMES:
        game = NAMES.index(name)
        if not modes.HAS_SELECT[game]:
            continue
        keys.log.clear()
        c = make_console(name, MODES[name][-1])
        c.ram[:] = [0xFF] * 128
        c.cartridge_ram[:] = [0xFF] * 128

        assert modes.select_mode(c) == modes.MODE_NOT_REACHED, name
        assert len(keys.log) < 25000
        if name == "et":
            assert keys.log == ["select 25"] * 100


def test_every_mode_has_bytes_that_show_it():
    others = {"ms_pacman": 0x21, "pacman": 0x66, "human_cannonball": 0x37}  # a byte beside the mode's
    for name in NAMES:
        game = NAMES.index(name)
        if not modes.HAS_SELECT[game] or name in {"double_dunk", "video_cube"}:
            continue
        c = make_console(name, 0)
        met = dict.fromkeys(MODES[name], 0)
        for value in range(256):
            c.ram[:] = c.cartridge_ram[:] = [value] * 128
            for other in (0, 1):
                c.ram[others.get(name, UNUSED)] = other
                for c.mode in met:
                    met[c.mode] += modes.is_in_mode(c)

        assert all(0 < count < 2 * 256 for count in met.values()), name


def test_double_dunk_sets_four_options_in_its_menu(keys):
    c = make_console("double_dunk", 0b0101)
    c.ram[0] = 0x28
    shown = []

    def act(c, action):
        if action == 5:
            c.ram[0x30] += 1
        elif action in {3, 4}:
            shown.append((c.ram[0x30], action))
            c.ram[0] ^= {2: 0x08, 3: 0x10, 4: 0x04, 5: 0x20}[c.ram[0x30]]

    keys.on_act = act

    assert modes.select_mode(c) == modes.MODE_REACHED
    assert c.ram[0] == 0x0C
    assert shown == [(4, 3), (5, 4)]
    assert keys.log[0] == "select 1"
    assert keys.log.count("act 5") == 5
    assert keys.log[-3:] == ["reset 4", "act 10", "act 0"]


@pytest.mark.parametrize(("mode", "shown", "cube"), [(0, 0, 1), (1, 2, 1), (2, 8, 1), (1201, 2, 12), (5002, 8, 50)])
def test_video_cube_chooses_a_kind_and_a_cube(keys, mode, shown, cube):
    c = make_console("video_cube", mode)
    c.ram[0x7B] = 0xE9

    def press(c, _):
        c.ram[0x7B] = 0xE0 | ((c.ram[0x7B] & 15) + 1) % 10

    def act(c, action):
        c.ram[0x1F] += 7 if c.ram[0x1F] & 15 == 9 else 1

    keys.on_press, keys.on_act = press, act

    assert modes.select_mode(c) == modes.MODE_REACHED
    assert c.ram[0x7B] & 0x1F == shown
    assert keys.log[-cube - 1 :] == ["reset 4"] + ["act 3"] * cube


def test_starting_actions_are_played_as_they_are(keys):
    for name in NAMES:
        keys.log.clear()
        modes.play_starting_actions(make_console(name, 0))
        expected = []
        for frames, action in STARTING_ACTIONS[name]:
            expected += [f"reset {frames}"] if action == 40 else [f"play {action}"] * frames

        assert keys.log == expected
    assert STARTING_ACTIONS["sir_lancelot"] == ((1, 40), (1, 4))


@pytest.fixture(scope="module")
def functions():
    """`power_on` and `reset_game`, compiled."""
    module = Module("resets")
    module.add(reset_game, "reset_game", export=True)
    module.add(power_on, "power_on", export=True)
    loaded = native.load(native.compile_module(str(module.ir), native.Target.host()))
    of_console, of_seed = ctypes.POINTER(Console), ctypes.c_int64
    on = ctypes.CFUNCTYPE(ctypes.c_int64, of_console, of_seed, of_seed)(loaded.address("power_on"))
    reset = ctypes.CFUNCTYPE(ctypes.c_int64, of_console)(loaded.address("reset_game"))
    yield on, reset
    del loaded


def check_resets(name, mode_numbers, functions):
    """Turn on both consoles and reset them into modes, one after the other."""
    turn_on, reset = functions
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 7)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(get_rom_path(name))
    consoles = Consoles(load_rom(get_rom_path(name).read_bytes(), name))
    c = consoles[0]
    c.mode = MODES[name][0]
    assert turn_on(c, 4753849, 7) == modes.MODE_REACHED
    for mode in [None, *mode_numbers]:
        if mode is not None:
            ale.setMode(mode)
            ale.reset_game()
            c.mode = mode
            assert reset(c) == modes.MODE_REACHED
        assert bytes(c.ram) == ale.getRAM().tobytes(), mode
        assert (c.lives, c.over) == (ale.lives(), ale.game_over(with_truncation=False)), mode
        assert (c.frame_number, c.episode_frame_number) == (ale.getFrameNumber(), ale.getEpisodeFrameNumber()), mode


@pytest.mark.parametrize("name", NAMES)
def test_resets_equal_ale_py(name, functions):
    numbers = MODES[name]
    check_resets(name, [numbers[-1], numbers[len(numbers) // 2], numbers[0]], functions)


@pytest.mark.sweep
@pytest.mark.parametrize("name", NAMES)
def test_resets_equal_ale_py_in_every_mode(name, functions):
    check_resets(name, [*MODES[name], *MODES[name][::-1]], functions)
