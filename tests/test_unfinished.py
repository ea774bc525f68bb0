"""Runs that are cut off at any moment and continued, on the fake device; real processes are in test_resume_command."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import edgebench
import pandas as pd
import pytest
from colours import COLOURS, write_folder
from edgebench import journal as journal_module
from edgebench import store
from edgebench.api import resume_run, run_spec
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.entries import Restored
from edgebench.errors import RuntimeRefused, StoreError, UsageError, WorkerDied
from edgebench.images.dataset import open_dataset
from edgebench.images.splits import SPLIT_NAME, make_split, split_digest, split_text
from edgebench.journal import Journal, read
from edgebench.observer import Timed
from edgebench.progress import Progress
from edgebench.records import Environment, RunRecord, Status, Wait, Waits
from edgebench.rule import parse_rule
from edgebench.session import Session
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, OperatingTarget, Spec, WaitSpec
from edgebench.store import StoredRun, find_run, save
from fake_runs import MS, Models, Recording, after
from harness import copies

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LATER = datetime(2026, 1, 3, tzinfo=timezone.utc)
RUN_ID = "20260102-030405-net"
#: Short blocks: five rounds of 20 ms each.
SETTINGS = replace(DEFAULT_SETTINGS, min_runs=1, min_time_ns=0, warmup_time_ns=20 * MS, min_blocks=3)
MODELS = {"a": FakeModel(2 * MS), "b": FakeModel(MS)}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2)


@pytest.fixture(scope="module")
def many_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("many"), per_class=12)


class Place:
    """A folder of models and one of results, and what a run leaves there when it is cut off."""

    def __init__(self, folder: Path, models: Models = MODELS) -> None:
        self.models = models
        self.out = folder / "results"
        paths = copies(folder / "models", *models)
        self.names = tuple(f"net/{name}={path}" for name, path in zip(models, paths, strict=True))

    @property
    def unfinished(self) -> Path:
        return self.out / f"{RUN_ID}.unfinished"

    @property
    def folder(self) -> Path:
        return self.out / RUN_ID

    def spec(self, **options: Any) -> Spec:
        return Spec(self.names, **{"settings": SETTINGS, **options})

    def run(self, spec: Spec | None = None, progress: Progress | None = None) -> StoredRun:
        return run_spec(spec or self.spec(), out=self.out, device=FakeDevice(self.models), now=START, progress=progress)

    def resume(self, name: str = "latest", device: FakeDevice | None = None, **options: Any) -> StoredRun:
        return resume_run(name, self.out, device=device or FakeDevice(self.models), now=LATER, **options)

    def whole_journal(self, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> tuple[StoredRun, list[bytes]]:
        """Run to the end and return the run with its journal's lines; nothing is left."""
        with monkeypatch.context() as patched:
            patched.setattr("edgebench.unfinished.remove_unfinished", lambda _: None)
            stored = self.run(spec)
        lines = (self.unfinished / "journal.jsonl").read_bytes().splitlines(keepends=True)
        for folder in (self.unfinished, self.folder):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        return stored, lines

    def crashed(self, lines: list[bytes]) -> None:
        """Leave what a killed process leaves."""
        self.unfinished.mkdir(parents=True)
        (self.unfinished / "journal.jsonl").write_bytes(b"".join(lines))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def kinds(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["entry"]["kind"] for line in lines]


def steady(run: StoredRun) -> dict[tuple[str, int], list[int]]:
    """Return the starts of all samples by case and block."""
    groups = run.samples.groupby(["case", "block"], observed=True)
    return {key: frame["start_ns"].tolist() for key, frame in groups}  # type: ignore[misc]


def same_but_for_resuming(one: RunRecord, other: RunRecord) -> bool:
    def bare(record: RunRecord) -> RunRecord:
        """Leave out what is told of each sitting."""
        return replace(record, warnings=(), devices=())

    return bare(one) == bare(other)


