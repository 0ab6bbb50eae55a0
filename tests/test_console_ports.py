"""Programs in RAM, on ROMs with paddles and with swapped ports: what they read of them is equal after every frame.

Which controllers there are is known by the ROM's contents, so a program cannot bring its own ROM: it is put into RAM,
and the processor is sent there, by a state of ale-py's. Pictures are not compared: restoring is not exact there.
"""

import ale_py
import numpy as np
import ours
import pytest
import wheel
from assembler import Assembler

from fastatari.console import states

ROMS = ["pong", "breakout", "kaboom", "casino", "blackjack", "backgammon", "wizard_of_wor", "surround", "seaquest"]

INPUTS = [0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x38, 0x280, 0x282]


def program(rng):
    """128 bytes of RAM with a program at $90 that reads ports at many times of a frame, with the dump on and off."""
    p = Assembler(size=128, origin=0x80, fill=0)
    p.place(0x90)("LDX imm", 0xFF)("TXS").store(0x00, 2)("STA zp", 0x02)("STA zp", 0x02).store(0x00, 0)
    dumps = [int(rng.choice([0, 0x80, 0xC2, 0x02])) for _ in range(2)]
    p.store(0x01, dumps[0])
    for k in range(3):
        address = int(rng.choice(INPUTS))
        p("LDA zp" if address < 0x100 else "LDA abs", address)("EOR zp", 0x80 + k)("STA zp", 0x80 + k)
    p("LDX imm", int(rng.integers(20, 200)))("STA zp", 0x02)
    loop = p.at - 2
    p("BIT zp", int(rng.choice(INPUTS[:4])))("BPL rel", p.at + 4)("INC zp", 0x84)("DEX")("BNE rel", loop)
    p.store(0x01, dumps[1])
    p("LDA zp", int(rng.choice(INPUTS[:6])))("STA zp", 0x85)
    p("JMP abs", 0x90)
    assert p.at < 0xFA
    return bytes(p.image)


def start(player, wheel_player, ram):
    """Send both to the program."""
    fields = states.read_state(wheel_player.ale.cloneSystemState().__getstate__())
    fields["riot"]["ram"] = list(ram)
    fields["cpu"]["pc"] = 0x90
    state = ale_py.ALEState.__new__(ale_py.ALEState)
    state.__setstate__(states.write_state(fields))
    wheel_player.ale.restoreSystemState(state)
    states.from_ale_state(player.console, fields, fields["md5"])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rom", ROMS)
def test_what_programs_read_of_the_ports(rom, seed):
    check(rom, seed, 40)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(10, 100))
@pytest.mark.parametrize("rom", ROMS)
def test_what_many_programs_read_of_the_ports(rom, seed):
    check(rom, seed, 200)


def check(rom, seed, frames):
    rng = np.random.default_rng(seed)
    reference, player = wheel.Wheel(rom, seed), ours.Direct(rom, seed)
    start(player, reference, program(rng))
    actions = wheel.held_actions(rng, reference.actions())
    seen = set()
    for frame in range(frames):
        action, strength = next(actions)
        reference.act(action, strength), player.act(action, strength)
        expected, found = reference.fields(), player.fields()
        if reference.over():
            break
        difference = wheel.first_difference(expected, found, ("screen",))
        assert difference is None, f"{rom}, seed {seed}, frame {frame}, {action=}: {difference}"
        seen.add(bytes(expected["ram"][:6]))
    if frame > 20:
        assert len(seen) > 1, "the program has read nothing"
