"""A part of a program, as `decoding` is told of it."""

import ctypes

from fastatari.compiler import i32, i64, structure


@structure
class Part(ctypes.Structure):
    """A part of a program that is to be decoded."""

    words: i64  # the address of what is written, int64[size]
    image: i64  # the address of its bytes
    handlers: i64  # the address of the handlers' addresses
    first: i32  # the address, of 13 bits, at which the processor sees the first byte
    size: i32
    quiet_start: i32  # which addresses of the cartridge have no side effects
    quiet_end: i32
    plain_start: i32  # which of them are in the same bank as this part whenever that runs
    plain_end: i32
    jumps_far: i32  # whether an address that looks like one of this part can be one of another
