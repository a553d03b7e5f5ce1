"""Every error vbte raises on purpose, in one tree.

    VbteError                exit code
    |- UsageError            2   the call itself is wrong
    |- InputError            3   a file or object was rejected
    |- InfeasibleError       4   demands and limits clash
    |- GuardrailError        5   a plan exists but must not be published
    |- SolverError           6   the solver gave no usable answer
    |  `- LostWorkError      6   no worker lived to finish a job
    `- LockedError           75  somebody else is at it, try later

A message says where, what is wrong, and what would be right:
``demands.csv:17: demand ams -> par has volume -3 Gbit/s; a volume is 0 or more``.
"""

from __future__ import annotations


class VbteError(Exception):
    """Base of all vbte errors; ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(VbteError):
    """The call itself is wrong: an unknown option, a missing argument."""

    exit_code = 2


class InputError(VbteError):
    """Input was rejected.

    ``place`` names the file and the line or key (``topology.yaml:12``, ``model.stages[0]``),
    ``fault`` what is wrong, ``remedy`` what would be right.
    """

    exit_code = 3

    def __init__(self, fault: str, *, place: str = "", remedy: str = "") -> None:
        self.fault = fault
        self.place = place
        self.remedy = remedy
        super().__init__(f"{place + ': ' if place else ''}{fault}{'; ' + remedy if remedy else ''}")

    def at(self, place: str) -> InputError:
        """Return the same error at a more exact place, for callers that know the file."""
        return InputError(self.fault, place=place, remedy=self.remedy)


class InfeasibleError(VbteError):
    """No allocation satisfies the policy; ``clashes`` names the demands and limits that collide."""

    exit_code = 4

    def __init__(self, message: str, *, clashes: tuple[str, ...] = ()) -> None:
        self.clashes = clashes
        super().__init__("\n  ".join((message, *clashes)))


class GuardrailError(VbteError):
    """A plan was computed but a check forbids publishing it."""

    exit_code = 5


class SolverError(VbteError):
    """The solver gave no usable answer (not installed, crashed, or stopped with nothing in hand)."""

    exit_code = 6


class LostWorkError(SolverError):
    """The worker processes that a job was given to died, each time it was tried."""


class LockedError(VbteError):
    """The output is locked by another run."""

    exit_code = 75


class InputWarning(UserWarning):
    """Input was accepted with a change the user should know of (a self-demand dropped, a default assumed)."""
