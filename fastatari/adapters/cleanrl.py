"""CleanRL: `make_cleanrl_env`, and `LegacyInfos`, an `AtariVectorEnv` with the infos that gymnasium 0.29 had.

CleanRL's scripts were written for gymnasium 0.29. How an episode ended stands there in ``final_info``, an array of
dicts, and in ``final_observation``; both are only there in a step that ends one.
"""

from typing import Any

import gymnasium.vector
import numpy as np
import numpy.typing as npt

from fastatari.adapters.checks import check_same_step, make_same_step_env
from fastatari.envs.vector import AtariVectorEnv

Array = npt.NDArray[Any]

# What gymnasium 1 has otherwise, or everywhere.
_NEW = ("final_obs", "final_info", "episode")


def make_cleanrl_env(env_id: str, num_envs: int, **arguments: Any) -> "LegacyInfos":
    """Return what ``gym.vector.SyncVectorEnv([make_env(env_id, ...), ...])`` is in CleanRL's Atari scripts.

    >>> envs = make_cleanrl_env("BreakoutNoFrameskip-v4", 2)
    >>> observations, infos = envs.reset(seed=1)
    >>> while "final_info" not in infos:
    ...     observations, rewards, terminated, truncated, infos = envs.step(np.zeros(2, int))
    >>> [info and int(info["lives"]) for info in infos["final_info"]]  # episodes are lives
    [4, 4]
    >>> envs.close()

    Args:
        env_id (str): the name of the game, such as ``BreakoutNoFrameskip-v4``.
        num_envs (int): how many environments.
        arguments: as for `AtariVectorEnv`, such as ``num_threads=``, and fields of `AtariRules` that are to be other
            than those of the preset "cleanrl".

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariVectorEnv`.
    """
    return LegacyInfos(make_same_step_env(env_id, num_envs, "cleanrl", arguments))


class LegacyInfos(gymnasium.vector.VectorWrapper):
    """An `AtariVectorEnv` whose infos have gymnasium 0.29's form.

    In a step that ends an episode, and only there, infos have ``final_observation`` and ``final_info``, object arrays
    with None where no episode ended, and their masks, ``_final_observation`` and ``_final_info``. At the end of a game,
    also where a lost life ends an episode, an environment's ``final_info`` has ``episode``: ``r``, the sum of its raw
    rewards, float32[1], ``l``, its frames, int32[1], and ``t``, its seconds, float32[1]. So does gymnasium's
    `RecordEpisodeStatistics` where it is the innermost wrapper, as in CleanRL.

    Args:
        env (AtariVectorEnv): in ``SAME_STEP``, with `episode_statistics`, whose batch is all environments.

    Raises:
        TypeError: `env` is no `AtariVectorEnv`.
        ValueError: it is not as said.
    """

    def __init__(self, env: AtariVectorEnv) -> None:
        check_same_step(env)
        super().__init__(env)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in all environments; see `AtariVectorEnv.reset`."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, _without_new(infos)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Play a step in all environments; see `AtariVectorEnv.step`."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        legacy = _without_new(infos)
        if "final_obs" in infos:
            ended = infos["_final_obs"]
            legacy["final_observation"], legacy["_final_observation"] = infos["final_obs"], ended
            legacy["final_info"], legacy["_final_info"] = _split(infos["final_info"], ended), ended.copy()
        return observations, rewards, terminated, truncated, legacy


def _without_new(infos: dict[str, Any]) -> dict[str, Any]:
    """Return infos without what gymnasium 0.29 had not, or not in every step."""
    return {name: value for name, value in infos.items() if name.removeprefix("_") not in _NEW}


def _split(finals: dict[str, Any], ended: Array) -> Array:
    """Return final infos, those of each environment in a dict of its own; None where no episode ended."""
    split = np.full(len(ended), None, object)
    names = [name for name in _without_new(finals) if not name.startswith("_") and f"_{name}" in finals]
    for i in np.flatnonzero(ended).tolist():
        split[i] = {name: finals[name][i] for name in names if finals[f"_{name}"][i]}
        if finals["_episode"][i]:
            episode = finals["episode"]
            split[i]["episode"] = {
                "r": np.array([episode["r"][i]], np.float32),
                "l": np.array([finals["episode_frame_number"][i]], np.int32),
                "t": np.array([round(float(episode["t"][i]), 6)], np.float32),
            }
    return split
