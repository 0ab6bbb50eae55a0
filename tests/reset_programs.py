"""Writes programs whose resets read, change and write what a test chooses. They are played as wizard_of_wor.

A reset of them plays 68 frames. The bookkeeping of wizard_of_wor looks at five bytes of RAM, among them those that end
its game.
"""

from assembler import Assembler

NAME = "wizard_of_wor.bin"
RESET_FRAMES = 68
LOOKS = (0x86, 0x88, 0x8D, 0xD7, 0xF4)

VSYNC, VBLANK, WSYNC, COLUBK, TIMER = 0x00, 0x01, 0x02, 0x09, 0x284
# Where a program leaves what it read, how many frames it has counted, and what `writes_after` says.
SUM, COUNT, LATE = 0xA0, 0xA2, 0xA4


def write(path, **settings):
    """Write a program into a folder; its path."""
    file = path / NAME
    file.write_bytes(make(**settings))
    return file


def make(
    reads=(0x90,), changes=(0x91,), writes=LOOKS, reads_timer=False, lines=250, ends_after=0, writes_after=0,
    is_black=False,
):  # fmt: skip
    """The bytes of a program.

    Args:
        reads: Addresses of RAM that it reads first.
        changes: Those that it reads and writes, by INC.
        writes: Those that it only writes.
        reads_timer: Whether it reads the timer, once.
        lines: Of a frame behind its VSYNC; less than 244 end within the picture.
        ends_after: When it has counted so many frames, the game is over; at most 255, 0 for never.
        writes_after: When it has counted so many, it writes `LATE` for the first time; likewise.
        is_black: Whether the picture is blank.
    """
    p = Assembler()("LDX imm", 0xFF)("TXS")("CLD").store(VBLANK, 2 if is_black else 0)
    for address in writes:
        p.store(address, 0x11)
    p("LDA imm", 0)("STA zp", COUNT)
    for address in reads:
        p("EOR zp", address)
    if reads_timer:
        p("EOR abs", TIMER)
    p("STA zp", SUM)
    for address in changes:
        p("INC zp", address)
    again = p.at
    p.vsync()("INC zp", COUNT)
    if ends_after:
        p("LDA zp", COUNT)("CMP imm", ends_after)("BNE rel", p.at + 10).store(0x8D, 0).store(0xF4, 0xF8)
    if writes_after:
        p("LDA zp", COUNT)("CMP imm", writes_after)("BNE rel", p.at + 4)("STA zp", LATE)
    p("LDA zp", SUM)("STA zp", COLUBK)
    for line in range(lines):
        p("STA zp", WSYNC)
        if line == 60:
            p("LDA zp", COUNT)("STA zp", COLUBK)
    return p("JMP abs", again).finish()
