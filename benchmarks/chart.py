"""The look that the charts of all benchmarks share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import contenders
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, GRID = "#24292f", "#6e7781", "#e4e8ec"
ACCENT, PALE = "#2f6fb0", "#a9c5e2"


def prepare() -> None:
    """Make what is drawn from here on need no screen, and the same .svg of the same figures."""
    mpl.use("Agg")
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "fastatari"})


def tidy(axes: Axes) -> None:
    """Leave of axes only what shows figures."""
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


class Line(NamedTuple):
    """How fast something is.

    Attributes:
        label: its name.
        color: its color.
        rates: the steps a second of each round, by what was counted.
    """

    label: str
    color: str
    rates: Mapping[int, Sequence[float]]


def draw_rates(axes: Axes, lines: Sequence[Line], columns: int) -> None:
    """Draw a line for each kind through its medians, with the range of its rounds, and a legend of so many columns."""
    for label, color, rates in lines:
        medians = [np.median(each) for each in rates.values()]
        axes.plot(list(rates), medians, ".-", linewidth=2, markersize=9, label=label, color=color)
        axes.vlines(list(rates), list(map(min, rates.values())), list(map(max, rates.values())), color, linewidth=1.2)
    counts = sorted({count for line in lines for count in line.rates})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(0)
    axes.yaxis.grid(visible=True, color=GRID, linewidth=0.8)
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=columns, frameon=False, labelcolor=INK)


def save(figure: Figure, caption: str, environment: dict[str, str], path: Path) -> None:
    """Write a figure to an .svg or .png, with a caption and what it was measured with below."""
    figure.supxlabel(f"{caption}\n{contenders.write_environment(environment)}", color=FAINT, size=7)
    figure.savefig(path, dpi=200, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
