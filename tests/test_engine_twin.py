"""The compiled step beside the same functions under CPython: all memory of all environments is the same to the byte."""

import ctypes
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from engines import CONFIGURATIONS, assert_same, make_engine, play, reset

from fastatari.console.starts import Starts
from fastatari.engine import arrays, machine_code, opening, pictures, queue, stepping
from fastatari.engine.clones import BEGIN
from fastatari.engine.state import Environment

_IS_STATE = BEGIN, ctypes.sizeof(Environment)


def find_plain(name):
    """Return a function of the compiled step as it is in the sources, to be called with addresses."""
    module = next(module for module in (queue, stepping, opening, pictures) if hasattr(module, name))
    function = getattr(module, name)
    assert function.__module__ == module.__name__ or name == "reset"
    kinds = [parameter.annotation for parameter in inspect.signature(function).parameters.values()]

    def call(*values):
        arguments = [
            value if kind is int else kind.from_address(value) for kind, value in zip(kinds, values, strict=True)
        ]
        return function(*arguments) or 0

    return call


def run_under_cpython(engine):
    """Let an engine without threads call the functions as they are in the sources."""
    functions = SimpleNamespace(**{name: find_plain(name) for name in machine_code.EXPORTS})
    engine._functions = engine.threads._functions = functions
    return engine


def read_memory(engine):
    """Return all that the compiled functions write to, except for addresses and times."""
    memory, consoles = engine.arrays, engine.arrays.consoles
    q = engine.threads.queue
    return {
        "environments": memory.blocks[:, slice(*_IS_STATE)],
        "consoles": np.array([np.frombuffer(bytes(c), np.uint8) for c in map(without_addresses, consoles)]),
        "screens": consoles.screens,
        "changed": consoles.changed,
        "planes": memory.planes,
        "pair_screens": memory.pair_screens,
        "all_finals": np.delete(engine.finals.floats, -1, 0),
        "all_final_integers": engine.finals.integers,
        "all_final_flags": engine.finals.flags,
        "all_final_obs": memory.final_obs,
        "all_final_ram": memory.final_ram,
        "counters": np.array([q.submitted, q.taken, q.finished, q.received, q.last]),
    }


def without_addresses(console):
    copy = type(console).from_buffer_copy(console)
    for name in ("screens", "changed"):
        getattr(copy, name)[:] = [0, 0]
    copy.registers.pc = 0  # of a handler's word, while one runs
    return copy


@pytest.fixture
def _starts_of_their_own(monkeypatch):
    """Let each engine record its resets for itself; what one has recorded, another would repeat."""
    monkeypatch.setattr(arrays, "find_starts", lambda rom, _: Starts(rom.rows))


@pytest.mark.usefixtures("_starts_of_their_own")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_compiled_engine_writes_the_same_as_its_sources(name):
    compiled, plain = make_engine(name, 2), run_under_cpython(make_engine(name, 2))
    for engine in (compiled, plain):
        reset(engine, 5)
    rngs = [np.random.default_rng(3) for _ in range(2)]
    for mine, theirs in zip(play(compiled, 45, rngs[0]), play(plain, 45, rngs[1]), strict=True):
        where = f"{name}, call {mine['call']}"
        assert_same(mine, theirs, where)
        assert_same(read_memory(compiled), read_memory(plain), where)
