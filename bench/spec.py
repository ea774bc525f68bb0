"""What was asked for, validated before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TypeVar

from .benchmark_model import limits
from .errors import UsageError
from .findings import Code
from .images.cache import GrayscalePolicy
from .images.files import user_path
from .images.geometry import ResizeMode
from .images.unseen import SplitChoice
from .records import Delegate, DelegateKind, Engine, Settings, Wait
from .rule import Rule
from .worker.affinity import BIG, LITTLE, cpu_list, cpu_numbers

#: What names this machine among devices.
LOCAL = "local"

DEFAULT_SETTINGS = Settings(
    seed=0,
    min_runs=64,
    max_runs=20_000,
    min_time_ns=1_000_000_000,
    max_time_ns=30_000_000_000,
    warmup_time_ns=100_000_000,
    warmup_min_runs=3,
    timeout_s=120.0,
)


#: Far beyond any sensible wait, and below what the system's own waiting calls accept.
_MAX_TIMEOUT_S = 24 * 3600.0


#: A run of each case takes dozens of gaps.
_MAX_GAP_NS = 10_000_000_000
#: Shorter loads have no windows to compare; longer ones are for another tool.
_MIN_SUSTAIN_NS = 1_000_000_000
_MAX_SUSTAIN_NS = 24 * 3600 * 1_000_000_000
_MAX_BATCH = 4096
_MAX_WORKERS = 256


#: No Python with numpy starts in less.
_LEAST_MEMORY_BYTES = 20_000_000


#: Every processor has switched itself off before.
_MAX_CELSIUS = 125


@dataclass(frozen=True)
class PythonTarget:
    """An interpreter to run workers under. ``name`` tells two with the same runtime apart in case ids."""

    path: str
    name: str | None = None


@dataclass(frozen=True)
class OperatingTarget:
    """The specificity at which a class's recall is asked for."""

    label: str
    specificity: float


@dataclass(frozen=True)
class DataSpec:
    """Which images to measure accuracy on, what the user says about preprocessing, and the rule to recommend by.

    ``limit`` draws classes in their proportions; ``balanced`` draws as many of each, as far as there are.
    ``eval_workers`` are the processes that classify a case's images, None for as many as the cores allow.
    """

    source: str
    metadata: Path | None = None
    labels: Path | None = None
    limit: int | None = None
    normalize: str | None = None
    resize: ResizeMode | None = None
    grayscale: GrayscalePolicy = GrayscalePolicy.SKIP
    max_bad_fraction: float = 0.05
    split: SplitChoice | None = None
    operating_points: tuple[OperatingTarget, ...] = ()
    balanced: bool = False
    eval_workers: int | None = None
    rule: Rule | None = None


@dataclass(frozen=True)
class WaitSpec:
    """What to measure beside pure inference.

    ``gap_ns`` is the time between two inferences of an app, ``batches`` and ``workers`` the items a run and the
    processes at once to measure throughput with.
    """

    kinds: tuple[Wait, ...]
    gap_ns: int = 100_000_000
    batches: tuple[int, ...] = (1, 2, 4, 8)
    workers: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class CaseChoice:
    """One case of all that a Spec combines. ``python`` is an interpreter's path, None for any.

    ``cpus`` is None for a case that is not pinned.
    """

    model: str
    variant: str
    engine: Engine
    delegate: Delegate
    threads: int
    python: str | None = None
    cpus: str | None = None


