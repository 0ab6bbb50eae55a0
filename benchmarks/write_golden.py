"""Writes the golden hashes of `fastatari verify` into the package.

``python -m benchmarks.write_golden`` compares every preset with its real package, in the games and with the rules of
the scenarios, and writes the hashes of those presets with which nothing differs; those of others stay as they are. A
package that cannot be installed beside the others has its turn where it is, by ``--preset dopamine``.
"""

import argparse
import importlib.metadata
import sys

from fastatari.cli import golden
from fastatari.cli.packages import PEERS
from fastatari.cli.verify import VERSIONED, NotCompared, compare, is_installed


def main() -> int:
    """Compare and write; return the exit status: 1 if the hashes of a preset could not be written."""
    parser = argparse.ArgumentParser(description="Write the golden hashes of presets that were compared.")
    parser.add_argument("--preset", action="append", choices=PEERS, help="may be repeated; default: all")
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="steps compared of each game and rules")
    args = parser.parse_args()
    failures = 0
    for preset in args.preset or PEERS:
        refused: set[str] = set()
        failure = find_failure(preset, args.steps, refused)
        if failure is None:
            digests = {rom: golden.play(preset, rom) for rom in golden.GAMES if rom not in refused}
            stored = golden.load() if golden.PATH.exists() else {}
            golden.save(stored | {VERSIONED[preset]: golden.Golden(importlib.metadata.version("ale-py"), digests)})
        failures += failure is not None
        print(f"{preset}: {failure or 'written'}", flush=True)
    return 1 if failures else 0


def find_failure(preset: str, steps: int, refused: set[str]) -> str | None:
    """Return why the hashes of a preset cannot be written; None if they can. Refused games are noted."""
    if not is_installed(PEERS[preset]):
        return f"{PEERS[preset].distribution} is not installed"
    for rom in golden.GAMES:
        for fields in golden.list_parts(preset):
            try:
                difference = compare(preset, rom, steps, fields=fields).difference
            except NotCompared:
                refused.add(rom)
                continue
            if difference is not None:
                return f"{rom}, {dict(fields)}, {difference}"
    return None


if __name__ == "__main__":
    sys.exit(main())
