"""The random generators: two Mersenne twisters, MT19937 (Matsumoto and Nishimura 1998), as `std::mt19937` has them."""

from fastatari.compiler import inline
from fastatari.console.state import UINT32, Generator

SIZE, MIDDLE = 624, 397


def seed(g: Generator, number: int) -> None:
    """Begin the sequence of a seed of 32 bits."""
    word = number & UINT32
    g.words[0] = word
    for i in range(1, SIZE):
        word = 1812433253 * (word ^ word >> 30) + i & UINT32
        g.words[i] = word
    g.index = SIZE


@inline
def mix(g: Generator, i: int, following: int, middle: int) -> int:
    """Return what word `i` becomes."""
    mixed = g.words[i] & 0x80000000 | g.words[following] & 0x7FFFFFFF
    return g.words[middle] ^ mixed >> 1 ^ (0x9908B0DF if mixed & 1 else 0)


@inline
def twist(g: Generator, i: int, following: int, middle: int) -> None:
    """Make word `i` anew."""
    g.words[i] = mix(g, i, following, middle)


@inline
def temper(word: int) -> int:
    """Return the number that is drawn of a word."""
    word ^= word >> 11
    word ^= word << 7 & 0x9D2C5680
    word ^= word << 15 & 0xEFC60000
    return word ^ word >> 18


def draw(g: Generator) -> int:
    """Return the next word of 32 bits."""
    if g.index >= SIZE:
        for i in range(SIZE - MIDDLE):
            twist(g, i, i + 1, i + MIDDLE)
        for i in range(SIZE - MIDDLE, SIZE - 1):
            twist(g, i, i + 1, i + MIDDLE - SIZE)
        twist(g, SIZE - 1, 0, MIDDLE - 1)
        g.index = 0
    word = g.words[g.index]
    g.index += 1
    return temper(word)


def peek(g: Generator) -> int:
    """Return the word that `draw` is going to return."""
    return temper(g.words[g.index] if g.index < SIZE else mix(g, 0, 1, MIDDLE))
