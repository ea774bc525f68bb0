"""From starting a process to its first answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.waits import cut_short, whole_of
from ..errors import WaitUnavailable
from ..outcome import Outcome
from .context import WaitContext
from .turns import turns

PARTS = ("process start", "numpy import", "runtime import", "load", "first answer")
#: One more than a median needs. A process takes half a second on a desktop and some on a small board.
PROCESSES = 12
LIMIT_NS = 60_000_000_000


def measure_cold_start(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``cold_start``, over fresh processes one after the other."""
    starts = [_start_once(context, outcome) for _ in turns(context.launcher.clock_ns, PROCESSES, LIMIT_NS)]
    whole = whole_of(PARTS, [np.array(starts, np.int64)])
    if whole is None:
        raise WaitUnavailable("no process was started")
    limit = f"more processes would take over {LIMIT_NS / 1e9:g} s"
    return {"cold_start": replace(whole, total=cut_short(whole.total, limit))}


def _start_once(context: WaitContext, outcome: Outcome) -> tuple[int, ...]:
    """Return the parts in ns. What the worker's own modules and questions take is in none of them."""
    case, launcher = outcome.case, context.launcher
    before_ns = launcher.clock_ns()
    with launcher.open(case) as session:
        ready = session.ready()
        process_ns = launcher.clock_ns() - before_ns - ready.numpy_ns - ready.own_ns
        import_ns = session.hello(case.runtime).import_ns
        loaded = launcher.load(case, session)
        answer_ns = session.first_answer(context.settings.seed)
        return max(0, process_ns), ready.numpy_ns, import_ns + loaded.import_ns, loaded.load_ns, answer_ns
