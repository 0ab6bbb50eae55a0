"""One process: a step beside ale-py's act alone and beside the reference, and how long each part of it takes.

Act alone is the same frames of the same episodes as the game plays them, by calls of ``ale_py.ALEInterface.act``
without anything between: no pipeline on ale-py's emulator can be faster. What it leaves out are reads of lives and
screens, planes, observations, and resets: it goes from the end of an episode to the next while the clock stands.

An `AtariEnv` is measured in the same way, but not taken to pieces: its reference is gymnasium's own.
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

import fastatari.env
import fastatari.game
from fastatari import AtariEnv, Game
from fastatari.cli import reference
from fastatari.emulator import ConsoleName, Emulator
from fastatari.engine import Engine

OURS, ACT_ALONE, THEIRS = "fastatari", "ale-py's act alone", "reference"

# The parts of a step. CONSOLE is all frames and the screens of a step in one call (`ALEInterface.play_step`); of the
# reference it is ``act``. REST is the Python around the others. Of the reference it is in STACK, because the operations
# on the float64 stack are between the lines of its step. READ, QUERY and GYMNASIUM are only the reference's.
CONSOLE = "console"
RESET = "reset"
READ = "read screens"
PLANE = "make plane"
STACK = "stack"
QUERY = "lives"
GYMNASIUM = "gymnasium"
REST = "rest"
PARTS = (CONSOLE, RESET, READ, PLANE, STACK, QUERY, GYMNASIUM, REST)

_FRAMES = 4  # of a step

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

    def calibrate(self, play: Callable[[], object]) -> None:
        """Find out how much a wrapped call adds to its own part, and how much to its caller's.

        Args:
            play: plays some frames. Between two of them all else runs as it does in a step: from caches that the
                console has used.
        """
        self._inside = self._around = 0.0
        call_often = self.wrap(REST, _call_often)
        wrapped = self.wrap(CONSOLE, play), self.wrap(QUERY, bool)
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


class NotedEngine(Engine):
    """An engine on ale-py's console that notes the frames that it plays.

    Attributes:
        episodes: the frames that begin each, of which None is a reset, and those that follow. Frames are actions.
    """

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.episodes: list[tuple[list[Any], list[Any]]] = []
        self._frames: list[Any] = []
        console = self.console
        self._plain_act, self._plain_reset = console.act, console.reset
        console.act = self._act = self._note_act
        console.reset = self._note_reset

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode."""
        self._frames = opening = []
        super().reset(seed)
        self._frames = []
        self.episodes.append((opening, self._frames))

    def forget(self) -> None:
        """Forget all that was played."""
        self._frames = []
        self.episodes = [([], self._frames)]

    def _note_act(self, action: Any) -> Any:
        self._frames.append(action)
        return self._plain_act(action)

    def _note_reset(self) -> Any:
        self._frames.append(None)
        return self._plain_reset()


class ActAlone:
    """Calls ale-py's ``act`` for the frames that a game or environment would play, and nothing else while it is timed.

    Args:
        step: of a scout that plays ahead, untimed, to find which frames these are.
        engine: the scout's, as it was made.
        seed: that of the scout's reset before the first step.
    """

    def __init__(self, step: Callable[[int], object], engine: NotedEngine, seed: int | None = None) -> None:
        self._step, self._scout = step, engine
        self._console = Emulator(engine.console.rom, console="ale")
        engine.reset(seed)

    def plan(self, actions: Sequence[int]) -> None:
        """Find out which frames are to be played."""
        for action in actions:
            self._step(action)

    def play(self, actions: Sequence[int]) -> Played:
        """Play what was planned; return the microseconds of one of the steps, and no results."""
        nanoseconds = 0
        act = self._console.act
        for opening, frames in self._scout.episodes:
            for action in opening:
                if action is None:
                    self._console.reset()
                else:
                    act(action)
            begin = time.perf_counter_ns()
            for action in frames:
                act(action)
            nanoseconds += time.perf_counter_ns() - begin
        assert np.array_equal(self._console.read_screen(), self._scout.console.read_screen())
        self._scout.forget()
        return nanoseconds / 1000 / len(actions), []


class Breakdown(NamedTuple):
    """What one game gave.

    Attributes:
        game: its ROM.
        steps: the microseconds of a step in each round, of `OURS`, `ACT_ALONE` and `THEIRS`.
        env_steps: the same of `AtariEnv`.
        parts: the microseconds of each of `PARTS` in each round, of `OURS` and `THEIRS`.
    """

    game: str
    steps: dict[str, list[float]]
    env_steps: dict[str, list[float]]
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
    actions = [contenders.draw_actions(game, (rounds + 1, steps)) for game in games]
    traced = [Traced(game) for game in games]
    contests = [_contest_games(*each) for each in zip(games, traced, strict=True)]
    env_contests = [_contest_envs(game) for game in games]
    for turn in range(rounds + 1):
        for number, rounds_actions in enumerate(actions):
            contests[number].play(rounds_actions[turn], turn)
            env_contests[number].play(rounds_actions[turn], turn)
    return [
        Breakdown(
            game,
            drop_first(contest.steps),
            drop_first(env_contest.steps),
            {side: drop_first(parts) for side, parts in each.parts.items()},
        )
        for game, contest, env_contest, each in zip(games, contests, env_contests, traced, strict=True)
    ]


