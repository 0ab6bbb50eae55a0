"""A small assembler of the 6502, with all opcodes that do not stop it, for programs that tests generate."""

# The mnemonics of all opcodes, a row a high nibble. STP stops the processor.
_NAMES = """
BRK ORA STP SLO NOP ORA ASL SLO PHP ORA ASL ANC NOP ORA ASL SLO
BPL ORA STP SLO NOP ORA ASL SLO CLC ORA NOP SLO NOP ORA ASL SLO
JSR AND STP RLA BIT AND ROL RLA PLP AND ROL ANC BIT AND ROL RLA
BMI AND STP RLA NOP AND ROL RLA SEC AND NOP RLA NOP AND ROL RLA
RTI EOR STP SRE NOP EOR LSR SRE PHA EOR LSR ASR JMP EOR LSR SRE
BVC EOR STP SRE NOP EOR LSR SRE CLI EOR NOP SRE NOP EOR LSR SRE
RTS ADC STP RRA NOP ADC ROR RRA PLA ADC ROR ARR JMP ADC ROR RRA
BVS ADC STP RRA NOP ADC ROR RRA SEI ADC NOP RRA NOP ADC ROR RRA
NOP STA NOP SAX STY STA STX SAX DEY NOP TXA ANE STY STA STX SAX
BCC STA STP SHA STY STA STX SAX TYA STA TXS SHS SHY STA SHX SHA
LDY LDA LDX LAX LDY LDA LDX LAX TAY LDA TAX LXA LDY LDA LDX LAX
BCS LDA STP LAX LDY LDA LDX LAX CLV LDA TSX LAS LDY LDA LDX LAX
CPY CMP NOP DCP CPY CMP DEC DCP INY CMP DEX SBX CPY CMP DEC DCP
BNE CMP STP DCP NOP CMP DEC DCP CLD CMP NOP DCP NOP CMP DEC DCP
CPX SBC NOP ISB CPX SBC INC ISB INX SBC NOP SBC CPX SBC INC ISB
BEQ SBC STP ISB NOP SBC INC ISB SED SBC NOP ISB NOP SBC INC ISB
""".split()  # noqa: SIM905

# The addressing modes of the columns, of even rows and of odd ones; and where an opcode differs from its column.
_EVEN = "imp izx imm izx zp zp zp zp imp imm imp imm abs abs abs abs".split()  # noqa: SIM905
_ODD = "rel izy imp izy zpx zpx zpx zpx imp aby imp aby abx abx abx abx".split()  # noqa: SIM905
_OTHERS = {
    **dict.fromkeys((0x02, 0x22, 0x42, 0x62), "imp"),
    **dict.fromkeys((0x80, 0xA0, 0xC0, 0xE0), "imm"),
    **dict.fromkeys((0x96, 0x97, 0xB6, 0xB7), "zpy"),
    **dict.fromkeys((0x9E, 0x9F, 0xBE, 0xBF), "aby"),
    0x20: "abs",
    0x6C: "ind",
}
SIZES = dict.fromkeys(("imm", "zp", "zpx", "zpy", "izx", "izy", "rel"), 2)
SIZES |= {"imp": 1, "abs": 3, "abx": 3, "aby": 3, "ind": 3}

# Of each opcode: its mnemonic and its mode.
TABLE = [(name, _OTHERS.get(k, (_ODD if k & 16 else _EVEN)[k & 15])) for k, name in enumerate(_NAMES)]
STOPPING = [k for k, (name, _) in enumerate(TABLE) if name == "STP"]
# Opcodes of the same mnemonic and mode do the same; the documented one comes first, except of NOP and SBC.
OPCODES = {pair: k for k, pair in reversed(list(enumerate(TABLE)))} | {("NOP", "imp"): 0xEA, ("SBC", "imm"): 0xE9}


class Assembler:
    """Writes instructions one after another into an image that starts at `origin`.

    Args:
        size: Bytes of the image.
        origin: The address of its first byte.
        fill: The byte of what is not written to.
    """

    def __init__(self, size=4096, origin=0xF000, fill=0xEA):
        self.image = bytearray([fill]) * size
        self.origin, self.at = origin, origin

    @property
    def left(self):
        """How many bytes remain up to the last 32 of the image, which hold subroutines and vectors."""
        return self.origin + len(self.image) - 32 - self.at

    def byte(self, *values):
        """Write bytes as they are."""
        for value in values:
            self.image[self.at - self.origin] = value & 0xFF
            self.at += 1
        return self

    def __call__(self, name, operand=None):
        """Write an instruction: `p("LDA imm", 5)`; with one word, the mode is `imp`."""
        mnemonic, _, mode = name.partition(" ")
        return self.opcode(OPCODES[mnemonic, mode or "imp"], operand)

    def opcode(self, opcode, operand=None):
        """Write an instruction by its number. A branch's operand is where it goes."""
        mode = TABLE[opcode][1]
        if mode == "rel":
            operand = operand - self.at - 2
            assert -128 <= operand <= 127, f"a branch at {self.at:#x} over {operand} bytes"
        self.byte(opcode)
        if SIZES[mode] > 1:
            self.byte(operand)
        if SIZES[mode] > 2:
            self.byte(operand >> 8)
        return self

    def store(self, address, value):
        """Write a constant to an address of the zero page."""
        return self("LDA imm", value)("STA zp", address)

    def wait(self, cycles):
        """Spend exactly this many cycles, at least 2; all registers stay."""
        assert cycles >= 2, f"cannot wait for {cycles} cycles"
        if cycles % 2:
            self("NOP zp", 0x80)
            cycles -= 3
        for _ in range(cycles // 2):
            self("NOP")
        return self

    def vsync(self, lines=3):
        """Write a pulse of VSYNC that ends a frame."""
        self.store(0x00, 2)
        for _ in range(lines):
            self("STA zp", 0x02)
        return self.store(0x00, 0)

    def place(self, address):
        """Go on writing at an address."""
        self.at = address
        return self

    def finish(self, start=None, interrupt=None):
        """Write the vectors; return the image."""
        start = self.origin if start is None else start
        self.place(self.origin + len(self.image) - 4)
        self.byte(start, start >> 8)
        interrupt = start if interrupt is None else interrupt
        self.byte(interrupt, interrupt >> 8)
        return bytes(self.image)
