"""What all commands have in common: their arguments, the sections that they measure, and foreign load meanwhile."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ale_py

from benchmarks import timing

# A process that only computes. It looks every few milliseconds whether it was left behind, by a parent that was killed.
_COMPUTE = """
import os, sys
parent = int(sys.argv[1])
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


def positive(text: str) -> int:
    """Return an argument as a positive integer."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def natural(text: str) -> int:
    """Return an argument as an integer that is not negative."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {number}")
    return number


def make_parser(
    description: str | None, sections: Sequence[str], *, rounds: int, steps: int, steps_help: str, plots: str = ""
) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all commands have.

    Args:
        description: the module's docstring.
        sections: what can be measured.
        rounds: how many rounds are played by default.
        steps: how many steps a round has by default.
        steps_help: of what.
        plots: the section of which a chart can be drawn; empty for none.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{Path(sys.argv[0]).stem}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sections", nargs="+", choices=sections, default=list(sections), metavar="NAME", help=", ".join(sections))
    add("--rounds", type=positive, default=rounds, metavar="N", help=f"rounds that count; default: {rounds}")
    add("--steps", type=positive, default=steps, metavar="N", help=f"{steps_help}; default: {steps}")
    add("--busy", type=natural, default=0, metavar="N", help="processes that only compute meanwhile; default: 0")
    add("--json", type=Path, metavar="FILE", help="save every round's figures")
    if plots:
        add("--plot", type=Path, metavar="FILE", help=f"draw the section {plots}; an .svg or .png")
    return parser


def run(
    arguments: argparse.Namespace, sections: Mapping[str, Callable[[], Sequence[Any]]]
) -> tuple[dict[str, Sequence[Any]], dict[str, str]]:
    """Measure the sections that were asked for, and save the results if wanted.

    Args:
        arguments: of `make_parser`.
        sections: by name, a function that measures, prints, and returns named tuples.

    Returns:
        tuple: the results by section, and what they were measured with.
    """
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    environment = timing.describe_environment() | ({"busy processes": str(arguments.busy)} if arguments.busy else {})
    print(timing.write_environment(environment), flush=True)
    with computing(arguments.busy):
        results = {name: sections[name]() for name in sections if name in arguments.sections}
    if arguments.json:
        saved = {name: [each._asdict() for each in result] for name, result in results.items()}
        arguments.json.write_text(json.dumps({"environment": environment, **saved}, indent=1) + "\n")
    return results, environment


@contextlib.contextmanager
def computing(number: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Keep some foreign processes computing meanwhile. They end with this process, however it ends."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        command = [sys.executable, "-c", _COMPUTE, str(os.getpid())]
        processes.extend(subprocess.Popen(command) for _ in range(number))
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
