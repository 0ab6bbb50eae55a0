"""`ALEInterface`: ale-py's class, method for method, on the console of this package."""
# ruff: noqa: N802 - the methods have ale-py's names

import math
import operator
import os
import secrets
from pathlib import Path
from typing import Any, NoReturn

import ale_py
import numpy as np
import numpy.typing as npt
from ale_py import Action, LoggerMode

from fastatari.console import generators, machine_code, states
from fastatari.console.games import NAMES
from fastatari.console.games.bookkeeping import START_LIVES
from fastatari.console.games.facts import DIFFICULTIES, MINIMAL_ACTIONS, MODES
from fastatari.console.memory import Consoles, Rom, load_rom
from fastatari.console.png import write_png
from fastatari.console.properties import MD5_NAMES, md5_of
from fastatari.console.saved import CURRENT, IS_DRAWN, ALEState, clone_state, restore_state
from fastatari.console.settings import Settings
from fastatari.console.state import Console
from fastatari.console.tia.pixels import PIXELS
from fastatari.errors import InvalidAction
from fastatari.palette import gray_table, rgb_table

UInt8Array = npt.NDArray[np.uint8]

_ACTIONS = tuple(Action.__members__.values())
_MEANINGS = tuple(Action.__members__)
_RAM_SIZE, _AUDIO_SIZE = 128, 512
# How many acts back it is remembered whether the screen was read after them.
_HISTORY = 0xFF
