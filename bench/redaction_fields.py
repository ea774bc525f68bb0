"""Which of a record's texts is what. Every field that holds text stands here: one that does not fails a test."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What a text is, and so what redaction makes of it. Whatever the kind, what looks secret does not stay."""

    WORD = "a word of edgebench's or of a runtime's own: kept"
    NAME = "a name that a person gave to a model, variant, class or tensor: kept, and stays unique"
    TEXT = "a sentence: names of machines and people, paths, addresses and image ids are replaced"
    CASE = "a case's id: its device is replaced"
    DEVICE = "a device's name: replaced"
    HOST = "a host's name: replaced"
    PATH = "a path: its last part where that is a file of a known kind, else replaced"
    SOURCE = "a data source: its kind without the folder"
    VALUE = "an option's value: like a sentence, and a path without a root is replaced too"
    IMAGE = "an image's id: replaced"
    COMMAND = "the words of a command: flags, figures and known choices stay"


_UNAVAILABLE = {"unavailable": Kind.TEXT}

#: By dataclass and field. A mapping's keys and values are of the same kind.
FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "RunRecord": {
        "run_id": Kind.TEXT,
        "created_utc": Kind.WORD,
        "command": Kind.COMMAND,
        "warnings": Kind.TEXT,
    },
    "Environment": {
        "hostname": Kind.HOST,
        "system": Kind.TEXT,
        "kernel": Kind.TEXT,
        "machine": Kind.WORD,
        "cpu_model": Kind.TEXT,
        "python": Kind.WORD,
        "edgebench": Kind.WORD,
        **_UNAVAILABLE,
    },
    "DeviceRecord": {
        "name": Kind.DEVICE,
        "address": Kind.DEVICE,
        "board_model": Kind.TEXT,
        "soc": Kind.TEXT,
        "virtual": Kind.TEXT,
        "emulated": Kind.TEXT,
        "notes": Kind.TEXT,
        **_UNAVAILABLE,
    },
    "CoreGroup": {"cpus": Kind.WORD},
    "Phone": {"powered_by": Kind.WORD, "screen": Kind.WORD},
    "Reading": {"celsius": Kind.WORD, "clocks_hz": Kind.WORD, "governors": Kind.WORD, **_UNAVAILABLE},
    "CaseResult": {
        "case_id": Kind.CASE,
        "model": Kind.NAME,
        "variant": Kind.NAME,
        "device": Kind.DEVICE,
        "signature": Kind.NAME,
        "python_path": Kind.PATH,
        "python_name": Kind.NAME,
        "unchecked": Kind.TEXT,
        "notes": Kind.TEXT,
        "cpus": Kind.WORD,
        **_UNAVAILABLE,
    },
    "Delegate": {"library": Kind.PATH, "options": Kind.VALUE},
    "Failure": {"code": Kind.WORD, "message": Kind.TEXT},
    "ModelFile": {"path": Kind.PATH, "sha256": Kind.WORD, "scheme": Kind.WORD, **_UNAVAILABLE},
    "RuntimeInfo": {
        "name": Kind.WORD,
        "package": Kind.WORD,
        "version": Kind.WORD,
        "python": Kind.WORD,
        "numpy": Kind.WORD,
        "machine": Kind.WORD,
    },
    "TensorInfo": {"name": Kind.NAME, "dtype": Kind.WORD},
    "Delegation": {"cpu_operators": Kind.WORD, **_UNAVAILABLE},
    "Memory": {"definition": Kind.WORD, **_UNAVAILABLE},
    "Latency": {"intervals": Kind.WORD, "summary_of": Kind.WORD, **_UNAVAILABLE},
    "Comparison": {"baseline": Kind.CASE, **_UNAVAILABLE},
    "Adapter": {"name": Kind.TEXT, "kind": Kind.WORD, "driver": Kind.TEXT, "api_version": Kind.TEXT},
    "Parity": {"against": Kind.TEXT},
    "DeviceParity": {"against": Kind.TEXT, "allowed": Kind.TEXT, "notes": Kind.TEXT, **_UNAVAILABLE},
    "Part": {"name": Kind.WORD},
    "IdleGap": _UNAVAILABLE,
    "Throughput": _UNAVAILABLE,
    "Waits": _UNAVAILABLE,
    "Trend": _UNAVAILABLE,
    "HeatStart": _UNAVAILABLE,
    "Sustained": {"cut_short": Kind.TEXT, **_UNAVAILABLE},
    "ClassMetrics": {"label": Kind.NAME, "intervals": Kind.WORD, **_UNAVAILABLE},
    "Accuracy": {"labels": Kind.NAME, "intervals": Kind.WORD, **_UNAVAILABLE},
    "PairedDifference": {"name": Kind.NAME, "explanation": Kind.TEXT, **_UNAVAILABLE},
    "Agreement": _UNAVAILABLE,
    "AccuracyComparison": {"against": Kind.CASE, "notes": Kind.TEXT, **_UNAVAILABLE},
    "OperatingPoint": {"label": Kind.NAME, **_UNAVAILABLE},
    "Preprocessing": {
        "resize": Kind.WORD,
        "normalization": Kind.WORD,
        "normalization_from": Kind.TEXT,
        "labels_from": Kind.TEXT,
    },
    "Finding": {"reason": Kind.TEXT, "hint": Kind.TEXT},
    "OperatorKey": {"tag": Kind.WORD},
    "OperatorTime": {"node_operator": Kind.WORD, "output_names": Kind.NAME},
    "TypeTime": {"tag": Kind.WORD},
    "OperatorProfile": {"notes": Kind.TEXT, "reported_by": Kind.WORD},
    "DataInfo": {"source": Kind.SOURCE, "class_counts": Kind.NAME, "notes": Kind.TEXT},
    "Settings": {"governor": Kind.WORD},
    "GovernorChange": {"name": Kind.WORD, "previous": Kind.WORD},
    "Cooling": {"zones": Kind.WORD, **_UNAVAILABLE},
    "Conditions": {"device": Kind.DEVICE},
    "SkippedImage": {"image_id": Kind.IMAGE, "reason": Kind.TEXT},
    "RejectedModel": {"path": Kind.PATH},
    "Criterion": {"label": Kind.NAME},
}

#: Flags of ``edgebench run`` whose value is a figure, a choice or a label: it stays. Of any other, known or not, the
#: value is taken for a path.
TELLING_FLAGS = frozenset({
    "--engine", "--threads", "--cpus", "--baseline", "--signature", "--runtime", "--limit", "--normalize",
    "--resize", "--grayscale", "--max-bad", "--split", "--operating-point", "--eval-workers", "--recommend",
    "--min-runs", "--max-runs", "--min-time", "--max-time", "--warmup-time", "--blocks", "--precision", "--budget",
    "--timeout", "--memory-limit", "--seed", "--waits", "--sustain", "--gap", "--batches", "--workers", "--silence",
    "--cool-to", "--cool-timeout", "--set-governor", "--device-cache",
})  # fmt: skip
#: Flags of ``edgebench run`` that stand alone: the word behind is no value of theirs.
LONE_FLAGS = frozenset({
    "--require-full", "--no-images", "--json", "--quiet", "--debug", "--profile", "--redact",
})  # fmt: skip
