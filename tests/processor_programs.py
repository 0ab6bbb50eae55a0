"""Generates programs of 4096 bytes that look for differences between two processors.

Each family is a function that writes one pass of its instructions; most are built alike: random blocks, and pulses of
VSYNC now and then. A program depends on its family and seed only. What a program learns (collisions, timers, flags) it
leaves in RAM, where it is compared. These are the families of the processor; `tia_programs` has those of the TIA.
"""

from assembler import STOPPING, TABLE, Assembler

VSYNC, VBLANK, WSYNC, NUSIZ0, CTRLPF, RESP0, RESM0, RESM1, RESBL = 0x00, 0x01, 0x02, 0x04, 0x0A, 0x10, 0x12, 0x13, 0x14
PF0, GRP0, GRP1, ENAM0, ENABL, HMP0, HMM0, HMOVE, CXCLR = 0x0D, 0x1B, 0x1C, 0x1D, 0x1F, 0x20, 0x22, 0x2A, 0x2C
SUBROUTINE, RETURN = 0xFFE0, 0xFFE8  # an RTS and an RTI

# Opcodes that go on at the next instruction and leave the stack pointer alone.
STRAIGHT = [
    k
    for k, (name, mode) in enumerate(TABLE)
    if mode not in ("rel", "ind")
    and name not in ("STP", "BRK", "JSR", "RTS", "RTI", "JMP", "TXS", "SHS", "LAS", "PHA", "PHP", "PLA", "PLP")
]
STORES = ["STA zp", "STX zp", "STY zp", "SAX zp"]
BRANCHES = [name for name, mode in TABLE if mode == "rel"]


def any_byte(rng):
    """A byte, often one with few or many bits."""
    return (
        int(rng.choice([0, 1, 2, 0x0F, 0x10, 0x7F, 0x80, 0xF0, 0xFF])) if rng.random() < 0.3 else int(rng.integers(256))
    )


def any_address(rng):
    """An address of RAM, TIA, RIOT or ROM, in one of their mirrors."""
    kind = rng.random()
    if kind < 0.4:
        return int(0x80 + rng.integers(128) + rng.choice([0, 0x100, 0x400, 0x500, 0x2000, 0xC800]))
    if kind < 0.6:
        return int(0x280 + rng.integers(128))
    if kind < 0.75:
        return int(rng.integers(128) + rng.choice([0, 0x100, 0x200, 0x300, 0x4000]))
    return int(0xF000 + rng.integers(4096) if rng.random() < 0.8 else rng.integers(65536))


def any_operand(rng, opcode):
    """An operand for an opcode; in the zero page mostly RAM."""
    name, mode = TABLE[opcode]
    if mode == "imp":
        return None
    if mode == "imm":
        return any_byte(rng)
    if mode in ("abs", "abx", "aby"):
        address = any_address(rng)
        # A store to VSYNC is left to those who mean it.
        return address if (address & 0x10BF) or name in ("LDA", "LDX", "LDY", "NOP") else address | 0x80
    return int(0x80 + rng.integers(128) if rng.random() < 0.85 else rng.integers(3, 256))


def straight(p, rng, count):
    """Write random instructions of all kinds that go on at the next one."""
    for _ in range(count):
        opcode = int(rng.choice(STRAIGHT))
        p.opcode(opcode, any_operand(rng, opcode))


def begin(rng):
    """A program's start: stack, flags, registers."""
    p = Assembler()
    p("LDX imm", 0xFF)("TXS")("CLD" if rng.random() < 0.5 else "SED")
    return p("LDA imm", any_byte(rng))("LDX imm", any_byte(rng))("LDY imm", any_byte(rng))


def end(p, again):
    """A program's end: go on at `again`; a subroutine, an interrupt and the vectors."""
    p("JMP abs", again)
    p.place(SUBROUTINE)("INC zp", 0x90)("RTS")
    p.place(RETURN)("RTI")
    return p.finish(interrupt=RETURN)


