"""What the rules of each preset cost: a step of its `AtariEnv` beside one of labml's, on the same frames.

What counts is the time outside of the emulator, whose own differs by some microseconds from one to another, all the
life of a process, for no other reason than where its memory lies.

What would make presets play other frames is the same for all: no no-ops, no starting actions, and episodes that go on
to the end of the game. They play short runs in turn, another one first each time: none runs between two steps of
another, because it would empty the processor's caches for it, but all see the machine at the same speed.
"""

import time
from collections.abc import Sequence
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
        labml: the microseconds of a step of labml's outside of the emulator, in each round.
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
    """An environment, with a stopwatch on its emulator."""

    def __init__(self, env: AtariEnv) -> None:
        self._env = env
        self._emulated = 0
        engine = env._engine
        console = engine.console
        self._act = console.ale.act
        if console._sticky is None:
            console.act = engine._act = self._time_act
        else:
            console._sticky._act = self._time_act
        env.reset(seed=0)

    def play(self, actions: Sequence[int]) -> tuple[list[float], list[Any]]:
        """Return the microseconds of each step outside of the emulator, and what tells frames that are not the same.

        Where an episode ended, the time is NaN.
        """
        env = self._env
        times, frames = [], []
        for action in actions:
            self._emulated = 0
            begin = time.perf_counter_ns()
            _, _, terminated, truncated, info = env.step(action)
            nanoseconds = time.perf_counter_ns() - begin - self._emulated
            is_over = terminated or truncated
            times.append(np.nan if is_over else nanoseconds / 1000)
            ram = env.ale.getRAM().tobytes()
            frames.append((is_over, info["lives"], info["frame_number"], info["raw_reward"], ram))
            if is_over:
                env.reset()
        return times, frames

    def _time_act(self, action: Any) -> float:
        begin = time.perf_counter_ns()
        reward: float = self._act(action)
        self._emulated += time.perf_counter_ns() - begin
        return reward
