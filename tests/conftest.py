import multiprocessing
import os
from pathlib import Path

import ale_py
import cv2
import numpy as np
import pytest

import fastatari
import fastatari.console.machine_code
import fastatari.engine.machine_code
import fastatari.preprocessing.machine_code
from fastatari.cli import golden
from fastatari.engine.interface import CONSOLES

cv2.setNumThreads(1)  # threads of cv2's would make every fork a fork of a threaded process, which Python warns about
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


# All that takes a console's name.
WITH_CONSOLE = (
    fastatari.Game.__init__, fastatari.AtariEnv.__init__, fastatari.AtariVectorEnv.__init__, fastatari.Worker.__init__,
    fastatari.worker_process, golden.play,
)  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--console", choices=CONSOLES, default="fastatari", help="which console plays by default")


def pytest_configure(config):
    for function in WITH_CONSOLE:
        assert function.__kwdefaults__["console"] in CONSOLES
        function.__kwdefaults__["console"] = config.getoption("console")


@pytest.fixture(scope="session", autouse=True)
def _compiled():
    """Compile the console and the kernels, so that programs which are started by tests do not say that they do."""
    fastatari.console.machine_code.functions()
    fastatari.engine.machine_code.functions()
    fastatari.preprocessing.machine_code.functions()


@pytest.fixture
def console(request):
    """The console that plays by default."""
    return request.config.getoption("--console")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    before = set(Path("/dev/shm").glob(f"pym-{os.getpid()}-*"))
    yield
    assert not multiprocessing.active_children()
    assert set(Path("/dev/shm").glob(f"pym-{os.getpid()}-*")) <= before