def blocks(rng, block, chance=0.03, until=0xFFC0):
    """A program that calls `block(p, rng)` for as long as its code ends before an address, in an endless loop.

    Half of the programs have pulses of VSYNC between the blocks, at `chance`; the others only after some passes.
    """
    p = begin(rng)
    start = p.at
    passes = int(rng.integers(1, 9))
    p.store(0x8F, passes)
    again = p.at
    if rng.random() < 0.7:
        p.store(VBLANK, 0)
    image = p.image + bytes(2048)
    fits = p.at
    while p.at < until:
        fits, p.image = p.at, image
        if passes % 2 and rng.random() < chance:
            p.vsync()
        block(p, rng)
    p.image = image[:4096]
    p.place(fits)("DEC zp", 0x8F)("BEQ rel", p.at + 7)("JMP abs", again).vsync()
    return end(p, start)


def cpu(rng):
    """All opcodes and addressing forms, decimal mode, page crossings, branches, calls, interrupts."""

    def block(p, rng):
        kind = rng.random()
        if kind < 0.7:
            straight(p, rng, int(rng.integers(1, 8)))
        elif kind < 0.85:  # a branch over an instruction or two
            at = p.at
            p(f"{rng.choice(BRANCHES)} rel", at + 2)
            straight(p, rng, int(rng.integers(1, 6)))
            p.image[at + 1 - p.origin] = p.at - at - 2
        elif kind < 0.88:
            p("JSR abs", SUBROUTINE)
        elif kind < 0.91:
            p("BRK").byte(any_byte(rng))
        elif kind < 0.94:
            p(f"{rng.choice(['PHA', 'PHP'])}")
            straight(p, rng, 2)
            p(f"{rng.choice(['PLA', 'PLP'])}")
        elif kind < 0.96 and p.at & 0xFF != 0xFC:
            p("JMP ind", p.at + 3).byte(p.at + 2, (p.at + 2) >> 8)
        elif kind < 0.98:
            p("TSX")("STX zp", 0x80 + int(rng.integers(128)))
        else:  # a backward branch
            p("LDX imm", int(rng.integers(1, 40)))("DEX")("BNE rel", p.at - 1)

    return blocks(rng, block)


def wild(rng):
    """Random bytes; half of the programs have no opcode that stops the processor."""
    allowed = [k for k in range(256) if k not in STOPPING] if rng.random() < 0.8 else range(256)
    image = bytearray(map(int, rng.choice(list(allowed), 4096)))
    image[-3], image[-1] = 0xF0 | image[-3], 0xF0 | image[-1]
    return bytes(image)


def register(rng):
    """A register of the TIA to write to, but for VSYNC, VBLANK and WSYNC."""
    return int(rng.integers(4, 0x2D) if rng.random() < 0.97 else rng.integers(3, 0x40))


def tia_block(p, rng):  # noqa: PLR0912 - a list of cases
    """A few random things to the TIA and the timer."""
    kind = rng.random()
    if kind < 0.45:
        p("LDA imm", any_byte(rng))
        if rng.random() < 0.5:
            p("EOR zp", 0x81)
        p("STA zp", register(rng))
    elif kind < 0.6:
        p(str(rng.choice(STORES)), register(rng))
    elif kind < 0.65:
        p("LDX imm", register(rng))("STA zpx", 0)
    elif kind < 0.68:
        p(str(rng.choice(["INC zp", "ASL zp", "SLO zp", "ISB zp", "ROR zp", "DCP zp"])), register(rng))
    elif kind < 0.72:
        p("STA abs", register(rng) + int(rng.choice([0x40, 0x100, 0x200, 0x340])))
    elif kind < 0.82:
        p("LDA zp", int(rng.integers(16)))("EOR zp", 0x84)("STA zp", 0x84)("ROL zp", 0x85)
    elif kind < 0.85:
        p("LDA abs", int(rng.integers(16)) + int(rng.choice([0x3000, 0x100, 0x2400])))("STA zp", 0x86)
    elif kind < 0.93:
        p.wait(int(rng.integers(2, 40)))
    elif kind < 0.97:
        p("STA zp", WSYNC)
    elif kind < 0.98:
        p("INC zp", 0x81)
    elif kind < 0.99:
        timer_block(p, rng)
    else:
        p.store(VBLANK, any_byte(rng))
        if rng.random() < 0.8:
            p.wait(int(rng.integers(2, 80))).store(VBLANK, 0)


