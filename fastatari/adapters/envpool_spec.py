"""What envpool's `make` takes, in its order and with its defaults, and the rules that it stands for."""

import difflib
from collections import namedtuple
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from fastatari.checks import check_flag, check_integer
from fastatari.games import find_rom, list_roms, to_envpool_id
from fastatari.rules import RAM_SIZE

DEFAULTS: Final[dict[str, Any]] = {
    "num_envs": 1,
    "batch_size": 0,
    "num_threads": 0,
    "max_num_players": 1,
    "thread_affinity_offset": -1,
    "base_path": "",
    "seed": 42,
    "env_seed": [],
    "gym_reset_return_info": True,
    "max_episode_steps": 27_000,
    "stack_num": 4,
    "frame_skip": 4,
    "noop_max": 30,
    "zero_discount_on_life_loss": False,
    "episodic_life": False,
    "reward_clip": False,
    "use_fire_reset": True,
    "img_height": 84,
    "img_width": 84,
    "task": "",
    "mode": -1,
    "difficulty": -1,
    "full_action_space": False,
    "repeat_action_probability": 0.0,
    "use_inter_area_resize": True,
    "gray_scale": True,
}
_FLAGS: Final = (
    "zero_discount_on_life_loss", "episodic_life", "reward_clip", "use_fire_reset", "full_action_space",
    "use_inter_area_resize", "gray_scale",
)  # fmt: skip
# They are refused with another value, because what they ask for is not there.
_FIXED: Final = {"max_num_players": 1, "gym_reset_return_info": True, "use_inter_area_resize": True}

_MOST: Final = 2**31 - 1

Config = namedtuple("Config", list(DEFAULTS))  # type: ignore[misc]


class ArraySpec(NamedTuple):
    """The shape, dtype and bounds of an array; -1 stands for players."""

    shape: list[int]
    dtype: Any
    minimum: Any
    maximum: Any


def list_all_envs() -> list[str]:
    """Return the ids of all games, such as ``Breakout-v5``."""
    return [to_envpool_id(rom) for rom in list_roms()]


def find_game(task_id: Any) -> str:
    """Return the ROM's id that one of envpool's ids stands for.

    Raises:
        TypeError: `task_id` is no string.
        ValueError: there is no such id.
    """
    if not isinstance(task_id, str):
        raise TypeError(f"`task_id` must be a string, got {task_id!r}")
    known = list_all_envs()
    if task_id not in known:
        close = difflib.get_close_matches(task_id, known, 1)
        hint = f"; the closest is {close[0]!r}" if close else ""
        raise ValueError(f"`task_id` must be one of `list_all_envs()`, got {task_id!r}{hint}")
    return list_roms()[known.index(task_id)]


def make_config(task_id: Any, arguments: Mapping[str, Any]) -> Any:
    """Return a `Config` of arguments and defaults, checked.

    Raises:
        TypeError, ValueError: there is no such id or argument, or a value is not allowed.
    """
    game = find_game(task_id)
    if unknown := [name for name in arguments if name not in DEFAULTS]:
        raise TypeError(f"envpool has no argument {unknown[0]!r}; it has {', '.join(DEFAULTS)}")
    values = {**DEFAULTS, **arguments, "task": game}
    for name in _FLAGS:
        values[name] = check_flag(name, values[name])
    for name, only in _FIXED.items():
        if values[name] != only:
            raise ValueError(f"`{name}` must be {only!r} here, got {values[name]!r}")
    values["num_envs"] = num_envs = check_integer("num_envs", values["num_envs"], 1, _MOST)
    values["batch_size"] = check_integer("batch_size", values["batch_size"], 0, num_envs) or num_envs
    values["num_threads"] = check_integer("num_threads", values["num_threads"], 0, _MOST)
    for name in ("img_height", "img_width"):
        values[name] = check_integer(name, values[name], 1, _MOST)
    name = "env_seed" if "env_seed" in arguments else "seed"
    if name == "env_seed" and "seed" in arguments:
        raise ValueError("`seed` and `env_seed` must not be given both")
    seeds = values[name]
    if isinstance(seeds, (list, tuple, np.ndarray)):
        if len(seeds) != num_envs:
            raise ValueError(f"`{name}` must be a number or {num_envs} of them, got {len(seeds)}")
        values["env_seed"], values["seed"] = [check_integer(name, seed, 0, _MOST) for seed in seeds], 0
    else:
        values["seed"], values["env_seed"] = check_integer(name, seeds, 0, _MOST + 1 - num_envs), []
    return Config(**values)


