"""Generates programs for each type of cartridge: hot spots, RAM, and DPC's registers, touched in all ways.

The type is found by size and contents, so each image has what makes it of its type: see `TYPES` for what that is.
"""

import numpy as np
from assembler import OPCODES, Assembler
from processor_programs import any_byte, register, straight, tia_block

BANK = 4096

READS = ["LDA", "LDX", "LDY", "LAX", "CMP", "BIT", "NOP", "ADC"]
WRITES = ["STA", "STX", "STY", "SAX"]
BOTH = ["INC", "DEC", "ASL", "SLO", "ISB", "DCP"]


def touch(p, rng, address, kinds=(READS, WRITES, BOTH)):
    """Access an address in some way, by some addressing mode, in some mirror."""
    names = kinds[int(rng.choice(len(kinds), p=[0.5, 0.35, 0.15][: len(kinds)] if len(kinds) == 3 else None))]
    name = str(rng.choice(names))
    address |= int(rng.choice([0xF000, 0xF000, 0x1000, 0x3000, 0xD000]))
    kind = rng.random()
    if kind < 0.15 and (name, "izy") in OPCODES:
        low, y = int(rng.integers(0x80, 0xF0)), int(rng.integers(128))
        p.store(low, address - y).store(low + 1, (address - y) >> 8)("LDY imm", y)(f"{name} izy", low)
    elif kind < 0.4 and (name, "abx") in OPCODES:
        x = int(rng.integers(256))
        p("LDX imm", x)(f"{name} abx", (address - x) & 0xFFFF)
    else:
        p(f"{name} abs", address)
    if names is READS:
        fold(p, rng)


def fold(p, rng):
    """Leave the accumulator's value and the flags in RAM."""
    place = 0x84 + int(rng.integers(6))
    p("PHP")("EOR zp", place)("ROL")("STA zp", place)("PLA")("EOR zp", 0x8E)("STA zp", 0x8E)


def data(rng, count):
    """Random bytes that contain no instructions which a detection could take for another type's."""
    return bytes(map(int, rng.integers(0x80, 0xF0, count)))


def code(rng, block, first, last, size=BANK):
    """The code of a bank from address `first` to `last`, elsewhere random data; it ends frames and starts anew."""
    p = Assembler(size=size + 1024)
    p.image[:] = data(rng, size + 1024)
    p.place(first)("LDX imm", 0xFF)("TXS")("CLD").store(0x8F, int(rng.integers(1, 5)))
    again = p.at
    while True:
        image, at = bytearray(p.image), p.at
        kind = rng.random()
        if kind < 0.6:
            block(p, rng)
        elif kind < 0.75:
            straight_in_ram(p, rng)
        elif kind < 0.9:
            tia_block(p, rng)
        else:
            p.store(register(rng), any_byte(rng))
        if p.at > last - 32:
            break
    p.image = image[:size]
    p.place(at)("DEC zp", 0x8F)("BEQ rel", p.at + 7)("JMP abs", again).vsync()("JMP abs", first)
    # Two stores to $3F, or a store to $3E before LDA #0, are what two other types of cartridges are detected by.
    p.image = p.image.replace(b"\x85\x3f", b"\x85\x3e").replace(b"\x85\x3e\xa9\x00", b"\x85\x3d\xa9\x00")
    return p


def straight_in_ram(p, rng):
    """Some instructions that access no cartridge but for their own bytes."""
    trial = Assembler(size=64, origin=p.at)
    straight(trial, rng, 1)
    if trial.at - p.at < 3:
        p.byte(*trial.image[: trial.at - trial.origin])


def without_hot_spots(image):
    """An image in which no instruction has the address of a hot spot, which could tell of another type."""
    for at in range(len(image) - 1):
        if 0xE0 <= image[at] < 0xFA and image[at + 1] & 0x1F == 0x1F:
            image[at] = 0xD0
    return image


def vectors(image, start):
    """Set the vectors of a bank of 4096 bytes; BRK starts anew."""
    image[-4:] = bytes([start & 0xFF, start >> 8] * 2)


def banked(rng, count, hot_spots, block, first=0xF000, fill=None):
    """Banks that have the same code, so that switching between them shows in data only; a few differ in their code."""
    seed = int(rng.integers(1 << 30))
    differ = rng.random() < 0.25
    banks = []
    for bank in range(count):
        code_rng = np.random.default_rng([seed, bank if differ else 0])
        p = code(code_rng, block, first, 0xFC00)
        image = p.image
        image[0xD00:0xFF0] = data(rng, 0x2F0)
        if fill is not None:
            image[: first - 0xF000] = bytes([fill]) * (first - 0xF000)
        vectors(image, first)
        banks.append(bytes(image))
    return b"".join(banks)


