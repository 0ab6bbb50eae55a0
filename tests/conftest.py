import multiprocessing
import os
from pathlib import Path

import ale_py
import cv2
import numpy as np
import pytest

import fastatari
from fastatari import FrameStack, emulator, engine, game
from fastatari.cli import golden
from fastatari.console import machine_code
from fastatari.rules import AtariRules

cv2.setNumThreads(1)  # threads of cv2's would make every fork a fork of a threaded process, which Python warns about
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


# All that takes a console's name.
WITH_CONSOLE = (
    fastatari.Game.__init__, fastatari.AtariEnv.__init__, fastatari.AtariVectorEnv.__init__, fastatari.Worker.__init__,
    fastatari.worker_process, engine.Engine.__init__, emulator.Emulator.__init__, golden.play,
)  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--console", choices=emulator.CONSOLES, default="fastatari", help="which console plays by default")


def pytest_configure(config):
    for function in WITH_CONSOLE:
        assert function.__kwdefaults__["console"] in emulator.CONSOLES
        function.__kwdefaults__["console"] = config.getoption("console")


@pytest.fixture(scope="session", autouse=True)
def _compiled():
    """Compile the console and the kernels, so that programs which are started by tests do not say that they do."""
    machine_code.functions()
    for order in ("gray-resize-max", "gray-max-resize"):
        FrameStack(order=order, stack_axis=-1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def few_frames(monkeypatch):
    """Episodes of 203 frames, which end in the middle of a step."""
    monkeypatch.setattr(game, "RULES", AtariRules.from_preset("labml", max_num_frames_per_episode=203))
    return 203


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    before = set(Path("/dev/shm").glob(f"pym-{os.getpid()}-*"))
    yield
    assert not multiprocessing.active_children()
    assert set(Path("/dev/shm").glob(f"pym-{os.getpid()}-*")) <= before
