"""envpool's Atari environment behind the methods of `fastatari.cli.packages.Package`."""

from typing import Any

import ale_py
import numpy as np

from fastatari.cli.outcomes import Outcome, Package, find_width_and_height
from fastatari.games import find_rom, to_envpool_id


class _Envpool:
    """One environment of envpool, which resets in the step after the end of an episode.

    A reset at another time begins a new game in envpool, also where lives are episodes.
    """

    def __init__(self, rom: str, **kwargs: Any) -> None:
        self._task = to_envpool_id(rom)
        self._kwargs, self._channels = kwargs, 1 if kwargs["gray_scale"] else 3
        self._env: Any = None
        self._is_over = False

    def reset(self, seed: int | None = None) -> Outcome:
        if self._is_over and seed is None:
            return self.step(0)
        if self._env is None or seed is not None:  # seeds are taken when an environment is made, and only then
            self.close()
            import envpool  # noqa: PLC0415 - of an extra

            self._env = envpool.make(self._task, env_type="gymnasium", num_envs=1, seed=seed or 0, **self._kwargs)
        observations, infos = self._env.reset()
        self._is_over = False
        return self._report(observations, 0.0, False, False, infos)

    def step(self, action: int) -> Outcome:
        observations, rewards, terminated, truncated, infos = self._env.step(np.array([action], np.int32))
        self._is_over = bool(terminated[0] or truncated[0])
        return self._report(observations, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), infos)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None

    def _report(self, observations: Any, reward: float, terminated: bool, truncated: bool, infos: Any) -> Outcome:
        """Return an outcome; planes in RGB, which envpool gives as red, green and blue ones, with colours last."""
        _, planes, height, width = observations.shape
        observation = observations.reshape(planes // self._channels, self._channels, height, width).copy()
        observation = np.moveaxis(observation, 1, -1) if self._channels > 1 else observation[:, 0]
        return Outcome(observation, reward, terminated, truncated, int(infos["lives"][0]), None)


def make_envpool(
    rom: str,
    *,
    frame_skip: int = 4,
    noop_max: int = 30,
    screen_size: int | tuple[int, int] = 84,
    life_loss: str = "ignore",
    grayscale_obs: bool = True,
    stack_num: int = 4,
    fire_reset: str = "frame_after",
    reward_clip: bool = False,
    repeat_action_probability: float = 0.0,
    max_episode_steps: int = 27_000,
    full_action_space: bool = False,
) -> Package:
    """Return envpool's environment.

    Raises:
        ValueError: the game's screen is higher than 210 rows, of which envpool shows no others.
    """
    ale = ale_py.ALEInterface()
    ale.loadROM(find_rom(rom)[1])
    height, _ = ale.getScreenDims()
    if height != 210:
        raise ValueError(f"envpool shows 210 rows of a screen, {rom} has {height}")
    width, height = find_width_and_height(screen_size)
    return _Envpool(
        rom,
        frame_skip=frame_skip,
        noop_max=noop_max,
        img_width=width,
        img_height=height,
        episodic_life=life_loss == "continue",
        gray_scale=grayscale_obs,
        stack_num=stack_num,
        use_fire_reset=fire_reset == "frame_after",
        reward_clip=reward_clip,
        repeat_action_probability=repeat_action_probability,
        max_episode_steps=max_episode_steps,
        full_action_space=full_action_space,
    )
