"""`FrameStack` beside its twin, which makes each plane from nothing by numpy and cv2."""

import copy
import doctest
import itertools
import pickle
import signal
import sys

import ale_py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import KINDS, MAKERS, ORDERS, bands, blocks, edit, noise, stripes
from reference import ROMS, StackTwin, make_plane

from fastatari.palette import PALETTES, gray_table, rgb_table
from fastatari.preprocessing import frame_stack, stages
from fastatari.preprocessing.frame_stack import FrameStack
from fastatari.preprocessing.stages import stack_shape

SCREEN = np.zeros((210, 160), np.uint8)


def test_the_example_in_the_docstring():
    results = doctest.testmod(frame_stack)
    assert results.failed == 0
    assert results.attempted > 4


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    shape=st.sampled_from([(210, 160), (250, 160), (37, 43), (9, 8)]),
    size=st.sampled_from([(84, 84), (105, 80), (30, 41), (9, 8), (1, 1)]),
    stack_num=st.integers(1, 5),
    make=st.sampled_from(MAKERS),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_calls_in_any_order_give_the_twins_stack(kind, shape, size, stack_num, make, seed):
    rng = np.random.default_rng(seed)
    size = tuple(np.minimum(size, shape).tolist())
    stack, twin = FrameStack(shape, size, stack_num, **kind), StackTwin(size, stack_num, **kind)
    screens = np.array([make(rng, shape) for _ in range(2)])
    for each in (stack, twin):
        each.reset(screens[0])
    for _ in range(10):
        screens = edit(rng, screens, 0xFF)
        call = rng.integers(8)
        if call == 0:
            for each in (stack, twin):
                each.reset(*screens)
        elif call == 1:
            for each in (stack, twin):
                each.push(screens[1])
        elif call == 2:
            third = make(rng, shape)
            for each in (stack, twin):
                each.push(*screens, third)
        elif call == 3:
            stack.repeat()
            twin.planes = [*twin.planes[1:], twin.planes[-1]]
        elif call == 4:
            stack.restore(np.array(twin.planes[::-1]))
            twin.planes = twin.planes[::-1]
        else:
            for each in (stack, twin):
                each.push(*screens)
        np.testing.assert_array_equal(stack.read(), twin.read())
        assert np.array_equal(stack.newest, twin.planes[-1])
        assert np.array_equal(stack.planes, twin.planes)


@pytest.mark.parametrize("rom", ROMS)
def test_screens_of_every_rom_are_cv2s(rom, rng):
    _compare_with_play(rom, rng, 24)


@pytest.mark.sweep
@pytest.mark.parametrize("rom", ROMS)
def test_long_play_of_every_rom_is_cv2s(rom, rng):
    _compare_with_play(rom, rng, 3000)


def _compare_with_play(rom, rng, steps):
    ale = ale_py.ALEInterface()
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    actions = ale.getMinimalActionSet()
    palettes = list(PALETTES)
    while len(palettes) > 1:  # black is black in both
        ale.act(rng.choice(actions))
        palettes = [name for name in palettes if np.array_equal(rgb_table(name)[ale.getScreen()], ale.getScreenRGB())]
    (palette,), first = palettes, ale.getScreen()
    pairs = [(FrameStack(first.shape, palette=palette, **kind), StackTwin(palette=palette, **kind)) for kind in KINDS]
    for each in itertools.chain(*pairs):
        each.reset(first)
    for _ in range(steps):
        action = rng.choice(actions)
        screens = []
        for _ in range(4):
            ale.act(action)
            screens.append(ale.getScreen())
        assert np.array_equal(rgb_table(palette)[screens[3]], ale.getScreenRGB())
        for stack, twin in pairs:
            stack.push(screens[2], screens[3])
            twin.push(screens[2], screens[3])
            assert np.array_equal(stack.read(), twin.read())
        if ale.game_over():
            ale.reset_game()


def test_gray_ale_takes_ales_levels():
    screen = np.tile(np.arange(160, dtype=np.uint8), (210, 1))
    stack = FrameStack(size=(210, 160), gray="ale", palette="pal")
    stack.reset(screen)
    assert np.array_equal(stack.read()[0], gray_table("pal", "ale")[screen])


@pytest.mark.parametrize("stack_num", [1, 3, 4])
@pytest.mark.parametrize("stack_axis", [0, -1])
@pytest.mark.parametrize("padding_type", ["reset", "zero"])
@pytest.mark.parametrize(
    "kind",
    [*KINDS, *({"order": order, "gray": "gymnasium"} for order in ORDERS), {"order": "gray-max-resize", "gray": "ale"}],
    ids=str,
)
def test_layouts_paddings_and_formulas_are_the_twins(kind, padding_type, stack_axis, stack_num, rng):
    kind = kind | {"stack_num": stack_num, "stack_axis": stack_axis, "padding_type": padding_type}
    stack, twin = FrameStack(**kind), StackTwin(**kind)
    # Of even indices, for which the levels of ale-py are a formula.
    screens = [make(rng, (210, 160)) & 0xFE for make in (blocks, bands, noise, stripes, blocks, blocks)]

    def check():
        expected = twin.read()
        assert stack.shape == expected.shape
        assert np.array_equal(stack.read(), expected)
        out = np.full_like(expected, 7)
        assert stack.read(out) is out
        assert np.array_equal(out, expected)
        wide = np.zeros((*expected.shape, 2), np.uint8)
        assert np.array_equal(stack.read(wide[..., 1]), expected)
        assert not wide[..., 0].any()

    assert stack.shape == stack_shape((84, 84), stack_num, kind.get("grayscale_obs", True), stack_axis)
    for each in (stack, twin):
        each.reset(screens[0])
    check()
    for screen, after in itertools.pairwise(screens):
        for each in (stack, twin):
            each.push(screen, after)
        check()
    for each in (stack, twin):
        each.push(*screens[2:5])
    check()
    for each in (stack, twin):
        each.push(screens[1], screens[5])
    check()
    for each in (stack, twin):
        each.reset(screens[3], screens[5])
    check()


