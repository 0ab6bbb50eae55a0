"""Measures the adapters of frameworks: ``python -m benchmarks.frameworks``, after ``pip install '.[bench-vectors]'``.

Both sides of each pair play the same, which is checked before they are timed, in turn. Sections:

* `adapters`: what a step of each adapter takes, beside the bare `AtariVectorEnv` with the same rules.
* `sb3`: `SB3VecEnv` beside stable-baselines3's own environments, each in a process.
* `policy`: a rollout of its PPO with `SB3VecEnv`, beside one with environments that cost nothing.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from benchmarks import command, timing, vector_rounds
from benchmarks.interfaces import AtariVectorEnv, list_roms
from benchmarks.other_packages import PACKAGES, SB3, SEED, GymnasiumPlayer, Player, SB3Player
from benchmarks.vector_rounds import Sides
from fastatari.adapters import cleanrl, envpool, sb3
from fastatari.games import to_envpool_id

COUNTS = (8, 64)


class Pair(NamedTuple):
    """Two sides that played in turn.

    Attributes:
        name: what is compared.
        num_envs: of so many environments.
        ours: the microseconds of a step of one environment in each round.
        theirs: the same, of the other side.
    """

    name: str
    num_envs: int
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the other side takes, in each round."""
        return timing.divide(self.theirs, self.ours)


