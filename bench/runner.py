"""Runs a plan: a clean process per case for memory, then interleaved timing, then accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .analysis.latency import summarise_latency
from .devices.base import Device
from .errors import DataError, EdgebenchError, RuntimeRefused, ScoreError, WorkerError
from .evaluation import Evaluator, Reading, Scored
from .plan import Case, Plan
from .progress import Progress
from .records import CaseResult, Coverage, DelegateKind, Delegation, Failure, Memory, RuntimeInfo, Settings, Status
from .rounds import SampleLog, is_finished, rotated, take_burst, warm_up
from .session import ImageNeeds, Loaded, LoadRequest, Session
from .spec import PythonTarget

#: Workers that stay loaded together while they take turns; memory of the machine bounds it further.
MAX_GROUP = 8
#: Share of the memory that is free now which a group of loaded workers may fill.
GROUP_MEMORY_SHARE = 0.6
#: Runs after the first one in the memory process: buffers that only a second run allocates show up.
_MEMORY_RUNS = 5
_MEMORY_TIME_NS = 1_000_000_000


@dataclass
class Outcome:
    """What has been learnt about one case so far."""

    case: Case
    result: CaseResult
    log: SampleLog = field(default_factory=SampleLog)
    reading: Reading | None = None
    scored: Scored | None = None

    @property
    def alive(self) -> bool:
        """True while nothing has gone wrong with the case."""
        return self.result.failure is None

    def update(self, **changes: Any) -> None:
        """Replace fields of the result."""
        self.result = replace(self.result, **changes)

    def summarise(self) -> None:
        """Put the figures of the samples taken so far into the result."""
        steady = self.log.latencies(warmup=False)
        self.update(latency=summarise_latency(steady, self.log.count(warmup=True)))

    def fail(self, error: EdgebenchError) -> None:
        """Turn an error into this case's result; what was measured before stays."""
        self.update(status=Status.FAILED, failure=Failure(error.code, str(error)))


class Runner:
    """Drives one plan on one device. ``outcomes`` is up to date at any moment, also after an interrupt."""

    def __init__(
        self,
        device: Device,
        plan: Plan,
        settings: Settings,
        evaluator: Evaluator | None = None,
        progress: Progress | None = None,
        available_bytes: Callable[[], int | None] | None = None,
    ) -> None:
        self._device = device
        self._settings = settings
        self._evaluator = evaluator
        self._progress = progress or Progress()
        self._available_bytes = available_bytes or _available_memory_bytes
        self.outcomes = [Outcome(case, case.result(Status.INTERRUPTED)) for case in plan.cases]

    def run(self) -> None:
        """Measure everything. A failing worker is that case's result; the others go on.

        Raises:
            UsageError, DataError: accuracy was asked for and cannot be measured this way; nothing was timed yet.
        """
        self._each("checking, measuring memory", self.outcomes, self._inspect)
        self._decode_images()
        groups = list(self._groups())
        self._progress.phase("timing", len(self._alive()))
        for group in groups:
            self._time_group(group)
        if self._evaluator is not None:
            self._each("classifying images", self._alive(), self._evaluate)
        for outcome in self._alive():
            outcome.update(status=Status.OK)

    def _alive(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.alive]

    def _each(self, phase: str, outcomes: list[Outcome], action: Callable[[Outcome], None]) -> None:
        self._progress.phase(phase, len(outcomes))
        for outcome in outcomes:
            self._progress.detail(outcome.case.case_id)
            _guarded(outcome, action, outcome)
            self._progress.advance()

    def _session(self, case: Case) -> Session:
        return Session(self._device.start_worker(case.python.path), self._settings.timeout_s)

    def _load(self, case: Case, session: Session, *, exclusive: bool = False) -> Loaded:
        return session.load(
            LoadRequest(
                model_path=self._device.place(Path(case.variant.file.path)),
                engine=case.engine,
                delegate=case.delegate,
                threads=case.threads,
                signature=case.signature,
                exclusive=exclusive,
            )
        )

    def _external_alone(self, case: Case) -> Delegation | None:
        """Return what an external delegate takes by itself, or None for others.

        The runtime adds its default delegate for the rest and names neither. A process of its own, ended before the
        next begins: some accelerators open only once.
        """
        if case.delegate.kind is not DelegateKind.EXTERNAL:
            return None
        with self._session(case) as session:
            session.hello(case.runtime)
            return self._load(case, session, exclusive=True).delegation

    def _inspect(self, outcome: Outcome) -> None:
        """Load and run the case in a clean process, reading memory at each step; learn which images the model takes."""
        alone = self._external_alone(outcome.case)
        with self._session(outcome.case) as session:
            hello = session.hello(outcome.case.runtime)
            outcome.update(runtime=hello.runtime, runtime_import_ns=hello.import_ns)
            before = session.memory()
            loaded = self._load(outcome.case, session)
            after_load = session.memory()
            outcome.update(inputs=loaded.inputs, outputs=loaded.outputs, delegation=alone or loaded.delegation)
            outcome.update(notes=_default_delegates_part(alone, loaded.delegation))
            _check_delegate(outcome.case, outcome.result.delegation)
            session.first(self._settings.seed)
            after_first = session.memory()
            session.burst(1, _MEMORY_RUNS, _MEMORY_TIME_NS)
            outcome.update(memory=_memory(before, after_load, after_first, session.memory()))
            if self._evaluator is not None:
                outcome.reading = reading = self._evaluator.read(outcome.case.variant, _image_needs(outcome, session))
                outcome.update(preprocessing=reading.preprocessing, notes=outcome.result.notes + reading.notes)

    def _decode_images(self) -> None:
        for outcome in self._alive():
            if self._evaluator is not None and outcome.reading is not None:
                self._evaluator.images(outcome.reading.preprocessing)

    def _groups(self) -> Iterator[list[Outcome]]:
        """Yield cases that fit into memory together, in plan order."""
        available = self._available_bytes()
        budget = None if available is None else int(available * GROUP_MEMORY_SHARE)
        group: list[Outcome] = []
        used = 0
        for outcome in self._alive():
            memory = outcome.result.memory
            need = (memory.peak_rss_bytes if memory else None) or 0
            if group and (len(group) == MAX_GROUP or (budget is not None and used + need > budget)):
                yield group
                group, used = [], 0
            group.append(outcome)
            used += need
        if group:
            yield group

    def _time_group(self, group: list[Outcome]) -> None:
        """Keep the group's workers loaded and let them take turns until each has its samples."""
        with ExitStack() as stack:
            sessions: list[tuple[Outcome, Session]] = []
            try:
                for outcome in group:
                    self._progress.detail(f"loading {outcome.case.case_id}")
                    if _guarded(outcome, self._prepare, outcome, stack, sessions):
                        continue
                    self._progress.advance()
                self._take_turns(sessions)
            finally:
                # After an interrupt too: what was sampled so far is a result.
                for outcome in group:
                    outcome.summarise()

    def _prepare(self, outcome: Outcome, stack: ExitStack, sessions: list[tuple[Outcome, Session]]) -> None:
        session = stack.enter_context(self._session(outcome.case))
        session.hello(outcome.case.runtime)
        loaded = self._load(outcome.case, session)
        outcome.update(load_ns=loaded.load_ns)
        outcome.update(first_inference_ns=session.first(self._settings.seed))
        warm_up(session, outcome.log, self._settings)
        sessions.append((outcome, session))

    def _take_turns(self, running: list[tuple[Outcome, Session]]) -> None:
        round_index = 0
        self._progress.detail(f"{len(running)} cases take turns")
        while running:
            for outcome, session in rotated(running, round_index):
                _guarded(outcome, take_burst, session, outcome.log, self._settings, round_index)
            still: list[tuple[Outcome, Session]] = []
            for outcome, session in running:
                if outcome.alive and not is_finished(outcome.log, self._settings):
                    still.append((outcome, session))
                    continue
                session.close()
                self._progress.advance()
            running = still
            round_index += 1

    def _evaluate(self, outcome: Outcome) -> None:
        if self._evaluator is None or outcome.reading is None:
            return
        with self._session(outcome.case) as session:
            session.hello(outcome.case.runtime)
            self._load(outcome.case, session)
            outcome.scored = self._evaluator.evaluate(
                session, outcome.reading, self._device.place, self._progress.detail_count
            )
        outcome.update(accuracy=outcome.scored.accuracy)


