"""Measures `AtariVectorEnv` beside the vector environments of other packages: ``python -m benchmarks.vectors``.

Of each pair, the two have the same rules, get the same actions, and are checked to return the same before they are
timed. They play short rounds in turn. Sections: `whole`, where a batch is all environments; `half`, where it is half of
them, of those packages that have such batches; `policies`, where the caller sleeps before each batch, as one does that
waits for a GPU. `--busy 3` shows a machine that is shared with three processes that only compute.
"""

import argparse
import itertools
import multiprocessing
from collections.abc import Sequence

from benchmarks import chart, command, other_packages, timing, vector_rounds
from benchmarks.interfaces import list_roms
from benchmarks.other_packages import EXTRA, OURS, PACKAGES
from benchmarks.vector_rounds import Race

# The last two are long games.
GAMES = ("breakout", "pong", "space_invaders", "seaquest", "riverraid", "ms_pacman", "qbert")
COUNTS = (8, 64, 256)
POLICIES = (0.0, 0.001, 0.005)  # seconds
POLICY_COUNT = 8

# Of packages with a process for each environment.
MOST_PROCESSES = 64

COLUMNS = ("game", "environments", "in a batch", "package", f"{OURS}, us a step", "theirs", "times as fast")


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = command.make_parser(
        __doc__,
        ("whole", "half", "policies"),
        rounds=30,
        steps=400,
        steps_help="of a round, summed over the environments; four batches at least",
        plots="whole of the first game",
    )
    parser.add_argument(
        "--packages", nargs="+", default=list(PACKAGES), choices=list(PACKAGES), metavar="NAME",
        help=", ".join(PACKAGES),
    )  # fmt: skip
    parser.add_argument("--games", nargs="+", default=GAMES, choices=list_roms(), metavar="GAME", help=", ".join(GAMES))
    parser.add_argument("--counts", nargs="+", type=command.positive, default=COUNTS, metavar="N", help=f"{COUNTS}")
    parser.add_argument(
        "--most-processes", type=command.positive, default=MOST_PROCESSES, metavar="N",
        help=f"most environments of packages that have a process for each; default: {MOST_PROCESSES}",
    )  # fmt: skip
    arguments = parser.parse_args()
    if missing := other_packages.find_missing(arguments.packages):
        names = ", ".join(missing)
        parser.error(f"{names} missing; `pip install 'fastatari[{EXTRA}]'` brings it, `--packages` does without")
    if arguments.plot and "whole" not in arguments.sections:
        parser.error("--plot needs the section whole")
    multiprocessing.set_start_method("fork", force=True)  # for workers, which have no choice of their own

    def measure(is_half: bool) -> list[Race]:
        return measure_batches(arguments, is_half)

    results, environment = command.run(
        arguments,
        {
            "whole": lambda: measure(False),
            "half": lambda: measure(True),
            "policies": lambda: measure_policies(arguments),
        },
    )
    if arguments.plot:
        races = results["whole"]
        x_label = f"environments of {races[0].game.replace('_', ' ')}, all in a batch"
        chart.draw_rates(find_rates(races), x_label, "steps a second, of all", environment, arguments.plot)


def measure_batches(arguments: argparse.Namespace, is_half: bool) -> list[Race]:
    """Measure all games and numbers of environments; print how fast both are."""
    title = "half of the environments in a batch" if is_half else "all environments in a batch"
    timing.print_head(f"Without a policy, {title}", *COLUMNS)
    races = []
    for game, num_envs, name in itertools.product(arguments.games, arguments.counts, arguments.packages):
        batch_size = max(1, num_envs // 2) if is_half else num_envs
        if is_allowed(name, num_envs, batch_size, arguments.most_processes):
            result = vector_rounds.race(
                game, num_envs, PACKAGES[name], rounds=arguments.rounds, steps=arguments.steps, batch_size=batch_size
            )
            races.append(result)
            print_race(result)
    return races


def measure_policies(arguments: argparse.Namespace) -> list[Race]:
    """Measure with a policy; print how fast both are, and for how long the caller waits for a batch."""
    timing.print_head(
        "With a policy that takes some milliseconds a batch, its time included; microseconds of waiting for a batch",
        *("policy, ms", *COLUMNS, f"{OURS}, waiting", "theirs, waiting", "times as short"),
    )
    races = []
    sizes = (POLICY_COUNT, POLICY_COUNT // 2)
    for policy, batch_size, name in itertools.product(POLICIES, sizes, arguments.packages):
        if is_allowed(name, POLICY_COUNT, batch_size, arguments.most_processes):
            result = vector_rounds.race(
                arguments.games[0],
                POLICY_COUNT,
                PACKAGES[name],
                rounds=arguments.rounds,
                steps=arguments.steps,
                batch_size=batch_size,
                policy=policy,
            )
            races.append(result)
            print_race(result, is_waiting_shown=True)
    return races


def is_allowed(name: str, num_envs: int, batch_size: int, most_processes: int) -> bool:
    """Return whether a package has such batches, and not too many processes."""
    package = PACKAGES[name]
    return (package.has_parts or batch_size == num_envs) and (not package.has_processes or num_envs <= most_processes)


def print_race(result: Race, is_waiting_shown: bool = False) -> None:
    """Print how fast both are, and maybe for how long their callers wait."""
    medians = (timing.write_median(times) for times in (result.ours, result.theirs))
    sizes = str(result.num_envs), str(result.batch_size)
    cells = [result.game, *sizes, result.package, *medians, timing.write_spread(result.ratios)]
    if is_waiting_shown:
        waits = result.our_waits, result.their_waits
        ratios = timing.divide(result.their_waits, result.our_waits)
        cells = [f"{1000 * result.policy:.0f}", *cells, *map(timing.write_median, waits), timing.write_spread(ratios)]
    timing.print_row(*cells)


def find_rates(races: Sequence[Race]) -> dict[str, dict[int, list[float]]]:
    """Return the steps a second of all environments of the first game: by name, by the number of environments.

    fastatari's are those by the rules of the first package of each number.
    """
    rates: dict[str, dict[int, list[float]]] = {OURS: {}}
    for result in races:
        if result.game == races[0].game:
            rates[OURS].setdefault(result.num_envs, [1e6 / each for each in result.ours])
            rates.setdefault(result.package, {})[result.num_envs] = [1e6 / each for each in result.theirs]
    return rates


if __name__ == "__main__":
    main()
