"""Records as real runs leave them, for the report tests: every number is fixed, nothing is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.records import (
    Accuracy,
    AccuracyComparison,
    AccuracyVerdict,
    Adapter,
    Agreement,
    CaseResult,
    ClassMetrics,
    Comparison,
    Coverage,
    DataInfo,
    Delegate,
    DelegateKind,
    Delegation,
    Difference,
    Engine,
    Environment,
    Failure,
    IdleGap,
    Latency,
    Memory,
    ModelFile,
    OperatingPoint,
    PairedDifference,
    Parity,
    Part,
    Preprocessing,
    RunRecord,
    RuntimeInfo,
    Settings,
    SkippedImage,
    Status,
    TensorInfo,
    Throughput,
    Wait,
    Waits,
    WeightCache,
    Whole,
)

LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
SUPPORT = (49, 77, 165, 17, 167, 1006, 21)
RECALLS: Mapping[str, tuple[float, ...]] = {
    "float32": (0.61, 0.74, 0.66, 0.53, 0.63, 0.93, 0.86),
    "float16": (0.61, 0.74, 0.66, 0.53, 0.63, 0.93, 0.86),
    "dynamic": (0.59, 0.74, 0.65, 0.53, 0.62, 0.93, 0.86),
    "int8": (0.55, 0.71, 0.62, 0.35, 0.51, 0.95, 0.81),
}
SIZES = {"float32": 8_841_204, "float16": 4_438_120, "dynamic": 2_452_816, "int8": 2_661_912, "int16x8": 2_664_004}
HOSTILE = "<img src=x onerror=alert(1)>"
LITERT = RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.11.9", "2.4.6", "x86_64")
TFLITE = RuntimeInfo("tflite", "tflite-runtime", "2.14.0", "3.11.9", "1.26.4", "x86_64")


def confusion_from(recalls: Sequence[float], support: Sequence[int] = SUPPORT) -> tuple[tuple[int, ...], ...]:
    """Return counts whose recalls are ``recalls`` rounded to whole images; errors go to the next classes in turn."""
    size = len(support)
    matrix = [[0] * size for _ in range(size)]
    for true, (images, recall) in enumerate(zip(support, recalls, strict=True)):
        matrix[true][true] = round(images * recall)
        for step in range(images - matrix[true][true]):
            matrix[true][(true + 1 + step % (size - 1)) % size] += 1
    return tuple(tuple(row) for row in matrix)


def accuracy_from(
    confusion: Sequence[Sequence[int]], labels: Sequence[str] = LABELS, unavailable: Mapping[str, str] | None = None
) -> Accuracy:
    """Return the figures that follow from the counts."""
    counts = np.array(confusion)
    support, predicted, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    classes = tuple(
        ClassMetrics(
            label=label,
            support=int(support[i]),
            predicted=int(predicted[i]),
            recall=float(right[i] / support[i]) if support[i] else None,
            precision=float(right[i] / predicted[i]) if predicted[i] else None,
            f1=float(2 * right[i] / (support[i] + predicted[i])) if support[i] else None,
        )
        for i, label in enumerate(labels)
    )
    f1 = [item.f1 or 0.0 for item in classes if item.support]
    weights = [item.support for item in classes if item.support]
    top1 = float(right.sum() / counts.sum())
    return Accuracy(
        images=int(counts.sum()),
        top1=top1,
        top2=min(1.0, top1 + 0.09),
        balanced_accuracy=float(np.mean([item.recall for item in classes if item.recall is not None])),
        macro_f1=float(np.mean(f1)),
        weighted_f1=float(np.average(f1, weights=weights)),
        labels=tuple(labels),
        classes=classes,
        confusion=tuple(tuple(row) for row in confusion),
        unavailable=unavailable or {},
    )


def delegation(variant: str, runtime: RuntimeInfo) -> Delegation:
    """Return what each runtime really does with each variant."""
    if runtime is TFLITE and variant == "int8":
        return Delegation(Coverage.NOTHING, 66, 0, 0, {"CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "ADD": 10, "MEAN": 1,
                                                       "FULLY_CONNECTED": 1, "SOFTMAX": 1, "PAD": 1})  # fmt: skip
    if variant == "dynamic":
        return Delegation(Coverage.PARTIAL, 66, 51, 16, {"DEPTHWISE_CONV_2D": 15})
    if variant == "int8":
        return Delegation(Coverage.PARTIAL, 66, 65, 1, {"SOFTMAX": 1})
    return Delegation(Coverage.FULL, 66, 66, 1)


def latency(p50_ms: float, count: int = 400) -> Latency:
    """Return a summary around ``p50_ms``, with the percentiles that ``count`` supports."""
    needed = {"p50_ns": 11, "p90_ns": 64, "p95_ns": 130, "p99_ns": 662}
    factor = {"p50_ns": 1.0, "p90_ns": 1.061, "p95_ns": 1.094, "p99_ns": 1.31}
    values = {name: p50_ms * 1e6 * factor[name] for name, least in needed.items() if count >= least}
    reasons = {name: f"n too small: {count} samples, {least} needed" for name, least in needed.items() if count < least}
    return Latency(
        count=count,
        min_ns=int(p50_ms * 0.96e6),
        mean_ns=p50_ms * 1.02e6,
        stdev_ns=p50_ms * 0.04e6,
        warmup_count=52,
        unavailable=reasons,
        p50_ns=values.get("p50_ns"),
        p90_ns=values.get("p90_ns"),
        p95_ns=values.get("p95_ns"),
        p99_ns=values.get("p99_ns"),
    )


def tensors(variant: str) -> tuple[TensorInfo, TensorInfo]:
    """Return one image input and one score output in the variant's types."""
    if variant == "int8":
        return (
            TensorInfo("serving_default_image:0", (1, 224, 224, 3), "int8", 0.0078431377, -1, True),
            TensorInfo("StatefulPartitionedCall:0", (1, 7), "int8", 0.00390625, -128, True),
        )
    return (
        TensorInfo("serving_default_image:0", (1, 224, 224, 3), "float32", dynamic=True),
        TensorInfo("StatefulPartitionedCall:0", (1, 7), "float32", dynamic=True),
    )


