"""What a plain environment's saved state holds, and the checks before any of it is used."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import ale_py
import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import take_array, take_bool, take_dict, take_int, take_str
from fastatari.console.ale_interface import ALEInterface
from fastatari.console.saved import ALEState
from fastatari.engine.plain_environment import PlainEnvironment
from fastatari.rules import RAM_SIZE
from fastatari.saved_generators import generator_from_values, generator_to_values

Values = dict[str, Any]
Arrays = Mapping[str, npt.NDArray[Any]]

_MOST: Final = 2**62

# Attributes of `PlainEnvironment`.
_NUMBERS: Final = ("lives", "reference", "noops", "episode_length", "frames_of_steps")
_FLAGS: Final = ("is_game_over", "is_playing")
# Attributes of `PlainConsole`.
_GENERATORS: Final = ("np_random", "noop_draws", "sticky_draws")


def describe(environment: PlainEnvironment) -> tuple[Values, dict[str, npt.NDArray[Any]]]:
    """Return all that an environment's steps and resets depend on, as values and arrays for `checkpoint.pack`.

    Raises:
        ValueError: its `np_random` is of a kind that cannot be saved.
    """
    console = environment.console
    action, strength = console.sticking
    generators = {name: getattr(console, name) for name in _GENERATORS}
    values: Values = {
        "rom": console.rom,
        "sticky_action": int(action.value),
        "episode_return": environment.episode_return,
        "generators": {name: each and generator_to_values(each) for name, each in generators.items()},
    }
    values |= {name: int(getattr(environment, name)) for name in _NUMBERS}
    values |= {name: bool(getattr(environment, name)) for name in _FLAGS}
    emulator = console.ale.cloneState(include_rng=console.is_native).serialize()
    arrays: dict[str, npt.NDArray[Any]] = {
        "emulator": np.frombuffer(emulator, np.uint8),
        "sticky_strength": np.array([strength], np.float32),
        "buffers": np.stack(environment.buffers),
        "shown": np.stack(environment.shown),
        "planes": np.stack(environment.planes) if environment.planes else np.zeros(0, np.uint8),
    }
    return values, arrays


def prepare(environment: PlainEnvironment, values: Values, arrays: Arrays) -> Callable[[], None]:
    """Check what `describe` returned of an environment of the same rules; return what brings this one there.

    Raises:
        ValueError: something is missing or not as it has to be, or it is of another game.
    """
    console = environment.console
    if (rom := take_str(values, "rom")) != console.rom:
        raise ValueError(f"the state must be of {console.rom}, got one of {rom!r:.100}")
    attributes: dict[str, Any] = {name: take_int(values, name, 0, _MOST) for name in _NUMBERS}
    attributes |= {name: take_bool(values, name) for name in _FLAGS}
    attributes["episode_return"] = take_int(values, "episode_return", -_MOST, _MOST)
    strength = float(take_array(arrays, "sticky_strength", np.float32, (1,))[0])
    sticking = ale_py.Action(take_int(values, "sticky_action", 0, 17)), strength
    generators = take_dict(values, "generators")
    made = {}
    for name in _GENERATORS:
        may_be_none = name == "noop_draws" or getattr(console, name) is None
        is_none = may_be_none and generators.get(name, 0) is None
        made[name] = None if is_none else generator_from_values(take_dict(generators, name))

    screen_shape: tuple[int, int] = console.ale.getScreenDims()
    attributes["buffers"] = [*take_array(arrays, "buffers", np.uint8, (2, *screen_shape))]
    shown_shape = (2 if len(arrays.get("shown", ())) == 2 else 1, *screen_shape)
    attributes["shown"] = [*take_array(arrays, "shown", np.uint8, shown_shape)]
    attributes["planes"] = []
    if attributes["is_playing"] or len(arrays.get("planes", ())):
        attributes["planes"] = [*take_array(arrays, "planes", np.uint8, _planes_shape(environment))]
    emulator = arrays.get("emulator", np.zeros(0, np.uint8)).tobytes()
    _check_emulator(environment, emulator)

    def apply() -> None:
        environment.is_playing = False  # until all is done
        console.restore(ale_py.ALEState(emulator))
        console.sticking = sticking
        for name, generator in made.items():
            setattr(console, name, generator)
        for name, value in attributes.items():
            setattr(environment, name, value)

    return apply


def _planes_shape(environment: PlainEnvironment) -> tuple[int, ...]:
    rules = environment.rules
    if rules.obs_type == "ram":
        return rules.stack_num, RAM_SIZE
    return rules.stack_num, *rules.size, *(() if rules.grayscale_obs else (3,))


def _check_emulator(environment: PlainEnvironment, state: bytes) -> None:
    """Check a state of ale-py's, which itself would crash the process."""
    checker = ALEInterface()
    checker.loadROM(environment.console.path)
    checker.restoreState(ALEState(state))
