"""Where the system has no affinities, forks or ``/proc``: the package is imported there, and plays the same."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from fastatari import AtariEnv, AtariVectorEnv

# What Windows or macOS do not have.
_HIDDEN = """
import builtins, io, os, pathlib, sys
import signal
for module, names in (
    (os, ("sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "register_at_fork", "sysconf", "sysconf_names")),
    (os, ("killpg", "getpgid", "setsid", "setpgid")),
    (signal, ("setitimer", "SIGKILL", "SIGALRM", "pthread_sigmask")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
open_ = io.open
def refuse(path, *arguments, **more):
    if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(("/proc", "/sys")):
        raise FileNotFoundError(path)
    return open_(path, *arguments, **more)
io.open = builtins.open = refuse
listdir = os.listdir
def refuse_list(path="."):
    if str(path).startswith(("/proc", "/sys")):
        raise FileNotFoundError(path)
    return listdir(path)
os.listdir = refuse_list
"""

_PLAY = """
from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv
from test_platforms import play, play_vector
env, vector_env = AtariEnv("breakout"), AtariVectorEnv("breakout", 4, num_threads=NUMBER)
sys.stdout.write(play(env) + play_vector(vector_env))
import threading
assert threading.active_count() == 1, threading.enumerate()
"""


def play(env):
    """Play an `AtariEnv`; return a digest of what it shows."""
    digest = hashlib.sha256(env.reset(seed=3)[0].tobytes())
    for step in range(30):
        observation, *_, info = env.step(step % 4)
        digest.update(observation.tobytes() + int(info["frame_number"]).to_bytes(8, "little"))
    state = env.save_state()
    env.load_state(state)
    digest.update(env.step(0)[0].tobytes())
    env.close()
    return digest.hexdigest()


def play_vector(env):
    """Play an `AtariVectorEnv`; return a digest of what it shows."""
    digest = hashlib.sha256(env.reset(seed=3)[0].tobytes())
    for step in range(30):
        digest.update(env.step(np.arange(4) + step & 3)[0].tobytes())
    env.close()
    return digest.hexdigest()


def run(program):
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def test_environments_play_without_what_linux_alone_has():
    expected = play(AtariEnv("breakout")) + play_vector(AtariVectorEnv("breakout", 4, num_threads=0))
    for number in (2, None):
        assert run(_HIDDEN + _PLAY.replace("NUMBER", str(number))) == expected


def test_what_is_hidden_is_hidden():
    program = _HIDDEN + "import pathlib\ntry:\n    pathlib.Path('/proc/self/status').read_text()\n"
    program += "except FileNotFoundError:\n    sys.stdout.write(str(hasattr(os, 'fork')))"
    assert run(program) == "False"
