"""`PicturePlan`: all that the kernels need to know of screens, planes and stacks."""

import functools
import math

import numpy as np
import numpy.typing as npt

from fastatari.palette import LUMA
from fastatari.preprocessing.area import plan_area
from fastatari.preprocessing.layout import LANES, PADDING, ROW_TAPS, Plan, Stages
from fastatari.preprocessing.levels import pair_levels, pooled_levels
from fastatari.preprocessing.stages import Gray, Order, Palette, StackAxis, stack_shape

# Arrays begin at multiples of so many bytes: a vector that lies across two lines of a cache would be read twice.
_LINE = 64


class PicturePlan:
    """How screens become planes, and planes a stack; for the kernels, to which its address is given.

    Nothing is checked: see `stages.check_stages`, and `FrameStack`, which has the same arguments. One plan serves any
    number of environments and threads; `make_plan` returns the same one for the same arguments.

    Args:
        screen_shape (tuple[int, int]): height H and width W of the screens.
        size (tuple[int, int]): height h and width w of the planes.
        stack_num (int): how many planes a stack holds, K.
        order (str): the order of the stages.
        gray (str): the gray formula.
        palette (str): the television standard of the colour indices.
        grayscale_obs (bool): whether planes are gray.
        stack_axis (0 | -1): along which axis a stack holds its planes.

    Attributes:
        address (int): that of the vector of numbers and addresses (int64[n]) which `layout.Plan` describes; valid as
            long as this object lives.
        plane_shape (tuple[int, ...]): (h, w), or (h, w, 3) in colour.
        plane_size (int): bytes of a plane.
        stack_shape (tuple[int, ...]): the shape of a stack.
        scratch_size (int): bytes of scratch memory that a thread needs.
    """

    def __init__(
        self,
        screen_shape: tuple[int, int],
        size: tuple[int, int],
        stack_num: int,
        order: Order,
        gray: Gray,
        palette: Palette,
        grayscale_obs: bool,
        stack_axis: StackAxis,
    ) -> None:
        height, width = screen_shape
        channel_num = 1 if grayscale_obs else 3
        self.plane_shape: tuple[int, ...] = size if grayscale_obs else (*size, 3)
        self.plane_size: int = math.prod(self.plane_shape)
        self.stack_shape: tuple[int, ...] = stack_shape(size, stack_num, grayscale_obs, stack_axis)

        stages = Stages[order.replace("-", "_").upper()] if grayscale_obs else Stages.MAX_RESIZE
        area = plan_area(screen_shape, size)
        pairs = pair_levels(palette, gray if grayscale_obs and order.startswith("gray") else None)
        pooled = pooled_levels(palette, gray) if stages == Stages.MAX_GRAY_RESIZE else None
        luma = np.array(LUMA.get(gray, (0,) * 4), np.float64)
        sum_num = LANES * (size[1] // LANES + 2)
        offsets, self.scratch_size = _lay_out(
            height, 4 * (width + PADDING), 3 * size[1], 3 * (height + ROW_TAPS - 1) * 4 * sum_num
        )
        numbers = {
            Plan.HEIGHT: height,
            Plan.WIDTH: width,
            Plan.PLANE_HEIGHT: size[0],
            Plan.PLANE_WIDTH: size[1],
            Plan.STACK_NUM: stack_num,
            Plan.CHANNEL_NUM: channel_num,
            Plan.STAGES: stages,
            Plan.IS_STACKED_LAST: stack_axis == -1,
            Plan.ROWS: area.rows.ctypes.data,
            Plan.COLUMNS: area.columns.ctypes.data,
            Plan.ROW_FACTORS: area.row_factors.ctypes.data,
            Plan.ROW_TAPS: area.row_factors.shape[1],
            Plan.COLUMN_FACTORS: area.column_factors.ctypes.data,
            Plan.COLUMN_TAPS: area.column_factors.shape[1],
            Plan.RUNS: area.runs.ctypes.data,
            Plan.RUN_FACTORS: area.run_factors.ctypes.data,
            Plan.RUN_NUM: len(area.runs),
            Plan.ROUNDING: area.rounding.ctypes.data,
            Plan.PAIRS: pairs.ctypes.data,
            Plan.PAIR_NUM: len(pairs),
            Plan.POOLED: 0 if pooled is None else pooled.ctypes.data,
            Plan.LUMA: luma.ctypes.data,
            **dict(zip((Plan.CHANGED, Plan.LEVELS, Plan.RESIZED, Plan.SUMS), offsets, strict=True)),
            Plan.SUM_NUM: sum_num,
        }
        self._vector = np.array([numbers[name] for name in Plan], np.int64)
        self.address: int = self._vector.ctypes.data
        # Arrays live as long as the vector has their addresses.
        self._area, self._levels = area, (pairs, pooled, luma)

    def make_scratch(self) -> npt.NDArray[np.uint8]:
        """Return the scratch memory that a thread needs, for all the environments that it steps (uint8[n], zeros)."""
        memory = np.zeros(self.scratch_size + _LINE, np.uint8)
        return memory[-memory.ctypes.data % _LINE :][: self.scratch_size]


make_plan = functools.cache(PicturePlan)


def _lay_out(*sizes: int) -> tuple[list[int], int]:
    """Return where arrays of so many bytes begin that lie one behind the other, and how many bytes all of them have."""
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + _LINE * -(-size // _LINE))
    return offsets[:-1], offsets[-1]
