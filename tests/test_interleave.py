"""Two builds side by side, in turns, on the fake device's virtual clock: what is planned, measured and concluded."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colours import COLOURS, write_folder
from edgebench.api import resume_run, run_spec
from edgebench.changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import EdgebenchError, ModelError, RuntimeRefused, StoreError, UsageError
from edgebench.interleave import interleave, interleaved_spec, open_side
from edgebench.kept_models import find_model, keep_models, kept_path
from edgebench.model_file import read_model_file
from edgebench.progress import Progress
from edgebench.records import Delegate, DelegateKind
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, Spec
from edgebench.store import StoredRun
from fake_runs import MS
from harness import MODELS, copies

#: Short blocks: five rounds of 20 ms each.
SETTINGS = replace(DEFAULT_SETTINGS, min_runs=1, min_time_ns=0, warmup_time_ns=20 * MS, min_blocks=4, max_blocks=4)
SPEED = {"old": FakeModel(2 * MS), "new": FakeModel(3 * MS), "model": FakeModel(2 * MS)}


class Turns:
    """A folder with an old and a new file that differ, and a place for runs."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "results"
        self.old, self.new = (Path(path) for path in copies(folder / "files", "old", "new"))
        shutil.copy(MODELS / "gray.tflite", self.new)

    def stored(self, *names: str, device: FakeDevice | None = None, keep: bool = False, **options: Any) -> StoredRun:
        """Measure and store an ordinary run of the old file."""
        spec = Spec(names or (f"net/int8={self.old}",), **{"settings": SETTINGS, **options})
        return run_spec(spec, out=self.out, device=device or FakeDevice(SPEED), keep=keep)

    def compared(
        self, base: str, new: str, device: FakeDevice | None = None, *, own_ways: bool = True, **asked: Any
    ) -> tuple[RunChange, StoredRun]:
        sides = open_side(base, self.out), open_side(new, self.out)
        spec = interleaved_spec(*sides, Spec((base,), **{"settings": SETTINGS, **asked}), own_ways=own_ways)
        return interleave(*sides, spec, out=self.out, device=device or FakeDevice(SPEED))

    @property
    def sides(self) -> tuple[str, str]:
        return f"net/int8={self.old}", f"net/int8={self.new}"


@pytest.fixture
def turns(tmp_path: Path) -> Turns:
    return Turns(tmp_path)


def change_of(case: CaseChange, metric: Metric) -> Change:
    found = case.find(metric)
    assert found is not None
    return found


def cycled(*values: int) -> Callable[[int], int]:
    """A model whose every process has a speed of its own."""
    speeds: Iterator[int] = itertools.cycle(values)
    now = 0

    def latency(run: int) -> int:
        nonlocal now
        now = next(speeds) if run == 0 else now
        return now

    return latency


def test_the_new_case_keeps_its_id_and_the_ratio_is_that_of_blocks_in_turns(turns: Turns) -> None:
    found, run = turns.compared(*turns.sides)
    (case,) = found.cases
    assert case.case_id == "net/int8@fake/interpreter.litert+default/t1"
    assert [item.case_id.partition("@")[0] for item in run.record.cases] == ["net/int8~base", "net/int8"]
    p50 = change_of(case, Metric.P50)
    assert [p50.value, p50.low, p50.high, p50.base, p50.new] == pytest.approx([1.5, 1.5, 1.5, 2 * MS, 3 * MS])
    assert (p50.verdict, p50.basis) == (ChangeVerdict.WORSE, Basis.IN_TURNS)
    assert p50.effort_ns
    size = change_of(case, Metric.SIZE)
    assert size.value == turns.new.stat().st_size / turns.old.stat().st_size
    assert size.basis is Basis.EXACT


def test_noise_widens_the_interval_until_nothing_is_decided(turns: Turns) -> None:
    models = {"old": FakeModel(2 * MS), "new": FakeModel(cycled(1_900_000, 2_200_000))}
    found, _ = turns.compared(*turns.sides, FakeDevice(models))
    p50 = change_of(found.cases[0], Metric.P50)
    assert p50.verdict is ChangeVerdict.UNDECIDED
    assert p50.low is not None
    assert p50.one_sided_low is not None
    assert p50.value is not None
    assert p50.low < p50.one_sided_low < p50.value


