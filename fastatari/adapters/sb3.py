"""stable-baselines3: `SB3VecEnv`, its `VecEnv` over an `AtariVectorEnv`, and `make_sb3_env`, which makes both.

They are what ``VecFrameStack(make_atari_env(game, n_envs, seed=seed), 4)`` is, to the byte: observations, rewards,
ends, infos, and what `Monitor` writes.
"""

import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.adapters.checks import check_same_step, make_same_step_env, require

require("stable-baselines3", "2.4", "3", "sb3")

from stable_baselines3.common.monitor import Monitor  # noqa: E402 - checked first
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

from fastatari.envs.vector import AtariVectorEnv  # noqa: E402

_NUMBERS = ("lives", "episode_frame_number", "frame_number")


def make_sb3_env(game: str, n_envs: int = 1, seed: int | None = None, **arguments: Any) -> "SB3VecEnv":
    """Return what stable-baselines3's `make_atari_env` does, with stacks of four planes.

    >>> env = make_sb3_env("breakout", 4, seed=0)
    >>> env.reset().shape
    (4, 84, 84, 4)
    >>> env.close()

    Args:
        game (str): the name of the game, as for `AtariVectorEnv`.
        n_envs (int): how many environments.
        seed (int, optional): environment i begins with the seed ``seed + i``; without, with a random one.
        arguments: as for `AtariVectorEnv`, such as ``num_threads=``, and fields of `AtariRules` that are to be other
            than those of the preset "sb3".

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariVectorEnv`.
    """
    env = SB3VecEnv(make_same_step_env(game, n_envs, "sb3", arguments))
    env.seed(seed)
    return env


class SB3VecEnv(VecEnv):
    """An `AtariVectorEnv` as stable-baselines3's `VecEnv`. Its algorithms take it as it is.

    ``info["episode"]`` is there at the end of a game, also where a lost life ends an episode: ``r``, the sum of its raw
    rewards, ``l``, its frames, and ``t``, the seconds since this object was made. So `evaluate_policy` and
    ``rollout/ep_rew_mean`` say what they say of stable-baselines3's own environments, whose rules are around `Monitor`.

    Args:
        env (AtariVectorEnv): in ``SAME_STEP``, with `episode_statistics`, whose batch is all environments. It is closed
            with this one.

    Attributes:
        env (AtariVectorEnv): the same.

    Raises:
        TypeError: `env` is no `AtariVectorEnv`.
        ValueError: it is not as said.
    """

    def __init__(self, env: AtariVectorEnv) -> None:
        check_same_step(env)
        self.env = env
        self._start_time = time.time()
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Let environment i begin with the seed ``seed + i`` at the next reset; by default, `seed` is random.

        Returns:
            list[int]: the seed of each.
        """
        if seed is None:  # stable-baselines3 draws 32 bits, of which rules with the seeding of ale-py take 31
            seed = int(np.random.randint(2**31 - self.num_envs))  # noqa: NPY002 - what its users seed
        seeds: Sequence[int | None] = super().seed(seed)
        return seeds

    def reset(self) -> npt.NDArray[Any]:
        """Begin an episode in all environments, with what `seed` and `set_options` gave; return the observations.

        `reset_infos` hold lives and frames, also where those of stable-baselines3's own environments are empty, because
        a wrapper that presses FIRE drops them.
        """
        options = self._options[0]
        if any(each != options for each in self._options):
            raise ValueError(f"options must be the same of all environments, got {self._options}")
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observations, infos = self.env.reset(seed=seeds, options=options or None)
        self.reset_infos = _split(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take the actions of the next `step_wait`, int[n]."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Play a step in all environments. Those whose episode it ends are reset.

        Returns:
            tuple: observations; rewards; whether episodes are over; and infos, where an episode is over with
            ``terminal_observation``, and where a game is over with ``episode``.
        """
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        each = _split(infos)
        if np.count_nonzero(dones):
            finals = infos["final_info"]
            for i in np.flatnonzero(dones).tolist():
                self.reset_infos[i] = each[i]
                info: dict[str, Any] = {name: int(finals[name][i]) for name in _NUMBERS}
                if finals["_episode"][i]:
                    info["episode"] = {
                        "r": round(float(finals["episode"]["r"][i]), 6),
                        "l": info["episode_frame_number"],
                        "t": round(time.time() - self._start_time, 6),
                    }
                info["terminal_observation"] = infos["final_obs"][i]
                each[i] = info
        for info, is_cut in zip(each, (truncated > terminated).tolist(), strict=True):
            info["TimeLimit.truncated"] = is_cut
        return observations, rewards.astype(np.float32), dones, each

    def close(self) -> None:
        """Close the environments."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of some environments, by the names that `AtariVectorEnv.get_attr` knows.

        Raises:
            AttributeError: they have no such attribute.
        """
        return [self.env.get_attr_of(attr_name, i) for i in self._find(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of an environment. Only ``np_random`` can be set, of one environment.

        Raises:
            AttributeError: environments have no such attribute that could be set.
            TypeError, ValueError: `value` is no generator, or it is for several environments.
        """
        places = self._find(indices)
        if attr_name == "np_random" and len(places) != 1:
            raise ValueError(
                f"`indices` must name one environment, whose generator `value` is to be, got {len(places)}"
            )
        for i in places:
            self.env.set_attr_of(attr_name, i, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of some environments, by the names that `AtariVectorEnv.call` knows.

        Raises:
            AttributeError: they have no such method.
        """
        return [method(*method_args, **method_kwargs) for method in self.get_attr(method_name, indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Return whether environments are in a wrapper: in `Monitor` they are, since infos hold what it writes.

        In no other class, although they play by the rules of `AtariWrapper`.
        """
        return [issubclass(Monitor, wrapper_class) for _ in self._find(indices)]

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Return the screen of each environment, uint8[H, W, 3], or None if `render_mode` is not "rgb_array"."""
        if self.render_mode != "rgb_array":
            warnings.warn(f"`render_mode` must be 'rgb_array' for images, got {self.render_mode!r}", stacklevel=2)
            return [None] * self.num_envs
        images: tuple[npt.NDArray[np.uint8], ...] = self.env.render() or ()
        return images

    def _find(self, indices: Any) -> list[int]:
        """Return numbers of environments."""
        found: Iterable[int] = self._get_indices(indices)
        return [i + self.num_envs if i < 0 else i for i in found]


def _split(infos: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers of an info, of each environment in a dict of its own."""
    columns = zip(*(infos[name].tolist() for name in _NUMBERS), strict=True)
    return [dict(zip(_NUMBERS, column, strict=True)) for column in columns]