class InterruptedAfter(Progress):
    """Ctrl-C once so many steps of a phase are finished."""

    error: BaseException = KeyboardInterrupt()

    def __init__(self, phase: str, steps: int) -> None:
        self._wanted, self._left = phase, steps
        self._phase = ""

    def phase(self, name: str, total: int) -> None:
        self._phase = name

    def detail(self, text: str) -> None:
        if self._phase.startswith(self._wanted) and self._left == 0:
            raise self.error

    def advance(self) -> None:
        if self._phase.startswith(self._wanted):
            self._left -= 1


def test_a_finished_run_leaves_no_journal(place: Place) -> None:
    stored = place.run()
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]
    assert not (place.folder / "journal.jsonl").exists()
    assert stored.record.warnings == ()


def test_a_run_that_is_not_stored_has_no_journal(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Journal, "create", None)
    run_spec(place.spec(), device=FakeDevice(MODELS), now=START)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_the_journal_has_everything_in_order(place: Place, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = place.spec(data=DataSpec(f"folder:{images}", normalize="-1..1"))
    _, lines = place.whole_journal(spec, monkeypatch)
    assert kinds(lines) == ["header", "case", "case", "groups", "block", "block", "block", "timing", "case", "case"]


#: Ten cases of one model take turns in two groups.
TWO_GROUPS = {"threads": (1, 2, 3, 4, 5)}
BROKEN = {"a": FakeModel(2 * MS), "b": FakeModel(latency_ns=MS, fails={"load": WorkerDied("it died")})}
HALF_WAY = {"a": FakeModel(2 * MS), "b": FakeModel(after(40, MS, WorkerDied("it died")))}
PLANS: dict[str, tuple[Models, dict[str, Any]]] = {
    "two cases": (MODELS, {}),
    "two groups": (MODELS, TWO_GROUPS),
    "one that fails to load": (BROKEN, {}),
    "one that fails while timed": (HALF_WAY, {}),
    "a budget": (MODELS, {"settings": replace(SETTINGS, min_blocks=6, budget_ns=1_500 * MS)}),
    "a cap": (MODELS, {"settings": replace(SETTINGS, min_runs=10, max_runs=10, min_blocks=2)}),
}


@pytest.mark.parametrize("plan", PLANS)
def test_cut_off_anywhere_a_run_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    """After each entry of its journal: the record is the same, and what was finished is kept sample by sample."""
    models, options = PLANS[plan]
    place = Place(tmp_path, models)
    whole, lines = place.whole_journal(place.spec(**options), monkeypatch)
    blocks = {("block", index) for index, kind in enumerate(kinds(lines)) if kind == "block"}
    assert len(blocks) >= 2 or plan == "one that fails while timed"
    for count in range(1, len(lines) + 1):
        place.out = tmp_path / f"cut-after-{count}"
        place.crashed(lines[:count])
        device = FakeDevice(models)
        device.now_ns = 10**15
        resumed = place.resume(device=device)
        assert same_but_for_resuming(resumed.record, whole.record), count
        done = kinds(lines[:count]).count("block")
        old, new = steady(whole), steady(resumed)
        assert old.keys() == new.keys()
        for key, starts in new.items():
            assert starts == old[key] if key[1] < done else min(starts) >= 10**15
        (said,) = resumed.record.warnings
        assert said.startswith("continued on 2026-01-03T00:00:00+00:00: ")
        assert [path.name for path in place.out.iterdir()] == [RUN_ID]
        assert not (place.folder / "journal.jsonl").exists()
        assert edgebench.load(place.folder).record == resumed.record
        assert device.open_workers == 0


def test_scores_and_how_images_are_made_are_kept(place: Place, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = place.spec(data=DataSpec(f"folder:{images}", normalize="-1..1"))
    whole, lines = place.whole_journal(spec, monkeypatch)
    for left in range(1, len(lines)):
        place.out = place.out.with_name(f"left-{left}")
        place.crashed(lines[:-left])
        device = FakeDevice(MODELS)
        resumed = place.resume(device=device)
        assert same_but_for_resuming(resumed.record, whole.record)
        assert whole.predictions is not None
        assert resumed.predictions is not None
        pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)
        assert [command for _, command in device.log].count("predict") == min(left, 2)


def with_a_split(place: Place, images: Path) -> None:
    """Give the models a card whose split has validation images."""
    split = make_split(open_dataset(f"folder:{images}").items, (0.4, 0.3, 0.3))
    folder = place.out.parent / "models"
    (folder / SPLIT_NAME).write_text(split_text(split))
    card = {"labels": list(COLOURS), "split": {"file": SPLIT_NAME, "sha256": split_digest(split)}}
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize("what", ["operating points", "no labels"])
def test_however_images_are_judged_what_was_classified_is_kept(
    place: Place, many_images: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """One case was classified, the other was not: both are compared as in a run that was never cut off."""
    data = DataSpec(f"images:{many_images / next(iter(COLOURS))}", normalize="-1..1", eval_workers=2)
    if what == "operating points":
        with_a_split(place, many_images)
        target, rule = OperatingTarget("red", 0.5), parse_rule(["recall:red=-2pt,no-class-worse"])
        data = replace(data, source=f"folder:{many_images}", operating_points=(target,), rule=rule, eval_workers=None)
    whole, lines = place.whole_journal(place.spec(data=data), monkeypatch)
    assert ("validation_scores" in json.loads(lines[-1])["entry"]) == (what == "operating points")
    place.crashed(lines[:-1])
    device = FakeDevice(MODELS)
    resumed = place.resume(device=device)
    assert len({number for number, command in device.log if command == "predict"}) == 1 + (what == "no labels")
    assert same_but_for_resuming(resumed.record, whole.record)
    assert resumed.record.rule == data.rule
    for case in resumed.record.cases:
        assert (case.accuracy is None) == (what == "no labels")
        assert [point.recall is None for point in case.operating_points] == [False] * len(data.operating_points)
    comparison = resumed.record.cases[1].accuracy_comparison
    assert comparison is not None
    assert comparison.agreement is not None


WAITS = WaitSpec((Wait.COLD_START, Wait.BATCHES, Wait.WORKERS, Wait.WEIGHT_CACHE), batches=(1, 3), workers=(1, 2))


def test_waits_are_kept_and_those_that_are_left_are_measured_as_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, lines = place.whole_journal(place.spec(waits=WAITS), monkeypatch)
    for left, measured in enumerate((0, 1, 2)):
        place.out = place.out.with_name(f"left-{left}")
        place.crashed(lines[: len(lines) - left])
        device = FakeDevice(MODELS)
        resumed = place.resume(device=device)
        assert [command for _, command in device.log].count("check_batch") == measured
        assert same_but_for_resuming(resumed.record, whole.record)
        for case in resumed.record.cases:
            waits = case.waits or Waits()
            assert waits.cold_start is not None
            assert [row.batch for row in waits.batches] == [1, 3]
            assert [row.workers for row in waits.workers] == [1, 2]
            assert list(waits.unavailable) == ["weight-cache"]


def test_a_profile_is_kept_and_those_that_are_left_are_measured(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"a": FakeModel(2 * MS, fails={"open_profile": RuntimeRefused("no profiler here")}), "b": FakeModel(MS)}
    place.models = refused
    whole, lines = place.whole_journal(place.spec(profile=True), monkeypatch)
    for left, measured in enumerate((0, 1, 2)):
        place.out = place.out.with_name(f"left-{left}")
        place.crashed(lines[: len(lines) - left])
        device = FakeDevice(refused)
        resumed = place.resume(device=device)
        assert [command for _, command in device.log].count("open_profile") == measured
        assert same_but_for_resuming(resumed.record, whole.record)
        one, other = resumed.record.cases
        assert (one.operators, one.unavailable) == (None, {"operators": "no profiler here"})
        assert other.operators is not None


def test_a_profile_and_images_without_labels_each_keep_their_reason(place: Place, tmp_path: Path) -> None:
    write_folder(tmp_path / "all", per_class=2)
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted((tmp_path / "all").glob("*/*"))):
        path.rename(flat / f"{number}{path.suffix}")
    place.models = {"a": FakeModel(fails={"open_profile": RuntimeRefused("no profiler here")})}
    spec = place.spec(profile=True, data=DataSpec(f"images:{flat}", normalize="-1..1"))
    (case,) = run_spec(replace(spec, models=spec.models[:1]), device=FakeDevice(place.models)).record.cases
    assert set(case.unavailable) == {"operators", "accuracy"}


def test_an_interrupt_during_the_waits_leaves_what_was_timed(place: Place) -> None:
    interrupted = place.run(place.spec(waits=WAITS), InterruptedAfter("measuring what", 1))
    one, other = interrupted.record.cases
    assert one.waits is not None
    assert other.waits is None
    for case in (one, other):
        assert case.latency is not None
        assert case.failure is not None
        assert case.failure.message == "stopped by hand while measuring what a user waits for"
    resumed = place.resume()
    assert [case.status for case in resumed.record.cases] == [Status.OK] * 2
    assert all(case.waits is not None for case in resumed.record.cases)
    assert resumed.record.cases[0].waits == one.waits


def test_what_is_done_is_not_done_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lines = place.whole_journal(place.spec(), monkeypatch)
    place.crashed(lines[:-2])  # the last block and the end of timing are missing
    device, progress = FakeDevice(MODELS), Recording()
    place.resume(device=device, progress=progress)
    commands = [command for _, command in device.log]
    assert (commands.count("memory"), commands.count("load"), commands.count("hello")) == (0, 2, 3)
    assert progress.phases == [["timing, in blocks of fresh workers, 2 measured before", 12, 12]]


@pytest.mark.parametrize("phase", ["checking", "timing", "classifying"])
@pytest.mark.parametrize("steps", [0, 1])
def test_an_interrupted_run_is_stored_and_continued_in_its_place(
    place: Place, images: Path, phase: str, steps: int
) -> None:
    spec = place.spec(data=DataSpec(f"folder:{images}", normalize="-1..1"))
    interrupted = place.run(spec, InterruptedAfter(phase, steps))
    assert interrupted.record.interrupted
    assert interrupted.folder == place.folder
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]
    assert (place.folder / "journal.jsonl").is_file()
    (place.folder / "notes.txt").write_text("somebody's own")
    resumed = place.resume(RUN_ID)
    assert resumed.folder == place.folder
    assert not resumed.record.interrupted
    assert [case.status for case in resumed.record.cases] == [Status.OK] * 2
    assert (resumed.record.run_id, resumed.record.created_utc) == (RUN_ID, START.isoformat())
    assert resumed.record.command == spec.command
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]
    assert sorted(path.name for path in place.folder.iterdir()) == [
        "notes.txt", "predictions.parquet", "report.html", "run.json", "samples.parquet",
    ]  # fmt: skip
    assert not resumed.samples.duplicated(["case", "block", "round", "start_ns", "warmup"]).any()
    back = edgebench.load(place.folder)
    assert back.record == resumed.record
    pd.testing.assert_frame_equal(back.samples, resumed.samples)