def test_the_same_file_on_both_sides_is_the_same_and_is_said(turns: Turns) -> None:
    found, _ = turns.compared(f"net/int8={turns.old}", f"net/int8={turns.old}")
    assert change_of(found.cases[0], Metric.P50).verdict is ChangeVerdict.SAME
    assert any("base and new are the same file" in note for note in found.notes)


class Peaks(FakeDevice):
    """Each process of a stem has the next of its peaks; ``loaded`` are the stems in the order of loading."""

    def __init__(self, peaks: Mapping[str, list[int]]) -> None:
        super().__init__(dict(SPEED))
        self._peaks = {stem: itertools.cycle(values) for stem, values in peaks.items()}
        self.loaded: list[str] = []
        outer = self

        class Models(dict[str, FakeModel]):
            def __getitem__(self, stem: str) -> FakeModel:
                outer.loaded.append(stem)
                return replace(SPEED[stem], peak_rss_bytes=next(outer._peaks[stem]))

        self.models = Models(SPEED)


def test_memory_is_measured_in_three_clean_processes_a_side_that_take_turns(turns: Turns) -> None:
    device = Peaks({"old": [50_000_000], "new": [60_000_000, 61_000_000, 60_500_000]})
    found, run = turns.compared(*turns.sides, device)
    assert device.loaded[:6] == ["old", "new"] * 3
    assert [len(case.memory.repeats) for case in run.record.cases if case.memory] == [2, 2]
    peak = change_of(found.cases[0], Metric.PEAK_RSS)
    assert (peak.basis, peak.verdict) == (Basis.IN_TURNS, ChangeVerdict.WORSE)
    assert peak.value == pytest.approx(1.21, abs=0.001)
    assert peak.low is not None
    assert peak.one_sided_low is not None
    assert 1.18 < peak.low < peak.one_sided_low < 1.21


def test_equal_peaks_are_the_same_but_never_certain_to_the_byte(turns: Turns) -> None:
    found, _ = turns.compared(*turns.sides)
    peak = change_of(found.cases[0], Metric.PEAK_RSS)
    assert [peak.low, peak.high] == pytest.approx([1 / 1.005, 1.005])
    assert peak.verdict is ChangeVerdict.SAME
    adds = change_of(found.cases[0], Metric.MODEL_ADDS)  # 20 of the 50 MB
    assert adds.high == pytest.approx(1 + 0.005 * 50 / 20)


def test_an_ordinary_run_measures_memory_once(turns: Turns) -> None:
    (case,) = turns.stored().record.cases
    assert case.memory is not None
    assert case.memory.repeats == ()


def test_pairs_of_one_model_take_turns_together_and_are_never_parted(tmp_path: Path, turns: Turns) -> None:
    stems = [f"v{number}" for number in range(6)]
    for side in ("before", "after"):
        copies(tmp_path / side / "net", *stems)
    device = FakeDevice({stem: FakeModel(MS) for stem in stems})
    found, run = turns.compared(
        str(tmp_path / "before" / "net"), str(tmp_path / "after" / "net"), device, own_ways=False
    )
    assert len(found.cases) == 6
    steady = run.samples[~run.samples["warmup"]]
    blocks = {case: set(rows["block"]) for case, rows in steady.groupby("case", observed=True)}
    for case in found.cases:
        twin = case.case_id.replace("@", "~base@", 1)
        assert blocks[case.case_id] == blocks[twin]
    assert len({frozenset(of) for of in blocks.values()}) == 2  # eight cases are the most, so four pairs and two


def test_cases_run_as_they_did_in_the_stored_run(turns: Turns) -> None:
    none = Delegate(DelegateKind.NONE)
    turns.stored(delegates=(Delegate(DelegateKind.DEFAULT), none), threads=(1, 2))
    found, _ = turns.compared("latest", str(turns.new))
    assert [case.case_id.partition("+")[2] for case in found.cases] == [
        "default/t1",
        "default/t2",
        "none/t1",
        "none/t2",
    ]


def test_asked_threads_replace_those_of_the_stored_run(turns: Turns) -> None:
    turns.stored(threads=(1, 2))
    found, _ = turns.compared("latest", str(turns.new), own_ways=False, threads=(4,))
    assert [case.case_id.rpartition("/")[2] for case in found.cases] == ["t4"]


