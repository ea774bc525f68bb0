"""Profiles a run's cases, each in a worker of its own; one that cannot be profiled has the reason, and goes on."""

from __future__ import annotations

from .errors import InputError, WorkerError
from .launch import Launcher
from .outcome import Outcome
from .profile import profile_case


class OperatorMeter:
    """Measures where each case's time goes, with inputs generated from ``seed``."""

    def __init__(self, launcher: Launcher, seed: int) -> None:
        self._launcher = launcher
        self._seed = seed

    def measure(self, outcome: Outcome) -> None:
        """Put the profile into a case's result. What fails here leaves the case's other figures as they are."""
        try:
            outcome.update(operators=profile_case(outcome.case, self._launcher, self._seed))
        except (WorkerError, InputError) as reason:
            outcome.lacks("operators", str(reason))