def switching(hot_spots):
    """A block that touches hot spots, and bytes near them, and data."""

    def block(p, rng):
        kind = rng.random()
        if kind < 0.5:
            touch(p, rng, int(rng.choice(hot_spots)))
        elif kind < 0.6:
            touch(p, rng, int(rng.integers(0xFEE, 0xFFC)))
        else:
            touch(p, rng, int(rng.integers(0xD00, 0xFF0)), (READS,))

    return block


def with_ram(hot_spots):
    """A block that does that, and touches the ports of a Super Chip's RAM, the wrong way too, and runs code in it."""
    switch = switching(hot_spots)

    def block(p, rng):
        kind = rng.random()
        if kind < 0.4:
            switch(p, rng)
        elif kind < 0.65:
            touch(p, rng, int(rng.integers(0x80)), (WRITES,))
        elif kind < 0.85:
            touch(p, rng, int(rng.integers(0x80, 0x100)), (READS,))
        elif kind < 0.95:
            touch(p, rng, int(rng.integers(0x100)))
        else:
            at = int(rng.integers(0x78))
            for offset, value in enumerate([0xE6, 0x90, OPCODES["RTS", "imp"]]):
                p("LDA imm", value)("STA abs", 0xF000 + at + offset)
            p("JSR abs", 0xF080 + at)

    return block


def f8(rng):
    """Hot spots of F8."""
    return banked(rng, 2, (0xFF8, 0xFF9), switching((0xFF8, 0xFF9)))


def f6(rng):
    """Hot spots of F6."""
    return banked(rng, 4, range(0xFF6, 0xFFA), switching(range(0xFF6, 0xFFA)))


def f8sc(rng):
    """Hot spots and RAM of F8SC."""
    return banked(rng, 2, (0xFF8, 0xFF9), with_ram((0xFF8, 0xFF9)), 0xF100, any_byte(rng))


def f6sc(rng):
    """Hot spots and RAM of F6SC."""
    return banked(rng, 4, range(0xFF6, 0xFFA), with_ram(range(0xFF6, 0xFFA)), 0xF100, any_byte(rng))


def e0(rng):
    """The slices of E0, their hot spots, data and code in them."""

    def block(p, rng):
        kind = rng.random()
        if kind < 0.5:
            touch(p, rng, int(rng.integers(0xFE0, 0xFF8)))
        elif kind < 0.55:
            touch(p, rng, int(rng.integers(0xFD0, 0xFFC)), (READS,))
        elif kind < 0.6:
            p("JSR abs", 0xF000 + 0x400 * int(rng.integers(3)))
        else:
            touch(p, rng, int(rng.integers(0xC00)), (READS,))

    image = bytearray(data(rng, 8192))
    for number in range(8):
        # Each slice touches hot spots itself, of its own segment or another, and goes on wherever it then is.
        at = 1024 * number
        spots = (0xF000 + int(spot) for spot in rng.integers(0xFE0, 0xFF8, 2))
        p = Assembler()("LDA abs", next(spots))("INC zp", 0xA0 + number)("LDA abs", next(spots))
        image[at : at + 13] = p("LDA imm", number)("EOR zp", 0x84)("RTS").image[:13]
    last = code(rng, block, 0xFC00, 0xFFC8).image[0xC00:]
    last[0x3D0:0x3D3] = b"\xad\xe9\xff"
    vectors(last, 0xFC00)
    image[0x1C00:] = last
    return bytes(image)


def e0_from_slices(other, number):
    """Every slice in every segment lets segment `other`, its own or not, show slice `number`."""
    image = bytearray(8192)
    for k in range(8):
        p = Assembler()("LDA abs", 0xFFE0 + 8 * other + number)("INC zp", 0xA0 + k)("RTS")
        image[1024 * k : 1024 * k + 6] = p.image[:6]
    p = Assembler()
    p.at = 0xFC20
    p("LDX imm", 0xFF)("TXS")
    for segment in range(3):
        for k in range(8):
            for before in (0, 7):
                p("LDA abs", 0xFFE0 + 8 * other + before)("LDA abs", 0xFFE0 + 8 * segment + k)
                p("JSR abs", 0xF000 + 0x400 * segment)
    p("LDA imm", 2)("STA zp", 0)("STA zp", 2)("STA zp", 2)("LDA imm", 0)("STA zp", 0)("JMP abs", 0xFC20)
    last = bytearray(p.image[0xC00:])
    last[:6] = image[0x1C00:0x1C06]
    last[0x3D0:0x3D3] = b"\xad\xe9\xff"
    vectors(last, 0xFC20)
    image[0x1C00:] = last
    return bytes(image)


