"""`AtariVectorEnv`: gymnasium's vector environment, many environments of a game on one engine."""

from typing import Any, Literal, Self

import gymnasium
import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from fastatari.checks import check_choice, check_flag, check_integer
from fastatari.engine.interface import ConsoleName
from fastatari.envs.arguments import (
    check_env_ids,
    check_mode,
    check_names,
    check_options,
    check_reset_mask,
    check_seeds,
    is_single_seed,
)
from fastatari.envs.base import RenderScreen
from fastatari.envs.batches import Array, StepResult
from fastatari.envs.spaces import make_batch_space
from fastatari.envs.sub_environments import SubEnvironments
from fastatari.envs.vector_states import SavedStates
from fastatari.errors import make_no_call_error, make_pending_error
from fastatari.rules import AtariRules


class AtariVectorEnv(SubEnvironments, SavedStates, VectorEnv[Array, Any, Array]):
    """Many environments of an Atari game, each as `AtariEnv` plays it, on several threads.

    Each gives the same bytes as an `AtariEnv` with its seed and actions, however many threads there are.

    >>> env = AtariVectorEnv("breakout", 8, preset="sb3")
    >>> observations, infos = env.reset(seed=0)
    >>> observations.shape, infos["lives"]
    ((8, 84, 84, 4), array([5, 5, 5, 5, 5, 5, 5, 5]))
    >>> observations, rewards, terminated, truncated, infos = env.step([1] * 8)
    >>> rewards
    array([0., 0., 0., 0., 0., 0., 0., 0.])
    >>> _, rewards, *_ = env.step([2, 3], env_id=[5, 0])
    >>> rewards
    array([0., 0.])
    >>> env.close()

    Every call checks all that it was given before it does anything. Not to be shared between threads.

    Args:
        game (str): as for `AtariEnv`.
        num_envs (int): how many environments, n.
        preset (str): as for `AtariEnv`.
        autoreset_mode (AutoresetMode | str): when an environment is reset after the end of an episode: in the next
            step, whose action is ignored then (``NEXT_STEP``); in the same one, whose last observation and info are
            ``info["final_obs"]`` and ``info["final_info"]`` (``SAME_STEP``); or by the caller (``DISABLED``).
        batch_size (int, optional): how many environments `recv` waits for, b: by default all. With fewer, it returns
            those that are ready first.
        num_threads (int, optional): how many threads play what `send` was given; in `step`, the caller's plays instead
            of one of them. By default one for each core that this process may use, at most one for each environment; 0
            for the caller's alone. What is computed does not depend on it.
        copy (bool): whether observations are the caller's for ever. If not, they are valid until the call after the
            next of `step`, `recv`, `reset` and `load_state`.
        render_mode ("rgb_array", optional): whether `render` returns the screens.
        render_screen ("last" | "pooled"): as for `AtariEnv`.
        console ("fastatari" | "ale"): as for `AtariEnv`; the caller's thread plays on ale-py's.
        episode_statistics (bool): as for `AtariEnv`.
        info_ram (bool): as for `AtariEnv`.
        overrides: fields of `AtariRules` that are to be other than the preset's.

    Attributes:
        num_envs (int): n.
        num_threads (int): as above.
        batch_size (int): b.
        rules (AtariRules): all that decides what is computed.
        autoreset_mode (AutoresetMode): as above.
        render_mode (str | None): as above.
        metadata (dict): gymnasium's.
        single_observation_space (spaces.Box): that of each environment.
        single_action_space (spaces.Discrete | spaces.Box): the same, of actions.
        observation_space (spaces.Box): of a batch.
        action_space (spaces.MultiDiscrete | spaces.Box): of a batch.

    Infos hold what `AtariEnv` has in its info, as arrays with a value for each environment, and under the same name
    with ``_`` before it, for which environments there is one, bool[b]; and ``env_id``, their numbers. With
    `episode_statistics`, ``episode`` is there in every info. They have the same keys after every reset and step. Only
    in ``SAME_STEP``, where a step ended an episode, there is ``final_obs`` besides, an array of observations or None,
    and ``final_info``, infos of what resets replaced.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariEnv`; or an argument is not allowed.
    """

    num_envs: int
    num_threads: int
    batch_size: int
    rules: AtariRules
    autoreset_mode: AutoresetMode
    render_mode: str | None
    metadata: dict[str, Any]
    single_observation_space: "spaces.Box[Any]"
    single_action_space: "spaces.Discrete[Any] | spaces.Box[Any]"
    observation_space: "spaces.Box[Any]"
    action_space: "spaces.MultiDiscrete | spaces.Box[Any]"

    def __init__(
        self,
        game: str,
        num_envs: int,
        *,
        preset: str = "gymnasium",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        batch_size: int | None = None,
        num_threads: int | None = None,
        copy: bool = True,
        render_mode: Literal["rgb_array"] | None = None,
        render_screen: RenderScreen = "last",
        console: ConsoleName = "fastatari",
        episode_statistics: bool = False,
        info_ram: bool = False,
        **overrides: Any,
    ) -> None:
        check_names(overrides, _ARGUMENTS)
        self.rules = rules = AtariRules.from_preset(preset, **overrides)
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        self.batch_size = self._row_num = self.num_envs
        if batch_size is not None:
            self.batch_size = self._row_num = check_integer("batch_size", batch_size, 1, self.num_envs)
        self.autoreset_mode = check_mode(autoreset_mode)
        if num_threads is not None:
            num_threads = check_integer("num_threads", num_threads, least=0)
        self._copies = check_flag("copy", copy)
        check_choice("render_mode", render_mode, (None, "rgb_array"))
        self.render_mode = render_mode
        self._set_options(render_screen, episode_statistics, info_ram)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": rules.render_fps,
            "autoreset_mode": self.autoreset_mode,
        }
        self._open(
            game=game,
            rules=rules,
            num_envs=self.num_envs,
            autoreset_mode=self.autoreset_mode,
            console=console,
            num_threads=num_threads,
            has_times=self._has_statistics,
        )
        self.num_threads = self._engine.num_threads
        self.single_observation_space = rules.observation_space
        self.single_action_space = self._actions.space
        self.observation_space = make_batch_space(self.single_observation_space, self.batch_size)
        self.action_space = make_batch_space(self.single_action_space, self.batch_size)
        self._everyone = np.arange(self.num_envs)
        self._received = np.arange(self.batch_size)
        self._is_owed = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None, env_id: Any = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in all environments, or in some. Their steps that were not received are dropped.

        Args:
            seed (int | sequence of int | None, optional): the seed of environment 0, upon which the others' follow; or
                of each one, or None. A seed seeds the no-ops and the sticky actions, and begins a game as after loading
                the ROM. Without one the generators go on.
            options (dict, optional): may hold ``"new_game"``, a bool: whether games are reset even where a lost life
                ends episodes only; and ``"reset_mask"``, bool[n]: which environments are reset. The others'
                observations are returned as they are.
            env_id (int[m], optional): which environments are reset and returned.

        Returns:
            tuple: the observations, uint8[b, *shape] or float32[b, *shape], or of m; and infos. Where a batch is not
            all environments, and there is no `env_id`, the others are to be received by `recv`.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            gymnasium.error.ResetNeeded: there is a mask, and besides it an environment that was never reset.
            gymnasium.error.AlreadyPendingCallError: there is a mask, and steps that were not received.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine, everyone = self._engine, self._everyone
        checked = check_options(options, ("reset_mask", "new_game"))
        mask = check_reset_mask(checked, self.num_envs)
        named = None if env_id is None else check_env_ids(env_id, self.num_envs)
        if named is None:
            seeds = check_seeds(seed, everyone, "num_envs", self.rules)
        else:
            seeds = check_seeds(seed, named, "len(env_id)", self.rules)
        if mask is not None:
            self._check_mask(mask, named)
            seeds = [each for each, is_reset in zip(seeds, mask.tolist(), strict=True) if is_reset]
        asked = named if named is not None else everyone if mask is None else np.flatnonzero(mask)

        if seed is not None and is_single_seed(seed):
            super().reset(seed=int(seed))
        self._received = None
        engine.reset(asked, seeds, bool(checked.get("new_game", False)))
        returned = everyone[: self.batch_size] if named is None else named
        self._is_owed[asked] = False
        if named is None:
            self._is_owed[self.batch_size :] = True
        observations = self._read(returned)
        infos = self._infos.read(engine.results.take(returned), returned.copy(), mask)
        self._received = returned
        return observations, infos

    def step(self, actions: Any, env_id: Any = None, *, out: Any = None) -> StepResult:
        """Apply an action in some environments and wait for them; where it is time for a reset, do that instead.

        Args:
            actions (int[m] | float[m, 3]): an action for each, as for `AtariEnv.step`; any sequence or array.
            env_id (int[m], optional): which environments. By default those that were received last, which are all of
                them if a batch is; then a batch of environments is waited for, whichever are ready first.
            out (uint8[m, *shape] or float32[m, *shape], optional): where the observations are written to: an array, or
                anything in this machine's memory that has ``__dlpack__``, such as a tensor.

        Returns:
            tuple: observations, `out` or an array; rewards, float64[m]; whether episodes are terminated, bool[m];
            whether they are truncated, bool[m]; and infos. Their order is that of `env_id`; without, it ascends.

        Raises:
            TypeError, ValueError, InvalidAction, gymnasium.error.Error: as for `send`; or `out` is not allowed.
        """
        engine = self._engine
        asked = self._find_asked(env_id, "step")
        indices, strengths = self._actions.read(actions, asked)
        is_part = env_id is None and self.batch_size < self.num_envs
        count = min(self.batch_size, self._count_pending() + len(asked)) if is_part else len(asked)
        target, copy_to = self._make_target(out, count)
        received, self._received = self._received, None
        if is_part and engine.send(asked, indices, strengths):
            return self._recv(count, target, copy_to, out)
        named = None if env_id is None else asked
        if not is_part and engine.step(named, indices, strengths, target):
            self._received = named
            return self._finish(named, target, copy_to, out)
        self._received = received
        if count == self.batch_size and (out is None or copy_to is not None):
            self._buffers.give_back()
        raise self._explain(asked, actions, "step")

    def send(self, actions: Any, env_id: Any = None) -> None:
        """Ask environments to apply an action each. Where it is time for a reset, they do that instead.

        Args:
            actions (int[m] | float[m, 3]): as for `step`; taken at once.
            env_id (int[m], optional): which environments; by default those that were received last.

        Raises:
            TypeError, ValueError: actions are of another type, or not as many as environments; or `env_id` is not
                allowed.
            InvalidAction: the game has no such action.
            gymnasium.error.AlreadyPendingCallError: an environment was asked before, and not received since.
            gymnasium.error.ResetNeeded: an environment needs a `reset` first: there was none; or its episode is over
                and `autoreset_mode` is ``DISABLED``; or an exception came in the middle of a call.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        asked = self._find_asked(env_id, "send")
        if not engine.send(asked, *self._actions.read(actions, asked)):
            raise self._explain(asked, actions, "send")

    def recv(self, out: Any = None) -> StepResult:
        """Wait for a batch of environments that were asked, or for all of them if they are fewer.

        Args:
            out: as for `step`.

        Returns:
            tuple: as of `step`; ``info["env_id"]`` ascends.

        Raises:
            TypeError, ValueError: `out` is not allowed.
            gymnasium.error.NoAsyncCallError: no environment was asked.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._engine  # noqa: B018 - raises if it is closed
        count = min(self.batch_size, self._count_pending())
        if not count:
            raise make_no_call_error()
        target, copy_to = self._make_target(out, count)
        return self._recv(count, target, copy_to, out)

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Return the screens as the consoles show them: of each environment uint8[H, W, 3], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: an environment had no `reset` yet.
            gymnasium.error.AlreadyPendingCallError: a batch is all environments, and was not received yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._check_begun("render")
        if self.batch_size == self.num_envs and self._count_pending():
            raise make_pending_error("render")
        if self.render_mode is None:
            gymnasium.logger.warn(
                "You are calling render method without specifying any render mode. You can specify the render_mode at "
                'initialization, e.g. AtariVectorEnv("breakout", 8, render_mode="rgb_array")'
            )
            return None
        return tuple(self._render(index) for index in range(self.num_envs))

    def get_action_meanings(self) -> list[str]:
        """Return the names of the actions, by index; of the 18 that there are with ``continuous=True``."""
        return list(self._engine.action_meanings)

    def close_extras(self) -> None:
        """End the threads; called by `close`."""
        self._close_engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _render(self, index: int) -> npt.NDArray[np.uint8]:
        return self._engine.render(index, self._is_pooled)


_ARGUMENTS = (
    "game", "num_envs", "preset", "autoreset_mode", "batch_size", "num_threads", "copy", "render_mode", "render_screen",
    "console", "episode_statistics", "info_ram",
)  # fmt: skip
