"""The command `fastatari`: its arguments, and how it ends."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fastatari import __version__
from fastatari.console import find_rom

# The packages of the extra `demo`, by the names that they are imported by.
_EXTRA = ("PIL", "cv2", "rich")


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
        return _run_demo(_parse(argv))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fastatari", description="Atari observations at the speed of the emulator, byte-identical to cv2's."
    )
    parser.add_argument("--version", action="version", version=f"fastatari {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    description = (
        "Play a game at random with fastatari's workers and with those of gymnasium and cv2, in turn; compare every "
        "observation, reward, done and info; show how fast both are and draw what the agent sees. A step is 4 frames."
    )
    demo = commands.add_parser(
        "demo",
        help="play a game beside gymnasium and cv2",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--game", type=_game, default="breakout", help="its name, such as breakout or ALE/Breakout-v5")
    demo.add_argument("--workers", type=_positive, default=8, metavar="N", help="worker processes of each kind")
    demo.add_argument("--steps", type=_positive, default=600, metavar="N", help="steps of each worker")
    demo.add_argument("--output", type=_output, default="fastatari-demo.png", metavar="PNG", help="the picture's file")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="seeds the actions and the emulators")
    return parser.parse_args(argv)


def _run_demo(args: argparse.Namespace) -> int:
    try:
        from fastatari.cli import demo  # noqa: PLC0415 - what it imports comes with an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(f'fastatari demo: error: {error}; it comes with: pip install "fastatari[demo]"', file=sys.stderr)
        return 1
    return demo.run(args.game, args.workers, args.steps, args.output, args.seed)


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


if __name__ == "__main__":
    sys.exit(main())
