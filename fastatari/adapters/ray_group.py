"""`Group`: the environments of one of Ray's actors, as the caller sees them; it replaces an actor that is lost."""

import contextlib
import time
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.adapters.checks import require

require("ray", "2.50", "3", "ray")

import ray  # noqa: E402 - checked first
from ray.exceptions import GetTimeoutError, RayActorError, RayError  # noqa: E402

from fastatari.adapters.ray_actor import Actor, Reply, Request, Reset  # noqa: E402

OnLoss = Literal["replay", "reset"]

# After so many losses without an answer in between, it is the request that actors die of.
_MOST_LOSSES: Final = 3

# How many times as long as before a replay may take.
_PATIENCE: Final = 10

# Nothing is retried by Ray: a step that was played twice would be another one.
_RemoteActor = ray.remote(max_restarts=0, max_task_retries=0)(Actor)


class Plan(NamedTuple):
    """How actors are made, and what is done when one is lost: the arguments of `RayVectorEnv`."""

    arguments: dict[str, Any]
    num_cpus: float
    start_timeout: float
    step_timeout: float
    on_loss: OnLoss
    checkpoint_steps: int


class Group:
    """The environments of one actor.

    Whatever exception cuts a call off, a request that was sent is answered by a later `collect`.

    Args:
        ids (int64[m]): the numbers of the environments.
        plan (Plan): see there.
        delay (int): by how many steps the first checkpoint is early, so that not all groups send theirs at once.

    Attributes:
        ids (int64[m]): the same.
        reply (Reply | None): an answer that came, and that the caller was not given yet.
        pending: what Ray gave for the request whose answer did not come yet; None if there is none.
        deadline (float): the time of `time.monotonic` at which the actor counts as lost.
        order (int): of the last request, among those of all groups.
        is_new (bool): whether the actor took the place of one that was lost, and nobody was told yet.
    """

    def __init__(self, ids: npt.NDArray[np.int64], plan: Plan, delay: int) -> None:
        self.ids = ids
        self.reply: Reply | None = None
        self.pending: Any = None
        self.deadline = 0.0
        self.order = 0
        self.is_new = False
        self._plan, self._delay = plan, delay
        # A checkpoint, the requests since then, and for how many seconds an actor was busy with these.
        self._state: bytes | None = None
        self._log: list[Request] = []
        self._seconds = 0.0
        self._losses = 0
        self._steps_left = 0
        self._actor = self._make_actor()

    @property
    def is_asked(self) -> bool:
        """Whether there is a request whose answer the caller was not given yet."""
        return self.pending is not None or self.reply is not None

    def wait_for_start(self, deadline: float) -> None:
        """Wait until the actor is there.

        Raises:
            RuntimeError: it is not there at the deadline, or cannot be made.
        """
        try:
            ray.get(self._actor.ping.remote(), timeout=max(0.1, deadline - time.monotonic()))
        except (GetTimeoutError, RayActorError) as error:
            raise self._explain(error) from error

    def ask(self, request: Request, order: int) -> None:
        """Send a request; what was asked before and not given is dropped if it is a reset."""
        self.reply = None
        self.order = order
        is_reset = isinstance(request, Reset)
        if self._plan.on_loss == "reset":
            self._log = []
        self._log.append(request)
        if is_reset:
            self._steps_left = self._plan.checkpoint_steps - self._delay
        else:
            self._steps_left -= 1
        wants_state = self._plan.on_loss == "replay" and (is_reset or self._steps_left <= 0)
        self.deadline = time.monotonic() + self._plan.step_timeout
        self.pending = self._actor.run.remote(None, [request], wants_state)

    def collect(self) -> None:
        """Take the answer, which is there; if it is that the actor is lost, let another one do what it had to do.

        Raises:
            RuntimeError: as `replace`.
        """
        try:
            reply: Reply = ray.get(self.pending)
        except RayError as error:
            self.replace(error)
            return
        self._losses = 0
        if reply.state is not None:
            self._state, self._log, self._seconds = reply.state, [], 0.0
            if self._steps_left <= 0:
                self._steps_left = self._plan.checkpoint_steps
        else:
            self._seconds += reply.seconds
        self.reply = reply
        self.pending = None

    def replace(self, cause: RayError | None) -> None:
        """Put another actor in the place of one that is lost, and let it do what that one had to do.

        Args:
            cause (RayError | None): what Ray says of the loss; None if there was no answer in time.

        Raises:
            RuntimeError: it is the replacement that did not answer in time, or several were lost. The request stays,
                and is tried again when its answer is waited for.
        """
        self._losses += 1
        is_given_up = self._losses > (_MOST_LOSSES if cause is not None else 1) or _has_failed_to_start(cause)
        if is_given_up:
            self._losses = 0
        self.end()
        self._actor = self._make_actor()
        self.is_new = True
        if self._plan.on_loss == "reset" and not isinstance(self._log[-1], Reset):
            self._log = [Reset([None] * len(self.ids), True)]
        busy = _PATIENCE * self._seconds
        self.deadline = time.monotonic() + self._plan.start_timeout + self._plan.step_timeout + busy
        self.pending = self._actor.run.remote(self._state, self._log, self._plan.on_loss == "replay")
        if is_given_up:
            raise self._explain(cause) from cause

    def end(self) -> None:
        """End the actor."""
        with contextlib.suppress(RayError, ValueError):
            ray.kill(self._actor)

    def _make_actor(self) -> Any:
        plan = self._plan
        return _RemoteActor.options(num_cpus=plan.num_cpus).remote(plan.arguments, plan.num_cpus)

    def _explain(self, cause: BaseException | None) -> RuntimeError:
        """Return the error that says why there is no actor."""
        plan = self._plan
        where = f"environments {self.ids[0]} to {self.ids[-1]}"
        if cause is not None and not isinstance(cause, GetTimeoutError):
            return RuntimeError(f"the actor of {where} cannot be made, or is lost again and again: {cause}")
        return RuntimeError(
            f"the actor of {where}, with {plan.num_cpus:g} CPUs, did not start within {plan.start_timeout:g} seconds;"
            f" of the cluster's {ray.cluster_resources().get('CPU', 0):g} CPUs, "
            f"{ray.available_resources().get('CPU', 0):g} are free"
        )


def _has_failed_to_start(error: RayError | None) -> bool:
    """Return whether an actor's constructor raised an exception."""
    return isinstance(error, RayActorError) and error.actor_init_failed