def fe(rng):
    """FE: the half by bit 13 of the address; jumps, calls and data across both."""

    def block(p, rng):
        kind = rng.random()
        mirror = int(rng.choice([0xD000, 0xF000, 0x1000, 0x3000, 0x5000]))
        if kind < 0.2:
            p("JMP abs", (p.at + 3) & 0xFFF | mirror)
        elif kind < 0.35:
            p("JSR abs", mirror | 0xEE0)
        elif kind < 0.4:
            p("JMP ind", mirror | 0xEF0)
        else:
            name = rng.choice(["LDA", "LAX", "CMP"])
            p(f"{name} abs", int(rng.integers(0xD00, 0xEE0)) | mirror)
            fold(p, rng)

    seed, halves = int(rng.integers(1 << 30)), []
    for half, start in enumerate((0xF000, 0xD000)):
        p = code(np.random.default_rng(seed), block, 0xF000, 0xFC00)
        p.image[0xD00:0xEE0] = data(rng, 0x1E0)
        without_hot_spots(p.image)
        p.place(0xFEE0)("INC zp", 0x90 + half)("RTS")
        p.place(0xFEF0).byte(0, 0xD0 if half else 0xF0)
        if not half:
            p.place(0xFF00).byte(0x20, 0x00, 0xD0, 0xC6, 0xC5)
        vectors(p.image, start)
        halves.append(bytes(p.image))
    return b"".join(halves)


def dpc(rng):
    """The registers of DPC, its random register and music, code among its hot addresses, both banks."""

    def block(p, rng):
        kind = rng.random()
        if kind < 0.35:
            touch(p, rng, int(rng.integers(0x80)), (READS,))
        elif kind < 0.7:
            value = any_byte(rng)
            p("LDA imm", value)("STA abs", 0xF040 + int(rng.integers(0x40)))
        elif kind < 0.75:  # music: top, bottom, mode
            voice = int(rng.integers(5, 8))
            p("LDA imm", int(rng.integers(256)))("STA abs", 0xF040 + voice)
            p("LDA imm", int(rng.integers(256)))("STA abs", 0xF048 + voice)
            p("LDA imm", 0x10 | any_byte(rng))("STA abs", 0xF058 + voice)
        elif kind < 0.8:
            touch(p, rng, int(rng.integers(4, 8)), (READS,))
        elif kind < 0.85:
            p("JSR abs", 0xFFC0)
        elif kind < 0.92:
            touch(p, rng, int(rng.choice([0xFF8, 0xFF9, 0xFFB, 0xFF0])))
        else:
            touch(p, rng, int(rng.integers(0x1000)))

    seed, banks = int(rng.integers(1 << 30)), []
    for bank in range(2):
        p = code(np.random.default_rng(seed), block, 0xF080, 0xFC00)
        p.image[0xD00:0xFC0] = data(rng, 0x2C0)
        p.place(0xFFC0)("INC zp", 0x90)("LDA imm", 0x10 + bank)("EOR zp", 0x91)("STA zp", 0x91)("RTS")
        vectors(p.image, 0xF080)
        banks.append(bytes(p.image))
    return b"".join(banks) + rng.integers(0, 256, 2048 + 255, dtype=np.uint8).tobytes()


def small(rng):
    """2K: everything twice."""

    def block(p, rng):
        touch(p, rng, int(rng.integers(0x1000)), (READS, WRITES, BOTH))

    image = code(rng, block, 0xF800, 0xFFF0).image[0x800:]
    vectors(image, int(rng.choice([0xF800, 0xF000])))
    return bytes(image)


# Each family's function, and the type that its images are of: F8 and F6 by size; Super Chip where the first 256 bytes
# of all banks are the same; E0 by an access to $FFE9; FE by a call of $D000 with DEC $C5 after it; DPC by size.
TYPES = {
    small: "2K",
    f8: "F8",
    f8sc: "F8SC",
    f6: "F6",
    f6sc: "F6SC",
    e0: "E0",
    fe: "FE",
    dpc: "DPC",
}
FAMILIES = {family.__name__: family for family in TYPES}
