import copy
import itertools
import os
import pickle
import signal
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ROMS, StackTwin, cv2_gray, make_plane, tie_count

from fastatari import FrameStack, kernels
from fastatari.emulator import Emulator
from fastatari.palette import gray_table, rgb_table

ORDERS = ["gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray"]
# One of each way through the kernels.
KINDS = [*({"order": order} for order in ORDERS), {"order": "gray-max-resize", "grayscale_obs": False}]
SIZES = [(84, 84), (64, 64), (96, 96), (42, 42), (105, 80), (70, 88), (210, 160)]
HEIGHTS = [210, 214, 220, 230, 250]
LEVELS = gray_table("ntsc", "cv2")


def noise(rng, shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def stripes(rng, shape):
    """Two colours in vertical stripes: with 160 columns to 84, one cell in forty is a tie where the two differ by 1."""
    return np.broadcast_to(rng.choice(rng.integers(0, 256, 2, dtype=np.uint8), shape[1]), shape).copy()


def speckles(rng, shape):
    return rng.choice(rng.integers(0, 256, 2, dtype=np.uint8), shape)


def blocks(rng, shape):
    screen = np.full(shape, rng.integers(256), np.uint8)
    for _ in range(12):
        top, left = rng.integers(shape[0]), rng.integers(shape[1])
        screen[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = rng.integers(256)
    return screen


def bands(rng, shape):
    """Rows that are mostly like the one above them."""
    rows = speckles(rng, shape)
    return rows[np.cumsum(rng.random(shape[0]) < 0.3) % shape[0]]


def assert_same(size, kind, pushes, shape=(210, 160), stack_num=4):
    """Push the same pairs of screens into a `FrameStack` and its twin; a pair of the same object is a reset."""
    stack = FrameStack(shape, size, stack_num, **kind)
    twin = StackTwin(size, stack_num, **kind)
    for screen_a, screen_b in pushes:
        for each in (stack, twin):
            if screen_a is screen_b:
                each.reset(screen_a)
            else:
                each.push(screen_a, screen_b)
        np.testing.assert_array_equal(stack.read(), twin.read())


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("height", HEIGHTS)
def test_planes_are_cv2s(height, size, kind, rng):
    screens = [make(rng, (height, 160)) for make in (noise, stripes, speckles, blocks, bands) for _ in range(2)]
    pushes = [(screens[0], screens[0]), *itertools.pairwise(screens)]
    assert_same(size, kind, pushes, (height, 160))


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 256), st.integers(1, 256)),
    fractions=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    kind=st.sampled_from(KINDS),
    stack_num=st.integers(1, 5),
    make=st.sampled_from([noise, stripes, speckles, blocks, bands]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_is_cv2s(shape, fractions, kind, stack_num, make, seed):
    rng = np.random.default_rng(seed)
    size = tuple(max(1, round(side * fraction)) for side, fraction in zip(shape, fractions, strict=True))
    screens = [make(rng, shape) for _ in range(4)]
    assert_same(
        size, kind, [(screens[0], screens[0]), (screens[1], screens[2]), (screens[3], screens[0])], shape, stack_num
    )


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1), size=st.sampled_from([(84, 84), (105, 80), (60, 100)])
)
def test_edits_scrolling_flicker_and_resets_are_seen(kind, seed, size):
    rng = np.random.default_rng(seed)
    make = rng.choice([blocks, bands])
    screen, other = make(rng, (210, 160)), make(rng, (210, 160))
    pushes = [(screen, screen)]
    for _ in range(12):
        edit = rng.integers(7)
        screen_a = screen.copy()
        if edit == 0:
            screen_a[rng.integers(210), rng.integers(160)] ^= 2
        elif edit == 1:
            screen_a = np.roll(screen_a, rng.integers(1, 5), axis=rng.integers(2))
        elif edit == 2:
            screen_a = other
        elif edit == 3:
            screen_a[:, rng.integers(160)] = rng.integers(256)
        elif edit == 4:
            row = rng.integers(1, 210)
            screen_a[row] = screen_a[row - 1]
        screen_b = screen_a.copy() if rng.integers(2) else make(rng, (210, 160))
        pushes.append((screen_a, screen_b))
        if edit == 6:
            pushes.append((screen_b, screen_b))
        screen = screen_b
    assert_same(size, kind, pushes)