def test_a_block_that_was_cut_short_is_measured_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bursts = Session.burst

    def interrupting(self: Session, *numbers: int) -> Any:
        if len(calls) == 42:
            raise KeyboardInterrupt
        calls.append(numbers)
        return bursts(self, *numbers)

    calls: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(Session, "burst", interrupting)
        interrupted = place.run()
    done = kinds((place.folder / "journal.jsonl").read_bytes().splitlines()).count("block")
    old = steady(interrupted)
    assert max(block for _, block in old) == done == 2
    device = FakeDevice(MODELS)
    device.now_ns = 10**15
    new = steady(place.resume(device=device))
    for key, starts in new.items():
        assert starts == old[key] if key[1] < done else min(starts) >= 10**15
    assert {block for _, block in new} == {0, 1, 2}


def test_a_second_interrupt_works_like_the_first(place: Place) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    again = place.resume(progress=InterruptedAfter("timing", 2))
    assert again.record.interrupted
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]
    third = resume_run(RUN_ID, place.out, device=FakeDevice(MODELS), now=LATER.replace(day=4))
    assert third.record.warnings == (
        "continued on 2026-01-03T00:00:00+00:00: block 1 of samples.parquet was measured then",
        "continued on 2026-01-04T00:00:00+00:00: block 2 of samples.parquet was measured then",
    )
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]


