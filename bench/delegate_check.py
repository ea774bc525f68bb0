"""Whether a delegate did what it was asked for: figures must never be another delegate's without a word."""

from __future__ import annotations

from .analysis.verdict import EXPLICIT, left_to_cpu
from .errors import RuntimeRefused
from .records import Coverage, Delegate, Delegation


def check_delegate(delegate: Delegate, delegation: Delegation | None, *, require_full: bool) -> None:
    """Refuse a case whose delegate took nothing or, with ``require_full``, not everything.

    Only a delegate that was named is held to that. ``default`` is whatever the runtime does by itself and ``none`` is
    the CPU's kernels: neither can leave anything out, so ``require_full`` does not apply to them.

    Raises:
        RuntimeRefused: ``delegate-idle`` where it took no node, ``delegate-partial`` where it left operators to the
            CPU, ``delegate-unknown`` where everything is required and the engine cannot tell.
    """
    if delegate.kind not in EXPLICIT or delegation is None:
        return
    name = delegate.kind.value
    if delegation.coverage is Coverage.NOTHING:
        nodes = "nodes" if delegation.total_nodes is None else f"{delegation.total_nodes} nodes"
        raise RuntimeRefused(f"delegate {name} took none of the {nodes}", "delegate-idle")
    if not require_full:
        return
    if delegation.coverage is Coverage.PARTIAL:
        counts = delegation.delegated_nodes, delegation.total_nodes
        taken = "a part of the nodes" if None in counts else f"{counts[0]} of {counts[1]} nodes"
        raise RuntimeRefused(
            f"delegate {name} took {taken} and left "
            f"{left_to_cpu(delegation)} to the CPU; leave --require-full out to measure it so",
            "delegate-partial",
        )
    if delegation.coverage is Coverage.UNKNOWN:
        why = next(iter(delegation.unavailable.values()), "the runtime does not tell")
        raise RuntimeRefused(
            f"whether delegate {name} took all nodes is not known ({why}); "
            "leave --require-full out, or use --engine interpreter",
            "delegate-unknown",
        )
