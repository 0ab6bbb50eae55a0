"""One process: a step beside emulation alone and beside the reference, and how long each part of it takes.

Emulation alone is the limit: the same frames of the same episodes as the game plays them, by calls of ``act`` without
anything between. What it leaves out are reads of lives and screens, planes, observations, and resets, whose emulation
is not in it either: it goes from the end of an episode to the next while the clock stands.
"""

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import contenders
import numpy as np

from fastatari import Game
from fastatari.cli import reference
from fastatari.cli.reference import ReferenceGame
from fastatari.console import Console

OURS, LIMIT, THEIRS = "fastatari", "emulation alone", "reference"

# The parts of a step. REST is the Python around the others. Of the reference it is in STACK, because the operations on
# the float64 stack are between the lines of its step.
EMULATE = "emulate"
RESET = "reset"
READ = "read screens"
PLANE = "make plane"
STACK = "stack"
QUERY = "lives, game over"
GYMNASIUM = "gymnasium"
REST = "rest"
PARTS = (EMULATE, RESET, READ, PLANE, STACK, QUERY, GYMNASIUM, REST)

# How often each game is reset before it is measured. Its first resets are true, which is not to count as a step's time.
_RESETS = 10

_OUTSIDE = "outside"
_CALIBRATIONS, _CALLS = 7, 15

Played = tuple[float, list[Any]]


class Stopwatch:
    """Tells how long each part of a program takes, by functions that it wraps.

    The part that runs is that of the innermost wrapped function, but what a reset calls is all the reset's. What the
    stopwatch itself takes is subtracted: a function that does nothing takes no time, and calling it is its caller's.
    """

    def __init__(self) -> None:
        self._nanoseconds = dict.fromkeys((*PARTS, _OUTSIDE), 0.0)
        self._part = _OUTSIDE
        self._since = 0
        self._inside = self._around = 0.0

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and whose time is counted as a part's."""
        clock, nanoseconds = time.perf_counter_ns, self._nanoseconds

        def timed(*args: Any) -> Any:
            caller = self._part
            if caller == RESET:
                return function(*args)
            now = clock()
            nanoseconds[caller] += now - self._since - self._around
            self._part, self._since = part, now
            result = function(*args)
            now = clock()
            nanoseconds[part] += now - self._since - self._inside
            self._part, self._since = caller, now
            return result

        return timed

    def wrap_methods(self, methods: Sequence[tuple[Any, str, str]]) -> None:
        """Wrap methods in their places; each is given by its owner, its name and its part."""
        for owner, name, part in methods:
            setattr(owner, name, self.wrap(part, getattr(owner, name)))

    def calibrate(self, emulate: Callable[[], object]) -> None:
        """Find out how much a wrapped call adds to its own part, and how much to its caller's.

        Args:
            emulate: emulates a frame. Between two of them all else runs as it does in a step: from caches that the
                emulator has used.
        """
        self._inside = self._around = 0.0
        call_often = self.wrap(REST, _call_often)
        wrapped = self.wrap(EMULATE, emulate), self.wrap(QUERY, bool)
        added = []
        for _ in range(_CALIBRATIONS):
            begin = time.perf_counter_ns()
            _call_often(bool, bool)
            plain = (time.perf_counter_ns() - begin) / 1000
            self.take()
            call_often(*wrapped)
            taken = self.take()
            added.append((taken[QUERY] / (2 * _CALLS), (taken[REST] - plain) / (3 * _CALLS)))
        self._inside, self._around = (1000 * np.median(added, axis=0)).tolist()

    def take(self) -> dict[str, float]:
        """Return the microseconds of each part since the last call."""
        taken = {part: self._nanoseconds[part] / 1000 for part in PARTS}
        self._nanoseconds.update(dict.fromkeys(self._nanoseconds, 0.0))
        return taken


def _call_often(first: Callable[[], object], other: Callable[[], object]) -> None:
    for _ in itertools.repeat(None, _CALLS):
        first()
        other()
        other()


class Emulation:
    """Emulates what a `Game` would, and nothing else while it is timed."""

    def __init__(self, game: str) -> None:
        # Plays ahead, untimed, to find where episodes end.
        self._scout = Game(0, game=game)
        self._runs: list[list[Any]] = []
        self._act, self._reset = self._scout.console.act, self._scout.console.reset
        self._scout.console.act = self._note_act
        self._scout.console.reset = self._note_reset
        self._console = Console(game)
        for _ in range(_RESETS):
            self._scout.begin()
            self._console.reset()

    def plan(self, actions: Sequence[int]) -> None:
        """Find out what is to be emulated: runs of actions, each for one frame, and between two of them a reset."""
        self._runs = [[]]
        for action in actions:
            self._scout.advance(action)

    def play(self, actions: Sequence[int]) -> Played:
        """Emulate what was planned; return the microseconds of one of the steps, and no results."""
        nanoseconds = 0
        act = self._console.act
        for number, run in enumerate(self._runs):
            if number:
                self._console.reset()
            begin = time.perf_counter_ns()
            for action in run:
                act(action)
            nanoseconds += time.perf_counter_ns() - begin
        assert np.array_equal(self._console.read_screen(), self._scout.console.read_screen())
        return nanoseconds / 1000 / len(actions), []

    def _note_act(self, action: Any) -> Any:
        self._runs[-1].append(action)
        return self._act(action)

    def _note_reset(self) -> Any:
        self._runs.append([])
        return self._reset()


