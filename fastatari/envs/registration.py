"""The ids under which gymnasium makes the environments."""

import gymnasium

from fastatari.games import list_roms


def register_envs() -> None:
    """Register ``fastatari/Breakout-v0`` and an id of each other game."""
    for rom in list_roms():
        name = rom.title().replace("_", "")
        gymnasium.register(
            f"fastatari/{name}-v0",
            entry_point="fastatari.envs.env:AtariEnv",
            vector_entry_point="fastatari.envs.vector:AtariVectorEnv",
            kwargs={"game": rom},
        )
