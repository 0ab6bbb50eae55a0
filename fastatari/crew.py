"""`Crew`: several games of a worker, whose steps and resets go into shared memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.emulator import ConsoleName
from fastatari.engine import Engine, EngineState
from fastatari.frames import NOWHERE
from fastatari.rules import AtariRules
from fastatari.shared import GAME_END, RECORD, RESET, ROW, STEP, Slot


class CrewRules(NamedTuple):
    """What all crews of a pool have in common: plain data, which can be pickled.

    Attributes:
        game (str): the ROM's id.
        rules (AtariRules): the rules of each environment.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        console ("fastatari" | "ale"): as for `Console`.
        has_statistics (bool): whether the numbers of a game are told at its end.
        keeps_finals (bool): whether what SAME_STEP resets replace is told, too.
    """

    game: str
    rules: AtariRules
    autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP
    console: ConsoleName = "fastatari"
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
            self._engines.append(Engine(crew_rules.game, crew_rules.rules, console=crew_rules.console, sibling=sibling))
            report(len(self._engines))
        self._steps_into = self._engines[0].can_step_into
        own = slice(first, first + len(self._engines))
        self._slots = [_CrewSlot.of(slot, own) for slot in slots]

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
        rows, records, _, actions, pixels = self._slots[slot]
        out, size = pixels if self._steps_into else NOWHERE, rows[0].size
        for index in indices:
            engine = self._engines[index]
            if not engine.is_playing and self._mode != AutoresetMode.DISABLED:
                self._begin(index, None, slot, 0.0, False, False)
                is_plain = False
                continue
            reward, terminated, truncated = engine.step(actions[index], out, index * size)
            if not self._steps_into:
                engine.observe(rows[index])
            number = engine.episode_frame_number
            ROW.pack_into(
                records,
                index * RECORD.itemsize,
                reward,
                engine.raw_reward,
                engine.lives,
                number,
                engine.frames_before + number,
                terminated,
                truncated,
                engine.has_lost_life,
                engine.is_game_over,
                not engine.is_playing,
                STEP,
            )
            if not engine.is_playing:
                is_plain = False
                self._end(index, slot)
                if self._mode == AutoresetMode.SAME_STEP:
                    if self._keeps_finals:
                        info = engine.tell_step(self._has_statistics)
                        finals.append(Final(self._first + index, rows[index].copy(), info))
                    self._begin(index, None, slot, reward, terminated, truncated)
        return is_plain, finals

    def reset(self, slot: int, seeds: Mapping[int, int | None]) -> None:
        """Begin an episode of some environments.

        Args:
            slot (int): where their results go, and the observations of the others.
            seeds (Mapping[int, int | None]): the seeds of those that are reset, by their indices in the crew.
        """
        for index, engine in enumerate(self._engines):
            if index in seeds:
                self._begin(index, seeds[index], slot, 0.0, False, False)
            elif engine.has_begun:
                engine.observe(self._slots[slot].rows[index])

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
            if engine.has_begun:
                engine.observe(self._slots[slot].rows[index])

    def render(self) -> list[npt.NDArray[np.uint8]]:
        """Return the screens: of each environment uint8[H, W, 3], black if it never began."""
        shape = *self._engines[0].console.screen_shape, 3
        return [engine.read_rgb() if engine.has_begun else np.zeros(shape, np.uint8) for engine in self._engines]

    def refuse(self, error: BaseException) -> NoReturn:
        """Raise an exception that a request deserved, when it is that request's turn."""
        raise error

    def _begin(self, index: int, seed: int | None, slot: int, reward: float, terminated: bool, truncated: bool) -> None:
        """Reset an environment, and write what came of it, and of its last step if that is to be told, too."""
        engine = self._engines[index]
        engine.reset(self._seeds[index] if seed is None else seed)
        self._seeds[index] = None
        number = engine.episode_frame_number
        frames = engine.lives, number, engine.frames_before + number
        rows, records, table, *_ = self._slots[slot]
        ROW.pack_into(
            records, index * RECORD.itemsize, reward, 0.0, *frames, terminated, truncated, False, False, False, RESET
        )
        table["noops"][index] = engine.noops
        engine.observe(rows[index])

    def _end(self, index: int, slot: int) -> None:
        """Write what there is to tell after the last step of an episode."""
        engine, table = self._engines[index], self._slots[slot].table
        if engine.ends_game:
            table["episode_return"][index] = engine.episode_return
            table["episode_length"][index] = engine.episode_length
            table["episode_seconds"][index] = round(engine.episode_seconds, 6)
            if self._has_statistics:
                table["kind"][index] = GAME_END


class _CrewSlot(NamedTuple):
    """A crew's part of a slot.

    Attributes:
        rows (list[uint8[shape] or float32[shape]]): of each environment the observation. A list, because numpy would
            make a new array for each.
        records (memoryview): the records, as bytes.
        table (RECORD[n]): the same.
        actions (memoryview): the actions.
        pixels (uint8[m] or float32[m]): all observations as one array.
    """

    rows: list[npt.NDArray[Any]]
    records: Any
    table: npt.NDArray[Any]
    actions: Any
    pixels: npt.NDArray[Any]

    @classmethod
    def of(cls, slot: Slot, own: slice) -> "_CrewSlot":
        """Return the rows `own` of a slot."""
        observations, table = slot.observations[own], slot.records[own]
        records, actions = table.view(np.uint8).data, slot.actions[own].data
        return cls(list(observations), records, table, actions, observations.reshape(-1))
