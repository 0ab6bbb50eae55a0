"""A program that loads damaged states: each is an error that changes nothing, or it is played on.

``damage.py extremes SEED`` gives each number of a state extreme values; ``damage.py random NUMBER SEED`` does anything.
"""

import json
import struct
import sys
import zlib

import numpy as np
from engines import make_engine, make_out, reset

from fastatari.checkpoint import pack, unpack
from fastatari.engine.clones import KIND

EXTREMES = [
    *(sign * 2**bits + more for bits in (0, 7, 31, 32, 62, 63, 64, 128) for sign in (1, -1)
      for more in (-1, 0, 1)),
    10**400, True, False, None, 0.0, 1.0, 1e308, "", "0", [], [0], {},
]  # fmt: skip
NAMES = [
    "sb3 cleared",
    "envpool",
    "gymnasium",
    "sticky",
    "cut frames",
    "partial frames",
    "ram of five",
    "dpc",
    "super chip of 16K",
]


class Victim:
    """An engine, a state of it, and what is done to copies of that."""

    def __init__(self, name, rng):
        self.engine = make_engine(name, 2)
        reset(self.engine)
        for _ in range(int(rng.integers(60))):
            self.play()
        if rng.random() < 0.3:
            self.engine.send(np.array([0]), np.array([0]))
        self.state = self.engine.save(0)
        self.num_loaded = self.num_refused = 0

    def play(self):
        """Play a step of all environments."""
        engine = self.engine
        engine.recv(int(engine.is_pending.sum()))
        waiting = np.flatnonzero(engine.needs_reset)
        engine.reset(waiting, [None] * len(waiting))
        engine.step(None, np.array([1, 2]), None, make_out(engine, 2))

    def load(self, state, steps=20):
        """Load a state; return the error, if there is one."""
        engine = self.engine
        before = engine.save(0)
        try:
            engine.load(0, state)
        except ValueError as error:
            assert engine.save(0) == before, "a state that was refused changed something"
            self.num_refused += 1
            return str(error)
        self.num_loaded += 1
        engine.read(np.array([0]), make_out(engine, 1))
        engine.read_final(np.array([0]), make_out(engine, 1)) if engine.results.row("has_final")[0] else None
        again = engine.save(0)
        engine.load(0, again)
        assert engine.save(0) == again
        for step in range(steps):
            self.play()
            if step == steps // 2:
                engine.reset(np.array([0]), [None])
            engine.render(0, bool(step % 2))
            engine.save(0)
        engine.load(0, self.state)
        return None


def list_places(values):
    """Return where the values of a state are: the names and indices that lead to each."""
    places = []
    for name, value in values.items():
        if isinstance(value, dict):
            places += [(name, key) for key in value]
        elif isinstance(value, list):
            places += [(name, index) for index in range(len(value))]
        else:
            places.append((name,))
    return places


# What else an error can be of, because of a value that is allowed by itself.
OTHERS = {
    "noop_draws": "noop_words",  # those are not looked at where numpy's generator draws
    "has_begun": "picture_",  # without a beginning there are none
    "pair_has_start": "p",  # there is a picture or a machine
    "bit_generator": "",  # another has other values
}


def try_extremes(rng):
    """Give each value of a state extreme values."""
    victim = Victim(str(rng.choice(["sb3 cleared", "envpool"])), rng)
    refused = set()
    places = list_places(unpack(victim.state, KIND)[0])
    for place in places:
        name = next(part for part in place[::-1] if isinstance(part, str))
        for extreme in EXTREMES:
            values, arrays = unpack(victim.state, KIND)
            inner = values[place[0]] if len(place) > 1 else values
            inner[place[-1]] = extreme
            try:
                state = pack(KIND, values, arrays)
            except ValueError:  # an integer that cannot even be written
                continue
            error = victim.load(state, 4)
            if error is not None:
                refused.add(place)
                allowed = f"`{name}`", f"`{OTHERS.get(name, name)}", "of version"
                assert any(text in error for text in allowed), (place, extreme, error)
    assert refused == set(places)


