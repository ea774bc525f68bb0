"""Candidates as files, by the real tools. What several candidates share is made once."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from edgebench.devices.base import Device
from edgebench.errors import WorkerError
from edgebench.progress import Progress

from ..check import run_scores
from ..convert import ConversionError, Variant, convert
from ..data import Subset, balanced_rows
from ..export import describe
from ..pipeline import Prepared
from .candidates import Calibration, Candidate, Ranking
from .journal import Journal, key_of
from .loop import Content, OutOfTime
from .quantizer import quantize
from .selective import Layer, SelectiveQuantizer

Array = np.ndarray[Any, Any]
#: Images on which the error of scores is measured when layers are left in float32 one by one.
RANKING_IMAGES = 105
#: Stands for the error of a layer that cannot be left in float32 alone: last in any order.
_UNUSABLE = 1e9
Shared = TypeVar("Shared")


class ToolMaker:
    """Makes candidates with TFLiteConverter, its debugger and ai-edge-quantizer, from images of the training part."""

    def __init__(
        self,
        prepared: Prepared,
        pixels: Array,
        learnt: Subset,
        seed: int,
        *,
        device: Device,
        journal: Journal,
        facts: Mapping[str, Any],
        has_time: Callable[[], bool],
        progress: Progress | None = None,
    ) -> None:
        """``pixels`` uint8 [images, height, width, channels], ``learnt`` the rows to calibrate with."""
        self._plan = prepared.plan
        self._pixels = pixels
        self._learnt = learnt
        self._seed = seed
        self._device = device
        self._journal = journal
        self._facts = facts
        self._has_time = has_time
        self._progress = progress or Progress()
        self._shared: dict[Any, Any] = {}

    def prepare(self, candidate: Candidate) -> None:
        """Rank the layers where the candidate needs it. Raises ConversionError, OutOfTime."""
        if candidate.ranking is not None and candidate.calibration is not None:
            self._order(candidate.ranking, candidate.calibration)

    def make(self, candidate: Candidate) -> Content:
        """The file as the tool makes it. Raises ConversionError with the tool's reason."""
        images = self._images(candidate.calibration) if candidate.calibration else None
        if candidate.recipe is not None:
            return Content(quantize(self._float_model(), candidate.recipe, candidate.ranges, images))
        if candidate.ranking is not None and candidate.calibration is not None:
            order = self._order(candidate.ranking, candidate.calibration)
            layers = tuple(order[: candidate.float_layers or None])
            if len(layers) < candidate.float_layers or not layers:
                raise ConversionError(f"the model has {len(order)} such layers only")
            if len(layers) == len(self._layers(candidate.calibration)):
                raise ConversionError("no layer would be quantized")
            return Content(self._selective(candidate.calibration).quantized(layers), layers)
        if candidate.variant is Variant.FLOAT32:
            return Content(self._float_model())
        return Content(convert(self._plan.reference, candidate.variant or Variant.INT8, images))

    def describe(self, candidate: Candidate, content: bytes) -> bytes:
        """The file with labels and normalisation embedded."""
        return describe(self._plan, candidate.name, content)

    def _once(self, key: Any, make: Callable[[], Shared]) -> Shared:
        """What ``make`` answers, made once; a refusal is raised again for each that needs it."""
        if key not in self._shared:
            try:
                self._shared[key] = make()
            except ConversionError as error:
                self._shared[key] = error
        made = self._shared[key]
        if isinstance(made, ConversionError):
            raise made
        return made  # type: ignore[no-any-return]

    def _float_model(self) -> bytes:
        return self._once("float32", lambda: convert(self._plan.reference, Variant.FLOAT32))

    def _images(self, calibration: Calibration) -> Array:
        rows = (
            balanced_rows(self._learnt, calibration.images, self._seed)
            if calibration.balanced
            else natural_rows(self._learnt, calibration.images, self._seed)
        )
        return self._plan.normalization.apply(np.asarray(self._pixels[rows]))

    def _selective(self, calibration: Calibration) -> SelectiveQuantizer:
        return self._once(
            ("selective", calibration),
            lambda: SelectiveQuantizer(self._plan.reference, self._images(calibration)),
        )

    def _order(self, ranking: Ranking, calibration: Calibration) -> Sequence[str]:
        """Names of layers, the one that gains most in float32 first."""
        return self._once((ranking, calibration), lambda: self._ranked(ranking, calibration))

    def _layers(self, calibration: Calibration) -> list[Layer]:
        """The model's quantized layers in its order."""
        made = self._kept("layers", calibration, lambda: _plain(self._selective(calibration).layers(RANKING_IMAGES)))
        return [Layer(*values) for values in made]

    def _ranked(self, ranking: Ranking, calibration: Calibration) -> Sequence[str]:
        found = self._layers(calibration)
        if ranking is Ranking.DEPTHWISE:
            return [layer.name for layer in found if layer.operator == "DEPTHWISE_CONV_2D"]
        if ranking is Ranking.FIRST:
            return [layer.name for layer in found]
        if ranking is Ranking.DEBUGGER:
            return [layer.name for layer in sorted(found, key=lambda layer: -layer.rmse_per_scale)]
        errors = self._errors([layer.name for layer in found], calibration)
        return sorted(errors, key=lambda name: errors[name])

    def _kept(self, what: str, calibration: Calibration, make: Callable[[], Any]) -> Any:
        """A part of a ranking, from the journal where an earlier call made it."""
        key = key_of(what=what, calibration=dataclasses.asdict(calibration), facts=self._facts)
        value = self._journal.find(key)
        if value is None:
            value = make()
            self._journal.finish(key, value)
        return value

    def _errors(self, names: Sequence[str], calibration: Calibration) -> dict[str, float]:
        """The error of the scores that remains with each layer alone in float32, each kept as soon as known."""
        rows = balanced_rows(self._learnt, min(RANKING_IMAGES, calibration.images), self._seed)
        pixels = np.asarray(self._pixels[rows])
        expected = self._plan.reference.predict(self._plan.normalization.apply(pixels))
        errors = {}
        with tempfile.TemporaryDirectory(prefix="edgebench-search-") as folder:
            np.save(Path(folder) / "ranking.npy", pixels)
            for number, name in enumerate(names):
                if not self._has_time():
                    raise OutOfTime
                self._progress.detail(f"ranking layers ({number + 1} of {len(names)})")
                make = _bound(self._error, name, calibration, Path(folder), expected)
                errors[name] = float(self._kept(f"error/{name}", calibration, make))
        return errors

    def _error(self, name: str, calibration: Calibration, folder: Path, expected: Array) -> float:
        """Root mean square difference of the scores from the Keras model's; huge where it does not run."""
        path = folder / "one.tflite"
        try:
            path.write_bytes(self._selective(calibration).quantized([name]))
            scores = run_scores(self._device, path, folder / "ranking.npy", self._plan.normalization, len(expected))
        except (ConversionError, WorkerError):
            return _UNUSABLE
        return float(np.sqrt(np.mean((scores - expected) ** 2)))


def natural_rows(subset: Subset, count: int, seed: int) -> Array:
    """Rows of ``count`` images drawn as frequent as the classes are, mixed; int64."""
    return np.random.default_rng([seed, 78]).permutation(subset.rows)[:count]


def _plain(layers: Sequence[Layer]) -> list[list[Any]]:
    return [[layer.name, layer.operator, layer.rmse_per_scale] for layer in layers]


def _bound(action: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: action(*arguments)