def _image_needs(outcome: Outcome, session: Session) -> ImageNeeds:
    try:
        return session.image_needs()
    except RuntimeRefused as refusal:
        raise DataError(f"{outcome.case.case_id}: {refusal}; leave --data out to measure it without accuracy") from None


def _guarded(outcome: Outcome, action: Callable[..., None], *arguments: Any) -> bool:
    """Do it; an error of the worker or in its scores becomes the case's result. Return whether the case still lives."""
    try:
        action(*arguments)
    except (WorkerError, ScoreError) as error:
        outcome.fail(error)
    return outcome.alive


def probe_runtime(device: Device, python: PythonTarget, runtime: str | None, timeout_s: float) -> RuntimeInfo:
    """Return the runtime that a Python has. Raises WorkerError where it has none."""
    with Session(device.start_worker(python.path), timeout_s) as session:
        return session.hello(runtime).runtime


def _default_delegates_part(alone: Delegation | None, together: Delegation) -> tuple[str, ...]:
    """Return a note on what the default delegate took beside an external one."""
    if alone is None or alone.delegated_nodes is None or together.delegated_nodes is None:
        return ()
    rest = together.delegated_nodes - alone.delegated_nodes
    return (f"beside the external delegate the runtime's default one took {rest} nodes",) if rest > 0 else ()


def _check_delegate(case: Case, delegation: Delegation | None) -> None:
    """An explicit delegate that took nothing is an error: the figures would be another delegate's."""
    asked = case.delegate.kind in (DelegateKind.XNNPACK, DelegateKind.EXTERNAL)
    if asked and delegation is not None and delegation.coverage is Coverage.NOTHING:
        raise RuntimeRefused(
            f"delegate {case.delegate.kind.value} took none of the {delegation.total_nodes} nodes", "delegate-idle"
        )


def _memory(
    before: dict[str, Any], after_load: dict[str, Any], after_first: dict[str, Any], end: dict[str, Any]
) -> Memory:
    sources = {
        "rss_before_load_bytes": (before, "rss_bytes"),
        "rss_after_load_bytes": (after_load, "rss_bytes"),
        "rss_after_first_bytes": (after_first, "rss_bytes"),
        "peak_rss_bytes": (end, "peak_rss_bytes"),
    }
    values = {name: snapshot.get(key) for name, (snapshot, key) in sources.items()}
    reasons = {
        name: str(snapshot.get("unavailable", {}).get(key, "the worker did not say"))
        for name, (snapshot, key) in sources.items()
        if values[name] is None
    }
    return Memory(**values, unavailable=reasons)


def _available_memory_bytes() -> int | None:
    import psutil

    return int(psutil.virtual_memory().available)
