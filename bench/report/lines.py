"""What stands around the tables, one plain line each: failures, delegates, notes, data, settings, notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import CaseResult, Coverage, DelegateKind, Delegation, RunRecord, Status
from .naming import Names, delegate_name, who
from .tables import has_accuracy
from .text import clean, count, joined

_MEDICAL = (
    "Not a medical device. Accuracy here describes image files of one data set; "
    "it must not be used for diagnosis or any decision about a patient."
)
_GENERAL = (
    "These figures hold for this machine, these files and these versions. Measure again on the device that will ship."
)
_NO_TEST = "Smallest and largest as measured: no difference between rows has been tested for significance."


def question(record: RunRecord) -> str:
    """Return the question that the run answers, with its models and devices."""
    models = list(dict.fromkeys(clean(case.model) for case in record.cases))
    devices = list(dict.fromkeys(clean(case.device) for case in record.cases))
    if not record.cases:
        return "Which variant should run on which device?"
    here = "this machine" if devices[0] == "local" else devices[0]
    where = f"on {here}" if len(devices) == 1 else "on which device"
    return f"Which variant of {joined(models, 2)} should run {where}?"


def notice(record: RunRecord) -> str:
    """Return the limit of use that every report must show."""
    return _MEDICAL if has_accuracy(record) else _GENERAL


def tested(record: RunRecord) -> str:
    """Return what is known about differences: how the ratios were measured, or that none was tested."""
    compared = [case.comparison for case in record.cases if case.comparison and case.comparison.detectable is not None]
    if not compared:
        return _NO_TEST
    blocks = sorted({found.blocks for found in compared})
    said = f"{blocks[0]}" if len(blocks) == 1 else f"{blocks[0]} to {blocks[-1]}"
    detectable = max(found.detectable or 0.0 for found in compared)
    return (
        f"Against base: latency ratio, paired in turns, with its 95 % interval over {said} blocks of fresh workers; "
        f"≈ no difference shown. A difference of {100 * detectable:.1f} % would have been found 4 times in 5. "
        "Memory and accuracy have not been tested for significance."
    )


@dataclass(frozen=True)
class Unfinished:
    """A case that did not end well, or a file that gave no case: its name, its state and why."""

    label: str
    status: str
    why: str

    def __str__(self) -> str:
        """Return ``int8: FAILED code: message``."""
        return f"{self.label}: {self.status} {self.why}"


def failures(record: RunRecord, names: Names) -> list[Unfinished]:
    """Return the cases that did not end well, in the record's order, then the files that gave no case."""
    found = []
    for case in record.cases:
        if case.status is not Status.OK or case.failure:
            why = f"{clean(case.failure.code)}: {clean(case.failure.message)}" if case.failure else "no reason recorded"
            found.append(Unfinished(names.labels[case.case_id], case.status.value.upper(), why))
    for rejected in record.rejected:
        why = clean(rejected.failure.message.removeprefix(f"{rejected.path}: "))
        found.append(Unfinished(clean(rejected.path), "REJECTED", why))
    return found


def delegate_lines(record: RunRecord, names: Names) -> list[str]:
    """Return what was asked for and what ran, for every case that no delegate took whole; equal ones share a line."""
    said: dict[str, list[CaseResult]] = {}
    for case in record.cases:
        text = _delegation(case)
        if text:
            said.setdefault(text, []).append(case)
    told = [case for case in record.cases if case.delegation]
    return [f"{joined(who(names.labels, cases, told))}: {text}" for text, cases in said.items()]


def _delegation(case: CaseResult) -> str | None:
    found = case.delegation
    if found is None or found.coverage is Coverage.FULL:
        return None
    asked = f"the {delegate_name(case)} delegate"
    if found.coverage is Coverage.UNKNOWN:
        return None
    every = f"all {found.total_nodes} nodes" if found.total_nodes else "all nodes"
    if found.coverage is Coverage.NOTHING:
        if case.delegate.kind is DelegateKind.NONE:
            return f"no delegate asked for; {every} run on the runtime's own CPU kernels"
        return f"{asked} took nothing; {every} run on the runtime's own CPU kernels"
    left = operators(found.cpu_operators) or "operators not recorded"
    return f"{asked} took {_share(found)}; left to the runtime's own CPU kernels: {left}"


