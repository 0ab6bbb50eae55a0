"""`Loans`: the observations of a slot of shared memory, handed out without a copy."""

import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.shared import Slot


class Loans:
    """Which slots are in a caller's hands.

    An observation is handed out as an array over the slot itself, and the slot gets no new results while that array, or
    any view of it, is referred to. So it is as good as a copy, which would cost 0.5 to 3 % of a step. When a caller
    keeps so many that only one slot is left, it gets copies.

    Args:
        memory: the shared memory, a buffer.
        slots (list[Slot]): its slots.
    """

    def __init__(self, memory: Any, slots: list[Slot]) -> None:
        self._memory, self._slots = memory, slots
        self._loans: list[weakref.ref[npt.NDArray[Any]] | None] = [None] * len(slots)

    def find_free(self, but: int | None = None) -> int | None:
        """Return a slot that nobody has, if there is one besides that given."""
        for number, loan in enumerate(self._loans):
            if number != but and (loan is None or loan() is None):
                return number
        return None

    def lend(self, number: int) -> npt.NDArray[Any]:
        """Return the observations of a free slot, the caller's for as long as it likes."""
        observations = self._slots[number].observations
        if self.find_free(but=number) is None:
            return observations.copy()
        # All views of it, and of these, refer to it, because it is not a view of another array.
        loan = np.ndarray(observations.shape, observations.dtype, self._memory, self._slots[number].begin)
        self._loans[number] = weakref.ref(loan)
        return loan
