"""Runs ``benchmark_model`` on a device for one case after the other, and keeps what it wrote."""

from __future__ import annotations

import shlex
import signal
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..analysis.samples import CaseSamples
from ..analysis.verdict import Evidence, findings_of, silence, unchecked_of
from ..cooling import Cooler
from ..delegate_check import check_delegate
from ..devices.base import Device
from ..devices.remote_start import MARK
from ..devices.shell import ShellDevice
from ..errors import (
    DeviceError,
    EdgebenchError,
    MemoryExceeded,
    ProtocolError,
    RuntimeRefused,
    UsageError,
    WorkerDied,
    WorkerTimeout,
)
from ..findings import Code, verdict_of
from ..firmware import Firmware, joined
from ..outcome import Outcome
from ..records import DelegateKind, Settings
from ..stopping import Stop
from ..summaries import SUMMARIES
from ..worker.affinity import choose
from ..worker.refusal import Refusal
from . import limits
from .binary import binary_place
from .command import Asked, Places, Purpose, command_line, cpu_mask, longest_s
from .figures import BenchmarkLog
from .left_over import TOOL_SCRATCH, end_left_over
from .log import parse_log
from .proto import parse_result
from .result import delegation_of, lacks_delegate, latency_of, memory_of, merged, operators_of

#: A device that has no ``timeout`` lets us wait this much longer before it counts as lost.
_GRACE_S = 30.0
_RUN = rf"""
echo; echo {MARK}
limit=$1; shift
if command -v timeout >/dev/null 2>&1; then exec timeout -s KILL "$limit" "$@" 2>&1; fi
exec "$@" 2>&1
"""
_KILLED, _TIMED_OUT = 137, 124
_NOT_FOUND = (126, 127)
_OF_SAMPLES = (Code.FEW_BLOCKS, Code.NOT_WARM, Code.DRIFT, Code.TWO_MODES, Code.SPREAD)


