"""Evaluates a policy over several games at once: whole games, raw rewards.

    pip install fastatari
    python examples/evaluate.py --games breakout pong seaquest --episodes 20
    python examples/evaluate.py --games pong --policy agent:act

`agent:act` is called with observations, uint8[m, 84, 84, 4], and the names of the game's actions, and returns an action
for each. The environments of all games play at the same time: `send` returns at once, and `recv` waits.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable

import numpy as np

from fastatari import AtariVectorEnv


def find_policy(name: str, seed: int) -> Callable[..., np.ndarray]:
    """Return a policy: random, or a function of a module."""
    if name == "random":
        rng = np.random.default_rng(seed)
        return lambda observations, meanings: rng.integers(len(meanings), size=len(observations))
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())
    return getattr(importlib.import_module(module), function)


class Evaluation:
    """Games of one kind, each environment's counted from its first on, so that short ones do not count more often.

    Args:
        game: the game.
        envs: how many environments.
        episodes: how many games of each environment.
        seed: of the first environment.
    """

    def __init__(self, game: str, envs: int, episodes: int, seed: int) -> None:
        self.game, self.episodes = game, episodes
        self.env = AtariVectorEnv(game, envs, preset="sb3", episode_statistics=True, repeat_action_probability=0.25)
        self.meanings = self.env.get_action_meanings()
        self.returns: list[list[float]] = [[] for _ in range(envs)]
        self.observations, _ = self.env.reset(seed=seed)

    @property
    def is_done(self) -> bool:
        return all(len(each) >= self.episodes for each in self.returns)

    def send(self, policy: Callable[..., np.ndarray]) -> None:
        self.env.send(policy(self.observations, self.meanings))

    def recv(self) -> None:
        self.observations, *_, info = self.env.recv()
        for i in np.flatnonzero(info["_episode"]).tolist():
            if len(self.returns[i]) < self.episodes:
                self.returns[i].append(float(info["episode"]["r"][i]))


def evaluate(args: argparse.Namespace) -> dict[str, list[float]]:
    """Play, and return the returns of each game."""
    policy = find_policy(args.policy, args.seed)
    evaluations = [Evaluation(game, args.envs, args.episodes, args.seed) for game in args.games]
    steps = 0
    while left := [each for each in evaluations if not each.is_done]:
        for each in left:
            each.send(policy)
        for each in left:
            each.recv()
        steps += 1
        if steps % 200 == 0:
            done = sum(len(returns) for each in evaluations for returns in each.returns)
            print(f"\r{done} of {len(evaluations) * args.envs * args.episodes} games ", end="", flush=True)
    print()
    results = {}
    for each in evaluations:
        results[each.game] = returns = [value for values in each.returns for value in values]
        print(f"{each.game:20} mean {np.mean(returns):10.1f}  standard deviation {np.std(returns):8.1f}")
        each.env.close()
    return results


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--games", nargs="+", default=["breakout", "pong", "seaquest"], help="the games")
    parser.add_argument("--envs", type=int, default=8, help="environments of each game")
    parser.add_argument("--episodes", type=int, default=5, help="games of each environment")
    parser.add_argument("--policy", default="random", help="random, or module:function")
    parser.add_argument("--seed", type=int, default=1, help="the seed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    evaluate(parse())
