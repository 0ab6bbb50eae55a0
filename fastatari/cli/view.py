"""The command that plays a policy and shows what the agent sees."""

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from fastatari.cli.failures import CommandError, print_error
from fastatari.cli.files import write_file
from fastatari.cli.progress import make_progress, make_terminal
from fastatari.cli.signals import exit_on_termination
from fastatari.cli.view_film import load_ffmpeg, write_gif, write_mp4
from fastatari.cli.view_picture import draw_sheet, make_layout
from fastatari.cli.view_play import Moment, play
from fastatari.cli.view_policy import Policy, import_policy, make_file_policy, make_random_policy, read_actions
from fastatari.cli.view_window import Window
from fastatari.engine.interface import ConsoleName
from fastatari.envs.env import AtariEnv
from fastatari.resources import check_memory

_DEFAULT_STEPS = 300
_DEFAULT_OUTPUT = Path("fastatari-view.gif")

# How many bytes of memory a moment takes: its screen and planes; and in a GIF, its picture.
_MOMENT_BYTES, _GIF_BYTES = 150_000, 600_000

_MOST_RETURNS = 20


class _Plan(NamedTuple):
    """What is played, and what it is called."""

    policy: Policy
    name: str
    step_num: int


def run(
    rom: str,
    preset: str = "gymnasium",
    policy: str = "random",
    actions: Path | None = None,
    step_num: int | None = None,
    seed: int = 0,
    outputs: Sequence[Path] | None = None,
    is_shown: bool = False,
    console: ConsoleName = "fastatari",
) -> int:
    """Play, show what the agent sees, and write it to files.

    Args:
        rom (str): the game's id in ale-py.
        preset (str): whose rules.
        policy (str): "random", or ``module:function``.
        actions (Path, optional): a file with the actions, instead of a policy.
        step_num (int, optional): how many steps; by default `_DEFAULT_STEPS`, or all of the file's.
        seed (int): seeds the game, and the random policy.
        outputs (Sequence[Path], optional): films (.gif, .mp4) and contact sheets (.png).
        is_shown (bool): whether there is a window.
        console ("fastatari" | "ale"): as for `AtariEnv`.

    Returns:
        int: the exit status: 0, or 1 if the policy failed or a file could not be written.

    Raises:
        CommandError: nothing could be played.
        KeyboardInterrupt: the play was interrupted; what was played until then is shown and written.
    """
    if outputs is None:
        outputs = () if is_shown else (_DEFAULT_OUTPUT,)
    if any(output.suffix.lower() == ".mp4" for output in outputs):
        load_ffmpeg()
    terminal = make_terminal()
    moments: list[Moment] = []
    failures: list[CommandError] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(exit_on_termination())
        env = stack.enter_context(contextlib.closing(_make_env(rom, preset, seed, console)))
        plan = _make_plan(env, rom, policy, actions, step_num, seed)
        is_kept_whole = any(output.suffix.lower() == ".gif" for output in outputs)
        moment_bytes = _MOMENT_BYTES + _GIF_BYTES * is_kept_whole
        check_memory((plan.step_num + 1) * moment_bytes, f"the pictures of {plan.step_num:,} steps")
        heading = f"{rom}, {plan.name}, preset {preset}"
        window = stack.enter_context(Window(heading, env.rules.render_fps)) if is_shown else None
        terminal.print(f"{heading}, seed {seed}; a step is {env.rules.frame_skip} frames", markup=False)
        try:
            _play(env, plan, seed, window, heading, moments)
        except CommandError as failure:
            failures.append(failure)
        finally:
            try:
                _report(terminal, moments)
            finally:  # whoever reads the report may have stopped
                failures += _write_all(terminal, outputs, moments, heading, env.rules.render_fps)
                for each in failures:
                    print_error("view", each)
    return 1 if failures else 0


def _make_env(rom: str, preset: str, seed: int, console: ConsoleName) -> AtariEnv:
    try:
        env = AtariEnv(rom, preset=preset, render_mode="rgb_array", console=console)
        env.rules.check_seed(seed)
    except (TypeError, ValueError) as error:
        raise CommandError(str(error)) from error
    return env


def _make_plan(env: AtariEnv, rom: str, policy: str, actions: Path | None, step_num: int | None, seed: int) -> _Plan:
    meanings = env.get_action_meanings()
    if actions is not None:
        rows = read_actions(actions, meanings, rom)
        if step_num is not None and step_num > len(rows):
            raise CommandError(f"--steps {step_num} is more than the {len(rows)} actions of {actions}")
        return _Plan(make_file_policy(rows), f"actions of {actions.name}", step_num or len(rows))
    if policy == "random":
        return _Plan(make_random_policy(len(meanings), seed), "random policy", step_num or _DEFAULT_STEPS)
    return _Plan(import_policy(policy), f"policy {policy}", step_num or _DEFAULT_STEPS)


def _play(env: AtariEnv, plan: _Plan, seed: int, window: Window | None, heading: str, moments: list[Moment]) -> None:
    """Play, and add each moment; stop when the window is closed."""
    with make_progress(Console(stderr=True), "playing", transient=True) as progress:
        task = progress.add_task("", total=plan.step_num)
        layout = None
        for moment in play(env, plan.policy, plan.step_num, seed):
            moments.append(moment)
            progress.update(task, completed=moment.step)
            if window is not None:
                layout = layout or make_layout(moment, heading)
                if not window.show(layout.draw(moment)):
                    return


def _report(terminal: Console, moments: Sequence[Moment]) -> None:
    """Print what was played."""
    if not moments:
        return
    last = moments[-1]
    returns = [f"{moment.episode_return:g}" for moment in moments if moment.end]
    text = ", ".join(returns[:_MOST_RETURNS]) + (", ..." if len(returns) > _MOST_RETURNS else "")
    ended = f"{len(returns)} ended, return{'s' * (len(returns) > 1)} {text}" if returns else "none ended"
    if not last.end:
        ended += f"; return of the one that goes on {last.episode_return:g}"
    _print_facts(terminal, steps=f"{last.step:,}", episodes=ended, lives=f"{last.lives}")


def _write_all(
    terminal: Console, outputs: Sequence[Path], moments: Sequence[Moment], heading: str, rate: int
) -> list[CommandError]:
    """Write the files, and print their names; return what failed."""
    failures, written = [], []
    for output in outputs if moments else ():
        try:
            write_file(output, functools.partial(_write, output.suffix.lower(), moments, heading, rate))
        except CommandError as error:
            failures.append(error)
        else:
            written.append(output)
    for output in written:
        _print_facts(terminal, picture=str(output))
    return failures


def _write(ending: str, moments: Sequence[Moment], heading: str, rate: int, path: Path) -> None:
    """Write a file of a format, with a progress bar."""
    if ending == ".png":
        draw_sheet(moments, heading).save(path, "PNG")
        return
    layout = make_layout(moments[0], heading)
    write = write_gif if ending == ".gif" else write_mp4
    with make_progress(Console(stderr=True), f"writing {ending}", transient=True) as progress:
        write(path, (layout.draw(moment) for moment in progress.track(moments)), rate)


def _print_facts(terminal: Console, **facts: str) -> None:
    """Print some facts beside their names."""
    table = Table.grid(Column(min_width=8), Column(overflow="fold"), padding=(0, 2))
    for name, text in facts.items():
        table.add_row(name, escape(text))
    terminal.print(table)
