"""The arguments of the commands."""

import argparse
from pathlib import Path
from typing import Any

from fastatari import __version__
from fastatari.cli.arguments import (
    PICTURE_ENDINGS,
    to_folder,
    to_game,
    to_output,
    to_positive,
    to_preset,
    to_seconds,
    to_seed,
)
from fastatari.engine.interface import CONSOLES
from fastatari.games import list_roms
from fastatari.rules import PRESETS

# What `fastatari bench` compares with: see `fastatari.cli.bench_players`, which is only imported to measure.
BENCH_PACKAGES = ("ale-py", "envpool", "gymnasium-async", "gymnasium-sync", "stable-baselines3")


def make_parser() -> argparse.ArgumentParser:
    """Return what parses the arguments of `fastatari`."""
    parser = argparse.ArgumentParser(
        prog="fastatari",
        description="Atari environments at several times the speed, byte-identical to the packages they replace.",
    )
    parser.add_argument("--version", action="version", version=f"fastatari {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_view(commands)
    _add_bench(commands)
    _add_verify(commands)
    _add_compile(commands)
    return parser


def _add_command(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    return command


def _add_demo(commands: Any) -> None:
    description = (
        "Play a game at random with fastatari's workers and with those of gymnasium and cv2, in turn; compare every "
        "observation, reward, done and info; show how fast both are and draw what the agent sees. A step is 4 frames."
    )
    add = _add_command(commands, "demo", "play a game beside gymnasium and cv2", description).add_argument
    add("--game", dest="rom", type=to_game, default="breakout", help="its name, such as breakout or ALE/Breakout-v5")
    add("--workers", dest="worker_num", type=to_positive, default=8, metavar="N", help="worker processes of each kind")
    add("--steps", dest="step_num", type=to_positive, default=600, metavar="N", help="steps of each worker")
    add(
        "--output",
        type=to_output(*PICTURE_ENDINGS, default=".png"),
        default="fastatari-demo.png",
        metavar="FILE",
        help="the picture, in the format of its name: .png, .jpg or .webp",
    )
    add("--seed", type=to_seed, default=0, metavar="N", help="seeds the actions and the emulators")
    add("--console", choices=CONSOLES, default=CONSOLES[0], help="whose emulator fastatari's workers play on")


def _add_view(commands: Any) -> None:
    description = (
        "Play a game and show what the agent sees: the screen in its colours, the planes of the observation, reward, "
        "lives, action and step; as a film, as a contact sheet, or in a window."
    )
    view = _add_command(commands, "view", "play a policy, and show what the agent sees", description)
    add = view.add_argument
    add("rom", type=to_game, metavar="GAME", help="its name, such as breakout or ALE/Breakout-v5")
    actions = view.add_mutually_exclusive_group()
    actions.add_argument(
        "--policy",
        default="random",
        metavar="NAME",
        help="random, or module:function, which is called with an observation and info and returns an action's index; "
        "modules are looked for in the current folder first",
    )
    actions.add_argument(
        "--actions",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a file with the index or name of an action in each line; empty lines and those that begin with # are "
        "left out",
    )
    add("--preset", type=to_preset, default="gymnasium", metavar="NAME", help="whose rules")
    add(
        "--steps",
        dest="step_num",
        type=to_positive,
        default=argparse.SUPPRESS,
        metavar="N",
        help="how many; default: 300, or all of the file's actions",
    )
    add("--seed", type=to_seed, default=0, metavar="N", help="seeds the game and the random policy")
    add(
        "--out",
        dest="outputs",
        action="append",
        type=to_output(".gif", ".mp4", ".png"),
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a film (.gif or .mp4) or a contact sheet (.png); may be repeated; default: fastatari-view.gif, or none "
        "with --window",
    )
    add("--window", dest="is_shown", action="store_true", help="show it in a window, which may be closed at any time")
    add("--console", choices=CONSOLES, default=CONSOLES[0], help="whose emulator plays")


def _add_bench(commands: Any) -> None:
    description = (
        "Measure on this machine how fast fastatari is beside each other package that is installed. Each package plays "
        "the same steps as fastatari by the same rules; both are checked to return the same before they are timed, in "
        "turn, in short rounds. Rates are those of steps, all environments together; a step is 4 frames."
    )
    bench = _add_command(commands, "bench", "measure fastatari beside other packages on this machine", description)
    add = bench.add_argument
    add("--game", dest="rom", type=to_game, default="breakout", help="its name, such as breakout or ALE/Breakout-v5")
    add(
        "--envs",
        dest="env_nums",
        nargs="+",
        type=to_positive,
        default=argparse.SUPPRESS,
        metavar="N",
        help="numbers of environments; default: 1 8 64",
    )
    add(
        "--threads",
        dest="thread_nums",
        nargs="+",
        type=to_positive,
        default=argparse.SUPPRESS,
        metavar="N",
        help="numbers of threads, of the packages that have threads; default: what each package takes by itself",
    )
    add(
        "--packages",
        nargs="+",
        choices=BENCH_PACKAGES,
        default=argparse.SUPPRESS,
        metavar="NAME",
        help=f"beside which: {', '.join(BENCH_PACKAGES)}; default: all that are installed",
    )
    length = bench.add_mutually_exclusive_group()
    length.add_argument(
        "--seconds", type=to_seconds, default=10.0, metavar="S", help="for each number of environments and threads"
    )
    length.add_argument(
        "--rounds",
        type=to_positive,
        default=argparse.SUPPRESS,
        metavar="N",
        help="rounds that count, instead of seconds",
    )
    add(
        "--most-processes",
        type=to_positive,
        default=64,
        metavar="N",
        help="most environments of packages that have a process for each",
    )
    add("--seed", type=to_seed, default=1, metavar="N", help="seeds the actions and the games")
    add(
        "--out",
        dest="output",
        type=to_output(".svg", ".png"),
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a chart, .svg or .png",
    )
    add(
        "--json",
        dest="json_output",
        type=_to_json_output,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="all figures of all rounds; - for standard output, upon which the table goes to standard error",
    )


def _to_json_output(text: str) -> Path:
    """Return the file; one that is named - stands for standard output."""
    return Path(text) if text == "-" else to_output()(text)


def _add_verify(commands: Any) -> None:
    description = (
        "Play games at random with every preset beside the package that it is named after; compare every observation, "
        "reward, end of an episode and number of lives. Where a package is not installed, compare with golden hashes."
    )
    summary = "compare the presets with the packages that they are named after"
    verify = _add_command(commands, "verify", summary, description)
    # Without a default, so that what is named does not come on top of it.
    named: dict[str, Any] = {"action": "append", "default": argparse.SUPPRESS, "metavar": "NAME"}
    presets = [preset.partition("@")[0] for preset in PRESETS]
    verify.add_argument(
        "--preset",
        dest="presets",
        choices=presets,
        help=f"one of {', '.join(presets)}; may be repeated; default: all",
        **named,
    )
    games = verify.add_mutually_exclusive_group()
    games.add_argument("--game", dest="games", type=to_game, help="may be repeated; default: ten games", **named)
    games.add_argument(
        "--all-games",
        dest="games",
        action="store_const",
        const=list_roms(),
        default=argparse.SUPPRESS,
        help="every game that ale-py plays",
    )
    verify.add_argument("--steps", type=to_positive, default=600, metavar="N", help="steps of each preset and game")
    verify.add_argument("--seed", type=to_seed, default=0, metavar="N", help="seeds the actions and the games")
    verify.add_argument("--console", choices=CONSOLES, default=CONSOLES[0], help="whose emulator the presets play on")


def _add_compile(commands: Any) -> None:
    description = (
        "Compile the console and the picture kernels now instead of when they are first used: for images, clusters and "
        "homes that cannot be written to. What is on disk already is not compiled again."
    )
    add = _add_command(commands, "compile", "compile ahead, and say where the files are", description).add_argument
    add(
        "--cpu",
        default="host",
        metavar="NAME",
        help="host: this machine; generic: any machine of its kind; or a level of x86-64, such as x86-64-v3",
    )
    add(
        "--output",
        type=to_folder,
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help="where to write the files; default: FASTATARI_CACHE_DIR, or the user's folder for caches",
    )
