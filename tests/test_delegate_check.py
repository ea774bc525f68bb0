from __future__ import annotations

import pytest
from edgebench.delegate_check import check_delegate
from edgebench.errors import RuntimeRefused
from edgebench.records import Coverage, Delegate, DelegateKind, Delegation

NAMED = (DelegateKind.XNNPACK, DelegateKind.GPU, DelegateKind.NNAPI, DelegateKind.EXTERNAL)


def code_of(kind: DelegateKind, coverage: Coverage, *, require_full: bool) -> str | None:
    delegation = Delegation(coverage, 5, 3, 1, {"CONV_2D": 2}, {"total_nodes": "CompiledModel names no nodes"})
    try:
        check_delegate(Delegate(kind), delegation, require_full=require_full)
    except RuntimeRefused as refusal:
        return refusal.code if kind.value in str(refusal) and "\n" not in str(refusal) else f"unclear: {refusal}"
    return None


@pytest.mark.parametrize("kind", NAMED)
def test_a_named_delegate(kind: DelegateKind) -> None:
    lenient = {coverage: code_of(kind, coverage, require_full=False) for coverage in Coverage}
    strict = {coverage: code_of(kind, coverage, require_full=True) for coverage in Coverage}
    assert lenient == {**dict.fromkeys(Coverage), Coverage.NOTHING: "delegate-idle"}
    assert strict == {
        Coverage.FULL: None,
        Coverage.PARTIAL: "delegate-partial",
        Coverage.NOTHING: "delegate-idle",
        Coverage.UNKNOWN: "delegate-unknown",
    }


@pytest.mark.parametrize("kind", sorted(set(DelegateKind) - set(NAMED)))
@pytest.mark.parametrize("coverage", list(Coverage))
def test_default_and_none_are_never_refused(kind: DelegateKind, coverage: Coverage) -> None:
    assert code_of(kind, coverage, require_full=True) is None


def test_the_reason_for_not_knowing_is_told() -> None:
    unknown = Delegation(Coverage.UNKNOWN, unavailable={"total_nodes": "CompiledModel names no nodes"})
    with pytest.raises(RuntimeRefused, match="not known \\(CompiledModel names no nodes\\)"):
        check_delegate(Delegate(DelegateKind.XNNPACK), unknown, require_full=True)
