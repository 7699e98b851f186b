"""A state of a few arrays, whose names and shapes stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._state import Arrays, check_saved


class Saved:
    """What critics have in common: their arrays can be saved, and brought back."""

    def arrays(self) -> Arrays:
        """The arrays of the state by their names, which are live: ``np.savez(path, **arrays())``.

        Returns
        -------
        dict
        """
        return self._arrays()

    def load_arrays(self, saved: Mapping[str, Any]) -> None:
        """Go on from saved arrays, such as those of ``np.load(path)``.

        Parameters
        ----------
        saved : mapping
            Arrays of the names, shapes and dtypes of `arrays`.

        Raises
        ------
        TypeError, ValueError
            An array that is missing, unknown, of another shape or dtype, or not finite. Then
            nothing has changed.
        """
        checked = check_saved(saved, self.arrays())
        for name, live in self.arrays().items():
            live[...] = checked[name]

    def _arrays(self) -> Arrays:
        raise NotImplementedError
