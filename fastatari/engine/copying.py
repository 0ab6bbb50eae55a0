"""`Copier`: copies environments of a `CompiledEngine` out of its arrays, and back into them."""

import ctypes
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.console.saved import check_state, clone_state, identify, restore_state
from fastatari.engine.arrays import Arrays
from fastatari.engine.clones import BEGIN, SIZE, Clone, Contents, Sizes, from_bytes
from fastatari.engine.results import FLAGS
from fastatari.engine.seeding import Generators
from fastatari.engine.state import NEXT_STEP, TWO_SCREENS
from fastatari.engine.threads import Threads

_HAS_FINAL = FLAGS.index("has_final")
_PAIR = range(2)


class Copier:
    """Copies the environments of an engine.

    Args:
        arrays (Arrays): their memory.
        generators (Generators): what they draw from.
        threads (Threads): knows which are pending.
        begin_times (float64[n]): when their games began, by `time.perf_counter`.
    """

    def __init__(
        self, arrays: Arrays, generators: Generators, threads: Threads, begin_times: npt.NDArray[np.float64]
    ) -> None:
        self._arrays, self._generators, self._threads, self._begin_times = arrays, generators, threads, begin_times
        consoles: Any = arrays.consoles
        self._identity = identify(consoles.rom.md5, consoles[0])
        # A clone of the same owner is what this very environment was.
        self._owners = [object() for _ in arrays.environments]
        self._blocks = [block.data for block in arrays.blocks]
        self._consoles = [block.data for block in consoles.blocks]
        setup = arrays.setup
        has_finals = len(arrays.final_obs) > 0
        self._sizes = Sizes(
            planes=setup.plane_size * setup.stack_num,
            stack_num=setup.stack_num,
            picture=consoles[0].height * consoles.screens.shape[-1],
            has_pair=setup.plane_kind == TWO_SCREENS,
            final=setup.obs_size if has_finals else 0,
        )
        self._columns = [
            getattr(results, name)
            for results in (arrays.results, arrays.finals)
            for name in ("floats", "integers", "flags")
        ]

    def clone(self, i: int) -> Clone:
        """Return a copy of an environment of which no step is being played."""
        arrays = self._arrays
        e, bits = arrays.environments[i], self._generators[i].bit_generator
        pictures = [b"", b""]
        if self._sizes.has_pair and e.has_begun:
            for k in _PAIR:
                if not e.pair_has_start[k]:
                    pictures[k] = ctypes.string_at(e.pair_screens[k], self._sizes.picture)
        final = b"", b""
        if arrays.results.flags[_HAS_FINAL, i]:
            final = arrays.final_obs[i].tobytes(), arrays.final_ram[i].tobytes()
        contents = Contents(
            self._blocks[i][BEGIN:SIZE].tobytes(),
            clone_state(self._consoles[i], arrays.consoles[i], self._identity, True, self._owners[i]),
            arrays.planes[i].copy(),
            (pictures[0], pictures[1]),
            (type(bits), dict(bits.state)),
            tuple(column[:, i].copy() for column in self._columns),
            final,
            self._threads.is_pending.item(i),
            arrays.needs_reset.item(i),
        )
        return Clone.of(contents, self._owners[i])

    def check(self, i: int, clone: Any) -> Contents:
        """Return what a copy holds, if it is of an environment of the same game and rules.

        Raises:
            TypeError: `clone` is not a `Clone`.
            ValueError: the copy is damaged, or of another game.
        """
        if not isinstance(clone, Clone):
            raise TypeError(f"`clone` must be a clone of an environment, got {type(clone).__name__}")
        contents = clone.contents
        if contents is None or clone.owner is not self._owners[i]:
            c = self._arrays.consoles[i]
            contents = from_bytes(clone.serialize(), self._sizes, c)
            check_state(c, contents.console, self._identity)
        return contents

    def restore(self, i: int, contents: Contents) -> None:
        """Bring an environment, which is not pending, to what `check` returned."""
        arrays = self._arrays
        arrays.needs_reset[i] = True  # until all is done
        own = self._generators[i].bit_generator  # first: those that were not needed yet are seeded now, all of them
        restore_state(self._consoles[i], arrays.consoles[i], contents.console, self._identity, self._owners[i])
        self._blocks[i][BEGIN:SIZE] = contents.block
        e = arrays.environments[i]
        e.is_exact = 0
        arrays.planes[i] = contents.planes
        for k in _PAIR:
            if contents.pictures[k]:
                ctypes.memmove(e.pair_screens[k], contents.pictures[k], self._sizes.picture)
            elif not e.pair_has_start[k]:  # it never had one
                ctypes.memset(e.pair_screens[k], 0, self._sizes.picture)
        kind, state = contents.generator
        if type(own) is not kind:
            self._generators.connect(i, np.random.Generator(kind()))
        self._generators[i].bit_generator.state = state
        for column, part in zip(self._columns, contents.results, strict=True):
            column[:, i] = part
        if contents.final[0]:
            final_obs = np.frombuffer(contents.final[0], np.uint8)
            arrays.final_obs[i] = final_obs.reshape(arrays.final_obs.shape[1:])
            arrays.final_ram[i] = np.frombuffer(contents.final[1], np.uint8)
        self._begin_times[i] = time.perf_counter() - float(arrays.results.row("episode_seconds")[i])
        if contents.is_pending:
            self._threads.add_done(i)
        # It may have been of an engine where the next step resets, or the same one did.
        is_over = e.has_begun and not e.is_playing and arrays.setup.autoreset != NEXT_STEP
        arrays.needs_reset[i] = contents.needs_reset or is_over
