import multiprocessing
import os
from pathlib import Path

# Of torch in tests that run beside others: more threads than cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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


# What the tests of `Worker` have in common. Some have workers of another kind, and some name a ROM `game`.


@pytest.fixture
def worker():
    """A worker that has been reset."""
    with fastatari.Worker(0) as worker:
        worker.child.send(("reset", None))
        worker.child.recv()
        yield worker


@pytest.fixture
def game():
    """The twin of a worker, in this process."""
    game = fastatari.Game(0)
    game.reset()
    return game


# Of tests that find ROMs.


@pytest.fixture(params=["missing", "empty", "damaged"])
def bad_roms(request, tmp_path, monkeypatch):
    """Let ROMs be looked for in a folder where that of Breakout is not; return what the error says."""
    path = tmp_path / request.param
    if request.param != "missing":
        path.mkdir()
    if request.param == "damaged":
        (path / "breakout.bin").write_bytes(b"no game")
    monkeypatch.setenv("ALE_ROMS_DIR", str(path))
    return str(path) if request.param != "damaged" else r"hash of breakout\.bin does not match"
