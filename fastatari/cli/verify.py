"""The check that fastatari computes what other packages compute, by playing beside them on this machine."""

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastatari import __version__
from fastatari.cli import golden
from fastatari.cli.failures import describe_error, print_error
from fastatari.cli.outcomes import Outcome
from fastatari.cli.packages import PEERS, Peer, are_installed, find_version
from fastatari.cli.progress import make_progress, make_terminal
from fastatari.engine.interface import ConsoleName
from fastatari.envs.env import AtariEnv
from fastatari.rules import PRESETS

# A package stands for the latest version of its preset.
VERSIONED = {preset.partition("@")[0]: preset for preset in PRESETS}

# They cannot begin a new game by a seed while one goes on.
_UNSEEDED = ("labml", "sb3", "cleanrl")
_SEED_EPISODES = 5

_Advance = Callable[[int], None]


class NotCompared(Exception):
    """There is nothing to compare a game with; the text says why."""


class Comparison(NamedTuple):
    """What a comparison found.

    Attributes:
        steps (int): how many steps were compared.
        episodes (int): how many episodes ended meanwhile.
        pixels (int): how many pixels of all observations differ.
        values (int): how many other values differ: shapes and dtypes of observations, rewards, ends, lives, and
            numbers of frames; or hashes.
        difference (str, optional): the first difference, in words.
    """

    steps: int
    episodes: int
    pixels: int
    values: int
    difference: str | None


class _Differences:
    """Counts what differs, and describes the first of it."""

    def __init__(self, is_dtype_same: bool) -> None:
        self._is_dtype_same = is_dtype_same
        self.pixels = self.values = 0
        self.first: str | None = None

    def count(self, when: str, step: tuple[npt.NDArray[Any], float, bool, bool, dict[str, Any]], peer: Outcome) -> None:
        """Compare what a step or a reset gave; what the package does not tell is left out."""
        observation, reward, terminated, truncated, info = step
        pairs: dict[str, tuple[Any, Any]] = {
            "reward": (reward, peer.reward),
            "terminated": (terminated or (peer.truncated is None and truncated), peer.terminated),
            "truncated": (truncated, peer.truncated),
            "lives": (info["lives"], peer.lives),
            "episode_frame_number": (info["episode_frame_number"], peer.episode_frame_number),
        }
        pixels = 0
        if peer.observation is not None:
            pairs["shape"] = observation.shape, peer.observation.shape
            if self._is_dtype_same:
                pairs["dtype"] = observation.dtype, peer.observation.dtype
            is_comparable = observation.shape == peer.observation.shape
            pixels = int((observation != peer.observation).sum()) if is_comparable else observation.size
        texts = [f"{pixels:,} pixels"] if pixels else []
        for name, (mine, theirs) in pairs.items():
            if theirs is not None and mine != theirs:
                self.values += 1
                texts.append(f"{name} {mine} instead of {theirs}")
        self.pixels += pixels
        if texts and self.first is None:
            self.first = f"{when}: {', '.join(texts)}"


def compare(
    preset: str,
    rom: str,
    steps: int,
    *,
    seed: int = 0,
    fields: Mapping[str, Any] | None = None,
    advance: _Advance | None = None,
    console: ConsoleName = "fastatari",
) -> Comparison:
    """Play a game at random with `AtariEnv` beside a preset's real package, and compare all that both give.

    Args:
        preset (str): one of `PEERS`.
        rom (str): the ROM's id.
        steps (int): how many steps to play.
        seed (int): seeds the actions and both games.
        fields (dict, optional): fields of `AtariRules` that are to be other than the preset's.
        advance (Callable[[int], None], optional): called after every step with 1.
        console ("fastatari" | "ale"): as for `AtariEnv`.

    Returns:
        Comparison: what differs.

    Raises:
        NotCompared: the package refuses the game.
        TypeError: there is no such field, or its value has the wrong type.
        ValueError: a value of a field is not allowed.
    """
    fields = fields or {}
    env = AtariEnv(rom, preset=preset, console=console, **fields)
    try:
        package = PEERS[preset].make(rom, **fields)
    except (AssertionError, ValueError) as error:
        raise NotCompared(f"refused by {PEERS[preset].distribution}") from error
    rng = np.random.default_rng(seed)
    differences = _Differences(is_dtype_same=preset != "labml")  # its float64 hold uint8's values
    step = episodes = 0

    def reset(seed: int | None) -> None:
        observation, info = env.reset(seed=seed)
        differences.count(f"reset after step {step}", (observation, 0.0, False, False, info), package.reset(seed))

    try:
        reset(seed)
        for step in range(1, steps + 1):
            action = int(rng.integers(len(env.get_action_meanings())))
            mine, theirs = env.step(action), package.step(action)
            differences.count(f"step {step}", mine, theirs)
            _, _, terminated, truncated, info = mine
            if env.rules.life_loss == "report":
                is_over = info["game_over"]
            else:
                is_over = terminated or truncated or theirs.terminated or bool(theirs.truncated)
            if is_over:
                episodes += 1
                is_seeded = episodes % _SEED_EPISODES == 0 and preset not in _UNSEEDED
                reset(seed + episodes if is_seeded else None)
            if advance is not None:
                advance(1)
    except Exception:
        # Whoever is in another state than the other may refuse what the other asks for.
        if differences.first is None:
            raise
    finally:
        env.close()
        package.close()
    return Comparison(step, episodes, differences.pixels, differences.values, differences.first)


