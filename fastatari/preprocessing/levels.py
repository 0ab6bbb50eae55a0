"""The levels that a screen's pixels have in the images that are resized, as tables by colour indices."""

import functools

import numpy as np
import numpy.typing as npt

from fastatari.palette import gray_table, rgb_table, to_gray


@functools.cache
def pair_levels(palette: str, gray: str | None) -> npt.NDArray[np.uint16]:
    """Return the levels of each two neighbouring pixels, so that a look-up serves both.

    Args:
        palette (str): one of `palette.PALETTES`.
        gray (str | None): one of `palette.GRAYS`; None for red, green and blue.

    Returns:
        uint16[n, 65536]: for each of n channels, by colour indices ``first + 256 * second``, the two levels in the same
        order; the same array for all, not to be written to.
    """
    tables = rgb_table(palette).T.copy() if gray is None else gray_table(palette, gray)[np.newaxis]
    levels = tables.astype(np.uint16)
    pairs = (levels[:, np.newaxis, :] + 256 * levels[:, :, np.newaxis]).reshape(len(levels), -1)
    pairs.flags.writeable = False
    return pairs


@functools.cache
def pooled_levels(palette: str, gray: str) -> npt.NDArray[np.uint8]:
    """Return the gray level of the maximum, of each channel, of two pixels' colours.

    Args:
        palette (str): one of `palette.PALETTES`.
        gray (str): one of `palette.LUMA`.

    Returns:
        uint8[65536]: by colour indices ``first + 256 * second``; the same array for all, not to be written to.
    """
    colours = rgb_table(palette)
    levels = to_gray(np.maximum(colours, colours[:, np.newaxis]), gray).ravel()
    levels.flags.writeable = False
    return levels