def _share(found: Delegation) -> str:
    if found.delegated_nodes is None or found.total_nodes is None:
        return "a part"
    taken = f"{found.delegated_nodes} of {found.total_nodes} nodes"
    return f"{taken} in {count(found.partitions, 'part')}" if found.partitions else taken


def operators(counts: Mapping[str, int]) -> str:
    """Return ``DEPTHWISE_CONV_2D ×15, SOFTMAX ×1``, most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{clean(name)} ×{number}" for name, number in ordered)


def notes(record: RunRecord, names: Names) -> list[str]:
    """Return the run's warnings, then the cases' notes; equal notes share a line."""
    found = [clean(text) for text in record.warnings]
    if record.interrupted:
        found.insert(0, "the run was interrupted: cases may be missing")
    said: dict[str, list[CaseResult]] = {}
    for case in record.cases:
        for text in dict.fromkeys(case.notes):
            said.setdefault(clean(text), []).append(case)
    for text, cases in said.items():
        every = len(cases) == len(record.cases) > 1
        found.append(text if every else f"{joined(who(names.labels, cases, record.cases))}: {text}")
    return found


def data_line(record: RunRecord) -> str:
    """Return what accuracy was measured on, or that it was not."""
    data = record.data
    if data is None:
        return "Data: none given, so accuracy was not measured (run with --data to measure it)."
    parts = [count(data.images, "image")]
    parts.append(count(data.lesions, "lesion") if data.lesions is not None else "lesions not known")
    parts.append(f"{len(data.skipped):,} skipped")
    return f"Data: {clean(data.source)}; {', '.join([*parts, *(clean(note) for note in data.notes)])}."


def class_counts(counts: Mapping[str, int]) -> str:
    """Return ``mel 171, nv 1009``."""
    return ", ".join(f"{clean(label)} {number:,}" for label, number in counts.items())


def skipped_lines(record: RunRecord, limit: int) -> list[str]:
    """Return one line per reason with the images' ids, at most ``limit`` ids each."""
    by_reason: dict[str, list[str]] = {}
    for image in record.data.skipped if record.data else ():
        by_reason.setdefault(clean(image.reason), []).append(clean(image.image_id))
    return [f"{reason} ({count(len(ids), 'image')}): {joined(ids, limit)}" for reason, ids in by_reason.items()]


def settings_line(record: RunRecord) -> str:
    """Return how long each case was measured."""
    used = record.settings
    if used.min_blocks == used.max_blocks:
        blocks = count(used.min_blocks, "block")
    else:
        blocks = f"{used.min_blocks} to {used.max_blocks} blocks"
    budget = "" if used.budget_ns is None else f", within a budget of {used.budget_ns / 1e9:g} s for all cases"
    return (
        f"Each case: {used.min_runs:,} to {used.max_runs:,} timed runs in {used.min_time_ns / 1e9:g} to "
        f"{used.max_time_ns / 1e9:g} s, in {blocks} of fresh workers, until ratios are known to "
        f"{100 * used.precision:g} %{budget}; each worker warms up for at least {used.warmup_min_runs:,} runs and "
        f"{used.warmup_time_ns / 1e9:g} s (one run of a slow model); seed {used.seed}; "
        f"time limit {used.timeout_s:g} s."
    )


def environment_pairs(record: RunRecord) -> list[tuple[str, str]]:
    """Return the machine as (name, value); what is unknown says why."""
    env = record.environment
    memory = env.memory_total_bytes
    values: Sequence[tuple[str, str, str | None]] = (
        ("Host", "hostname", env.hostname),
        ("System", "system", env.system),
        ("Kernel", "kernel", env.kernel),
        ("Machine", "machine", env.machine),
        ("CPU", "cpu_model", env.cpu_model),
        ("CPUs", "cpus_logical", None if env.cpus_logical is None else str(env.cpus_logical)),
        (
            "CPUs this run may use",
            "cpus_allowed",
            None if env.cpus_allowed is None else str(env.cpus_allowed),
        ),
        (
            "Memory",
            "memory_total_bytes",
            None if memory is None else f"{memory / 1e9:.1f} GB (1 GB = 1,000,000,000 bytes)",
        ),
        ("Python", "python", env.python),
        ("edgebench", "edgebench", env.edgebench),
    )
    return [
        (
            title,
            clean(value) if value is not None else f"– ({clean(env.unavailable.get(key, 'not recorded'))})",
        )
        for title, key, value in values
    ]