def drop_first(rounds: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Return rounds without the first, which warms up."""
    return {name: figures[1:] for name, figures in rounds.items()}


class Contest:
    """ale-py's act alone, fastatari and a reference, which play the same rounds.

    Attributes:
        steps: the microseconds of a step in each round, of `OURS`, `ACT_ALONE` and `THEIRS`.
    """

    def __init__(
        self, act_alone: ActAlone, players: Sequence[Any], **traced: Callable[[Sequence[int]], Played]
    ) -> None:
        self._act_alone = act_alone
        ours, theirs = (functools.partial(_play, player.step) for player in players)
        self._players: dict[str, Callable[[Sequence[int]], Played]] = {
            ACT_ALONE: act_alone.play,
            OURS: ours,
            THEIRS: theirs,
            **traced,
        }
        self.steps: dict[str, list[float]] = {name: [] for name in (OURS, ACT_ALONE, THEIRS)}

    def play(self, actions: Sequence[int], turn: int) -> None:
        """Play a round, another player first each turn."""
        self._act_alone.plan(actions)
        played = {name: self._players[name](actions) for name in contenders.rotate(tuple(self._players), turn)}
        _, expected = played[THEIRS]
        for name in played.keys() - {ACT_ALONE}:
            for result, expected_result in zip(played[name][1], expected, strict=True):
                contenders.assert_same(result, expected_result)
        for name, times in self.steps.items():
            times.append(played[name][0])


def _contest_games(game: str, traced: "Traced") -> Contest:
    with mock.patch.object(fastatari.game, "Engine", NotedEngine):
        scout = Game(0, game=game, console="ale")
    act_alone = ActAlone(scout.advance, scout._engine)
    games = contenders.make_games(game)
    return Contest(act_alone, games, traced=traced.play, traced_reference=traced.play_reference)


def _contest_envs(game: str) -> Contest:
    with mock.patch.object(fastatari.env, "Engine", NotedEngine):
        scout = AtariEnv(game, console="ale")
    return Contest(ActAlone(contenders.Episodes(scout).step, scout._engine, 0), contenders.make_envs(game))


def _play(step: Callable[[int], Any], actions: Sequence[int]) -> Played:
    nanoseconds, results = contenders.time_steps(step, actions)
    return float(np.mean(nanoseconds)) / 1000, results


class Traced:
    """Both games, with a stopwatch on their parts.

    Attributes:
        parts: the microseconds of each of `PARTS` in each round, of `OURS` and `THEIRS`.
    """

    def __init__(self, game: str) -> None:
        self.parts: dict[str, dict[str, list[float]]] = {side: {part: [] for part in PARTS} for side in (OURS, THEIRS)}
        self._watch = watch = Stopwatch()
        self._game, self._reference = ours, theirs = contenders.make_games(game)
        engine = ours._engine
        watch.wrap_methods(
            (
                (engine, "_act_and_read", CONSOLE),
                (engine, "_push", PLANE),
                (engine._stack, "read", STACK),
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
                (env.ale, "act", CONSOLE),
                (env.ale, "getScreenRGB", READ),
                (theirs.env, "step", GYMNASIUM),
                (theirs, "_read_lives", QUERY),
                (theirs, "reset", RESET),
                (theirs, "step", STACK),
            )
        )
        self._process = watch.wrap(PLANE, reference._process)
        self._spares = {OURS: _Spare(game, "fastatari"), THEIRS: _Spare(game, "ale")}

    def play(self, actions: Sequence[int]) -> Played:
        """Play fastatari's game."""
        return self._trace(OURS, self._game.step, actions)

    def play_reference(self, actions: Sequence[int]) -> Played:
        """Play the reference's game."""
        with mock.patch.object(reference, "_process", self._process):
            return self._trace(THEIRS, self._reference.step, actions)

    def _trace(self, side: str, step: Callable[[int], Any], actions: Sequence[int]) -> Played:
        self._watch.calibrate(self._spares[side].prepare())
        played = _play(step, actions)
        for part, microseconds in self._watch.take().items():
            self.parts[side][part].append(microseconds / len(actions))
        return played


class _Spare:
    """A console that plays on for calibration."""

    def __init__(self, game: str, console: ConsoleName) -> None:
        self._console = Emulator(game, console=console)
        self._screens = np.empty((2, *self._console.screen_shape), np.uint8)

    def prepare(self) -> Callable[[], object]:
        """Begin a game; return what plays as much of it in a call as a game does: a step, or a frame."""
        console = self._console
        console.reset()
        noop = console.check_action(0)
        if console.play_step is None:
            return functools.partial(console.act, noop)
        return functools.partial(console.play_step, noop, _FRAMES, 0b1100, 0, 0, *self._screens)
