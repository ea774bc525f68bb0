"""What tests of several devices share: fake ones, each with a virtual clock of its own, and a folder for their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgebench.api import resume_run, run_spec
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.progress import Progress
from edgebench.records import CaseResult, RunRecord
from edgebench.spec import DEFAULT_SETTINGS, Spec
from edgebench.store import StoredRun
from fake_runs import MS
from harness import copies

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LATER = datetime(2026, 1, 3, tzinfo=timezone.utc)
RUN_ID = "20260102-030405-net"
#: Short blocks: five rounds of 20 ms each.
SETTINGS = replace(DEFAULT_SETTINGS, min_runs=1, min_time_ns=0, warmup_time_ns=20 * MS, min_blocks=3)
#: The second variant is twice as fast on the fast device, and slower than the first on the slow one.
FAST = {"a": FakeModel(2 * MS), "b": FakeModel(MS)}
SLOW = {"a": FakeModel(8 * MS), "b": FakeModel(10 * MS)}


def fast(**options: Any) -> FakeDevice:
    """Return a device on which b is the faster variant."""
    return FakeDevice(FAST, name="fast", **options)


def slow(**options: Any) -> FakeDevice:
    """Return a device on which a is the faster variant."""
    return FakeDevice(SLOW, name="slow", **options)


class Bench:
    """Two variants of one model, and a folder for runs of them."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "results"
        self.paths = [Path(path) for path in copies(folder / "models", "a", "b")]
        self.models = tuple(f"net/{path.stem}={path}" for path in self.paths)

    def spec(self, **options: Any) -> Spec:
        return Spec(self.models, **{"settings": SETTINGS, **options})

    def run(self, *devices: FakeDevice, progress: Progress | None = None, **options: Any) -> StoredRun:
        return run_spec(self.spec(**options), out=self.out, devices=devices, now=START, progress=progress)

    def resume(self, *devices: FakeDevice, progress: Progress | None = None) -> StoredRun:
        return resume_run("latest", self.out, devices=devices, now=LATER, progress=progress)

    @property
    def stored(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the stored run's journal."""
        lines = (self.out / RUN_ID / "journal.jsonl").read_text().splitlines()
        return [json.loads(line)["entry"] for line in lines]


def by_device(record: RunRecord) -> dict[str, list[CaseResult]]:
    """Return the cases of each device, in the order of the record."""
    found: dict[str, list[CaseResult]] = {}
    for case in record.cases:
        found.setdefault(case.device, []).append(case)
    return found


def asked(device: FakeDevice) -> Mapping[str, int]:
    """Return how often the device was asked each thing."""
    return device.asked


def lines(record: RunRecord, part: str) -> Sequence[str]:
    """Return the warnings that have a text in them."""
    return [line for line in record.warnings if part in line]