@dataclass(frozen=True)
class Spec:
    """One run as asked for: every model with every engine, delegate, thread count, choice of CPUs and Python.

    ``only`` keeps of these combinations the ones it names, where it names any. ``against`` are MODEL arguments with an
    older build of the same variants: each case then takes turns with its own older self, which is its baseline.
    ``profile`` asks for each case's operators too, after timing; ``sustain_ns`` keeps each case under load so long.
    ``cpus`` is empty for workers on any CPU. ``devices`` are texts that each name a device to measure all of it on:
    ``local``, a name of ``edgebench.toml`` or an address. ``benchmark_model`` is the tool's binary for them, a file of
    this machine; None for the one that lies on each device.
    """

    models: tuple[str, ...]
    engines: tuple[Engine, ...] = (Engine.INTERPRETER,)
    delegates: tuple[Delegate, ...] = (Delegate(DelegateKind.DEFAULT),)
    threads: tuple[int, ...] = (1,)
    pythons: tuple[PythonTarget, ...] = ()
    runtime: str | None = None
    signature: str | None = None
    baseline: str | None = None
    data: DataSpec | None = None
    waits: WaitSpec | None = None
    profile: bool = False
    settings: Settings = DEFAULT_SETTINGS
    command: tuple[str, ...] = field(default_factory=tuple)
    only: tuple[CaseChoice, ...] = ()
    against: tuple[str, ...] = ()
    cpus: tuple[str, ...] = ()
    devices: tuple[str, ...] = (LOCAL,)
    sustain_ns: int | None = None
    benchmark_model: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("no model given: name a .tflite file or a folder of them")
        for name in ("engines", "delegates", "threads", "devices"):
            if not getattr(self, name):
                raise UsageError(f"no {name} given: leave the argument out for the default")
        for count in self.threads:
            if not 1 <= count <= 256:
                raise UsageError(f"--threads {count}: must be between 1 and 256")
        if self.baseline is not None and self.against:
            raise UsageError(f"--baseline {self.baseline}: each case is compared with its older self; leave it out")
        if self.sustain_ns is not None and not _MIN_SUSTAIN_NS <= self.sustain_ns <= _MAX_SUSTAIN_NS:
            raise UsageError(f"--sustain {self.sustain_ns / 1e9:g}s: must be between 1s and 24h")
        _check_settings(self.settings)
        _check_data(self.data)
        _check_waits(self.waits)
        limits.check(self)


def _check_data(data: DataSpec | None) -> None:
    if data is None:
        return
    if data.limit is not None and data.limit < 1:
        raise UsageError(f"--limit {data.limit}: must be at least 1")
    if not 0 <= data.max_bad_fraction <= 1:
        raise UsageError(f"--max-bad {data.max_bad_fraction}: must be a share between 0 and 1")
    if data.eval_workers is not None and not 1 <= data.eval_workers <= _MAX_WORKERS:
        raise UsageError(f"--eval-workers {data.eval_workers}: must be between 1 and {_MAX_WORKERS}")
    if data.operating_points and data.split not in (None, SplitChoice.TEST):
        raise UsageError(
            f"--operating-point is chosen on the validation part and judged on the test part: leave out --split "
            f"{data.split.value}"
        )


def _check_waits(waits: WaitSpec | None) -> None:
    if waits is None:
        return
    if not waits.kinds:
        raise UsageError("no wait named: leave --waits out to measure none")
    if not 0 < waits.gap_ns <= _MAX_GAP_NS:
        raise UsageError(f"--gap {waits.gap_ns / 1e6:g}ms: must be above 0 and at most 10s")
    for flag, counts, most in (("--batches", waits.batches, _MAX_BATCH), ("--workers", waits.workers, _MAX_WORKERS)):
        for count in counts:
            if not 1 <= count <= most:
                raise UsageError(f"{flag} {count}: must be between 1 and {most}")


def _check_settings(settings: Settings) -> None:
    checks: Iterable[tuple[bool, str]] = (
        (settings.min_runs >= 1, f"--min-runs {settings.min_runs}: must be at least 1"),
        (
            settings.max_runs >= settings.min_runs,
            f"--max-runs {settings.max_runs}: must not be below --min-runs {settings.min_runs}",
        ),
        (
            settings.max_time_ns >= settings.min_time_ns,
            "--max-time must not be below --min-time",
        ),
        (settings.min_blocks >= 1, f"--blocks {settings.min_blocks}: must be at least 1"),
        (
            settings.max_blocks >= settings.min_blocks,
            f"max_blocks {settings.max_blocks}: must not be below min_blocks {settings.min_blocks}",
        ),
        (0 < settings.precision < 1, f"--precision {settings.precision}: must be above 0 and below 100%"),
        (settings.budget_ns is None or settings.budget_ns > 0, "--budget: must be above 0"),
        (
            settings.memory_limit_bytes is None or settings.memory_limit_bytes >= _LEAST_MEMORY_BYTES,
            "--memory-limit: a worker's Python alone needs more than 20 MB",
        ),
        (
            settings.cool_to_celsius is None or 0 < settings.cool_to_celsius <= _MAX_CELSIUS,
            f"--cool-to {settings.cool_to_celsius or 0:g}C: must be above 0 and at most {_MAX_CELSIUS}C",
        ),
        (
            0 < settings.cool_timeout_s <= _MAX_TIMEOUT_S,
            f"--cool-timeout {settings.cool_timeout_s:g}s: must be above 0 and at most 24h",
        ),
        (settings.seed >= 0, f"--seed {settings.seed}: must not be negative"),
        (
            0 < settings.timeout_s <= _MAX_TIMEOUT_S,
            f"--timeout {settings.timeout_s:g}s: must be above 0 and at most 24h",
        ),
    )
    for fine, message in checks:
        if not fine:
            raise UsageError(message)