def find_seeds(config: Any) -> list[int]:
    """Return the seed of each environment."""
    return config.env_seed or [config.seed + i for i in range(config.num_envs)]


def find_rules(config: Any) -> dict[str, Any]:
    """Return the fields of `AtariRules` that a config stands for, besides those of the preset "envpool"."""
    return {
        "max_episode_steps": config.max_episode_steps,
        "stack_num": config.stack_num,
        "frame_skip": config.frame_skip,
        "noop_max": config.noop_max,
        "life_loss": "continue" if config.episodic_life else "ignore",
        "reward_clip": config.reward_clip,
        "fire_reset": "frame_after" if config.use_fire_reset else "never",
        "screen_size": (config.img_width, config.img_height),
        "mode": None if config.mode == -1 else config.mode,
        "difficulty": None if config.difficulty == -1 else config.difficulty,
        "full_action_space": config.full_action_space,
        "repeat_action_probability": config.repeat_action_probability,
        "grayscale_obs": config.gray_scale,
    }


class EnvSpec:
    """What is known of environments before they are made, as envpool's `make_spec` returns it.

    Attributes:
        config (Config): all arguments.
        observation_space (spaces.Box): of an environment: uint8[K, h, w], or uint8[3 * K, h, w] in colour.
        action_space (spaces.Discrete): of an environment.
        state_array_spec (dict[str, ArraySpec]): what a step gives of an environment.
        action_array_spec (dict[str, ArraySpec]): what it takes.
        reward_threshold (None): is there because envpool's has it.
    """

    reward_threshold = None

    def __init__(self, config: Any) -> None:
        self.config = config
        find_rom(config.task)
        from fastatari.console.games.facts import MINIMAL_ACTIONS  # noqa: PLC0415 - not needed to list ids

        action_num = 18 if config.full_action_space else len(MINIMAL_ACTIONS[config.task])
        planes = config.stack_num * (1 if config.gray_scale else 3)
        shape = planes, config.img_height, config.img_width
        self.observation_space: spaces.Box[Any] = spaces.Box(0, 255, shape, np.uint8)
        self.action_space: spaces.Discrete[Any] = spaces.Discrete(action_num)
        self.gymnasium_observation_space, self.gymnasium_action_space = self.observation_space, self.action_space
        integer = ArraySpec([], np.dtype(np.int32), -(2**31), _MOST)
        of_player = integer._replace(shape=[-1])
        reward = ArraySpec(
            [-1], np.dtype(np.float32), float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
        )
        flag = ArraySpec([], np.dtype(np.bool_), False, True)
        self.state_array_spec = {
            "info:env_id": integer,
            "info:players.env_id": of_player,
            "elapsed_step": integer,
            "done": flag,
            "reward": reward,
            "discount": ArraySpec([-1], np.dtype(np.float32), 0.0, 1.0),
            "step_type": integer,
            "trunc": flag,
            "obs": ArraySpec(list(shape), np.dtype(np.uint8), 0, 255),
            "info:lives": of_player,
            "info:reward": reward,
            "info:terminated": ArraySpec([-1], np.dtype(np.int32), 0, 1),
            "info:ram": ArraySpec([RAM_SIZE], np.dtype(np.uint8), 0, 255),
        }
        self.action_array_spec = {
            "env_id": integer,
            "players.env_id": of_player,
            "action": ArraySpec([-1], np.dtype(np.int32), 0, action_num - 1),
        }

    def __repr__(self) -> str:
        return f"AtariEnvSpec({', '.join(f'{name}={value!r}' for name, value in self.config._asdict().items())})"


def turn_colours(observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return observations in colour, uint8[m, K, h, w, 3], in envpool's layout: uint8[m, K * 3, h, w], a copy."""
    count, planes, height, width, _ = observations.shape
    turned: npt.NDArray[np.uint8] = np.moveaxis(observations, -1, 2).reshape(count, 3 * planes, height, width)
    return turned