def test_an_interrupt_before_it_goes_on_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    before = {path.name: path.read_bytes() for path in place.folder.iterdir()}

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgebench.planning.make_plan", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the run is as it was; continue with: edgebench run --resume"):
        place.resume()
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == before


@pytest.mark.parametrize("names", ["latest", RUN_ID, "folder", "journal", "run.json"])
def test_an_interrupted_run_is_found_by(place: Place, names: str) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    paths = {"folder": "", "journal": "journal.jsonl", "run.json": "run.json"}
    name = str(place.folder / paths[names]) if names in paths else names
    assert not place.resume(name).record.interrupted


@pytest.mark.parametrize("names", ["latest", RUN_ID, f"{RUN_ID}.unfinished", "folder", "journal", "as it will be"])
def test_a_crashed_run_is_found_by(place: Place, monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    place.crashed(place.whole_journal(place.spec(), monkeypatch)[1][:5])
    paths = {
        "folder": place.unfinished, "journal": place.unfinished / "journal.jsonl", "as it will be": place.folder,
    }  # fmt: skip
    assert place.resume(str(paths.get(names, names))).folder == place.folder


def test_latest_is_the_newest_of_all_runs(place: Place) -> None:
    run_spec(place.spec(), out=place.out, device=FakeDevice(MODELS), now=LATER)
    place.run(progress=InterruptedAfter("timing", 1))
    with pytest.raises(StoreError, match=r"20260103-000000-net: is finished, there is nothing to continue"):
        place.resume("latest")
    assert not place.resume(RUN_ID).record.interrupted
    with pytest.raises(StoreError, match="holds no run yet"):
        resume_run("latest", place.out / "none")


def test_a_run_that_was_stored_just_before_the_crash_is_finished(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("edgebench.unfinished.remove_unfinished", lambda _: None)
        place.run()
    for name in ("latest", RUN_ID, str(place.unfinished)):
        with pytest.raises(StoreError, match=f"^{RUN_ID}: is finished, there is nothing to continue"):
            place.resume(name)
    assert store.newest_unfinished(place.out) is None


def test_what_a_crash_while_storing_left_beside_a_run_goes_with_its_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("edgebench.unfinished.remove_unfinished", lambda _: None)
        place.run(progress=InterruptedAfter("timing", 1))
    assert sorted(path.name for path in place.out.iterdir()) == [RUN_ID, f"{RUN_ID}.unfinished"]
    assert place.resume(f"{RUN_ID}.unfinished").folder == place.folder
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]


def test_an_interrupted_run_without_a_journal_says_so(place: Place) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    (place.folder / "journal.jsonl").unlink()
    with pytest.raises(StoreError, match=r"was interrupted, and has no journal.jsonl that it could be continued from"):
        place.resume()


@pytest.mark.parametrize("name", ["nope", "a" * 5000, "nope/\0", "~nobody-here/x"])
def test_no_such_run(place: Place, name: str) -> None:
    with pytest.raises(StoreError, match="no such run"):
        place.resume(name)


def changed_model(place: Place) -> None:
    path = Path(place.names[1].split("=")[1])
    path.write_bytes(path.read_bytes() + b"\0")


def missing_model(place: Place) -> None:
    Path(place.names[1].split("=")[1]).unlink()


def new_card(place: Place) -> None:
    (Path(place.names[0].split("=")[1]).parent / "card.json").write_text('{"labels": ["cat", "dog"]}')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (new_card, r"the card or labels beside \S+a\.tflite say something else than then"),
        (
            changed_model,
            r"the file \S+b\.tflite has another content than then \(SHA-256 \w{12}\.\.\., then \w{12}\.\.\.\)",
        ),
        (missing_model, r"net/b@fake/interpreter.litert\+default/t1 can no longer be measured: look at \S+b.tflite"),
    ],
)
def test_a_model_that_has_changed_is_refused(place: Place, change: Callable[[Place], None], said: str) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    before = (place.folder / "journal.jsonl").read_bytes()
    change(place)
    with pytest.raises(StoreError, match=rf"^{RUN_ID}: cannot be continued: {said}; what it measured is kept$"):
        place.resume()
    assert (place.folder / "journal.jsonl").read_bytes() == before
    assert edgebench.load(place.folder).record.interrupted