def damage_bytes(state, rng):
    """Flip bits, cut, and insert; the checksum is wrong then, or made right again."""
    data = bytearray(state)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(data)))
        kind = rng.integers(4)
        if kind < 2:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del data[place : place + int(rng.integers(1, 100))]
        else:
            data[place:place] = rng.bytes(int(rng.integers(1, 100)))
    if rng.random() < 0.7 and len(data) >= 32:
        data[16:24] = struct.pack("<Q", len(data))
        data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
    return bytes(data)


def damage_parts(state, rng):
    """Change numbers in arrays, mostly the console's, or exchange whole arrays, with a right checksum."""
    values, arrays = unpack(state, KIND)
    arrays = {name: array.copy() for name, array in arrays.items()}
    names = [name for name in arrays if arrays[name].size]
    for _ in range(int(rng.integers(1, 4))):
        name = "console" if rng.random() < 0.6 else str(rng.choice(names))
        array, kind = arrays[name], rng.integers(4)
        # Behind the console's header and generators there is little that is not checked.
        place = int(rng.integers(len(array))) if rng.random() < 0.5 else int(rng.integers(min(len(array), 1500)))
        if kind == 0:
            array[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            array[place] = rng.choice([0, 1, 2, 127, 128, 255])
        elif kind == 2:
            place -= place % 4
            array[place : place + 4] = np.frombuffer(struct.pack("<i", int(rng.choice(WORDS))), np.uint8)[
                : len(array) - place
            ]
        else:
            array[place : place + 16] = rng.integers(256, size=len(array[place : place + 16]))
    for name in values:
        if rng.random() < 0.05 and type(values[name]) is int and name != "version":
            values[name] = int(rng.choice([0, 1, 2, 5, 2**31, 2**61, -1]))
    return pack(KIND, values, arrays)


WORDS = [-(2**31), -(2**31) + 1, -1000, -1, 0, 1, 1000, 2**20, 2**31 - 1]


def damage_header(state, rng):
    """Change the JSON of the header."""
    size = struct.unpack_from("<Q", state, 24)[0]
    header, body = json.loads(state[32 : 32 + size]), state[32 + size :]
    kind = rng.integers(4)
    if kind == 0:
        description = header["arrays"][rng.integers(len(header["arrays"]))]
        description[int(rng.integers(3))] = [
            ["x"],
            "planes",
            "uint8",
            "int64",
            "bool",
            [1],
            [0],
            [-1],
            [2**40, 2**40],
            None,
        ][rng.integers(10)]
    elif kind == 1:
        name = str(rng.choice(list(header["values"])))
        header["values"][name] = [None, [], {}, "a", 1.5, -1, 2**70][rng.integers(7)]
    elif kind == 2:
        rng.shuffle(header["arrays"])
    else:
        header[str(rng.choice(list(header)))] = [None, [], {}, "a", 3][rng.integers(5)]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    sizes = struct.pack("<QQ", 32 + len(text) + len(body), len(text))
    return state[:12] + struct.pack("<I", zlib.crc32(sizes + text + body)) + sizes + text + body


def try_random(number, rng):
    """Do anything to states."""
    ways = [damage_bytes, damage_parts, damage_parts, damage_parts, damage_header]
    loaded = refused = 0
    while loaded + refused < number:
        victim = Victim(str(rng.choice(NAMES)), rng)
        for _ in range(min(60, number)):
            victim.load(ways[rng.integers(len(ways))](victim.state, rng))
        loaded += victim.num_loaded
        refused += victim.num_refused
    assert loaded > number // 20
    assert refused > number // 20
    sys.stdout.write(f"{loaded} loaded, {refused} refused\n")


def main():
    rng = np.random.default_rng(int(sys.argv[-1]))
    if sys.argv[1] == "extremes":
        try_extremes(rng)
    else:
        try_random(int(sys.argv[2]), rng)


if __name__ == "__main__":
    main()