def timer_block(p, rng):
    """Set a timer, wait, read it and its flag."""
    if rng.random() < 0.5:
        p("LDA imm", int(rng.integers(1, 20) if rng.random() < 0.7 else rng.integers(256)))
        p("STA abs", int(rng.integers(0x294, 0x298)) + int(rng.choice([0, 8, 0x100])))
    if rng.random() < 0.4:
        p("LDX imm", int(rng.integers(1, 256)))("DEX")("BNE rel", p.at - 1)
    elif rng.random() < 0.7:
        p.wait(int(rng.integers(2, 30)))
    for _ in range(int(rng.integers(1, 4))):
        p("LDA abs", int(rng.integers(0x284, 0x288)))("ADC zp", 0x88)("STA zp", 0x88)("ROL zp", 0x89)


def riot(rng):
    """Timers, ports and their directions, read and written in all mirrors."""

    def block(p, rng):
        if rng.random() < 0.8:
            return timer_block(p, rng)
        address = int(rng.integers(0x280, 0x300))
        return p("LDA abs", address)("EOR zp", 0x8A)("STA zp", 0x8A)("STA abs", int(rng.integers(0x280, 0x300)))

    return blocks(rng, block)


def ports(rng):
    """Sticks, buttons, switches and the paddles' inputs, read all the time, with the dump on and off."""

    def block(p, rng):
        p("LDA abs", int(rng.choice([0x280, 0x281, 0x282, 0x283, 8, 9, 10, 11, 12, 13, 14])))
        p("EOR zp", 0x80 + int(rng.integers(16)))("STA zp", 0x80 + int(rng.integers(16)))
        if rng.random() < 0.1:
            p.store(VBLANK, int(rng.choice([0, 0x80, 0xC0, 0x42])))
        if rng.random() < 0.1:
            p("LDX imm", int(rng.integers(1, 256)))("DEX")("BNE rel", p.at - 1)

    return blocks(rng, block)


def stack(rng):
    """A stack pointer anywhere, also in the TIA's space: pushes that write registers, pulls that read them."""

    def block(p, rng):
        kind = rng.random()
        if kind < 0.25:
            p("LDX imm", int(rng.integers(0x40) if rng.random() < 0.7 else rng.integers(256)))("TXS")
        elif kind < 0.5:
            p(str(rng.choice(["PHA", "PHP", "PLA", "PLP", "PHA"])))
        elif kind < 0.65:  # a call that goes on behind itself; some write WSYNC
            if rng.random() < 0.4:
                p("LDX imm", int(rng.choice([2, 3, 4, 0x0F])))("TXS")
            p("JSR abs", p.at + 3)
        elif kind < 0.7:
            p("LDX imm", int(rng.choice([3, 4, 0xFF])))("TXS")
            at = p.at  # an interrupt: its return is a jump, as the stack may not hold anything
            p("LDA imm", 0)("STA zp", 0xF1)("LDA imm", 0)("STA zp", 0xF2)("BRK").byte(0)
            p.image[at + 1 - p.origin], p.image[at + 5 - p.origin] = p.at & 0xFF, p.at >> 8
        elif kind < 0.73:
            p("LAS aby", any_address(rng))
        elif kind < 0.76:
            p("SHS aby", any_address(rng) | 0x80)
        elif kind < 0.8:
            p("TSX")("STX zp", 0x8B)
        elif kind < 0.9:
            straight(p, rng, 2)
        else:
            tia_block(p, rng)

    image = bytearray(blocks(rng, block))
    image[RETURN - 0xF000 : RETURN - 0xF000 + 3] = Assembler()("JMP ind", 0xF1).image[:3]
    return bytes(image)


