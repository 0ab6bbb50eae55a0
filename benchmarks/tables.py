"""Tables of figures, as all benchmarks print them."""

from collections.abc import Iterable, Sequence

import numpy as np


def print_head(title: str, *columns: str) -> None:
    """Print the head of a table."""
    print(f"\n{title}:\n\n| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}", flush=True)


def print_row(*cells: str) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def divide(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Return the ratio of each pair."""
    return [numerator / denominator for numerator, denominator in zip(numerators, denominators, strict=True)]


def write_ratios(ratios: Sequence[float]) -> str:
    """Return the median of ratios, and their range."""
    return f"{np.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
