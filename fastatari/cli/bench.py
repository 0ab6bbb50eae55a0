"""The command that measures fastatari beside other packages on the user's machine."""

import contextlib
import dataclasses
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ale_py
from rich import box
from rich.console import Console
from rich.table import Table

from fastatari.cli import bench_chart, bench_machine
from fastatari.cli.bench_players import PACKAGES, OtherPackage
from fastatari.cli.bench_rounds import Measured, Race, Setting
from fastatari.cli.failures import CommandError, print_error, print_warning
from fastatari.cli.files import write_file
from fastatari.cli.packages import are_installed, find_version
from fastatari.cli.progress import make_progress, make_terminal
from fastatari.cli.signals import exit_on_termination
from fastatari.rules import AtariRules

# What brings the packages; the extra `bench` brings the rest.
_PACKAGES_EXTRA = "verify"

_REFRESH_SECONDS = 0.1

_STANDARD_OUTPUT = Path("-")

_Advance = Callable[[str, float], None]


@dataclasses.dataclass
class Found:
    """What came out.

    Attributes:
        results (list[Measured]): what was measured.
        notes (list[str]): what was not, and why.
        warnings (list[str]): what disturbed the measurement.
        failures (list[str]): what failed.
        is_whole (bool): whether all was measured that was asked for; if not, it was interrupted.
    """

    results: list[Measured] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)
    is_whole: bool = False


def run(
    rom: str,
    env_nums: Sequence[int] = (1, 8, 64),
    thread_nums: Sequence[int] | None = None,
    packages: Sequence[str] | None = None,
    seconds: float = 10.0,
    rounds: int | None = None,
    most_processes: int = 64,
    seed: int = 1,
    output: Path | None = None,
    json_output: Path | None = None,
) -> int:
    """Measure, and print, draw and save what came out.

    Args:
        rom (str): the game's id in ale-py.
        env_nums (Sequence[int]): numbers of environments.
        thread_nums (Sequence[int], optional): numbers of threads; by default what each package takes by itself.
        packages (Sequence[str], optional): which of `PACKAGES`; by default all that are installed.
        seconds (float): for how long each combination is measured.
        rounds (int, optional): how many rounds instead.
        most_processes (int): the most environments of packages that have a process for each.
        seed (int): seeds the actions and the games.
        output (Path, optional): the chart's file.
        json_output (Path, optional): the file of all figures; "-" for standard output.

    Returns:
        int: the exit status: 0, or 1 if a package differs or fails, or a file could not be written.

    Raises:
        CommandError: nothing can be measured.
        KeyboardInterrupt: the measurement was interrupted; the rounds until then are printed, drawn and saved.
    """
    if output is not None:
        bench_chart.load_pyplot()
    chosen, missing = _choose(packages)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    terminal = make_terminal()
    if json_output == _STANDARD_OUTPUT:
        terminal.file = sys.stderr
    machine = bench_machine.describe_machine()
    terminal.print(", ".join(f"{name} {value}" for name, value in machine.items()), markup=False)
    found = Found(notes=[f"{name} is not installed" for name in missing], warnings=bench_machine.warn_before())
    for text in found.warnings:
        print_warning("bench", text)
    settings = [Setting(rom, *pair) for pair in itertools.product(env_nums, thread_nums or (None,))]
    before = bench_machine.read()
    try:
        _measure_all(found, settings, chosen, most_processes, seed, None if rounds else seconds, rounds)
        found.is_whole = True
        if not found.results and not found.failures:
            found.failures.append("nothing was measured")
    finally:
        later = bench_machine.warn_after(before, bench_machine.read())
        found.warnings += later
        try:
            _report(terminal, found)
            for text in later:
                print_warning("bench", text)
        finally:  # whoever reads the report may have stopped
            _save(terminal, found, machine, output, json_output)
            for text in found.failures:
                print_error("bench", text)
    return 1 if found.failures else 0


def _choose(names: Sequence[str] | None) -> tuple[list[OtherPackage], list[str]]:
    """Return the packages that are measured, and the names of those that are not installed.

    Raises:
        CommandError: one that was named is not installed; or none is.
    """
    wanted = list(PACKAGES) if names is None else list(dict.fromkeys(names))
    there = [name for name in wanted if are_installed(PACKAGES[name].modules)]
    missing = [name for name in wanted if name not in there]
    if missing and names is not None:
        hint = f'they come with: pip install "fastatari[{_PACKAGES_EXTRA}]"'
        raise CommandError(f"{', '.join(missing)}: not installed; {hint}")
    return [PACKAGES[name] for name in there], missing


def _measure_all(
    found: Found,
    settings: Sequence[Setting],
    packages: Sequence[OtherPackage],
    most_processes: int,
    seed: int,
    seconds: float | None,
    rounds: int | None,
) -> None:
    """Measure each setting, and add what came out, also of one that is interrupted."""
    with exit_on_termination(), _show_progress(len(settings)) as advance:
        for number, setting in enumerate(settings):
            allowed = [each for each in packages if not each.has_processes or setting.num_envs <= most_processes]
            found.notes += [
                f"{each.name} is left out with {setting.num_envs} environments, which would be as many processes; "
                "--most-processes allows more"
                for each in packages
                if each not in allowed
            ]
            words = _describe(setting)
            advance(f"{words}: starting", number)
            with Race(setting, seed) as race:
                try:
                    race.add(allowed)
                    advance(words, number)
                    race.play(seconds, rounds, lambda share, number=number, words=words: advance(words, number + share))  # type: ignore[misc]
                finally:
                    found.results += race.list_results()
                    found.notes += race.refused
                    found.failures += [f"{words}: {text}" for text in race.failures]


