"""The loop of `examples/dqn.py` on a buffer with stable-baselines3's interface; for `benchmarks.replay`.

``python -m benchmarks.replay_loop BUFFER GAME CAPACITY`` plays until the buffer is full, learns in the last tenth, and
prints a line of JSON: the most bytes of memory, the seconds, and a digest of the weights.
"""

import functools
import hashlib
import importlib.util
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer as SB3Buffer

from fastatari import AtariVectorEnv
from fastatari.adapters.sb3_replay import SB3ReplayBuffer
from fastatari.replay.sampling import ReplaySample

BUFFERS = {"SB3ReplayBuffer": SB3ReplayBuffer, "SB3": SB3Buffer}
EXAMPLE = Path(__file__).parents[1] / "examples" / "dqn.py"
GAMMA = 0.99


class Adapted:
    """A buffer of stable-baselines3's interface in the example's loop: one step, uniform sampling."""

    def __init__(self, kind: Any, env: AtariVectorEnv, capacity: int, **_: Any) -> None:
        spaces = env.single_observation_space, env.single_action_space
        self._buffer = kind(capacity, *spaces, "cpu", env.num_envs)
        self.stack_shape = env.single_observation_space.shape
        self._present: Any = None

    def __len__(self) -> int:
        return int(self._buffer.size()) * int(self._buffer.n_envs)

    def reset(self, observations: Any) -> None:
        """Note what a reset gave."""
        self._present = observations

    def add(self, actions: Any, observations: Any, rewards: Any, terminated: Any, truncated: Any, infos: Any) -> None:
        """Add a step, in ``SAME_STEP``."""
        told = [{"TimeLimit.truncated": bool(flag)} for flag in truncated]
        reached = observations.copy()
        if "final_obs" in infos:
            for i in np.flatnonzero(infos["_final_obs"]):
                reached[i] = infos["final_obs"][i]
        self._buffer.add(self._present, reached, actions, rewards, terminated | truncated, told)
        self._present = observations

    def observe(self, out: Any) -> Any:
        """Return the present stacks."""
        return out.copy_(torch.from_numpy(self._present))

    def sample(self, count: int, beta: float, out: Any, next_out: Any) -> ReplaySample:
        """Draw transitions."""
        sample = self._buffer.sample(count)
        out.copy_(sample.observations)
        next_out.copy_(sample.next_observations)
        ends = sample.dones.numpy()[:, 0]
        return ReplaySample(
            out, sample.actions.numpy()[:, 0], sample.rewards.numpy()[:, 0], next_out, ends > 0, ends < 0,
            (GAMMA * (1 - ends)).astype(np.float32), np.zeros(count, np.int64), np.ones(count, np.float32),
        )  # fmt: skip

    def update_priorities(self, indices: Any, errors: Any) -> None:
        """Do nothing."""


def main(name: str, game: str, capacity: int) -> None:
    """Play, learn, and print what it took."""
    spec = importlib.util.spec_from_file_location("dqn", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    dqn: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dqn)

    class ForEnv:
        for_env = staticmethod(functools.partial(Adapted, BUFFERS[name]))

    dqn.ReplayBuffer = ForEnv
    # The example's environment gives planes, and resets in the next step.
    others = {"stack_num": 4, "autoreset_mode": "SameStep"}
    dqn.AtariVectorEnv = lambda *arguments, **rules: AtariVectorEnv(*arguments, **{**rules, **others})
    np.random.seed(1)  # noqa: NPY002 - stable-baselines3's generator
    begin = time.perf_counter()
    sizes = "--capacity", str(capacity), "--steps", str(capacity), "--first", str(int(0.9 * capacity))
    network, *_ = dqn.train(dqn.parse(["--game", game, "--batch", "32", *sizes]))
    seconds = time.perf_counter() - begin
    digest = hashlib.sha256()
    for weights in network.state_dict().values():
        digest.update(weights.numpy().tobytes())
    # `getrusage` would also count what the process was before it became this program.
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    memory = 1024 * int(peak)
    print("\n" + json.dumps({"memory": memory, "seconds": seconds, "digest": digest.hexdigest()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