def test_models_that_are_all_gone_are_refused(place: Place) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    for name in place.names:
        Path(name.split("=")[1]).unlink()
    with pytest.raises(StoreError, match=r"cannot be continued: .*no such file.*; what it measured is kept$"):
        place.resume()


def test_a_relative_path_names_the_folder_where_the_run_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies(tmp_path / "models", "a", "b")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    spec = Spec(("models",), settings=SETTINGS)
    stop = InterruptedAfter("timing", 1)
    run_spec(spec, out=tmp_path / "results", device=FakeDevice(MODELS), now=START, progress=stop)
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=rf"no such file \(it was started in {tmp_path}\); what it measured is kept"):
        resume_run("latest", tmp_path / "results", device=FakeDevice(MODELS))
    monkeypatch.chdir(tmp_path)
    copies(tmp_path / "models", "c")
    with pytest.raises(StoreError, match=r"models/c.tflite is new, and gives a case more"):
        resume_run("latest", tmp_path / "results", device=FakeDevice(MODELS))
    (tmp_path / "models" / "c.tflite").unlink()
    assert not resume_run("latest", tmp_path / "results", device=FakeDevice(MODELS)).record.interrupted


class Other(FakeDevice):
    """A fake device that differs in one thing."""

    changes: dict[str, Any]

    def environment(self) -> Environment:
        return replace(super().environment(), **self.changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hostname": "other"}, "the host was fake, now it is other"),
        ({"kernel": "Linux 7"}, "the kernel was none, now it is Linux 7"),
        ({"cpu_model": "i486"}, "the processor was unknown, fake, now it is i486, fake"),
        ({"cpus_allowed": 1}, "the number of usable cores was 4, now it is 1"),
    ],
)
def test_another_machine_is_refused(place: Place, change: dict[str, Any], said: str) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    device = Other(MODELS)
    device.changes = change
    with pytest.raises(StoreError, match=f"^{RUN_ID}: cannot be continued: {said}; what it measured is kept$"):
        place.resume(device=device)
    assert device.log == []


