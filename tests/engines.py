"""What the tests of the compiled engine have in common: what is played, how, and all that an engine shows of it."""

import threading
import weakref
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode
from interrupts import Interrupt, run_lines

import fastatari
from fastatari.checkpoint import unpack
from fastatari.engine.clones import KIND
from fastatari.engine.compiled import CompiledEngine
from fastatari.engine.results import FLOATS
from fastatari.rules import AtariRules

NEXT_STEP, SAME_STEP, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
FILES = set(map(str, Path(fastatari.__file__).parent.rglob("*.py")))
SECONDS = FLOATS.index("episode_seconds")

# Where the number of lives is, in RAM, and how many there can be.
LIVES = {"breakout": (0x39, 6), "seaquest": (0x3B, 7), "space_invaders": (0x49, 4), "ms_pacman": (0x7B, 8)}


class Configuration(NamedTuple):
    """What an engine is made with: a game, an autoreset mode, a preset, and fields that differ from it."""

    game: str
    mode: AutoresetMode
    preset: str
    fields: dict


def _make_configurations():
    short = {"max_num_frames_per_episode": 83}
    odd = {"screen_size": (43, 37)}  # planes of 1,591 bytes
    return {
        "labml": Configuration("breakout", NEXT_STEP, "labml", short),
        "gymnasium": Configuration("pong", SAME_STEP, "gymnasium", short | odd | {"stack_num": 5}),
        "sb3": Configuration("breakout", NEXT_STEP, "sb3", {"max_episode_steps": 37}),
        "sb3 cleared": Configuration("breakout", SAME_STEP, "sb3", short | {"screens_at_reset": "clear"}),
        "cleanrl": Configuration("space_invaders", DISABLED, "cleanrl", {"noop_unit": "step"}),
        "ale": Configuration("seaquest", SAME_STEP, "ale", short | {"repeat_action_probability": 0.25}),
        "ale going on": Configuration("ms_pacman", NEXT_STEP, "ale", short | {"life_loss": "continue"}),
        "dopamine": Configuration("pong", NEXT_STEP, "dopamine", {"max_episode_steps": 30, "scale_obs": True}),
        "envpool": Configuration("breakout", NEXT_STEP, "envpool", {"max_episode_steps": 13, "life_loss": "continue"}),
        "envpool same": Configuration("space_invaders", SAME_STEP, "envpool", {"life_loss": "continue"}),
        "sticky": Configuration(
            "seaquest", DISABLED, "labml", {"repeat_action_probability": 0.25, "sticky_draws": "np_random"}
        ),
        "report": Configuration("ms_pacman", NEXT_STEP, "gymnasium", {"life_loss": "report", "reward_clip": True}),
        "one screen": Configuration(
            "seaquest", SAME_STEP, "sb3", short | {"maxpool": False, "stack_axis": 0, "frame_skip": 3}
        ),
        "one frame": Configuration("seaquest", NEXT_STEP, "gymnasium", {"frame_skip": 1, "stack_num": 1} | short),
        "colour": Configuration("pong", SAME_STEP, "gymnasium", short | {"grayscale_obs": False, "stack_axis": -1}),
        "colour of five": Configuration(
            "breakout", NEXT_STEP, "sb3", odd | {"grayscale_obs": False, "stack_num": 5, "order": "max-resize-gray"}
        ),
        "ram": Configuration("breakout", SAME_STEP, "gymnasium", short | {"obs_type": "ram"}),
        "ram of five": Configuration(
            "seaquest", NEXT_STEP, "sb3", {"obs_type": "ram", "stack_num": 5, "max_episode_steps": 50}
        ),
        "pixel": Configuration(
            "pong", DISABLED, "labml", {"screen_size": 1, "stack_num": 1, "fire_reset": "frame_before"}
        ),
        "cut frames": Configuration("tic_tac_toe_3d", NEXT_STEP, "gymnasium", {"end_rule": "capture"}),
        "partial frames": Configuration("yars_revenge", SAME_STEP, "gymnasium", short),
        "pal": Configuration("air_raid", NEXT_STEP, "gymnasium", short | {"gray": "cv2"}),
        "super chip": Configuration("elevator_action", NEXT_STEP, "sb3", {"max_episode_steps": 40}),
        "super chip of 16K": Configuration("klax", SAME_STEP, "gymnasium", short),
        "dpc": Configuration("pitfall2", DISABLED, "gymnasium", short),
        "slices": Configuration("montezuma_revenge", NEXT_STEP, "ale", short),
        "acting at resets": Configuration(
            "berzerk", NEXT_STEP, "gymnasium", short | {"repeat_action_probability": 0.25, "stack_axis": -1}
        ),
        "short games": Configuration("breakout", NEXT_STEP, "sb3", {"max_num_frames_per_episode": 17}),
        "shorter games": Configuration(
            "space_invaders", SAME_STEP, "sb3", {"max_num_frames_per_episode": 6, "noop_unit": "step", "noop_max": 1}
        ),
        "short games of envpool": Configuration(
            "breakout",
            NEXT_STEP,
            "envpool",
            {"max_num_frames_per_episode": 19, "life_loss": "continue", "frame_skip": 8},
        ),
        "short games of ale": Configuration(
            "breakout",
            SAME_STEP,
            "ale",
            {"max_num_frames_per_episode": 13, "frame_budget": "game", "seeding": "gymnasium"},
        ),
        "long steps": Configuration(
            "space_invaders",
            NEXT_STEP,
            "sb3",
            {
                "frame_skip": 150,
                "noop_max": 2,
                "screens_at_reset": "clear",
                "life_unit": "frame",
                "end_rule": "discard",
            },
        ),
        "lives of frames": Configuration(
            "seaquest", NEXT_STEP, "labml", {"life_reference": "frame", "life_loss": "continue", "frame_skip": 60}
        ),
        "ends in openings": Configuration("assault", NEXT_STEP, "ale", {"noop_max": 1000, "max_episode_steps": 9}),
        "mode": Configuration("space_invaders", SAME_STEP, "labml", {"mode": 9, "difficulty": 1} | short),
    }


