"""A diagnosis as one self-contained page, in the style of the run's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..layer_data import INPUT, Diagnosis, Layer
from .diagnosis import COLUMNS, cell, subtitle, title
from .diagnosis_charts import diagnosis_charts
from .diagnosis_lines import background, conclusions, decibel
from .page import environment, own, scripts, template
from .text import ABSENT, clean

_CLASS_LAYERS = 20
_CLASSES = 30
_TERMS = (
    (
        "SQNR",
        "10 log10(sum f² / sum (f − v)²), f the float model's real values and v the variant's, over all elements of a "
        "layer's output and all images together. Equal: nothing differs. 20 dB: the error is a tenth of the signal.",
    ),
    (
        "alone",
        "The layer of the float model and that of the variant get one and the same input: the float model's, rounded "
        "to what the variant can hold. What is left is the error of the layer's own weights, arithmetic and "
        "output range.",
    ),
    (
        "flips, lead",
        "An answer flips where the two models' best scores are of different classes. The lead is the float model's "
        "best score less its second.",
    ),
    (
        "p",
        "The share of 2,000 random divisions of the same images in which any layer of any group is as far below the "
        "others: many layers are looked at, and that is paid for.",
    ),
)


def render_diagnosis_html(diagnosis: Diagnosis) -> str:
    """Return the page as text, to be stored as UTF-8."""
    figures = diagnosis_charts(diagnosis)
    ranked = diagnosis.ranked()
    columns = [
        column
        for column in COLUMNS
        if column[0] not in ("node", "operator") and any(cell(layer, column[0]) != ABSENT for layer in ranked)
    ]
    return environment().get_template("diagnosis.html.j2").render(
        scripts=scripts(figures),
        style=own(template("report.css")),
        charts={chart.key: chart for chart in figures},
        title=title(diagnosis),
        subtitle=subtitle(diagnosis),
        conclusions=conclusions(diagnosis),
        background=background(diagnosis),
        medical=diagnosis.generated,
        alone=any(layer.alone.db is not None for layer in ranked),
        columns=columns,
        rows=[(layer_place(layer), clean(layer.output), [cell(layer, key) for key, *_ in columns]) for layer in ranked],
        answers=_answers(diagnosis),
        flipped_ids=[clean(name) for name in diagnosis.answers.flipped_ids],
        classes=_classes(diagnosis, ranked),
        weights=_weights(ranked),
        glossary=[*_TERMS, *((name, about) for _, name, _, about in columns if about)],
    )  # fmt: skip


def layer_place(layer: Layer) -> str:
    """Return ``node 24, CONV_2D``, nothing for the model's input."""
    if layer.operator == INPUT:
        return ""
    return f"node {layer.node}, {clean(layer.operator)}"


def _answers(diagnosis: Diagnosis) -> list[tuple[str, int, int, int, int]]:
    return [
        (clean(item.label), item.images, item.reference_right, item.variant_right, item.flipped)
        for item in diagnosis.answers.classes
    ]


def _classes(diagnosis: Diagnosis, ranked: Sequence[Layer]) -> dict[str, Any] | None:
    """Return the ratio by class of the worst layers, each with its shade: the darker, the lower in its row."""
    if len(diagnosis.labels) < 2 or len(diagnosis.labels) > _CLASSES:
        return None
    rows = []
    for layer in ranked[:_CLASS_LAYERS]:
        known = [value for value in layer.by_class if value is not None and math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=0.0)
        cells = [(decibel(value), _shade(value, low, high)) for value in layer.by_class]
        extra = [decibel(layer.flipped_db), decibel(layer.kept_db)] if diagnosis.answers.flipped else []
        rows.append((clean(layer.name), cells, extra))
    counts = {item.label: item.images for item in diagnosis.answers.classes}
    heads = [(clean(name), counts.get(name, 0)) for name in diagnosis.labels]
    flips = diagnosis.answers.flipped
    return {"heads": heads, "rows": rows, "flips": (flips, diagnosis.answers.images - flips) if flips else None}


def _shade(value: float | None, low: float, high: float) -> float:
    if value is None or not math.isfinite(value) or high - low < 1.0:
        return 0.0
    return (high - value) / (high - low)


def _weights(ranked: Sequence[Layer]) -> list[tuple[str, ...]]:
    held = [(layer, layer.weights) for layer in ranked if layer.weights is not None]
    ordered = sorted(held, key=lambda item: item[1].worst[0].db if item[1].worst else math.inf)
    return [
        (
            clean(layer.name),
            weights.dtype,
            str(weights.channels),
            "none" if not weights.scales else "one" if weights.scales == 1 else "one a channel",
            decibel(weights.db),
            ", ".join(f"{channel.index}: {decibel(channel.db)}" for channel in weights.worst) or ABSENT,
            ABSENT if weights.gain_db is None else f"{weights.gain_db:+.1f}".replace("-", "−"),
        )
        for layer, weights in ordered
    ]
