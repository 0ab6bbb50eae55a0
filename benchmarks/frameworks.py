"""Measures the adapters of frameworks: ``python -m benchmarks.frameworks``, after ``pip install '.[bench-vectors]'``.

Both sides of each pair play the same, which is checked before they are timed, in turn. Sections:

* `adapters`: what a step of each adapter takes, beside the bare `AtariVectorEnv` with the same rules.
* `sb3`: `SB3VecEnv` beside stable-baselines3's own environments, each in a process.
* `policy`: a rollout of its PPO with `SB3VecEnv`, beside one with environments that cost nothing.
"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecFrameStack

from benchmarks import command, timing, vector_rounds
from benchmarks.interfaces import AtariVectorEnv, list_roms
from fastatari.adapters import cleanrl, envpool, sb3

GAME, IDS = "breakout", {"breakout": "BreakoutNoFrameskip-v4", "pong": "PongNoFrameskip-v4"}
COUNTS = (8, 64)
_SEED = 1

Step = Callable[[npt.NDArray[np.int32]], Any]


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
    parser.add_argument("--game", default=GAME, choices=[name for name in list_roms() if name in IDS])
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
    same_step = {"autoreset_mode": "SameStep", "episode_statistics": True}
    results = []
    for num_envs in arguments.counts:
        game = arguments.game
        kinds: dict[str, tuple[Any, Any]] = {
            "sb3": (sb3.make_sb3_env(game, num_envs, seed=_SEED), {"preset": "sb3", **same_step}),
            "cleanrl": (cleanrl.make_cleanrl_env(game, num_envs), {"preset": "cleanrl", **same_step}),
            "envpool": (
                envpool.make_gymnasium(f"{game.title()}-v5", num_envs=num_envs, seed=_SEED),
                {"preset": "envpool", "info_ram": True},
            ),
        }
        for name, (adapter, rules) in kinds.items():
            bare = AtariVectorEnv(game, num_envs, **rules)
            result = race(name, num_envs, adapter, bare, arguments)
            results.append(result)
            medians = timing.write_median(result.theirs), timing.write_median(result.ours)
            timing.print_row(name, str(num_envs), *medians, timing.write_spread(result.ratios))
    return results


def measure_sb3(arguments: argparse.Namespace) -> list[Pair]:
    """Measure `SB3VecEnv` beside stable-baselines3's own; print how many times as fast it is."""
    timing.print_head(
        "stable-baselines3, microseconds of a step of one environment",
        *("environments", "`SB3VecEnv`", "`VecFrameStack(SubprocVecEnv)`", "times as fast"),
    )
    num_envs, name = arguments.counts[0], IDS[arguments.game]
    fork = {"start_method": "fork"}
    theirs = make_atari_env(name, num_envs, seed=_SEED, vec_env_cls=SubprocVecEnv, vec_env_kwargs=fork)
    stacked = VecFrameStack(theirs, 4)
    ours = sb3.make_sb3_env(arguments.game, num_envs, seed=_SEED)
    result = race("sb3", num_envs, ours, stacked, arguments)
    medians = timing.write_median(result.ours), timing.write_median(result.theirs)
    timing.print_row(str(num_envs), *medians, timing.write_spread(result.ratios))
    return [result]


def measure_policy(arguments: argparse.Namespace) -> list[Pair]:
    """Measure rollouts of PPO; print how near environments that cost nothing they come."""
    timing.print_head(
        "Rollouts of PPO with its CNN, microseconds of a step of one environment",
        *("environments", "`SB3VecEnv`", "environments that cost nothing", "nothing / `SB3VecEnv`"),
    )
    num_envs = arguments.counts[0]
    ours = sb3.make_sb3_env(arguments.game, num_envs, seed=_SEED)
    steps = max(4, arguments.steps // num_envs)

    def make_play(env: VecEnv) -> Callable[[], float]:
        model = PPO("CnnPolicy", env, n_steps=steps, batch_size=num_envs, seed=_SEED, device="cpu")
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
    medians = timing.write_median(result.ours), timing.write_median(result.theirs)
    timing.print_row(str(num_envs), *medians, timing.write_spread(result.ratios))
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


def race(name: str, num_envs: int, ours: Any, theirs: Any, arguments: argparse.Namespace) -> Pair:
    """Let two sides play the same actions in turn, after they were found equal; close both.

    Raises:
        AssertionError: their observations, rewards or ends differ.
    """
    actions = vector_rounds.draw_actions(arguments.game, num_envs)
    batches = max(4, arguments.steps // num_envs)
    played = {"ours": 0, "theirs": 0}
    sides = {"ours": ours, "theirs": theirs}
    results: dict[str, Any] = {}

    def play(side: str) -> float:
        first = played[side]
        rows = [actions[k % len(actions)] for k in range(first, first + batches)]
        played[side] = first + batches
        step: Step = sides[side].step
        begin = time.perf_counter()
        for row in rows:
            result = step(row)
        seconds = time.perf_counter() - begin
        results[side] = read(result)
        return 1e6 * seconds / (batches * num_envs)

    def check() -> bool:
        for mine, other in zip(results["ours"], results["theirs"], strict=True):
            assert np.array_equal(mine, other), f"{name}: the two sides differ"
        return True

    try:
        begun = [begin(each) for each in (ours, theirs)]
        assert np.array_equal(*begun), f"{name}: the first observations differ"
        players = {side: functools.partial(play, side) for side in sides}
        times = timing.play_rounds(players, arguments.rounds, check=check)
    finally:
        ours.close()
        theirs.close()
    return Pair(name, num_envs, times["ours"], times["theirs"])


def begin(env: Any) -> npt.NDArray[Any]:
    """Return the first observations."""
    if isinstance(env, VecEnv):
        observations: npt.NDArray[Any] = env.reset()
        return observations
    reset = env.reset() if isinstance(env, envpool.GymnasiumEnvPool) else env.reset(seed=_SEED)
    first: npt.NDArray[Any] = reset[0]
    return first


def read(result: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Return observations, rewards and ends of a step, of four values or of five."""
    observations, rewards, *ends, _ = result
    return np.array(observations), np.array(rewards, np.float32), np.logical_or.reduce(ends)


if __name__ == "__main__":
    main()