# Sizes whose cells have an even total weight; of an odd one, as for 64x64 and 96x96, there is no half.
@pytest.mark.parametrize("size", [(84, 84), (42, 42), (100, 100), (105, 80)])
def test_ties_are_hit_and_rounded_as_cv2_does(size, rng):
    ties = 0
    screens = [make(rng, (210, 160)) for make in (stripes, speckles, noise) for _ in range(30)]
    for screen in screens:
        ties += tie_count(LEVELS[screen], size)
    assert ties > 1000
    for kind in KINDS:
        assert_same(size, kind, [(screens[0], screens[0]), *itertools.pairwise(screens)])


@pytest.mark.parametrize("rom", ROMS)
def test_screens_of_every_rom_are_cv2s(rom, rng):
    _compare_with_play(rom, rng, 24)


@pytest.mark.sweep
@pytest.mark.parametrize("rom", ROMS)
def test_long_play_of_every_rom_is_cv2s(rom, rng):
    _compare_with_play(rom, rng, 3000)


def _compare_with_play(rom, rng, steps):
    console = Emulator(rom)
    pairs = [
        (
            FrameStack(console.screen_shape, palette=console.palette, **kind),
            StackTwin(palette=console.palette, **kind),
        )
        for kind in KINDS
    ]
    first = console.reset()
    for each in itertools.chain(*pairs):
        each.reset(first)
    for _ in range(steps):
        action = console.check_action(rng.integers(len(console.action_meanings)))
        screens = []
        for _ in range(4):
            console.act(action)
            screens.append(console.read_screen())
        assert np.array_equal(rgb_table(console.palette)[screens[3]], console.read_rgb())
        for stack, twin in pairs:
            stack.push(screens[2], screens[3])
            twin.push(screens[2], screens[3])
            assert np.array_equal(stack.read(), twin.read())
        if console.game_over():
            console.reset()


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

    for each in (stack, twin):
        each.reset(screens[0])
    check()
    for screen, after in itertools.pairwise(screens):
        for each in (stack, twin):
            each.push(screen, after)
        check()
    for each in (stack, twin):
        each.push_pooled(screens[2:5])
    check()
    for each in (stack, twin):
        each.push(screens[1], screens[5])
    check()
    stack.repeat()
    twin.planes = [*twin.planes[1:], twin.planes[-1]]
    check()
    for each in (stack, twin):
        each.reset(screens[3], screens[5])
    check()
    assert np.array_equal(stack.last_screens, [screens[3], screens[5]])


def test_read_is_fresh_or_the_callers(rng):
    stack = FrameStack()
    stack.reset(noise(rng, (210, 160)))
    first = stack.read()
    kept = first.copy()
    out = np.zeros((4, 84, 84), np.uint8)
    assert stack.read(out) is out
    assert np.array_equal(out, first)
    first[:] = 0
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
    stack.push(writeable, writeable)
    twin.push(writeable, writeable)
    writeable[:] = 0
    assert np.array_equal(stack.read(), twin.read())


def test_screens_written_in_place_are_the_pushed_ones(rng):
    a, b, c = (noise(rng, (210, 160)) for _ in range(3))
    stack, twin = FrameStack(), StackTwin()
    stack.reset(a)
    twin.reset(a)
    first, second = stack.screens
    first[:], second[:] = b, c
    stack.push_screens()
    twin.push(b, c)
    assert np.array_equal(stack.read(), twin.read())


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda stack: pickle.loads(pickle.dumps(stack))])
def test_a_copy_goes_on_by_itself(clone, rng):
    a, b, c, d = (blocks(rng, (210, 160)) for _ in range(4))
    stack, twin, other = FrameStack(), StackTwin(), StackTwin()
    for each in (stack, twin, other):
        each.reset(a)
        each.push(a, b)
    copied = clone(stack)
    # Or the copy would be compiled anew.
    assert copied.push_into.func is kernels.push_after_resize
    assert copied.push_into.args[2] is stack.push_into.args[2]
    copied.push(c, d)
    other.push(c, d)
    stack.push(b, c)
    twin.push(b, c)
    assert np.array_equal(copied.read(), other.read())
    assert np.array_equal(stack.read(), twin.read())