@contextlib.contextmanager
def _show_progress(total: int) -> Iterator[_Advance]:
    """Show a progress line, if standard error is a terminal; yield what takes a text and how many settings are done."""
    # A line that refreshed itself would do so in a thread of its own, while others are timed.
    console = Console(stderr=True)
    with make_progress(console, "{task.description}", transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=total)
        refreshed, shown = 0.0, ""

        def advance(text: str, done: float) -> None:
            nonlocal refreshed, shown
            progress.update(task, completed=done, description=text)
            if text != shown or time.monotonic() - refreshed > _REFRESH_SECONDS:
                progress.refresh()
                refreshed, shown = time.monotonic(), text

        yield advance


def _describe(setting: Setting) -> str:
    _, num_envs, num_threads = setting
    text = f"{num_envs} environment{'s' * (num_envs > 1)}"
    return text if num_threads is None else f"{text}, {num_threads} thread{'s' * (num_threads > 1)}"


def _report(terminal: Console, found: Found) -> None:
    """Print the table, and what it means."""
    if results := found.results:
        terminal.print("", _tabulate(results), "", sep="\n")
        frame_skip = AtariRules.from_preset(results[0].package.preset).frame_skip
        rate = statistics.median(results[0].ours)
        terminal.print(
            f"A step is one action of one environment, played for {frame_skip} frames of the console: "
            f"{rate:,.0f} steps a second are {frame_skip * rate:,.0f} frames a second. fastatari plays by the rules "
            "of the package beside it, and both returned the same. Rates and ratios are medians of "
            f"{_count_rounds(results)} rounds, which all played in turn; the range is that of the ratios.",
            markup=False,
        )
    else:
        terminal.print("nothing was measured")
    for note in dict.fromkeys(found.notes):
        terminal.print(note, markup=False)


def _count_rounds(results: Sequence[Measured]) -> str:
    """Return how many rounds there were, from the least to the most."""
    counts = [len(result.ours) for result in results]
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _tabulate(results: Sequence[Measured]) -> Table:
    """Return the table of all settings and packages."""
    table = Table(
        title=f"{results[0].setting.game}, steps a second of all environments",
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    has_threads = any(result.setting.num_threads is not None for result in results)
    for heading in ("envs", *(["threads"] * has_threads)):
        table.add_column(heading, justify="right")
    table.add_column("package")
    for heading in ("fastatari", "the package", "ratio", "range"):
        table.add_column(heading, justify="right")
    last: Setting | None = None
    for result in results:
        if last not in (None, result.setting):
            table.add_section()
        last = result.setting
        ratios = result.ratios
        threads = "-" if result.setting.num_threads is None else f"{result.setting.num_threads}"
        table.add_row(
            f"{result.setting.num_envs}",
            *([threads] * has_threads),
            result.package.name,
            f"{statistics.median(result.ours):,.0f}",
            f"{statistics.median(result.theirs):,.0f}",
            f"[bold green]{statistics.median(ratios):.1f}[/]",
            f"{min(ratios):.1f} to {max(ratios):.1f}",
        )
    return table


def _to_json(result: Measured) -> dict[str, Any]:
    """Return what was measured of a setting and package, as JSON has it."""
    setting, package, ours, theirs = result
    return {
        **setting._asdict(),
        "package": package.name,
        "class": package.class_name,
        "version": find_version(package.distribution),
        "preset": package.preset,
        "frame_skip": AtariRules.from_preset(package.preset).frame_skip,
        "fastatari_steps_per_second": ours,
        "package_steps_per_second": theirs,
        "ratios": result.ratios,
        "median_ratio": statistics.median(result.ratios),
    }


def _save(
    terminal: Console, found: Found, machine: Mapping[str, str], output: Path | None, json_output: Path | None
) -> None:
    """Write the files that are wanted, and print their names; add what failed."""
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(Found)}
    document = {"machine": machine, **fields, "results": [_to_json(result) for result in found.results]}
    text = json.dumps(document, indent=1) + "\n"
    writers: dict[Path, Callable[[Path], object]] = {}
    if json_output is not None and json_output != _STANDARD_OUTPUT:
        writers[json_output] = lambda path: path.write_text(text)
    if output is not None and found.results:
        writers[output] = lambda path: bench_chart.draw(found.results, machine, path)
    written = []
    for path, write in writers.items():
        try:
            write_file(path, write)
        except CommandError as error:
            found.failures.append(str(error))
        else:
            written.append(path)
    if json_output == _STANDARD_OUTPUT:
        sys.stdout.write(text)
    for path in written:
        terminal.print(f"written: {path}", markup=False)
