"""`AtariEnv`: gymnasium's environment."""

from typing import Any, Final, Literal

import gymnasium
import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_choice
from fastatari.engine.interface import ConsoleName, Engine
from fastatari.engine.results import place_of
from fastatari.envs import states
from fastatari.envs.actions import list_keys
from fastatari.envs.arguments import check_generator, check_names, check_options
from fastatari.envs.base import OnEngine, RenderScreen
from fastatari.envs.states import State
from fastatari.rules import AtariRules

Observation = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
RenderMode = Literal["human", "rgb_array"]


_ONLY = np.zeros(1, np.int64)

_REWARD: Final = place_of("reward")[1]
_TERMINATED: Final = place_of("terminated")[1]
_TRUNCATED: Final = place_of("truncated")[1]


class AtariEnv(OnEngine, gymnasium.Env[Observation, int | npt.NDArray[np.float32]]):
    """An Atari game as a gymnasium environment, computed as another package computes it.

    >>> env = AtariEnv("breakout", preset="sb3")
    >>> observation, info = env.reset(seed=3)
    >>> observation.shape, observation.dtype, int(info["lives"])
    ((84, 84, 4), dtype('uint8'), 5)
    >>> env.get_action_meanings()
    ['NOOP', 'FIRE', 'RIGHT', 'LEFT']
    >>> observation, reward, terminated, truncated, info = env.step(1)
    >>> reward, terminated, truncated
    (0.0, False, False)

    States are cheap, so that an agent can look ahead. A small Monte Carlo search plays at random after each action, and
    says how much reward that brings:

    >>> def search(env, rng, plays=4, steps=40):
    ...     root, values = env.clone_state(), np.zeros(env.action_space.n)
    ...     for first in range(env.action_space.n):
    ...         for _ in range(plays):
    ...             env.restore_state(root)
    ...             for action in [first, *rng.integers(env.action_space.n, size=steps)]:
    ...                 _, reward, terminated, truncated, _ = env.step(action)
    ...                 values[first] += reward / plays
    ...                 if terminated or truncated:
    ...                     break
    ...     env.restore_state(root)
    ...     return values
    >>> env = AtariEnv("space_invaders", noop_max=0)
    >>> _ = env.reset(seed=0)
    >>> for _ in range(30):
    ...     _ = env.step(1)
    >>> search(env, np.random.default_rng(0))
    array([5.  , 3.75, 0.  , 8.75, 1.25, 1.25])
    >>> env.close()

    Args:
        game (str): the name of the game, such as ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or
            ``BreakoutNoFrameskip-v4``.
        preset (str): whose rules: ``"labml"``, ``"gymnasium"``, ``"sb3"``, ``"cleanrl"``, ``"dopamine"``, ``"ale"`` or
            ``"envpool"``; with a version behind it, such as ``"sb3@1"``, the same for ever.
        render_mode ("human" | "rgb_array", optional): whether `render` returns the screen, or ale-py shows every frame
            in a window, with sound, at the console's speed.
        render_screen ("last" | "pooled"): what `render` returns: the last screen, or the maximum of a step's last two,
            in which nothing flickers away.
        console ("fastatari" | "ale"): whose emulator plays: this package's, or ale-py's, to the byte the same and many
            times as slow. With `render_mode` "human", ale-py's plays.
        episode_statistics (bool): whether ``info["episode"]`` is there at the end of a game. It holds a time, which is
            another each time a game is played.
        info_ram (bool): whether ``info["ram"]`` is there.
        overrides: fields of `AtariRules` that are to be other than the preset's. `gymnasium.make` takes
            ``max_episode_steps`` for itself.

    Attributes:
        rules (AtariRules): all that decides what is computed; ``rules.describe()`` prints it.
        observation_space (spaces.Box): uint8[K, h, w], in another layout if the rules say so; or float32 from 0 to 1.
        action_space (spaces.Discrete | spaces.Box): indices of `get_action_meanings`; with ``continuous=True``,
            float32[3], as ale-py's: how far the stick is moved, in which direction, how far FIRE is pressed.
        render_mode (str | None): as above.
        metadata (dict): gymnasium's.

    ``info`` has the same keys after every reset and step. Numbers are numpy's scalars, booleans arrays of shape ().

    * ``lives``: lives that are left.
    * ``episode_frame_number``: frames since the reset of the game.
    * ``frame_number``: frames since the ROM was loaded.
    * ``raw_reward``: sum of the frames' rewards, never clipped; 0 after a reset.
    * ``life_lost``: whether fewer lives are left than before the step; False after a reset.
    * ``game_over``: whether the game is over or truncated; False after a reset.
    * ``noops``: how many no-ops followed the reset of the game; 0 after a step.
    * ``ram``, with `info_ram`: the console's RAM, uint8[128].
    * ``episode``, with `episode_statistics`, only after the last step before a reset of the game: a dict of ``r``, sum
      of the raw rewards, ``l``, steps, and ``t``, seconds, since the reset of the game.

    Raises:
        TypeError: `game` is not a string; there is no such rule; a rule has the wrong type.
        ValueError: ale-py has no such game or refuses it; another value is not allowed.
        MemoryError: there is not enough memory.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 15}  # noqa: RUF012 - gymnasium's
    rules: AtariRules
    render_mode: RenderMode | None
    observation_space: "spaces.Box[Any]"
    action_space: "spaces.Discrete[Any] | spaces.Box[Any]"

    def __init__(
        self,
        game: str,
        *,
        preset: str = "gymnasium",
        render_mode: RenderMode | None = None,
        render_screen: RenderScreen = "last",
        console: ConsoleName = "fastatari",
        episode_statistics: bool = False,
        info_ram: bool = False,
        **overrides: Any,
    ) -> None:
        check_names(overrides, _ARGUMENTS)
        self.rules = AtariRules.from_preset(preset, **overrides)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._set_options(render_screen, episode_statistics, info_ram)
        self._np_random_seed = -1  # what gymnasium says of a generator whose seed is not known
        # gymnasium's wrappers write to it, which must not reach other environments.
        self.metadata = {**self.metadata, "render_fps": self.rules.render_fps}
        # gymnasium's `AtariPreprocessing` looks at it.
        self._frameskip = self.rules.frame_skip
        self._open(
            game=game,
            rules=self.rules,
            num_envs=1,
            autoreset_mode=AutoresetMode.DISABLED,
            console="ale" if render_mode == "human" else console,
            is_shown=render_mode == "human",
            has_times=self._has_statistics,
        )
        self.observation_space = self.rules.observation_space
        self.action_space = self._actions.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Where a lost life ends episodes but not the game, that is a new game only if the last one is over, or `seed` or
        the option ``new_game`` is given.

        Args:
            seed (int, optional): seeds the no-ops and the sticky actions, and begins a game as after loading the ROM.
                Without one the generators go on.
            options (dict, optional): may hold ``"new_game"``, a bool: whether it is a new game in any case.

        Returns:
            tuple: the observation, a fresh array, and info.

        Raises:
            TypeError: `seed` is not an integer, `options` not a dict, or ``new_game`` not a boolean.
            ValueError: `seed` is negative or too large, or there are other options.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        new_game = bool(check_options(options, ("new_game",)).get("new_game", False))
        checked = None if seed is None else self.rules.check_seed(seed)
        engine.reset(_ONLY, [checked], new_game)
        if checked is not None:
            self._np_random_seed = checked
        return self._observe(engine), self._infos.read_single()

    def step(self, action: int | npt.NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply an action for ``rules.frame_skip`` frames, or until the episode is over.

        Args:
            action (int | float32[3]): an index of `get_action_meanings`, any integer type; or with ``continuous=True``,
                any three floats that are in `action_space`.

        Returns:
            tuple: the observation, a fresh array; the reward; whether the episode is terminated; whether it is
            truncated; and info.

        Raises:
            TypeError, InvalidAction: `action` is of another type, or no action of the game; the game goes on.
            gymnasium.error.ResetNeeded: there was no `reset` yet, or the episode is over, or an exception, as of a
                signal handler, came in the middle of a step or reset.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        indices, strengths = self._actions.read_one(action)
        observation = self._buffers.take()
        if not engine.step(None, indices, strengths, observation):
            raise gymnasium.error.ResetNeeded(
                "Cannot call `step` before calling `reset`, after the end of an episode, or after an exception cut off "
                "either."
            )
        results = engine.results
        reward: float = results.floats.item(_REWARD)
        terminated, truncated = results.flags.item(_TERMINATED), results.flags.item(_TRUNCATED)
        return observation[0], reward, terminated, truncated, self._infos.read_single()

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return the screen as the console shows it: uint8[H, W, 3], a fresh array; None if ale-py shows it.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._check_begun("render")
        if self.render_mode is None:
            gymnasium.logger.warn(
                "You are calling render method without specifying any render mode. You can specify the render_mode at "
                'initialization, e.g. AtariEnv("breakout", render_mode="rgb_array")'
            )
        return self._engine.render(0, self._is_pooled) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the environment, and its window if there is one. May be called again."""
        self._close_engine()

    def clone_state(self) -> State:
        """Return a copy of all that the environment is: console, stack, counters, generators.

        It is plain data: equal for equal environments, and it can be pickled. See `restore_state`.
        """
        return states.clone(self._engine, 0)

    def restore_state(self, state: State) -> None:
        """Go on from what `clone_state` returned: every step and reset to come is what it was, to the byte.

        With `console` "ale" it is only as exact as the states of ale-py 0.12.1. These leave out the lives of atlantis2,
        flags of miniature_golf, what the next frames of yars_revenge and tic_tac_toe_3d show of those before, and which
        action sticks in adventure, berzerk, double_dunk and video_cube.

        Args:
            state (State): of an environment of the same game, rules and console, in this process or another; not of one
                of an `AtariVectorEnv` in ``SAME_STEP`` just after it was reset, which holds the end of its episode too.

        The seconds in ``info["episode"]`` are counted from now, if the state is of an environment without them.

        Raises:
            TypeError: `state` is none.
            ValueError: it is of another game or console, of other rules, or damaged. Nothing has changed.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        states.restore_single(self._engine, state)

    def save_state(self) -> bytes:
        """Return all that the environment is as bytes, for a file: with rules, version and checksum.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._check_begun("save_state")
        return states.save_engine(self._engine, "AtariEnv", {}, {})

    def load_state(self, state: Any) -> tuple[Observation, dict[str, Any]]:
        """Go on from what `save_state` returned, as exactly as `restore_state` does.

        A state from somebody else can be wrong, which is an error, but it can do no harm.

        Args:
            state (bytes-like): of an environment of the same game, rules and console, in this process or another.

        Returns:
            tuple: the observation and info of the last step or reset.

        Raises:
            TypeError: `state` is not bytes-like.
            ValueError: it is damaged, or of another game or console, or of other rules. Nothing has changed.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        environments, _, _ = states.unpack_engine(engine, "AtariEnv", state)
        states.load_engine(engine, environments)
        return self._observe(engine), self._infos.read_single()

    def get_action_meanings(self) -> list[str]:
        """Return the names of the actions, by index; of the 18 that there are with ``continuous=True``."""
        return list(self._engine.action_meanings)

    def get_keys_to_action(self) -> dict[tuple[str, ...], int]:
        """Return which keys stand for which action, for `gymnasium.utils.play`.

        Raises:
            AttributeError: actions are continuous.
        """
        meanings = self._engine.action_meanings
        if self.rules.continuous:
            raise AttributeError("`get_keys_to_action` needs actions that are indices, which `continuous=True` has not")
        return list_keys(meanings)

    @property
    def ale(self) -> Any:
        """The emulator, with the methods of ``ALEInterface``. Acting on it is not seen by the environment."""
        return self._engine.ale(0)

    @property
    def np_random(self) -> np.random.Generator:
        """The generator of no-ops, and with stable-baselines3's rules of sticky actions.

        That of no-ops only once it was set where ``rules.seeding`` is "ale".
        """
        return self._engine.np_random(0)

    @np_random.setter
    def np_random(self, value: np.random.Generator) -> None:
        self._engine.set_np_random(0, check_generator(value))
        self._np_random_seed = -1

    @property
    def _np_random(self) -> np.random.Generator:  # type: ignore[override]
        return self._engine.np_random(0)

    def _observe(self, engine: Engine) -> Observation:
        observation = self._buffers.take()
        engine.read(_ONLY, observation)
        only: Observation = observation[0]
        return only


_ARGUMENTS = ("game", "preset", "render_mode", "render_screen", "console", "episode_statistics", "info_ram")