def pointers(rng):
    """Pointers at $FF, whose high byte is a register of the TIA; JMP through $xxFF."""

    def block(p, rng):
        kind = rng.random()
        name = rng.choice(["LDA", "STA", "ADC", "LAX", "SLO", "ISB", "CMP"])
        if kind < 0.35:
            x = int(rng.integers(256))
            p.store(0xFF, any_byte(rng))("LDX imm", x)(f"{name} izx", 0xFF - x)("STA zp", 0x90)
        elif kind < 0.7:
            p.store(0xFF, any_byte(rng))("LDY imm", any_byte(rng))(f"{name} izy", 0xFF)("EOR zp", 0x91)("STA zp", 0x91)
        elif kind < 0.75:
            p("JSR abs", 0xFDF0)
        elif kind < 0.76:  # the high byte is a register of the TIA: on somewhere in ROM, maybe inside an instruction
            p.store(0xFF, int(rng.integers(0x10, 0x1D)))("JMP ind", 0x00FF)
        else:
            tia_block(p, rng)

    image = bytearray(blocks(rng, block, until=0xFBE0))
    jump = Assembler().place(0xFDF0)("JMP ind", 0xFCFF)
    # The byte after $FCFF would be the high byte of a processor without the fault; $FC00 is.
    jump.place(0xFCFF).byte(SUBROUTINE, 0xFE).place(0xFC00).byte(SUBROUTINE >> 8).place(0xFEE0)("JMP abs", 0xF000)
    for address in (*range(0xFDF0, 0xFDF3), 0xFC00, 0xFCFF, 0xFD00, *range(0xFEE0, 0xFEE3)):
        image[address - 0xF000] = jump.image[address - 0xF000]
    return bytes(image)


def ram_code(rng):
    """Programs in RAM that change themselves, and instructions fetched from the TIA's space."""
    p = begin(rng)
    again = p.at
    code = Assembler(size=0x60, origin=0x80)
    while code.at < 0xB0:
        if rng.random() < 0.6:
            straight(code, rng, 1)
        else:
            code("STA zp", register(rng))
    code("INC zp", 0x80 + int(rng.integers(0x30)))("LDA imm", 2)("STA zp", VSYNC)("STA zp", WSYNC)("STA zp", WSYNC)
    if rng.random() < 0.6:
        code("STA zp", WSYNC)("LDA imm", 0)("STA zp", VSYNC)
    code("JMP abs", again)
    copied = 0xFE00
    p("LDX imm", 0xFF)("TXS")("LDX imm", len(code.image) - 1)
    p("LDA abx", copied)("STA zpx", 0x80)("DEX")("BPL rel", p.at - 6)
    for _ in range(int(rng.integers(1, 8))):
        tia_block(p, rng)
    p("INC zp", 0xF0)("LDX zp", 0xF0)("LDY imm", any_byte(rng))
    if rng.random() < 0.5:
        p("JMP abs", 0x80 + int(rng.choice([0, 0, 0x100, 0x2000])))
    else:  # opcodes are what the registers read as, up to address $7F; RAM follows
        p("JMP abs", int(rng.integers(0x80)) + int(rng.choice([0, 0x100, 0x2400, 0x4800, 0x6D00])))
    p.place(copied).byte(*code.image)
    p.place(RETURN)("INC zp", 0xF1)("JMP abs", again)
    return p.finish(interrupt=RETURN)


def decimal(rng):
    """ADC, SBC, RRA, ISB, ARR in decimal mode (and a few in binary mode): all operands, hashed in RAM."""
    p = Assembler()
    p("LDX imm", 0xFF)("TXS")("SED" if rng.random() < 0.9 else "CLD")
    p.store(0x80, int(rng.integers(256))).store(0x81, int(rng.integers(256)))
    again = p.at
    for name in ("ADC zp", "SBC zp", "RRA zp", "ISB zp"):
        for carry in ("CLC", "SEC"):
            p("LDA zp", 0x81)("STA zp", 0x82)("LDA zp", 0x80)(carry)(name, 0x82)
            p("PHP")("EOR zp", 0x84)("STA zp", 0x84)("PLA")("EOR zp", 0x85)("ROL")("STA zp", 0x85)("ROL zp", 0x84)
    # ARR's operand is immediate: all of them, one after another.
    for operand in map(int, rng.integers(0, 256, 24)):
        p("LDA zp", 0x80)("ARR imm", operand)("PHP")("EOR zp", 0x86)("STA zp", 0x86)("PLA")("EOR zp", 0x87)("ROL")(
            "STA zp", 0x87
        )
    p("INC zp", 0x81)("BNE rel", p.at + 4)("INC zp", 0x80)
    if rng.random() < 0.5:
        p("STA zp", 0x2D)  # else frames end at the cap of instructions only
    p("JMP abs", again)
    return p.finish()
