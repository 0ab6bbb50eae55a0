"""Measures how far 8 workers can get at all: ``python benchmarks/limits.py [--game breakout]``.

Three kinds of workers are given the same actions in a trainer's loop, in turn, round by round: the reference's,
fastatari's, and workers that do nothing but emulate: four calls of ``act`` a step, no resets but at the end of a game,
no observations. The last are as fast as workers of this emulator can be; all that a faster pipeline could save lies
between them and fastatari's.
"""

import argparse
import contextlib
from unittest import mock

import contenders
import numpy as np

import fastatari.worker
from fastatari import Game, Worker
from fastatari.cli.reference import ReferenceWorker

ROUNDS, STEPS = 20, 100


class ActOnly(Game):
    """A game that emulates, and nothing else: its observations stay those of the reset."""

    def advance(self, action: int) -> tuple[float, bool, None]:
        """Act four times."""
        console = self.console
        ale_action = console.check_action(action)
        for _ in range(4):
            console.act(ale_action)
        if console.game_over():
            console.reset()
        return 0.0, False, None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="breakout")
    game = parser.parse_args().game
    seeds = range(contenders.WORKER_NUM)
    with contextlib.ExitStack() as stack:
        with mock.patch.object(fastatari.worker, "Game", ActOnly):
            act_only = [Worker(seed, game=game, context="fork") for seed in seeds]
        trainers = {
            "gymnasium and cv2": [ReferenceWorker(seed, game) for seed in seeds],
            "fastatari": [Worker(seed, game=game, context="fork") for seed in seeds],
            "emulation alone": act_only,
        }
        players = {name: stack.enter_context(contenders.Trainer(workers)) for name, workers in trainers.items()}
        times: dict[str, list[float]] = {name: [] for name in players}
        for actions in contenders.draw_actions(game, (ROUNDS + 1, STEPS, contenders.WORKER_NUM)):
            for name, player in players.items():
                nanoseconds, _ = contenders.time_steps(player.step, actions)
                times[name].append(float(np.mean(nanoseconds)) / 1e3)

    print(", ".join(f"{name} {value}" for name, value in contenders.describe_environment().items()), end="\n\n")
    print(f"| {contenders.WORKER_NUM} workers, {game}, one step of each | median | times as fast as the reference |")
    print("|---|--:|--:|")
    reference = np.array(times["gymnasium and cv2"][1:])
    for name, microseconds in times.items():
        ratios = reference / microseconds[1:]
        spread = f"{np.median(ratios):.2f} ({ratios.min():.2f}..{ratios.max():.2f})"
        print(f"| {name} | {np.median(microseconds[1:]):.0f} us | {spread} |")


if __name__ == "__main__":
    main()