def compare_golden(preset: str, rom: str, console: ConsoleName = "fastatari") -> Comparison:
    """Play the scenario of the golden hashes, and compare them.

    Args:
        preset (str): one of `PEERS`.
        rom (str): the ROM's id.
        console ("fastatari" | "ale"): as for `AtariEnv`.

    Returns:
        Comparison: which of the hashes differs. After other inputs nothing can be said about the outputs.

    Raises:
        NotCompared: there are no golden hashes of the game.
    """
    entry = _find_golden(preset)
    if entry is None or rom not in entry.games:
        raise NotCompared("no golden hashes")
    expected, digests = entry.games[rom], golden.play(preset, rom, console=console)
    difference = None
    if digests.inputs != expected.inputs:
        difference = "inputs: the emulator itself gives something else here, so the outputs cannot be judged"
    elif digests.outputs != expected.outputs:
        difference = "outputs: the emulator gives the same, but what is made of it differs"
    return Comparison(golden.PART_STEPS * golden.PART_NUM, 0, 0, int(difference is not None), difference)


def is_installed(peer: Peer) -> bool:
    """Return whether a package and all that it needs are there."""
    return are_installed(peer.modules)


def run(
    presets: Sequence[str] = tuple(PEERS),
    games: Sequence[str] = golden.GAMES,
    steps: int = 600,
    seed: int = 0,
    console: ConsoleName = "fastatari",
) -> int:
    """Compare presets with their packages, or where those are not installed with golden hashes, and show the result.

    Args:
        presets (Sequence[str]): which of `PEERS`.
        games (Sequence[str]): ROMs' ids.
        steps (int): how many steps each game is played with each package, half of them under a small budget of frames,
            so that episodes end. The scenarios of golden hashes have their own number.
        seed (int): seeds the actions and the games.
        console ("fastatari" | "ale"): as for `AtariEnv`.

    Returns:
        int: the exit status: 0, or 1 if anything differs or could not be compared, which is said after the results.
    """
    terminal = make_terminal()
    terminal.print(_describe_machine(), "", sep="\n")
    report = _Report()
    try:
        with _show_progress(len(presets) * len(games) * steps) as advance:
            for preset in presets:
                outcomes: _Outcomes = _Outcomes({}, {}, {})
                try:
                    _compare_games(outcomes, preset, games, steps, seed, advance, console)
                finally:
                    report.add(preset, outcomes)
    finally:
        report.print(terminal)
    for text in report.failures:
        print_error("verify", text)
    return 1 if report.differing_num or report.failures else 0


class _Outcomes(NamedTuple):
    """What came of the games of a preset: what was found; and where nothing was compared, the games by the reason."""

    found: dict[str, Comparison]
    left_out: dict[str, list[str]]
    failed: dict[str, list[str]]