def test_what_is_returned_is_fresh_or_the_callers(rng):
    stack = FrameStack()
    stack.reset(noise(rng, (210, 160)))
    first = stack.read()
    kept = first.copy()
    out = np.zeros((4, 84, 84), np.uint8)
    assert stack.read(out) is out
    assert np.array_equal(out, first)
    for array in (first, stack.newest, stack.planes):
        array[...] = 0
    assert np.array_equal(stack.read(), kept)
    stack.push(noise(rng, (210, 160)), noise(rng, (210, 160)))
    assert np.array_equal(out, kept)


def test_screens_are_copied_and_may_be_read_only(rng):
    screen = noise(rng, (210, 160))
    screen.flags.writeable = False
    stack, twin = FrameStack(), StackTwin()
    for each in (stack, twin):
        each.reset(screen)
        each.push(screen, screen)
    writeable = noise(rng, (210, 160))
    for _ in range(3):
        stack.push(writeable, writeable)
        twin.push(writeable, writeable)
        writeable[rng.integers(210)] ^= 2
    assert np.array_equal(stack.read(), twin.read())


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda stack: pickle.loads(pickle.dumps(stack))])
@pytest.mark.parametrize("kind", [{}, {"order": "max-resize-gray", "grayscale_obs": False, "stack_axis": -1}], ids=str)
def test_a_copy_goes_on_by_itself(clone, kind, rng):
    a, b, c, d = (blocks(rng, (210, 160)) for _ in range(4))
    stack, twin, other = FrameStack(**kind), StackTwin(**kind), StackTwin(**kind)
    assert not clone(stack).has_reset
    for each in (stack, twin, other):
        each.reset(a)
        each.push(a, b)
    copied = clone(stack)
    assert copied.has_reset
    copied.push(c, d)
    other.push(c, d)
    stack.push(b, c)
    twin.push(b, c)
    assert np.array_equal(copied.read(), other.read())
    assert np.array_equal(stack.read(), twin.read())
    copied.reset(d)
    other.reset(d)
    assert np.array_equal(copied.read(), other.read())


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("stack_num", [1, 4])
def test_an_interrupted_push_leaves_no_wrong_pixel(stack_num, rng):
    """An exception of a signal handler comes where it wants; later planes are right all the same."""

    def interrupt(*_):
        raise Interrupt

    stack, screens, cut = FrameStack(stack_num=stack_num), [noise(rng, (210, 160)) for _ in range(8)], 0
    stack.reset(screens[0])
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-4))
                for _ in range(50):
                    stack.push(screens[i % 8], screens[(i + 1) % 8])
            except Interrupt:
                cut += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            pair = screens[(i + 2) % 8].copy(), screens[(i + 3) % 8]
            pair[0][:100] = screens[i % 8][:100]
            stack.push(*pair)
            assert np.array_equal(stack.newest, make_plane(pair, (84, 84), "gray-resize-max"))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cut > 100


def lines_of(function):
    """The lines of a function at which an exception can come."""
    return sorted({line for _, _, line in function.__code__.co_lines() if line})[1:]


@pytest.mark.parametrize("line", lines_of(FrameStack._push))
def test_an_exception_before_any_line_of_a_push_leaves_no_wrong_pixel(line, rng):

    def trace(frame, event, _):
        if frame.f_code is not FrameStack._push.__code__:
            return trace if event == "call" else None
        if event == "line" and frame.f_lineno == line:
            raise Interrupt
        return trace

    stack = FrameStack()
    first, second, third = (blocks(rng, (210, 160)) for _ in range(3))
    stack.reset(first)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        stack.push(second, third)
    except Interrupt:
        pass
    finally:
        sys.settrace(before)
    third[:50] = first[:50]
    stack.push(second, third)
    assert np.array_equal(stack.newest, make_plane([second, third], (84, 84), "gray-resize-max"))


def test_planes_may_have_any_layout_and_are_copied(rng):
    planes = noise(rng, (84, 84, 4)).T
    stack = FrameStack()
    stack.restore(planes)
    expected = planes.copy()
    planes[:] = 0
    assert stack.has_reset
    assert np.array_equal(stack.planes, expected)
    assert np.array_equal(stack.read(), expected)


def test_numbers_may_be_numpys(rng):
    integers = {"screen_shape": (np.int16(210), np.uint8(160)), "size": [np.int64(84), 84], "stack_num": np.uint32(3)}
    stack = FrameStack(**integers, stack_axis=np.int64(-1), grayscale_obs=np.bool_(True))
    twin = StackTwin(stack_num=3, stack_axis=-1)
    screen = noise(rng, (210, 160))
    for each in (stack, twin, copied := copy.copy(stack)):
        each.reset(screen)
    assert stack.shape == (84, 84, 3)
    assert np.array_equal(stack.read(), twin.read())
    assert np.array_equal(copied.read(), twin.read())


def test_names_of_stages():
    assert list(stages.ORDERS) == ORDERS
    assert stages.PADDINGS == ("reset", "zero")
    assert stages.STACK_AXES == (0, -1)
