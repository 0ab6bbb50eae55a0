"""`SubEnvironments`: each environment of a vector environment by itself, through `call`, `get_attr` and `set_attr`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gymnasium import spaces

from fastatari.checks import check_integer
from fastatari.envs import states
from fastatari.envs.actions import list_keys
from fastatari.envs.arguments import check_generator
from fastatari.envs.batches import Batches


class SubEnvironments(Batches):
    """What `gymnasium.vector.SyncVectorEnv` has for its environments, as far as `AtariEnv` has it.

    These names are known: ``ale``, ``np_random``, ``rules``, ``render_mode``, ``metadata``, ``observation_space``,
    ``action_space``, ``get_action_meanings``, ``get_keys_to_action``, ``render``, ``clone_state`` and
    ``restore_state``.
    """

    render_mode: str | None
    metadata: dict[str, Any]
    single_action_space: "spaces.Discrete[Any] | spaces.Box[Any]"

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each environment, or get an attribute of each.

        Args:
            name (str): its name.
            args: what the method is called with.
            kwargs: the same, by name.

        Returns:
            tuple: what each returned.

        Raises:
            AttributeError: environments have no such attribute.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        results = [self.get_attr_of(name, index) for index in range(self.num_envs)]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in results)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each environment, or what a method of it returns: what `call` does without arguments.

        Raises:
            AttributeError: environments have no such attribute.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each environment. Only ``np_random`` can be set.

        Args:
            name (str): its name.
            values (sequence of np.random.Generator): a generator for each, because environments draw at the same time.

        Raises:
            AttributeError: environments have no such attribute that could be set.
            TypeError: a value is no generator.
            ValueError: there are not as many values as environments, or two are the same.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        _check_settable(name)
        generators = list(values) if isinstance(values, Sequence) else [values]
        for generator in generators:
            check_generator(generator)
        if len({id(generator.bit_generator) for generator in generators}) != self.num_envs:
            raise ValueError(
                f"`values` must be {self.num_envs} different generators, one for each environment, got "
                f"{len(generators)} values"
            )
        for index, generator in enumerate(generators):
            engine.set_np_random(index, generator)

    def set_attr_of(self, name: str, env_id: int, value: Any) -> None:
        """Set an attribute of an environment. Only ``np_random`` can be set, to a generator that no other one has.

        Raises:
            AttributeError: environments have no such attribute that could be set.
            TypeError: `value` is no generator.
            ValueError: there is no such environment, or another one has the generator: they draw at the same time.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        _check_settable(name)
        engine, index = self._engine, check_integer("env_id", env_id, 0, self.num_envs - 1)
        generator = check_generator(value)
        for other in range(self.num_envs):
            if other != index and engine.np_random(other).bit_generator is generator.bit_generator:
                raise ValueError(f"`value` must be a generator of its own, got that of environment {other}")
        engine.set_np_random(index, generator)

    def get_attr_of(self, name: str, env_id: int) -> Any:
        """Return an attribute of an environment, or a method, which is not called.

        Args:
            name (str): its name.
            env_id (int): the environment's number.

        Raises:
            AttributeError: environments have no such attribute.
            ValueError: there is no such environment.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine, index = self._engine, check_integer("env_id", env_id, 0, self.num_envs - 1)
        found: dict[str, Callable[[], Any]] = {
            "ale": lambda: engine.ale(index),
            "np_random": lambda: engine.np_random(index),
            "rules": lambda: self.rules,
            "render_mode": lambda: self.render_mode,
            "metadata": lambda: self.metadata,
            "observation_space": lambda: self.single_observation_space,
            "action_space": lambda: self.single_action_space,
            "get_action_meanings": lambda: functools.partial(list, engine.action_meanings),
            "get_keys_to_action": lambda: functools.partial(list_keys, engine.action_meanings),
            "render": lambda: functools.partial(self._render, index),
            "clone_state": lambda: functools.partial(states.clone, engine, index),
            "restore_state": lambda: functools.partial(states.restore, engine, index),
        }
        if name not in found:
            raise AttributeError(f"environments have {', '.join(map(repr, found))}, got {name!r}")
        return found[name]()

    def _render(self, index: int) -> Any:
        raise NotImplementedError


def _check_settable(name: str) -> None:
    if name != "np_random":
        raise AttributeError(f"only 'np_random' of environments can be set, got {name!r}")
