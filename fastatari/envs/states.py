"""Saved states of the environments: what is in their bytes, and the checks of whose they are."""

import dataclasses
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import pack, take_array, take_dict, take_int, take_str, unpack
from fastatari.engine.interface import ConsoleName, Engine
from fastatari.rules import AtariRules, check_same_rules

_MOST: Final = 2**62


class State(NamedTuple):
    """What `AtariEnv.clone_state` returns. States are plain data: they can be pickled, hashed, and compared.

    Attributes:
        rom (str): the ROM's id.
        console ("fastatari" | "ale"): whose emulator played.
        rules (AtariRules): the rules.
        data: the environment; what `Engine.clone` returned.
    """

    rom: str
    console: ConsoleName
    rules: AtariRules
    data: Any


def clone(engine: Engine, env_id: int) -> State:
    """Return the state of an environment."""
    return State(engine.rom, engine.console, engine.rules, engine.clone(env_id))


def restore(engine: Engine, env_id: int, state: Any) -> None:
    """Bring an environment to a state.

    Raises:
        TypeError: `state` is none.
        ValueError: it is of another game, console or other rules, or damaged. Nothing has changed.
    """
    if not isinstance(state, State):
        raise TypeError(f"`state` must come from `clone_state`, got {type(state).__name__}")
    if state.rom != engine.rom:
        raise ValueError(f"`state` must be of {engine.rom}, got one of {state.rom}")
    if state.console != engine.console:
        raise ValueError(f"`state` must be of `console` {engine.console!r}, got one of {state.console!r}")
    if state.rules is not engine.rules:
        check_same_rules("state", state.rules, engine.rules)
    engine.restore(env_id, state.data)


def restore_single(engine: Engine, state: Any) -> None:
    """Bring the only environment of an engine to a state, as `restore` does."""
    restore(engine, 0, state)
    if engine.is_pending[0]:  # nobody is going to receive what it gave
        engine.recv(1)


def save_engine(engine: Engine, kind: str, values: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Return all environments of an engine as bytes, with a description of the engine and a checksum.

    Args:
        engine (Engine): the engine.
        kind (str): the class of the environment that plays on it.
        values (dict[str, Any]): what else that environment is, as for `checkpoint.pack`.
        arrays (dict[str, ndarray]): the same.
    """
    states = [engine.save(index) for index in range(engine.num_envs)]
    described = {
        "rom": engine.rom,
        "console": engine.console,
        "num_envs": engine.num_envs,
        "autoreset_mode": engine.autoreset_mode.value,
        "rules": _describe_rules(engine.rules),
    }
    contents: dict[str, npt.NDArray[Any]] = {
        "sizes": np.array([len(state) for state in states], np.int64),
        "environments": np.frombuffer(b"".join(states), np.uint8),
    }
    return pack(kind, values | described, arrays | contents)


def unpack_engine(
    engine: Engine, kind: str, state: Any
) -> tuple[list[bytes], dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Take apart what `save_engine` returned, and check that it is of an engine like this one.

    Returns:
        tuple: the state of each environment, for `load_engine`; the values; and the arrays.

    Raises:
        TypeError: `state` is not bytes-like.
        ValueError: it is damaged, or of another kind, game or console, other rules, or the like.
    """
    try:
        view = memoryview(state)
    except TypeError:
        raise TypeError(f"`state` must be bytes-like, got {type(state).__name__}") from None
    values, arrays = unpack(view, kind)
    for name, theirs, mine in (
        ("game", take_str(values, "rom"), engine.rom),
        ("`console`", take_str(values, "console"), engine.console),
        ("number of environments", take_int(values, "num_envs", 0, _MOST), engine.num_envs),
        ("`autoreset_mode`", take_str(values, "autoreset_mode"), engine.autoreset_mode.value),
    ):
        if theirs != mine:
            raise ValueError(f"`state` must have the same {name}, {mine}, got one with {theirs!s:.100}")
    rules, own = take_dict(values, "rules"), _describe_rules(engine.rules)
    if differ := [name for name in own | rules if rules.get(name, _MISSING) != own.get(name, _MISSING)]:
        raise ValueError(f"`state` must be of the same rules, got one with other {', '.join(differ):.200}")
    sizes = take_array(arrays, "sizes", np.int64, (engine.num_envs,)).tolist()
    data = take_array(arrays, "environments", np.uint8, arrays.get("environments", np.zeros(0, np.uint8)).shape)
    if min(sizes) < 0 or sum(sizes) != data.size or data.ndim != 1:
        raise ValueError(f"`sizes` in the saved state must add up to the {data.size} bytes of `environments`")
    ends = np.cumsum(sizes).tolist()
    return [data[end - size : end].tobytes() for size, end in zip(sizes, ends, strict=True)], values, arrays


_MISSING: Final = object()


def load_engine(engine: Engine, states: list[bytes]) -> None:
    """Bring all environments of an engine to what `unpack_engine` returned.

    Raises:
        ValueError: a state is damaged. Nothing has changed.
    """
    before = [engine.save(index) for index in range(engine.num_envs)]
    try:
        for index, state in enumerate(states):
            engine.load(index, state)
    except ValueError:
        for index, state in enumerate(before):
            engine.load(index, state)
        raise


def _describe_rules(rules: AtariRules) -> dict[str, Any]:
    """Return rules as values of JSON."""
    values = dataclasses.asdict(rules)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
