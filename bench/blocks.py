"""Timing: cases of a group stay loaded and take turns, in blocks that each have fresh workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import Any

from .analysis.comparison import compare
from .cooling import Cooler
from .errors import WorkerError
from .estimate import timing_left
from .firmware import Firmware, joined
from .judging import judge
from .launch import Launcher
from .observer import Observer, Timed
from .outcome import Outcome, guarded, peak_bytes
from .progress import Progress
from .records import Comparison, Settings
from .rounds import Decision, SampleLog, at_cap, block_is_full, log_ratios, room, rotated, take_burst, warm_up
from .session import Session

#: Workers that stay loaded together while they take turns; memory of the machine bounds it further.
MAX_GROUP = 8
#: Share of the memory that is free now which loaded workers may fill together.
_MEMORY_SHARE = 0.6


def memory_budget(available_bytes: int | None) -> int | None:
    """Return the bytes that workers may hold together, of those that are free now; None where that is unknown."""
    return None if available_bytes is None else int(available_bytes * _MEMORY_SHARE)


class BlockTimer:
    """Measures latency of all cases of a run."""

    def __init__(
        self,
        launcher: Launcher,
        settings: Settings,
        progress: Progress,
        available_bytes: Callable[[], int | None],
        usable_cores: int | None = None,
        firmware: Firmware | None = None,
        cooler: Cooler | None = None,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        """``turn`` is held during each block: what would disturb it waits meanwhile."""
        self._turn = turn if turn is not None else nullcontext()
        self._firmware = firmware
        self._launcher = launcher
        self._settings = settings
        self._progress = progress
        self._available_bytes = available_bytes
        self._usable_cores = usable_cores
        self._cooler = cooler
        self._block = 0

    def run(self, outcomes: list[Outcome], observer: Observer, timed: Timed) -> None:
        """Measure the cases that live, then summarise all: also what an interrupt cut short is a result.

        A run that goes on keeps its groups, since memory that is free now may differ, and goes on within the block of
        all groups that it stopped in.
        """
        groups = _restored(timed, outcomes) or list(self._groups([o for o in outcomes if o.alive]))
        if not timed.groups:
            observer.groups_made(groups)
        taking_part = [
            outcome for outcome in outcomes if any(outcome is member for group in groups for member in group)
        ]
        for outcome in taking_part:
            outcome.log.groups = sum(any(outcome is member for member in group) for group in groups)
        decision = Decision(self._settings, self._launcher.clock_ns, timed.spent_ns, timed.slowest_ns)
        self._block = timed.blocks
        done, begun = divmod(timed.blocks, max(1, len(groups)))
        before = f", {done} measured before" if done else ""
        self._progress.phase(f"timing, in blocks of fresh workers{before}", self._settings.max_blocks)
        self._progress.skip(done)
        self._progress.left(timing_left(self._settings, done, decision.spent_ns, compared=bool(_pairs(taking_part))))
        try:
            while begun or decision.another(done, [o.log for o in taking_part if o.alive], _pairs(taking_part)):
                for group in groups[begun:]:
                    open_cases = [o for o in group if o.alive and not at_cap(o.log, self._settings)]
                    decision.leave_out(self._cool(open_cases))
                    with self._turn:
                        self._time_block(open_cases, done)
                    observer.block_done(self._block - 1, decision.spent_ns, open_cases)
                done, begun = done + 1, 0
                compared = bool(_pairs(taking_part))
                self._progress.left(timing_left(self._settings, done, decision.spent_ns, compared=compared))
                self._progress.advance()
        finally:
            summarise(taking_part, self._settings, self._usable_cores)
        self._progress.skip(self._settings.max_blocks - done)  # not needed: that is finished, too

    def _groups(self, alive: list[Outcome]) -> Iterator[list[Outcome]]:
        """Yield cases that are compared with one another and fit into memory together; each group has its baseline.

        Families of few members, a case and its older self for instance, share a group where they fit.
        """
        budget = memory_budget(self._available_bytes())
        together: list[Outcome] = []
        for group in self._families(alive, budget):
            if together and _fits([*together, *group], budget) and _one_model([*together, *group]):
                together += group
                continue
            if together:
                yield together
            together = group
        if together:
            yield together

    def _families(self, alive: list[Outcome], budget: int | None) -> Iterator[list[Outcome]]:
        """Yield each baseline with the cases that are compared with it, in parts where they do not fit."""
        for members in _by_baseline(alive):
            baseline = _baseline(members)
            start = [baseline] if baseline is not None else []
            group = list(start)
            for outcome in members:
                if outcome is baseline:
                    continue
                if len(group) > len(start) and not _fits([*group, outcome], budget):
                    yield group
                    group = list(start)
                group.append(outcome)
            yield group

    def _cool(self, group: list[Outcome]) -> int:
        """Let the device cool before the next block, where that was asked for; return the ns that it took."""
        if self._cooler is None or not group:
            return 0
        cooling = self._cooler.wait()
        for outcome in group:
            outcome.coolings[self._block] = cooling
        return cooling.waited_ns

    def _time_block(self, group: list[Outcome], turn: int) -> None:
        """Measure one group with fresh workers. ``turn`` counts the group's blocks; numbers of blocks are the run's."""
        block, self._block = self._block, self._block + 1
        firmware_before = self._read_firmware()
        with ExitStack() as stack:
            sessions: list[tuple[Outcome, Session]] = []
            # Which process comes first decides where its memory lies: that too must not always favour the same case.
            for outcome in rotated(group, turn):
                self._progress.detail(f"loading {outcome.case.case_id}")
                guarded(outcome, self._prepare, outcome, stack, sessions)
            # Only now: a case that was warmed up before others were loaded would have grown cold again.
            for outcome, session in sessions:
                guarded(outcome, warm_up, session, outcome.log, self._settings, block)
            warm = [(outcome, session) for outcome, session in sessions if outcome.alive]
            self._progress.detail(f"{len(warm)} taking turns")
            # All before the first burst and after the last one: to read the machine's state costs a millisecond.
            states = [(outcome, session, _state(outcome, session)) for outcome, session in warm]
            self._take_turns(warm, block)
            found = [
                (outcome, before, after)
                for outcome, session, before in states
                if before is not None and outcome.alive and (after := _state(outcome, session)) is not None
            ]
            firmware = self._read_firmware() if found else {}
        for outcome, before, after in found:
            outcome.states.append((joined(before, firmware_before), joined(after, firmware)))

    def _read_firmware(self) -> Mapping[str, Any]:
        return {} if self._firmware is None else self._firmware.read()

    def _prepare(self, outcome: Outcome, stack: ExitStack, sessions: list[tuple[Outcome, Session]]) -> None:
        session = stack.enter_context(self._launcher.open(outcome.case))
        session.hello(outcome.case.runtime)
        loaded = self._launcher.load(outcome.case, session)
        first_ns = session.first(self._settings.seed)
        outcome.starts.append((loaded.load_ns, first_ns))
        sessions.append((outcome, session))

    def _take_turns(self, sessions: list[tuple[Outcome, Session]], block: int) -> None:
        """Burst in rounds until every case has its share; only a case at its cap stops before the others.

        The first round goes in the order of loading, which every block begins with another case.
        """
        rounds = 0
        running = sessions
        while running:
            for outcome, session in rotated(running, rounds):
                guarded(outcome, take_burst, session, outcome.log, self._settings, rounds, block)
            rounds += 1
            running = [(o, session) for o, session in running if o.alive and room(o.log, self._settings, block)]
            if all(block_is_full(outcome.log, self._settings, block, rounds) for outcome, _ in running):
                return


def _by_baseline(alive: list[Outcome]) -> list[list[Outcome]]:
    """Return the outcomes in families that share a baseline, which is a member where it lives."""
    families: dict[str, list[Outcome]] = {}
    for outcome in alive:
        families.setdefault((outcome.baseline or outcome).case.case_id, []).append(outcome)
    return list(families.values())


def _fits(group: list[Outcome], budget: int | None) -> bool:
    return len(group) <= MAX_GROUP and (budget is None or sum(peak_bytes(outcome) for outcome in group) <= budget)


def _one_model(group: list[Outcome]) -> bool:
    return len({outcome.case.variant.model for outcome in group}) == 1


def _restored(timed: Timed, outcomes: list[Outcome]) -> list[list[Outcome]]:
    by_id = {outcome.case.case_id: outcome for outcome in outcomes}
    return [[by_id[case_id] for case_id in group] for group in timed.groups]


def _state(outcome: Outcome, session: Session) -> Mapping[str, Any] | None:
    """Return the machine's state, or None: a measurement must not fail because nobody could watch it."""
    try:
        if outcome.machine is None:
            outcome.machine = session.machine()
        return session.state()
    except WorkerError as error:
        outcome.unread = str(error)
        return None


def _baseline(members: list[Outcome]) -> Outcome | None:
    return next((outcome for outcome in members if outcome.is_baseline), None)


def _pairs(alive: list[Outcome]) -> list[tuple[SampleLog, SampleLog]]:
    """Return the logs of (case, baseline) for every case that has one and still lives."""
    found = []
    for outcome in alive:
        baseline = outcome.baseline
        if outcome.alive and baseline is not None and baseline.alive:
            found.append((outcome.log, baseline.log))
    return found


def summarise(alive: list[Outcome], settings: Settings, usable_cores: int | None) -> None:
    """Put what was timed into the results: figures, findings and comparisons."""
    for outcome in alive:
        outcome.summarise()
        judge(outcome, settings, usable_cores)
        if outcome.baseline is not None:
            outcome.update(comparison=_compared(outcome, outcome.baseline, settings))


def _compared(outcome: Outcome, baseline: Outcome, settings: Settings) -> Comparison:
    found = compare(baseline.case.case_id, log_ratios(outcome.log, baseline.log), settings.min_blocks)
    if "ratio" not in found.unavailable or baseline.alive:
        return found
    return replace(found, unavailable={"ratio": f"the baseline did not finish: {found.unavailable['ratio']}"})
