"""`Arrays`: the memory of an engine's environments, which compiled code reads and writes by addresses."""

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.console import machine_code
from fastatari.console.memory import Consoles, allocate
from fastatari.console.starts import find_starts
from fastatari.console.state import ALIGNMENT
from fastatari.engine.interface import UInt8Array
from fastatari.engine.loading import CONSOLE_SIZE, Loader
from fastatari.engine.pictures import NUM_PAIR_SCREENS
from fastatari.engine.results import Results, make_rows
from fastatari.engine.setup import make_setup
from fastatari.engine.state import RAM_SIZE, Environment
from fastatari.preprocessing.machine_code import addresses as kernel_addresses
from fastatari.preprocessing.plan import make_plan
from fastatari.resources import check_memory
from fastatari.rules import AtariRules

_NOTHING: Any = ctypes.c_char * 0


def address_of(array: npt.NDArray[Any]) -> int:
    """Return where a writeable, contiguous array lies: what `array.ctypes.data` does in a third of the time."""
    return ctypes.addressof(_NOTHING.from_buffer(array))


_BLOCK = -(-ctypes.sizeof(Environment) // ALIGNMENT) * ALIGNMENT


class Arrays:
    """The memory of environments, which lives as long as this object does.

    Memory is only used where something was written to it, so that what is seldom needed costs nothing.

    Args:
        loader (Loader): the game.
        rules (AtariRules): the rules.
        num_envs (int): how many environments, n.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.

    Attributes:
        setup (Setup): what all environments have in common.
        setup_address (int): where that is.
        plan (PicturePlan): how screens become planes.
        consoles (Consoles): the consoles.
        blocks (uint8[n, m]): the environments.
        addresses (int64[n]): where these are.
        environments (list[Environment]): the same.
        planes (uint8[n, K, plane_size]): their rings of planes.
        pair_screens (uint8[n, 3, H * 160]): as `Environment.pair_screens`.
        results (Results): what the last step or reset of each gave.
        finals (Results): what the step gave that a reset followed at once.
        numbers (int64[18, n]): the memory of the numbers in `results`, and behind them of those in `finals`.
        flags (bool[16, n]): the same of flags.
        needs_reset (bool[n]): which environments wait for a reset by the caller.
        final_obs (uint8[n, *shape]): the observations that resets replaced; none except with SAME_STEP.
        final_ram (uint8[n, 128]): the RAM that they replaced.

    Raises:
        MemoryError: there is not enough memory.
    """

    def __init__(self, loader: Loader, rules: AtariRules, num_envs: int, autoreset_mode: AutoresetMode) -> None:
        rom, n = loader.rom, num_envs
        s = make_setup(rules, autoreset_mode, loader.action_meanings, loader.actions)
        self.setup, self.setup_address = s, ctypes.addressof(s)
        self.plan = make_plan(
            loader.screen_shape, rules.size, rules.stack_num, rules.order, rules.gray, loader.palette,
            rules.grayscale_obs, rules.stack_axis,
        )  # fmt: skip
        screen = rom.rows * loader.screen_shape[1]
        s.plane_size = RAM_SIZE if rules.obs_type == "ram" else self.plan.plane_size
        s.num_envs, s.screen_size = n, screen
        s.scratch_pictures = -(-self.plan.scratch_size // ALIGNMENT) * ALIGNMENT
        s.scratch_flags = s.scratch_pictures + 2 * screen
        self._scratch_size = s.scratch_flags + rom.rows
        # Two screens are the console's own. An observation is what the caller gets of each step.
        each = _BLOCK + CONSOLE_SIZE + 2 * screen + s.plane_size * s.stack_num + math.prod(rules.shape)
        check_memory(each * n, f"{n} environments of {loader.name}")

        self.consoles = Consoles(rom, n)
        self._starts = find_starts(rom, loader.console)
        self.blocks = allocate(n * _BLOCK).reshape(n, _BLOCK)
        self.addresses = self.blocks.ctypes.data + _BLOCK * np.arange(n)
        self.planes = allocate(n * s.stack_num * s.plane_size).reshape(n, s.stack_num, s.plane_size)
        self.pair_screens: UInt8Array = np.zeros((n, NUM_PAIR_SCREENS, screen), np.uint8)
        self.numbers, self.flags = make_rows(n, 2)
        pairs = zip(np.split(self.numbers, 2), np.split(self.flags, 2), strict=True)
        self.results, self.finals = (Results.of(*pair) for pair in pairs)
        self.needs_reset: npt.NDArray[np.bool_] = np.ones(n, np.bool_)
        final_num = n if autoreset_mode == AutoresetMode.SAME_STEP else 0
        self.final_obs: UInt8Array = np.zeros((final_num, *rules.shape), np.uint8)
        self.final_ram: UInt8Array = np.zeros((final_num, RAM_SIZE), np.uint8)
        self._connect_setup()
        self.environments = [self._make_environment(i) for i in range(n)]

    def make_scratch(self) -> UInt8Array:
        """Return the memory that a thread needs (uint8[m]): the kernels' own, two pictures, and flags of rows."""
        return allocate(self._scratch_size)

    def _connect_setup(self) -> None:
        s = self.setup
        s.environments = self.addresses.ctypes.data
        s.plan, s.starts = self.plan.address, self._starts.address
        console = machine_code.functions().addresses
        for name in ("act_frames", "begin", "draw_picture", "draw_pictures", "draw_start"):
            setattr(s, name, console[name])
        kernels = kernel_addresses()
        s.push, s.read = kernels["push"], kernels["read"]
        for prefix, results in (("", self.results), ("final_", self.finals)):
            for name in ("floats", "integers", "flags"):
                setattr(s, prefix + name, getattr(results, name).ctypes.data)
        s.needs_reset = self.needs_reset.ctypes.data
        s.final_obs, s.final_ram = self.final_obs.ctypes.data, self.final_ram.ctypes.data

    def _make_environment(self, i: int) -> Any:
        e: Any = Environment.from_buffer(self.blocks[i].data)
        e.setup, e.console = self.setup_address, self.consoles.addresses.item(i)
        e.planes = self.planes[i].ctypes.data
        for k in range(NUM_PAIR_SCREENS):
            e.pair_screens[k] = self.pair_screens[i, k].ctypes.data
        e.index, e.is_game_over = i, 1
        return e