class _Report:
    """The table of what was found, and what is said below it.

    Attributes:
        differing_num (int): how many comparisons found a difference.
        failures (list[str]): why comparisons could not be made that should have been.
    """

    def __init__(self) -> None:
        self._table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        self._table.add_column("preset")
        self._table.add_column("compared with")
        for heading in ("games", "steps", "episodes", "pixels differ", "values differ"):
            self._table.add_column(heading, justify="right")
        self._notes: list[str] = []
        self._game_num = self.differing_num = 0
        self.failures: list[str] = []

    def add(self, preset: str, outcomes: _Outcomes) -> None:
        """Add a preset's row and notes."""
        found, left_out, failed = outcomes
        differing = {rom: text for rom, (*_, text) in found.items() if text is not None}
        self._game_num += len(found)
        self.differing_num += len(differing)
        columns = zip(*(comparison[:4] for comparison in found.values()), strict=True)
        counts = [f"{sum(column):,}" for column in columns] or ["0"] * 4
        if is_installed(PEERS[preset]):
            against = f"{PEERS[preset].distribution} {find_version(PEERS[preset].distribution)}"
        else:
            against = "golden hashes"
            counts[1:3] = "-", "-"  # which hashes do not tell
            self._notes += _warn_of_version(preset)
        self._table.add_row(preset, against, f"{len(found)}", *counts)
        self._notes += [f"[bold red]{preset}, {rom}, {escape(text)}[/]" for rom, text in differing.items()]
        self._notes += [f"{preset}, {reason}: {', '.join(roms)}" for reason, roms in left_out.items()]
        self.failures += [f"{preset} was not compared on {', '.join(roms)}: {text}" for text, roms in failed.items()]

    def print(self, terminal: Console) -> None:
        """Print all that was added."""
        terminal.print(self._table, "", *self._notes, sep="\n")
        if self._game_num:
            text = f"{self.differing_num or 'none'} of {self._game_num} comparisons found a difference"
            terminal.print(text, style="bold red" if self.differing_num else "green")
        else:
            terminal.print("nothing was compared")


def _compare_games(
    outcomes: _Outcomes,
    preset: str,
    games: Sequence[str],
    steps: int,
    seed: int,
    advance: _Advance,
    console: ConsoleName,
) -> None:
    """Compare each game, and add what came of it."""
    for rom in games:
        try:
            if is_installed(PEERS[preset]):
                outcomes.found[rom] = _compare_parts(preset, rom, steps, seed, advance, console)
                continue
            outcomes.found[rom] = compare_golden(preset, rom, console)
        except NotCompared as reason:
            outcomes.left_out.setdefault(str(reason), []).append(rom)
        except Exception as error:  # other packages raise what they like, as at a seed that they refuse
            outcomes.failed.setdefault(describe_error(error), []).append(rom)
        advance(steps)


def _compare_parts(preset: str, rom: str, steps: int, seed: int, advance: _Advance, console: ConsoleName) -> Comparison:
    """Compare under the rules of each part of the golden scenario, for an equal share of the steps."""
    parts = []
    all_fields = golden.list_parts(preset)
    for number, fields in enumerate(all_fields):
        share = (steps + number) // golden.PART_NUM
        parts.append(compare(preset, rom, share, seed=seed, fields=fields, advance=advance, console=console))
    texts = [
        ", ".join([*(f"{name}={value}" for name, value in fields.items()), part.difference])
        for part, fields in zip(parts, all_fields, strict=True)
        if part.difference is not None
    ]
    return Comparison(
        sum(part.steps for part in parts),
        sum(part.episodes for part in parts),
        sum(part.pixels for part in parts),
        sum(part.values for part in parts),
        texts[0] if texts else None,
    )


def _find_golden(preset: str) -> golden.Golden | None:
    return golden.load().get(VERSIONED[preset])


def _warn_of_version(preset: str) -> list[str]:
    """Return a warning if the golden hashes of a preset are of another version of the emulator."""
    entry, version = _find_golden(preset), find_version("ale-py")
    if entry is None or entry.ale_py == version:
        return []
    return [f"{preset}: the golden hashes are those of ale-py {entry.ale_py}; the inputs of {version} may differ"]


def _describe_machine() -> str:
    try:
        import cv2  # noqa: PLC0415 - of an extra

        opencv = cv2.__version__
    except ImportError:
        opencv = None
    versions = {
        "fastatari": __version__,
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "ale-py": find_version("ale-py"),
        "gymnasium": find_version("gymnasium"),
        "opencv": opencv,
    }
    known = [f"{name} {version or 'missing'}" for name, version in versions.items()]
    return ", ".join([*known, platform.platform()])


@contextlib.contextmanager
def _show_progress(total: int) -> Iterator[_Advance]:
    """Show a progress bar, if standard error is a terminal; yield what advances it by a number of steps."""
    with make_progress(Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda steps: progress.advance(task, steps)
