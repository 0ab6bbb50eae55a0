"""The real packages that presets are named after, each behind the same few methods.

They are what `fastatari verify` and the tests compare with: slow, and not a line of fastatari in them. Every one plays
the same console, seeded as its users would.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ale_py
import gymnasium
import numpy as np
import numpy.typing as npt

from fastatari.cli.envpool_package import make_envpool
from fastatari.cli.outcomes import Outcome, Package, find_width_and_height
from fastatari.games import to_camel_case

gymnasium.register_envs(ale_py)


def make_base(rom: str, sticky: float = 0.0, frames: int = 108_000) -> gymnasium.Env[Any, Any]:
    """Return ale-py's environment of single frames, without gymnasium's wrappers around it."""
    return gymnasium.make(
        f"ALE/{to_camel_case(rom)}-v5",
        frameskip=1,
        repeat_action_probability=sticky,
        max_num_frames_per_episode=frames,
    ).unwrapped


def _read_outcome(
    env: gymnasium.Env[Any, Any],
    observation: npt.NDArray[Any] | None,
    reward: Any = 0.0,
    terminated: bool = False,
    truncated: bool | None = False,
) -> Outcome:
    """Return an outcome with the emulator's lives and frames."""
    unwrapped: Any = env.unwrapped
    ale = unwrapped.ale
    return Outcome(observation, float(reward), bool(terminated), truncated, ale.lives(), ale.getEpisodeFrameNumber())


class _Wrapped:
    """A stack of gymnasium wrappers."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env = env

    def reset(self, seed: int | None = None) -> Outcome:
        observation, _ = self._env.reset(seed=seed)
        return _read_outcome(self._env, observation)

    def step(self, action: int) -> Outcome:
        observation, reward, terminated, truncated, _ = self._env.step(action)
        return _read_outcome(self._env, observation, reward, terminated, truncated)

    def close(self) -> None:
        self._env.close()


class _Labml:
    """labml's pipeline on gymnasium and cv2, whose episodes end with the first observation of the next."""

    def __init__(self, rom: str, max_num_frames_per_episode: int) -> None:
        from fastatari.cli.reference import ReferenceGame  # noqa: PLC0415 - cv2, which it imports, is of an extra

        self._game = ReferenceGame(0, rom, max_num_frames_per_episode=max_num_frames_per_episode)
        self._first: npt.NDArray[Any] | None = None

    def reset(self, seed: int | None = None) -> Outcome:
        del seed  # nothing depends on it
        first = self._game.reset() if self._first is None else self._first
        self._first = None
        return Outcome(first.copy(), 0.0, False, False, self._game.lives, 0)

    def step(self, action: int) -> Outcome:
        observation, reward, is_done, _ = self._game.step(action)
        if not is_done:
            return Outcome(observation.copy(), reward, False, None, None, None)
        self._first = observation
        return Outcome(None, reward, True, None, None, None)

    def close(self) -> None:
        self._game.env.close()


def make_labml(rom: str, *, max_num_frames_per_episode: int = 108_000) -> Package:
    """Return labml's pipeline, rebuilt from gymnasium and cv2 (`fastatari.cli.reference`)."""
    return _Labml(rom, max_num_frames_per_episode)


def make_gymnasium(
    rom: str,
    *,
    frame_skip: int = 4,
    noop_max: int = 30,
    screen_size: int | tuple[int, int] = 84,
    life_loss: str = "ignore",
    grayscale_obs: bool = True,
    scale_obs: bool = False,
    stack_num: int = 4,
    padding_type: str = "reset",
    repeat_action_probability: float = 0.0,
    max_num_frames_per_episode: int = 108_000,
) -> Package:
    """Return gymnasium's `AtariPreprocessing` and `FrameStackObservation`."""
    env: gymnasium.Env[Any, Any] = gymnasium.wrappers.AtariPreprocessing(
        make_base(rom, repeat_action_probability, max_num_frames_per_episode),
        noop_max=noop_max,
        frame_skip=frame_skip,
        screen_size=screen_size,
        terminal_on_life_loss=life_loss == "reset",
        grayscale_obs=grayscale_obs,
        scale_obs=scale_obs,
    )
    return _Wrapped(gymnasium.wrappers.FrameStackObservation(env, stack_num, padding_type=padding_type))