class Interrupt(Exception):
    pass


def test_an_interrupted_push_leaves_no_wrong_pixel(rng):
    """An exception of a signal handler comes where it wants; later planes are right all the same."""

    def interrupt(*_):
        raise Interrupt

    stack, screens, cut = FrameStack(), [noise(rng, (210, 160)) for _ in range(8)], 0
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
            pair[0][::2] = screens[i % 8][::2]
            stack.push(*pair)
            assert np.array_equal(stack.read()[3], make_plane(pair, (84, 84), "gray-resize-max"))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cut > 100


@pytest.mark.parametrize("shape", [(256, 256), (256, 255), (250, 200)])
def test_one_cell_of_many_pixels_is_cv2s(shape, rng):
    screens = [make(rng, shape) for make in (noise, speckles, blocks, stripes) for _ in range(15)]
    assert_same((1, 1), KINDS[0], [(screens[0], screens[0]), *itertools.pairwise(screens)], shape)


SCREEN = np.zeros((210, 160), np.uint8)


@pytest.mark.parametrize(
    ("screen", "error", "message"),
    [
        (SCREEN.tolist(), TypeError, "`screen_a` must be a uint8 array, got list"),
        (None, TypeError, "`screen_a` must be a uint8 array, got NoneType"),
        (SCREEN.astype(np.int64), TypeError, "`screen_a` must be a uint8 array, got dtype int64"),
        (SCREEN.astype(bool), TypeError, "`screen_a` must be a uint8 array, got dtype bool"),
        (SCREEN.astype(np.float32), TypeError, "`screen_a` must be a uint8 array, got dtype float32"),
        (SCREEN[:209], ValueError, r"`screen_a` must have shape \(210, 160\), got \(209, 160\)"),
        (SCREEN[..., None], ValueError, r"`screen_a` must have shape \(210, 160\), got \(210, 160, 1\)"),
        (SCREEN.ravel(), ValueError, r"`screen_a` must have shape \(210, 160\), got \(33600,\)"),
        (np.asfortranarray(SCREEN), ValueError, r"`screen_a` must be C-contiguous, got strides \(1, 210\)"),
        (SCREEN[::-1], ValueError, r"`screen_a` must be C-contiguous, got strides \(-160, 1\)"),
    ],
)
def test_bad_screens_are_refused_and_change_nothing(screen, error, message, rng):
    stack = FrameStack()
    stack.reset(noise(rng, (210, 160)))
    before = stack.read()
    with pytest.raises(error, match=message):
        stack.push(screen, SCREEN)
    with pytest.raises(error, match=message.replace("screen_a", "screen_b")):
        stack.push(SCREEN, screen)
    with pytest.raises(error, match=message.replace("screen_a", "screen")):
        stack.reset(screen)
    assert np.array_equal(stack.read(), before)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([], TypeError, "`out` must be a uint8 array, got list"),
        (np.zeros((4, 84, 84)), TypeError, "`out` must be a uint8 array, got dtype float64"),
        (np.zeros((4, 84, 83), np.uint8), ValueError, r"`out` must have shape \(4, 84, 84\), got \(4, 84, 83\)"),
        (np.broadcast_to(np.uint8(0), (4, 84, 84)), ValueError, "`out` must be writeable, got a read-only array"),
    ],
)
def test_bad_out_is_refused(out, error, message):
    stack = FrameStack()
    stack.reset(SCREEN)
    with pytest.raises(error, match=message):
        stack.read(out)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": (211, 84)}, ValueError, r"`size` must be at most \(210, 160\), got \(211, 84\)"),
        ({"size": (84, 161)}, ValueError, r"`size` must be at most \(210, 160\), got \(84, 161\)"),
        ({"size": (0, 84)}, ValueError, "`size` must be at least 1, got 0"),
        ({"size": (84, -1)}, ValueError, "`size` must be at least 1, got -1"),
        ({"size": (84,)}, TypeError, r"`size` must be a pair \(height, width\), got \(84,\)"),
        ({"size": 84}, TypeError, r"`size` must be a pair \(height, width\), got 84"),
        ({"size": (84.0, 84)}, TypeError, "`size` must be an integer, got 84.0"),
        ({"size": (True, 84)}, TypeError, "`size` must be an integer, got True"),
        ({"screen_shape": (257, 160)}, ValueError, r"`screen_shape` must be at most \(256, 256\), got \(257, 160\)"),
        ({"stack_num": 0}, ValueError, "`stack_num` must be at least 1, got 0"),
        ({"stack_num": "4"}, TypeError, "`stack_num` must be an integer, got '4'"),
        ({"order": "max"}, ValueError, "`order` must be one of 'gray-resize-max', 'gray-max-resize', .*, got 'max'"),
        ({"gray": "rgb"}, ValueError, "`gray` must be one of 'cv2', 'ale', 'gymnasium', got 'rgb'"),
        (
            {"gray": "ale", "order": "max-gray-resize"},
            ValueError,
            "`gray` must be 'cv2' or 'gymnasium' with `order` 'max-gray-resize', got 'ale'",
        ),
        ({"grayscale_obs": 0}, TypeError, "`grayscale_obs` must be True or False, got 0"),
        (
            {"grayscale_obs": False},
            ValueError,
            "`grayscale_obs` must be True with `order` 'gray-resize-max', got False",
        ),
        ({"padding_type": "one"}, ValueError, "`padding_type` must be one of 'reset', 'zero', got 'one'"),
        ({"stack_axis": 1}, ValueError, "`stack_axis` must be one of 0, -1, got 1"),
        ({"stack_axis": False}, ValueError, "`stack_axis` must be one of 0, -1, got False"),
        ({"palette": "secam"}, ValueError, "`palette` must be one of 'ntsc', 'pal', got 'secam'"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        FrameStack(**arguments)


def test_push_and_read_need_a_reset():
    stack = FrameStack()
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"Cannot call `FrameStack.push` before calling"):
        stack.push(SCREEN, SCREEN)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"Cannot call `FrameStack.read` before calling"):
        stack.read()
    stack.reset(SCREEN)
    stack.push(SCREEN, SCREEN)


