"""What pixels show: the objects by their priority, over the background, and black; and which of them collide."""

from llvmlite import ir

from fastatari.compiler import Pointer8, Pointer32, address, cold, inline, intrinsic, outlined, pointer
from fastatari.console.state import BALL, MISSILE_0, MISSILE_1, PLAYER_0, PLAYER_1, PLAYFIELD, Console
from fastatari.console.tia.objects import LINE, WORDS, live_objects, load_line, splat, vector_constant

PIXELS = 160
ONLY_PLAYFIELD = 0x20

# Bits 1 and 2 of CTRLPF.
PLAIN, SCORE, PRIORITY, PRIORITY_AND_SCORE = range(4)

# The latches of `Console.collisions`.
(M0P1, M0P0, M1P0, M1P1, P0PF, P0BL, P1PF, P1BL, M0PF, M0BL, M1PF, M1BL, BLPF, P0P1, M0M1) = (1 << i for i in range(15))


@inline
def between(first: int, last: int, word: int) -> int:
    """Return which bits of a line's word belong to the pixels from `first` on and before `last`."""
    begin = max(first - 32 * word, 0)
    end = min(last - 32 * word, 32)
    return (1 << end) - (1 << begin)


def _emit_overlap(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    """All six masks at once, as vectors of eight words: what at least two of them light, cut to the pixels."""
    lit, first, last = args
    rows = [[((1 << x) - 1 >> 32 * i) & 0xFFFFFFFF for i in range(WORDS)] for x in range(PIXELS + 1)]
    table = vector_constant(builder.module, "pixels_before", rows)
    once = twice = ir.Constant(LINE, [0] * WORDS)
    masks = builder.inttoptr(lit, ir.PointerType())
    for item in range(6):
        mask = load_line(builder, masks, ir.Constant(ir.IntType(64), item))
        twice = builder.or_(twice, builder.and_(once, mask))
        once = builder.or_(once, mask)
    stretch = builder.xor(load_line(builder, table, first), load_line(builder, table, last))
    shared = builder.and_(twice, stretch)
    wide = ir.IntType(32 * WORDS)
    found = builder.icmp_unsigned("!=", builder.bitcast(shared, wide), ir.Constant(wide, 0))
    return builder.zext(found, ir.IntType(64))


@intrinsic(_emit_overlap)
def overlaps(lit: int, first: int, last: int) -> int:
    """Return whether two objects light the same of some pixels; `lit` is the address of the masks."""
    masks = pointer(Pointer32, lit)
    for x in range(first, last):
        count = 0
        for item in range(6):
            count += masks[WORDS * item + (x >> 5)] >> (x & 31) & 1
        if count > 1:
            return 1
    return 0


@outlined
def latch(c: Console, word: int, pixels: int) -> None:
    """Latch which objects collide in one word of a line."""
    p0 = c.lit[WORDS * PLAYER_0 + word] & pixels
    m0 = c.lit[WORDS * MISSILE_0 + word] & pixels
    p1 = c.lit[WORDS * PLAYER_1 + word] & pixels
    m1 = c.lit[WORDS * MISSILE_1 + word] & pixels
    bl = c.lit[WORDS * BALL + word] & pixels
    pf = c.lit[WORDS * PLAYFIELD + word] & pixels
    found = 0
    found |= M0P1 if m0 & p1 else 0
    found |= M0P0 if m0 & p0 else 0
    found |= M1P0 if m1 & p0 else 0
    found |= M1P1 if m1 & p1 else 0
    found |= P0PF if p0 & pf else 0
    found |= P0BL if p0 & bl else 0
    found |= P1PF if p1 & pf else 0
    found |= P1BL if p1 & bl else 0
    found |= M0PF if m0 & pf else 0
    found |= M0BL if m0 & bl else 0
    found |= M1PF if m1 & pf else 0
    found |= M1BL if m1 & bl else 0
    found |= BLPF if bl & pf else 0
    found |= P0P1 if p0 & p1 else 0
    found |= M0M1 if m0 & m1 else 0
    c.collisions |= found


@inline
def collide(c: Console, first: int, last: int) -> None:
    """Latch which objects collide in the pixels from `first` on and before `last`."""
    if overlaps(address(c.lit), first, last):
        for word in range(first >> 5, last + 31 >> 5):
            latch(c, word, between(first, last, word))


def _emit_paint(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    """Thirty-two pixels as a vector: a layer is a choice between its colour and what lies below."""
    pixels, bits = ir.VectorType(ir.IntType(8), 32), ir.VectorType(ir.IntType(1), 32)
    out, keep, *layers, background = args
    out = builder.inttoptr(out, ir.PointerType())

    def mask(word: ir.Value) -> ir.Value:
        return builder.bitcast(builder.trunc(word, ir.IntType(32)), bits)

    painted = splat(builder, background, pixels)
    for lit, colour in zip(layers[::2], layers[1::2], strict=True):
        painted = builder.select(mask(lit), splat(builder, colour, pixels), painted)
    old = builder.load(out, typ=pixels, align=1)
    painted = builder.select(mask(keep), painted, old)
    builder.store(painted, out, align=1)
    wide = ir.IntType(8 * 32)
    differs = builder.icmp_unsigned("!=", builder.bitcast(painted, wide), builder.bitcast(old, wide))
    return builder.zext(differs, ir.IntType(64))


@intrinsic(_emit_paint)
def paint_word(
    out: int, pixels: int, low: int, low_colour: int, middle: int, middle_colour: int, high: int, high_colour: int,
    background: int
) -> int:  # fmt: skip
    """Store some of 32 pixels at an address: the highest of three layers that lights one, or the background.

    Returns:
        int: whether a pixel differs from what was there.
    """
    screen = pointer(Pointer8, out)
    differs = 0
    for x in range(32):
        if pixels >> x & 1:
            colour = background
            colour = low_colour if low >> x & 1 else colour
            colour = middle_colour if middle >> x & 1 else colour
            colour = high_colour if high >> x & 1 else colour
            differs |= int(screen[x] != colour)
            screen[x] = colour
    return differs


@inline
def priority_mode(c: Console) -> int:
    """Return bits 1 and 2 of CTRLPF. Both together count as the second, unless the playfield is alone."""
    mode = c.ctrlpf >> 1 & 3
    if mode == PRIORITY_AND_SCORE and live_objects(c) != ONLY_PLAYFIELD:
        return PRIORITY
    return mode


@inline
def left_half(word: int) -> int:
    """Return which pixels of a line's word are left of the middle."""
    return 0xFFFFFFFF if word < 2 else 0xFFFF if word == 2 else 0


@outlined
def paint(c: Console, first: int, last: int) -> None:
    """Store the pixels from `first` on and before `last` of the present row."""
    mode = priority_mode(c)
    row = c.screens[c.current] + c.row
    differs = 0
    background, colour_0, colour_1, colour_pf = c.colubk, c.colup[0], c.colup[1], c.colupf
    for word in range(first >> 5, last + 31 >> 5):
        pixels = between(first, last, word)
        out = row + 32 * word
        player_0 = c.lit[WORDS * PLAYER_0 + word] | c.lit[WORDS * MISSILE_0 + word]
        player_1 = c.lit[WORDS * PLAYER_1 + word] | c.lit[WORDS * MISSILE_1 + word]
        playfield, ball = c.lit[WORDS * PLAYFIELD + word], c.lit[WORDS * BALL + word]
        if mode == PLAIN:
            differs |= paint_word(
                out, pixels, playfield | ball, colour_pf, player_1, colour_1, player_0, colour_0, background
            )
        elif mode == PRIORITY:
            differs |= paint_word(
                out, pixels, player_1, colour_1, player_0, colour_0, playfield | ball, colour_pf, background
            )
        else:
            left = playfield & left_half(word)
            player_0 |= left
            player_1 |= playfield ^ left
            differs |= paint_word(out, pixels, ball, colour_pf, player_1, colour_1, player_0, colour_0, background)
    note_change(c, differs)


@outlined
def blacken(c: Console, first: int, last: int) -> None:
    """Store 0 in the pixels from `first` on and before `last` of the present row."""
    row = c.screens[c.current] + c.row
    differs = 0
    for word in range(first >> 5, last + 31 >> 5):
        differs |= paint_word(row + 32 * word, between(first, last, word), 0, 0, 0, 0, 0, 0, 0)
    note_change(c, differs)


@inline
def note_change(c: Console, differs: int) -> None:
    """Note whether the present row now differs from what its screen showed before."""
    changed = pointer(Pointer8, c.changed[c.current])
    changed[c.row // PIXELS] |= differs


@cold
def note_all_changed(c: Console, screen: int) -> None:
    """Note that all rows of a screen may have changed."""
    changed = pointer(Pointer8, c.changed[screen])
    for row in range(c.y_start + c.height):
        changed[row] = 1
