"""Measuring what tests ask for: all that can share a run is one run, made when the first of them needs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import EdgebenchError, UsageError
from ..plan import ModelVariant, find_variants
from ..records import CaseResult, Engine, Settings
from ..spec import (
    DEFAULT_SETTINGS,
    LOCAL,
    CaseChoice,
    DataSpec,
    Spec,
    bounded_settings,
    parse_choice,
    parse_delegate,
    parse_python,
)
from ..store import StoredRun
from .devices import SessionDevices
from .marked import Conditions, Request
from .measured import Measured

#: Enough to see that a model loads and answers.
ONCE = Settings(
    seed=0,
    min_runs=1,
    max_runs=1,
    min_time_ns=0,
    max_time_ns=1,
    warmup_time_ns=0,
    warmup_min_runs=0,
    timeout_s=DEFAULT_SETTINGS.timeout_s,
    min_blocks=1,
    max_blocks=1,
)


@dataclass
class Deferred:
    """Requests of a session and what has been measured for them, on this machine or one of ``devices``.

    ``out`` is where runs are stored, None for nowhere.
    """

    devices: SessionDevices
    out: Path | None = None
    timed: bool = True
    _waiting: dict[Conditions, list[Request]] = field(default_factory=dict)
    _done: dict[Request, Measured | EdgebenchError] = field(default_factory=dict)

    def expect(self, request: Request) -> None:
        """Remember that a test will ask for this."""
        self._waiting.setdefault(request.conditions, []).append(request)

    def measure(self, request: Request) -> Measured:
        """Return what was measured for a request, after measuring everything that shares its run.

        Raises:
            EdgebenchError: it could not be measured.
        """
        key = _key(request)
        if key not in self._done:
            together = dict.fromkeys(_key(item) for item in [request, *self._waiting.pop(request.conditions, ())])
            self._measure([item for item in together if item not in self._done])
        found = self._done[key]
        if isinstance(found, EdgebenchError):
            raise found
        return found

    def summary(self, *, figures: bool) -> list[str]:
        """Return where runs are stored, and with ``figures`` one line for each case."""
        runs = {id(item.run): item.run for item in self._done.values() if isinstance(item, Measured)}
        lines = []
        for run in runs.values():
            if figures and self.timed:
                lines += [_line(case) for case in run.record.cases]
            if run.folder is not None:
                lines.append(f"stored in {run.folder}")
        return lines

    def told_devices(self) -> dict[str, dict[str, str]]:
        """Return what each other device is that something was measured on, by name; what is unknown is left out."""
        found = {}
        for run in (item.run for item in self._done.values() if isinstance(item, Measured)):
            for device in run.record.devices:
                if device.name != LOCAL:
                    told = {
                        "board": device.board_model,
                        "machine": device.environment.machine,
                        "cpu": device.environment.cpu_model,
                        "system": device.environment.system,
                        "kernel": device.environment.kernel,
                    }
                    found[device.name] = {key: value for key, value in told.items() if value is not None}
        return found

    def _measure(self, requests: list[Request]) -> None:
        chosen: dict[Request, list[CaseChoice]] = {}
        wanted: dict[Request, list[CaseChoice]] = {}
        arguments: dict[str, None] = {}
        for request in requests:
            try:
                variants = _variants(request.model)
                mine = [_choice(variant, request) for variant in variants]
                others = _compared(request, variants)
            except EdgebenchError as error:
                self._done[request] = error
                continue
            chosen[request] = mine
            wanted[request] = [*mine, *(_choice(variant, request) for variant in others)]
            arguments.update(dict.fromkeys(_argument(variant) for variant in [*variants, *others]))
        if not chosen:
            return
        # By their text: a delegate's options make it unhashable.
        everything = list({repr(choice): choice for choices in wanted.values() for choice in choices}.values())
        try:
            run = self._run(everything, tuple(arguments), requests[0].conditions)
        except EdgebenchError as error:
            self._done.update(dict.fromkeys(chosen, error))
            return
        for request, choices in chosen.items():
            self._done[request] = Measured(tuple(_found(run.record.cases, choices)), run)

    def _run(self, choices: list[CaseChoice], models: tuple[str, ...], conditions: Conditions) -> StoredRun:
        from ..analysis.endings import stopped_by_hand
        from ..api import run_spec

        spec = Spec(
            models=models,
            engines=tuple(dict.fromkeys(choice.engine for choice in choices)),
            delegates=tuple({repr(choice.delegate): choice.delegate for choice in choices}.values()),
            threads=tuple(dict.fromkeys(choice.threads for choice in choices)),
            pythons=(parse_python(conditions.python, here=conditions.device is None),) if conditions.python else (),
            data=_data(conditions),
            settings=bounded_settings(DEFAULT_SETTINGS, conditions.budget, conditions.blocks) if self.timed else ONCE,
            command=("pytest",),
            only=tuple(choices),
            devices=(conditions.device or LOCAL,),
        )
        device = None if conditions.device is None else self.devices.get(conditions.device)
        run = run_spec(spec, out=self.out, device=device)
        if stopped_by_hand(run.record):
            raise KeyboardInterrupt
        return run


def _line(case: CaseResult) -> str:
    if case.latency is None or case.latency.p50_ns is None:
        return f"{case.case_id}: {case.failure.message if case.failure else 'too few samples for a median'}"
    verdict = f", {case.verdict.value}" if case.verdict else ""
    return f"{case.case_id}: p50 {case.latency.p50_ns / 1e6:.4g} ms of {case.latency.count:,} samples{verdict}"


def _key(request: Request) -> Request:
    """Return what is measured, whatever its limits; a ratio needs the other variant in the run."""
    return replace(request, limits=type(request.limits)(ratio_to=request.limits.ratio_to))


def _variants(model: str) -> list[ModelVariant]:
    variants, rejected = find_variants([model])
    if rejected:
        raise rejected[0]
    return variants


def _compared(request: Request, variants: list[ModelVariant]) -> list[ModelVariant]:
    """Return the variant that a ratio is taken to: one of the same model, from the same folder."""
    name = request.limits.ratio_to
    if name is None or any(variant.variant == name for variant in variants):
        return []
    path = Path(variants[0].file.path)
    siblings, _ = find_variants([str(path.parent)])
    found = [item for item in siblings if item.variant == name]
    if not found:
        there = ", ".join(item.variant for item in siblings)
        raise UsageError(f"max_ratio: there is no variant {name} beside {path} (there are {there})")
    return [replace(found[0], model=variants[0].model)]


def _choice(variant: ModelVariant, request: Request) -> CaseChoice:
    return CaseChoice(
        variant.model,
        variant.variant,
        parse_choice(Engine, request.engine, "engine"),
        parse_delegate(request.delegate),
        request.threads,
    )


def _argument(variant: ModelVariant) -> str:
    return f"{variant.model}/{variant.variant}={variant.file.path}"


def _found(cases: Iterable[CaseResult], choices: list[CaseChoice]) -> Iterable[CaseResult]:
    wanted = {repr(choice) for choice in choices}
    for case in cases:
        if repr(CaseChoice(case.model, case.variant, case.engine, case.delegate, case.threads)) in wanted:
            yield case


def _data(conditions: Conditions) -> DataSpec | None:
    from ..images.unseen import SplitChoice

    if conditions.data is None:
        return None
    return DataSpec(
        source=conditions.data,
        metadata=Path(conditions.metadata) if conditions.metadata else None,
        labels=Path(conditions.labels) if conditions.labels else None,
        normalize=conditions.normalize,
        limit=conditions.limit,
        split=parse_choice(SplitChoice, conditions.split, "split") if conditions.split else None,
    )