CONFIGURATIONS = _make_configurations()


# All engines that were made and are still there.
ENGINES = weakref.WeakSet()


def make_engine(name, num_envs=3, num_threads=0, kind=CompiledEngine, mode=None, game=None, **fields):
    """Return an engine of a configuration."""
    configuration = CONFIGURATIONS[name]
    rules = AtariRules.from_preset(configuration.preset, **(configuration.fields | fields))
    engine = kind(game or configuration.game, rules, num_envs, mode or configuration.mode, num_threads=num_threads)
    ENGINES.add(engine)
    return engine


def read(engine, env_ids=None):
    """Return the observations of an engine's environments."""
    env_ids = np.arange(engine.num_envs) if env_ids is None else env_ids
    out = make_out(engine, len(env_ids))
    engine.read(env_ids, out)
    return out


def make_out(engine, num_rows):
    """Return memory for observations, which holds something else."""
    return np.full((num_rows, *engine.rules.shape), 77, np.float32 if engine.rules.scale_obs else np.uint8)


def show(engine):
    """Return all that an engine shows of its environments, none of which is pending, except for times."""
    has_final = np.flatnonzero(engine.results.row("has_final"))
    final_obs, final_ram = make_out(engine, len(has_final)), np.zeros((len(has_final), 128), np.uint8)
    engine.read_final(has_final, final_obs)
    engine.read_final_ram(has_final, final_ram)
    ram = np.zeros((engine.num_envs, 128), np.uint8)
    engine.read_ram(np.arange(engine.num_envs), ram)
    finals = engine.finals.take(has_final)
    return {
        "observations": read(engine),
        "floats": np.delete(engine.results.floats, SECONDS, 0),
        "integers": engine.results.integers.copy(),
        "flags": engine.results.flags.copy(),
        "final_obs": final_obs,
        "final_ram": final_ram,
        "final_floats": np.delete(finals.floats, SECONDS, 0),
        "final_integers": finals.integers,
        "final_flags": finals.flags,
        "ram": ram,
        "needs_reset": engine.needs_reset.copy(),
    }


