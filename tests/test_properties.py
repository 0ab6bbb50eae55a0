"""What is known of the ROMs: properties and cartridges."""

import random
import re

import pytest
from ale_py.roms import get_all_rom_ids, get_rom_path

from fastatari.console import cartridges
from fastatari.console.properties import MD5_NAMES, Properties, detect_cartridge, find_properties

# Those that are not of 2K or 4K, which their size tells.
BANKED = {
    "DPC": {"pitfall2"},
    "E0": {"jamesbond", "montezuma_revenge", "tutankham"},
    "F6": {"crossbow", "double_dunk", "road_runner", "solaris"},
    "F6SC": {"darkchambers", "klax"},
    "F8SC": {"elevator_action"},
    "FE": {"robotank"},
}


def read(name):
    return get_rom_path(name).read_bytes()


def test_all_roms_of_the_wheel_are_known():
    assert len(MD5_NAMES) == 108
    assert sorted(MD5_NAMES.values()) == sorted(get_all_rom_ids())
    for name in get_all_rom_ids():
        assert find_properties(read(name)).name == name


def test_all_roms_have_the_right_cartridge():
    found = {name: detect_cartridge(read(name)) for name in get_all_rom_ids()}
    for kind, names in BANKED.items():
        assert {name for name, other in found.items() if other == kind} == names

    assert set(found.values()) == set(cartridges.TYPES)
    for kind, size in (("2K", 2048), ("4K", 4096), ("F8", 8192)):
        assert {len(read(name)) for name, other in found.items() if other == kind} == {size}


def test_properties_differ_from_the_defaults_where_they_should():
    special = {name: find_properties(read(name)) for name in get_all_rom_ids()}
    special = {name: found for name, found in special.items() if found != Properties(name=name)}

    assert {name for name, found in special.items() if found.has_paddles} == {
        *("backgammon", "blackjack", "breakout", "casino", "kaboom", "pong", "warlords")
    }
    assert {name for name, found in special.items() if found.right_paddles} == {"pong", "warlords"}
    assert {name for name, found in special.items() if found.paddles_swapped} == {"pong"}
    assert {name for name, found in special.items() if found.ports_swapped} == {"surround", "wizard_of_wor"}
    assert {name for name, found in special.items() if not found.has_combs} == {
        *("asteroids", "battle_zone", "darkchambers", "ms_pacman")
    }
    windows = {name: found[2:4] for name, found in special.items() if found[2:4] != (34, 210)}
    assert windows == {
        **{"carnival": (26, 214), "combat": (39, 256), "journey_escape": (34, 230)},
        **{"pooyan": (26, 220), "qbert": (40, 210), "up_n_down": (30, 210)},
    }
    assert {name for name, found in special.items() if found.tv_format != "AUTO"} == {"maze_craze"}
    assert {name: found.switches for name, found in special.items() if found.switches} == {"amidar": 0xC0}


def test_an_unknown_rom_has_the_defaults():
    assert find_properties(b"\xea" * 4096) == Properties() == Properties("", "AUTO", 34, 210)


@pytest.mark.parametrize("size", [0, 1, 2047, 2049, 3072, 8191, 10240, 12288, 32768])
def test_a_rom_of_another_size_is_refused(size):
    message = (
        f"a ROM of {size} bytes; those of the supported cartridges have 2048 (2K), 4096 (4K), 8192 (F8, F8SC, E0, FE), "
        "16384 (F6, F6SC), 10495 (DPC)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        detect_cartridge(bytes(size))


def bank(fill, *, hidden=None, reset=0xF100, code=b""):
    """4096 bytes: what lies behind the ports of a Super Chip, code, and the vector at the end."""
    beginning = bytes([hidden]) * 256 if hidden is not None else fill[:256]
    data = bytearray(beginning + fill[256:4096])
    data[0x200 : 0x200 + len(code)] = code
    data[0xFFC:0xFFE] = reset.to_bytes(2, "little")
    return bytes(data)


@pytest.fixture
def noise():
    """Bytes that are no accesses to absolute addresses."""
    return bytes(random.Random(0).choices([0x05, 0x18, 0xA5, 0xC8, 0xEA], k=4096))


def test_the_type_of_other_banked_roms_follows_from_how_they_work(noise):
    plain, swapped = bank(noise), bank(noise, reset=0xD100)
    e0_access, f8_access = b"\xad\xe0\x1f", b"\x2c\xf8\xff"

    assert detect_cartridge(plain + plain) == "F8"
    assert detect_cartridge(swapped + plain) == "F8"
    assert detect_cartridge(plain + swapped) == "FE"
    assert detect_cartridge(plain + bank(noise, reset=0xD100, code=f8_access)) == "F8"
    assert detect_cartridge(plain + bank(noise, code=e0_access)) == "E0"
    assert detect_cartridge(plain + bank(noise, code=e0_access + f8_access)) == "F8"
    assert detect_cartridge(bank(noise, hidden=0) + bank(noise, hidden=0xFF)) == "F8SC"
    assert detect_cartridge(bank(noise, hidden=0) + plain) == "F8"
    assert detect_cartridge(4 * plain) == "F6"
    assert detect_cartridge(4 * bank(noise, hidden=0xFF)) == "F6SC"
