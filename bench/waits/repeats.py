"""How often a wait is measured, and what would take too long or too much memory."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.comparison import MIN_BLOCKS
from ..outcome import Outcome
from .context import WaitContext

#: Blocks beyond the third must fit into this time a case, the first three into the longer one. One there always is.
BUDGET_NS = 15_000_000_000
LONG_BUDGET_NS = 60_000_000_000
#: A run that would take longer is not worth waiting for, unless it is what was measured before.
LONGEST_RUN_NS = 10_000_000_000


def blocks(context: WaitContext) -> Iterator[int]:
    """Yield numbers of blocks: the least number that timing has, or as many as the time allows.

    No block begins that would end, were it as slow as the slowest so far, after its budget.
    """
    begin_ns = last_ns = context.launcher.clock_ns()
    slowest_ns = 0
    for block in range(context.settings.min_blocks):
        budget_ns = LONG_BUDGET_NS if block < MIN_BLOCKS else BUDGET_NS
        if block and last_ns - begin_ns + slowest_ns > budget_ns:
            return
        yield block
        now_ns = context.launcher.clock_ns()
        slowest_ns, last_ns = max(slowest_ns, now_ns - last_ns), now_ns


def own_batch(outcome: Outcome) -> int | None:
    """Return the items a run of the model as it is: the first dimension of all outputs and of an input, or None."""
    sizes = {tensor.shape[0] if tensor.shape else None for tensor in outcome.result.outputs}
    firsts = {tensor.shape[0] for tensor in outcome.result.inputs if tensor.shape}
    own = sizes.pop() if len(sizes) == 1 else None
    return own if own in firsts else None