def make_case(
    variant: str,
    p50_ms: float,
    *,
    model: str = "ham10000_mobilenet_v2",
    runtime: RuntimeInfo = LITERT,
    threads: int = 1,
    with_accuracy: bool = True,
    count: int = 400,
) -> CaseResult:
    """Return one case that went well."""
    size = SIZES[variant]
    base = 58_900_000 + (0 if runtime is LITERT else 9_200_000)
    inputs, outputs = tensors(variant)
    return CaseResult(
        case_id=f"{model}/{variant}@local/interpreter.{runtime.name}+default/t{threads}",
        model=model,
        variant=variant,
        device="local",
        engine=Engine.INTERPRETER,
        delegate=Delegate(DelegateKind.DEFAULT),
        threads=threads,
        file=ModelFile(f"models/{model}/{variant}.tflite", f"{SIZES[variant]:064x}", size, variant),
        status=Status.OK,
        runtime=runtime,
        python_path="/usr/bin/python3",
        inputs=(inputs,),
        outputs=(outputs,),
        runtime_import_ns=312_000_000,
        load_ns=int(size * 2.3) + 1_000_000,
        first_inference_ns=int(p50_ms * 1.8e6),
        latency=latency(p50_ms, count),
        memory=Memory(base, base + size, base + size + 9_000_000, base + size + 10_400_000),
        delegation=delegation(variant, runtime),
        preprocessing=PREPROCESSING if with_accuracy else None,
        accuracy=accuracy_from(confusion_from(RECALLS[variant])) if with_accuracy else None,
    )


PREPROCESSING = Preprocessing(
    height=224,
    width=224,
    channels=3,
    resize="bilinear, antialias",
    normalization="x / 127.5 - 1",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    normalization_from="card",
    labels_from="card",
)

ENVIRONMENT = Environment(
    hostname="bench-01",
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.0-28-amd64",
    machine="x86_64",
    cpu_model="AMD EPYC 7B13",
    cpus_logical=8,
    cpus_allowed=2,
    memory_total_bytes=16_777_216_000,
    python="3.11.9",
    edgebench="0.1.0",
)

DATA = DataInfo(
    source="ham10000:/data/ham10000",
    images=sum(SUPPORT),
    lesions=1120,
    class_counts=dict(zip(LABELS, SUPPORT, strict=True)),
    skipped=(
        SkippedImage("ISIC_0024410", "the file is not an image"),
        SkippedImage("ISIC_0029861", "the same bytes as ISIC_0024366"),
    ),
    notes=("test part of a split by lesion, seed 0",),
)


