"""The families of generated programs: `make(family, seed)` gives the bytes of one, always the same."""

import bank_programs
import numpy as np
from processor_programs import cpu, decimal, pointers, ports, ram_code, riot, stack, wild
from tia_programs import hmove, overshoot, tia, vsync

FAMILIES = {
    family.__name__: family
    for family in (cpu, wild, tia, riot, ports, hmove, vsync, overshoot, stack, pointers, ram_code, decimal)
}
FAMILIES |= bank_programs.FAMILIES


def make(family, seed):
    """The bytes of a family's program: 4096, or those of a type of cartridge."""
    image = FAMILIES[family](np.random.default_rng([seed, *family.encode()]))
    # Accesses to $F3FF and $F400 are what a type of cartridge is detected by that is not among the nine.
    return image.replace(b"\xff\xf3", b"\xfe\xf3").replace(b"\x00\xf4", b"\x01\xf4")
