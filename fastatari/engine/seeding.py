"""`Generators`: what environments draw from, besides their consoles."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random

from fastatari.console import machine_code
from fastatari.console.memory import Consoles
from fastatari.engine import state
from fastatari.rules import AtariRules


class Generators:
    """The generators of an engine's environments. Each is seeded when it is first needed.

    Args:
        rules (AtariRules): the rules.
        environments (Sequence[Environment]): the environments.
        consoles (Consoles): their consoles.
    """

    def __init__(self, rules: AtariRules, environments: Sequence[Any], consoles: Consoles) -> None:
        self._is_gymnasium = rules.seeding == "gymnasium"
        self._environments, self._consoles = environments, consoles
        self._generators: list[np.random.Generator | None] = [None] * len(environments)
        self._seed_generator = machine_code.functions().seed

    def __getitem__(self, i: int) -> np.random.Generator:
        """Return numpy's generator of an environment."""
        generator = self._generators[i]
        if generator is None:
            self.seed(i, None)
            generator = self._generators[i]
            assert generator is not None
        return generator

    def seed(self, i: int, seed: int | None) -> int:
        """Seed all generators of an environment; return the seed of that of its console's actions."""
        if self._is_gymnasium:
            np_seed, emulator_seed = map(int, np.random.SeedSequence(seed).generate_state(2))
        else:
            np_seed = emulator_seed = _new_seed() if seed is None else seed
        self.connect(i, np_random(np_seed)[0])
        e: Any = self._environments[i]
        e.noop_draws = state.NUMPYS if self._is_gymnasium else state.CONSOLES_OWN
        if not self._is_gymnasium:
            self._seed_generator(ctypes.addressof(e.noop_generator), np_seed)
        c: Any = self._consoles[i]
        self._seed_generator(ctypes.addressof(c.action_generator), emulator_seed % 2**32)
        return emulator_seed

    def replace(self, i: int, generator: np.random.Generator) -> None:
        """Let an environment draw from another generator from now on, except for what its console draws."""
        self[i]  # seeds the others, if they were not
        self.connect(i, generator)
        self._environments[i].noop_draws = state.NUMPYS

    def connect(self, i: int, generator: np.random.Generator) -> None:
        """Tell compiled code where numpy's generator of an environment is."""
        e: Any = self._environments[i]
        # The beginning of a `bitgen_t`, see numpy/random/bitgen.h: the state, and what draws 64 bits, 32 and a double.
        words: Any = (ctypes.c_int64 * 4).from_address(_GET_POINTER(generator.bit_generator.capsule, b"BitGenerator"))
        e.draw_state, e.draw_word, e.draw_double = words[0], words[2], words[3]
        self._generators[i] = generator


_GET_POINTER: Any = ctypes.pythonapi.PyCapsule_GetPointer
_GET_POINTER.restype, _GET_POINTER.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def _new_seed() -> int:
    """Return an unforeseeable seed of 31 bits."""
    word: int = np.random.SeedSequence().generate_state(1).item()
    return word >> 1