def comparison(ratio: float, half: float, blocks: int = 6, baseline: str | None = None) -> Comparison:
    """Return a ratio whose interval is ``half`` to either side (0.01 = 1 %)."""
    low, high = ratio / (1 + half), ratio * (1 + half)
    shown = Difference.FASTER if high < 1 else Difference.SLOWER if low > 1 else Difference.NONE_SHOWN
    base = baseline or "ham10000_mobilenet_v2/float32@local/interpreter.litert+default/t1"
    return Comparison(base, ratio, low, high, blocks, 1.35 * half, shown)


def compared() -> RunRecord:
    """Return four variants as a run in blocks leaves them, and one that was never timed."""
    found = [
        make_case("float32", 7.43),
        replace(make_case("float16", 7.46), comparison=comparison(1.004, 0.011)),
        replace(make_case("dynamic", 14.2), comparison=comparison(1.911, 0.006)),
        replace(make_case("int8", 3.58), comparison=comparison(0.482, 0.014, blocks=9)),
    ]
    return make_record([*found, failed_case()])


def failed_case(variant: str = "int16x8", model: str = "ham10000_mobilenet_v2") -> CaseResult:
    """Return a variant that converts but cannot be prepared: a result, not a crash."""
    message = (
        "no_integer_overflow_from_quantization was not true. Node number 15 (DEPTHWISE_CONV_2D) failed to prepare."
    )
    case = make_case("float32", 1.0, model=model)
    return replace(
        case,
        case_id=f"{model}/{variant}@local/interpreter.litert+default/t1",
        variant=variant,
        file=ModelFile(f"models/{model}/{variant}.tflite", f"{SIZES[variant]:064x}", SIZES[variant], variant),
        status=Status.FAILED,
        failure=Failure("runtime-refused", message),
        inputs=(),
        outputs=(),
        load_ns=None,
        first_inference_ns=None,
        latency=None,
        memory=None,
        delegation=None,
        preprocessing=None,
        accuracy=None,
    )


