"""A diagnosis as a table, CSV, JSON, and as an overlay for Model Explorer."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from ..layer_data import Diagnosis, FailedDiagnosis, Layer
from .diagnosis_lines import background, conclusions, decibel, time_range, worst_class
from .explorer import graph_id, node_data
from .plain import grid, wrapped
from .text import ABSENT, clean, count, shortened

_NAME_WIDTH = 34
#: (key, title, unit, what it is): the columns of the table and of the page.
COLUMNS = (
    ("node", "node", "", "the node's index in the variant's file"),
    ("layer", "layer", "", "from the output's name; ~ where the match is by order"),
    ("operator", "operator", "", ""),
    ("alone", "alone", "dB", "SQNR of the layer alone: both models' layers get one and the same input"),
    ("total", "SQNR", "dB", "signal-to-quantization-noise ratio of its output, with all that came in"),
    ("cosine", "cosine", "", "of the angle between both outputs"),
    ("steps", "error", "steps", "root mean square error in steps of its scale; rounding alone gives 0.289"),
    ("used", "range", "%", "part of the type's range that its values take up"),
    ("clipped", "clipped", "%", "of the reference's values lie beyond what it can hold"),
    ("clip_share", "by clip", "%", "of its squared error comes of that"),
    ("ends", "at ends", "%", "of its values are the type's least or greatest: zeros of a ReLU are, too"),
    ("weights", "weights", "dB", "SQNR of its weights against the reference's"),
    ("time", "time", "%", "share of the time with the default delegate"),
)
_CSV = (
    "model", "variant", "reference", "position", "node", "reference_node", "operator", "layer", "output", "match",
    "dtype", "scale", "zero_point", "elements", "sqnr_db", "alone_db", "cosine", "rmse", "rmse_steps",
    "alone_rmse_steps", "range_used", "clipped", "clip_share", "at_ends", "channels", "dead", "dead_in_both",
    "weights_dtype", "weights_scales", "weights_db", "weights_worst_channel", "weights_worst_db", "weights_gain_db",
    "flipped_db", "kept_db", "worst_class", "worst_class_db", "time_share", "time_low", "time_high",
)  # fmt: skip
#: From red over yellow to white: the lowest ratio is what hurts.
_GRADIENT = ({"stop": 0, "bgColor": "#d94032"}, {"stop": 0.5, "bgColor": "#ffe08a"}, {"stop": 1, "bgColor": "#ffffff"})
#: What an overlay shows for a layer without any error: a colour needs a number.
_EQUAL_DB = 120.0


def title(diagnosis: Diagnosis) -> str:
    """Return the heading."""
    model, variant = clean(diagnosis.model), clean(diagnosis.variant)
    return f"Where {model}/{variant} parts from {clean(diagnosis.reference)}"


def subtitle(diagnosis: Diagnosis) -> str:
    """Return what was compared on what."""
    return (
        f"{count(len(diagnosis.layers), 'layer')} on {count(diagnosis.answers.images, 'image')} of "
        f"{clean(diagnosis.source)}, {clean(diagnosis.preprocessing)}; {clean(diagnosis.runtime.package)} "
        f"{clean(diagnosis.runtime.version)}"
    )


def render_diagnosis(diagnosis: Diagnosis, top: int, *, width: int | None = None) -> str:
    """Return a diagnosis as text for a terminal: conclusions, then the ``top`` layers with the greatest error.

    Sentences are wrapped to ``width`` characters where given; the table needs about 130.
    """
    shown = diagnosis.ranked()[:top]
    columns = [column for column in COLUMNS if any(cell(layer, column[0]) != ABSENT for layer in shown)]
    heads = [f"{name}\n{unit}" if unit else name for _, name, unit, _ in columns]
    align = ["left" if key in ("layer", "operator") else "right" for key, *_ in columns]
    body = [[cell(layer, key) for key, *_ in columns] for layer in shown]
    alone = any(layer.alone.db is not None for layer in shown)
    number = f" ({len(shown)} of {len(diagnosis.layers)})" if len(shown) < len(diagnosis.layers) else ""
    heading = f"Layers by {'their own error' if alone else 'error'}, greatest first{number}"
    parts = [
        "\n".join(wrapped(line, width) for line in [title(diagnosis), subtitle(diagnosis)]),
        "\n".join(wrapped(line, width) for line in conclusions(diagnosis)),
        f"{heading}\n{grid(heads, body, align)}",
        "\n".join(wrapped(line, width) for line in background(diagnosis)),
    ]
    return "\n\n".join(parts) + "\n"


def cell(layer: Layer, key: str) -> str:
    """Return what the table shows of a layer in one column."""
    if key == "layer":
        sign = "~" if layer.match.value == "order" else ""
        return sign + shortened(clean(layer.name), _NAME_WIDTH)
    texts = {
        "node": lambda: ABSENT if layer.node < 0 else str(layer.node),
        "operator": lambda: clean(layer.operator),
        "alone": lambda: decibel(layer.alone.db),
        "total": lambda: decibel(layer.total.db),
        "cosine": lambda: ABSENT if layer.cosine is None else f"{layer.cosine:.4f}",
        "steps": lambda: ABSENT if layer.total.steps is None else f"{layer.total.steps:.2f}",
        "used": lambda: _percent(layer.range_used, 0),
        "clipped": lambda: _percent(layer.clipped, 2),
        "clip_share": lambda: _percent(layer.clip_share, 0),
        "ends": lambda: _percent(layer.at_ends, 0),
        "weights": lambda: ABSENT if layer.weights is None else decibel(layer.weights.db),
        "time": lambda: ABSENT if layer.time_share is None else time_range(layer),
    }
    return texts[key]()


def _percent(share: float | None, decimals: int) -> str:
    if share is None:
        return ABSENT
    text = f"{100 * share:.{decimals}f}"
    return f"<{10**-decimals:g}" if share and float(text) == 0 else text


def render_diagnoses_csv(diagnoses: Sequence[Diagnosis]) -> str:
    """Return one line per layer of each diagnosis, in the variant's order, then a column of dB for each class.

    Shares are from 0 to 1; ``inf`` dB is no difference, empty is unknown.
    """
    labels = list(dict.fromkeys(label for diagnosis in diagnoses for label in diagnosis.labels))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*_CSV, *(f"class_db:{clean(label)}" for label in labels)], lineterminator="\n")
    writer.writeheader()
    for diagnosis in diagnoses:
        for layer in diagnosis.layers:
            writer.writerow({name: _text(value) for name, value in _row(diagnosis, layer).items()})
    return stream.getvalue()


def _row(diagnosis: Diagnosis, layer: Layer) -> dict[str, Any]:
    weights, worst = layer.weights, worst_class(diagnosis, layer)
    lowest = weights.worst[0] if weights and weights.worst else None
    by_class = zip(diagnosis.labels, layer.by_class, strict=True)
    return {
        "model": clean(diagnosis.model),
        "variant": clean(diagnosis.variant),
        "reference": clean(diagnosis.reference),
        "position": layer.number,
        "node": None if layer.node < 0 else layer.node,
        "reference_node": None if layer.node < 0 else layer.reference_node,
        "operator": clean(layer.operator),
        "layer": clean(layer.name),
        "output": clean(layer.output),
        "match": layer.match.value,
        "dtype": layer.format.dtype,
        "scale": layer.format.scale,
        "zero_point": layer.format.zero_point,
        "elements": layer.format.elements,
        "sqnr_db": layer.total.db,
        "alone_db": layer.alone.db,
        "cosine": layer.cosine,
        "rmse": layer.total.rmse,
        "rmse_steps": layer.total.steps,
        "alone_rmse_steps": layer.alone.steps,
        **{name: getattr(layer, name) for name in ("range_used", "clipped", "clip_share", "at_ends")},
        **{name: getattr(layer, name) for name in ("channels", "dead", "dead_in_both", "flipped_db", "kept_db")},
        "weights_dtype": weights.dtype if weights else None,
        "weights_scales": weights.scales if weights else None,
        "weights_db": weights.db if weights else None,
        "weights_worst_channel": lowest.index if lowest else None,
        "weights_worst_db": lowest.db if lowest else None,
        "weights_gain_db": weights.gain_db if weights else None,
        "worst_class": clean(worst[0]) if worst else None,
        "worst_class_db": worst[1] if worst else None,
        **{name: getattr(layer, name) for name in ("time_share", "time_low", "time_high")},
        **{f"class_db:{clean(label)}": value for label, value in by_class},
    }


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else value


def render_diagnoses_json(diagnoses: Sequence[Diagnosis], failures: Sequence[FailedDiagnosis]) -> str:
    """Return everything as JSON. JSON has no infinity: dB of what does not differ are ``"equal"``."""
    record = {
        "sqnr_is": "10 log10(sum f^2 / sum (f - v)^2) over all elements and images, in dB",
        "diagnoses": [{**asdict(diagnosis), "conclusions": conclusions(diagnosis)} for diagnosis in diagnoses],
        "failed": [asdict(failure) for failure in failures],
    }
    return json.dumps(_plain(record), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return "equal" if value == math.inf else None
    return value


def render_diagnosis_explorer(diagnosis: Diagnosis) -> str:
    """Return node data for Model Explorer: output tensor name -> dB, of the layer alone where that is known."""
    results = {}
    for layer in diagnosis.layers:
        known = layer.total.db if layer.alone.db is None else layer.alone.db
        if known is not None and layer.output:
            results[layer.output] = min(known, _EQUAL_DB)
    return node_data({graph_id([diagnosis.graph_name], 0): results}, _GRADIENT)
