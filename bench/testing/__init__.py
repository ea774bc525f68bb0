"""What tests need: the type of the ``edgebench`` fixture, and the category of its warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .measured import Measure, Measured

__all__ = ["Measure", "Measured", "UndecidedWarning"]


class UndecidedWarning(UserWarning):
    """A limit that the measurement could neither show to be kept nor to be broken."""


def __getattr__(name: str) -> object:
    """Import the heavier names on first use: this package is imported by every pytest run."""
    if name in ("Measure", "Measured"):
        from . import measured

        return getattr(measured, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
