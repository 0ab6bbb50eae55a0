"""Writes the golden hashes of `fastatari verify` into the package.

``python benchmarks/write_golden.py`` compares every preset with its real package, in the games and with the rules of
the scenarios, and writes the hashes of those presets with which nothing differs; those of others stay as they are. A
package that cannot be installed beside the others has its turn where it is, by ``--preset dopamine``.
"""

import argparse
import sys

from fastatari.cli import golden
from fastatari.cli.packages import PEERS, find_version
from fastatari.cli.verify import VERSIONED, compare, is_installed


def main():
    """Compare and write; return the exit status: 1 if the hashes of a preset could not be written."""
    parser = argparse.ArgumentParser(description="Write the golden hashes of presets that were compared.")
    parser.add_argument("--preset", action="append", choices=PEERS, help="may be repeated; default: all")
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="steps compared of each game and rules")
    args = parser.parse_args()
    failures = 0
    for preset in args.preset or PEERS:
        failure = find_failure(preset, args.steps)
        if failure is None:
            digests = {rom: golden.play(preset, rom) for rom in golden.GAMES}
            stored = golden.load() if golden.PATH.exists() else {}
            golden.save(stored | {VERSIONED[preset]: golden.Golden(find_version("ale-py"), digests)})
        failures += failure is not None
        print(f"{preset}: {failure or 'written'}", flush=True)
    return 1 if failures else 0


def find_failure(preset, steps):
    """Return why the hashes of a preset cannot be written; None if they can."""
    if not is_installed(PEERS[preset]):
        return f"{PEERS[preset].distribution} is not installed"
    for rom in golden.GAMES:
        for fields in golden.PARTS:
            difference = compare(preset, rom, steps, fields=fields).difference
            if difference is not None:
                return f"{rom}, {dict(fields)}, {difference}"
    return None


if __name__ == "__main__":
    sys.exit(main())
