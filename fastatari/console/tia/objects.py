"""What the TIA's objects light on a line: players, missiles, the ball and the playfield, each a mask of 160 bits.

`Console.lit` holds the masks, five words of 32 bits an object, pixel 0 in bit 0. They are made anew when pixels are
asked for after something changed; `Console.outdated` has a bit for each object that did.
"""

from llvmlite import ir

from fastatari.compiler import Pointer32, address, inline, intrinsic, outlined, pointer
from fastatari.console.state import (
    BALL,
    MISSILE_0,
    MISSILE_1,
    PLAYER_0,
    PLAYER_1,
    PLAYFIELD,
    Console,
)

# Between the masks of two objects in `Console.lit`.
WORDS = 8
LINE_WORDS = 5
ALL_OBJECTS = 0x3F

# By the copies mode, NUSIZ bits 0 to 2: how far a second and a third copy are from the first; 0 where there is none.
SECOND = (0, 16, 32, 16, 64, 0, 32, 0)
THIRD = (0, 0, 0, 32, 0, 0, 64, 0)
DOUBLE, QUADRUPLE = 5, 7

REVERSED = tuple(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
DOUBLED = tuple(sum((byte >> i & 1) * 0b11 << 2 * i for i in range(8)) for byte in range(256))
QUADRUPLED = tuple(sum((byte >> i & 1) * 0b1111 << 4 * i for i in range(8)) for byte in range(256))

# The states of missile 0's shape in the star field.
NORMAL, WIDER, HIDDEN = 0, 1, 2


LINE = ir.VectorType(ir.IntType(32), WORDS)


def vector_constant(module: ir.Module, name: str, lines: list[list[int]]) -> ir.GlobalVariable:
    """Return a table of lines of words in a module."""
    table = module.globals.get(name)
    if table is None:
        table = ir.GlobalVariable(module, ir.ArrayType(LINE, len(lines)), name)
        table.initializer = ir.Constant(table.value_type, [ir.Constant(LINE, words) for words in lines])
        table.global_constant, table.linkage, table.align = True, "internal", 32
    return table


def load_line(builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> ir.Value:
    """Load one of several lines of words, at an address that is a multiple of 32."""
    return builder.load(builder.gep(base, [index], source_etype=LINE), typ=LINE, align=32)


def splat(builder: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> ir.Value:
    """Return a vector of the same value, cut to its width, in all places."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, builder.trunc(value, vector.element), ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    )


def _emit_clear(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    target = builder.inttoptr(args[0], ir.PointerType())
    builder.store(ir.Constant(LINE, [0] * WORDS), target, align=32)


@intrinsic(_emit_clear)
def clear(mask: int) -> None:
    """Let an object light nothing; `mask` is the address of its words."""
    for word in range(LINE_WORDS):
        pointer(Pointer32, mask)[word] = 0


def _emit_light(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    """Words are written as a vector, because they are read as one soon: the processor hands on only what fits."""
    mask, x, bits = args
    places = [[0xFFFFFFFF if i == word else 0 for i in range(WORDS)] for word in (*range(LINE_WORDS), 0)]
    table = vector_constant(builder.module, "words_of_a_line", places)
    word = builder.lshr(x, ir.Constant(x.type, 5))
    wide = builder.shl(bits, builder.and_(x, ir.Constant(x.type, 31)))
    low, high = splat(builder, wide, LINE), splat(builder, builder.lshr(wide, ir.Constant(x.type, 32)), LINE)
    target = builder.inttoptr(mask, ir.PointerType())
    line = builder.load(target, typ=LINE, align=32)
    line = builder.or_(line, builder.and_(low, load_line(builder, table, word)))
    line = builder.or_(line, builder.and_(high, load_line(builder, table, builder.add(word, ir.Constant(x.type, 1)))))
    builder.store(line, target, align=32)


@intrinsic(_emit_light)
def light_word(mask: int, x: int, bits: int) -> None:
    """Light up to 32 pixels from x, of 0 to 159, on; around the right edge. `mask` is the address of the words."""
    words = pointer(Pointer32, mask)
    wide = bits << (x & 31)
    word = x >> 5
    words[word] |= wide & 0xFFFFFFFF
    words[(word + 1) % LINE_WORDS] |= wide >> 32


def _emit_store_line(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    mask, *words = args
    line = ir.Constant(LINE, [0] * WORDS)
    for i, word in enumerate(words):
        narrow = builder.trunc(word, ir.IntType(32))
        line = builder.insert_element(line, narrow, ir.Constant(ir.IntType(32), i))
    builder.store(line, builder.inttoptr(mask, ir.PointerType()), align=32)


@intrinsic(_emit_store_line)
def store_line(mask: int, word_0: int, word_1: int, word_2: int, word_3: int, word_4: int) -> None:
    """Let an object light what five words say."""
    for word, bits in enumerate((word_0, word_1, word_2, word_3, word_4)):
        pointer(Pointer32, mask)[word] = bits


@inline
def light(mask: int, x: int, bits: int) -> None:
    """Light up to 32 pixels from x, of 0 to 319, on; around the right edge."""
    light_word(mask, x - 160 if x >= 160 else x, bits)


@inline
def mask_of(c: Console, item: int) -> int:
    """Return the address of an object's words."""
    return address(c.lit) + 4 * WORDS * item


@inline
def light_copies(mask: int, x: int, bits: int, mode: int, has_first: int) -> None:
    """Light all copies of an object."""
    if has_first:
        light(mask, x, bits)
    if SECOND[mode]:
        light(mask, x + SECOND[mode], bits)
        if THIRD[mode]:
            light(mask, x + THIRD[mode], bits)


@inline
def shown_graphics(c: Console, k: int) -> int:
    """Return the byte that a player shows, before mirroring."""
    return c.old_grp[k] if c.vdelp[k] else c.grp[k]


@inline
def is_missile_enabled(c: Console, k: int) -> int:
    """Return whether a missile is on, by its registers."""
    return int(c.enam[k] != 0 and c.resmp[k] == 0)


@inline
def is_ball_enabled(c: Console) -> int:
    """Return whether the ball is on, by its registers."""
    return c.old_enabl if c.vdelbl else c.enabl


def light_player(c: Console, k: int, graphics: int) -> None:
    """Make the mask of a player that shows a byte. Wide ones are a pixel to the right."""
    mask = mask_of(c, PLAYER_0 + k)
    clear(mask)
    if graphics == 0:
        return
    bits = graphics if c.refp[k] else REVERSED[graphics]
    x = c.position[PLAYER_0 + k]
    mode = c.nusiz[k] & 7
    if mode == DOUBLE:
        bits = DOUBLED[bits]
        x += 1
    elif mode == QUADRUPLE:
        bits = QUADRUPLED[bits]
        x += 1
    light_copies(mask, x, bits, mode, int(c.suppressed[k] == 0))


def light_missile(c: Console, k: int) -> None:
    """Make the mask of a missile."""
    mask = mask_of(c, MISSILE_0 + k)
    clear(mask)
    if is_missile_enabled(c, k) == 0:
        return
    width = c.nusiz[k] >> 4 & 3
    if k == 0 and c.missile_0_shape != NORMAL:
        if c.missile_0_shape == HIDDEN:
            return
        width |= 1
    light_copies(mask, c.position[MISSILE_0 + k], (1 << (1 << width)) - 1, c.nusiz[k] & 7, 1)


def light_ball(c: Console) -> None:
    """Make the mask of the ball."""
    clear(mask_of(c, BALL))
    if is_ball_enabled(c):
        light(mask_of(c, BALL), c.position[BALL], (1 << (1 << (c.ctrlpf >> 4 & 3))) - 1)


def light_playfield(c: Console) -> None:
    """Make the mask of the playfield: twenty groups of four pixels, and the same again, mirrored or not."""
    groups = c.playfield & 0xFF00F | REVERSED[c.playfield >> 4 & 0xFF] << 4
    first, second, middle = QUADRUPLED[groups & 0xFF], QUADRUPLED[groups >> 8 & 0xFF], QUADRUPLED[groups >> 16]
    if c.reflected:
        groups = REVERSED[groups & 0xFF] << 12 | REVERSED[groups >> 8 & 0xFF] << 4 | REVERSED[groups >> 16] >> 4
    middle |= QUADRUPLED[groups & 0xF] << 16
    store_line(mask_of(c, PLAYFIELD), first, second, middle, QUADRUPLED[groups >> 4 & 0xFF], QUADRUPLED[groups >> 12])


@outlined
def light_outdated(c: Console) -> None:
    """Make the masks anew of all objects of which something changed."""
    outdated = c.outdated
    c.outdated = 0
    if outdated & 1 << PLAYER_0:
        light_player(c, 0, shown_graphics(c, 0))
    if outdated & 1 << PLAYER_1:
        light_player(c, 1, shown_graphics(c, 1))
    if outdated & 1 << MISSILE_0:
        light_missile(c, 0)
    if outdated & 1 << MISSILE_1:
        light_missile(c, 1)
    if outdated & 1 << BALL:
        light_ball(c)
    if outdated & 1 << PLAYFIELD:
        light_playfield(c)


def live_objects(c: Console) -> int:
    """Return which objects take part, by their registers: bits of P0 M0 P1 M1 BL PF, as in ale-py's states."""
    return (
        int(shown_graphics(c, 0) != 0)
        | is_missile_enabled(c, 0) << 1
        | int(shown_graphics(c, 1) != 0) << 2
        | is_missile_enabled(c, 1) << 3
        | is_ball_enabled(c) << 4
        | int(c.playfield != 0) << 5
    )
