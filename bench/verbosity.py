"""How much a command says on stderr beside its result: the flags that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .progress import Progress


def add_verbosity(to: argparse._ActionsContainer) -> None:
    """Add ``--quiet``, ``--verbose`` and ``--debug`` to a parser or a group of one."""
    talk = to.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    talk.add_argument(
        "-v", "--verbose", action="store_true", help="say each step on stderr, and where defaults come from"
    )
    to.add_argument("--debug", action="store_true", help="show the trace of an error")


def make_progress(options: argparse.Namespace) -> Progress:
    """Return what shows progress as the flags of :func:`add_verbosity` say; nothing is shown beside ``--json``."""
    from .progress import Progress

    if options.quiet or (getattr(options, "json", False) and not options.verbose):
        return Progress()
    from .console import ConsoleProgress

    return ConsoleProgress(verbose=options.verbose)
