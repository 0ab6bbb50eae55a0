import ale_py
import numpy as np
import pytest
import sweep_start_states
from reference import ROMS

from fastatari import Game, start_states
from fastatari.resets import Resets, Start, draw_timer, read_generator


class Spy:
    """An emulator that counts its true resets."""

    def __init__(self, rom):
        self.ale = sweep_start_states.load(rom)
        self.true_resets = 0

    def __getattr__(self, name):
        return getattr(self.ale, name)

    def reset_game(self):
        self.true_resets += 1
        self.ale.reset_game()


def spy_on(game):
    """Put a spy into a game, before its first reset."""
    game.console._resets._ale = spy = Spy(game.console.rom)
    return spy


@pytest.mark.parametrize("rom", start_states.EXACT)
def test_restored_starts_are_true_ones(rom):
    start = start_states.EXACT[rom]
    # Of the starts of boxing, one occurs for the first time at the 17th reset.
    assert not sweep_start_states.play(rom, start, seed=1, episodes=24 if start.groups else 8).difference


@pytest.mark.sweep
@pytest.mark.parametrize("rom", start_states.EXACT)
def test_many_restored_starts_are_true_ones(rom):
    assert not sweep_start_states.play(rom, start_states.EXACT[rom], seed=2, episodes=300).difference


@pytest.mark.parametrize("rom", ["seaquest", "venture"])
def test_what_a_start_depends_on_is_found_again(rom):
    assert sweep_start_states.find_start(rom, seed=3) == start_states.EXACT[rom]


@pytest.mark.parametrize(
    ("rom", "wrong"),
    [
        ("seaquest", start_states.EXACT["seaquest"]._replace(groups=())),
        ("venture", Start()),
        ("qbert", Start()),
        ("atlantis2", Start()),
        ("assault", Start()),
    ],
)
def test_a_start_that_leaves_something_out_is_found_wrong(rom, wrong):
    true, saved = sweep_start_states.load(rom), sweep_start_states.load(rom)
    resets = Resets(saved, wrong)
    rng = np.random.default_rng(0)
    actions = true.getMinimalActionSet()
    for _ in range(30):
        ram = rng.integers(256, size=128)
        for ale in (true, saved):
            for index, byte in enumerate(ram):
                ale.setRAM(index, int(byte))
            ale.act(actions[0])
        true.reset_game()
        if sweep_start_states.compare(true, saved, (true.getScreen(), resets.reset())):
            return
        for _ in range(20):
            action = actions[rng.integers(len(actions))]
            true.act(action)
            saved.act(action)
            if sweep_start_states.compare(true, saved, (true.getScreen(), saved.getScreen())):
                return
    pytest.fail("no difference was found")


@pytest.mark.parametrize(
    ("rom", "most"), [("breakout", 1), ("qbert", 1), ("venture", 1), ("seaquest", 10), ("boxing", 60)]
)
def test_resets_are_restores_once_all_starts_were_seen(rom, most):
    game = Game(0, game=rom)
    spy = spy_on(game)
    for _ in range(2 * most + 5):
        game.reset()
    assert 1 + len(start_states.EXACT[rom].groups) <= spy.true_resets <= most


def test_resets_are_true_where_starts_vary_or_the_caller_wants_it(monkeypatch):
    games = [Game(0, game="assault"), Game(0, start_states="true")]
    monkeypatch.setattr(start_states, "ALE_PY", "0.0.0")
    games.append(Game(0))
    for game in games:
        spy = spy_on(game)
        for _ in range(4):
            game.reset()
        assert spy.true_resets == 4


def test_the_generator_is_read_as_the_emulator_uses_it():
    ale = sweep_start_states.load("seaquest")
    generator = read_generator(ale.cloneState())
    drawn = [draw_timer(generator) for _ in range(8)]
    for timer in drawn:
        assert draw_timer(read_generator(ale.cloneState())) == timer
        ale.reset_game()
        for _ in range(30):
            ale.act(ale_py.Action.FIRE)


def test_the_first_legal_action_is_none():
    assert sweep_start_states.load("backgammon").getLegalActionSet()[0] == ale_py.Action.NOOP


def test_every_rom_was_swept():
    assert not start_states.EXACT.keys() & start_states.LEFT_OUT.keys()
    if ale_py.__version__ == start_states.ALE_PY:
        assert start_states.EXACT.keys() | start_states.LEFT_OUT.keys() == set(ROMS)
