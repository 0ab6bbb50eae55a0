"""Measures what it takes to start, in fresh processes: ``python -m benchmarks.starting``.

Sections:

* `compiling`: from ``import fastatari`` to the first step of 8 environments, once with an empty folder for compiled
  code, and then with what the first process left there. The first says on stderr that it compiles.
* `environments`: many environments made and reset with seeds, beside those of other packages; and how much memory of
  all processes each further environment takes, after some steps of all.

The start of the interpreter itself is not measured; in the second section, neither are imports.
"""

import argparse
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ale_py
import numpy as np

from benchmarks import command, other_packages, timing
from benchmarks.interfaces import list_roms
from benchmarks.other_packages import ALE, EXTRA, OURS, PACKAGES
from benchmarks.vectors import MOST_PROCESSES

COUNTS = (8, 64, 256)
STEPS = 8  # of each environment, until its memory is measured: each plane of its stack was written to

# Where compiled code is on disk, this many processes follow the one that compiles.
_WARM = 5

_FIRST_STEP = """
import time
begin = time.perf_counter()
import fastatari
env = fastatari.AtariVectorEnv("breakout", 8)
env.reset(seed=0)
observations = env.step([0] * 8)[0]
seconds = time.perf_counter() - begin
import zlib
print(seconds, zlib.crc32(observations.tobytes()))
"""

NOTICE = "compiling for this machine"


class Compiling(NamedTuple):
    """Seconds from the import to the first step.

    Attributes:
        cold: with nothing on disk, in each round.
        warm: with compiled code on disk, some in each round.
        size: the bytes of compiled code on disk.
    """

    cold: list[float]
    warm: list[float]
    size: int


class Start(NamedTuple):
    """What it takes to start environments, in a fresh process in each round.

    Attributes:
        name: whose.
        num_envs: how many environments.
        seconds: until the first observations of a seeded reset.
        megabytes: of memory after some steps, of all processes; each page is shared among those that have it.
    """

    name: str
    num_envs: int
    seconds: list[float]
    megabytes: list[float]


def main() -> None:
    """Measure, and print and save what came out."""
    parser = command.make_parser(
        __doc__, ("compiling", "environments"), rounds=3, steps=STEPS, steps_help="until memory is measured"
    )
    add = parser.add_argument
    add("--packages", nargs="+", default=[ALE], choices=list(PACKAGES), metavar="NAME", help=f"default: {ALE}")
    add("--game", default="breakout", choices=list_roms(), metavar="GAME", help="default: breakout")
    add("--counts", nargs="+", type=command.positive, default=COUNTS, metavar="N", help=f"environments; {COUNTS}")
    add("--start", nargs=2, metavar=("NAME", "ENVS"), help="start only this, and print what it takes as JSON")
    arguments = parser.parse_args()
    multiprocessing.set_start_method("fork", force=True)
    if missing := other_packages.find_missing(arguments.packages):
        parser.error(f"{', '.join(missing)} missing; `pip install 'fastatari[{EXTRA}]'` brings it")
    if arguments.start:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        name, num_envs = arguments.start
        print(json.dumps(start(name, arguments.game, int(num_envs), arguments.steps)))
        return
    command.run(
        arguments,
        {
            "compiling": lambda: measure_compiling(arguments),
            "environments": lambda: measure_environments(arguments),
        },
    )


def measure_compiling(arguments: argparse.Namespace) -> list[Compiling]:
    """Start processes with and without compiled code on disk; print how long they take."""
    result = compile_anew(arguments.rounds)
    timing.print_head("From `import fastatari` to the first step of 8 environments, seconds", "", "median (min..max)")
    timing.print_row("nothing compiled", timing.write_spread(result.cold))
    timing.print_row("compiled code on disk", timing.write_spread(result.warm))
    timing.print_row("compiled code on disk, MB", f"{result.size / 1e6:.2f}")
    return [result]