Choice = TypeVar("Choice", bound=Enum)


def parse_choice(kind: type[Choice], text: str, flag: str) -> Choice:
    """Return the member of an enum whose value is ``text``. Raises UsageError naming the choices."""
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{flag} {text}: choose {', '.join(str(item.value) for item in kind)}") from None


def parse_delegate(text: str, options: Iterable[str] = ()) -> Delegate:
    """Return the delegate that ``default``, ``xnnpack``, ``none``, ``gpu`` or ``external:PATH`` names.

    ``options`` are KEY=VALUE texts for an external delegate.
    """
    kind, _, library = text.partition(":")
    names = ", ".join(item.value for item in DelegateKind if item is not DelegateKind.EXTERNAL)
    try:
        known = DelegateKind(kind)
    except ValueError:
        raise UsageError(f"--delegate {text}: choose {names} or external:PATH") from None
    if known is not DelegateKind.EXTERNAL:
        if library:
            raise UsageError(f"--delegate {text}: only external takes a path")
        return Delegate(known)
    if not library:
        raise UsageError("--delegate external needs a path: external:PATH/TO/LIBRARY.so")
    pairs = [_key_value(option) for option in options]
    path = user_path(library)
    # A bare name is left to the dynamic loader, as load_delegate does; a path must exist.
    if "/" in library and not path.exists():
        raise UsageError(f"--delegate external: no such library: {library}")
    return Delegate(known, str(path.resolve()) if path.exists() else library, dict(pairs))


def parse_delegates(texts: Iterable[str], options: Iterable[str] = ()) -> tuple[Delegate, ...]:
    """Return the delegates of several texts. Raises UsageError also where options have no external delegate."""
    listed = tuple(options)
    delegates = tuple(parse_delegate(text, listed) for text in texts)
    if listed and not any(delegate.kind is DelegateKind.EXTERNAL for delegate in delegates):
        raise UsageError(f"--delegate-option {listed[0]}: goes with --delegate external:PATH only")
    return delegates


def _key_value(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--delegate-option {text}: must be KEY=VALUE")
    return key, value


def parse_operating_point(text: str) -> OperatingTarget:
    """Return what ``mel:specificity=0.9`` asks for; a share may be written ``90%``."""
    label, colon, wanted = text.rpartition(":")
    name, equals, share = wanted.partition("=")
    if not (colon and equals and label.strip()) or name.strip() != "specificity":
        raise UsageError(f"--operating-point {text}: write LABEL:specificity=SHARE, for instance mel:specificity=0.9")
    return OperatingTarget(label.strip(), parse_percent(share, f"--operating-point {label}:specificity"))


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_UNIT_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}


def parse_duration_ns(text: str, flag: str) -> int:
    """Return nanoseconds for texts such as ``500ms``, ``2s``, ``1.5m`` or ``3`` (seconds)."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{flag} {text}: not a duration; write 500ms, 2s or 5m")
    try:
        return int(float(found.group(1)) * _UNIT_NS[found.group(2) or "s"])
    except OverflowError:
        raise UsageError(f"{flag}: this duration is beyond all numbers") from None


def bounded_settings(settings: Settings, budget: str | None, blocks: int | None) -> Settings:
    """Return settings that stop timing at ``budget`` ("60s") and have exactly ``blocks`` blocks; None changes none."""
    if budget is not None:
        settings = replace(settings, budget_ns=parse_duration_ns(budget, "budget"))
    if blocks is not None:
        settings = replace(settings, min_blocks=blocks, max_blocks=blocks)
    return settings


def parse_percent(text: str, flag: str) -> float:
    """Return 0.01 for ``1%`` and for ``0.01``."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise UsageError(f"{flag} {text}: not a share; write 1% or 0.01") from None
    if not 0 < value < 1:
        raise UsageError(f"{flag} {text}: must be above 0 and below 100%")
    return value


