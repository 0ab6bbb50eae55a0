"""The terminal and the progress bar that the commands share."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def make_terminal() -> Console:
    """Return what results are printed to."""
    terminal = Console(highlight=False)
    if not terminal.is_terminal:
        terminal.width = 10_000  # lines of a file are as long as they are
    return terminal


def make_progress(console: Console, text: str = "", **options: Any) -> Progress:
    """Return a progress bar that is shown if the console is a terminal.

    Args:
        console (Console): where to show it.
        text (str): what stands before the bar, if anything.
        options: further arguments of `Progress`.
    """
    return Progress(
        *([TextColumn(text)] if text else []),
        BarColumn(30),  # leaves room for what a terminal echoes of Ctrl-C
        TextColumn("{task.percentage:3.0f}% "),
        TimeElapsedColumn(),
        TextColumn("elapsed "),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        disable=not console.is_terminal,
        **options,
    )
