"""What is known of one candidate once it was tried."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from edgebench.records import Accuracy, Comparison

from ..check import CheckResult


@dataclass(frozen=True)
class Measured:
    """Figures of one file: accuracy on the validation images, ``agreement`` the share of them on which it gives
    float32's answer, latency, and ``comparison`` with float32 measured in turns (None for float32 itself)."""

    accuracy: Accuracy
    p50_ns: float | None
    comparison: Comparison | None = None
    agreement: float | None = None
    check: CheckResult | None = None


@dataclass(frozen=True)
class Result:
    """A candidate that was tried. ``problem`` says why there are no figures. ``content`` is the SHA-256 of what the
    tool made, before names were embedded: two candidates with one content are the same model."""

    name: str
    problem: str | None = None
    content: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    measured: Measured | None = None
    layers: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def accuracy(self) -> Accuracy | None:
        """Accuracy on the validation images."""
        return self.measured.accuracy if self.measured else None


def to_json(result: Any) -> Any:
    """A result as plain JSON values."""
    return dataclasses.asdict(result)


def from_json(value: Any, kind: type[Any]) -> Any:
    """What ``to_json`` wrote, None where it does not fit: another version of this program wrote it."""
    import cattrs

    try:
        return cattrs.structure(value, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError, KeyError):
        return None
