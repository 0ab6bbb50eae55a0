"""The games' bookkeeping against a slow twin and against ale-py, and what a player can choose against ale-py."""

import ctypes
import inspect
import json
import random
import re
import struct
import traceback
from pathlib import Path

import ale_py
import numpy as np
import pytest
from ale_py.roms import get_rom_path

from fastatari.compiler import Module, native
from fastatari.console import games
from fastatari.console.games import bookkeeping, facts, words
from fastatari.console.state import Console

ENTRIES = json.loads((Path(games.__file__).parent / "games.json").read_text())
NAMES = sorted(ENTRIES)
RULES = games.FRAME_RULES
DECODES = {
    "bcd": lambda b: 10 * (b >> 4) + (b & 15),
    "byte": lambda b: b,
    "lo": lambda b: b & 15,
    "hi": lambda b: b >> 4,
    "lo_blank": lambda b: 0 if b & 15 == 10 else b & 15,
    "hi_blank": lambda b: 0 if b >> 4 == 10 else b >> 4,
    "alien": lambda b: 0 if b == 128 else b >> 3,
    "river": lambda b: b // 8 if b in range(0, 80, 8) else 0,
    "boxing": lambda b: 100 if b == 0xC0 else 10 * (b >> 4) + (b & 15),
}
HELPERS = {
    "s8": lambda x: (x & 255) - 256 * (x >> 7 & 1),
    "count": lambda ram, first, last, *values: sum(b in values for b in ram[first : last + 1]),
    "same": lambda ram, first, n: int(len(set(ram[first : first + n])) == 1),
    "positives": lambda ram, first, last: sum(b for b in ram[first : last + 1] if b < 128),
    "negatives": lambda ram, first, last: sum(256 - b for b in ram[first : last + 1] if b >= 128),
}
TRUE, FALSE = 0xFAB1FAB2, 0xBAD1BAD2


class Twin:
    """A game's bookkeeping as `games.json` says it: the expressions are evaluated one by one, over a dictionary."""

    def __init__(self, name):
        self.entry = entry = ENTRIES[name]
        steps = list(entry.get("before", []))
        if "score" in entry:
            steps += [("total", None), ("score", "total")]
        if "score_is" in entry:
            steps += [("score", entry["score_is"])]
        steps += [(key, entry[key]) for key in ("end", "lives") if key in entry]
        steps += [("reward", entry.get("reward", "score - last")), *entry.get("after", [])]
        if "score" in entry or "score_is" in entry:
            steps += [("last", entry.get("last", "score"))]
        self.steps = [(name, text and compile(text, name, "eval")) for name, text in steps]
        self.over_rule = compile(entry.get("over", "end"), "over", "eval")
        self.lives_rule = compile(entry.get("lives_shown", "0 if over else lives"), "lives", "eval")
        self.scope = {**DECODES, **HELPERS}
        self.values = {}

    def reset(self, mode):
        kept = {name: self.values.get(name, 0) for name in self.entry.get("kept_over_reset", [])}
        names = {"reward", "end", "last", "lives", *(s.split()[1] for s in self.entry["saved"].split(", "))}
        self.values = dict.fromkeys(names, 0) | self.entry.get("init", {}) | kept
        for name, text in self.entry.get("from_mode", []):
            self.values[name] = int(eval(text, {"m": mode}, self.values))

    def frame(self, ram):
        self.values["ram"] = ram
        for name, code in self.steps:
            if code is None:
                terms = self.entry["score"]
                self.values[name] = sum(weight * DECODES[decode](ram[a]) for decode, a, weight in terms)
            else:
                self.values[name] = int(eval(code, self.scope, self.values))

    def shown(self):
        over = int(eval(self.over_rule, self.scope, self.values))
        lives = int(eval(self.lives_rule, self.scope, self.values | {"over": over}))
        return self.values["reward"], over, lives


def make_console(name, mode=0):
    c = Console()
    c.game = NAMES.index(name)
    c.mode = mode
    return c


def put_ram(c, ram):
    c.ram[:] = ram[:128]
    c.cartridge_ram[:] = ram[128:]