def make_record(cases: Sequence[CaseResult], *, data: DataInfo | None = DATA, **changes: object) -> RunRecord:
    """Return a run of ``cases``."""
    record = RunRecord(
        schema_version=1,
        run_id="2026-10-01T09-30-12-ham10000",
        created_utc="2026-10-01T09:30:12Z",
        command=("edgebench", "run", "models/ham10000_mobilenet_v2", "--data", "ham10000:/data/ham10000"),
        settings=Settings(0, 50, 5000, 1_000_000_000, 20_000_000_000, 500_000_000, 5, 120.0),
        environment=ENVIRONMENT,
        cases=tuple(cases),
        data=data,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def four_variants() -> RunRecord:
    """Return the flagship run: four variants with accuracy and one that cannot run."""
    cases = [make_case("float32", 7.43), make_case("float16", 7.91), make_case("dynamic", 14.2),
             make_case("int8", 3.58), failed_case()]  # fmt: skip
    return make_record(cases, warnings=("the CPU clock is not under this machine's control (no governor)",))


def two_runtimes() -> RunRecord:
    """Return the same variants on two runtimes, int8 slow on the old one, dynamic refused by it."""
    cases = [
        make_case("float32", 7.43),
        make_case("float16", 7.91),
        make_case("dynamic", 14.2),
        make_case("int8", 3.58),
    ]
    cases += [make_case("float32", 9.31, runtime=TFLITE), make_case("float16", 7.72, runtime=TFLITE),
              make_case("int8", 104.6, runtime=TFLITE, count=40)]  # fmt: skip
    refused = replace(
        failed_case(),
        case_id="ham10000_mobilenet_v2/dynamic@local/interpreter.tflite+default/t1",
        variant="dynamic",
        runtime=TFLITE,
        failure=Failure("runtime-refused", "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'."),
    )
    return make_record([*cases, refused])


def without_accuracy() -> RunRecord:
    """Return two variants timed without images."""
    cases = [make_case("float32", 0.348, with_accuracy=False, count=3000), make_case("int8", 0.24, with_accuracy=False)]
    return make_record(cases, data=None)


def only_failures() -> RunRecord:
    """Return a run in which nothing worked."""
    return make_record([failed_case(), failed_case("int8")], data=None)


def fifty_cases() -> RunRecord:
    """Return 5 models x 4 variants x (1, 2, 4 threads, less some) = 50 cases."""
    models = [f"ham10000_mobilenet_v2_{alpha}" for alpha in ("035", "050", "075", "100", "140")]
    cases = [
        make_case(variant, p50 * (0.4 + 0.3 * m) / threads**0.6, model=model, threads=threads)
        for m, model in enumerate(models)
        for threads in (1, 2, 4)
        for variant, p50 in (("float32", 7.43), ("float16", 7.91), ("dynamic", 14.2), ("int8", 3.58))
    ]
    return make_record(cases[:50])


def hostile() -> RunRecord:
    """Return a run whose names try to be markup, script, escapes and table syntax."""
    names = (HOSTILE, "</script><script>alert(2)</script>", "a|b`c*d_e", "\x1b[31mred\x1b[0m\nnew line", "{{ 7*7 }}")
    labels = ("<b>mel</b>", "n|v", "'\"><svg/onload=alert(3)>")
    accuracy = accuracy_from(((8, 1, 1), (2, 17, 1), (0, 3, 7)), labels)
    cases = [
        replace(
            make_case("float32", 5.0 + i, model=HOSTILE),
            case_id=f"{HOSTILE}/{name}@local/interpreter.litert+default/t1",
            variant=name,
            accuracy=accuracy,
            notes=(f"note {name}",),
        )
        for i, name in enumerate(names)
    ]
    broken = replace(failed_case(), failure=Failure("runtime-refused", HOSTILE))
    data = replace(DATA, source=HOSTILE, skipped=(SkippedImage(HOSTILE, "</script>"),))
    return make_record([*cases, broken], data=data, warnings=(HOSTILE,))


STEAL = Finding(
    Code.STEAL, Severity.SUSPECT, "the host took away 12 % of the CPU time", "measure when the host is quiet"
)
QUIETED = Finding(Code.GOVERNOR, Severity.SUSPECT, "the governor is ondemand", "set it to performance", silenced=True)
SOFTWARE = Finding(Code.EMULATED, Severity.INVALID, "llvmpipe plays the GPU on the CPU", "measure where there is a GPU")
NO_FIRMWARE = "there is no vcgencmd on this machine, which is where a Raspberry Pi tells of its power and its heat"
UNCHECKED = {"throttled": NO_FIRMWARE, "under-voltage": NO_FIRMWARE, "temperature-rise": "no sensor in /sys"}


def parts_of(*items: tuple[str, float]) -> tuple[Part, ...]:
    """Return parts with the given medians in ms."""
    total = sum(p50_ms for _, p50_ms in items)
    return tuple(Part(name, p50_ms * 1e6, p50_ms / total) for name, p50_ms in items)


def waits_of(p50_ms: float) -> Waits:
    """Return every wait of a case whose inference takes ``p50_ms``."""
    end = parts_of(("decode", 4.1), ("resize", 1.9), ("copy in", 0.2), ("inference", p50_ms), ("answer", 0.05))
    cold = parts_of(("process", 41.0), ("import", 290.0), ("load", 18.4), ("first inference", 1.8 * p50_ms))
    return Waits(
        end_to_end=Whole(latency(6.25 + p50_ms, 200), end),
        cold_start=Whole(latency(349.4 + 1.8 * p50_ms, 20), cold),
        idle_gap=IdleGap(100_000_000, latency(1.8 * p50_ms, 100), 1.8, 1.74, 1.86),
        weight_cache=WeightCache(
            latency(33.0, 12), latency(61.0, 12), latency(12.5, 12), 14_200_000, 78_100_000, 64_300_000
        ),
        batches=(
            Throughput(1, 1, 1000 / p50_ms, 990 / p50_ms, 1010 / p50_ms, 1.0),
            Throughput(4, 1, 1250 / p50_ms, 1230 / p50_ms, 1270 / p50_ms, 1.25),
            Throughput(8, 1, unavailable={"items_per_s": "the model refuses a batch of 8"}),
        ),
        workers=(
            Throughput(1, 1, 1000 / p50_ms, 990 / p50_ms, 1010 / p50_ms, 1.0),
            Throughput(1, 2, 1840 / p50_ms, 1800 / p50_ms, 1880 / p50_ms, 1.84),
        ),
    )


def memory_of(case: CaseResult) -> Memory:
    """Return the memory of a case that has it."""
    assert case.memory is not None
    return case.memory


def judged() -> RunRecord:
    """Return a run with findings, all of memory, waits, a GPU, and a case that has none of it."""
    cases = [
        replace(case, verdict=Verdict.SUSPECT, findings=(STEAL, QUIETED), unchecked=UNCHECKED,
                memory=replace(memory_of(case), pss_bytes=61_200_000, uss_bytes=55_100_000, anonymous_bytes=31_000_000),
                waits=waits_of(p50))
        for case, p50 in ((make_case("float32", 7.43), 7.43), (make_case("float16", 7.91), 7.91))
    ]  # fmt: skip
    valid = make_case("dynamic", 14.2)
    cases.append(replace(
        valid, verdict=Verdict.VALID, unchecked=UNCHECKED,
        memory=replace(memory_of(valid), unavailable={"pss_bytes": "the kernel has no smaps_rollup"}),
        waits=Waits(unavailable={Wait.WEIGHT_CACHE.value: "XNNPACK does not run this model"}),
    ))  # fmt: skip
    gpu = make_case("int8", 3.58)
    cases.append(replace(
        gpu, verdict=Verdict.INVALID, findings=(SOFTWARE, replace(STEAL, reason="the host took away 9 %")),
        adapter=Adapter("llvmpipe (LLVM 15.0.6, 256 bits)", "cpu", True, "0.0.1", "1.3.255"),
        parity=Parity("the CPU", 2.3e-3, 0.92, 0.01, True),
        comparison=comparison(0.482, 0.014),
    ))  # fmt: skip
    return make_record([*cases, failed_case()])


def paired_difference(name: str, images: int, gained: int, lost: int, family: int = 1) -> PairedDifference:
    """Return a difference from its counts; interval and p value are made up, by the normal approximation."""
    value, spread = (gained - lost) / images, math.sqrt(gained + lost + 2) / images
    p = math.erfc(abs(gained - lost) / math.sqrt(2 * (gained + lost))) if gained or lost else 1.0
    decisive = min(1.0, family * p)
    shown = AccuracyVerdict.WORSE if value < 0 else AccuracyVerdict.BETTER
    return PairedDifference(
        name,
        images,
        images // 2 + 1,
        gained,
        lost,
        value,
        value - 1.96 * spread,
        value + 1.96 * spread,
        p,
        decisive if family > 1 else None,
        shown if decisive <= 0.05 else AccuracyVerdict.NONE_SHOWN,
        2.8 * spread,
    )


def accuracy_comparison(case: CaseResult, base: CaseResult) -> AccuracyComparison:
    """Return a comparison in which an image is lost or gained only where the count of right answers differs."""
    assert case.accuracy is not None
    assert base.accuracy is not None
    pairs = list(zip(case.accuracy.classes, base.accuracy.classes, case.accuracy.confusion, base.accuracy.confusion,
                     strict=True))  # fmt: skip
    steps = [mine[i] - theirs[i] for i, (_, _, mine, theirs) in enumerate(pairs)]
    classes = tuple(
        paired_difference(item.label, item.support, max(step, 0), max(-step, 0), len(pairs))
        for step, (item, _, _, _) in zip(steps, pairs, strict=True)
    )
    images = case.accuracy.images
    changed = sum(abs(step) for step in steps)
    gained, lost = sum(max(step, 0) for step in steps), sum(max(-step, 0) for step in steps)
    return AccuracyComparison(
        against=base.case_id,
        images=images,
        lesions=images // 2 + 1,
        agreement=Agreement(images, 1 - changed / images, 0.9, 0.999, 0.0123, 0.61),
        top1=paired_difference("top-1", images, gained, lost),
        balanced_accuracy=paired_difference("balanced accuracy", images, gained, lost),
        classes=classes,
    )


def with_figures(case: CaseResult) -> CaseResult:
    """Return the case with intervals, calibration and AUC in its accuracy."""
    accuracy = case.accuracy
    assert accuracy is not None
    classes = tuple(
        replace(item, roc_auc=0.93, lesions=item.support // 2 + 1, intervals={
            "recall": ((item.recall or 0) - 0.071, (item.recall or 0) + 0.062), "roc_auc": (0.89, 0.96)
        })
        for item in accuracy.classes
    )  # fmt: skip
    bounds = {"top1": (accuracy.top1 - 0.02, accuracy.top1 + 0.02), "ece": (0.03, 0.05), "brier": (0.2, 0.24)}
    middle = accuracy.balanced_accuracy or 0.0
    bounds["balanced_accuracy"] = (middle - 0.04, middle + 0.04)
    changed = replace(accuracy, classes=classes, intervals=bounds, ece=0.0412, brier=0.2251, resamples=2000,
                      lesions=1120)  # fmt: skip
    return replace(case, accuracy=changed)


