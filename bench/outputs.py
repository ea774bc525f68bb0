"""Where a command about several variants writes what it finds: a table at once, the rest together, or a file each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from .errors import InputError


class About(Protocol):
    """Something found about one variant of a model."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def variant(self) -> str:
        """The variant's name."""


Found = TypeVar("Found", bound=About)
Render = Callable[[Sequence[Found]], str]


def make_folder(folder: Path) -> None:
    """Make the folder of ``--out``. Raises InputError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made a folder: {error.strerror}") from error


def show_at_once(found: Found, render: Render[Found], form: str, out: Path | None, suffix: str) -> None:
    """Write a table, or with ``out`` a file of its own, as soon as something is found."""
    if out is not None:
        name = re.sub(r"[^\w.+-]+", "_", f"{found.model}-{found.variant}")
        path = out / f"{name}{suffix}"
        path.write_text(render([found]), encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    elif form == "table":
        sys.stdout.write(render([found]) + "\n")


def show_together(found: Sequence[Found], render: Render[Found], form: str, out: Path | None) -> None:
    """Write what no table and no file of its own has shown."""
    if out is None and form != "table" and found:
        sys.stdout.write(render(found))
