"""What `FrameStack` refuses, with which words, and that it is as before then."""

import gymnasium
import numpy as np
import pytest
from pictures import blocks, noise
from reference import StackTwin, make_plane

from fastatari.preprocessing.frame_stack import FrameStack

SCREEN = np.zeros((210, 160), np.uint8)


BAD_SCREENS = [
    (SCREEN.tolist(), TypeError, "`screen_a` must be a uint8 array, got list"),
    ([], TypeError, "`screen_a` must be a uint8 array, got list"),
    (SCREEN.astype(np.int64), TypeError, "`screen_a` must be a uint8 array, got dtype int64"),
    (SCREEN.astype(bool), TypeError, "`screen_a` must be a uint8 array, got dtype bool"),
    (SCREEN.astype(np.float32), TypeError, "`screen_a` must be a uint8 array, got dtype float32"),
    (SCREEN[:209], ValueError, r"`screen_a` must have shape \(210, 160\), got \(209, 160\)"),
    (SCREEN[:84, :84], ValueError, r"`screen_a` must have shape \(210, 160\), got \(84, 84\)"),
    (SCREEN[..., None], ValueError, r"`screen_a` must have shape \(210, 160\), got \(210, 160, 1\)"),
    (SCREEN.ravel(), ValueError, r"`screen_a` must have shape \(210, 160\), got \(33600,\)"),
    (np.asfortranarray(SCREEN), ValueError, r"`screen_a` must be C-contiguous, got strides \(1, 210\)"),
    (SCREEN[::-1], ValueError, r"`screen_a` must be C-contiguous, got strides \(-160, 1\)"),
]


@pytest.mark.parametrize(("screen", "error", "message"), BAD_SCREENS)
def test_bad_screens_are_refused_and_change_nothing(screen, error, message, rng):
    stack, twin, first = FrameStack(), StackTwin(), noise(rng, (210, 160))
    for each in (stack, twin):
        each.reset(first)
    calls = {
        "screen_a": [(screen, SCREEN), (screen,)],
        "screen_b": [(SCREEN, screen), (SCREEN, screen, SCREEN)],
        "screen_c": [(SCREEN, SCREEN, screen)],
    }
    for name, arguments in calls.items():
        for screens in arguments:
            with pytest.raises(error, match=message.replace("screen_a", name)):
                stack.push(*screens)
    with pytest.raises(error, match=message.replace("screen_a", "screen")):
        stack.reset(screen)
    with pytest.raises(error, match=message.replace("screen_a", "second")):
        stack.reset(SCREEN, screen)
    assert np.array_equal(stack.read(), twin.read())
    for each in (stack, twin):
        each.push(SCREEN, SCREEN)
    assert np.array_equal(stack.read(), twin.read())


def test_screens_that_are_missing_are_refused():
    stack = FrameStack()
    stack.reset(SCREEN)
    with pytest.raises(TypeError, match="`screen_a` must be a uint8 array, got NoneType"):
        stack.push(None)
    with pytest.raises(ValueError, match="`screen_b` must be given with `screen_c`, got None"):
        stack.push(SCREEN, None, SCREEN)
    with pytest.raises(TypeError, match="`screen` must be a uint8 array, got NoneType"):
        stack.reset(None, SCREEN)


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
    ("planes", "error", "message"),
    [
        (None, TypeError, "`planes` must be a uint8 array, got NoneType"),
        (np.zeros((4, 84, 84), np.float32), TypeError, "`planes` must be a uint8 array, got dtype float32"),
        (np.zeros((3, 84, 84), np.uint8), ValueError, r"`planes` must have shape \(4, 84, 84\), got \(3, 84, 84\)"),
        (np.zeros((84, 84, 4), np.uint8), ValueError, r"`planes` must have shape \(4, 84, 84\), got \(84, 84, 4\)"),
    ],
)
@pytest.mark.parametrize("stack_axis", [0, -1])
def test_bad_planes_are_refused_and_change_nothing(planes, error, message, stack_axis, rng):
    stack = FrameStack(stack_axis=stack_axis)
    with pytest.raises(error, match=message):
        stack.restore(planes)
    assert not stack.has_reset
    first, second = blocks(rng, (210, 160)), blocks(rng, (210, 160))
    stack.reset(first)
    before = stack.planes
    with pytest.raises(error, match=message):
        stack.restore(planes)
    assert np.array_equal(stack.planes, before)
    stack.push(first, second)
    assert np.array_equal(stack.newest, make_plane([first, second], (84, 84), "gray-resize-max"))


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
        ({"stack_axis": np.int64(1)}, ValueError, "`stack_axis` must be one of 0, -1, got 1"),
        ({"stack_axis": False}, ValueError, "`stack_axis` must be one of 0, -1, got False"),
        ({"stack_axis": -1.0}, ValueError, "`stack_axis` must be one of 0, -1, got -1.0"),
        ({"palette": "secam"}, ValueError, "`palette` must be one of 'ntsc', 'pal', got 'secam'"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        FrameStack(**arguments)


@pytest.mark.parametrize("stack_num", [10**12, 10**30])
def test_memory_is_asked_for_first(stack_num):
    message = f"not enough memory for a stack of {stack_num} planes: {7056 * stack_num:,} bytes are needed, "
    with pytest.raises(MemoryError, match=message):
        FrameStack(stack_num=stack_num)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("push", lambda stack: stack.push(SCREEN, SCREEN)),
        ("repeat", lambda stack: stack.repeat()),
        ("read", lambda stack: stack.read()),
        ("newest", lambda stack: stack.newest),
        ("planes", lambda stack: stack.planes),
    ],
)
def test_a_reset_has_to_come_first(name, call):
    stack = FrameStack()
    assert stack.has_reset is False
    with pytest.raises(gymnasium.error.ResetNeeded, match=f"Cannot call `FrameStack.{name}` before calling `FrameSt"):
        call(stack)
    stack.reset(SCREEN)
    assert stack.has_reset is True
    call(stack)