def operating_point(label: str = "mel", recall: float = 0.58) -> OperatingPoint:
    """Return a recall at 95 % specificity."""
    return OperatingPoint(label, 0.95, 0.3125, 1490, 0.951, 0.6, 167, 1335, recall, (recall - 0.07, recall + 0.07),
                          0.944, (0.93, 0.956))  # fmt: skip


def answers_compared(**changes: object) -> RunRecord:
    """Return the flagship run as a run with images leaves it: int8 loses mel and more, the others little."""
    record = four_variants()
    base = with_figures(record.cases[0])
    others = [
        replace(with_figures(case), accuracy_comparison=accuracy_comparison(case, base),
                operating_points=(operating_point(recall=0.57),))
        for case in record.cases[1:4]
    ]  # fmt: skip
    cases = [replace(base, operating_points=(operating_point(),)), *others, record.cases[4]]
    return make_record(cases, **changes)  # type: ignore[arg-type]


def unlabelled() -> RunRecord:
    """Return two variants that classified images without labels: only how far they agree is known."""
    base, other = make_case("float32", 7.43), make_case("int8", 3.58)
    why = "the images have no labels"
    found = AccuracyComparison(
        base.case_id,
        1502,
        agreement=Agreement(1502, 0.9128, 0.897, 0.926, 0.0123, 0.61),
        unavailable=dict.fromkeys(("top1", "balanced_accuracy", "classes"), why),
    )
    cases = [
        replace(base, accuracy=None, unavailable={"accuracy": why}),
        replace(other, accuracy=None, accuracy_comparison=found, unavailable={"accuracy": why}),
    ]
    return make_record(cases, data=replace(DATA, class_counts={}, lesions=None))


