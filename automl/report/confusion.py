"""The confusion matrix as readers use it: cells with their shares, and the pairs that are confused most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the matrix."""

    n: int
    share: float  # of the images of the true class, 0..1; 0 where it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Images of one class that were taken for another."""

    truth: str
    predicted: str
    n: int
    share: float  # of the images of the true class


def cells(confusion: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """Rows by true class, columns by predicted class."""
    return [[Cell(n=n, share=n / max(1, sum(row))) for n in row] for row in confusion]


def most_confused(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Pair]:
    """All pairs, those with the most images first; of equal ones the larger share, then the classes' order."""
    pairs = [
        Pair(truth=classes[truth], predicted=classes[predicted], n=cell.n, share=cell.share)
        for truth, row in enumerate(cells(confusion))
        for predicted, cell in enumerate(row)
        if cell.n and truth != predicted
    ]
    return sorted(pairs, key=lambda pair: (-pair.n, -pair.share))
