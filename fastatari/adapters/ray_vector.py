"""`RayVectorEnv`: a vector environment whose environments live in Ray's actors, on any number of nodes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv

from fastatari.adapters.checks import check_positive, require

require("ray", "2.50", "3", "ray")

import ray  # noqa: E402 - checked first

from fastatari.adapters.ray_actor import Layout, Reset, find_layout, push_planes, unpack_infos  # noqa: E402
from fastatari.adapters.ray_group import Group, OnLoss, Plan  # noqa: E402
from fastatari.checks import check_choice, check_integer  # noqa: E402
from fastatari.envs.arguments import check_env_ids, check_options, check_seeds  # noqa: E402
from fastatari.envs.buffers import ObservationBuffers  # noqa: E402
from fastatari.envs.spaces import make_batch_space  # noqa: E402
from fastatari.errors import make_closed_error, make_no_call_error, make_pending_error  # noqa: E402
from fastatari.rules import AtariRules  # noqa: E402

Array = npt.NDArray[Any]
ON_LOSSES: tuple[OnLoss, ...] = ("replay", "reset")
MOST_ENVS = 64


class RayVectorEnv(VectorEnv[Array, Any, Array]):
    """Many environments of a game in Ray's actors, which give what one `AtariVectorEnv` of as many gives, to the byte.

    Only new planes travel, and the caller puts stacks together. A batch may be some of the actors' environments, those
    that are ready first. An actor that dies with its process or node, or that does not answer in time, is replaced by
    another one. That plays on from a checkpoint that the caller has, by the actions since then: what follows is what
    would have followed. Or it begins new episodes.

    Args:
        game (str): as for `AtariVectorEnv`.
        num_envs (int): how many environments, a multiple of `envs_per_actor`.
        envs_per_actor (int, optional): how many live in an actor; by default 64, or all of fewer. A call costs about a
            millisecond, so that many are better.
        num_cpus (float): how many CPUs an actor has, and threads.
        batch_size (int, optional): how many environments `recv` waits for, a multiple of `envs_per_actor`; by default
            all.
        on_loss ("replay" | "reset"): what becomes of an actor's environments when it is lost: they go on as if it had
            not been, or begin new episodes without a seed. Then the answer to the step is that of a reset, as after the
            end of an episode: no transition leads to it.
        checkpoint_steps (int): after how many steps a new checkpoint is taken, with "replay". The caller has that of
            every actor, some 40 KB an environment.
        step_timeout (float): for how many seconds a step may take before its actor counts as lost.
        start_timeout (float): for how many seconds an actor may take to start.
        arguments: as for `AtariVectorEnv`, except `autoreset_mode`, which is ``NEXT_STEP``, `copy`, `info_ram`,
            `num_threads` and `render_mode`.

    Infos are those of `AtariVectorEnv`, and ``restarted``, bool[m], whether an environment's actor was replaced since
    its last step or reset.

    An exception, such as of Ctrl-C, that comes while answers are waited for loses none of them: `recv` returns them.
    One that comes at another moment makes a `reset` necessary.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariVectorEnv`; or an argument is not allowed.
        RuntimeError: Ray is not started, or an actor cannot be made, or not be placed in time.
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        *,
        envs_per_actor: int | None = None,
        num_cpus: float = 1,
        batch_size: int | None = None,
        on_loss: OnLoss = "replay",
        checkpoint_steps: int = 1000,
        step_timeout: float = 60,
        start_timeout: float = 120,
        **arguments: Any,
    ) -> None:
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        if envs_per_actor is None:
            envs_per_actor = min(MOST_ENVS, num_envs)
        size = check_integer("envs_per_actor", envs_per_actor, 1, num_envs)
        if num_envs % size:
            raise ValueError(f"`num_envs` must be a multiple of `envs_per_actor`, {size}, got {num_envs}")
        self.batch_size = check_integer("batch_size", num_envs if batch_size is None else batch_size, 1, num_envs)
        if self.batch_size % size:
            raise ValueError(f"`batch_size` must be a multiple of `envs_per_actor`, {size}, got {batch_size}")
        check_choice("on_loss", on_loss, ON_LOSSES)
        for name in ("autoreset_mode", "copy", "info_ram", "render_mode", "num_threads"):
            if name in arguments:
                raise TypeError(f"`RayVectorEnv` has no argument {name!r}")
        if not ray.is_initialized():
            raise RuntimeError("Ray is not started: call `ray.init()` first")
        plan = Plan(
            {"game": game, "num_envs": size, **arguments},
            num_cpus=check_positive("num_cpus", num_cpus),
            start_timeout=check_positive("start_timeout", start_timeout),
            step_timeout=check_positive("step_timeout", step_timeout),
            on_loss=on_loss,
            checkpoint_steps=check_integer("checkpoint_steps", checkpoint_steps, least=1),
        )
        self._layout: Layout = find_layout(plan.arguments)
        self.rules: AtariRules = self._layout.rules
        self.single_observation_space, self.single_action_space = self._layout.spaces
        self.observation_space = make_batch_space(self.single_observation_space, self.batch_size)
        self.action_space = make_batch_space(self.single_action_space, self.batch_size)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self._everyone = np.arange(num_envs)
        self._stacks = np.zeros((num_envs, *self.rules.shape), self.single_observation_space.dtype)
        self._buffers = ObservationBuffers((self.batch_size, *self.rules.shape), self._stacks.dtype)
        # The environments that were received last; None if that is not known.
        self._received: npt.NDArray[np.int64] | None = None
        self._needs_reset = True
        self._order = 0
        self._groups: list[Group] = []
        try:
            deadline = time.monotonic() + plan.start_timeout
            rows = np.split(self._everyone, num_envs // size)
            for number, ids in enumerate(rows):
                self._groups.append(Group(ids, plan, number * plan.checkpoint_steps // len(rows)))
            for group in self._groups:
                group.wait_for_start(deadline)
        except BaseException:
            self.close_extras()
            raise

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in all environments; what is pending is dropped.

        Args:
            seed (int or sequence of int | None, optional): as for `AtariVectorEnv`.
            options (dict, optional): may hold ``new_game``.

        Returns:
            tuple: the observations and infos of a batch, of the first actors; the others' are to be received by `recv`.

        Raises:
            TypeError, ValueError, gymnasium.error.Error: as for `AtariVectorEnv.reset`.
            RuntimeError: an actor that was lost cannot be replaced.
        """
        self._check_open()
        seeds = check_seeds(seed, self._everyone, "num_envs", self.rules)
        new_game = bool(check_options(options, ("new_game",)).get("new_game", False))
        with self._cut_off_needs_reset():
            self._received = None
            for group in self._groups:
                group.ask(Reset([seeds[i] for i in group.ids.tolist()], new_game), self._next_order())
        first = self._groups[: self._batch_groups]
        self._wait(first, len(first))
        return self._give(first)[::4]

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
        self._check_reset()
        ids = self._received if env_id is None else check_env_ids(env_id, self.num_envs)
        if ids is None:
            raise gymnasium.error.ResetNeeded(
                "It is not known which environments were received last, because an exception cut off a call. Call "
                "`recv` or `reset` first, or say which by `env_id`."
            )
        given = np.full(self.num_envs, -1)
        given[ids] = self._layout.read_actions(actions, ids)
        asked = [group for group in self._groups if (given[group.ids] >= 0).any()]
        if not all((given[group.ids] >= 0).all() for group in asked):
            raise ValueError(f"`env_id` must name all {len(self._groups[0].ids)} environments of an actor, got {ids}")
        if any(group.is_asked for group in asked):
            raise make_pending_error("send")
        with self._cut_off_needs_reset():
            for group in asked:
                group.ask(given[group.ids], self._next_order())

    def recv(self) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Wait for a batch of environments that were asked, those that are ready first.

        Returns:
            tuple: as of `AtariVectorEnv.recv`; ``info["env_id"]`` ascends.

        Raises:
            gymnasium.error.NoAsyncCallError: no environment was asked.
            gymnasium.error.ResetNeeded: an exception cut off a call.
            RuntimeError: an actor that was lost cannot be replaced. Nothing is lost: call it again.
        """
        self._check_open()
        asked = [group for group in self._groups if group.is_asked]
        if not asked:
            raise make_no_call_error()
        self._check_reset()
        count = min(len(asked), self._batch_groups)
        self._wait(asked, count)
        answered = sorted((group for group in asked if group.reply is not None), key=lambda group: group.order)
        return self._give(sorted(answered[:count], key=lambda group: int(group.ids[0])))

    def close_extras(self, **_: Any) -> None:
        """End the actors; called by `close`."""
        groups, self._groups = getattr(self, "_groups", []), []
        if ray is None or not ray.is_initialized():  # the interpreter ends, or Ray was shut down
            return
        for group in groups:
            group.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._groups:
            raise make_closed_error(type(self).__name__)

    @property
    def _batch_groups(self) -> int:
        return self.batch_size // len(self._groups[0].ids)

    def _check_reset(self) -> None:
        if self._needs_reset:
            raise gymnasium.error.ResetNeeded(
                "Cannot send actions before calling `reset`, or after an exception that cut off a call."
            )

    def _next_order(self) -> int:
        self._order += 1
        return self._order

    @contextmanager
    def _cut_off_needs_reset(self) -> Iterator[None]:
        """Note that a reset is needed if an exception comes in between."""
        self._needs_reset = True
        yield
        self._needs_reset = False

    def _wait(self, groups: list[Group], count: int) -> None:
        """Wait until so many groups have a reply in hand; replace the actors of those that take too long.

        An exception loses nothing.
        """
        while True:
            waiting = {group.pending: group for group in groups if group.reply is None}
            missing = count - (len(groups) - len(waiting))
            if missing <= 0:
                return
            timeout = min(group.deadline for group in waiting.values()) - time.monotonic()
            ready, _ = ray.wait(list(waiting), num_returns=missing, timeout=max(0, timeout), fetch_local=True)
            if missing < len(waiting):  # which of them were ready first, Ray does not say: take all
                ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=True)
            for pending in ready:
                waiting.pop(pending).collect()
            for group in waiting.values():
                if time.monotonic() >= group.deadline:
                    group.replace(None)

    def _give(self, groups: list[Group]) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Return the replies that groups have in hand, in one batch."""
        with self._cut_off_needs_reset():
            ids = np.concatenate([group.ids for group in groups])
            replies = [group.reply for group in groups if group.reply is not None]
            is_new = [group.is_new for group in groups]
            observations = self._buffers.take() if len(ids) == self.batch_size else np.empty_like(self._stacks[ids])
            for group, reply, rows in zip(groups, replies, np.split(observations, len(groups)), strict=True):
                stacks = self._stacks[group.ids[0] : group.ids[-1] + 1]
                push_planes(stacks, reply, self.rules)
                rows[...] = stacks
                group.reply, group.is_new = None, False
            columns = np.concatenate([reply.columns for reply in replies], 1)
            rewards, terminated, truncated, infos = unpack_infos(columns, self._layout)
            infos["env_id"], infos["_env_id"] = ids, np.ones(len(ids), np.bool_)
            infos["restarted"] = np.repeat(is_new, len(groups[0].ids))
            infos["_restarted"] = infos["_env_id"]
            self._received = ids
        return observations, rewards, terminated, truncated, infos
