"""The table of opcodes: mnemonic, addressing mode and base cycles of each of the 256."""

from typing import NamedTuple

# Sixteen opcodes a row. STP stops the processor.
_TABLE = """
BRK.imp ORA.izx STP.imp SLO.izx NOP.zp  ORA.zp  ASL.zp  SLO.zp  PHP.imp ORA.imm ASL.acc ANC.imm NOP.abs ORA.abs ASL.abs SLO.abs
BPL.rel ORA.izy STP.imp SLO.izy NOP.zpx ORA.zpx ASL.zpx SLO.zpx CLC.imp ORA.aby NOP.imp SLO.aby NOP.abx ORA.abx ASL.abx SLO.abx
JSR.sub AND.izx STP.imp RLA.izx BIT.zp  AND.zp  ROL.zp  RLA.zp  PLP.imp AND.imm ROL.acc ANC.imm BIT.abs AND.abs ROL.abs RLA.abs
BMI.rel AND.izy STP.imp RLA.izy NOP.zpx AND.zpx ROL.zpx RLA.zpx SEC.imp AND.aby NOP.imp RLA.aby NOP.abx AND.abx ROL.abx RLA.abx
RTI.imp EOR.izx STP.imp SRE.izx NOP.zp  EOR.zp  LSR.zp  SRE.zp  PHA.imp EOR.imm LSR.acc ASR.imm JMP.jmp EOR.abs LSR.abs SRE.abs
BVC.rel EOR.izy STP.imp SRE.izy NOP.zpx EOR.zpx LSR.zpx SRE.zpx CLI.imp EOR.aby NOP.imp SRE.aby NOP.abx EOR.abx LSR.abx SRE.abx
RTS.imp ADC.izx STP.imp RRA.izx NOP.zp  ADC.zp  ROR.zp  RRA.zp  PLA.imp ADC.imm ROR.acc ARR.imm JMP.ind ADC.abs ROR.abs RRA.abs
BVS.rel ADC.izy STP.imp RRA.izy NOP.zpx ADC.zpx ROR.zpx RRA.zpx SEI.imp ADC.aby NOP.imp RRA.aby NOP.abx ADC.abx ROR.abx RRA.abx
NOP.imm STA.izx NOP.imm SAX.izx STY.zp  STA.zp  STX.zp  SAX.zp  DEY.imp NOP.imm TXA.imp ANE.imm STY.abs STA.abs STX.abs SAX.abs
BCC.rel STA.izy STP.imp SHA.izy STY.zpx STA.zpx STX.zpy SAX.zpy TYA.imp STA.aby TXS.imp SHS.aby SHY.abx STA.abx SHX.aby SHA.aby
LDY.imm LDA.izx LDX.imm LAX.izx LDY.zp  LDA.zp  LDX.zp  LAX.zp  TAY.imp LDA.imm TAX.imp LXA.imm LDY.abs LDA.abs LDX.abs LAX.abs
BCS.rel LDA.izy STP.imp LAX.izy LDY.zpx LDA.zpx LDX.zpy LAX.zpy CLV.imp LDA.aby TSX.imp LAS.aby LDY.abx LDA.abx LDX.aby LAX.aby
CPY.imm CMP.izx NOP.imm DCP.izx CPY.zp  CMP.zp  DEC.zp  DCP.zp  INY.imp CMP.imm DEX.imp SBX.imm CPY.abs CMP.abs DEC.abs DCP.abs
BNE.rel CMP.izy STP.imp DCP.izy NOP.zpx CMP.zpx DEC.zpx DCP.zpx CLD.imp CMP.aby NOP.imp DCP.aby NOP.abx CMP.abx DEC.abx DCP.abx
CPX.imm SBC.izx NOP.imm ISB.izx CPX.zp  SBC.zp  INC.zp  ISB.zp  INX.imp SBC.imm NOP.imp SBC.imm CPX.abs SBC.abs INC.abs ISB.abs
BEQ.rel SBC.izy STP.imp ISB.izy NOP.zpx SBC.zpx INC.zpx ISB.zpx SED.imp SBC.aby NOP.imp ISB.aby NOP.abx SBC.abx INC.abx ISB.abx
"""

# Of LAX zp, $A7, 4 is one more than on hardware.
_CYCLES = """
7 6 2 8 3 3 5 5 3 2 2 2 4 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
6 6 2 8 3 3 5 5 4 2 2 2 4 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
6 6 2 8 3 3 5 5 3 2 2 2 3 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
6 6 2 8 3 3 5 5 4 2 2 2 5 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
2 6 2 6 3 3 3 3 2 2 2 2 4 4 4 4
2 6 2 6 4 4 4 4 2 5 2 5 5 5 5 5
2 6 2 6 3 3 3 4 2 2 2 2 4 4 4 4
2 5 2 5 4 4 4 4 2 4 2 4 4 4 4 4
2 6 2 8 3 3 5 5 2 2 2 2 4 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
2 6 2 8 3 3 5 5 2 2 2 2 4 4 6 6
2 5 2 8 4 4 6 6 2 4 2 7 4 4 7 7
"""

# How many bytes an instruction has in each addressing mode. JSR has one of its own, because it pushes before it has
# read all of its operand.
LENGTHS = {
    "imp": 1, "acc": 1, "imm": 2, "zp": 2, "zpx": 2, "zpy": 2, "izx": 2, "izy": 2, "rel": 2,
    "abs": 3, "abx": 3, "aby": 3, "jmp": 3, "ind": 3, "sub": 3,
}  # fmt: skip

# What the makers of the processor did not document.
UNDOCUMENTED = (
    "SLO", "RLA", "SRE", "RRA", "SAX", "LAX", "DCP", "ISB", "ANC", "ASR", "ARR", "ANE", "LXA", "SBX", "LAS",
    "SHA", "SHX", "SHY", "SHS",
)  # fmt: skip

STORES = ("STA", "STX", "STY", "SAX", "SHA", "SHX", "SHY", "SHS")
MODIFIERS = ("ASL", "LSR", "ROL", "ROR", "INC", "DEC", "SLO", "RLA", "SRE", "RRA", "DCP", "ISB")


class Opcode(NamedTuple):
    """A row of the table.

    Attributes:
        mnemonic (str): the instruction; as in `instructions`.
        mode (str): the addressing mode, a key of `LENGTHS`.
        cycles (int): without what crossed pages, taken branches and WSYNC add.
    """

    mnemonic: str
    mode: str
    cycles: int

    @property
    def length(self) -> int:
        """How many bytes the instruction has."""
        return LENGTHS[self.mode]

    @property
    def access(self) -> str:
        """What it does to memory, where its mode has an address: "read", "write" or "modify"."""
        return "write" if self.mnemonic in STORES else "modify" if self.mnemonic in MODIFIERS else "read"


def _read() -> tuple[Opcode, ...]:
    names = [entry.split(".") for entry in _TABLE.split()]
    cycles = map(int, _CYCLES.split())
    return tuple(Opcode(mnemonic, mode, count) for (mnemonic, mode), count in zip(names, cycles, strict=True))


OPCODES = _read()
