"""Draws the returns of training runs over steps: `python examples/curve.py ppo-pong.csv dqn-pong.csv --out curves.svg`.

The files are the logs of `examples/ppo.py` and `examples/dqn.py`: `pip install 'fastatari[bench]'` for matplotlib.
"""

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def draw(logs: list[Path], out: Path) -> None:
    """Draw the column `return` of each log over its steps."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for path in logs:
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["return"] != "nan"]
        steps, returns = ([float(row[name]) for row in rows] for name in ("steps", "return"))
        minutes = float(rows[-1]["minutes"])
        axes.plot([step / 1e6 for step in steps], returns, label=f"{path.stem}, {minutes:.0f} minutes")
    axes.set_xlabel("million steps of four frames")
    axes.set_ylabel("mean return of the last 100 games")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("curves.svg"))
    arguments = parser.parse_args()
    draw(arguments.logs, arguments.out)
