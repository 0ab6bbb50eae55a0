"""`OnEngine`: what the environments have in common, which is an engine, and how they are opened, copied and closed."""

import copy
import math
from typing import Any, Literal, Self

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_choice, check_flag
from fastatari.engine.interface import Engine
from fastatari.engine.making import make_engine
from fastatari.engine.results import Results
from fastatari.envs.actions import Actions
from fastatari.envs.buffers import BUFFER_NUM, ObservationBuffers
from fastatari.envs.infos import InfoReader
from fastatari.errors import make_closed_error
from fastatari.resources import check_memory
from fastatari.rules import AtariRules

RenderScreen = Literal["last", "pooled"]
RENDER_SCREENS: tuple[RenderScreen, ...] = ("last", "pooled")

# Attributes that a copy makes anew.
_OF_ENGINE = {"_engine_or_none", "_actions", "_infos", "_buffers"}


class OnEngine:
    """An environment, or a vector of some, that plays on an engine. It can be pickled and copied.

    Attributes:
        rules (AtariRules): all that decides what is computed.
    """

    rules: AtariRules
    _engine_or_none: Engine | None = None
    _engine_arguments: dict[str, Any]
    _has_statistics = False
    _has_ram = False
    _is_pooled = False  # whether `render` shows both screens of a plane
    _copies = True
    _row_num = 1  # how many observations a batch has

    def _open(self, **arguments: Any) -> None:
        """Make an engine by arguments of `make_engine` and play on it.

        Raises:
            TypeError, ValueError, OSError, MemoryError: as for `make_engine`; or there is no memory for observations.
        """
        size = math.prod(self.rules.shape) * (4 if self.rules.scale_obs else 1)
        num_envs = arguments["num_envs"]
        # Besides the buffers of observations, the space of a single one has four arrays of its shape.
        check_memory((BUFFER_NUM * num_envs + 4) * size, f"the observations of {num_envs} environments")
        self._engine_arguments = arguments
        self._connect(make_engine(**arguments))

    def _connect(self, engine: Engine) -> None:
        self._actions = Actions(engine.rom, engine.action_meanings, self.rules)
        has_finals = engine.autoreset_mode == AutoresetMode.SAME_STEP
        self._infos = InfoReader(engine, self._has_statistics, self._has_ram, has_finals)
        shape = self._row_num, *self.rules.shape
        self._buffers = ObservationBuffers(shape, self.rules.observation_space.dtype, self._copies)
        self._engine_or_none = engine

    @property
    def _engine(self) -> Engine:
        """The engine.

        Raises:
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        if self._engine_or_none is None:
            raise make_closed_error(type(self).__name__)
        return self._engine_or_none

    def _check_begun(self, name: str) -> None:
        """Check that all environments had a reset, before a call.

        Raises:
            gymnasium.error.ResetNeeded: one had none.
        """
        if not self._have_begun().all():
            raise gymnasium.error.ResetNeeded(f"Cannot call `{name}` before calling `reset`.")

    def _have_begun(self) -> npt.NDArray[np.bool_]:
        """Return which environments had a reset, bool[n]; results of what is pending are being written, so not read."""
        engine = self._engine
        return engine.is_pending | engine.results.has_begun

    def _set_options(self, render_screen: Any, episode_statistics: Any, info_ram: Any) -> None:
        """Check and keep the arguments that `AtariEnv` and `AtariVectorEnv` have besides those of an engine.

        Raises:
            TypeError, ValueError: one is not allowed.
        """
        check_choice("render_screen", render_screen, RENDER_SCREENS)
        self._is_pooled = render_screen == "pooled"
        self._has_statistics = check_flag("episode_statistics", episode_statistics)
        self._has_ram = check_flag("info_ram", info_ram)

    @property
    def episode_statistics(self) -> bool:
        """Whether infos have ``episode``."""
        return self._has_statistics

    @property
    def results(self) -> Results:
        """What the last step or reset of each environment gave, which is written to in the next; not to be written to.

        Raises:
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        return self._engine.results

    def _close_engine(self) -> None:
        engine, self._engine_or_none = self._engine_or_none, None
        if engine is not None:
            del self._infos  # which refer to it
            engine.close()

    def __copy__(self) -> Self:
        return copy.deepcopy(self)  # what it has is its own, as its engine is

    def __getstate__(self) -> dict[str, Any]:
        engine = self._engine_or_none
        kept = {name: value for name, value in self.__dict__.items() if name not in _OF_ENGINE}
        return kept | {"_states": None if engine is None else [engine.save(index) for index in range(engine.num_envs)]}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        saved: list[bytes] | None = attributes.pop("_states")
        # Arrays of a pickle whose buffers lie outside of it may be read-only.
        self.__dict__.update(
            {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in attributes.items()}
        )
        if saved is not None:
            engine = make_engine(**self._engine_arguments)
            for index, state in enumerate(saved):
                engine.load(index, state)
            self._connect(engine)