class BenchmarkModelMeter:
    """Measures cases of engine benchmark_model on one device."""

    def __init__(
        self,
        device: ShellDevice,
        settings: Settings,
        binary: Path | None,
        *,
        profile: bool = False,
        stop: Stop | None = None,
        cooler: Cooler | None = None,
    ) -> None:
        """``binary`` is a file of this machine, None for the one that lies on the device; ``profile``: operators, too.

        ``stop`` ends it from another thread, between two processes; ``cooler`` lets the device cool before each case.
        """
        self._cooler = cooler
        self._cooled = 0
        self._device = device
        self._settings = settings
        self._binary = binary
        self._profile = profile
        self._stop = stop
        self._firmware = Firmware(device)

    def measure(self, outcome: Outcome) -> None:
        """Put everything that the tool reports into a case's result, and its output into ``outcome.raw_log``.

        Raises:
            WorkerError: the tool failed, or said something that is not understood.
            DeviceError: the device was lost.
        """
        run = _CaseRun(self._device, self._settings, outcome, self._places(outcome), self._stop)
        try:
            self._measure(outcome, run)
        finally:
            with suppress(DeviceError):
                run.clean()

    def _measure(self, outcome: Outcome, run: _CaseRun) -> None:
        self._cool(outcome)
        before = self._state()
        times = run.run(Purpose.TIMES)
        after = self._state()
        delegation = delegation_of(times, outcome.case.delegate)
        outcome.update(delegation=delegation)
        if delegation.total_nodes is None and lacks_delegate(times.delegates, outcome.case.delegate):
            name = outcome.case.delegate.kind.value
            raise RuntimeRefused(f"this benchmark_model has no {name} delegate on this platform", "no-delegate")
        check_delegate(outcome.case.delegate, delegation, require_full=self._settings.require_full)
        latency = latency_of(times)  # only now: without its delegate it would be another thing's
        outcome.update(
            latency=latency,
            load_ns=None if times.init_ns is None else round(times.init_ns),
            first_inference_ns=None if times.first_inference_ns is None else round(times.first_inference_ns),
        )
        outcome.update(memory=memory_of(run.run(Purpose.MEMORY)))
        self._judge(outcome, before, after)
        outcome.lacks("accuracy", limits.NO_ACCURACY)
        if self._profile:
            self._operators(outcome, run, latency.p50_ns or latency.mean_ns)

    def _cool(self, outcome: Outcome) -> None:
        """Let the device cool where that was asked for. Each wait has a number that no block has."""
        if self._cooler is not None:
            self._cooled += 1
            outcome.coolings[-self._cooled] = self._cooler.wait()

    def _state(self) -> Mapping[str, Any]:
        return joined(_asked(self._device.state), self._firmware.read())

    def _operators(self, outcome: Outcome, run: _CaseRun, plain_ns: float) -> None:
        """Profile the case. What fails here leaves its other figures as they are."""
        try:
            found = operators_of(run.run(Purpose.OPERATORS), plain_ns)
        except (RuntimeRefused, ProtocolError, WorkerDied, WorkerTimeout, MemoryExceeded) as reason:
            outcome.lacks("operators", str(reason))
            return
        if found is None:
            outcome.lacks("operators", "this benchmark_model printed no profile")
        else:
            outcome.update(operators=found)

    def _judge(self, outcome: Outcome, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        told = "taken_ns" in before and "taken_ns" in after
        environment = self._device.environment()
        evidence = Evidence(
            samples=CaseSamples((), {}),
            delegate=outcome.case.delegate,
            threads=outcome.case.threads,
            delegation=outcome.result.delegation,
            usable_cores=len(outcome.result.cpu_numbers) or environment.cpus_allowed,
            states=[(before, after)] if told else (),
            machine=_asked(self._device.machine),
            coolings=tuple(outcome.coolings.values()),
            unread=None if told else next(iter(before.get("unavailable", {}).values()), None),
        )
        findings = silence(findings_of(evidence), self._settings.silenced)
        unchecked = {**unchecked_of(evidence), **{code.value: SUMMARIES for code in _OF_SAMPLES}}
        outcome.update(findings=findings, verdict=verdict_of(findings), unchecked=unchecked)

    def _places(self, outcome: Outcome) -> Places:
        """Send what the case needs; return where it lies."""
        case, device = outcome.case, self._device
        binary = binary_place(device, self._binary)
        numbers = cpus_there(device, case.cpus)
        outcome.update(
            cpu_numbers=tuple(numbers),
            runtime=binary.runtime(device.environment().machine),
        )
        library = case.delegate.library
        if case.delegate.kind is DelegateKind.EXTERNAL and library and Path(library).is_file():
            library = device.place(Path(library))
        if device.is_ours():
            end_left_over(device.shell(), device.files.root)
        scratch = f"{device.files.root}/scratch/{TOOL_SCRATCH}{uuid.uuid4().hex}"
        device.files.make_folder(scratch)
        return Places(
            binary=binary.path,
            model=device.place(Path(case.variant.file.path)),
            result=f"{scratch}/result.pb",
            library=library,
            cpu_mask=cpu_mask(numbers) if numbers else None,
        )


@dataclass
class _CaseRun:
    """The processes of one case."""

    device: ShellDevice
    settings: Settings
    outcome: Outcome
    places: Places
    stop: Stop | None

    def run(self, purpose: Purpose) -> BenchmarkLog:
        """Run the tool once and return what it told. Raises WorkerError, DeviceError."""
        if self.stop is not None:
            self.stop.check()
        case = self.outcome.case
        command = command_line(purpose, Asked(case.delegate, case.threads, case.signature), self.settings, self.places)
        limit_s = self.settings.timeout_s + longest_s(purpose, self.settings)
        script = ["sh", "-c", _RUN, "sh", f"{limit_s:.0f}", *command]
        begun_ns = self.device.clock_ns()
        done = self.device.shell().run(script, timeout_s=limit_s + _GRACE_S)
        took_s = (self.device.clock_ns() - begun_ns) / 1e9
        text = done.stdout.decode("utf-8", "replace").replace("\r\n", "\n").partition(f"\n{MARK}\n")[2]
        self.outcome.raw_log += f"=== {case.case_id}, {purpose.value}: {shlex.join(command)}\n{text}"
        self.outcome.raw_log += f"=== ended with exit code {done.status}\n\n"
        return self._told(done.status, text, limit_s if took_s >= limit_s else None)

    def clean(self) -> None:
        """Remove what a run leaves there: its folder, and after a Ctrl-C the tool itself, which nobody has told."""
        root, _, folder = self.places.result.rpartition("/")[0].rpartition("/scratch/")
        end_left_over(self.device.shell(), root, folder)

    def _told(self, status: int, text: str, limit_s: float | None) -> BenchmarkLog:
        """Return what a process told that ended; ``limit_s`` is its time where that was over."""
        if status in (_KILLED, _TIMED_OUT) and limit_s is not None:
            raise WorkerTimeout(f"benchmark_model did not end within {limit_s:.0f} s and was killed")
        if status in _NOT_FOUND:
            raise RuntimeRefused(f"benchmark_model cannot be run there: {_last_line(text)}", "no-engine")
        if status > 128:
            raise WorkerDied(f"benchmark_model ended by {_signal_name(status - 128)}: {_last_line(text)}")
        try:
            log = parse_log(text)
        except ProtocolError:
            if status:
                raise RuntimeRefused(f"benchmark_model ended with exit code {status}: {_last_line(text)}") from None
            raise
        if log.unconsumed:
            raise RuntimeRefused(
                f"this benchmark_model does not know {' '.join(log.unconsumed)}: it would have measured something else",
                "unknown-flag",
            )
        if status:
            why = "; ".join(log.errors[:2]) or _last_line(text)
            raise RuntimeRefused(f"benchmark_model ended with exit code {status}: {why}")
        content = self.device.files.read(self.places.result)
        self.device.files.remove(self.places.result)
        return merged(log, parse_result(content) if content else None)


def cpus_there(device: ShellDevice, text: str | None) -> Sequence[int]:
    """Return the CPUs that ``big``, ``little`` or numbers name on a device, none for any.

    Raises:
        UsageError: there are no such CPUs, or they may not be used.
    """
    if text is None:
        return ()
    able = device.able_cpus()
    allowed = device.allowed_cpus() or sorted(able)
    try:
        return choose(text, able, allowed)
    except Refusal as refusal:
        raise UsageError(str(refusal)) from refusal


def _asked(ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what a device tells, nothing where it cannot be asked: no measurement fails for that."""
    try:
        return ask()
    except DeviceError:
        raise
    except EdgebenchError as error:
        return {"unavailable": {"state": str(error)}}


def _last_line(text: str) -> str:
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return said[-1][:200] if said else "it said nothing"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def meter_device(device: Device) -> ShellDevice | None:
    """Return a device as this meter uses it, None where only workers run on it."""
    from ..devices.remote import RemoteDevice

    if isinstance(device, ShellDevice):
        return device
    return ShellDevice(device) if isinstance(device, RemoteDevice) else None
