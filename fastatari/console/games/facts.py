"""What a player can choose in each game, and what a reset and the paddles do in it: tables by the game's name."""

from fastatari.console.games.description import DESCRIPTIONS

DEFAULT_PADDLE_LIMITS = (27450, 790196)

MINIMAL_ACTIONS = {game.name: game.minimal_actions for game in DESCRIPTIONS}
"""The actions that make a difference, ascending."""

LEGAL_ACTIONS = {game.name: game.legal_actions for game in DESCRIPTIONS}
"""The actions that are passed on; any other acts as 0."""

MODES = {game.name: game.modes for game in DESCRIPTIONS}
"""The modes; the first is the default one."""

DIFFICULTIES = {game.name: game.difficulties for game in DESCRIPTIONS}
"""The difficulties. The default one is 0, also where it is not among them."""

STARTING_ACTIONS = {game.name: game.starting_actions for game in DESCRIPTIONS}
"""What a reset plays at last: runs of frames and an action; 40 is the console's RESET switch."""

PADDLE_LIMITS = {game.name: game.paddles or DEFAULT_PADDLE_LIMITS for game in DESCRIPTIONS}
"""The lowest and the highest position of the paddles, in units of resistance, also where there are none."""
