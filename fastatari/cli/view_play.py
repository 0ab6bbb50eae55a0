"""A play that is looked at: what the agent saw at each reset and step."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import gymnasium.error
import numpy as np
import numpy.typing as npt

from fastatari.cli.failures import CommandError, describe_error
from fastatari.cli.view_policy import Policy
from fastatari.envs.env import AtariEnv
from fastatari.rules import AtariRules

UInt8Array = npt.NDArray[np.uint8]


class Moment(NamedTuple):
    """What a reset or a step gave.

    Attributes:
        step (int): how many steps were played; 0 after the first reset.
        action (str): the name of the action; "reset" after a reset.
        reward (float): the reward of the step, as the agent gets it.
        episode_return (float): the sum of these since the last reset.
        lives (int): the lives that are left.
        episode (int): the number of the episode, from 1.
        end (str): "terminated" or "truncated" if the step ended the episode; or "".
        screen (uint8[H, W, 3]): the screen in its colours.
        planes (uint8[K, h, w]): the planes of the observation, the oldest first.
    """

    step: int
    action: str
    reward: float
    episode_return: float
    lives: int
    episode: int
    end: Literal["", "terminated", "truncated"]
    screen: UInt8Array
    planes: UInt8Array


def play(env: AtariEnv, policy: Policy, step_num: int, seed: int) -> Iterator[Moment]:
    """Play some steps; after the end of an episode there is a reset, which is no step.

    Args:
        env (AtariEnv): what is played, with `render_mode` "rgb_array".
        policy (Policy): what plays. It may write into its observations.
        step_num (int): how many steps.
        seed (int): seeds the first reset.

    Yields:
        Moment: what each reset and step gave.

    Raises:
        CommandError: the policy raised an exception, or returned what is no action.
    """
    meanings = env.get_action_meanings()
    observation, info = env.reset(seed=seed)
    episode, total = 1, 0.0
    yield _look(env, observation, info, 0, "reset", 0.0, 0.0, episode, "")
    for step in range(1, step_num + 1):
        try:
            action = policy(observation, info)
        except Exception as error:
            raise CommandError(f"the policy failed in step {step}: {describe_error(error)}") from error
        try:
            observation, reward, terminated, truncated, info = env.step(action)
        except (TypeError, gymnasium.error.InvalidAction) as error:
            raise CommandError(f"the policy returned no action in step {step}: {error}") from error
        total += reward
        end: Literal["", "terminated", "truncated"] = "terminated" if terminated else "truncated" if truncated else ""
        yield _look(env, observation, info, step, meanings[action], reward, total, episode, end)
        if end and step < step_num:
            observation, info = env.reset()
            episode, total = episode + 1, 0.0
            yield _look(env, observation, info, step, "reset", 0.0, 0.0, episode, "")


def split_planes(observation: npt.NDArray[Any], rules: AtariRules) -> UInt8Array:
    """Return the planes of an observation, a copy: uint8[K, h, w]."""
    planes = np.moveaxis(observation, -1, 0) if rules.stack_axis == -1 else observation
    return planes.astype(np.uint8)


def _look(
    env: AtariEnv,
    observation: npt.NDArray[Any],
    info: dict[str, Any],
    step: int,
    action: str,
    reward: float,
    total: float,
    episode: int,
    end: Literal["", "terminated", "truncated"],
) -> Moment:
    screen = env.render()
    assert screen is not None  # because of the render mode
    planes = split_planes(observation, env.rules)
    return Moment(step, action, float(reward), total, int(info["lives"]), episode, end, screen, planes)
