"""The flags about gates that compare and run share, and what they come to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import StoreError, UsageError

if TYPE_CHECKING:
    from .changes import RunChange
    from .config import Config
    from .gates import Gate

EXIT_FAILED = 1


def add_gate_flags(gates: argparse._ArgumentGroup) -> None:
    """Add the flags that say what must not happen."""
    gates.add_argument(
        "--gate",
        action="append",
        metavar="EXPR",
        help="fail (exit code 1) where this is shown to be broken: 'p50 <= 1.05x', 'peak_rss <= +10%%', "
        "'size <= 3MB', 'recall[mel] >= -2pt', 'int8*@pi*: p50 <= 20ms' (repeatable; [[gate]] in edgebench.toml adds)",
    )
    gates.add_argument(
        "--undecided", choices=("pass", "fail"), help="what an undecided gate does to the exit code (default: pass)"
    )
    gates.add_argument("--junit", type=Path, metavar="FILE", help="write the gates as JUnit XML")
    gates.add_argument("--summary", type=Path, metavar="FILE", help="append Markdown, for $GITHUB_STEP_SUMMARY")
    gates.add_argument("--github-benchmark", type=Path, metavar="FILE", help="write what github-action-benchmark reads")


def gates_of(options: argparse.Namespace, *, measuring: bool) -> tuple[Gate, ...]:
    """Return the gates that flags and edgebench.toml write; raises UsageError before anything is measured.

    ``measuring`` without images cannot judge accuracy; stored runs may have it.
    """
    from .gates import parse_gates

    flagged = parse_gates(options.gate or ())
    gates = (*flagged, *(gate for gate in _configured(options) if gate not in flagged))
    for name in ("junit", "summary", "undecided"):
        if getattr(options, name) is not None and not gates and name not in getattr(options, "defaults", {}):
            raise UsageError(f"--{name}: is about gates; name some with --gate")
    for name in ("junit", "summary", "github_benchmark"):
        path = getattr(options, name)
        if path is not None and not path.expanduser().parent.is_dir():
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {path}: there is no folder {path.parent}; make it first")
    shares = [gate for gate in flagged if gate.metric.is_share]
    if measuring and shares and options.data is None:
        raise UsageError(f"--gate {shares[0].text!r}: is about accuracy; add --data SOURCE")
    return gates


def _configured(options: argparse.Namespace) -> list[Gate]:
    from .config import load_config

    return configured_gates(load_config(getattr(options, "config", None)))


def configured_gates(config: Config) -> list[Gate]:
    """Return the gates of edgebench.toml. They may be about other models and devices than those at hand."""
    from .gates import parse_gate, with_patterns

    return [
        replace(
            with_patterns(
                parse_gate(text, f"{config.path}: [[gate]]"),
                model=table.model,
                variant=table.variant,
                device=table.device,
            ),
            optional=True,
        )
        for table in config.gates
        for text in table.check
    ]


def without_changes(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the gates that one run is judged by: those of edgebench.toml about a change are meant for two builds."""
    from .gates import GateKind

    return tuple(gate for gate in gates if not gate.optional or gate.kind is GateKind.ABSOLUTE)


def apply_gates(
    options: argparse.Namespace, gates: Sequence[Gate], changes: Sequence[RunChange], *, to_stderr: bool
) -> int:
    """Say what came out and write the files asked for; return 1 where a gate failed, else 0.

    Raises:
        UsageError: a gate is about no case.
        StoreError: a file could not be written.
    """
    from .analysis.gating import GateOutcome, judge_together
    from .report.gates import action_benchmark, gate_lines, gate_sentence, gates_junit, gates_markdown

    if options.github_benchmark is not None:
        _write(options.github_benchmark, action_benchmark([case.new for change in changes for case in change.cases]))
    if not gates:
        return 0
    strict = options.undecided == "fail"
    judged = list(zip(changes, judge_together(gates, changes), strict=True))
    everything = [item for _, items in judged for item in items]
    for gate in gates:
        if all(item.gate != gate for item in everything):
            print(
                f"edgebench: gate {gate.text!r} of edgebench.toml is about nothing that was measured", file=sys.stderr
            )
    stream = sys.stderr if to_stderr else sys.stdout
    print(f"\n{gate_sentence(everything, undecided_fails=strict)}", file=stream)
    for line in gate_lines(everything):
        print(f"  {line}", file=stream)
    if options.junit is not None:
        _write(options.junit, gates_junit(everything, undecided_fails=strict))
    if options.summary is not None:
        text = "\n".join(gates_markdown(change, items, undecided_fails=strict) for change, items in judged)
        _write(options.summary, text, append=True)
    failing = {GateOutcome.FAIL, GateOutcome.UNDECIDED} if strict else {GateOutcome.FAIL}
    return EXIT_FAILED if any(item.outcome in failing for item in everything) else 0


def _write(path: Path, text: str, *, append: bool = False) -> None:
    try:
        with path.expanduser().open("a" if append else "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
