"""What the rules of each preset cost: a step of its `AtariEnv` beside one of labml's, on the same frames.

What counts is the time outside of the console's compiled functions, which play the same frames for all.

What would make presets play other frames is the same for all: no no-ops, no starting actions, and episodes that go on
to the end of the game. They play short runs in turn, another one first each time: none runs between two steps of
another, because it would empty the processor's caches for it, but all see the machine at the same speed.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import contenders
import numpy as np

from fastatari import AtariEnv
from fastatari.rules import PRESETS

GAMES = ("breakout", "pong", "ms_pacman", "enduro", "riverraid")
LABML = "labml"

_SAME = {
    "noop_max": 0,
    "fire_reset": "never",
    "life_loss": "ignore",
    "max_num_frames_per_episode": 0,
    "max_episode_steps": None,
    "repeat_action_probability": 0.0,
}
# Steps that a preset plays before it is another's turn.
_RUN = 10

# So improbable that the frames are the same, but it is drawn for each.
_STICKY = {"repeat_action_probability": 1e-9}
_KINDS = {name: (name, _SAME) for name in (full.partition("@")[0] for full in PRESETS)}
_KINDS["dopamine, sticky"] = ("dopamine", _SAME | _STICKY)
OTHERS = tuple(name for name in _KINDS if name != LABML)


class Costs(NamedTuple):
    """What one game gave.

    Attributes:
        game: its ROM.
        labml: the microseconds of a step of labml's outside of the compiled console, in each round.
        more: by preset, how many microseconds more its step of the same frames takes there, in each round.
    """

    game: str
    labml: list[float]
    more: dict[str, list[float]]


def measure(games: Sequence[str], rounds: int, steps: int) -> list[Costs]:
    """Let all presets play the same rounds in turn, and check that they play the same frames."""
    return [_measure_game(game, rounds, steps) for game in games]


def _measure_game(game: str, rounds: int, steps: int) -> Costs:
    players = {
        name: _Player(AtariEnv(game, preset=preset, **overrides)) for name, (preset, overrides) in _KINDS.items()
    }
    costs = Costs(game, [], {name: [] for name in OTHERS})
    for number, runs in enumerate(contenders.draw_actions(game, (rounds + 1, steps // _RUN, _RUN))):
        times: dict[str, list[float]] = {name: [] for name in players}
        for turn, actions in enumerate(runs):
            played = {}
            for name in contenders.rotate(tuple(players), turn):
                run_times, played[name] = players[name].play(actions)
                times[name] += run_times
            assert all(frames == played[LABML] for frames in played.values())
        if number:  # the first warms up
            costs.labml.append(float(np.nanmedian(times[LABML])))
            for name, more in costs.more.items():
                more.append(float(np.nanmedian(np.subtract(times[name], times[LABML]))))
    return costs


class _Player:
    """An environment, with a stopwatch on the compiled functions that play its frames."""

    def __init__(self, env: AtariEnv) -> None:
        self._env = env
        self._played = 0
        ale = env.ale
        # A step is one call of the second, or, where actions stick, four of the first.
        ale._act_frames, ale._act_until = self._watch(ale._act_frames), self._watch(ale._act_until)
        env.reset(seed=0)

    def play(self, actions: Sequence[int]) -> tuple[list[float], list[Any]]:
        """Return the microseconds of each step outside of the console, and what tells frames that are not the same.

        Where an episode ended, the time is NaN.
        """
        env = self._env
        times, frames = [], []
        for action in actions:
            self._played = 0
            begin = time.perf_counter_ns()
            _, _, terminated, truncated, info = env.step(action)
            nanoseconds = time.perf_counter_ns() - begin - self._played
            is_over = terminated or truncated
            times.append(np.nan if is_over else nanoseconds / 1000)
            ram = env.ale.getRAM().tobytes()
            frames.append((is_over, info["lives"], info["frame_number"], info["raw_reward"], ram))
            if is_over:
                env.reset()
        return times, frames

    def _watch(self, play: Callable[..., int]) -> Callable[..., int]:
        def timed(*arguments: int) -> int:
            begin = time.perf_counter_ns()
            reward = play(*arguments)
            self._played += time.perf_counter_ns() - begin
            return reward

        return timed