def samples_of(record: RunRecord, steady: int = 400, warmup: int = 20, blocks: int = 3) -> pd.DataFrame:
    """Return latency samples around each case's p50: slow warm-up, a long right tail, seeded."""
    frames = []
    random = np.random.default_rng(7)
    for case in record.cases:
        if case.latency is None:
            continue
        p50_ns = case.latency.p50_ns or case.latency.mean_ns
        for block in range(blocks):
            count = warmup + steady // blocks
            tail = np.where(random.random(count) < 0.03, random.exponential(0.4, count), 0)
            values = p50_ns * (1 + np.abs(random.normal(0, 0.03, count)) + tail)
            values[:warmup] *= 1 + 0.8 * np.exp(-np.arange(warmup) / 4)
            frames.append(
                pd.DataFrame({
                    "case": case.case_id,
                    "block": block,
                    "round": np.arange(count) // 50,
                    "start_ns": np.cumsum(values).astype("int64") + block * 10**10,
                    "latency_ns": values.astype("int64"),
                    "warmup": np.arange(count) < warmup,
                })
            )  # fmt: skip
    return pd.concat(frames, ignore_index=True) if frames else empty_samples()


def empty_samples() -> pd.DataFrame:
    """Return the samples of a run without any."""
    return pd.DataFrame({"case": [], "block": [], "round": [], "start_ns": [], "latency_ns": [], "warmup": []})


def predictions_of(record: RunRecord) -> pd.DataFrame:
    """Return scores whose answers make up exactly each case's confusion matrix."""
    frames = []
    for case in record.cases:
        if case.accuracy is None:
            continue
        labels = case.accuracy.labels
        pairs = [(t, a) for t, row in enumerate(case.accuracy.confusion) for a, n in enumerate(row) for _ in range(n)]
        scores = np.full((len(pairs), len(labels)), 0.1)
        scores[np.arange(len(pairs)), [answer for _, answer in pairs]] = 0.9
        frame = pd.DataFrame(scores, columns=[f"score:{label}" for label in labels])
        frame.insert(0, "case", case.case_id)
        frame.insert(1, "image_id", [f"ISIC_{i:07d}" for i in range(len(pairs))])
        frame.insert(2, "lesion_id", [f"HAM_{i // 2:07d}" for i in range(len(pairs))])
        frame.insert(3, "label", [labels[true] for true, _ in pairs])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