def parse_threads(text: str) -> tuple[int, ...]:
    """Return thread counts for ``1`` or ``1,2,4``, each once, in the order given."""
    return parse_counts(text, "--threads")


def parse_cpus(texts: Iterable[str]) -> tuple[str, ...]:
    """Return choices of CPUs, ``big``, ``little`` or numbers as the kernel lists them, each once."""
    return tuple(dict.fromkeys(_parse_cpus(text.strip()) for text in texts))


def _parse_cpus(text: str) -> str:
    if text in (BIG, LITTLE):
        return text
    try:
        return cpu_list(cpu_numbers(text))
    except ValueError:
        several = [part.strip() for part in text.split(",")]
        if len(several) > 1 and {BIG, LITTLE} & set(several):
            raise UsageError(f"--cpus {text}: for a case with each write --cpus {' --cpus '.join(several)}") from None
        raise UsageError(f"--cpus {text}: write big, little or numbers such as 0-3 or 0,2") from None


def parse_counts(text: str, flag: str) -> tuple[int, ...]:
    """Return whole numbers for ``1`` or ``1,2,4``, each once, in the order given."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{flag} {text}: write whole numbers such as 1 or 1,2,4") from None
    return tuple(dict.fromkeys(counts))


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(KB|MB|GB|KiB|MiB|GiB)", re.IGNORECASE)
_SIZE_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_size(text: str, flag: str = "--memory-limit") -> int:
    """Return bytes for texts such as ``500MB`` (10^6) or ``2GiB`` (2^30)."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{flag} {text}: not a size; write 500MB or 2GB")
    return int(float(found.group(1)) * _SIZE_BYTES[found.group(2).lower()])


def parse_codes(texts: Iterable[str]) -> tuple[Code, ...]:
    """Return the codes of findings that the texts name."""
    return tuple(parse_choice(Code, text, "--silence") for text in texts)


def parse_waits(texts: Iterable[str]) -> tuple[Wait, ...]:
    """Return the waits that the texts name, each once, in the order of :class:`Wait`; ``all`` names every one."""
    named = {wait for text in texts for wait in (Wait if text == "all" else (parse_choice(Wait, text, "--waits"),))}
    return tuple(wait for wait in Wait if wait in named)


def make_wait_spec(
    names: Sequence[str], *, gap: str | None, batches: str | None, workers: str | None, with_data: bool
) -> WaitSpec | None:
    """Return what texts ask for, None where they ask for nothing.

    Raises:
        UsageError: a name or number is wrong, or something belongs to a wait that was not asked for.
    """
    kinds = parse_waits(names)
    if Wait.END_TO_END.value in names and not with_data:
        raise UsageError("--waits end-to-end: begins with an image file, so it needs --data SOURCE")
    belongings = (
        ("--gap", gap, Wait.IDLE_GAP),
        ("--batches", batches, Wait.BATCHES),
        ("--workers", workers, Wait.WORKERS),
    )
    for flag, text, kind in belongings:
        if text is not None and kind not in kinds:
            raise UsageError(f"{flag} {text}: goes with --waits {kind.value}")
    spec = WaitSpec(kinds)
    if gap is not None:
        spec = replace(spec, gap_ns=parse_duration_ns(gap, "--gap"))
    if batches is not None:
        spec = replace(spec, batches=parse_counts(batches, "--batches"))
    if workers is not None:
        spec = replace(spec, workers=parse_counts(workers, "--workers"))
    return spec if kinds else None


def parse_devices(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what names devices in ``--device`` texts, each once; a text may name several, parted by commas."""
    names = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def parse_python(text: str, *, here: bool = True) -> PythonTarget:
    """Return the interpreter that ``PATH`` or ``NAME=PATH`` names.

    ``here``: it is a program of this machine, and looked for now; else each device looks for it when it is used.

    Raises:
        UsageError: no such program.
    """
    from .devices.local import resolve_python

    name, separator, path = text.partition("=")
    named = bool(separator) and re.fullmatch(r"[A-Za-z0-9._-]+", name) is not None
    if not here:
        return PythonTarget(path if named else text, name if named else None)
    try:
        return PythonTarget(resolve_python(path if named else text), name if named else None)
    except RuntimeError:
        raise UsageError(f"--python {text}: no such user's home folder; write the path in full") from None
