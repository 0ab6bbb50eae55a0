"""What the kernels and those who call them agree on: the numbers of a plan, and how much is computed at once."""

import enum

# Eight pixels of a plane are computed at a time where each is made of at most so many rows and columns of a screen, and
# the next begins two columns further: 160 columns to 84 or to 80. With sixteen, x86 computes in registers of 512 bits,
# and the console, which plays next, takes 7 % longer than after this, because processors lower their clock for these.
LANES = 8
ROW_TAPS, COLUMN_TAPS = 4, 3

# A screen's row of gray levels is followed by so many bytes, for those that are read beyond its end.
PADDING = 4 * LANES

# How many colour indices there are in two neighbouring pixels.
PAIRS = 256 * 256


class Stages(enum.IntEnum):
    """How the screens become a plane.

    An *image* is what is resized: one for each screen, or one for each channel of all screens' maximum.
    """

    GRAY_RESIZE_MAX = 0
    GRAY_MAX_RESIZE = 1
    MAX_GRAY_RESIZE = 2
    MAX_RESIZE_GRAY = 3
    MAX_RESIZE = 4


class Plan(enum.IntEnum):
    """Where each number is in the vector of a `PicturePlan` (int64[n])."""

    # Screens of H rows and W columns, planes of h and w, K of them, of one channel or of three.
    HEIGHT = 0
    WIDTH = 1
    PLANE_HEIGHT = 2
    PLANE_WIDTH = 3
    STACK_NUM = 4
    CHANNEL_NUM = 5
    STAGES = 6
    IS_STACKED_LAST = 7  # whether a stack has its planes along the last axis

    # Addresses of the arrays of an `AreaPlan`, and of how many elements their rows are.
    ROWS = 8
    COLUMNS = 9
    ROW_FACTORS = 10
    ROW_TAPS = 11
    COLUMN_FACTORS = 12
    COLUMN_TAPS = 13
    RUNS = 14
    RUN_FACTORS = 15
    RUN_NUM = 16
    ROUNDING = 17

    # Addresses of levels. Pairs (uint16[n, 65536]): those of two neighbouring pixels, for each of n channels. Pooled
    # (uint8[65536]): the gray level of the maximum of two pixels' colours. Luma (float64[4]): a row of `palette.LUMA`.
    PAIRS = 18
    PAIR_NUM = 19
    POOLED = 20
    LUMA = 21

    # Where arrays begin in the scratch memory, in bytes. Changed (uint8[H]): rows of the screens that changed. Levels
    # (uint8[4, W + PADDING]): of a row of a screen. Resized (uint8[3, w]): a row of each image. Sums (float32[3 * (H +
    # 3), s]): of each row of each image, the sums of the pixels that make up each of a plane's; s is SUM_NUM.
    CHANGED = 22
    LEVELS = 23
    RESIZED = 24
    SUMS = 25
    SUM_NUM = 26
