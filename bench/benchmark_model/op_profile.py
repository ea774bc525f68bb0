"""The operator profile in a log: three tables a phase and graph, as aligned text or as something near CSV.

Old builds have a column more, the start of each operator. Text is parted by tabs, which people who paste logs often
lose. In CSV a name keeps its commas in old builds, and has tabs in their place in new ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..errors import ProtocolError
from .figures import ProfiledNode, ProfiledType, ProfilePart, Statistics
from .lines import Line
from .numbers import COUNT, NUMBER, milliseconds, number, statistics_of

_PHASE = re.compile(r"(Profiling Info for Benchmark Initialization|Operator-wise Profiling Info for Regular.*):")
_PRIMARY = re.compile(r"Primary graph\b.*:")
_SUBGRAPH = re.compile(r"Subgraph \(index: (\d+)(?:, name: (.*?))?\)(?: .*)?:")
#: The short summary of another graph has its name before it.
_OF_SUBGRAPH = re.compile(r"Subgraph \(index: \d+(?:, name: .*?)?\) (?=Timings )")
_TABLE = re.compile(r"=+ (Run Order|Top by .*|Summary by node type) =+")
_NODE_HEAD = re.compile(r"\s*\[node type\].*\[avg ms\].*\[Name\]")
_TYPE_HEAD = re.compile(r"\s*\[Node type\].*\[count\].*\[avg ms\].*")
_CSV_NODE_HEAD = re.compile(r"node type, .*avg_ms, .*name")
_CSV_TYPE_HEAD = re.compile(r"node type, count, avg_ms, .*")
_EXECUTED = re.compile(rf"Number of nodes executed: ({COUNT})")
_OBSERVED = re.compile(rf"({COUNT}) nodes observed")
_TIMINGS = re.compile(r"Timings \(microseconds\): (.*)")
#: LiteRT's own profiler sums up all runs in the words that were for one: its count is of nodes.
_OF_NODES = re.compile(rf"count={COUNT} curr={COUNT}")
_MEMORY = re.compile(r"Memory \(bytes\): count=.*")
#: Names of tensors make rows long, but not as long as what is no row. Patterns take their time on long lines.
_LONGEST_TITLE, _LONGEST_ROW = 1_000, 50_000
#: KB of the memory columns.
_KB = 1_000


@dataclass(frozen=True)
class _Table:
    """A table under way: how its rows look, whether they are of types, and whether they are CSV."""

    row: re.Pattern[str]
    types: bool
    csv: bool


@dataclass
class _Draft:
    """A part of the profile under way."""

    initialization: bool
    graph: str = ""
    delegate_internal: bool = False
    nodes: list[ProfiledNode] = field(default_factory=list)
    slowest: list[ProfiledNode] = field(default_factory=list)
    types: list[ProfiledType] = field(default_factory=list)
    executed: int | None = None
    observed: int | None = None
    total: Statistics | None = None

    def part(self) -> ProfilePart:
        """Return what was told."""
        return ProfilePart(
            self.initialization,
            self.graph,
            self.delegate_internal,
            tuple(self.nodes),
            tuple(self.slowest),
            tuple(self.types),
            self.executed,
            self.observed,
            self.total,
        )

    def per_run(self) -> None:
        """Count calls by the run, where they were counted over all runs: every operator runs once or more."""
        runs = min((node.calls for node in self.nodes), default=0)
        if runs > 1:
            self.nodes = [replace(node, calls=round(node.calls / runs)) for node in self.nodes]
            self.slowest = [replace(node, calls=round(node.calls / runs)) for node in self.slowest]
            self.types = [replace(item, calls=round(item.calls / runs)) for item in self.types]


@dataclass
class ProfileReader:
    """Takes the lines of a log one by one, and keeps what they say of a profile."""

    _drafts: list[_Draft] = field(default_factory=list)
    _table: _Table | None = None
    _title: str = ""
    _phase: bool | None = None

    @property
    def begun(self) -> bool:
        """Whether there was a line of a profile yet."""
        return bool(self._drafts)

    @property
    def parts(self) -> tuple[ProfilePart, ...]:
        """The profile as far as it was read."""
        return tuple(draft.part() for draft in self._drafts)

    def takes(self, line: Line) -> bool:
        """Return whether the line belongs to a profile. Raises ProtocolError where it should and cannot be read."""
        if len(line.text) <= _LONGEST_TITLE and (
            self._takes_title(line) or self._takes_head(line) or self._takes_summary(line)
        ):
            return True
        if len(line.text) > _LONGEST_ROW:
            return False
        if self._table is None or not line.text.strip():
            return False
        found = self._table.row.fullmatch(line.text)
        if found is not None:
            self._keep(self._table, found)
            return True
        if line.text.startswith("\t") and "\t" in line.text.strip():
            raise ProtocolError(f"not understood as a row of the profile, {line.quoted}")
        return False  # of another origin, between rows

    def _takes_title(self, line: Line) -> bool:
        text = line.text.strip()
        if phase := _PHASE.fullmatch(text):
            self._begin(phase[1].endswith("Initialization"))
        elif _PRIMARY.fullmatch(text):
            self._begin_graph("")
        elif subgraph := _SUBGRAPH.fullmatch(text):
            self._begin_graph(subgraph[2] or f"subgraph {subgraph[1]}")
        elif text.rstrip(":").rstrip() == "Delegate internal":
            self._begin_graph("", internal=True)
        elif table := _TABLE.fullmatch(text):
            self._title, self._table = table[1], None
        else:
            return False
        return True

    def _begin(self, initialization: bool) -> None:
        self._phase, self._table, self._title = initialization, None, ""
        self._drafts.append(_Draft(initialization))

    def _begin_graph(self, graph: str, *, internal: bool = False) -> None:
        draft = _Draft(bool(self._phase), graph, internal)
        self._table, self._title = None, ""
        if self._drafts and self._drafts[-1] == _Draft(bool(self._phase)):
            self._drafts[-1] = draft  # the phase's title came just before
        else:
            self._drafts.append(draft)

    def _takes_head(self, line: Line) -> bool:
        text = line.text
        is_csv = bool(_CSV_NODE_HEAD.fullmatch(text) or _CSV_TYPE_HEAD.fullmatch(text))
        types = bool(_TYPE_HEAD.fullmatch(text) or _CSV_TYPE_HEAD.fullmatch(text))
        if not (is_csv or types or _NODE_HEAD.fullmatch(text)):
            return False
        between = r" ?, ?" if is_csv else r" {0,99}\t {0,99}" if "\t" in text.strip() else r"\s{1,99}"
        self._table = _Table(_row(between, types=types, start="start" in text), types, is_csv)
        if types:
            self._title = "Summary by node type"
        elif not self._title or (self._title == "Run Order" and self._last.nodes):
            # Some builds write the heads without titles.
            self._title = "Top by" if self._last.nodes else "Run Order"
        return True

    @property
    def _last(self) -> _Draft:
        if not self._drafts:  # the oldest builds have no title for the phase
            self._drafts.append(_Draft(initialization=False))
        return self._drafts[-1]

    def _keep(self, table: _Table, found: re.Match[str]) -> None:
        last = self._last
        if table.types:
            last.types.append(_type(found, table.csv))
        elif self._title == "Run Order":
            last.nodes.append(_node(found, table.csv))
        else:
            last.slowest.append(_node(found, table.csv))

    def _takes_summary(self, line: Line) -> bool:
        text = line.text.strip()
        if self._drafts and text.startswith("Subgraph "):
            text = _OF_SUBGRAPH.sub("", text)
        if executed := _EXECUTED.fullmatch(text):
            self._last.executed = int(executed[1])
        elif observed := _OBSERVED.fullmatch(text):
            self._last.observed = int(observed[1])
        elif timings := _TIMINGS.fullmatch(text):
            self._take_total(timings[1], line)
        elif not _MEMORY.fullmatch(text):
            return False
        return True

    def _take_total(self, text: str, line: Line) -> None:
        last, total = self._last, statistics_of(text)
        if total is not None and not (_OF_NODES.fullmatch(text) and _is_over_all_runs(last)):
            last.total = total
        elif _OF_NODES.fullmatch(text):
            last.per_run()
        else:
            raise ProtocolError(f"not understood, {line.quoted}")


def _is_over_all_runs(draft: _Draft) -> bool:
    """Return whether the one operator that there is was called more often than a run would."""
    return not draft.initialization and len(draft.nodes) == 1 and draft.nodes[0].calls > 1


def _row(between: str, *, types: bool, start: bool) -> re.Pattern[str]:
    """Return the pattern of a row. The type comes first and may hold anything, so figures are what ends it."""
    figure = {name: rf"(?P<{name}>{NUMBER})" for name in ("start", "first", "mean", "memory")}
    percents = [rf"(?P<share>{NUMBER}) ?%", rf"{NUMBER} ?%"]
    if types:
        cells = [rf"(?P<count>{COUNT})", figure["mean"], *percents, figure["memory"], rf"(?P<calls>{COUNT})"]
    else:
        begin = [figure["start"]] if start else []
        cells = [*begin, figure["first"], figure["mean"], *percents, figure["memory"], rf"(?P<calls>{COUNT})"]
    named = "" if types else rf"(?:{between}(?P<name>.*))?"
    return re.compile(rf"\s*(?P<type>\S.*?){between}{between.join(cells)}{named}\s*")


def _node(found: re.Match[str], csv: bool) -> ProfiledNode:
    return ProfiledNode(
        node_type=_name(found["type"], csv),
        name=_name(found["name"] or "", csv),
        first_ns=milliseconds(found["first"]) or 0.0,
        mean_ns=milliseconds(found["mean"]) or 0.0,
        share=(number(found["share"]) or 0.0) / 100,
        memory_bytes=round((number(found["memory"]) or 0.0) * _KB),
        calls=int(found["calls"]),
        start_ns=milliseconds(found.groupdict().get("start")),
    )


def _type(found: re.Match[str], csv: bool) -> ProfiledType:
    return ProfiledType(
        node_type=_name(found["type"], csv),
        count=int(found["count"]),
        mean_ns=milliseconds(found["mean"]) or 0.0,
        share=(number(found["share"]) or 0.0) / 100,
        memory_bytes=round((number(found["memory"]) or 0.0) * _KB),
        calls=int(found["calls"]),
    )


def _name(text: str, csv: bool) -> str:
    return text.strip().replace("\t", ",") if csv else text.strip()