def test_another_device_runtime_or_python_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    with monkeypatch.context() as patched:
        patched.setattr(FakeDevice, "name", "board")
        with pytest.raises(StoreError, match="the device was fake, now it is board"):
            place.resume()
    with monkeypatch.context() as patched:
        patched.setattr(FakeDevice, "default_python", lambda _: "python4")
        with pytest.raises(StoreError, match=r"the Python of net/a@.* was python3, now it is python4"):
            place.resume()
    hello = Session.hello

    def newer(self: Session, runtime: str | None = None) -> Any:
        found = hello(self, runtime)
        return replace(found, runtime=replace(found.runtime, version="1"))

    monkeypatch.setattr(Session, "hello", newer)
    with pytest.raises(StoreError, match="python3: the runtime's version was 0, now it is 1"):
        place.resume()


def test_other_images_are_refused(place: Place, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", per_class=1)
    spec = place.spec(data=DataSpec(f"folder:{folder}", normalize="-1..1"))
    place.run(spec, InterruptedAfter("classifying", 1))
    picture = next(folder.glob("*/*.png"))
    found = picture.stat()
    os.utime(picture, ns=(1, 1))
    with pytest.raises(StoreError, match="cannot be continued: the images or their labels have changed; what"):
        place.resume()
    os.utime(picture, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert not place.resume().record.interrupted


def test_an_image_file_that_is_gone_is_refused(place: Place, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", per_class=1)
    place.run(place.spec(data=DataSpec(f"folder:{folder}", normalize="-1..1")), InterruptedAfter("timing", 1))
    folder.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match=r"cannot be continued: .*does not exist.*; what it measured is kept"):
        place.resume()


def rewritten(place: Place, change: Callable[[dict[str, Any]], None], line: int = 0) -> None:
    """Change one entry of the journal as a program would that writes whole lines."""
    path = place.folder / "journal.jsonl"
    entries = list(read(path).entries)
    change(entries[line])
    path.unlink()
    written = Journal.create(path)
    for entry in entries:
        written.append(entry)
    written.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry.update(edgebench="9.9"), "was written by edgebench 9.9 .* continue the run with the one"),
        (lambda entry: entry.update(format_version=99), r"\(journal format 99, schema 2\)"),
        (lambda entry: entry.update(run_id=1), "its header is damaged, so this run cannot be continued"),
        (lambda entry: entry["spec"].update(models=[]), "its header is damaged"),
        (lambda entry: entry.update(kind="case"), "was written by edgebench"),
    ],
)
def test_a_header_that_does_not_fit_is_one_line(
    place: Place, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    rewritten(place, change)
    with pytest.raises(StoreError, match=said) as caught:
        place.resume()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.update(kind="bogus"),
        lambda entry: entry.pop("result"),
        lambda entry: entry["result"].update(threads="1"),
        lambda entry: entry["result"].update(case_id="other"),
    ],
)
def test_an_entry_that_does_not_fit_is_one_line(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    rewritten(place, change, 1)
    with pytest.raises(
        StoreError, match=r"cannot be continued: \S+journal.jsonl is damaged: .*; what it measured is kept"
    ) as caught:
        place.resume()
    assert "\n" not in str(caught.value)


def test_a_crash_before_the_header_was_whole_leaves_nothing_to_continue(place: Place) -> None:
    place.crashed([b'{"crc32":1,"en'])
    with pytest.raises(StoreError, match="was cut off before anything was measured; start that run anew"):
        place.resume()
    assert list(place.out.iterdir()) == []


def test_two_processes_cannot_continue_one_run(place: Place) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    other, _ = Journal.reopen(place.folder / "journal.jsonl")
    with pytest.raises(StoreError, match="another process is measuring this run right now"):
        place.resume()
    other.close()
    assert not place.resume().record.interrupted


def test_two_runs_of_one_second_have_journals_of_their_own(place: Place) -> None:
    place.out.mkdir()
    place.unfinished.mkdir()
    stored = place.run()
    assert stored.record.run_id == f"{RUN_ID}-2"
    assert stored.folder == place.out / f"{RUN_ID}-2"
    place.unfinished.rmdir()
    place.folder.mkdir()
    assert place.run().record.run_id == f"{RUN_ID}-3"


def test_a_usage_error_found_while_checking_leaves_no_journal(place: Place, images: Path) -> None:
    with pytest.raises(UsageError, match="nothing says how the float32 input is normalised"):
        place.run(place.spec(data=DataSpec(f"folder:{images}")))
    assert list(place.out.iterdir()) == []


class Full:
    """``os.write`` until the disk is full."""

    def __init__(self, lines: int) -> None:
        self.lines = lines

    def __call__(self, descriptor: int, data: bytes) -> int:
        if self.lines == 0:
            raise OSError(28, "No space left on device")
        self.lines -= 1
        return os.write(descriptor, data)


def with_full_disk(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    class Os:
        write = staticmethod(Full(lines))

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    monkeypatch.setattr(journal_module, "os", Os())


def test_a_full_disk_does_not_stop_the_measurement(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_full_disk(monkeypatch, 5)
    stored = place.run()
    assert [case.status for case in stored.record.cases] == [Status.OK] * 2
    assert {block for _, block in steady(stored)} == {0, 1, 2}
    assert stored.record.warnings == ("the journal could not be written to the end: No space left on device",)
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]


def test_without_any_journal_a_run_is_measured_and_stored(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_full_disk(monkeypatch, 0)
    stored = place.run(progress=InterruptedAfter("timing", 1))
    assert stored.record.warnings == (
        "the journal could not be written: No space left on device; this run cannot be continued",
    )
    assert stored.folder == place.folder
    assert not (place.folder / "journal.jsonl").exists()
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]


def test_what_a_full_disk_left_of_a_journal_can_be_continued(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        with_full_disk(patched, 5)
        interrupted = place.run(progress=InterruptedAfter("timing", 2))
    assert interrupted.record.warnings == (
        "the journal could not be written to the end: No space left on device; a continued run measures the rest again",
    )
    resumed = place.resume()
    assert resumed.record.warnings == (
        "continued on 2026-01-03T00:00:00+00:00: blocks 1 to 2 of samples.parquet were measured then",
    )


def test_a_run_that_cannot_be_stored_keeps_its_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_parquet", full)
        with pytest.raises(StoreError, match=r"No space left on device; when that is mended, continue with: edgebench"):
            place.run()
    device = FakeDevice(MODELS)
    stored = place.resume(device=device)
    assert [command for _, command in device.log] == ["hello"]
    assert stored.record.warnings == ("continued on 2026-01-03T00:00:00+00:00: no block was measured then",)


def test_a_resumed_run_that_cannot_be_stored_leaves_the_old_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    before = edgebench.load(place.folder).record

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(store, "swap_folders", full)
        with pytest.raises(StoreError, match="No space left on device"):
            place.resume()
    assert edgebench.load(place.folder).record == before
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]
    assert not place.resume().record.interrupted


def test_an_interrupt_while_storing_says_how_to_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_parquet", interrupted)
        with pytest.raises(
            KeyboardInterrupt, match="the run could not be stored; continue with: edgebench run --resume"
        ):
            place.run()
    assert [path.name for path in place.out.iterdir()] == [f"{RUN_ID}.unfinished"]
    assert not place.resume().record.interrupted


def test_a_journal_is_copied_where_files_cannot_be_linked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("os.link", refuse)
        place.run(progress=InterruptedAfter("timing", 1))
        place.resume(progress=InterruptedAfter("timing", 2))
    assert not place.resume().record.interrupted


def test_reports_name_a_run_that_was_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.crashed(place.whole_journal(place.spec(), monkeypatch)[1][:5])
    line = f"{RUN_ID}: was cut off before it was stored; continue with: edgebench run --resume {place.folder}"
    for name in ("latest", RUN_ID, str(place.unfinished), str(place.folder)):
        with pytest.raises(StoreError, match=f"^{re.escape(line)}$"):
            find_run(name, place.out)
    other, _ = Journal.reopen(place.unfinished / "journal.jsonl")
    with pytest.raises(StoreError, match=f"^{RUN_ID}: is being measured right now; wait until it is stored$"):
        find_run("latest", place.out)
    other.close()


def test_the_public_function_continues_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run(progress=InterruptedAfter("timing", 1))
    monkeypatch.setattr("edgebench.open_devices.LocalDevice", lambda: FakeDevice(MODELS))
    assert not edgebench.resume(place.folder).record.interrupted
    with pytest.raises(StoreError, match="is finished"):
        edgebench.resume("latest", results=place.out)


def test_the_public_function_leaves_pictures_out_as_the_flag_does(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run(place.spec(data=DataSpec(f"folder:{images}", normalize="-1..1")), InterruptedAfter("classifying", 1))
    monkeypatch.setattr("edgebench.open_devices.LocalDevice", lambda: FakeDevice(MODELS))
    monkeypatch.setattr("edgebench.api.evaluated_pictures", None)  # nobody asks for them
    assert not edgebench.resume(place.folder, page_images=False).record.interrupted


def test_blocks_of_several_groups_add_up_to_the_slowest_of_all() -> None:
    restored = Restored(groups=(("a",), ("b",)), spent_ns=[1, 5, 6, 8, 20])
    assert restored.timed == Timed((("a",), ("b",)), blocks=5, spent_ns=20, slowest_ns=5)
    assert Restored().timed == Timed()
    assert Restored(groups=(("a",),)).timed == Timed((("a",),))


def test_a_run_folder_is_replaced_whole(place: Place) -> None:
    old = place.run()
    new = replace(old, record=replace(old.record, warnings=("new",)), predictions=None)
    assert save(new, place.out, replacing=place.folder) == place.folder
    assert edgebench.load(place.folder).record.warnings == ("new",)
    assert [path.name for path in place.out.iterdir()] == [RUN_ID]


class FullDisk(InterruptedAfter):
    """Stands for a disk on which nothing more fits, from some step of a phase on."""

    error = OSError(28, "No space left on device")


def test_a_disk_that_fills_up_says_how_to_go_on(place: Place) -> None:
    with pytest.raises(StoreError, match=r"^measuring stopped: No space left on device; continue with: edgebench run"):
        place.run(progress=FullDisk("timing", 1))
    assert not place.resume().record.interrupted