class _Watch(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Notes what a step gave before a vector environment resets."""

    outcome: Outcome

    def step(self, action: int) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.outcome = _read_outcome(self.env, None, reward, terminated, truncated)
        return observation, reward, terminated, truncated, info


class _SB3:
    """stable-baselines3's `AtariWrapper` in a `DummyVecEnv` in a `VecFrameStack`."""

    def __init__(self, env: gymnasium.Env[Any, Any], stack_num: int) -> None:
        from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack  # noqa: PLC0415 - of an extra

        self._watch = _Watch(env)
        # Any, because its types know of no observation behind the end of an episode.
        self._vec: Any = VecFrameStack(DummyVecEnv([lambda: self._watch]), stack_num)
        self._first: npt.NDArray[Any] | None = None

    def reset(self, seed: int | None = None) -> Outcome:
        if self._first is None or seed is not None:
            if seed is not None:
                self._vec.seed(seed)
            self._first = self._vec.reset()[0].copy()
        observation, self._first = self._first, None
        return _read_outcome(self._watch, observation)

    def step(self, action: int) -> Outcome:
        observations, rewards, dones, infos = self._vec.step(np.array([action]))
        outcome = self._watch.outcome
        assert rewards[0] == outcome.reward
        if not dones[0]:
            return outcome._replace(observation=observations[0].copy())
        self._first = observations[0].copy()
        return outcome._replace(observation=infos[0]["terminal_observation"])

    def close(self) -> None:
        self._vec.close()


def make_sb3(
    rom: str,
    *,
    frame_skip: int = 4,
    noop_max: int = 30,
    screen_size: int = 84,
    life_loss: str = "continue",
    reward_clip: bool = True,
    stack_num: int = 4,
    repeat_action_probability: float = 0.0,
    max_num_frames_per_episode: int = 108_000,
) -> Package:
    """Return stable-baselines3's `AtariWrapper` and `VecFrameStack`."""
    from stable_baselines3.common.atari_wrappers import AtariWrapper  # noqa: PLC0415 - of an extra

    env = AtariWrapper(
        make_base(rom, frames=max_num_frames_per_episode),
        noop_max=noop_max,
        frame_skip=frame_skip,
        screen_size=screen_size,
        terminal_on_life_loss=life_loss == "continue",
        clip_reward=reward_clip,
        action_repeat_probability=repeat_action_probability,
    )
    return _SB3(env, stack_num)


def make_cleanrl(
    rom: str, *, frame_skip: int = 4, noop_max: int = 30, gray: str = "cv2", max_num_frames_per_episode: int = 108_000
) -> Package:
    """Return the wrappers of CleanRL's ``ppo_atari.py``.

    It was written for gymnasium 0.29, whose gray formula was cv2's; ``gray="gymnasium"`` is that of gymnasium 1.
    """
    from stable_baselines3.common import atari_wrappers  # noqa: PLC0415 - of an extra

    env: gymnasium.Env[Any, Any] = make_base(rom, frames=max_num_frames_per_episode)
    env = atari_wrappers.NoopResetEnv(env, noop_max=noop_max)
    env = atari_wrappers.MaxAndSkipEnv(env, skip=frame_skip)
    env = atari_wrappers.EpisodicLifeEnv(env)
    if "FIRE" in env.get_wrapper_attr("get_action_meanings")():
        env = atari_wrappers.FireResetEnv(env)
    env = atari_wrappers.ClipRewardEnv(env)
    env = gymnasium.wrappers.ResizeObservation(env, (84, 84))
    if gray == "gymnasium":
        env = gymnasium.wrappers.GrayscaleObservation(env)
    else:
        import cv2  # noqa: PLC0415 - of an extra

        space = gymnasium.spaces.Box(0, 255, (84, 84), np.uint8)
        env = gymnasium.wrappers.TransformObservation(env, lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), space)
    return _Wrapped(gymnasium.wrappers.FrameStackObservation(env, 4))


class _Dopamine:
    """Dopamine's `AtariPreprocessing`, stacked as its agents do, and cut off as its runner does."""

    def __init__(self, rom: str, frame_skip: int, life_loss: str, sticky: float, frames: int, steps: int) -> None:
        from dopamine.discrete_domains.atari_lib import AtariPreprocessing  # noqa: PLC0415 - of an extra

        base = make_base(rom, sticky, frames)
        self._base: Any = base
        # Dopamine takes the innermost environment from under one wrapper.
        self._env = AtariPreprocessing(
            gymnasium.Wrapper(base), frame_skip=frame_skip, terminal_on_life_loss=life_loss == "reset"
        )
        self._stack = np.zeros((84, 84, 4), np.uint8)
        self._max_steps, self._steps = steps, 0

    def reset(self, seed: int | None = None) -> Outcome:
        if seed is not None:  # for which Dopamine has no argument
            self._base.seed_game(seed)
            self._base.load_game()
        self._stack[:] = 0
        self._steps = 0
        return self._stack_up(self._env.reset())

    def step(self, action: int) -> Outcome:
        observation, reward, is_terminal, _ = self._env.step(action)
        self._steps += 1
        return self._stack_up(observation, reward, is_terminal or self._steps == self._max_steps)

    def close(self) -> None:
        self._env.close()

    def _stack_up(self, observation: npt.NDArray[np.uint8], reward: float = 0.0, is_over: bool = False) -> Outcome:
        self._stack = np.roll(self._stack, -1, axis=-1)
        self._stack[..., -1] = observation[..., 0]
        return _read_outcome(self._base, self._stack.copy(), reward, is_over, None)


