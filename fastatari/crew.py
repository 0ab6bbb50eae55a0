"""`Crew`: several games of a worker, whose steps and resets go into shared memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.console import StartStates
from fastatari.engine import Engine, EngineState
from fastatari.frames import NOWHERE
from fastatari.rules import AtariRules
from fastatari.shared import GAME_END, RESET, STEP, Columns, Slot


class CrewRules(NamedTuple):
    """What all crews of a pool have in common: plain data, which can be pickled.

    Attributes:
        game (str): the ROM's id.
        rules (AtariRules): the rules of each environment.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        start_states ("saved" | "true"): as for `Console`.
        has_statistics (bool): whether the numbers of a game are told at its end.
        keeps_finals (bool): whether what SAME_STEP resets replace is told, too.
    """

    game: str
    rules: AtariRules
    autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP
    start_states: StartStates = "saved"
    has_statistics: bool = True
    keeps_finals: bool = True


class Description(NamedTuple):
    """What a game is, as far as callers need to know.

    Attributes:
        rom (str): the ROM's id.
        action_meanings (tuple[str, ...]): the names of the actions, by index.
    """

    rom: str
    action_meanings: tuple[str, ...]


class Final(NamedTuple):
    """The end of an episode whose environment was reset in the same step.

    Attributes:
        environment (int): its index in the pool.
        observation (uint8[shape] or float32[shape]): its last observation.
        info (dict[str, Any]): what a single environment tells of its last step.
    """

    environment: int
    observation: npt.NDArray[Any]
    info: dict[str, Any]


class MemberState(NamedTuple):
    """What is saved of one environment.

    Attributes:
        engine (EngineState): the game.
        seed (int | None): that of its next reset, if that gets none.
    """

    engine: EngineState
    seed: int | None


class Crew:
    """Some of the environments of a pool, played one after the other.

    Args:
        crew_rules (CrewRules): what they play.
        first (int): the index of the first of them in the pool.
        slots (Sequence[Slot]): where results go, each into the environment's row.
        seeds (Sequence[int | None]): of each environment, the seed of its first reset, if that gets none.
        report (Callable[[int], Any]): told, after each environment is made, how many are. That takes 0.1 s each.

    Raises:
        TypeError, ValueError, OSError: as for `Engine`.
    """

    def __init__(
        self,
        crew_rules: CrewRules,
        first: int,
        slots: Sequence[Slot],
        seeds: Sequence[int | None],
        report: Callable[[int], Any] = lambda _: None,
    ) -> None:
        self._mode = crew_rules.autoreset_mode
        self._has_statistics, self._keeps_finals = crew_rules.has_statistics, crew_rules.keeps_finals
        self._first = first
        self._seeds = list(seeds)
        self._engines: list[Engine] = []
        for _ in self._seeds:
            sibling = self._engines[0] if self._engines else None
            self._engines.append(
                Engine(crew_rules.game, crew_rules.rules, start_states=crew_rules.start_states, sibling=sibling)
            )
            report(len(self._engines))
        # Rows and memoryviews, because numpy would make a new object for each row, and for each number.
        own = slice(first, first + len(self._engines))
        self._rows = [list(slot.observations[own]) for slot in slots]
        # All rows as one, to be written to by steps that can.
        self._planes = [slot.observations[own].reshape(-1) for slot in slots]
        self._steps_into = self._engines[0].can_step_into
        self._size = self._rows[0][0].size
        self._columns = [Columns(*(memoryview(column[own]) for column in slot.columns)) for slot in slots]

    def describe(self) -> Description:
        """Return what the game is."""
        console = self._engines[0].console
        return Description(console.rom, console.action_meanings)

    def step(self, slot: int, indices: Sequence[int]) -> tuple[bool, list[Final]]:
        """Play a step of some environments, or reset them where it is time to.

        Args:
            slot (int): the slot that holds their actions, and gets their results.
            indices (Sequence[int]): which environments, by their indices in the crew.

        Returns:
            tuple: whether the rows are all of kind `STEP`; and what was replaced by resets in the same step.

        Raises:
            Exception: whatever a game raises. Its environment, and those after it, have not played.
        """
        is_plain, finals = True, []
        columns, size = self._columns[slot], self._size
        out = self._planes[slot] if self._steps_into else NOWHERE
        for index in indices:
            engine = self._engines[index]
            if engine.needs_reset and self._mode != AutoresetMode.DISABLED:
                self._begin(index, None, slot)
                columns.reward[index] = 0.0
                columns.terminated[index] = columns.truncated[index] = False
                is_plain = False
                continue
            reward, terminated, truncated = engine.step(columns.action[index], out, index * size)
            columns.reward[index] = reward
            columns.terminated[index] = terminated
            columns.truncated[index] = truncated
            columns.raw_reward[index] = engine.raw_reward
            columns.life_lost[index] = engine.has_lost_life
            columns.game_over[index] = engine.is_game_over
            columns.kind[index] = STEP
            if engine.needs_reset:
                is_plain = False
                if engine.ends_game:
                    columns.episode_return[index] = engine.episode_return
                    columns.episode_length[index] = engine.episode_length
                    columns.episode_seconds[index] = round(engine.episode_seconds, 6)
                    columns.kind[index] = GAME_END if self._has_statistics else STEP
                if self._mode == AutoresetMode.SAME_STEP:
                    if self._keeps_finals:
                        info = engine.tell_step(self._has_statistics)
                        finals.append(Final(self._first + index, engine.observe(), info))
                    self._begin(index, None, slot)
                    continue
            self._write_frames(index, columns)
            if not self._steps_into:
                engine.observe(self._rows[slot][index])
        return is_plain, finals

    def reset(self, slot: int, seeds: Mapping[int, int | None]) -> None:
        """Begin an episode of some environments.

        Args:
            slot (int): where their results go, and the observations of the others.
            seeds (Mapping[int, int | None]): the seeds of those that are reset, by their indices in the crew.
        """
        for index, engine in enumerate(self._engines):
            if index in seeds:
                self._begin(index, seeds[index], slot)
            else:
                engine.observe(self._rows[slot][index])

    def save(self) -> list[MemberState]:
        """Return all that the steps and resets to come depend on."""
        return [
            MemberState(engine.clone_state(), seed) for engine, seed in zip(self._engines, self._seeds, strict=True)
        ]

    def load(self, slot: int, states: Sequence[MemberState]) -> None:
        """Go on from what `save` returned, and write the observations to a slot."""
        for index, state in enumerate(states):
            engine = self._engines[index]
            engine.restore_state(state.engine)
            self._seeds[index] = state.seed
            if state.engine.planes is not None:
                engine.observe(self._rows[slot][index])

    def render(self) -> list[npt.NDArray[np.uint8]]:
        """Return the screens: of each environment uint8[H, W, 3]."""
        return [engine.read_rgb() for engine in self._engines]

    def refuse(self, error: BaseException) -> NoReturn:
        """Raise an exception that a request deserved, when it is that request's turn."""
        raise error

    def _begin(self, index: int, seed: int | None, slot: int) -> None:
        engine, columns = self._engines[index], self._columns[slot]
        engine.reset(self._seeds[index] if seed is None else seed)
        self._seeds[index] = None
        columns.noops[index] = engine.noops
        columns.kind[index] = RESET
        self._write_frames(index, columns)
        engine.observe(self._rows[slot][index])

    def _write_frames(self, index: int, columns: Columns) -> None:
        """Write what there is to tell after a step and a reset."""
        engine = self._engines[index]
        columns.lives[index] = engine.lives
        columns.needs_reset[index] = engine.needs_reset
        columns.episode_frame_number[index] = number = engine.episode_frame_number
        columns.frame_number[index] = engine.frames_before + number
