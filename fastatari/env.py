"""`AtariEnv`: gymnasium's environment, and the ids under which gymnasium makes it."""

from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from fastatari.checks import check_choice, check_flag
from fastatari.emulator import ConsoleName, list_roms
from fastatari.engine import Engine, EngineState, Observation
from fastatari.rules import AtariRules

RenderMode = Literal["human", "rgb_array"]

_KEYS = {"UP": "w", "DOWN": "s", "LEFT": "a", "RIGHT": "d", "FIRE": " ", "NOOP": "e"}


class AtariEnv(gymnasium.Env[Observation, int]):
    """An Atari game as a gymnasium environment, computed as another package computes it.

    Args:
        game (str): the name of the game, as ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or
            ``BreakoutNoFrameskip-v4``.
        preset (str): whose rules: ``"labml"``, ``"gymnasium"``, ``"sb3"``, ``"cleanrl"``, ``"dopamine"`` or ``"ale"``;
            with a version behind it, as ``"sb3@1"``, the same for ever.
        render_mode ("human" | "rgb_array", optional): whether `render` returns the screen, or ale-py shows every frame
            in a window, with sound, at the console's speed.
        console ("fastatari" | "ale"): whose emulator plays: this package's, or ale-py's, to the byte the same and
            several times as slow. With `render_mode` "human", ale-py's plays.
        episode_statistics (bool): whether ``info["episode"]`` is there at the end of a game. gymnasium's
            `RecordEpisodeStatistics` insists on writing it itself.
        overrides: fields of `AtariRules` that are to be other than the preset's. `gymnasium.make` takes
            ``max_episode_steps`` for itself.

    Attributes:
        rules (AtariRules): all that decides what is computed; ``rules.describe()`` prints it.
        observation_space (spaces.Box): uint8[K, h, w] from 0 to 255, in another layout if the rules say so; or float32
            from 0 to 1.
        action_space (spaces.Discrete): indices of `get_action_meanings`.

    ``info`` holds, after a step: ``lives``, those left; ``episode_frame_number`` and ``frame_number``, the frames since
    the game's start and since the ROM was loaded; ``raw_reward``, the sum of the frames' rewards; ``life_lost``;
    ``game_over``, whether the game is over or truncated; and if the next reset begins a new game, ``episode``, with the
    sum of the raw rewards ``r``, the number of steps ``l`` and the seconds ``t`` since the game's start. After a reset:
    ``lives``, both frame numbers, and ``noops``, how many no-ops followed the game's start.

    Raises:
        TypeError: `game` is not a string; there is no such rule; a rule has the wrong type.
        ValueError: ale-py has no such game or refuses it; another value is not allowed.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 15}  # noqa: RUF012 - gymnasium's

    def __init__(
        self,
        game: str,
        *,
        preset: str = "gymnasium",
        render_mode: RenderMode | None = None,
        console: ConsoleName = "fastatari",
        episode_statistics: bool = True,
        **overrides: Any,
    ) -> None:
        self.rules = AtariRules.from_preset(preset, **overrides)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._has_statistics = check_flag("episode_statistics", episode_statistics)
        self._engine_arguments: dict[str, Any] = {
            "console": "ale" if render_mode == "human" else console,
            "is_shown": render_mode == "human",
        }
        self._engine_or_none: Engine | None = Engine(game, self.rules, **self._engine_arguments)
        self._np_random_seed = -1  # what gymnasium says of a generator whose seed is not known
        # gymnasium's wrappers write to it, which must not reach other environments.
        self.metadata = {**self.metadata, "render_fps": self.rules.render_fps}
        self.action_space: spaces.Discrete[Any] = spaces.Discrete(len(self._engine.console.actions))
        self.observation_space = self.rules.observation_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Where a lost life ends episodes but not the game, that is a new game only if the last one is over, or `seed` is
        given.

        Args:
            seed (int, optional): seeds the no-ops and the sticky actions, and begins a game as after loading the ROM.
                Without one the generators go on.
            options (dict, optional): is there for gymnasium; no option is known.

        Returns:
            tuple: the observation, a fresh array, and info.

        Raises:
            TypeError: `seed` is not an integer, or `options` not a dict.
            ValueError: `seed` is negative or too large, or there are options.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"`options` must be a dict, got {options!r}")
        if options:
            raise ValueError(f"`options` must be empty, got {', '.join(map(repr, options))}")
        engine = self._engine
        engine.reset(seed)
        if seed is not None:
            self._np_random_seed = int(seed)
        return engine.observe(), engine.tell_reset()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply an action for ``rules.frame_skip`` frames, or until the episode is over.

        Args:
            action (int): an index of `get_action_meanings`; any integer type.

        Returns:
            tuple: the observation, a fresh array; the reward; whether the episode is terminated; whether it is
            truncated; and info.

        Raises:
            TypeError: `action` is not an integer; the game goes on.
            InvalidAction: the game has no such action; the game goes on.
            gymnasium.error.ResetNeeded: there was no `reset` yet, or the episode is over.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        reward, terminated, truncated = engine.step(action)
        return engine.observe(), reward, terminated, truncated, engine.tell_step(self._has_statistics)

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return the screen as the console shows it: uint8[H, W, 3], a fresh array; None if ale-py shows it.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        if self.render_mode is None:
            gymnasium.logger.warn(
                "You are calling render method without specifying any render mode. You can specify the render_mode at "
                'initialization, e.g. AtariEnv("breakout", render_mode="rgb_array")'
            )
        return engine.read_rgb() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the environment, and its window if there is one. May be called again."""
        self._engine_or_none = None

    def clone_state(self) -> EngineState:
        """Return a copy of all that the environment is: console, stack, counters, generators. It can be pickled."""
        return self._engine.clone_state()

    def restore_state(self, state: EngineState) -> None:
        """Go on from what `clone_state` returned: every step and reset to come is what it was, to the byte.

        With `console` "ale" it is only as exact as the states of ale-py 0.12.1. These leave out the lives of atlantis2,
        flags of miniature_golf, what the next frames of yars_revenge and tic_tac_toe_3d show of those before, and which
        action sticks in adventure, berzerk, double_dunk and video_cube.

        Args:
            state (EngineState): of an environment of the same game and rules, in this process or another.

        Raises:
            TypeError: `state` is none.
            ValueError: it is of another game or of other rules.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._engine.restore_state(state)

    def get_action_meanings(self) -> list[str]:
        """Return the names of the actions, by index."""
        return list(self._engine.console.action_meanings)

    def get_keys_to_action(self) -> dict[tuple[str, ...], int]:
        """Return which keys stand for which action, for `gymnasium.utils.play`."""
        meanings = self._engine.console.action_meanings
        return {tuple(key for name, key in _KEYS.items() if name in text): i for i, text in enumerate(meanings)}

    @property
    def ale(self) -> Any:
        """The emulator, an ``ALEInterface``. Acting on it is not seen by the environment."""
        return self._engine.console.ale

    @property
    def np_random(self) -> np.random.Generator:
        """The generator of no-ops, and with stable-baselines3's rules of sticky actions.

        That of no-ops only once it was set where ``rules.seeding`` is "ale".
        """
        return self._engine.np_random

    @np_random.setter
    def np_random(self, value: np.random.Generator) -> None:
        self._engine.set_np_random(value)
        self._np_random_seed = -1

    @property
    def _np_random(self) -> np.random.Generator:  # type: ignore[override]
        return self._engine.np_random

    def __getstate__(self) -> dict[str, Any]:
        state = None if self._engine_or_none is None else self.clone_state()
        return {**self.__dict__, "_engine_or_none": state}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        self.__dict__ |= attributes
        state = attributes["_engine_or_none"]
        if state is not None:
            self._engine_or_none = Engine(state.rom, self.rules, **self._engine_arguments)
            self._engine_or_none.restore_state(state)

    @property
    def _engine(self) -> Engine:
        if self._engine_or_none is None:
            raise gymnasium.error.ClosedEnvironmentError("Trying to operate on `AtariEnv`, after a call to `close()`.")
        return self._engine_or_none


def register_envs() -> None:
    """Register ``fastatari/Breakout-v0`` and an id of each other game."""
    for rom in list_roms():
        name = rom.title().replace("_", "")
        gymnasium.register(
            f"fastatari/{name}-v0",
            entry_point="fastatari.env:AtariEnv",
            vector_entry_point="fastatari.vector:AtariVectorEnv",
            kwargs={"game": rom},
        )
