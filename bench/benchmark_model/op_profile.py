"""The operator profile in a log: three tables a phase and graph, as aligned text or as something near CSV.

Old builds have a column more, the start of each operator. Text is parted by tabs, which people who paste logs often
lose. In CSV a name keeps its commas in old builds, and has tabs in their place in new ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..errors import ProtocolError
from .figures import ProfiledNode, ProfiledType, ProfilePart
from .lines import Line
from .numbers import NUMBER, milliseconds, statistics_of

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
_EXECUTED = re.compile(r"Number of nodes executed: (\d+)")
_OBSERVED = re.compile(r"(\d+) nodes observed")
_TIMINGS = re.compile(r"Timings \(microseconds\): (.*)")
_MEMORY = re.compile(r"Memory \(bytes\): count=.*")
#: KB of the memory columns.
_KB = 1_000


@dataclass(frozen=True)
class _Table:
    """A table under way: how its rows look, whether they are of types, and whether they are CSV."""

    row: re.Pattern[str]
    types: bool
    csv: bool


@dataclass
class ProfileReader:
    """Takes the lines of a log one by one, and keeps what they say of a profile."""

    parts: list[ProfilePart] = field(default_factory=list)
    _table: _Table | None = None
    _title: str = ""
    _phase: bool | None = None

    def takes(self, line: Line) -> bool:
        """Return whether the line belongs to a profile. Raises ProtocolError where it should and cannot be read."""
        if self._takes_title(line) or self._takes_head(line):
            return True
        if self._table is not None and line.text.strip():
            found = self._table.row.fullmatch(line.text)
            if found is not None:
                self._keep(self._table, found)
                return True
            if line.text.startswith("\t"):
                raise ProtocolError(f"not understood as a row of the profile, {line.quoted}")
            self._table = None
        return self._takes_summary(line)

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
        self.parts.append(ProfilePart(initialization))

    def _begin_graph(self, graph: str, *, internal: bool = False) -> None:
        part = ProfilePart(bool(self._phase), graph, internal)
        self._table, self._title = None, ""
        if self.parts and self.parts[-1] == ProfilePart(bool(self._phase)):
            self.parts[-1] = part  # the phase's title came just before
        else:
            self.parts.append(part)

    def _takes_head(self, line: Line) -> bool:
        text = line.text
        is_csv = bool(_CSV_NODE_HEAD.fullmatch(text) or _CSV_TYPE_HEAD.fullmatch(text))
        types = bool(_TYPE_HEAD.fullmatch(text) or _CSV_TYPE_HEAD.fullmatch(text))
        if not (is_csv or types or _NODE_HEAD.fullmatch(text)):
            return False
        between = r"\s*,\s*" if is_csv else r" *\t *" if "\t" in text.strip() else r"\s+"
        self._table = _Table(_row(between, types=types, start="start" in text), types, is_csv)
        if types:
            self._title = "Summary by node type"
        elif not self._title or (self._title == "Run Order" and self._last.nodes):
            # Some builds write the heads without titles.
            self._title = "Top by" if self._last.nodes else "Run Order"
        return True

    @property
    def _last(self) -> ProfilePart:
        if not self.parts:  # the oldest builds have no title for the phase
            self.parts.append(ProfilePart(initialization=False))
        return self.parts[-1]

    def _change(self, **changes: object) -> None:
        last = self._last
        self.parts[-1] = replace(last, **changes)  # type: ignore[arg-type]

    def _keep(self, table: _Table, found: re.Match[str]) -> None:
        last = self._last
        if table.types:
            self._change(types=(*last.types, _type(found, table.csv)))
        elif self._title == "Run Order":
            self._change(nodes=(*last.nodes, _node(found, table.csv)))
        else:
            self._change(slowest=(*last.slowest, _node(found, table.csv)))

    def _takes_summary(self, line: Line) -> bool:
        text = _OF_SUBGRAPH.sub("", line.text.strip())
        if executed := _EXECUTED.fullmatch(text):
            self._change(executed=int(executed[1]))
        elif observed := _OBSERVED.fullmatch(text):
            self._change(observed=int(observed[1]))
        elif timings := _TIMINGS.fullmatch(text):
            total = statistics_of(timings[1])
            if total is None:
                raise ProtocolError(f"not understood, {line.quoted}")
            self._change(total=total)
        elif not _MEMORY.fullmatch(text):
            return False
        return True


def _row(between: str, *, types: bool, start: bool) -> re.Pattern[str]:
    """Return the pattern of a row. The type comes first and may hold anything, so figures are what ends it."""
    figure = {name: rf"(?P<{name}>{NUMBER})" for name in ("start", "first", "mean", "memory")}
    percents = [r"(?P<share>" + NUMBER + r")\s*%", NUMBER + r"\s*%"]
    if types:
        cells = [r"(?P<count>\d+)", figure["mean"], *percents, figure["memory"], r"(?P<calls>\d+)"]
    else:
        begin = [figure["start"]] if start else []
        cells = [*begin, figure["first"], figure["mean"], *percents, figure["memory"], r"(?P<calls>\d+)"]
    named = "" if types else rf"(?:{between}(?P<name>.*))?"
    return re.compile(rf"\s*(?P<type>\S.*?){between}{between.join(cells)}{named}\s*")


def _node(found: re.Match[str], csv: bool) -> ProfiledNode:
    return ProfiledNode(
        node_type=_name(found["type"], csv),
        name=_name(found["name"] or "", csv),
        first_ns=milliseconds(found["first"]) or 0.0,
        mean_ns=milliseconds(found["mean"]) or 0.0,
        share=float(found["share"]) / 100,
        memory_bytes=round(float(found["memory"]) * _KB),
        calls=int(found["calls"]),
        start_ns=milliseconds(found.groupdict().get("start")),
    )


def _type(found: re.Match[str], csv: bool) -> ProfiledType:
    return ProfiledType(
        node_type=_name(found["type"], csv),
        count=int(found["count"]),
        mean_ns=milliseconds(found["mean"]) or 0.0,
        share=float(found["share"]) / 100,
        memory_bytes=round(float(found["memory"]) * _KB),
        calls=int(found["calls"]),
    )


def _name(text: str, csv: bool) -> str:
    return text.strip().replace("\t", ",") if csv else text.strip()
