"""`ReplayBuffer`: transitions of many environments, each plane of which is stored once."""

import copy
import math
import os
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_choice, check_flag, check_integer, to_float
from fastatari.envs.arguments import check_mode
from fastatari.envs.vector import AtariVectorEnv
from fastatari.replay.arguments import check_generator, check_kind, check_shape, check_stack_num, count_slots
from fastatari.replay.files import read_buffer, write_buffer
from fastatari.replay.planes import PlaneRings
from fastatari.replay.priorities import Priorities
from fastatari.replay.sampling import Sampling
from fastatari.replay.transitions import TransitionRings
from fastatari.resources import check_memory
from fastatari.rules import RAM_SIZE


class ReplayBuffer(Sampling):
    """The last transitions of a vector environment. Each plane is stored once, and stacks are put together by `sample`.

    An observation and the next one share their planes. So a transition takes little more than a plane, a seventh of
    what two stacks take. What is sampled is equal to what the environment gave, to the byte: at the beginning and the
    end of episodes, at lost lives and truncations, and where the beginning of an episode has been overwritten.

    >>> env = AtariVectorEnv("breakout", 8, preset="sb3", stack_axis=0)
    >>> buffer = ReplayBuffer.for_env(env, 10_000, seed=0)
    >>> observations, infos = env.reset(seed=0)
    >>> buffer.reset(observations)
    >>> for _ in range(100):
    ...     actions = env.action_space.sample()
    ...     observations, *results = env.step(actions)
    ...     buffer.add(actions, observations, *results)
    >>> sample = buffer.sample(32)
    >>> sample.observations.shape, sample.next_observations.shape
    ((32, 4, 84, 84), (32, 4, 84, 84))
    >>> env.close()

    Not to be shared between threads.

    Args:
        capacity (int): how many transitions there may be, the same number of each environment. There are fewer if
            episodes have fewer than 16 steps on average, because each one takes a plane more; or K, where the stack of
            a reset is not one plane and padding.
        num_envs (int): how many environments, n.
        plane_shape (tuple[int, ...]): the shape of a plane; with colours, their axis is the last of three.
        stack_num (int): how many planes make an observation, K.
        stack_axis (0 | -1): along which axis of an observation; 0 is the faster one.
        padding_type ("reset" | "zero"): what an environment fills stacks with at a reset.
        dtype (DTypeLike): of planes.
        action_shape (tuple[int, ...]): the shape of an action.
        action_dtype (DTypeLike): its dtype.
        autoreset_mode (AutoresetMode | str): the environment's.
        reports_lives (bool): whether `terminated` may be set where an episode goes on, as with ``life_loss="report"``;
            then ``infos["game_over"]`` says whether it is over.
        n_step (int): over how many steps rewards are summed.
        gamma (float): the discount of a step, from 0 to 1.
        priority_exponent (float, optional): the exponent alpha of prioritised sampling (Schaul et al., 2016); without,
            sampling is uniform.
        seed (int | numpy.random.Generator, optional): of what is drawn.
        folder (str | PathLike, optional): where planes are kept in a file that is mapped, instead of in memory. It has
            no name, and is gone with the buffer. So there may be more transitions than fit into memory.

    Attributes:
        capacity (int): as above, a multiple of `num_envs`.
        num_envs (int): n.
        stack_shape (tuple[int, ...]): the shape of an observation.
        generator (numpy.random.Generator): what draws.

    Raises:
        TypeError, ValueError: an argument is not allowed.
        MemoryError: there is not enough memory. It says how much is needed, and how much there is.
        OSError: there is not enough room in `folder`, or it cannot be written to.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        plane_shape: tuple[int, ...] = (84, 84),
        *,
        stack_num: int = 4,
        stack_axis: int = 0,
        padding_type: str = "reset",
        dtype: npt.DTypeLike = np.uint8,
        action_shape: tuple[int, ...] = (),
        action_dtype: npt.DTypeLike = np.int64,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        reports_lives: bool = False,
        n_step: int = 1,
        gamma: float = 0.99,
        priority_exponent: float | None = None,
        seed: "int | np.random.Generator | None" = None,
        folder: "str | os.PathLike[str] | None" = None,
    ) -> None:
        self.num_envs = check_integer("num_envs", num_envs, 1)
        length = check_integer("capacity", capacity, self.num_envs) // self.num_envs
        self.capacity = length * self.num_envs
        plane_shape, action_shape = (
            check_shape("plane_shape", plane_shape, 1),
            check_shape("action_shape", action_shape),
        )
        stack_num = check_stack_num(stack_num)
        check_choice("stack_axis", stack_axis, (0, -1))
        check_choice("padding_type", padding_type, ("reset", "zero"))
        self._mode = check_mode(autoreset_mode)
        self._reports_lives = check_flag("reports_lives", reports_lives)
        self._n_step = check_integer("n_step", n_step, 1)
        self._gamma = to_float("gamma", gamma)
        if not 0 <= self._gamma <= 1:
            raise ValueError(f"`gamma` must be from 0 to 1, got {gamma}")
        if priority_exponent is not None and not 0 <= to_float("priority_exponent", priority_exponent) < np.inf:
            raise ValueError(f"`priority_exponent` must be finite and not negative, got {priority_exponent}")
        kind, action_kind = check_kind("dtype", dtype), check_kind("action_dtype", action_dtype)
        self.generator = check_generator(seed)
        self.arguments: dict[str, Any] = {
            "capacity": self.capacity, "num_envs": self.num_envs, "plane_shape": plane_shape,
            "stack_num": stack_num, "stack_axis": int(stack_axis), "padding_type": padding_type,
            "dtype": kind.name, "action_shape": action_shape, "action_dtype": action_kind.name,
            "autoreset_mode": self._mode.value, "reports_lives": self._reports_lives, "n_step": self._n_step,
            "gamma": self._gamma,
            "priority_exponent": None if priority_exponent is None else float(priority_exponent),
        }  # fmt: skip
        slots = count_slots(length, stack_num)
        each = action_kind.itemsize * math.prod(action_shape) + 32 * (1 + (priority_exponent is not None))
        in_memory = 0 if folder is not None else slots * self.num_envs * math.prod(plane_shape) * kind.itemsize
        check_memory(in_memory + self.capacity * each, f"a replay buffer of {self.capacity:,} transitions")
        where = None if folder is None else os.fspath(folder)
        self.planes = PlaneRings(self.num_envs, slots, plane_shape, kind, stack_num, stack_axis, padding_type, where)
        self.transitions = TransitionRings(self.num_envs, length, action_shape, action_kind)
        self.priorities = None if priority_exponent is None else Priorities(self.capacity, float(priority_exponent))
        self.stack_shape = self.planes.stack_shape
        self.is_over = np.zeros(self.num_envs, np.bool_)
        self._everyone = np.arange(self.num_envs)
        self._buffers = {}
        self.needs_reset = np.ones(self.num_envs, np.bool_)
        self._is_cut = False

    @classmethod
    def for_env(cls, env: AtariVectorEnv, capacity: int, stack_num: int | None = None, **arguments: Any) -> Self:
        """Return a buffer for an environment.

        Args:
            env (AtariVectorEnv): whose steps are added. With ``stack_num=1`` it gives planes, and stacks are put
                together here alone: `observe` has those that a policy wants.
            capacity (int): as above.
            stack_num (int, optional): how many planes make an observation; by default as many as the environment's.
            arguments: the others of those above.

        Raises:
            TypeError: `env` is no `AtariVectorEnv`; or as above.
            ValueError: stacks are to be put together here, and the environment's rules are such that a reset may keep
                planes; or as above.
        """
        if not isinstance(env, AtariVectorEnv):
            raise TypeError(f"`env` must be an AtariVectorEnv, got {type(env).__name__}")
        rules = env.rules
        keeps_planes = rules.life_loss == "continue" and rules.going_on == "opening"
        if stack_num not in (None, rules.stack_num) and (rules.stack_num > 1 or keeps_planes):
            raise ValueError(
                f"`stack_num` must be the environment's, {rules.stack_num}, if that is not 1, or where a lost life "
                f"keeps planes (`going_on` 'opening'); got {stack_num}"
            )
        shape = (*rules.size, *(() if rules.grayscale_obs else (3,))) if rules.obs_type == "screen" else (RAM_SIZE,)
        actions = env.single_action_space
        fixed = {
            "stack_num": rules.stack_num if stack_num is None else stack_num,
            "stack_axis": rules.stack_axis,
            "padding_type": rules.padding_type,
            "dtype": env.single_observation_space.dtype,
            "action_shape": actions.shape,
            "action_dtype": actions.dtype,
            "autoreset_mode": env.autoreset_mode,
            "reports_lives": rules.life_loss == "report",
        }
        return cls(capacity, env.num_envs, shape, **(fixed | arguments))

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write everything to a file, as plain data: transitions, priorities, and the generator.

        A file that is there is replaced when all is written: after a crash it is what it was. What was written until
        then is left beside it, under a name that begins with a dot, if the process was killed.

        Raises:
            OSError: it cannot be written.
            ValueError: the generator's bit generator is not one of numpy's own.
        """
        self._mend()
        write_buffer(path, self)

    @classmethod
    def load(cls, path: "str | os.PathLike[str]", *, folder: "str | os.PathLike[str] | None" = None) -> Self:
        """Return the buffer that `save` wrote. What is in the file is checked; nothing in it is run.

        Args:
            path (str | PathLike): the file.
            folder (str | PathLike, optional): as above.

        Raises:
            ValueError: it is no such file, cut, damaged, of another version, or of what no buffer has.
            OSError: it cannot be read, or there is not enough room in `folder`.
            MemoryError: there is not enough memory.
        """
        return read_buffer(path, lambda arguments: cls(**arguments, folder=folder))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": {}}

    def __copy__(self) -> Self:
        """Return a copy with arrays of its own, as `copy.deepcopy`."""
        return copy.deepcopy(self)

    def __len__(self) -> int:
        """Return how many transitions there are."""
        return len(self.transitions)

    @property
    def nbytes(self) -> int:
        """How many bytes all arrays take, in memory and in files."""
        parts = self.planes.memory, *self.transitions.arrays.values()
        tree = 0 if self.priorities is None else self.priorities.tree.nbytes
        return sum(part.nbytes for part in parts) + tree