class Breakdown(NamedTuple):
    """What one game gave.

    Attributes:
        game: its ROM.
        steps: the microseconds of a step in each round, of `OURS`, `LIMIT` and `THEIRS`.
        parts: the microseconds of each of `PARTS` in each round, of `OURS` and `THEIRS`.
    """

    game: str
    steps: dict[str, list[float]]
    parts: dict[str, dict[str, list[float]]]

    def average(self, side: str, part: str) -> float:
        """Return the microseconds of a part: the median, or the mean of resets, because few rounds have one."""
        return float((np.mean if part == RESET else np.median)(self.parts[side][part]))

    def sums(self, side: str) -> list[float]:
        """Return the sum of all parts in each round."""
        return [sum(parts) for parts in zip(*self.parts[side].values(), strict=True)]


def measure(games: Sequence[str], rounds: int, steps: int) -> list[Breakdown]:
    """Let all play the same rounds in turn, and check that they have equal results.

    Every game is played each round, because the speed of the machine changes and games are to be compared as well.
    """
    contests = [Contest(game, rounds, steps) for game in games]
    for turn in range(rounds + 1):
        for contest in contests:
            contest.play(turn)
    return [contest.result for contest in contests]


class Contest:
    """All that play one game.

    Attributes:
        result (Breakdown): of the rounds after the first, which warms up.
    """

    def __init__(self, game: str, rounds: int, steps: int) -> None:
        self._actions = contenders.draw_actions(game, (rounds + 1, steps))
        ours, theirs = _make_games(game)
        self._emulation = Emulation(game)
        self._traced = Traced(game)
        self._players: dict[str, Callable[[Sequence[int]], Played]] = {
            LIMIT: self._emulation.play,
            OURS: functools.partial(_play, ours.step),
            THEIRS: functools.partial(_play, theirs.step),
            "traced": self._traced.play,
            "traced reference": self._traced.play_reference,
        }
        self.result = Breakdown(
            game,
            {name: [] for name in (OURS, LIMIT, THEIRS)},
            {side: {part: [] for part in PARTS} for side in (OURS, THEIRS)},
        )

    def play(self, turn: int) -> None:
        """Play a round, another player first each turn."""
        actions = self._actions[turn]
        self._emulation.plan(actions)
        played = {name: self._players[name](actions) for name in contenders.rotate(tuple(self._players), turn)}
        _, expected = played[THEIRS]
        for name in played.keys() - {LIMIT}:
            for result, expected_result in zip(played[name][1], expected, strict=True):
                contenders.assert_same(result, expected_result)
        if turn:
            self._note(played, len(actions))

    def _note(self, played: Mapping[str, Played], step_num: int) -> None:
        for name, times in self.result.steps.items():
            times.append(played[name][0])
        for side, parts in self.result.parts.items():
            for part, times in parts.items():
                times.append(self._traced.parts[side][part] / step_num)


def _make_games(game: str) -> tuple[Game, ReferenceGame]:
    games = contenders.make_games(game)
    for each, _ in itertools.product(games, range(_RESETS - 1)):
        each.reset()
    return games


def _play(step: Callable[[int], Any], actions: Sequence[int]) -> Played:
    nanoseconds, results = contenders.time_steps(step, actions)
    return float(np.mean(nanoseconds)) / 1000, results


class Traced:
    """Both games, with a stopwatch on their parts.

    Attributes:
        parts: the microseconds that each part took when they played last, of `OURS` and `THEIRS`.
    """

    def __init__(self, game: str) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._watch = watch = Stopwatch()
        self._game, self._reference = ours, theirs = _make_games(game)
        console = ours.console
        watch.wrap_methods(
            (
                (console, "act", EMULATE),
                (console, "lives", QUERY),
                (console, "game_over", QUERY),
                (console, "read_screen", READ),
                (ours._stack, "push_screens", PLANE),
                (ours._stack, "read", STACK),
                (ours, "begin", RESET),
                (ours, "step", REST),
            )
        )
        env: Any = theirs.env.unwrapped
        ale = env.ale
        # The attributes of the emulator itself cannot be set.
        env.ale = SimpleNamespace(**{name: getattr(ale, name) for name in dir(ale) if not name.startswith("_")})
        watch.wrap_methods(
            (
                (env.ale, "act", EMULATE),
                (env.ale, "getScreenRGB", READ),
                (theirs.env, "step", GYMNASIUM),
                (theirs, "_read_lives", QUERY),
                (theirs, "reset", RESET),
                (theirs, "step", STACK),
            )
        )
        self._process = watch.wrap(PLANE, reference._process)
        self._spare = Console(game)

    def play(self, actions: Sequence[int]) -> Played:
        """Play fastatari's game."""
        return self._trace(OURS, self._game.step, actions)

    def play_reference(self, actions: Sequence[int]) -> Played:
        """Play the reference's game."""
        with mock.patch.object(reference, "_process", self._process):
            return self._trace(THEIRS, self._reference.step, actions)

    def _trace(self, side: str, step: Callable[[int], Any], actions: Sequence[int]) -> Played:
        self._spare.reset()
        self._watch.calibrate(functools.partial(self._spare.act, self._spare.check_action(0)))
        played = _play(step, actions)
        self.parts[side] = self._watch.take()
        return played
