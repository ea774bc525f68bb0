"""Everything recorded of one case or one result, as titled lists of (name, value) for the HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..records import CaseResult, TensorInfo
from ..summaries import is_summary
from .lines import operators
from .naming import Names, cpus_words, delegate_name
from .recall import RecallRow, RecallTable
from .text import ABSENT, clean, estimate, known, megabytes, milliseconds

Pairs = list[tuple[str, str]]
#: Beyond this many classes a matrix is unreadable: the largest confusions are listed instead.
_MATRIX_CLASSES = 30
_CONFUSIONS_LISTED = 15
_CLASSES_LISTED = 60
_ACCURACY_SINCE_2 = ("macro_precision", "weighted_precision", "ece", "brier")
#: Records of the first schema say nothing of these, not even why.
_MEMORY_SINCE_2 = ("model_adds_bytes", "pss_bytes", "uss_bytes", "anonymous_bytes", "grown_at_init_bytes",
                   "grown_bytes")  # fmt: skip


@dataclass(frozen=True)
class CaseDetails:
    """One case: a title, its state, and sections of (title, pairs)."""

    title: str
    status: str
    sections: tuple[tuple[str, Pairs], ...]


@dataclass(frozen=True)
class MatrixCell:
    """A count and its share of the row, from 0 to 1."""

    count: int
    share: float


@dataclass(frozen=True)
class ResultDetails:
    """One accuracy result: overall figures, figures by class, and the confusion matrix or its largest entries."""

    title: str
    cases: str
    overall: Pairs
    labels: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    classes_left_out: int
    matrix: tuple[tuple[MatrixCell, ...], ...]
    confusions: tuple[str, ...]


def case_details(case: CaseResult, names: Names) -> CaseDetails:
    """Return everything recorded of ``case`` except per-class accuracy."""
    sections = [
        ("Model file", _file(case)),
        ("Runs with", _engine(case)),
        ("Times", _times(case)),
        ("Memory", _memory(case)),
        ("Delegation", _delegation(case)),
        ("Inputs and outputs", _tensors(case)),
        ("Preprocessing", _preprocessing(case)),
    ]
    if case.failure:
        failure = [("Code", clean(case.failure.code)), ("Message", clean(case.failure.message))]
        sections.insert(0, ("Did not finish", failure))
    if case.notes:
        sections.append(("Notes", [("", clean(note)) for note in case.notes]))
    filled = tuple((title, pairs) for title, pairs in sections if pairs)
    return CaseDetails(names.labels[case.case_id], case.status.value, filled)


def _file(case: CaseResult) -> Pairs:
    scheme = case.file.scheme or f"{ABSENT} ({case.file.unavailable.get('scheme', 'not recorded')})"
    return [
        ("Case id", clean(case.case_id)),
        ("File", clean(case.file.path)),
        ("SHA-256", clean(case.file.sha256)),
        ("Size", f"{case.file.size_bytes:,} bytes"),
        ("Quantization scheme", clean(scheme)),
    ]


def _engine(case: CaseResult) -> Pairs:
    pairs = [("Device", clean(case.device)), ("Engine", case.engine.value), ("Delegate", delegate_name(case))]
    if case.delegate.library:
        pairs.append(("Delegate library", clean(case.delegate.library)))
    if case.delegate.options:
        pairs.append(("Delegate options", clean(", ".join(f"{k}={v}" for k, v in case.delegate.options.items()))))
    pairs.append(("Threads", str(case.threads)))
    if case.cpus is not None:
        pairs.append(("CPUs", cpus_words(case)))
    if case.signature:
        pairs.append(("Signature", clean(case.signature)))
    if case.runtime:
        runtime = case.runtime
        pairs += [
            ("Runtime", clean(f"{runtime.package} {runtime.version}")),
            ("Python of the worker", clean(f"{runtime.python}, numpy {runtime.numpy}, {runtime.machine}")),
        ][: 1 if is_summary(case) else 2]
    if case.python_path:
        pairs.append(("Interpreter", clean(case.python_path)))
    return pairs


def _times(case: CaseResult) -> Pairs:
    named = [
        ("Runtime import", case.runtime_import_ns),
        ("Load", case.load_ns),
        ("First", case.first_inference_ns),
    ]
    pairs = [(name, f"{milliseconds(value)} ms") for name, value in named if value is not None]
    found = case.latency
    if found is None:
        return pairs
    pairs.append(("Timed runs", f"{found.count:,}, after {found.warmup_count:,} of warm-up"))
    if found.summary_of is not None:
        pairs.append(("Reported by", clean(f"{found.summary_of}, without the samples")))
    for title, field in (("Smallest", "min_ns"), ("p50", "p50_ns"), ("p90", "p90_ns"), ("p95", "p95_ns"),
                         ("p99", "p99_ns"), ("Mean", "mean_ns"), ("Standard deviation", "stdev_ns")):  # fmt: skip
        value: float | None = getattr(found, field)
        reason = clean(found.unavailable.get(field, "not recorded"))
        shown = f"{milliseconds(value)} ms" if value is not None and known(value) else f"{ABSENT} ({reason})"
        pairs.append((title, shown))
    return pairs


def _memory(case: CaseResult) -> Pairs:
    if case.memory is None:
        return []
    pairs = [("Definition", clean(case.memory.definition))] if case.memory.definition else []
    for title, field in (
        ("Before loading (Python and runtime)", "rss_before_load_bytes"),
        ("After loading", "rss_after_load_bytes"),
        ("After the first inference", "rss_after_first_bytes"),
        ("Peak RSS (VmHWM)", "peak_rss_bytes"),
        ("The model adds (peak less before loading)", "model_adds_bytes"),
        ("PSS, shared pages by their share", "pss_bytes"),
        ("USS, pages of its own", "uss_bytes"),
        ("Anonymous, backed by no file", "anonymous_bytes"),
        ("Grown until the model was initialised", "grown_at_init_bytes"),
        ("Grown until the last run", "grown_bytes"),
    ):
        value: int | None = getattr(case.memory, field)
        if value is None and field in _MEMORY_SINCE_2 and field not in case.memory.unavailable:
            continue
        reason = clean(case.memory.unavailable.get(field, "not recorded"))
        pairs.append((title, f"{megabytes(value)} MB" if value is not None else f"{ABSENT} ({reason})"))
    return pairs


def _delegation(case: CaseResult) -> Pairs:
    found = case.delegation
    if found is None:
        return []
    pairs = [("Coverage", found.coverage.value)]
    for title, field in (("Nodes", "total_nodes"), ("Taken", "delegated_nodes"), ("Parts", "partitions")):
        value: int | None = getattr(found, field)
        reason = clean(found.unavailable.get(field, "not recorded"))
        pairs.append((title, str(value) if value is not None else f"? ({reason})"))
    if found.cpu_operators:
        pairs.append(("Left to the runtime's own CPU kernels", operators(found.cpu_operators)))
    return pairs


def _tensors(case: CaseResult) -> Pairs:
    named = [("Input", tensor) for tensor in case.inputs] + [("Output", tensor) for tensor in case.outputs]
    return [(f"{kind} {clean(tensor.name)}", _tensor(tensor)) for kind, tensor in named]


def _tensor(tensor: TensorInfo) -> str:
    text = f"{tensor.dtype} [{', '.join(map(str, tensor.shape))}]"
    if tensor.scale:
        text += f", scale {tensor.scale:.6g}, zero point {tensor.zero_point}"
    if tensor.scale is None:
        text += ", quantization not told by this engine"
    return clean(text + (", a size left open by the model ran as 1" if tensor.dynamic else ""))


def _preprocessing(case: CaseResult) -> Pairs:
    used = case.preprocessing
    if used is None:
        return []
    return [
        ("Image", f"{used.height} × {used.width} × {used.channels} (height × width × channels)"),
        ("Resize", clean(used.resize)),
        ("Normalization", f"{clean(used.normalization)} (from: {clean(used.normalization_from)})"),
        ("Mean", ", ".join(f"{value:g}" for value in used.mean)),
        ("Divisor", ", ".join(f"{value:g}" for value in used.std)),
        ("Labels from", clean(used.labels_from)),
    ]


def result_details(table: RecallTable, row: RecallRow, names: Names) -> ResultDetails:
    """Return overall and per-class figures of one result, and its confusion matrix."""
    listed = table.lowest(_CLASSES_LISTED)
    accuracy = row.accuracy
    classes = tuple(
        (
            table.labels[i],
            f"{item.support:,}",
            f"{item.predicted:,}",
            *(
                estimate(getattr(item, name), item.intervals.get(name))
                for name in ("recall", "precision", "f1", "roc_auc")
            ),
        )
        for i in listed
        for item in (accuracy.classes[i],)
    )
    small = len(table.labels) <= _MATRIX_CLASSES
    overall = [("Images", f"{accuracy.images:,}")]
    overall += [
        (title, estimate(getattr(accuracy, name), accuracy.intervals.get(name)))
        for title, name in (
            ("Top-1", "top1"),
            ("Top-2", "top2"),
            ("Balanced accuracy", "balanced_accuracy"),
            ("Macro F1", "macro_f1"),
            ("Weighted F1", "weighted_f1"),
            ("Macro precision", "macro_precision"),
            ("Weighted precision", "weighted_precision"),
            ("ECE (calibration)", "ece"),
            ("Brier score", "brier"),
        )
        if getattr(accuracy, name) is not None or name not in _ACCURACY_SINCE_2
    ]
    overall += [("", f"{ABSENT} {clean(field)}: {clean(reason)}") for field, reason in accuracy.unavailable.items()]
    return ResultDetails(
        title=row.name,
        cases=", ".join(names.labels[case.case_id] for case in row.cases) if len(row.cases) > 1 else "",
        overall=overall,
        labels=table.labels,
        classes=classes,
        classes_left_out=len(table.labels) - len(listed),
        matrix=_matrix(accuracy.confusion) if small else (),
        confusions=() if small else tuple(_confusions(table.labels, accuracy.confusion)),
    )


def _matrix(confusion: Sequence[Sequence[int]]) -> tuple[tuple[MatrixCell, ...], ...]:
    return tuple(tuple(MatrixCell(count, count / (sum(row) or 1)) for count in row) for row in confusion)


def _confusions(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[str]:
    errors = [
        (count, labels[true], labels[answer])
        for true, row in enumerate(confusion)
        for answer, count in enumerate(row)
        if count and true != answer
    ]
    largest = sorted(errors, key=lambda error: -error[0])[:_CONFUSIONS_LISTED]
    return [f"{true} answered as {answer}: {count:,}" for count, true, answer in largest]