def test_only_the_files_that_both_sides_have_are_measured_and_the_others_named(tmp_path: Path, turns: Turns) -> None:
    copies(tmp_path / "before" / "net", "old", "gone")
    copies(tmp_path / "after" / "net", "old", "fresh")
    found, run = turns.compared(str(tmp_path / "before" / "net"), str(tmp_path / "after" / "net"), own_ways=False)
    assert len(run.record.cases) == 2
    assert "net/gone: only the base has it, so it was not measured" in found.notes
    assert "net/fresh: only the new side has it, so it was not measured" in found.notes


def test_a_lone_file_is_paired_with_the_only_one_whatever_its_name(turns: Turns) -> None:
    found, _ = turns.compared(f"net/int8={turns.old}", str(turns.new))
    assert [case.case_id.partition("@")[0] for case in found.cases] == ["net/int8"]


def test_a_choice_of_partners_is_an_error_that_shows_how_to_name(tmp_path: Path, turns: Turns) -> None:
    copies(tmp_path / "net", "a", "b")
    with pytest.raises(UsageError, match=r"which belong together\? .* net/a=.*new\.tflite"):
        turns.compared(str(tmp_path / "net"), str(turns.new))


def test_names_that_do_not_fit_into_an_argument_are_refused(tmp_path: Path, turns: Turns) -> None:
    (odd,) = copies(tmp_path, "a=b")
    with pytest.raises(UsageError, match="a=b/float32: a name with '='"):
        turns.compared(odd, odd)


@pytest.mark.parametrize("name", ["nothing", "nothing.tflite"])
def test_what_is_neither_a_run_nor_a_model_is_an_error(turns: Turns, name: str) -> None:
    with pytest.raises(EdgebenchError, match="no such"):
        open_side(name, turns.out)


def test_a_changed_file_is_an_error_that_says_what_to_do(turns: Turns) -> None:
    turns.stored()
    shutil.copy(turns.new, turns.old)
    with pytest.raises(
        ModelError, match=r"has changed since \(\w{12} → \w{12}\), .* measure a base with --keep-models"
    ):
        open_side("latest", turns.out)
    turns.old.unlink()
    with pytest.raises(ModelError, match="is not there any more"):
        open_side("latest", turns.out)


def test_a_kept_copy_stands_in_for_a_file_that_has_changed(turns: Turns) -> None:
    turns.stored(keep=True)
    shutil.copy(turns.new, turns.old)
    device = FakeDevice({"model": FakeModel(2 * MS), "old": FakeModel(MS)})
    found, _ = turns.compared("latest", f"net/int8={turns.old}", device)
    assert change_of(found.cases[0], Metric.P50).value == pytest.approx(0.5)
    assert found.cases[0].base.file.path.startswith(str(turns.out / "models"))


def test_a_kept_copy_that_was_tampered_with_is_not_used(turns: Turns) -> None:
    (case,) = turns.stored(keep=True).record.cases
    turns.old.unlink()
    kept = kept_path(turns.out, case.file.sha256)
    shutil.copy(turns.new, kept)
    with pytest.raises(ModelError, match="has changed since"):
        find_model(case.file, turns.out)


