"""The names of the stages of a plane, which of them go together, and the shape of a stack."""

from typing import Any, Literal, get_args

import numpy as np

from fastatari.checks import check_choice, check_flag
from fastatari.palette import GRAYS

Order = Literal["gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray"]
Gray = Literal["cv2", "ale", "gymnasium"]
Palette = Literal["ntsc", "pal"]
Padding = Literal["reset", "zero"]
StackAxis = Literal[0, -1]

ORDERS: tuple[Order, ...] = get_args(Order)
PADDINGS: tuple[Padding, ...] = get_args(Padding)
STACK_AXES: tuple[StackAxis, ...] = get_args(StackAxis)

# The longest side of a screen, in pixels: a sum of so many times as many gray levels is exact in float32.
MAX_SIDE = 256


def check_stages(order: str, gray: str, grayscale_obs: bool) -> None:
    """Check that the stages of a plane go together.

    Raises:
        TypeError: `grayscale_obs` is not a boolean.
        ValueError: a name is not allowed, or not together with the others.
    """
    check_choice("order", order, ORDERS)
    check_choice("gray", gray, GRAYS)
    if not check_flag("grayscale_obs", grayscale_obs):
        if order == "gray-resize-max":
            raise ValueError(
                "`grayscale_obs` must be True with `order` 'gray-resize-max', got False; planes in colour are pooled "
                "before they are resized: take another `order`"
            )
    elif gray == "ale" and order.startswith("max"):
        raise ValueError(
            f"`gray` must be 'cv2' or 'gymnasium' with `order` {order!r}, got 'ale', which has levels for the "
            "console's own colours only, not for a maximum of two"
        )


def stack_shape(size: tuple[int, int], stack_num: int, grayscale_obs: bool, stack_axis: StackAxis) -> tuple[int, ...]:
    """Return the shape of a stack of planes.

    Args:
        size (tuple[int, int]): height h and width w of a plane.
        stack_num (int): how many planes the stack holds, K.
        grayscale_obs (bool): whether planes are gray.
        stack_axis (0 | -1): along which axis the planes are stacked.

    Returns:
        tuple[int, ...]: (K, h, w) or (h, w, K); in colour, (K, h, w, 3) or (h, w, 3 * K).
    """
    if stack_axis == -1:
        return *size, stack_num * (1 if grayscale_obs else 3)
    return stack_num, *size, *(() if grayscale_obs else (3,))


def check_stack_axis(value: Any) -> StackAxis:
    """Return the axis along which a stack holds its planes.

    Raises:
        ValueError: it is neither 0 nor -1.
    """
    axis: Any = int(value) if isinstance(value, np.integer) else value
    check_choice("stack_axis", axis, STACK_AXES)
    checked: StackAxis = axis
    return checked
