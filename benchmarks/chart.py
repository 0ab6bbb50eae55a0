"""The charts that the benchmarks draw, and the look that they share."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks import timing

INK, FAINT, GRID = "#24292f", "#6e7781", "#e4e8ec"
ACCENT, PALE = "#2f6fb0", "#a9c5e2"
COLORS = ACCENT, "#c8553d", "#e0a030", "#6e7781", "#7a4a9e", "#4a9e7a", PALE


def prepare() -> None:
    """Make what is drawn from here on need no screen, and the same .svg of the same figures."""
    mpl.use("Agg")
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "fastatari"})


def tidy(axes: Axes) -> None:
    """Leave of axes only what shows figures."""
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


def save(figure: Figure, caption: str, environment: Mapping[str, str], path: Path) -> None:
    """Write a figure to an .svg or .png, with a caption and what it was measured with below."""
    described = textwrap.fill(timing.write_environment(environment), 120)
    figure.supxlabel(f"{caption}\n{described}", color=FAINT, size=7)
    figure.savefig(path, dpi=200, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def draw_rates(
    lines: Mapping[str, Mapping[int, Sequence[float]]],
    x_label: str,
    y_label: str,
    environment: Mapping[str, str],
    path: Path,
) -> None:
    """Draw how fast some are as lines, with their ranges.

    Args:
        lines: by the name of a line, by what is counted: the rate of each round.
        x_label: what is counted.
        y_label: what the rates are.
        environment: what they were measured with.
        path: the file to be written.
    """
    prepare()
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for (label, rates), color in zip(lines.items(), itertools.cycle(COLORS), strict=False):
        medians = [np.median(each) for each in rates.values()]
        axes.plot(list(rates), medians, ".-", linewidth=2, markersize=9, label=label, color=color)
        axes.vlines(list(rates), list(map(min, rates.values())), list(map(max, rates.values())), color, linewidth=1.2)
    counts = sorted({count for rates in lines.values() for count in rates})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(0)
    axes.yaxis.grid(visible=True, color=GRID, linewidth=0.8)
    tidy(axes)
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=4, frameon=False, labelcolor=INK)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    save(figure, "dots: medians of the rounds; vertical lines: their range", environment, path)


def draw_ratios(
    groups: Mapping[str, Mapping[str, Sequence[float]]], label: str, environment: Mapping[str, str], path: Path
) -> None:
    """Draw ratios as bars, with their ranges.

    Args:
        groups: by the heading of a group, by the name of a bar: the ratio of each round.
        label: what the ratios are.
        environment: what they were measured with.
        path: the file to be written.
    """
    prepare()
    every = [ratios for bars in groups.values() for ratios in bars.values()]
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.26 * (len(every) + 1.5 * len(groups))), layout="constrained")
    y = 0.0
    labels: dict[float, str] = {}
    for heading, bars in groups.items():
        labels[y] = heading
        for name, ratios in bars.items():
            y += 1
            labels[y] = name
            median, least, most = np.median(ratios), min(ratios), max(ratios)
            axes.barh(y, median, 0.66, color=ACCENT)
            axes.plot([least, most], [y, y], color=INK, linewidth=1.2, solid_capstyle="butt")
            axes.annotate(f"{median:.2f}", (most, y), (6, 0), textcoords="offset points", va="center", color=INK)
        y += 1.5
    axes.set_yticks(list(labels), list(labels.values()))
    for tick in axes.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() in groups else "normal")
    axes.set_ylim(y - 1, -0.5)
    axes.set_xlim(0, 1.12 * max(map(max, every)))
    axes.axvline(1, color=INK, linewidth=1.2, zorder=0.6)  # above the grid, below the bars
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.xaxis.grid(visible=True, color=GRID, linewidth=0.8)
    tidy(axes)
    axes.set_xlabel(f"{label} (black line: 1)", color=INK)
    save(figure, "bars: medians of the rounds; lines: their range", environment, path)
