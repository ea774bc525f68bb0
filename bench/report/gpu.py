"""Which GPU ran a case, and how far its outputs are from the CPU's, one plain line each."""

from __future__ import annotations

from ..records import Adapter, CaseResult, Parity, RunRecord
from .naming import Names
from .sections import cases_named
from .text import clean, count

_KINDS = {"integrated": "integrated GPU", "discrete": "discrete GPU", "virtual": "virtual GPU"}


def gpu_lines(record: RunRecord, names: Names) -> list[str]:
    """Return the lines for the cases that have an adapter or a parity; equal ones share a line."""
    said: dict[str, list[CaseResult]] = {}
    for case in record.cases:
        if case.adapter:
            said.setdefault(adapter_line(case.adapter), []).append(case)
        if case.parity:
            said.setdefault(parity_line(case.parity), []).append(case)
    return [f"{cases_named(names, cases, record.cases)}: {text}" for text, cases in said.items()]


def adapter_line(adapter: Adapter) -> str:
    """Return ``ran on llvmpipe: software, not a GPU``."""
    return f"ran on {adapter_text(adapter)}"


def adapter_text(adapter: Adapter) -> str:
    """Return ``llvmpipe: software, not a GPU, driver llvmpipe Mesa 25.0.7, Vulkan 1.4.305``."""
    about = ["software, not a GPU" if adapter.software else _KINDS.get(adapter.kind, clean(adapter.kind))]
    if adapter.driver:
        about.append(f"driver {clean(adapter.driver)}")
    if adapter.api_version:
        about.append(f"Vulkan {clean(adapter.api_version)}")
    return f"{clean(adapter.name)}: {', '.join(about)}"


def parity_line(parity: Parity) -> str:
    """Return the largest difference of outputs, and what was allowed, in the outputs' own unit."""
    state = "" if parity.agrees else "OUTPUTS DO NOT AGREE: "
    if parity.agrees and parity.max_abs_difference == 0:
        return f"outputs equal those of {clean(parity.against)}"
    lost = f"; {count(parity.not_finite, 'value')} infinite or NaN on one side only" if parity.not_finite else ""
    return (
        f"{state}outputs differ from those of {clean(parity.against)} by at most {parity.max_abs_difference:.2g} "
        f"(allowed {parity.allowed_difference:.2g}, the largest output is {parity.largest_value:.3g}){lost}"
    )