def main() -> None:
    """Measure, and print and save what came out."""
    parser = command.make_parser(
        __doc__,
        ("adapters", "sb3", "policy"),
        rounds=20,
        steps=400,
        steps_help="of a round, summed over the environments; four batches at least",
    )
    parser.add_argument("--game", default="breakout", choices=list_roms(), metavar="GAME")
    parser.add_argument("--counts", nargs="+", type=command.positive, default=COUNTS, metavar="N", help=f"{COUNTS}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # beside the threads of the environments
    measures = {"adapters": measure_adapters, "sb3": measure_sb3, "policy": measure_policy}
    command.run(arguments, {name: functools.partial(measure, arguments) for name, measure in measures.items()})


def measure_adapters(arguments: argparse.Namespace) -> list[Pair]:
    """Measure steps of each adapter beside the bare environments; print both, and the adapter's share."""
    timing.print_head(
        "An adapter beside the bare `AtariVectorEnv`, microseconds of a step of one environment",
        *("adapter", "environments", "bare", "with the adapter", "bare / adapter"),
    )
    results = []
    for num_envs, sides in itertools.product(arguments.counts, ADAPTERS):
        result = race(arguments, num_envs, sides)
        results.append(result)
        medians = timing.write_median(result.theirs), timing.write_median(result.ours)
        timing.print_row(sides.name, str(num_envs), *medians, timing.write_spread(result.ratios))
    return results


def measure_sb3(arguments: argparse.Namespace) -> list[Pair]:
    """Measure `SB3VecEnv` beside stable-baselines3's own; print how many times as fast it is."""
    timing.print_head(
        "stable-baselines3, microseconds of a step of one environment",
        *("environments", "`SB3VecEnv`", "`VecFrameStack(SubprocVecEnv)`", "times as fast"),
    )
    # The adapter is what the other side is compared with here.
    sides = Sides("sb3", make_sb3_player, PACKAGES[SB3].make)
    result = race(arguments, arguments.counts[0], sides)
    print_pair(result)
    return [result]


def race(arguments: argparse.Namespace, num_envs: int, sides: Sides) -> Pair:
    """Let an adapter, the other of two sides, and what it is compared with play the same, all in a batch."""
    raced = vector_rounds.race(
        arguments.game, num_envs, sides, rounds=arguments.rounds, steps=arguments.steps, batch_size=num_envs
    )
    return Pair(sides.name, num_envs, raced.theirs, raced.ours)


def print_pair(result: Pair) -> None:
    """Print how fast both are."""
    medians = timing.write_median(result.ours), timing.write_median(result.theirs)
    timing.print_row(str(result.num_envs), *medians, timing.write_spread(result.ratios))


def make_sb3_player(game: str, num_envs: int, _: int) -> Player:
    """Return environments behind stable-baselines3's adapter."""
    return SB3Player(sb3.make_sb3_env(game, num_envs))


def make_cleanrl_player(game: str, num_envs: int, _: int) -> Player:
    """Return environments behind CleanRL's adapter."""
    return GymnasiumPlayer(cleanrl.make_cleanrl_env(game, num_envs))


def make_envpool_player(game: str, num_envs: int, _: int) -> Player:
    """Return environments behind envpool's adapter, which takes its seed at once."""
    return GymnasiumPlayer(envpool.make_gymnasium(to_envpool_id(game), num_envs=num_envs, seed=SEED), seed=None)


def make_bare_player(game: str, num_envs: int, _: int, **rules: Any) -> Player:
    """Return the bare environments with the same rules and infos."""
    return GymnasiumPlayer(AtariVectorEnv(game, num_envs, **rules))


_SAME_STEP = {"autoreset_mode": "SameStep", "episode_statistics": True}
ADAPTERS = (
    Sides("sb3", make_sb3_player, functools.partial(make_bare_player, preset="sb3", **_SAME_STEP)),
    Sides("cleanrl", make_cleanrl_player, functools.partial(make_bare_player, preset="cleanrl", **_SAME_STEP)),
    Sides("envpool", make_envpool_player, functools.partial(make_bare_player, preset="envpool", info_ram=True)),
)


def measure_policy(arguments: argparse.Namespace) -> list[Pair]:
    """Measure rollouts of PPO; print how near environments that cost nothing they come."""
    timing.print_head(
        "Rollouts of PPO with its CNN, microseconds of a step of one environment",
        *("environments", "`SB3VecEnv`", "environments that cost nothing", "nothing / `SB3VecEnv`"),
    )
    num_envs = arguments.counts[0]
    ours = sb3.make_sb3_env(arguments.game, num_envs, seed=SEED)
    steps = max(4, arguments.steps // num_envs)

    def make_play(env: VecEnv) -> Callable[[], float]:
        model = PPO("CnnPolicy", env, n_steps=steps, batch_size=num_envs, seed=SEED, device="cpu")
        _, callback = model._setup_learn(10**9)

        def play() -> float:
            begin = time.perf_counter()
            model.collect_rollouts(model.env, callback, model.rollout_buffer, steps)
            return 1e6 * (time.perf_counter() - begin) / (steps * num_envs)

        return play

    players = {"ours": make_play(ours), "nothing": make_play(Nothing(ours))}
    times = timing.play_rounds(players, arguments.rounds)
    ours.close()
    result = Pair("policy", num_envs, times["ours"], times["nothing"])
    print_pair(result)
    return [result]


class Nothing(VecEnv):
    """Environments that return the same arrays each time.

    Args:
        like: environments whose spaces they have.
    """

    def __init__(self, like: VecEnv) -> None:
        self._observations = np.zeros((like.num_envs, *like.observation_space.shape), np.uint8)
        self._results = np.zeros(like.num_envs, np.float32), np.zeros(like.num_envs, np.bool_)
        super().__init__(like.num_envs, like.observation_space, like.action_space)

    def reset(self) -> npt.NDArray[np.uint8]:
        """Do what `VecEnv.reset` does, at no cost."""
        return self._observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Do what `VecEnv.step_async` does, at no cost."""

    def step_wait(self) -> tuple[Any, ...]:
        """Do what `VecEnv.step_wait` does, at no cost."""
        return self._observations, *self._results, [{} for _ in range(self.num_envs)]

    def close(self) -> None:
        """Do what `VecEnv.close` does, at no cost."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Do what `VecEnv.get_attr` does, at no cost."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Do what `VecEnv.set_attr` does, at no cost."""

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Do what `VecEnv.env_method` does, at no cost."""
        return []

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Do what `VecEnv.env_is_wrapped` does, at no cost."""
        return [False] * self.num_envs


if __name__ == "__main__":
    main()