def test_each_content_is_kept_once_with_all_that_accuracy_needs(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    shutil.copytree(Path(__file__).resolve().parent.parent / "models" / "sample", folder)
    file = read_model_file(folder / "int8.tflite")
    keep_models([file, file], tmp_path / "out")
    place = kept_path(tmp_path / "out", file.sha256)
    beside = {path.name for path in folder.iterdir()} - {path.name for path in folder.glob("*.tflite")}
    assert {"card.json", "labels.txt"} & beside
    assert {path.name for path in place.parent.iterdir()} >= {"model.tflite", "card.json"}
    shutil.rmtree(folder)
    assert find_model(file, tmp_path / "out") == place
    assert [path.name for path in (tmp_path / "out" / "models").iterdir()] == [file.sha256]


def test_labels_without_a_card_are_kept_too(tmp_path: Path) -> None:
    (path,) = copies(tmp_path / "net", "a")
    (tmp_path / "net" / "labels.txt").write_text("\n".join(COLOURS))
    file = read_model_file(Path(path))
    keep_models([file], tmp_path / "out")
    assert (kept_path(tmp_path / "out", file.sha256).parent / "labels.txt").exists()


def test_a_file_that_changed_since_it_was_read_is_not_kept(turns: Turns) -> None:
    file = read_model_file(turns.old)
    shutil.copy(turns.new, turns.old)
    with pytest.raises(StoreError, match="has changed"):
        keep_models([file], turns.out)
    assert not kept_path(turns.out, file.sha256).exists()
    assert list((turns.out / "models").iterdir()) == []


def test_a_side_that_crashes_is_told_and_nothing_is_made_up(turns: Turns) -> None:
    models = {**SPEED, "new": FakeModel(fails={"load": RuntimeRefused("no such operator")})}
    found, run = turns.compared(*turns.sides, FakeDevice(models))
    (case,) = found.cases
    p50 = change_of(case, Metric.P50)
    assert (p50.new, p50.value, p50.verdict) == (None, None, None)
    assert "no such operator" in p50.unavailable["value"]
    assert any("no such operator" in doubt for doubt in case.doubts)
    assert len(run.record.cases) == 2


def images_of(tmp_path: Path) -> DataSpec:
    return DataSpec(str(f"folder:{write_folder(tmp_path / 'photos', per_class=3)}"), normalize="0..1")


def right(start: int, stop: int) -> list[list[float]]:
    """Scores that are right for every image: three of each colour, in alphabetical order."""
    return [[1.0 if row // 3 == column else 0.0 for column in range(7)] for row in range(start, stop)]


def wrong(start: int, stop: int) -> list[list[float]]:
    return [row[1:] + row[:1] for row in right(start, stop)]


def test_answers_are_compared_with_the_older_self_image_by_image(tmp_path: Path, turns: Turns) -> None:
    models = {"old": FakeModel(MS, scores=right), "new": FakeModel(MS, scores=wrong)}
    found, run = turns.compared(*turns.sides, FakeDevice(models), data=images_of(tmp_path))
    top1 = change_of(found.cases[0], Metric.TOP1)
    assert (top1.value, top1.verdict, top1.basis) == (-1.0, ChangeVerdict.WORSE, Basis.SAME_IMAGES)
    compared = run.record.cases[1].accuracy_comparison
    assert compared is not None
    assert compared.against == run.record.cases[0].case_id
    assert run.record.cases[0].accuracy_comparison is None


def test_labels_of_a_folder_without_a_card_hold_for_both_sides(tmp_path: Path, turns: Turns) -> None:
    """A file alone would be judged by the classes in alphabetical order."""
    order = list(COLOURS)[::-1]
    for side, stem in (("before", "old"), ("after", "old")):
        copies(tmp_path / side / "net", stem)
        (tmp_path / side / "net" / "labels.txt").write_text("\n".join(order))
    sides = str(tmp_path / "before" / "net"), str(tmp_path / "after" / "net")
    _, run = turns.compared(*sides, data=images_of(tmp_path), own_ways=False)
    assert run.record.cases[0].accuracy is not None
    assert list(run.record.cases[0].accuracy.labels) == order
    (tmp_path / "after" / "net" / "labels.txt").write_text("\n".join(order[::-1]))
    with pytest.raises(UsageError, match="have other labels, or another order; choose with --labels"):
        turns.compared(*sides, data=images_of(tmp_path), own_ways=False)


class Stopping(Progress):
    """Ctrl-C as soon as so many blocks of timing are done."""

    def __init__(self, blocks: int) -> None:
        self._left = blocks
        self._timing = False

    def phase(self, name: str, total: int) -> None:
        self._timing = name.startswith("timing")

    def advance(self) -> None:
        self._left -= self._timing
        if self._timing and self._left == 0:
            raise KeyboardInterrupt


def test_a_run_in_turns_that_was_interrupted_goes_on_with_its_pairs(turns: Turns) -> None:
    base, new = (open_side(text, turns.out) for text in turns.sides)
    spec = interleaved_spec(base, new, Spec((turns.sides[0],), settings=SETTINGS), own_ways=True)
    _, cut = interleave(base, new, spec, out=turns.out, device=FakeDevice(SPEED), progress=Stopping(2))
    assert cut.record.interrupted
    run = resume_run("latest", turns.out, device=FakeDevice(SPEED))
    assert not run.record.interrupted
    older, newer = run.record.cases
    assert newer.comparison is not None
    assert (newer.comparison.baseline, newer.comparison.blocks) == (older.case_id, 4)
    assert newer.comparison.ratio == pytest.approx(1.5)
    assert [len(case.memory.repeats) for case in run.record.cases if case.memory] == [2, 2]


def test_a_stored_run_in_turns_can_itself_be_the_base(turns: Turns) -> None:
    turns.compared(*turns.sides)
    side = open_side("latest", turns.out)
    assert list(side.files.items()) == [(("net", "int8"), turns.new)]
