"""``edgebench export --search`` from beginning to end, for Python programs as well."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.devices.base import Device
from edgebench.devices.local import LocalDevice
from edgebench.errors import TrainingError, UsageError
from edgebench.images.normalization import Normalization
from edgebench.images.splits import SPLIT_NAME, Part, read_split, split_text
from edgebench.progress import Progress
from edgebench.records import Settings
from edgebench.spec import DataSpec

from ..backend import tensorflow, versions
from ..card import preprocessing_entry, searched_entry, variant_entries, write_card
from ..export import VariantReport, copy_whole
from ..pipeline import ExportRequest, Prepared, prepare_export, prepare_folder, write_export_card
from .candidates import QUANTIZER, Candidate, candidates
from .choose import parse_metric, picks
from .journal import Journal, key_of, working_folder
from .judging import Look, final_figures
from .loop import Clock, Found, Search
from .making import ToolMaker
from .measuring import TIMED, TIMED_TOGETHER, HarnessMeasurer, measure_test
from .quantizer import tool_version
from .report import SEARCH_FILE, SearchReport, points_of, search_json
from .results import Result, from_json, to_json

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SearchRequest:
    """What ``edgebench export --search`` was asked for. ``budget_s`` None: until everything was tried."""

    export: ExportRequest
    budget_s: float | None = None
    metric: str = "balanced_accuracy"
    timed: Settings = TIMED
    timed_together: Settings = TIMED_TOGETHER
    only: Callable[[Candidate], bool] = lambda _: True


def search_model(
    request: SearchRequest,
    *,
    device: Device | None = None,
    progress: Progress | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> tuple[SearchReport, int]:
    """Look for better variants, write the standard and the chosen ones with their card, and ``search.json``.

    Returns the report, and how many candidates this call tried (the others were known from an earlier call).
    Raises UsageError, InputError, TrainingError; what was finished is kept in ``out/.search``.
    """
    progress, device = progress or Progress(), device or LocalDevice()
    clock = Clock(now_s, request.budget_s)
    tensorflow()  # where it is not installed, nothing shall be touched
    export = request.export
    if export.source is None:
        raise UsageError("--search: needs --data SOURCE, the images that candidates are calibrated with and judged on")
    if not export.in_place and not _searched_before(export):
        prepare_folder(export.out, overwrite=export.overwrite)
    with working_folder(export.out) as folder:
        prepared = prepare_export(export, progress)
        return _Job(request, export.source, prepared, folder, device, progress, clock).run()


class _Job:
    def __init__(
        self,
        request: SearchRequest,
        source: str,
        prepared: Prepared,
        folder: Path,
        device: Device,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._request = request
        self._prepared = prepared
        self._folder = folder
        self._journal = Journal(folder)
        self._device = device
        self._progress = progress
        self._clock = clock
        plan = prepared.plan
        if prepared.card is None or prepared.card.split is None:
            raise UsageError(
                f"--search: {request.export.model} has no card with a split beside it, so no validation images to "
                "judge candidates on; train it with edgebench train, or put its card.json and split.csv there"
            )
        self._split = read_split(prepared.card.split.path, prepared.card.split.sha256)
        self._metric = parse_metric(request.metric, plan.labels)
        self._versions = {**versions(), "ai-edge-litert": tool_version("ai-edge-litert") or "not installed"}
        self._quantizer = tool_version(QUANTIZER) or "not installed"
        self._facts = self._decisive(prepared.card.split.sha256)
        self._data = DataSpec(source, metadata=request.export.metadata)
        found = candidates(plan.variants, len(plan.labels), request.export.calibration_images)
        self._candidates = tuple(candidate for candidate in found if candidate.standard or request.only(candidate))

    def run(self) -> tuple[SearchReport, int]:
        self._write_working_card()
        found = self._search()
        points = points_of(found.results, self._metric)
        chosen_by = picks(points, self._metric)
        standard = {candidate.name for candidate in self._candidates if candidate.standard}
        names = dict.fromkeys(pick.name for pick in chosen_by if pick.name)
        chosen = tuple(name for name in names if name not in standard)
        look = self._look([*(r.name for r in found.results if r.name in standard and r.measured), *chosen])
        report = SearchReport(
            model=self._prepared.plan.name,
            metric=self._metric,
            candidates=self._candidates,
            results=found.results,
            untried=found.untried,
            picks=chosen_by,
            chosen=chosen,
            look=look,
            validation_note=self._validation_note(found.results[0]),
            tools={**self._versions, QUANTIZER: self._quantizer},
            model_sha256=str(self._facts["model"]),
            generated=self._prepared.dataset.generated if self._prepared.dataset else False,
        )
        self._publish(report)
        return report, found.new

    def _decisive(self, split_sha256: str) -> Mapping[str, Any]:
        """What decides a result beside the candidate itself."""
        export, plan = self._request.export, self._prepared.plan
        images = self._prepared.images
        return {
            "model": _content_of(export.model),
            "name": plan.name,
            "labels": plan.labels,
            "normalization": _plain(plan.normalization),
            "geometry": self._prepared.geometry.key(),
            "split": split_sha256,
            "images": key_of(ids=[item.image_id for item in images.items]) if images else None,
            "seed": export.seed,
            "tools": self._versions,
            QUANTIZER: self._quantizer,
            "timed": to_json(self._request.timed),
        }

    def _write_working_card(self) -> None:
        """The folder of candidates is a model folder by itself: the harness finds labels and split there."""
        plan, card = self._prepared.plan, self._prepared.card
        split = {"file": SPLIT_NAME, "sha256": card.split.sha256} if card and card.split else None
        entry = {
            "format": 1,
            "name": plan.name,
            "preprocessing": preprocessing_entry(self._prepared.geometry, plan.normalization),
            "labels": list(plan.labels),
            "split": split,
            "generated": card.generated if card else False,
        }
        write_card(self._folder, entry, {SPLIT_NAME: split_text(self._split)})

    def _search(self) -> Found:
        plan, images, learnt = self._prepared.plan, self._prepared.images, self._prepared.learnt
        if images is None or learnt is None:
            raise UsageError("--search: no images were read")
        check = self._folder / "check.npy"
        try:
            np.save(check, plan.images.check)
        except OSError as error:
            raise TrainingError(f"{check}: cannot be written ({error.strerror or error}); make room") from error
        maker = ToolMaker(
            self._prepared,
            images.pixels,
            learnt,
            self._request.export.seed,
            device=self._device,
            journal=self._journal,
            facts={name: fact for name, fact in self._facts.items() if name != QUANTIZER},
            has_time=lambda: self._clock.allows(0.0),
            progress=self._progress,
        )
        measurer = HarnessMeasurer(
            self._folder,
            plan,
            self._data,
            device=self._device,
            pixels_path=check,
            expected=plan.reference.predict(plan.normalization.apply(plan.images.check)),
            timed=self._request.timed,
        )
        return Search(self._folder, self._journal, self._facts, maker, measurer, self._clock, self._progress).run(
            self._candidates
        )

    def _look(self, names: Sequence[str]) -> Look:
        """Judge on the test images; where exactly this was judged before, it is not looked at again."""
        journal = self._journal
        files = {name: _content_of(self._folder / f"{name}.tflite") for name in names}
        # The metric is among the facts: its intervals are part of what was found.
        key = key_of(look=files, facts=self._facts, metric=self._metric.name)
        known: Look | None = from_json(journal.find(key), Look)
        if known is not None:
            return known
        self._progress.phase("judging on the test images", 1)
        cases, judged, info = measure_test(
            self._folder, tuple(names), self._data, self._device, self._request.timed_together
        )
        looks_key = key_of(looks=self._facts["split"], model=self._facts["model"])
        number = 1 + int(journal.find(looks_key) or 0)
        look = Look(
            final_figures(cases, judged, self._metric),
            info.notes[0] if info and info.notes else "",
            info.images if info else 0,
            number,
        )
        journal.finish(looks_key, number)
        journal.finish(key, to_json(look))
        self._progress.advance()
        return look

    def _validation_note(self, first: Result) -> str:
        rows = self._split.part(Part.VALIDATION)
        images = first.accuracy.images if first.accuracy else len(rows)
        lesions = len({row.lesion_id for row in rows})
        return f"{images:,} images of {lesions:,} lesions, which the training used to choose its epoch, too"

    def _publish(self, report: SearchReport) -> None:
        """Copy the standard and the chosen files, and write what is known of them."""
        out, found = self._request.export.out, report.by_name()
        by_name = {candidate.name: candidate for candidate in self._candidates}
        made = [
            (by_name[name], result) for name, result in found.items() if by_name[name].standard or name in report.chosen
        ]
        gone = {candidate.name for candidate in self._candidates if not candidate.standard} - {*report.chosen}
        try:
            for candidate, result in made:
                name = f"{candidate.name}.tflite"
                if result.measured is not None:
                    copy_whole(self._folder / name, out / name)
                elif candidate.standard:
                    (out / name).unlink(missing_ok=True)
            for name in gone:  # an earlier choice of a search
                (out / f"{name}.tflite").unlink(missing_ok=True)
            partial = out / f".{SEARCH_FILE}.partial"
            partial.write_text(search_json(report), encoding="utf-8")
            partial.replace(out / SEARCH_FILE)
        except OSError as error:
            raise TrainingError(f"{out}: cannot be written ({error.strerror or error}); make room") from error
        reports = [_report_of(candidate, result) for candidate, result in made if candidate.standard]
        entries = variant_entries(reports)
        entries += [searched_entry(candidate, result) for candidate, result in made if not candidate.standard]
        write_export_card(self._request.export, self._prepared, entries, reports, gone)


def _searched_before(export: ExportRequest) -> bool:
    """Whether the variants that lie in the folder are of a search with the same model."""
    try:
        found = json.loads((export.out / SEARCH_FILE).read_text(encoding="utf-8"))
        return bool(found["model_sha256"] == _content_of(export.model))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _report_of(candidate: Candidate, result: Result) -> VariantReport:
    check = result.measured.check if result.measured else None
    problem = result.problem or (check.problem if check else None)
    if candidate.variant is None:
        raise TrainingError(f"{candidate.name}: is no standard variant")
    size_bytes = result.size_bytes if result.measured else None
    return VariantReport(candidate.variant, problem, check, result.sha256, size_bytes)


def _content_of(path: Path) -> str:
    """SHA-256 of a file, or of all files of a SavedModel folder with their names."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        digest.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _plain(normalization: Normalization) -> list[list[float]]:
    return [list(normalization.mean), list(normalization.std)]
