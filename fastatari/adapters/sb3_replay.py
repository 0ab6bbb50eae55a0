"""stable-baselines3: `SB3ReplayBuffer`, for `replay_buffer_class=`, which stores each plane of stacks once."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from fastatari.adapters.checks import require
from fastatari.checks import check_flag, check_integer
from fastatari.replay.buffer import ReplayBuffer

require("stable-baselines3", "2.4", "3", "sb3")

import torch  # noqa: E402 - stable-baselines3 brings it
from stable_baselines3.common.buffers import BaseBuffer  # noqa: E402 - checked first
from stable_baselines3.common.buffers import ReplayBuffer as TheirBuffer  # noqa: E402
from stable_baselines3.common.type_aliases import ReplayBufferSamples  # noqa: E402

Array = npt.NDArray[Any]


class SB3ReplayBuffer(TheirBuffer):
    """stable-baselines3's `ReplayBuffer`, in a seventh of its memory. What is sampled is the same, to the byte.

    >>> DQN("CnnPolicy", env, replay_buffer_class=SB3ReplayBuffer)

    It draws from numpy's global generator, as stable-baselines3's does: an agent ends with the same weights. If
    episodes have fewer than 16 steps on average, it holds fewer transitions than `buffer_size`. With `VecNormalize`,
    observations must not be scaled (``norm_obs=False``).

    Args:
        buffer_size (int): as stable-baselines3's.
        observation_space (spaces.Box): of stacks of gray planes, along the first axis or the last.
        action_space (spaces.Space): as stable-baselines3's.
        device (torch.device | str): as stable-baselines3's.
        n_envs (int): as stable-baselines3's.
        optimize_memory_usage (bool): has to be False, for there is nothing to optimise.
        handle_timeout_termination (bool): as stable-baselines3's.
        stack_num (int): how many planes are in a stack.
        n_steps (int): over how many steps rewards are summed, as by its `NStepReplayBuffer`, but in float64, and with a
            discount of 0 where an episode is terminated.
        gamma (float): the discount of these.
        folder (str, optional): as for `fastatari.ReplayBuffer`.

    Attributes:
        buffer (fastatari.ReplayBuffer): the transitions.

    Raises:
        TypeError, ValueError: an argument is not allowed.
        MemoryError, OSError: as for `fastatari.ReplayBuffer`.
    """

    pos: int

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: "torch.device | str" = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        *,
        stack_num: int = 4,
        n_steps: int = 1,
        gamma: float = 0.99,
        folder: str | None = None,
    ) -> None:
        if optimize_memory_usage:
            raise ValueError("`optimize_memory_usage` must be False: each plane is stored once in any case, got True")
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage = False
        self.handle_timeout_termination = check_flag("handle_timeout_termination", handle_timeout_termination)
        stack_num = check_integer("stack_num", stack_num, 1)
        shape = observation_space.shape or ()
        if not isinstance(observation_space, spaces.Box) or len(shape) != 3 or stack_num not in (shape[0], shape[-1]):
            raise ValueError(
                f"`observation_space` must be of stacks of {stack_num} planes, such as ({stack_num}, 84, 84), "
                f"got {observation_space}"
            )
        axis = 0 if shape[0] == stack_num else -1
        self._arguments = {
            "capacity": self.buffer_size * n_envs,
            "num_envs": n_envs,
            "plane_shape": shape[1:] if axis == 0 else shape[:-1],
            "stack_num": stack_num,
            "stack_axis": axis,
            "padding_type": "zero",  # as `VecFrameStack`
            "dtype": observation_space.dtype,
            "action_shape": (self.action_dim,),
            "action_dtype": self._maybe_cast_dtype(action_space.dtype),
            "autoreset_mode": "Disabled",
            "n_step": n_steps,
            "gamma": gamma,
            "folder": folder,
        }
        if n_steps > 1 and "discounts" not in ReplayBufferSamples._fields:
            raise ValueError(f"`n_steps` must be 1 before stable-baselines3 2.7, got {n_steps}")
        self._n_steps = n_steps
        self._last: Array | None = None
        self._forget()

    def reset(self) -> None:
        """Forget all transitions."""
        super().reset()
        self._forget()

    def add(
        self, obs: Array, next_obs: Array, action: Array, reward: Array, done: Array, infos: list[dict[str, Any]]
    ) -> None:
        """Add a transition of each environment, as stable-baselines3's.

        Raises:
            ValueError: `next_obs` is not `obs` with one plane more.
        """
        planes, following = self.buffer.planes.split(np.asarray(obs)), self.buffer.planes.split(np.asarray(next_obs))
        if not np.array_equal(planes[:, 1:], following[:, :-1]):
            raise ValueError("`next_obs` must be `obs` without its oldest plane and with one more, got other stacks")
        begins = self.buffer.needs_reset.copy()  # at first, and after an end
        if self._last is not None:  # where the environment was reset in the middle of an episode
            begins |= (self._last != obs).reshape(self.n_envs, -1).any(1)
        if begins.any():
            self.buffer.reset(obs[begins], env_id=np.flatnonzero(begins))
        done = np.asarray(done).astype(np.bool_)
        is_timeout = np.zeros_like(done)
        if self.handle_timeout_termination:
            is_timeout = np.array([info.get("TimeLimit.truncated", False) for info in infos], np.bool_) & done
        self.buffer.add(
            np.asarray(action).reshape(self.n_envs, self.action_dim), next_obs, reward, done & ~is_timeout, is_timeout
        )
        self._last = np.array(next_obs)
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full, self.pos = True, 0

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Draw transitions, as stable-baselines3's; observations are written to the memory of tensors."""
        if env is not None and env.norm_reward and self._n_steps > 1:
            raise ValueError("`n_steps` must be 1 where `VecNormalize` scales each reward, got sums of several")
        transitions = self.buffer.transitions
        draw = np.random.randint
        slots = draw(0, self.buffer_size if self.full else self.pos, size=batch_size)
        env_ids = draw(0, high=self.n_envs, size=(batch_size,))
        while True:
            numbers = transitions.number(env_ids, slots)
            is_gone = numbers < transitions.firsts[env_ids]  # because of many short episodes
            if not is_gone.any():
                break
            slots[is_gone] = draw(0, self.buffer_size, size=int(is_gone.sum()))
        outs = [self._make_tensor(batch_size) for _ in range(2)]
        sample = self.buffer.read(numbers * self.n_envs + env_ids, out=outs[0], next_out=outs[1])
        observations, following = (
            out.to(self.device) if env is None else self.to_torch(self._normalize_obs(out.numpy(), env)) for out in outs
        )
        rewards = self._normalize_reward(sample.rewards.reshape(-1, 1), env)
        ends = sample.terminated.astype(np.float32).reshape(-1, 1)
        fields = observations, self.to_torch(sample.actions), following, self.to_torch(ends), self.to_torch(rewards)
        if self._n_steps == 1:
            return ReplayBufferSamples(*fields)
        return ReplayBufferSamples(*fields, self.to_torch(sample.discounts.reshape(-1, 1)))

    def _make_tensor(self, count: int) -> "torch.Tensor":
        shape, dtype = (count, *self.buffer.stack_shape), self.buffer.planes.memory.dtype
        is_pinned = self.device.type == "cuda"
        return torch.empty(shape, dtype=getattr(torch, dtype.name), pin_memory=is_pinned)

    def _forget(self) -> None:
        self.__dict__.pop("buffer", None)  # before there is memory for another one
        self.buffer = ReplayBuffer(**self._arguments)
        self._last = None
