"""The look that the charts of all benchmarks share."""

from pathlib import Path

import contenders
import matplotlib as mpl
import matplotlib.pyplot as plt
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


def save(figure: Figure, caption: str, environment: dict[str, str], path: Path) -> None:
    """Write a figure to an .svg or .png, with a caption and what it was measured with below."""
    figure.supxlabel(f"{caption}\n{contenders.write_environment(environment)}", color=FAINT, size=7)
    figure.savefig(path, dpi=200, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
