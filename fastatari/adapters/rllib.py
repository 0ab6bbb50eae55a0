"""RLlib: `register`, which lets its runners know all ids, and `ScaleObservations`, a connector for its networks."""

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from fastatari.adapters.checks import require

require("ray", "2.50", "3", "rllib")

import ray  # noqa: E402 - checked first
from ray.rllib.connectors.common import AddObservationsFromEpisodesToBatch  # noqa: E402
from ray.rllib.core.columns import Columns  # noqa: E402
from ray.tune.registry import register_env  # noqa: E402

from fastatari.envs.arguments import check_mode  # noqa: E402
from fastatari.envs.env import AtariEnv  # noqa: E402
from fastatari.envs.vector import AtariVectorEnv  # noqa: E402
from fastatari.games import list_roms, to_camel_case  # noqa: E402


def register() -> None:
    """Let RLlib know ``fastatari/Breakout-v0`` and the ids of all other games, in remote runners too.

    Observations have their planes along the last axis, as RLlib's networks want them. A runner's environments are an
    `AtariVectorEnv` with ``gym_env_vectorize_mode="vector_entry_point"``; else each is an `AtariEnv`. `env_config`
    holds their arguments.
    """
    for rom in list_roms():
        register_env(f"fastatari/{to_camel_case(rom)}-v0", functools.partial(make_env, rom))


def make_env(rom: str, config: Mapping[str, Any]) -> AtariEnv | AtariVectorEnv:
    """Return the environments of a runner.

    Args:
        rom (str): the ROM's id.
        config (Mapping[str, Any]): arguments of `AtariEnv`; with ``num_envs``, of `AtariVectorEnv`.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for both.
        ValueError: `autoreset_mode` is not ``NEXT_STEP``. RLlib takes the step after an end for a reset, and does not
            look.
    """
    arguments = {"stack_axis": -1, **config}
    num_envs = arguments.pop("num_envs", None)
    if (mode := check_mode(arguments.pop("autoreset_mode", AutoresetMode.NEXT_STEP))) != AutoresetMode.NEXT_STEP:
        raise ValueError(f"`autoreset_mode` must be NEXT_STEP in RLlib, got {mode.name}")
    if num_envs is None:
        return AtariEnv(rom, **arguments)
    return AtariVectorEnv(rom, num_envs, **{"num_threads": find_num_threads(), **arguments})


def find_num_threads() -> int | None:
    """Return how many threads may play in this process: as many as Ray gave it CPUs; None if it is not Ray's.

    One CPU is the caller's alone.
    """
    if not ray.is_initialized() or ray.get_runtime_context().worker.mode != ray.WORKER_MODE:
        return None
    cpus: float = ray.get_runtime_context().get_assigned_resources().get("CPU", 0.0)
    # Ray sets the variable to the CPUs of a process.
    number = int(cpus) or int(os.environ.get("OMP_NUM_THREADS") or 0)
    return None if not number else number if number > 1 else 0


class ScaleObservations(AddObservationsFromEpisodesToBatch):
    """A connector that gives networks float32 from 0 to 1, while episodes keep uint8, which travels to learners.

    It has to be in both pipelines::

        config.env_runners(env_to_module_connector=lambda *_, **__: ScaleObservations())
        config.training(learner_connector=lambda *_, **__: ScaleObservations(as_learner_connector=True))
    """

    def recompute_output_observation_space(
        self, input_observation_space: Any, input_action_space: Any
    ) -> "spaces.Box[Any]":
        """Return the space of what networks get."""
        return spaces.Box(0.0, 1.0, input_observation_space.shape, np.float32)

    def __call__(self, *, batch: dict[str, Any], **arguments: Any) -> Any:
        """Add the observations of episodes to a batch, scaled."""
        has_observations = Columns.OBS in batch
        batch = super().__call__(batch=batch, **arguments)
        if not has_observations:
            self.foreach_batch_item_change_in_place(batch, Columns.OBS, _scale)
        return batch


def _scale(observation: Any, *_: Any) -> Any:
    return np.divide(observation, np.float32(255), dtype=np.float32)
