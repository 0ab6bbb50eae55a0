"""What fastatari is compared with: labml's pipeline on gymnasium and cv2, its arrays pickled through pipes.

The demo, the tests and the benchmarks play it side by side with `fastatari.Game` and `fastatari.Worker`. It is the
slow and obvious form of the same rules, in its structure and its costs like ``labml_nn/rl/game.py`` on today's
gymnasium.
"""

import contextlib
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import ale_py
import cv2
import gymnasium
import numpy as np
import numpy.typing as npt

from fastatari.games import to_camel_case

gymnasium.register_envs(ale_py)

Observation = npt.NDArray[np.float64]


class ReferenceGame:
    """The twin of `fastatari.Game` with dtype float64: one gymnasium environment, two calls of cv2 a screen.

    Args:
        seed (int): seeds the environment at the first reset.
        rom (str): the ROM's id in ale-py.
        kwargs: further arguments of the environment.
    """

    def __init__(self, seed: int, rom: str = "breakout", **kwargs: Any) -> None:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        name = to_camel_case(rom)
        env_id = f"{name}NoFrameskip-v4"
        if env_id not in gymnasium.registry:  # newer games have no such id, which stands for:
            env_id = f"ALE/{name}-v5"
            kwargs |= {"frameskip": 1, "repeat_action_probability": 0.0}
        self.env = gymnasium.make(env_id, **kwargs)
        self._seed: int | None = seed
        self._stack = np.zeros((4, 84, 84))
        self._pair = np.zeros((2, 84, 84))
        self.rewards: list[float] = []
        self.lives = 0

    def reset(self) -> Observation:
        """Reset the whole game; return the first screen, processed, four times (float64[4, 84, 84])."""
        screen, _ = self.env.reset(seed=self._seed)
        self._seed = None
        self._stack = np.stack([_process(screen)] * 4).astype(np.float64)
        self.rewards = []
        self.lives = self._read_lives()
        return self._stack

    def step(self, action: int) -> tuple[Observation, float, bool, dict[str, float] | None]:
        """Apply an action for 4 frames; return observation, reward, done and episode info."""
        reward = 0.0
        done = False
        for frame in range(4):
            screen, frame_reward, terminated, truncated, _ = self.env.step(action)
            reward += float(frame_reward)
            if frame >= 2:
                self._pair[frame - 2] = _process(screen)
            done = terminated or truncated or self._read_lives() < self.lives
            if done:
                break
        self.rewards.append(reward)
        if done:
            info = {"reward": sum(self.rewards), "length": len(self.rewards)}
            return self.reset(), reward, True, info
        self._stack = np.roll(self._stack, -1, axis=0)
        self._stack[-1] = self._pair.max(axis=0)
        return self._stack, reward, False, None

    def _read_lives(self) -> int:
        lives: int = self.env.unwrapped.ale.lives()  # type: ignore[attr-defined]
        return lives


class ReferenceWorker:
    """The twin of `fastatari.Worker`: a process that pickles every observation into a pipe."""

    def __init__(self, seed: int, rom: str = "breakout") -> None:
        self.child, remote = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_serve, args=(self.child, remote, seed, rom), daemon=True)
        self.process.start()


def _serve(child: "Connection[Any, Any]", remote: "Connection[Any, Any]", seed: int, rom: str) -> None:
    child.close()  # a copy of the caller's end: were it open, this process would outlive a caller that is killed
    game = ReferenceGame(seed, rom)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            command, data = remote.recv()
            if command == "step":
                remote.send(game.step(data))
            elif command == "reset":
                remote.send(game.reset())
            else:
                remote.close()
                return


def _process(screen: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    gray = cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (84, 84), interpolation=cv2.INTER_AREA)