def make_dopamine(
    rom: str,
    *,
    frame_skip: int = 4,
    life_loss: str = "ignore",
    repeat_action_probability: float = 0.25,
    max_num_frames_per_episode: int = 100_000,
    max_episode_steps: int = 27_000,
) -> Package:
    """Return Dopamine's preprocessing, stack and limits."""
    return _Dopamine(
        rom, frame_skip, life_loss, repeat_action_probability, max_num_frames_per_episode, max_episode_steps
    )


class _Vector:
    """ale-py's `AtariVectorEnv` of one environment."""

    def __init__(self, rom: str, **kwargs: Any) -> None:
        self._vec = ale_py.vector_env.AtariVectorEnv(rom, 1, **kwargs)
        self._has_reset = False

    def reset(self, seed: int | None = None) -> Outcome:
        if seed is None and self._has_reset:
            return self.step(0)._replace(reward=0.0)  # which resets after the end of an episode
        self._has_reset = True
        seeds = None if seed is None else np.array([seed])
        observations, infos = self._vec.reset(seed=seeds)
        return self._report(observations, np.zeros(1), np.zeros(1), np.zeros(1), infos)

    def step(self, action: int) -> Outcome:
        return self._report(*self._vec.step(np.array([action])))

    def close(self) -> None:
        self._vec.close()

    def _report(self, observations: Any, rewards: Any, terminated: Any, truncated: Any, infos: Any) -> Outcome:
        lives, frames = int(infos["lives"][0]), int(infos["episode_frame_number"][0])
        return Outcome(
            observations[0].copy(), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), lives, frames
        )


def make_ale(
    rom: str,
    *,
    frame_skip: int = 4,
    noop_max: int = 30,
    screen_size: int | tuple[int, int] = 84,
    life_loss: str = "ignore",
    grayscale_obs: bool = True,
    maxpool: bool = True,
    stack_num: int = 4,
    fire_reset: str = "frame_before",
    reward_clip: bool = True,
    repeat_action_probability: float = 0.0,
    max_num_frames_per_episode: int = 108_000,
) -> Package:
    """Return ale-py's `AtariVectorEnv`."""
    width, height = find_width_and_height(screen_size)
    return _Vector(
        rom,
        frameskip=frame_skip,
        noop_max=noop_max,
        img_width=width,
        img_height=height,
        episodic_life=life_loss == "reset",
        life_loss_info=life_loss == "report",
        grayscale=grayscale_obs,
        maxpool=maxpool,
        stack_num=stack_num,
        use_fire_reset=fire_reset == "frame_before",
        reward_clipping=reward_clip,
        repeat_action_probability=repeat_action_probability,
        max_num_frames_per_episode=max_num_frames_per_episode,
    )


class Peer(NamedTuple):
    """A preset's real package: its distribution, the modules that it needs, what makes it from fields of the rules."""

    distribution: str
    modules: tuple[str, ...]
    make: Callable[..., Package]


PEERS: Mapping[str, Peer] = {
    "labml": Peer("gymnasium", ("cv2",), make_labml),
    "gymnasium": Peer("gymnasium", ("cv2",), make_gymnasium),
    "sb3": Peer("stable-baselines3", ("cv2", "stable_baselines3"), make_sb3),
    "cleanrl": Peer("stable-baselines3", ("cv2", "stable_baselines3"), make_cleanrl),
    "dopamine": Peer("dopamine-rl", ("baselines", "cv2", "dopamine"), make_dopamine),
    "ale": Peer("ale-py", (), make_ale),
    "envpool": Peer("envpool", ("envpool",), make_envpool),
}


def are_installed(modules: Sequence[str]) -> bool:
    """Return whether modules are there, without importing them."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def find_version(distribution: str) -> str | None:
    """Return the version of an installed package; None if it is not there."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
