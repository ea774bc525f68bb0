"""How the runner tells of results as they become final, without knowing who keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .outcome import Outcome


class Observer:
    """Hears of everything measured, always while no burst is running. This one keeps nothing."""

    def case_done(self, phase: str, outcome: Outcome) -> None:
        """A case has been through a phase, well or not."""

    def groups_made(self, groups: Sequence[Sequence[Outcome]]) -> None:
        """Timing begins: these cases will take turns."""

    def block_done(self, block: int, spent_ns: int, members: Sequence[Outcome]) -> None:
        """A group's block is finished and its workers have ended; ``spent_ns`` is how long timing has gone on."""

    def timing_done(self, outcomes: Sequence[Outcome]) -> None:
        """Timing is finished and summarised."""


class Observers(Observer):
    """Tells several, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def case_done(self, phase: str, outcome: Outcome) -> None:
        for observer in self._observers:
            observer.case_done(phase, outcome)

    def groups_made(self, groups: Sequence[Sequence[Outcome]]) -> None:
        for observer in self._observers:
            observer.groups_made(groups)

    def block_done(self, block: int, spent_ns: int, members: Sequence[Outcome]) -> None:
        for observer in self._observers:
            observer.block_done(block, spent_ns, members)

    def timing_done(self, outcomes: Sequence[Outcome]) -> None:
        for observer in self._observers:
            observer.timing_done(outcomes)


@dataclass(frozen=True)
class Timed:
    """The timing that a run which goes on has behind it.

    ``groups`` are the ids of the cases that take turns, ``blocks`` how many blocks were finished, one group after the
    other; ``slowest_ns`` is the longest that one block of all groups took.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    blocks: int = 0
    spent_ns: int = 0
    slowest_ns: int = 0
    finished: bool = False
