"""Generates programs of 4096 bytes that look for differences between two TIAs, and in how frames end."""

from assembler import STOPPING
from processor_programs import (
    CTRLPF,
    ENABL,
    ENAM0,
    GRP0,
    GRP1,
    HMM0,
    HMOVE,
    HMP0,
    NUSIZ0,
    PF0,
    RESBL,
    RESM0,
    RESM1,
    RESP0,
    VBLANK,
    VSYNC,
    WSYNC,
    any_byte,
    begin,
    blocks,
    end,
    register,
    tia_block,
)


def tia(rng):
    """Any register of the TIA at any time, with reads of all of them; a pass is made some times a frame."""
    p = begin(rng)
    again = p.vsync().at
    p.store(0x83, int(rng.integers(1, 8)))("INC zp", 0x81)
    loop = p.at
    if rng.random() < 0.8:
        p.store(VBLANK, 0)
    while p.left > 40:
        tia_block(p, rng)
    p("DEC zp", 0x83)("BEQ rel", p.at + 5)("JMP abs", loop)
    p.vsync()
    return end(p, again)


def objects(p, rng):
    """Give the objects random shapes and places."""
    for address in rng.permutation([*range(4, 0x12), *range(0x12, 0x15), *range(0x1B, 0x28)])[
        : int(rng.integers(3, 20))
    ]:
        p.store(int(address), any_byte(rng))


# Cycles between WSYNC and HMOVE, between HMOVE and the write, and the write: all cases that the positions know of.
HMOVES = [
    (0, 17, RESM0),
    (0, 0, RESM1),
    (75, 15, RESBL),
    (2, 15, RESBL),
    (0, 0, RESBL),
    (0, 4, RESBL),
    (0, 3, RESBL),
    *[(k, 18, HMM0) for k in (0, 4, 20, 50, 72)],
]


def hmove_block(p, rng):
    """HMOVE at any cycle, then a write some cycles later."""
    if rng.random() < 0.3:
        objects(p, rng)
    p.store(HMP0 + int(rng.integers(5)), any_byte(rng))
    wait, later, address = int(rng.integers(78)), int(rng.integers(25)), int(rng.integers(RESP0, RESBL + 1))
    if rng.random() < 0.4:
        wait, later, address = HMOVES[int(rng.integers(len(HMOVES)))]
        if rng.random() < 0.2:
            later += 1
    elif rng.random() < 0.1:
        address = int(rng.choice([NUSIZ0, HMM0, 0x28, CTRLPF]))
    if address == HMM0:
        p.store(HMM0, 0x70)
    p("LDX imm", 0x60)("STA zp", WSYNC)
    if wait > 1:
        p.wait(wait)
    p("STA zp", HMOVE)
    if later > 1:
        p.wait(later)
    p("STX zp", address)
    for k in range(int(rng.integers(12))):
        p("STA zp", WSYNC)
        if k % 4 == 1:
            p("LDA zp", int(rng.integers(8)))("ADC zp", 0x82)("STA zp", 0x82)
        if rng.random() < 0.2:  # a player's position, and a write that it swallows
            p.wait(int(rng.integers(20, 70)))("STX zp", RESP0 + int(rng.integers(2)))("STA zp", register(rng))


def hmove(rng):
    """HMOVE at any cycle of the line, followed by RESxx; the moving stars; combs."""
    return blocks(rng, hmove_block)


def vsync_block(p, rng):
    """A frame's end of some kind, or what prevents it."""
    kind = rng.random()
    objects(p, rng) if rng.random() < 0.3 else None
    if kind < 0.25:  # a pulse of any length, with any value
        p.store(VSYNC, int(rng.choice([2, 3, 0xFF, 6]))).wait(int(rng.integers(2, 90)))
        p.store(VSYNC, int(rng.choice([0, 1, 0xFD])))
    elif kind < 0.4:
        p.vsync(int(rng.integers(1, 6)))
    elif kind < 0.6:  # some lines
        p("LDX imm", int(rng.integers(1, 256)))("STA zp", WSYNC)("STX zp", 9)("DEX")("BNE rel", p.at - 5)
    elif kind < 0.75:  # silence
        p("LDX imm", int(rng.integers(1, 256)))("DEX")("BNE rel", p.at - 1)
    elif kind < 0.8:  # long silence, up to the cap of instructions
        p("LDY imm", int(rng.integers(1, 60)))("LDX imm", 0)("DEX")("BNE rel", p.at - 1)("DEY")("BNE rel", p.at - 6)
    elif kind < 0.83:  # many lines
        p("LDX imm", 0)("STA zp", WSYNC)("DEX")("BNE rel", p.at - 3)("STA zp", WSYNC)("DEX")("BNE rel", p.at - 3)
    elif kind < 0.84 and rng.random() < 0.15:
        p.byte(int(rng.choice(STOPPING)))
    else:
        p.store(VSYNC, any_byte(rng)).wait(int(rng.integers(2, 90)))


def vsync(rng):
    """Pulses of VSYNC long and short, silent loops, over-long and cut frames, stopping opcodes."""
    return blocks(rng, vsync_block)


def overshoot(rng):
    """Frames that end in the middle of the picture, with few live objects; and in the blank after HMOVE."""

    def block(p, rng):
        for address in (*range(PF0, PF0 + 3), *range(GRP0, ENABL + 1), GRP0):  # all twice: the old ones, too
            p.store(address, 0)
        for address in range(4, 0x15):
            if address < PF0 or address >= RESP0:
                p.store(address, any_byte(rng))
        p.wait(int(rng.integers(2, 12))).store(0x28, 0).store(0x29, 0)
        for live in rng.choice([PF0, PF0 + 1, PF0 + 2, GRP0, GRP1, ENAM0, ENAM0 + 1, ENABL], int(rng.integers(1, 4))):
            p.store(int(live), any_byte(rng) if rng.random() < 0.7 else 0xFF)
        if rng.random() < 0.3:
            p.store(VBLANK, int(rng.choice([0, 0, 0, 2])))
        p.store(VSYNC, 2)
        p("LDX imm", int(rng.integers(20, 200)))("STA zp", WSYNC)("DEX")("BNE rel", p.at - 3)
        p("LDA imm", 0)
        kind = rng.random()
        if kind < 0.25:
            p("STA zp", WSYNC).wait(int(rng.integers(3, 20)))("STA zp", HMOVE)
        elif kind < 0.3:
            p("STA zp", WSYNC).wait(72)("STA zp", HMOVE)
            return p("STA zp", VSYNC)
        if kind > 0.1:
            p.wait(int(rng.integers(2, 80)))
        for _ in range(int(rng.integers(3))):
            p("STA zp", 0x2D).wait(int(rng.integers(2, 9)))
        return p("STA zp", VSYNC)

    return blocks(rng, block, chance=0)
