"""What is tried: the standard variants, and other ways to quantize the same model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any

from ..convert import Variant

#: The second tool, by its name.
QUANTIZER = "ai-edge-quantizer"
#: How many layers are left in float32 (not 16: int8-float16 would read as something else).
FLOAT_LAYERS = (1, 2, 4, 8, 12)
#: How many layers from the input on, the most promising first.
FIRST_LAYERS = (8, 16, 4, 32)
#: Calibration images a class, beside what the standard int8 is calibrated with.
IMAGES_A_CLASS = (10, 30, 100)


class Family(str, Enum):
    """What a candidate changes. Candidates of one family take about equally long."""

    STANDARD = "standard"
    FLOAT_LAYERS = "float layers"
    CALIBRATION = "calibration"
    QUANTIZER = QUANTIZER


class Ranking(str, Enum):
    """How the layers to leave in float32 are found.

    ``MEASURED``: each layer is left in float32 alone, and the error of the scores that remains is measured.
    ``DEBUGGER``: root mean square error over scale of each layer's output, from TensorFlow's QuantizationDebugger.
    ``FIRST``: the layers next to the input. Errors made there go through all that follows, and do not add up layer by
    layer, so a run of layers can gain what none of them gains alone.
    ``DEPTHWISE``: every depthwise convolution, no ranking: few weights a channel, which 8 bits may be too coarse for.
    """

    MEASURED = "trying each"
    DEBUGGER = "RMSE/scale"
    FIRST = "from the input on"
    DEPTHWISE = "depthwise"


class Ranges(str, Enum):
    """How the range of an activation follows from calibration images.

    TFLiteConverter has ``MIN_MAX`` only. ``MOVING`` is ai-edge-quantizer's own: a moving average of each image's
    extremes. ``PERCENTILE`` is the 99th percentile of the images' highest values, and the 1st of their lowest.
    """

    MIN_MAX = "min-max"
    MOVING = "moving average"
    PERCENTILE = "99th percentile"


@dataclass(frozen=True)
class Calibration:
    """How many images of the training part show the ranges; ``balanced``: as evenly over the classes as can be."""

    images: int
    balanced: bool = True

    def __str__(self) -> str:
        return f"{self.images} images, {'class-balanced' if self.balanced else 'classes as frequent as they are'}"


@dataclass(frozen=True)
class Candidate:
    """One way to make a file. ``name`` is the file's stem.

    ``variant`` is set for what TFLiteConverter makes, ``recipe`` for what ai-edge-quantizer makes.
    """

    name: str
    family: Family
    variant: Variant | None = None
    calibration: Calibration | None = None
    float_layers: int = 0
    ranking: Ranking | None = None
    recipe: str | None = None
    ranges: Ranges | None = None

    @property
    def standard(self) -> bool:
        """Whether ``edgebench export`` makes it without a search."""
        return self.family is Family.STANDARD

    @property
    def how(self) -> str:
        """How it is made, in a few words: beside the usual calibration, which is not repeated for each."""
        if self.recipe is not None:
            return f"{self.recipe}, {self.ranges.value}" if self.ranges else self.recipe
        if self.ranking is Ranking.DEPTHWISE:
            return "depthwise layers float"
        if self.ranking is Ranking.FIRST:
            return f"first {self.float_layers} layers float"
        if self.ranking is not None:
            layers = "1 float layer" if self.float_layers == 1 else f"{self.float_layers} float layers"
            return f"{layers}, by {self.ranking.value}"
        return str(self.calibration) if self.family is Family.CALIBRATION else "as export makes it"

    def recipe_entry(self) -> dict[str, Any]:
        """How it is made, as plain JSON values without what does not apply."""
        fields = {key: value for key, value in dataclasses.asdict(self).items() if value not in (None, 0)}
        del fields["name"]
        tool = QUANTIZER if self.recipe else "TFLiteConverter"
        return {
            "tool": tool,
            **{key: value.value if isinstance(value, Enum) else value for key, value in fields.items()},
        }


def candidates(standard: Sequence[Variant], classes: int, calibration_images: int) -> tuple[Candidate, ...]:
    """Everything worth trying, float32 first, then the other standard variants, then the families in turns.

    A search that runs out of time has then tried something of each family.
    """
    usual = Calibration(calibration_images)
    firsts = [_standard(variant, usual) for variant in dict.fromkeys((Variant.FLOAT32, *standard))]
    depthwise = Candidate(
        "int8-depthwise-float",
        Family.FLOAT_LAYERS,
        Variant.INT8,
        usual,
        ranking=Ranking.DEPTHWISE,
        ranges=Ranges.MIN_MAX,
    )
    families = (
        _float_layers(Ranking.FIRST, "int8-first", usual, FIRST_LAYERS),
        _float_layers(Ranking.MEASURED, "int8-float", usual),
        _quantizer(usual),
        _calibrations(classes, usual),
        [*_float_layers(Ranking.DEBUGGER, "int8-rmse", usual), depthwise],
    )
    others = [one for turn in zip_longest(*families) for one in turn if one is not None]
    return (*firsts, *others)


def _standard(variant: Variant, usual: Calibration) -> Candidate:
    needs = variant.needs_calibration
    return Candidate(
        variant.value, Family.STANDARD, variant, usual if needs else None, ranges=Ranges.MIN_MAX if needs else None
    )


def _float_layers(
    ranking: Ranking, prefix: str, usual: Calibration, counts: Sequence[int] = FLOAT_LAYERS
) -> list[Candidate]:
    return [
        Candidate(f"{prefix}{count}", Family.FLOAT_LAYERS, Variant.INT8, usual, count, ranking, ranges=Ranges.MIN_MAX)
        for count in counts
    ]


def _calibrations(classes: int, usual: Calibration) -> list[Candidate]:
    balanced = [(f"int8-cal{count}", Calibration(count * classes)) for count in IMAGES_A_CLASS]
    natural = [(f"int8-natural{count}", Calibration(count * classes, balanced=False)) for count in IMAGES_A_CLASS]
    listed = [pair for pair in (*reversed(balanced), *natural) if pair[1] != usual]
    return [
        Candidate(name, Family.CALIBRATION, Variant.INT8, calibration, ranges=Ranges.MIN_MAX)
        for name, calibration in listed
    ]


def _quantizer(usual: Calibration) -> list[Candidate]:
    named: list[tuple[str, str, Ranges | None]] = [
        ("aeq-int8", "static_wi8_ai8", Ranges.MOVING),
        ("aeq-dynamic", "dynamic_wi8_afp32", None),
        ("aeq-weights8", "weight_only_wi8_afp32", None),
        ("aeq-int8-minmax", "static_wi8_ai8", Ranges.MIN_MAX),
        ("aeq-int8-mse", "static_wi8_ai8/MSE", Ranges.MOVING),
        ("aeq-int8-p99", "static_wi8_ai8", Ranges.PERCENTILE),
        ("aeq-int8-octav", "static_wi8_ai8/OCTAV", Ranges.MOVING),
        ("aeq-weights4", "weight_only_wi4_afp32", None),
        ("aeq-int16x8", "static_wi8_ai16", Ranges.MOVING),
    ]
    return [
        Candidate(name, Family.QUANTIZER, None, usual if ranges else None, recipe=recipe, ranges=ranges)
        for name, recipe, ranges in named
    ]
