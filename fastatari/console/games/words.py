"""The functions that the games' descriptions use: decodes of bytes, and looks at ranges of the RAM.

Bytes are 0 to 255, everything else is signed. Hexadecimal digits are taken as they are: ``bcd(0x1F)`` is 25.
"""

from fastatari.compiler import cold, inline
from fastatari.console.games.description import DESCRIPTIONS
from fastatari.console.state import Console


@inline
def bcd(b: int) -> int:
    """Two decimal digits."""
    return b - 6 * (b >> 4)


@inline
def byte(b: int) -> int:
    """A number of 8 bits."""
    return b


@inline
def lo(b: int) -> int:
    """The low digit."""
    return b & 15


@inline
def hi(b: int) -> int:
    """The high digit."""
    return b >> 4


@inline
def lo_blank(b: int) -> int:
    """The low digit, in a game that shows a leading zero as blank, which is digit 10."""
    return 0 if (b & 15) == 10 else b & 15


@inline
def hi_blank(b: int) -> int:
    """The high digit, with 10 for blank."""
    return 0 if (b >> 4) == 10 else b >> 4


@inline
def alien(b: int) -> int:
    """A digit of alien: the place of its picture, eight bytes a digit."""
    return 0 if b == 0x80 else b >> 3


@inline
def river(b: int) -> int:
    """A digit of riverraid: the place of its picture, eight bytes a digit."""
    return b >> 3 if (b & 7) == 0 and b <= 72 else 0


@inline
def boxing(b: int) -> int:
    """Two digits of boxing, that shows 100 as KO."""
    return 100 if b == 0xC0 else bcd(b)


@inline
def s8(x: int) -> int:
    """The low 8 bits, signed."""
    return ((x + 128) & 255) - 128


def count(c: Console, first: int, last: int, value: int) -> int:
    """Count the bytes of RAM from address first to last, both included, that have a value."""
    number = 0
    for address in range(first, last + 1):
        if c.ram[address] == value:
            number += 1
    return number


def same(c: Console, first: int, number: int) -> int:
    """Return 1 if so many bytes of RAM from address first on are equal, else 0."""
    for address in range(first + 1, first + number):
        if c.ram[address] != c.ram[first]:
            return 0
    return 1


def positives(c: Console, first: int, last: int) -> int:
    """Sum the bytes of RAM from address first to last, both included, that are positive as signed ones."""
    total = 0
    for address in range(first, last + 1):
        total += max(s8(c.ram[address]), 0)
    return total


def negatives(c: Console, first: int, last: int) -> int:
    """Sum the absolute values of the bytes of RAM from address first to last, both included, that are negative."""
    total = 0
    for address in range(first, last + 1):
        total += max(-s8(c.ram[address]), 0)
    return total


# The scores of all games, term after term: which decode of which byte counts how much.
_DECODES = (bcd, byte, lo, hi, lo_blank, hi_blank, alien, river, boxing)
_DECODE_NAMES = [decode.__name__ for decode in _DECODES]
DECODED = tuple(decode(value) for decode in _DECODES for value in range(256))
_TERMS = tuple(term for description in DESCRIPTIONS for term in description.score)
TERM_DECODES = tuple(256 * _DECODE_NAMES.index(decode) for decode, _, _ in _TERMS)
TERM_ADDRESSES = tuple(address for _, address, _ in _TERMS)
TERM_WEIGHTS = tuple(weight for _, _, weight in _TERMS)


@cold
def sum_terms(c: Console, first: int, end: int) -> int:
    """Return the sum of the scores' terms from number first to the one before end."""
    total = 0
    for term in range(first, end):
        address = TERM_ADDRESSES[term]
        value = c.ram[address] if address < 128 else c.cartridge_ram[address - 128]
        total += TERM_WEIGHTS[term] * DECODED[TERM_DECODES[term] + value]
    return total


@cold
def settle(c: Console, score: int, end: int, lives: int) -> None:
    """Set what most games set after a frame: the reward is what the score grew by."""
    c.variables[2] = lives
    settle_shown(c, score, end, lives)


@cold
def settle_shown(c: Console, score: int, end: int, lives: int) -> None:
    """Do the same in a game without a variable `lives`, whose lives are only shown."""
    c.reward = score - c.variables[0]
    c.variables[0] = score
    c.variables[1] = end
    c.over = end
    c.lives = 0 if end != 0 else lives
