"""`RayVectorEnv`: a vector environment whose environments live in Ray's actors, on any number of nodes."""

import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Self

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv

from fastatari.adapters.checks import check_positive, require

require("ray", "2.50", "3", "ray")

import ray  # noqa: E402 - checked first
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError  # noqa: E402

from fastatari.adapters.ray_actor import Actor, Layout, Reply, find_layout, push_planes, unpack_infos  # noqa: E402
from fastatari.checks import check_choice, check_integer  # noqa: E402
from fastatari.envs.arguments import check_env_ids, check_options, check_seeds  # noqa: E402
from fastatari.envs.buffers import ObservationBuffers  # noqa: E402
from fastatari.envs.spaces import make_batch_space  # noqa: E402
from fastatari.errors import make_closed_error, make_no_call_error, make_pending_error  # noqa: E402
from fastatari.rules import AtariRules  # noqa: E402

Array = npt.NDArray[Any]
OnLoss = Literal["replay", "reset"]
ON_LOSSES: tuple[OnLoss, ...] = ("replay", "reset")


class _Group:
    """The environments of one actor, as the caller sees them.

    Attributes:
        ids (int64[m]): their numbers.
        actor: the handle of the actor.
        pending: the reply that is waited for; None if there is none.
        state (bytes | None): a checkpoint of all of them, after the reset or some steps later.
        log (list[int64[m]]): the actions since then; with "reset", only those of a step that is pending.
        is_resetting (bool): whether what is pending is a reset.
        is_new (bool): whether the actor took the place of one that was lost, and nobody was told yet.
    """

    def __init__(self, ids: npt.NDArray[np.int64]) -> None:
        self.ids = ids
        self.actor: Any = None
        self.pending: Any = None
        self.state: bytes | None = None
        self.log: list[npt.NDArray[np.int64]] = []
        self.is_resetting = self.is_new = False


class _Plan(NamedTuple):
    """How actors are made.

    Attributes:
        arguments (dict[str, Any]): those of each `AtariVectorEnv`.
        num_cpus (float): how many CPUs an actor gets; as many threads play.
        start_timeout (float): for how many seconds one may take to start.
    """

    arguments: dict[str, Any]
    num_cpus: float
    start_timeout: float


