"""All golden hashes: what presets gave where they were compared with their packages."""

import ale_py
import pytest

from fastatari.cli import golden

STORED = golden.load()


@pytest.mark.parametrize(("preset", "game"), [(preset, game) for preset in STORED for game in golden.GAMES])
def test_a_scenario_has_its_golden_hashes(preset, game):
    entry = STORED[preset]
    if entry.ale_py != ale_py.__version__:
        pytest.skip(f"they are of ale-py {entry.ale_py}")
    if game not in entry.games:
        pytest.skip("the package does not show all of this game")
    assert golden.play(preset, game) == entry.games[game]