def describe(engine, i):
    """Return all that an environment is, except for times."""
    values, arrays = unpack(engine.save(i), KIND)
    parts = {name: array.copy() for name, array in arrays.items()}
    numbers = parts["numbers"].view(np.int64)
    for first in (0, len(numbers) // 2):
        numbers[first + SECONDS] = 0
    return values, {name: part.tobytes() for name, part in parts.items()}


def render(engine):
    """Return the screens of all environments, pooled and not."""
    return np.stack([engine.render(i, is_pooled) for i in range(engine.num_envs) for is_pooled in (True, False)])


def show_one(engine, i):
    """Return all that an engine shows of one environment, except for times, as bytes."""
    results = engine.results
    parts = [np.delete(results.floats[:, i], SECONDS), results.integers[:, i], results.flags[:, i]]
    return b"".join(part.tobytes() for part in (*parts, read(engine, np.array([i]))))


def find_threads():
    """Return the threads of all engines."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastatari-")]


def close_all():
    """Close all engines, also those that a test which failed still holds."""
    for engine in list(ENGINES):
        engine.close()


def assert_same(mine, theirs, where=""):
    """Check that two engines showed the same."""
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert mine[name].dtype == theirs[name].dtype, (where, name)
        if mine[name].tobytes() != theirs[name].tobytes():
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{where}: {name}")


def reset(engine, first_seed=0):
    """Reset all environments of an engine, with seeds."""
    engine.reset(np.arange(engine.num_envs), [first_seed + i for i in range(engine.num_envs)])


def play(engine, steps, rng):
    """Play an engine at random, with calls of all kinds; yield all that it shows after each.

    Of two engines that show the same, and two generators that draw the same, the calls are the same.
    """
    for step in range(steps):
        play_call(engine, rng)
        shown = {"call": np.array(step), **show(engine)}
        if step % 8 == 7:
            shown["screens"] = render(engine)
        yield shown


def play_call(engine, rng):
    """Reset what needs it; then step some environments, or reset them, or lose a life."""
    everyone = np.arange(engine.num_envs)
    waiting = everyone[engine.needs_reset]
    if len(waiting):
        engine.reset(waiting, [None] * len(waiting))
    some = np.sort(rng.permutation(everyone)[: rng.integers(1, len(everyone) + 1)])
    chance = rng.random()
    if chance < 0.03:
        seeds = [None if rng.random() < 0.5 else int(rng.integers(2**31)) for _ in some]
        engine.reset(some, seeds, bool(rng.random() < 0.5))
    elif chance < 0.12 and engine.rom in LIVES:
        address, number = LIVES[engine.rom]
        for i in some.tolist():
            engine.ale(i).setRAM(address, int(rng.integers(number)))
    elif chance < 0.3:
        actions, strengths = draw_actions(engine, rng, len(some))
        engine.step(some, actions, strengths, make_out(engine, len(some)))
    elif chance < 0.5:
        actions, strengths = draw_actions(engine, rng, len(some))
        engine.send(some, actions, strengths)
        count = len(some)
        while count:
            count -= len(engine.recv(int(rng.integers(1, count + 1))))
    else:
        actions, strengths = draw_actions(engine, rng, len(everyone))
        engine.step(None, actions, strengths, make_out(engine, len(everyone)))


def draw_actions(engine, rng, number):
    """Return random actions, and random strengths now and then."""
    strengths = rng.random(number, np.float32) if rng.random() < 0.3 else None
    return rng.integers(len(engine.action_meanings), size=number), strengths


def cut_off(function, line):
    """Call a function, and raise an `Interrupt` in it at the n-th line of fastatari's, as a signal handler may.

    Returns how many lines it came to.
    """
    try:
        return run_lines(function, FILES, line)
    except Interrupt:
        return line
