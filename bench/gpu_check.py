"""What must be known of a GPU case before its times mean anything: which GPU it was, and that it computes the same."""

from __future__ import annotations

from .errors import MemoryExceeded, ProtocolError, RuntimeRefused, WorkerError, WorkerTimeout
from .findings import Code, Finding, Severity
from .launch import Launcher
from .outcome import Outcome
from .parity import compare_outputs, parity_finding
from .records import Adapter, DelegateKind, Parity
from .session import Session

#: What a GPU's outputs are compared with.
REFERENCE = "the CPU"


def check_gpu(outcome: Outcome, session: Session, launcher: Launcher, seed: int) -> None:
    """Put adapter, parity and what they say against the case into its result; nothing for other delegates.

    ``session`` has the model loaded and has run it on the inputs of ``seed``. What cannot be learnt is put under
    ``unchecked``.

    Raises:
        WorkerError: the worker died over the question.
    """
    if outcome.case.delegate.kind is not DelegateKind.GPU:
        return
    unchecked: dict[str, str] = {}
    found: list[Finding | None] = []
    try:
        adapter = session.adapter()
        outcome.update(adapter=adapter)
        found.append(_software_finding(adapter))
    except RuntimeRefused as refusal:
        unchecked[Code.SOFTWARE_GPU.value] = str(refusal)
    try:
        parity = _parity(outcome, session, launcher, seed)
        outcome.update(parity=parity)
        found.append(parity_finding(parity))
    except _Unlearnt as reason:
        unchecked[Code.OUTPUTS_DIFFER.value] = str(reason)
    known = tuple(finding for finding in found if finding is not None)
    outcome.update(findings=(*outcome.result.findings, *known), unchecked={**outcome.result.unchecked, **unchecked})


class _Unlearnt(Exception):
    """Why outputs were not compared; never leaves this module."""


def _parity(outcome: Outcome, session: Session, launcher: Launcher, seed: int) -> Parity:
    """Compare the case's outputs with those of the CPU, in a process of its own. Raises _Unlearnt with the reason."""
    try:
        outputs = session.outputs()
    except RuntimeRefused as refusal:
        raise _Unlearnt(f"its outputs cannot be read: {refusal}") from refusal
    try:
        with launcher.open(outcome.case) as reference:
            reference.hello(outcome.case.runtime)
            launcher.load_reference(outcome.case, reference)
            reference.first(seed)
            return compare_outputs(outputs, reference.outputs(), REFERENCE)
    except ProtocolError:
        raise
    except (MemoryExceeded, WorkerTimeout) as error:
        raise _Unlearnt(f"the comparison with the CPU came to no end: {error}") from error
    except WorkerError as error:
        raise _Unlearnt(f"the CPU does not run this model: {error}") from error


def _software_finding(adapter: Adapter) -> Finding | None:
    if not adapter.software:
        return None
    name = adapter.name.split(" (")[0]
    reason = f"the GPU is {name}, a program on the CPU: its times tell nothing about a GPU"
    return Finding(Code.SOFTWARE_GPU, Severity.SUSPECT, reason, "measure where there is a GPU and its Vulkan driver")
