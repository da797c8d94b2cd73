"""What a benchmark comes to: one row of the table, and of `results.json`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One measured promise.

    :param name: what was measured.
    :param value: the number, or None where it could not be measured.
    :param unit: of the number; why there is none, where there is none.
    :param bound: the promise, such as `<= 1.2`; None where the number is for information.
    :param holds: whether the promise is kept.
    """

    name: str
    value: float | None
    unit: str
    bound: str | None
    holds: bool


def at_most(name: str, value: float, bound: float, unit: str = "ratio") -> Result:
    """Return the row of a number that must not be greater."""
    return Result(name, round(value, 3), unit, f"<= {bound:g}", value <= bound)


def at_least(name: str, value: float, bound: float, unit: str = "ratio") -> Result:
    """Return the row of a number that must not be smaller."""
    return Result(name, round(value, 3), unit, f">= {bound:g}", value >= bound)


def told(name: str, value: float, unit: str) -> Result:
    """Return the row of a number that nothing is promised of."""
    return Result(name, round(value, 3), unit, None, True)


def missing(name: str, reason: str, bound: str | None = None) -> Result:
    """Return the row of a number that could not be measured."""
    return Result(name, None, reason, bound, False)
