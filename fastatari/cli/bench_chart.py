"""The chart of `fastatari bench`, by matplotlib."""

import importlib
import itertools
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fastatari.cli.bench_rounds import Measured
from fastatari.cli.failures import CommandError

OURS: Final = "fastatari"

_INK: Final = "#24292f"
_FAINT: Final = "#6e7781"
_GRID: Final = "#e4e8ec"
_COLORS: Final = ("#2f6fb0", "#c8553d", "#e0a030", "#6e7781", "#7a4a9e", "#4a9e7a")

# By the name of a line, by what is on the x axis: the steps a second of each round.
Lines = dict[str, dict[int, list[float]]]


def load_pyplot() -> Any:
    """Return matplotlib's `pyplot`, which will need no screen, and write the same .svg of the same figures.

    Raises:
        CommandError: it is not installed.
    """
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        text = '--out needs matplotlib; it comes with: pip install "fastatari[bench]"; all else goes without'
        raise CommandError(text) from error
    pyplot.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "fastatari"})
    return pyplot


def draw(results: Sequence[Measured], machine: Mapping[str, str], path: Path) -> None:
    """Draw how fast all packages were, by the number of environments; or of threads, if only that differs.

    Args:
        results (Sequence[Measured]): what was measured of one game; at least one.
        machine (Mapping[str, str]): what it was measured with.
        path (Path): the file, .svg or .png.
    """
    pyplot = load_pyplot()
    panels, x_label = _split(results)
    width = max(7.5, 4.6 * len(panels))
    figure, all_axes = pyplot.subplots(
        1, len(panels), figsize=(width, 4.8), sharey=True, squeeze=False, layout="constrained"
    )
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    for axes, (title, lines) in zip(all_axes[0], panels.items(), strict=True):
        _draw_panel(axes, lines, colors)
        axes.set_title(title, color=_INK, fontsize=10)
        axes.set_xlabel(x_label, color=_INK)
    all_axes[0][0].set_ylabel("steps a second, all environments", color=_INK)
    handles = {line.get_label(): line for axes in all_axes[0] for line in axes.get_lines()}
    figure.legend(
        [handles[name] for name in names], names, loc="outside upper center", ncols=4, frameon=False, labelcolor=_INK
    )
    described = textwrap.fill(", ".join(f"{name} {value}" for name, value in machine.items()), round(16 * width))
    caption = f"{results[0].setting.game}; dots: medians of the rounds; vertical lines: their range\n{described}"
    figure.supxlabel(caption, color=_FAINT, size=7)
    try:
        is_svg = path.suffix.lower() == ".svg"
        figure.savefig(path, dpi=200, facecolor="white", metadata={"Date": None} if is_svg else None)
    finally:
        pyplot.close(figure)


def _draw_panel(axes: Any, lines: Lines, colors: Mapping[str, str]) -> None:
    for name, rates in lines.items():
        medians = [statistics.median(each) for each in rates.values()]
        is_ours = name == OURS
        axes.plot(
            list(rates), medians, ".-", linewidth=2.5 if is_ours else 1.6, markersize=9, label=name, color=colors[name]
        )
        axes.vlines(list(rates), list(map(min, rates.values())), list(map(max, rates.values())), colors[name])
    counts = sorted({count for rates in lines.values() for count in rates})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    if len(counts) == 1:
        axes.set_xlim(counts[0] / 2, counts[0] * 2)
    axes.set_ylim(0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=_INK)
    axes.spines[:].set_visible(False)


def _split(results: Sequence[Measured]) -> tuple[dict[str, Lines], str]:
    """Return the lines of each panel by its title, and what is on the x axes."""
    thread_nums = list(dict.fromkeys(result.setting.num_threads for result in results))
    env_nums = list(dict.fromkeys(result.setting.num_envs for result in results))
    if len(env_nums) == 1 and len(thread_nums) > 1:
        return {f"{env_nums[0]} environments": _find_lines(results, "num_threads")}, "threads"
    panels = {}
    for num_threads in thread_nums:
        title = "" if num_threads is None else f"{num_threads} thread{'s' * (num_threads > 1)}"
        own = [result for result in results if result.setting.num_threads == num_threads]
        panels[title] = _find_lines(own, "num_envs")
    return panels, "environments"


def _find_lines(results: Sequence[Measured], field: str) -> Lines:
    """Return the lines of a panel. fastatari's is that by the rules of the first package of each number."""
    lines: Lines = {OURS: {}}
    for result in results:
        x = getattr(result.setting, field)
        lines[OURS].setdefault(x, result.ours)
        lines.setdefault(result.package.name, {})[x] = result.theirs
    return lines