def values_of(name, c):
    """The variables of a console's bookkeeping, as ale-py saves them."""
    values = {"reward": c.reward, **dict(zip(games.VARIABLES[name], c.variables, strict=False))}
    return {variable: values[variable] for _, variable in games.SAVED[name]}


class RamWalk:
    """RAM contents that exercise a game's rules: the bytes that they look at, and values that they compare with."""

    def __init__(self, name, seed):
        self.random = random.Random(f"{name} {seed}")
        text = json.dumps(ENTRIES[name])
        self.pairs = [(int(a, 16), int(v, 0)) for a, v in re.findall(r"ram\[(0x\w+)\][^=!<>m]*?==? (\w+)\b", text)
                      if v[0].isdigit()]  # fmt: skip
        spans = re.findall(r"\(ram, (0x\w+), (\w+)", text)
        self.spans = [range(int(a, 16), 1 + int(b, 0) if b.startswith("0x") else int(a, 16) + int(b)) for a, b in spans]
        self.terms = ENTRIES[name].get("score", [])
        digits = [a for _, a, _ in self.terms]
        self.numbers = [
            int(v) for v in re.findall(r"\b\d{3,}\b", ENTRIES[name]["end"] + ENTRIES[name].get("score_is", ""))
        ]
        self.addresses = sorted({int(a, 16) for a in re.findall(r"ram\[(0x\w+)\]", text)} | set(digits)) or [0]
        self.constants = sorted(
            {int(v, 0) + d & 255 for v in re.findall(r"\b(?:0x[0-9A-F]+|\d+)\b", text) for d in (-1, 0, 1)}
        )
        self.ram = [0] * 256

    def move(self):
        rng, ram, roll = self.random, self.ram, self.random.random()
        if roll < 0.02:
            ram[:] = [255] * 256
        elif roll < 0.04:
            ram[:] = [0] * 256
        elif roll < 0.07:
            ram[:] = rng.choices(range(256), k=256)
        elif roll < 0.1 and self.numbers:
            self.put_score(rng.choice(self.numbers))
        elif roll < 0.25 and self.pairs:
            for address, value in self.pairs:
                if rng.random() < 0.9:
                    ram[address] = value
        elif roll < 0.5 and self.spans:
            pool = rng.choice([[0], [1], self.constants, range(256), [0x10, 0x90, 1]])
            for span in self.spans if rng.random() < 0.5 else [rng.choice(self.spans)]:
                for address in span:
                    ram[address] = rng.choice(pool)
        else:
            for address in rng.choices(self.addresses, k=rng.randrange(1, 4)):
                ram[address] = self.value(ram[address])
        return ram

    def put_score(self, number):
        """Set the decimal digits of the score."""
        for _, address, weight in sorted(self.terms, key=lambda term: -term[2]):
            if weight < 0:
                continue
            digits = min(number // weight, 99)
            number -= weight * digits
            self.ram[address] = digits // 10 * 16 + digits % 10

    def value(self, now):
        rng, roll = self.random, self.random.random()
        if roll < 0.4:
            return rng.choice(self.constants)
        if roll < 0.6:
            return rng.randrange(10) * 16 + rng.randrange(10)
        if roll < 0.8:
            return now + rng.choice([-1, 1, 16]) & 255
        return rng.randrange(256)


def test_all_games_are_described_by_their_sorted_names():
    loadable = set(ale_py.roms.get_all_rom_ids()) - {"combat", "joust", "maze_craze", "warlords"}

    assert tuple(sorted(loadable)) == games.NAMES
    assert len(games.FRAME_RULES) == len(games.SHOW_RULES) == len(games.NAMES) == 104


@pytest.mark.parametrize("name", NAMES)
def test_rules_equal_the_twin_on_made_up_ram(name):
    twin, c, walk = Twin(name), make_console(name), RamWalk(name, 0)
    seen = {"over": set(), "reward": set(), "lives": set()}
    for episode in range(12):
        c.mode = ENTRIES[name]["modes"][episode % len(ENTRIES[name]["modes"])]
        twin.reset(c.mode)
        games.start_books(c)
        assert (c.reward, c.over, c.lives) == twin.shown()
        for frame in range(100):
            ram = walk.ram if 20 < frame < 80 and episode % 4 == 0 else walk.move()
            put_ram(c, ram)
            games.FRAME_RULES[c.game](c)
            twin.frame(ram)
            assert (c.reward, c.over, c.lives) == twin.shown(), ram
            assert values_of(name, c) == {key: twin.values[key] for key in values_of(name, c)}
            for key, values in seen.items():
                values.add(getattr(c, key))

    assert seen["over"] == {0, 1}
    assert len(seen["reward"]) > 1
    assert len(seen["lives"]) > 1 or name == "tetris" or ENTRIES[name]["lives_shown"] in {"0", "1"}


@pytest.mark.parametrize("name", NAMES)
def test_rules_write_to_their_fields_only(name):
    c, walk = make_console(name), RamWalk(name, 1)
    put_ram(c, walk.move())
    before = bytes(c)
    games.start_books(c)
    games.FRAME_RULES[c.game](c)
    for field in ("reward", "lives", "over", "variables"):
        place = getattr(Console, field)
        before = (
            before[: place.offset]
            + bytes(c)[place.offset : place.offset + place.size]
            + before[place.offset + place.size :]
        )

    assert bytes(c) == before


@pytest.mark.parametrize("name", NAMES)
def test_show_rules_give_what_the_frame_showed(name):
    c, walk = make_console(name), RamWalk(name, 2)
    games.start_books(c)
    for _ in range(100):
        put_ram(c, walk.move())
        games.FRAME_RULES[c.game](c)
        shown = c.over, c.lives
        c.over, c.lives = 7, -7
        games.SHOW_RULES[c.game](c)
        assert (c.over, c.lives) == shown


def cartridge_ram(serialized):
    """The RAM of klax's cartridge in a saved state."""
    at = serialized.index(b"CartridgeF6SC") + len("CartridgeF6SC") + 8
    return [word & 255 for word in struct.unpack_from("<128i", serialized, at)]


def saved_values(name, serialized):
    """The variables at the end of a saved state, before a flag and the paddles' limits."""
    kinds = games.SAVED[name]
    found = struct.unpack_from(f"<{len(kinds)}I", serialized, len(serialized) - 12 - 4 * len(kinds))
    values = {}
    for (kind, variable), word in zip(kinds, found, strict=True):
        if kind in {"bool", "flag"}:
            assert word in {TRUE, FALSE}
            values[variable] = int(word == TRUE)
        else:
            values[variable] = struct.unpack("<i", struct.pack("<I", word))[0]
            if kind == "char":
                values[variable] = (values[variable] + 128 & 255) - 128
    return values


def load(name, seed=0):
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(get_rom_path(name))
    return ale


def ram_of(name, ale):
    ram = ale.getRAM().tolist()
    return ram + (cartridge_ram(ale.cloneState().serialize()) if name == "klax" else [0] * 128)


@pytest.mark.parametrize("name", NAMES)
def test_rules_equal_ale_py_in_play(name):
    rng = np.random.default_rng(NAMES.index(name))
    ale, c, walk = load(name), make_console(name), RamWalk(name, 3)
    actions = ENTRIES[name]["minimal_actions"]

    def keep_books():
        put_ram(c, ram_of(name, ale))
        games.FRAME_RULES[c.game](c)

    def reset():
        c.mode = ENTRIES[name]["modes"][0]
        games.start_books(c)
        keep_books()
        assert (c.over, c.lives) == (ale.game_over(with_truncation=False), ale.lives())

    reset()
    hold = 0
    for frame in range(400):
        if frame % 5 == 0:
            hold = int(rng.choice(actions))
        if frame > 300 and frame % 4 == 0:
            ram = ale.getRAM().tolist()
            walk.ram[:128] = ram
            for address, (old, new) in enumerate(zip(ram, walk.move()[:128], strict=True)):
                if old != new and address in walk.addresses:
                    ale.setRAM(address, new)
        reward = ale.act(hold)
        keep_books()
        assert (c.reward, c.over, c.lives) == (reward, ale.game_over(with_truncation=False), ale.lives()), frame
        if frame % 50 == 0 or c.over:
            values = values_of(name, c)
            flags = {variable for kind, variable in games.SAVED[name] if kind == "flag"}
            values |= {variable: int(values[variable] != 0) for variable in flags}
            assert values == saved_values(name, ale.cloneState().serialize())
        if c.over:
            ale.reset_game()
            reset()


@pytest.mark.parametrize("name", NAMES)
def test_choices_equal_ale_py(name):
    ale = load(name)
    state = ale.cloneState().serialize()

    assert [action.value for action in ale.getMinimalActionSet()] == list(facts.MINIMAL_ACTIONS[name])
    assert ale.getAvailableModes() == list(facts.MODES[name])
    assert ale.getAvailableDifficulties() == list(facts.DIFFICULTIES[name])
    assert struct.unpack_from("<2i", state, 16) == (facts.MODES[name][0], 0)
    assert struct.unpack("<2i", state[-8:]) == facts.PADDLE_LIMITS[name]


def test_illegal_actions_act_as_noops():
    illegal = {name: set(range(18)) - set(actions) for name, actions in facts.LEGAL_ACTIONS.items()}
    illegal = {name: actions for name, actions in illegal.items() if actions}

    assert set(illegal) == {"lost_luggage", "skiing"}
    for name, actions in illegal.items():
        noop, other = load(name), load(name)
        for action in sorted(actions):
            for _ in range(20):
                noop.act(0)
                other.act(action)
            assert np.array_equal(noop.getRAM(), other.getRAM())


@pytest.fixture(scope="module")
def compiled():
    """The rules and what a reset sets, compiled."""
    module = Module("games")
    module.add(keep_books, "keep_books", export=True)
    module.add(games.start_books, "start_books", export=True)
    loaded = native.load(native.compile_module(str(module.ir), native.Target.host()))
    call = ctypes.CFUNCTYPE(None, ctypes.POINTER(Console))
    yield tuple(call(loaded.address(name)) for name in ("start_books", "keep_books"))
    del loaded


def keep_books(c: Console) -> None:
    RULES[c.game](c)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_rules_equal_those_of_cpython(name, compiled):
    start, keep = compiled
    slow, fast, walk = make_console(name), make_console(name), RamWalk(name, 4)
    for c, function in ((slow, games.start_books), (fast, start)):
        c.variables[:] = range(100, 100 + len(c.variables))
        c.mode = ENTRIES[name]["modes"][-1]
        function(c)
    assert bytes(slow) == bytes(fast)
    for _ in range(200):
        ram = walk.move()
        put_ram(slow, ram)
        put_ram(fast, ram)
        keep_books(slow)
        keep(fast)
        assert bytes(slow) == bytes(fast)


def test_every_variable_has_a_slot():
    for name in NAMES:
        variables = games.VARIABLES[name]
        assert len(variables) == len(set(variables)) <= bookkeeping.SLOTS <= len(Console().variables)
        assert {variable for _, variable in games.SAVED[name]} <= {"reward", *variables}


def test_generated_functions_have_a_source():
    rules = games.FRAME_RULES[NAMES.index("pong")]
    source = inspect.getsource(rules)

    assert source.startswith("def frame_pong(c: Console) -> None:\n")
    assert source in bookkeeping.SOURCE
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute") as failure:
        rules(None)
    assert "value = c.ram" in "".join(traceback.format_exception(failure.value))


def test_decodes_take_hexadecimal_digits_as_they_are():
    for number, (name, decode) in enumerate(DECODES.items()):
        function = getattr(words, name)
        assert [function(b) for b in range(256)] == [decode(b) for b in range(256)]
        assert list(words.DECODED[256 * number : 256 * number + 256]) == [decode(b) for b in range(256)]


def test_wide_values_are_signed():
    c = make_console("et")
    games.start_books(c)
    put_ram(c, [0x7F] * 256)
    games.FRAME_RULES[c.game](c)

    assert c.lives == -128
