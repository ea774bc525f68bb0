"""How far a figure differs between two runs of one and the same thing, for no reason that anyone can see.

Blocks of one run share its minutes, so their spread cannot tell what another hour or day brings. Only repeats can: runs
of the same file under the same case id and runtime, on the same host, with the same settings. What is estimated is the
standard deviation of one run's figure, as a logarithm (0.03 is 3 %), pooled over all cases that were repeated. It holds
what the run's own blocks vary by as well. Cases of one run were measured in the same minutes and are not independent,
so the degrees of freedom are those of the runs, however many cases they had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..changes import Metric
from ..findings import Verdict
from ..records import CaseResult, RunRecord, Settings
from .figures import MEMORY, figure_of
from .machines import hosts_of

#: Of one run's latency where no repeats are known. Two processes with the same file, measured one after the other on a
#: shared machine, gave ratios with a standard deviation of 5 % (a model of 0.35 ms) and 20 % (8 ms), which is 4 to 14 %
#: for each of the two; days apart it will hardly be less.
DEFAULT_TIME_SD = 0.10
#: Of one run's ratio to a baseline that was measured in turns with the case. Within a run such a ratio is known to
#: 0.6 to 1.0 %. From run to run it moves further: neighbours who take memory bandwidth slow float32 more than int8. How
#: much is a guess, three times what a run itself shows; repeats in the store replace it.
DEFAULT_RATIO_SD = 0.03
#: Of one run's peak memory. Chosen: it is counted in pages by the kernel and hardly moves on one system.
DEFAULT_MEMORY_SD = 0.01
#: With fewer, Student's t asks for intervals wider than the defaults give, and says next to nothing.
MIN_FREEDOM = 3

#: A figure of one run, as a logarithm, and what makes another run's a repeat of it.
Reading = tuple[object, float]
Read = Callable[[RunRecord, CaseResult], Reading | None]
_IRRELEVANT = ("seed", "timeout_s", "require_full", "memory_limit_bytes", "silenced")


@dataclass(frozen=True)
class RunNoise:
    """The standard deviation of one run's figure as a logarithm.

    ``freedom`` are its degrees of freedom, None where it is assumed; ``words`` say where it comes from.
    """

    sd: float
    freedom: int | None
    words: str


@dataclass(frozen=True)
class _Pooled:
    sd: float
    freedom: int
    runs: int
    cases: int


def settings_key(settings: Settings) -> Mapping[str, object]:
    """Return the settings that decide how well a figure is known."""
    return {name: value for name, value in vars(settings).items() if name not in _IRRELEVANT}


def identity(record: RunRecord) -> tuple[str, str]:
    """Return what tells a run from any other, wherever its folder lies."""
    return record.run_id, record.created_utc


def usable_repeats(records: Iterable[RunRecord], base: RunRecord, new: RunRecord) -> tuple[RunRecord, ...]:
    """Return the runs of the base's devices that were measured as it was, or as the new one was, but for these two.

    The two themselves are left out: their difference is what is in question; and so are cases on other devices.
    """
    known = [settings_key(record.settings) for record in (base, new)]
    seen = {identity(base), identity(new)}
    hosts = hosts_of(base)
    found = []
    for record in records:
        if identity(record) in seen or record.interrupted or settings_key(record.settings) not in known:
            continue
        alike = dict(hosts.items() & hosts_of(record).items())
        cases = tuple(case for case in record.cases if case.device in alike)
        if cases:
            seen.add(identity(record))
            found.append(replace(record, cases=cases))
    return tuple(found)


def metric_noise(metric: Metric, repeats: Sequence[RunRecord], override: float | None = None) -> RunNoise:
    """Return how far a metric varies between runs; ``override`` is what a person says of times."""
    if override is not None and metric not in MEMORY:
        return RunNoise(override, None, f"between-run sd {percent(override)} (as told)")
    default = DEFAULT_MEMORY_SD if metric in MEMORY else DEFAULT_TIME_SD

    def read(_record: RunRecord, case: CaseResult) -> Reading | None:
        value = figure_of(case, metric)
        return (_file_key(case), math.log(value)) if value is not None and value > 0 else None

    return _noise(_pool(repeats, read), default)


def ratio_noise(repeats: Sequence[RunRecord]) -> RunNoise:
    """Return how far a case's ratio to its baseline, measured in turns, varies between runs."""

    def read(record: RunRecord, case: CaseResult) -> Reading | None:
        found = case.comparison
        baseline = None if found is None else find_case(record, found.baseline)
        if found is None or baseline is None or not found.ratio or found.ratio <= 0:
            return None
        return (_file_key(case), _file_key(baseline)), math.log(found.ratio)

    return _noise(_pool(repeats, read), DEFAULT_RATIO_SD)


def find_case(record: RunRecord, case_id: str) -> CaseResult | None:
    """Return the case of that id, None where the run has none."""
    return next((case for case in record.cases if case.case_id == case_id), None)


def _file_key(case: CaseResult) -> tuple[str, str, str | None]:
    return case.case_id, case.file.sha256, case.runtime.version if case.runtime else None


def _noise(pooled: _Pooled | None, default: float) -> RunNoise:
    if pooled is None:
        return RunNoise(default, None, f"between-run sd {percent(default)} (assumed: the store holds no repeats)")
    repeats = f"{pooled.runs} repeats of {pooled.cases} {'case' if pooled.cases == 1 else 'cases'}"
    if pooled.freedom >= MIN_FREEDOM:
        return RunNoise(pooled.sd, pooled.freedom, f"between-run sd {percent(pooled.sd)} from {repeats}")
    if pooled.sd <= default:
        return RunNoise(default, None, f"between-run sd {percent(default)} (assumed: {repeats} are too few to tell)")
    words = f"between-run sd {percent(pooled.sd)} (from only {repeats}; more than the {percent(default)} assumed else)"
    return RunNoise(pooled.sd, None, words)


def percent(share: float) -> str:
    """Return ``3.1 %`` for 0.031, ``10 %`` for 0.1."""
    return f"{100 * share:.2g} %"


def _pool(records: Sequence[RunRecord], read: Read) -> _Pooled | None:
    """Return the pooled standard deviation of what repeats show, None where nothing was repeated."""
    groups: dict[object, list[tuple[int, float]]] = {}
    for number, record in enumerate(records):
        for case in record.cases:
            reading = None if case.verdict is Verdict.INVALID else read(record, case)
            if reading is not None:
                groups.setdefault(reading[0], []).append((number, reading[1]))
    repeated = [group for group in groups.values() if len(group) > 1]
    if not repeated:
        return None
    squares = sum(_squares([value for _, value in group]) for group in repeated)
    deviations = sum(len(group) - 1 for group in repeated)
    together = _joined({number for number, _ in group} for group in repeated)
    runs = sum(map(len, together))
    return _Pooled(math.sqrt(squares / deviations), runs - len(together), runs, len(repeated))


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _joined(groups: Iterable[set[int]]) -> list[set[int]]:
    """Return the sets of runs, those that have a run in common made one."""
    found: list[set[int]] = []
    for group in groups:
        apart = [other for other in found if not other & group]
        found = [*apart, group.union(*(other for other in found if other & group))]
    return found
