"""Golden hashes: what a short scenario gave where it was compared with the real package of a preset.

They stand in for packages that are not installed. There are two of each scenario, so that a machine on which something
differs can tell what: `Digests.inputs` is of what the emulator gave, `Digests.outputs` of what was made of it.
"""

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastatari.engine.interface import ConsoleName
from fastatari.envs.env import AtariEnv
from fastatari.games import find_rom

PATH = Path(__file__).with_name("golden.json")

# Among them is a PAL game and one with a screen of another height than most.
GAMES = (
    "breakout",
    "enduro",
    "journey_escape",
    "montezuma_revenge",
    "mr_do",
    "ms_pacman",
    "pong",
    "qbert",
    "seaquest",
    "space_invaders",
)

# The parts of a scenario, and the steps of each. In the second part there are ends of episodes in every game, in the
# middle of a step.
PART_NUM, PART_STEPS = 2, 200
_BUDGETS: Mapping[str, Mapping[str, Any]] = {"envpool": {"max_episode_steps": 76}}  # which has no budget of frames


def list_parts(preset: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rules besides a preset's that its scenario is played with in turn."""
    return {}, _BUDGETS.get(preset.partition("@")[0], {"max_num_frames_per_episode": 301})


class Digests(NamedTuple):
    """SHA-256 of a scenario, in hexadecimal digits.

    Attributes:
        inputs (str): of the ROM, the actions, and the emulator's screen and RAM after every step.
        outputs (str): of the number of no-ops after every reset; of every observation, reward, end and number of lives.
    """

    inputs: str
    outputs: str


class Golden(NamedTuple):
    """The golden hashes of a preset.

    Attributes:
        ale_py (str): the version of ale-py that they were made with.
        games (dict[str, Digests]): the hashes by the ROM's id.
    """

    ale_py: str
    games: dict[str, Digests]


def play(preset: str, rom: str, *, console: ConsoleName = "fastatari") -> Digests:
    """Play the scenario of a preset and a game.

    Args:
        preset (str): its name, as for `AtariEnv`.
        rom (str): the ROM's id.
        console ("fastatari" | "ale"): as for `AtariEnv`; the hashes are the same.

    Returns:
        Digests: its hashes.
    """
    inputs = hashlib.sha256(find_rom(rom)[1].read_bytes())
    outputs = hashlib.sha256()
    # Of Python's generators this is the one that is promised to stay the same.
    draw = random.Random(0).random
    for fields in list_parts(preset):
        env = AtariEnv(rom, preset=preset, console=console, **fields)
        action_num = len(env.get_action_meanings())
        observation, info = env.reset(seed=0)
        _hash(outputs, observation, int(info["noops"]), int(info["lives"]))
        for _ in range(PART_STEPS):
            action = int(draw() * action_num)
            observation, reward, terminated, truncated, info = env.step(action)
            # Only here, because after a reset the emulator may show another screen than the game's.
            _hash(inputs, env.ale.getScreen(), env.ale.getRAM(), action)
            _hash(outputs, observation, reward, terminated, truncated, int(info["lives"]))
            if terminated or truncated:
                observation, info = env.reset()
                _hash(outputs, observation, int(info["noops"]), int(info["lives"]))
        env.close()
    return Digests(inputs.hexdigest(), outputs.hexdigest())


def load() -> dict[str, Golden]:
    """Return the golden hashes of all presets, by their names with versions."""
    presets = json.loads(PATH.read_text())
    return {
        preset: Golden(entry["ale_py"], {rom: Digests(**digests) for rom, digests in entry["games"].items()})
        for preset, entry in presets.items()
    }


def save(presets: Mapping[str, Golden]) -> None:
    """Write the golden hashes of all presets."""
    entries = {
        preset: {"ale_py": golden.ale_py, "games": {rom: digests._asdict() for rom, digests in golden.games.items()}}
        for preset, golden in presets.items()
    }
    PATH.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")


def _hash(digest: Any, *values: Any) -> None:
    """Add values to a digest: arrays by dtype, shape and bytes, others by their text."""
    for value in values:
        if hasattr(value, "tobytes"):
            digest.update(f"{value.dtype} {value.shape}\n".encode() + value.tobytes())
        else:
            digest.update(f"{value!r}\n".encode())
