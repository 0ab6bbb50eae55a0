"""The command `fastatari`: its arguments, and how it ends."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastatari import __version__
from fastatari.engine.interface import CONSOLES
from fastatari.games import find_rom, list_roms
from fastatari.rules import PRESETS

# The packages of the extras that are named after the commands, by the names that they are imported by.
_EXTRAS = ("PIL", "cv2", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv (Sequence[str], optional): its arguments; by default the process's.

    Returns:
        int: the exit status: 0; 1 if something failed or differs; 130 after Ctrl-C.

    Raises:
        SystemExit: with 2 for arguments that make no sense, with 0 for ``--help`` and ``--version``.
    """
    try:
        return _run(**vars(_parse(argv)))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fastatari",
        description="Atari environments at several times the speed, byte-identical to the packages they replace.",
    )
    parser.add_argument("--version", action="version", version=f"fastatari {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_verify(commands)
    _add_compile(commands)
    return parser.parse_args(argv)


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
    add("--game", dest="rom", type=_game, default="breakout", help="its name, such as breakout or ALE/Breakout-v5")
    add("--workers", dest="worker_num", type=_positive, default=8, metavar="N", help="worker processes of each kind")
    add("--steps", dest="step_num", type=_positive, default=600, metavar="N", help="steps of each worker")
    add("--output", type=_output, default="fastatari-demo.png", metavar="PNG", help="the picture's file")
    add("--seed", type=_seed, default=0, metavar="N", help="seeds the actions and the emulators")
    add("--console", choices=CONSOLES, default=CONSOLES[0], help="whose emulator fastatari's workers play on")


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
    games.add_argument("--game", dest="games", type=_game, help="may be repeated; default: ten games", **named)
    games.add_argument(
        "--all-games",
        dest="games",
        action="store_const",
        const=list_roms(),
        default=argparse.SUPPRESS,
        help="every game that ale-py plays",
    )
    verify.add_argument("--steps", type=_positive, default=600, metavar="N", help="steps of each preset and game")
    verify.add_argument("--seed", type=_seed, default=0, metavar="N", help="seeds the actions and the games")
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
        type=_folder,
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help="where to write the files; default: FASTATARI_CACHE_DIR, or the user's folder for caches",
    )


def _run(command: str, **arguments: Any) -> int:
    """Run a command, which is a module's function `run` with the same arguments."""
    try:
        # Only now, because what it imports comes with an extra.
        module: Any = importlib.import_module(f"fastatari.cli.{command}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        print(
            f'fastatari {command}: error: {error}; it comes with: pip install "fastatari[{command}]"', file=sys.stderr
        )
        return 1
    status: int = module.run(**arguments)
    return status


def _game(text: str) -> str:
    """Return the ROM's id of a game's name."""
    try:
        return find_rom(text)[0]
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    return _integer(text, least=1, kind="a positive integer")


def _seed(text: str) -> int:
    return _integer(text, least=0, kind="a non-negative integer")


def _integer(text: str, *, least: int, kind: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be {kind}, got {text!r}")
    return number


def _output(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
    return path


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    if (path.exists() and not path.is_dir()) or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that can be written to")
    return path


if __name__ == "__main__":
    sys.exit(main())