NOTICE = "fastatari: compiling for this machine, once; this takes some seconds\n"
INTERPRETED = """
import numpy as np
from reference import StackTwin
from fastatari import FrameStack, kernels
rng = np.random.default_rng(0)
kinds = [{"order": order} for order in ("gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray")]
for kind in [*kinds, {"order": "max-resize-gray", "grayscale_obs": False}, {"stack_axis": -1}]:
    sides = [((42, 37), (17, 15)), ((20, 16), (10, 8)), ((9, 9), (3, 3)), ((5, 2), (5, 1)), ((9, 160), (4, 84))]
    for shape, size in [*sides, ((9, 70), (8, 2))]:
        screens = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(4)]
        stack, twin = FrameStack(shape, size, **kind), StackTwin(size, **kind)
        for each in (stack, twin):
            each.reset(screens[0])
            each.push(screens[1], screens[2])
            each.push(screens[1], screens[3])
        assert np.array_equal(stack.read(), twin.read()), (shape, size, kind)
print("same")
"""


@pytest.mark.parametrize("variable", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_same_without_the_compiler_and_within_bounds(variable, tmp_path):
    environment = {
        **os.environ,
        variable: "1",
        "PYTHONPATH": os.path.dirname(__file__),
        "FASTATARI_CACHE_DIR": str(tmp_path),
    }
    run = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", INTERPRETED],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "same\n", run.stderr


def test_works_where_no_cache_can_be_written():
    program = "from fastatari.compiler import cache; cache.folders = lambda: []\n" + INTERPRETED
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    run = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout == "same\n", run.stderr
    assert run.stderr == NOTICE


def test_levels_are_the_tables():
    assert np.array_equal(cv2_gray(rgb_table("ntsc")[np.newaxis])[0], LEVELS)
