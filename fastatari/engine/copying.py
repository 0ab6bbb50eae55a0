"""`Copier`: copies environments of a `CompiledEngine` out of its arrays, and back into them."""

import ctypes
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.console.saved import check_state, clone_state, identify, restore_state
from fastatari.engine.arrays import Arrays
from fastatari.engine.clones import BEGIN, PAIR_HAS_START, SIZE, Clone, Contents, Sizes, from_bytes
from fastatari.engine.results import FLAGS, FLOATS
from fastatari.engine.seeding import Generators
from fastatari.engine.state import NEXT_STEP, TWO_SCREENS
from fastatari.engine.threads import Threads

_SECONDS, _HAS_FINAL = FLOATS.index("episode_seconds"), FLAGS.index("has_final")
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
        self._planes = [planes.reshape(-1).data for planes in arrays.planes]

    def clone(self, i: int) -> Clone:
        """Return a copy of an environment of which no step is being played."""
        arrays = self._arrays
        bits, block = self._generators[i].bit_generator, self._blocks[i][BEGIN:SIZE].tobytes()
        pictures = b"", b""
        if self._sizes.has_pair and block[PAIR_HAS_START : PAIR_HAS_START + 2] != b"\1\1":
            pictures = self._copy_pictures(arrays.environments[i])
        numbers, flags = arrays.numbers[:, i].tobytes(), arrays.flags[:, i].tobytes()
        final = b"", b""
        if flags[_HAS_FINAL]:
            final = arrays.final_obs[i].tobytes(), arrays.final_ram[i].tobytes()
        contents = Contents(
            block,
            clone_state(self._consoles[i], arrays.consoles[i], self._identity, True, self._owners[i]),
            self._planes[i].tobytes(),
            pictures,
            (type(bits), bits.state),
            numbers,
            flags,
            final,
            self._threads.is_pending.item(i),
            arrays.needs_reset.item(i),
        )
        return Clone.of(contents, self._owners[i])

    def _copy_pictures(self, e: Any) -> tuple[bytes, bytes]:
        """Return the pictures of the pair, where they are not made from the machine."""
        pictures = [b"", b""]
        for k in _PAIR:
            if e.has_begun and not e.pair_has_start[k]:
                pictures[k] = ctypes.string_at(e.pair_screens[k], self._sizes.picture)
        return pictures[0], pictures[1]

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
        self._planes[i][:] = contents.planes
        if contents.block[PAIR_HAS_START : PAIR_HAS_START + 2] != b"\1\1":
            for k in _PAIR:
                if contents.pictures[k]:
                    ctypes.memmove(e.pair_screens[k], contents.pictures[k], self._sizes.picture)
                elif not e.pair_has_start[k]:  # it never had one
                    ctypes.memset(e.pair_screens[k], 0, self._sizes.picture)
        kind, state = contents.generator
        if type(own) is not kind:
            self._generators.connect(i, np.random.Generator(kind()))
        self._generators[i].bit_generator.state = state
        arrays.numbers[:, i] = np.frombuffer(contents.numbers, np.int64)
        arrays.flags[:, i] = np.frombuffer(contents.flags, np.bool_)
        if contents.final[0]:
            final_obs = np.frombuffer(contents.final[0], np.uint8)
            arrays.final_obs[i] = final_obs.reshape(arrays.final_obs.shape[1:])
            arrays.final_ram[i] = np.frombuffer(contents.final[1], np.uint8)
        self._begin_times[i] = time.perf_counter() - arrays.results.floats.item(_SECONDS, i)
        if contents.is_pending:
            self._threads.add_done(i)
        # It may have been of an engine where the next step resets, or the same one did.
        is_over = e.has_begun and not e.is_playing and arrays.setup.autoreset != NEXT_STEP
        arrays.needs_reset[i] = contents.needs_reset or is_over
