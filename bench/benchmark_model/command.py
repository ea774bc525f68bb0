"""From a case to the command that runs ``benchmark_model`` for it.

The tool's own bounds are other ones than ours: it goes on for at least so many runs and at least so long, and stops
when its greatest time is over; it knows no greatest number of runs, no blocks and no precision. Delegates come in the
order of their flags. XNNPACK has three states: not named, it is applied as an app would have it; ``false`` leaves it
out; ``true`` applies it explicitly, and says what it took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..errors import UsageError
from ..records import Delegate, DelegateKind, Settings

#: Like the worker's process for memory: the first run and a few more.
_MEMORY_RUNS = 6
_MEMORY_S = 1.0
_PROFILE_S = 1.0


class Purpose(str, Enum):
    """What one process is for. Each is a process of its own: watching memory and operators slows a model down."""

    TIMES = "times"
    MEMORY = "memory"
    OPERATORS = "operators"


@dataclass(frozen=True)
class Places:
    """Paths on the device. ``library`` is the external delegate's, ``cpu_mask`` the CPUs to run on, in hexadecimal."""

    binary: str
    model: str
    result: str
    library: str | None = None
    cpu_mask: str | None = None


@dataclass(frozen=True)
class Asked:
    """How the model is to be run."""

    delegate: Delegate
    threads: int
    signature: str | None = None


def command_line(purpose: Purpose, asked: Asked, settings: Settings, places: Places) -> list[str]:
    """Return the command as a list of words.

    Raises:
        UsageError: an option of an external delegate cannot be written for this tool.
    """
    words = [places.binary, f"--graph={places.model}", f"--num_threads={asked.threads}"]
    words += _bounds(purpose, settings)
    words += delegate_flags(asked.delegate, places.library, require_full=settings.require_full)
    if asked.signature is not None:
        words.append(f"--signature_to_run_for={asked.signature}")
    if purpose is Purpose.MEMORY:
        words.append("--report_peak_memory_footprint=true")
    if purpose is Purpose.OPERATORS:
        words.append("--enable_op_profiling=true")
    words.append(f"--result_file_path={places.result}")
    return ["taskset", places.cpu_mask, *words] if places.cpu_mask is not None else words


def longest_s(purpose: Purpose, settings: Settings) -> float:
    """Return the time after which the tool starts no further run, loading apart: in warm-up and in the runs counted."""
    if purpose is Purpose.TIMES:
        return 2 * settings.max_time_ns / 1e9
    return 2 * (_MEMORY_S if purpose is Purpose.MEMORY else _PROFILE_S)


def delegate_flags(delegate: Delegate, library: str | None = None, *, require_full: bool = False) -> list[str]:
    """Return the flags that ask for a delegate; ``library`` is where an external one's library lies on the device.

    Raises:
        UsageError: an option cannot be written for this tool.
    """
    kind = delegate.kind
    plain = {
        DelegateKind.DEFAULT: [],
        DelegateKind.XNNPACK: ["--use_xnnpack=true"],
        DelegateKind.NONE: ["--use_xnnpack=false"],
        DelegateKind.GPU: ["--use_gpu=true"],
        DelegateKind.NNAPI: ["--use_nnapi=true"],
        DelegateKind.EXTERNAL: [f"--external_delegate_path={library or delegate.library}"],
    }
    flags: list[str] = plain[kind]
    if kind is DelegateKind.EXTERNAL and delegate.options:
        flags = [*flags, f"--external_delegate_options={_options(delegate)}"]
    if require_full and kind not in (DelegateKind.DEFAULT, DelegateKind.NONE):
        flags = [*flags, "--require_full_delegation=true"]
    return flags


def check_options(delegate: Delegate) -> None:
    """Raise UsageError where an option cannot be written for this tool."""
    _options(delegate)


def cpu_mask(numbers: Sequence[int]) -> str:
    """Return CPUs as ``taskset`` takes them: ``f0`` for 4 to 7."""
    return f"{sum(1 << number for number in set(numbers)):x}"


def _options(delegate: Delegate) -> str:
    """Return ``k:v;k:v``. The tool splits the text at every one of these marks, so none may be within."""
    for key, value in delegate.options.items():
        if {":", ";"} & {*key, *value}:
            raise UsageError(
                f"--delegate-option {key}={value}: benchmark_model takes no option with : or ; in it; "
                "use another engine, or leave it out"
            )
    return ";".join(f"{key}:{value}" for key, value in delegate.options.items())


def _bounds(purpose: Purpose, settings: Settings) -> list[str]:
    if purpose is Purpose.TIMES:
        runs, least_s, most_s = settings.min_runs, settings.min_time_ns / 1e9, settings.max_time_ns / 1e9
        warmup_runs, warmup_s = settings.warmup_min_runs, settings.warmup_time_ns / 1e9
    elif purpose is Purpose.MEMORY:
        runs, least_s, most_s, warmup_runs, warmup_s = _MEMORY_RUNS, 0.0, _MEMORY_S, 1, 0.0
    else:
        runs, least_s, most_s = min(settings.min_runs, 50), 0.0, _PROFILE_S
        warmup_runs, warmup_s = settings.warmup_min_runs, 0.0
    return [
        f"--num_runs={runs}",
        f"--min_secs={least_s:g}",
        f"--max_secs={most_s:g}",
        f"--warmup_runs={warmup_runs}",
        f"--warmup_min_secs={warmup_s:g}",
    ]
