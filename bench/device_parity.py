"""Before a device is timed: does it compute what the host, the machine that edgebench runs on, computes?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from .allowance import Ran, allowance
from .device_compare import Outputs, OutputsUnlike, compare, device_finding, unlike_finding
from .devices.base import Device
from .errors import MemoryExceeded, ProtocolError, RuntimeRefused, WorkerError, WorkerTimeout
from .findings import Code, Finding
from .golden_inputs import VALUES_TOLD, Golden, GoldenInputs
from .launch import Launcher
from .outcome import Outcome
from .plan import Case
from .records import Delegate, DelegateKind, Delegation, Engine, Settings, TensorInfo
from .spec import PythonTarget
from .stopping import Stop


@dataclass(frozen=True)
class _Reference:
    """What the host made of the golden inputs, how it ran them, and why not as the device did."""

    outputs: Sequence[Outputs]
    ran: Ran
    notes: tuple[str, ...] = ()


class _Unlearnt(Exception):
    """Why outputs were not compared; never leaves this module."""


class DeviceParityCheck:
    """Compares each case's outputs on a device with those of workers on the host.

    The host's worker runs under its default Python, with the case's engine, delegate, threads and signature. Where that
    cannot be, because of an accelerator or of what the host's runtime lacks, it runs as the runtime does by itself, and
    a note says so.
    """

    def __init__(
        self,
        device: Device,
        host: Device,
        settings: Settings,
        golden: GoldenInputs,
        turn: AbstractContextManager[object] | None = None,
        stop: Stop | None = None,
    ) -> None:
        """``turn`` is held while the host runs anything; ``stop`` can end :meth:`check` from another thread."""
        self._turn = turn if turn is not None else nullcontext()
        self._device = device
        self._host = host
        self._there = Launcher(device, settings.timeout_s, settings.memory_limit_bytes, stop)
        self._here = Launcher(host, settings.timeout_s, stop=stop)
        self._golden = golden

    def check(self, outcome: Outcome) -> None:
        """Put parity, and what it says against the case, into its result; why it is unknown under ``unchecked``.

        Raises:
            WorkerError: the device's worker died over it.
        """
        try:
            finding = self._compared(outcome, self._golden.of(outcome.reading))
        except _Unlearnt as reason:
            unchecked = {**outcome.result.unchecked, Code.DEVICE_DIFFERS.value: str(reason)}
            outcome.update(unchecked=unchecked)
            return
        if finding is not None:
            outcome.update(findings=(*outcome.result.findings, finding))

    def _compared(self, outcome: Outcome, golden: Golden) -> Finding | None:
        there = self._outputs_there(outcome.case, golden)
        with self._turn:
            here = self._outputs_here(outcome.case, golden)
        against = f"{here.ran.runtime.machine}, {here.ran.package}"
        try:
            found = compare(
                there,
                here.outputs,
                allowance(outcome.case.variant.file.scheme, _ran_there(outcome, here.ran), here.ran),
                against,
                images=golden.images,
                classes=_classes(outcome.result.inputs, outcome.result.outputs),
                notes=here.notes,
            )
        except OutputsUnlike as unlike:
            if here.notes:  # run in another way, a model may list its outputs otherwise
                raise _Unlearnt("; ".join([str(unlike), *here.notes])) from unlike
            return unlike_finding(f"{unlike} ({against})")
        outcome.update(device_parity=found.parity)
        return device_finding(found)

    def _outputs_there(self, case: Case, golden: Golden) -> Sequence[Outputs]:
        try:
            with self._there.open(case) as session:
                session.hello(case.runtime)
                self._there.load(case, session)
                return golden.run(self._device, session)
        except RuntimeRefused as refusal:
            raise _Unlearnt(f"its outputs cannot be read: {refusal}") from refusal

    def _outputs_here(self, case: Case, golden: Golden) -> _Reference:
        """Run the inputs as on the device, or as near to that as the host can."""
        refusals: dict[str, None] = {}
        for twin, reason in self._twins(case):
            try:
                found = self._run_here(twin, golden)
            except ProtocolError:
                raise
            except (MemoryExceeded, WorkerTimeout) as error:
                raise _Unlearnt(f"the comparison with the host came to no end: {error}") from error
            except WorkerError as error:
                refusals[str(error)] = None
                continue
            whys = [*([reason] if reason else []), *refusals]
            how = f"run on the host by {twin.engine.value}+{twin.delegate.kind.value}"
            return replace(found, notes=(f"{how}: {'; '.join(whys)}",) if whys else ())
        raise _Unlearnt(f"the host does not run this model: {'; '.join(refusals)}")

    def _twins(self, case: Case) -> Iterator[tuple[Case, str]]:
        """Yield the case as the host could run it, nearest first, each with the reason if it is another way at once."""
        same = replace(case, python=PythonTarget(self._host.default_python()))
        default = replace(same, delegate=Delegate(DelegateKind.DEFAULT), runtime=None)
        accelerated = case.delegate.kind in (DelegateKind.GPU, DelegateKind.EXTERNAL)
        reason = f"delegate {case.delegate.kind.value} is the device's own" if accelerated else ""
        twins = [default if accelerated else same, default, replace(default, engine=Engine.INTERPRETER)]
        yield from ((twin, reason) for place, twin in enumerate(twins) if twin not in twins[:place])

    def _run_here(self, twin: Case, golden: Golden) -> _Reference:
        with self._here.open(twin) as session:
            runtime = session.hello(twin.runtime).runtime
            delegation = self._here.load(twin, session).delegation
            outputs = golden.run(self._host, session)
        if twin.engine is Engine.COMPILED and delegation.total_nodes is None:
            delegation = self._told_by_interpreter(twin) or delegation
        return _Reference(outputs, Ran(runtime, twin.engine, twin.delegate, delegation))

    def _told_by_interpreter(self, twin: Case) -> Delegation | None:
        """Return what XNNPACK takes of the model in the engine that tells: the library and the file are the same."""
        teller = replace(twin, engine=Engine.INTERPRETER)
        try:
            with self._here.open(teller) as session:
                session.hello(teller.runtime)
                return self._here.load(teller, session).delegation
        except WorkerError:
            return None


def _ran_there(outcome: Outcome, here: Ran) -> Ran:
    result = outcome.result
    told = result.delegation is not None and result.delegation.total_nodes is not None
    delegation = result.delegation if told or result.engine is not here.engine else here.delegation
    return Ran(result.runtime or here.runtime, result.engine, result.delegate, delegation)


def _classes(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> int | None:
    """Return how many scores an item of the first output has, None where it is no list of scores."""
    if not inputs or not outputs or not inputs[0].shape:
        return None
    batch, shape = inputs[0].shape[0], outputs[0].shape
    scores = math.prod(shape[1:])
    listed = shape[:1] == (batch,) and sum(size > 1 for size in shape[1:]) == 1
    return scores if listed and batch * scores <= VALUES_TOLD else None
