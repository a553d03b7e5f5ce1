"""The fewest rounds in which jobs can be done, where only some of them go together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Jobs up to which the fewest rounds are found for certain; beyond, each job goes into the first round that takes it.
MOST_EXACT = 8

#: Whether jobs, by position, can be done together.
Fits = Callable[[frozenset[int]], bool]


@dataclass(frozen=True)
class Rounds:
    """Jobs by round, by position, and those that fit nowhere; ``fewest``: no fewer rounds will do."""

    rounds: tuple[tuple[int, ...], ...]
    impossible: tuple[int, ...]
    fewest: bool


def fewest_rounds(n_jobs: int, fits: Fits) -> Rounds:
    """Return jobs grouped into rounds, each of which fits.

    What does not fit is taken not to fit with more jobs either. Up to ``MOST_EXACT`` jobs all groupings are searched,
    fewest rounds first; with more, first fit decides, and only one round, or as many rounds as jobs that pairwise do
    not go together, is known to be the fewest.
    """
    asked: dict[frozenset[int], bool] = {}

    def together(jobs: frozenset[int]) -> bool:
        if jobs not in asked:
            # A part that does not fit rules the whole out, and need not be asked again.
            ruled_out = any(not answer and part <= jobs for part, answer in asked.items())
            asked[jobs] = not ruled_out and fits(jobs)
        return asked[jobs]

    impossible = tuple(job for job in range(n_jobs) if not together(frozenset((job,))))
    jobs = [job for job in range(n_jobs) if job not in impossible]
    first = _first_fit(jobs, together)
    if len(jobs) > MOST_EXACT:
        return Rounds(_listed(first), impossible, len(first) <= max(1, len(_apart(jobs, together))))
    for most in range(1, len(first)):
        found = _within(jobs, most, [], together)
        if found is not None:
            return Rounds(_listed(found), impossible, True)
    return Rounds(_listed(first), impossible, True)


def _first_fit(jobs: list[int], together: Fits) -> list[frozenset[int]]:
    rounds: list[frozenset[int]] = []
    for job in jobs:
        at = next((at for at, round_ in enumerate(rounds) if together(round_ | {job})), None)
        if at is None:
            rounds.append(frozenset((job,)))
        else:
            rounds[at] |= {job}
    return rounds


def _within(jobs: list[int], most: int, rounds: list[frozenset[int]], together: Fits) -> list[frozenset[int]] | None:
    """Return the jobs in at most so many rounds, None where that can't be; the first job goes into each in turn."""
    if not jobs:
        return rounds
    job, later = jobs[0], jobs[1:]
    for at, round_ in enumerate(rounds):
        if together(round_ | {job}):
            found = _within(later, most, [*rounds[:at], round_ | {job}, *rounds[at + 1 :]], together)
            if found is not None:
                return found
    return _within(later, most, [*rounds, frozenset((job,))], together) if len(rounds) < most else None


def _apart(jobs: list[int], together: Fits) -> list[int]:
    """Return jobs of which no two go together, found one after the other."""
    apart: list[int] = []
    for job in jobs:
        if not any(together(frozenset((job, other))) for other in apart):
            apart.append(job)
    return apart


def _listed(rounds: list[frozenset[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sorted(round_)) for round_ in rounds)