def compile_anew(rounds: int) -> Compiling:
    """Start processes with an empty folder for compiled code, and some with what is there then.

    Raises:
        AssertionError: a process does not say that it compiles, or says so and does not; or steps differ.
    """
    result = Compiling([], [], 0)
    size, outcomes = 0, set()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            # Code is looked for in the folder of temporary files, too.
            environment = os.environ | {"FASTATARI_CACHE_DIR": folder, "TMPDIR": folder}
            for number in range(1 + _WARM):
                process = subprocess.run(
                    [sys.executable, "-c", _FIRST_STEP], env=environment, capture_output=True, text=True, check=True
                )
                seconds, outcome = process.stdout.split()
                outcomes.add(outcome)
                assert (NOTICE in process.stderr) == (number == 0), process.stderr
                (result.warm if number else result.cold).append(float(seconds))
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    assert len(outcomes) == 1, "the first steps differ"
    return result._replace(size=size)


def measure_environments(arguments: argparse.Namespace) -> list[Start]:
    """Start environments of all kinds in fresh processes, in turn; print how long it takes, and how much memory."""
    starts: list[Start] = []
    for num_envs in arguments.counts:
        names = [OURS, *(name for name in arguments.packages if is_allowed(name, num_envs))]
        results = {name: Start(name, num_envs, [], []) for name in names}
        for turn in range(arguments.rounds):
            for name in timing.rotate(names, turn):
                seconds, megabytes = _start_apart(name, num_envs, arguments)
                results[name].seconds.append(seconds)
                results[name].megabytes.append(megabytes)
        starts += results.values()
    timing.print_head(
        f"{arguments.game}, seconds until the observations of a seeded reset are there, and MB of memory",
        *("", "environments", "seconds", f"share of {ALE}'s", "MB", "MB of each further environment"),
    )
    every = {(each.name, each.num_envs): each.seconds for each in starts}
    before: dict[str, Start] = {}
    for each in sorted(starts, key=lambda start: [OURS, *PACKAGES].index(start.name)):
        other = before.get(each.name)
        before[each.name] = each
        reference = every.get((ALE, each.num_envs))
        share = timing.write_spread(timing.divide(each.seconds, reference), 3) if reference else ""
        further = "" if other is None else f"{find_slope(other, each):.3f}"
        medians = timing.write_median(each.seconds, 3), share, timing.write_median(each.megabytes, 0)
        timing.print_row(each.name, str(each.num_envs), *medians, further)
    return starts


def is_allowed(name: str, num_envs: int) -> bool:
    """Return whether a package does not need too many processes."""
    return not PACKAGES[name].has_processes or num_envs <= MOST_PROCESSES


def find_slope(one: Start, other: Start) -> float:
    """Return the megabytes of each environment that one start has more than another."""
    difference = np.median(other.megabytes) - np.median(one.megabytes)
    return float(difference) / (other.num_envs - one.num_envs)


def _start_apart(name: str, num_envs: int, arguments: argparse.Namespace) -> tuple[float, float]:
    packages = [name] if name in PACKAGES else [ALE]
    options = ["--steps", str(arguments.steps), "--game", arguments.game, "--packages", *packages]
    process = [sys.executable, "-m", __spec__.name, *options, "--start", name, str(num_envs)]
    folder = Path(__file__).parents[1]
    output = subprocess.run(process, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
    seconds, megabytes = json.loads(output.splitlines()[-1])
    return seconds, megabytes


def start(name: str, game: str, num_envs: int, steps: int) -> tuple[float, float]:
    """Start environments; return the seconds until their first observations, and the megabytes after some steps.

    Args:
        name: whose environments: `OURS`, with ale-py's rules, or a package.
        game: the ROM's id.
        num_envs: how many.
        steps: how many steps are played before memory is measured.
    """
    package = PACKAGES[ALE if name == OURS else name]
    make: Any = package.make_ours if name == OURS else package.make
    begin = time.perf_counter()
    player = make(game, num_envs, num_envs)
    player.begin()
    seconds = time.perf_counter() - begin
    for _ in range(steps):
        player.step(np.zeros(num_envs, np.int32))
    megabytes = measure_memory()
    player.close()
    return seconds, megabytes


def measure_memory() -> float:
    """Return the megabytes of this process and its descendants; a page of several counts for each in part.

    Raises:
        OSError: the system has no ``/proc``.
    """
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    own = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    return sum(read_size(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in own) / 1024


def read_size(text: str) -> int:
    """Return a process's share of memory in kB, from what the system says of it."""
    lines: Sequence[str] = re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return sum(map(int, lines))


if __name__ == "__main__":
    main()