class RayVectorEnv(VectorEnv[Array, Any, Array]):
    """Many environments of a game in Ray's actors, which give what one `AtariVectorEnv` of as many gives, to the byte.

    Only new planes travel, and the caller puts stacks together. A batch may be some of the actors' environments, those
    that are ready first. An actor that dies with its process or node, or that does not answer in time, is replaced by
    another one. That plays on from a checkpoint that the caller has, by the actions since then: what follows is what
    would have followed. Or it begins new episodes.

    Args:
        game (str): as for `AtariVectorEnv`.
        num_envs (int): how many environments, a multiple of `envs_per_actor`.
        envs_per_actor (int): how many live in an actor. A call costs about a millisecond, so that many are better.
        num_cpus (float): how many CPUs an actor has, and threads.
        batch_size (int, optional): how many environments `recv` waits for, a multiple of `envs_per_actor`; by default
            all.
        on_loss ("replay" | "reset"): what becomes of an actor's environments when it is lost: they go on as if it had
            not been, or begin new episodes without a seed.
        checkpoint_steps (int): after how many steps a new checkpoint is taken, with "replay".
        step_timeout (float): for how many seconds a step may take before its actor counts as lost.
        start_timeout (float): for how many seconds an actor may take to start.
        arguments: as for `AtariVectorEnv`, except `autoreset_mode`, which is ``NEXT_STEP``, `copy`, `info_ram` and
            `render_mode`.

    Infos are those of `AtariVectorEnv`, and ``restarted``, bool[m], whether an environment's actor was replaced since
    its last step or reset.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariVectorEnv`; or an argument is not allowed.
        RuntimeError: Ray is not started, or actors cannot be placed in time.
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        *,
        envs_per_actor: int = 64,
        num_cpus: float = 1,
        batch_size: int | None = None,
        on_loss: OnLoss = "replay",
        checkpoint_steps: int = 1000,
        step_timeout: float = 60,
        start_timeout: float = 120,
        **arguments: Any,
    ) -> None:
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        size = check_integer("envs_per_actor", envs_per_actor, 1, num_envs)
        if num_envs % size:
            raise ValueError(f"`num_envs` must be a multiple of `envs_per_actor`, {size}, got {num_envs}")
        self.batch_size = check_integer("batch_size", num_envs if batch_size is None else batch_size, 1, num_envs)
        if self.batch_size % size:
            raise ValueError(f"`batch_size` must be a multiple of `envs_per_actor`, {size}, got {batch_size}")
        check_choice("on_loss", on_loss, ON_LOSSES)
        self._on_loss = on_loss
        self._checkpoint_steps = check_integer("checkpoint_steps", checkpoint_steps, least=1)
        self._step_timeout = check_positive("step_timeout", step_timeout)
        for name in ("autoreset_mode", "copy", "info_ram", "render_mode", "num_threads"):
            if name in arguments:
                raise TypeError(f"`RayVectorEnv` has no argument {name!r}")
        if not ray.is_initialized():
            raise RuntimeError("Ray is not started: call `ray.init()` first")
        plan = {"game": game, "num_envs": size, **arguments}
        self._plan = _Plan(plan, check_positive("num_cpus", num_cpus), check_positive("start_timeout", start_timeout))
        self._layout: Layout = find_layout(plan)
        self.rules: AtariRules = self._layout.rules
        self.single_observation_space, self.single_action_space = self._layout.spaces
        self.observation_space = make_batch_space(self.single_observation_space, self.batch_size)
        self.action_space = make_batch_space(self.single_action_space, self.batch_size)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self._everyone = np.arange(num_envs)
        self._stacks = np.zeros((num_envs, *self.rules.shape), self.single_observation_space.dtype)
        self._buffers = ObservationBuffers((self.batch_size, *self.rules.shape), self._stacks.dtype)
        self._received: npt.NDArray[np.int64] | None = None
        self._groups = [_Group(ids) for ids in np.split(self._everyone, num_envs // size)]
        try:
            deadline = time.monotonic() + self._plan.start_timeout
            for group in self._groups:
                group.actor = self._make_actor()
            for group in self._groups:
                self._wait_for_start(group.actor, deadline)
        except BaseException:
            self.close_extras()
            raise

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in all environments; what is pending is dropped.

        Args:
            seed (int or sequence of int | None, optional): as for `AtariVectorEnv`.
            options (dict, optional): may hold ``new_game``.

        Returns:
            tuple: the observations and infos of all.

        Raises:
            TypeError, ValueError, gymnasium.error.Error: as for `AtariVectorEnv.reset`.
            RuntimeError: an actor that was lost cannot be replaced in time.
        """
        self._check_open()
        seeds = check_seeds(seed, self._everyone, "num_envs", self.rules)
        new_game = bool(check_options(options, ("new_game",)).get("new_game", False))
        self._received = None
        for group in self._groups:
            group.state, group.log, group.is_resetting = None, [], True
            mine = [seeds[i] for i in group.ids.tolist()]
            group.pending = group.actor.reset.remote(mine, new_game)
        replies = [self._take(group, seeds, new_game) for group in self._groups]
        return self._give(self._groups, replies)[::4]

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Play a step in the environments that were received last, and wait for a batch; see `send` and `recv`."""
        self.send(actions)
        return self.recv()

    def send(self, actions: Any, env_id: Any = None) -> None:
        """Ask environments for a step.

        Args:
            actions (int[m]): an action for each.
            env_id (int[m], optional): which environments: all of some actors'; by default those that were received
                last.

        Raises:
            TypeError, ValueError, InvalidAction, gymnasium.error.Error: as for `AtariVectorEnv.send`; or an actor's
                environments are not all named.
        """
        self._check_open()
        ids = self._received if env_id is None else check_env_ids(env_id, self.num_envs)
        if ids is None:
            raise gymnasium.error.ResetNeeded("Cannot send actions before calling `reset`.")
        given = np.full(self.num_envs, -1)
        given[ids] = self._layout.read_actions(actions, ids)
        asked = [group for group in self._groups if (given[group.ids] >= 0).any()]
        if not all((given[group.ids] >= 0).all() for group in asked):
            raise ValueError(f"`env_id` must name all {len(self._groups[0].ids)} environments of an actor, got {ids}")
        if any(group.pending is not None for group in asked):
            raise make_pending_error("send")
        for group in asked:
            row = given[group.ids]
            group.log.append(row)
            group.is_resetting = False
            wants_state = self._on_loss == "replay" and len(group.log) >= self._checkpoint_steps
            group.pending = group.actor.step.remote(row, wants_state)

    def recv(self) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Wait for a batch of environments that were asked, those that are ready first.

        Returns:
            tuple: as of `AtariVectorEnv.recv`; ``info["env_id"]`` ascends.

        Raises:
            gymnasium.error.NoAsyncCallError: no environment was asked.
            RuntimeError: an actor that was lost cannot be replaced in time.
        """
        self._check_open()
        pending = [group for group in self._groups if group.pending is not None]
        if not pending:
            raise make_no_call_error()
        count = min(len(pending), self.batch_size // len(self._groups[0].ids))
        ready, _ = ray.wait(
            [group.pending for group in pending], num_returns=count, timeout=self._step_timeout, fetch_local=True
        )
        # Those that are late are lost: they are replaced below.
        pending.sort(key=lambda group: group.pending not in ready)
        chosen = sorted(pending[:count], key=lambda group: int(group.ids[0]))
        self._received = None
        replies = [self._take(group) for group in chosen]
        return self._give(chosen, replies)

    def close_extras(self, **_: Any) -> None:
        """End the actors; called by `close`."""
        groups, self._groups = getattr(self, "_groups", []), []
        if ray is None or not ray.is_initialized():  # the interpreter ends, or Ray was shut down
            return
        for group in groups:
            if group.actor is not None:
                ray.kill(group.actor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._groups:
            raise make_closed_error(type(self).__name__)

    def _make_actor(self) -> Any:
        """Begin to make an actor. Nothing is retried by Ray: a step that was played twice would be another one."""
        options = {"num_cpus": self._plan.num_cpus, "max_restarts": 0, "max_task_retries": 0}
        return ray.remote(Actor).options(**options).remote(self._plan.arguments, self._plan.num_cpus)

    def _wait_for_start(self, actor: Any, deadline: float) -> None:
        try:
            ray.get(actor.ping.remote(), timeout=max(0.1, deadline - time.monotonic()))
        except (GetTimeoutError, RayActorError) as error:
            raise RuntimeError(
                f"an actor with {self._plan.num_cpus:g} CPUs did not start within {self._plan.start_timeout:g} seconds;"
                f" of the cluster's {ray.cluster_resources().get('CPU', 0):g} CPUs, "
                f"{ray.available_resources().get('CPU', 0):g} are free"
            ) from error

    def _take(self, group: _Group, seeds: Sequence[int | None] = (), new_game: bool = False) -> Reply:
        """Return the reply of a group; of another actor, if this one is lost."""
        timeout = self._step_timeout
        while True:
            try:
                reply: Reply = ray.get(group.pending, timeout=timeout)
                break
            except RayTaskError as error:
                group.pending = None
                raise error.as_instanceof_cause() from None
            except RayError:
                self._replace(group, seeds, new_game)
                timeout = self._step_timeout * max(1, len(group.log))  # it may have many steps to play
        group.pending = None
        if self._on_loss == "reset":
            group.log = []
        elif reply.state is not None:
            group.state, group.log = reply.state, []
        return reply

    def _replace(self, group: _Group, seeds: Sequence[int | None], new_game: bool) -> None:
        """Put another actor in the place of one that is lost, and let it do what that one had to do."""
        ray.kill(group.actor)
        group.actor = self._make_actor()
        self._wait_for_start(group.actor, time.monotonic() + self._plan.start_timeout)
        group.is_new = True
        if group.is_resetting:
            group.pending = group.actor.reset.remote([seeds[i] for i in group.ids.tolist()], new_game)
        elif self._on_loss == "reset" or group.state is None:
            group.pending = group.actor.reset.remote([None] * len(group.ids), True)
        else:
            group.pending = group.actor.replay.remote(group.state, group.log)

    def _give(self, groups: list[_Group], replies: list[Reply]) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Return what groups gave, in one batch."""
        ids = np.concatenate([group.ids for group in groups])
        for group, reply in zip(groups, replies, strict=True):
            push_planes(self._stacks[group.ids[0] : group.ids[-1] + 1], reply, self.rules)
        columns = np.concatenate([reply.columns for reply in replies], 1)
        rewards, terminated, truncated, infos = unpack_infos(columns, self._layout)
        infos["env_id"], infos["_env_id"] = ids, np.ones(len(ids), np.bool_)
        infos["restarted"] = np.repeat([group.is_new for group in groups], [len(group.ids) for group in groups])
        infos["_restarted"] = infos["_env_id"]
        for group in groups:
            group.is_new = False
        self._received = ids
        observations = self._buffers.take() if len(ids) == self.batch_size else np.empty_like(self._stacks[: len(ids)])
        begin = 0
        for group in groups:
            observations[begin : begin + len(group.ids)] = self._stacks[group.ids[0] : group.ids[-1] + 1]
            begin += len(group.ids)
        return observations, rewards, terminated, truncated, infos
