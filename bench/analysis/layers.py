"""From sums over layers to what a person reads: pure functions.

The signal-to-quantization-noise ratio of a layer is 10 log10(sum f^2 / sum (f - v)^2), f the reference's real values
and v the variant's, over all elements of its output and all images together. It is infinite where nothing differs, and
unknown where f is 0 everywhere or a sum is no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..layer_data import (
    INPUT,
    Answers,
    Array,
    Channel,
    ChannelRange,
    ClassAnswers,
    Compared,
    Contrast,
    Layer,
    LayerFormat,
    LayerPair,
    Ratio,
    Weights,
    WeightSums,
)

WORST_CHANNELS = 3
#: Channels with less than this part of the strongest channel's power do nothing: how they are held matters to nobody.
_EMPTY_CHANNEL = 1e-8
_LEAST_GROUP = 3
_DIVISIONS = 2000


def decibels(signal: float, error: float) -> float | None:
    """Return 10 log10(signal / error): infinite without error, None without signal or where one is no number."""
    if not (math.isfinite(signal) and math.isfinite(error)):
        return None
    if error == 0:
        return math.inf
    return 10 * math.log10(signal / error) if signal > 0 else None


def ratio(signal: float, error: float, count: float, scale: float | None) -> Ratio:
    """Return the ratio with the root mean square error over ``count`` values, also in steps of ``scale``."""
    if not math.isfinite(error) or not count:
        return Ratio(decibels(signal, error))
    rmse = math.sqrt(error / count)
    return Ratio(decibels(signal, error), rmse, rmse / scale if scale else None)


def cosine(dot: float, signal: float, power: float) -> float | None:
    """Return the cosine of the angle between two sets of values; None where one of them is 0 or no number."""
    if not math.isfinite(dot) or not signal > 0 or not power > 0:
        return None
    return max(-1.0, min(1.0, dot / math.sqrt(signal * power)))


def describe_layers(
    pairs: Sequence[LayerPair],
    names: Sequence[tuple[str, str]],
    compared: Compared,
    truth: Sequence[str],
    labels: Sequence[str],
) -> tuple[Layer, ...]:
    """Return the layers in the pairs' order. ``names`` are (short name, output's name), ``truth`` a label an image."""
    flips = flipped(compared)
    members = [np.array([label == name for name in truth], dtype=bool) for label in labels]
    weights = {item.layer: item for item in compared.weights}
    return tuple(
        _layer(number, pair, names[number], compared, flips, members, weights.get(number))
        for number, pair in enumerate(pairs)
    )


def _layer(
    number: int,
    pair: LayerPair,
    names: tuple[str, str],
    compared: Compared,
    flips: Array,
    members: Sequence[Array],
    weights: WeightSums | None,
) -> Layer:
    sums, form, channels = compared.sums, compared.formats[number], compared.channels[number]
    count = float(form.elements * len(flips))
    total = {name: float(column[:, number].sum()) for name, column in vars(sums).items()}
    whole = ratio(total["signal"], total["error"], count, form.scale)
    alone = ratio(total["alone_signal"], total["alone_error"], count, form.scale)
    dead, dead_in_both = dead_channels(channels) if channels else (None, None)
    return Layer(
        number=number,
        node=pair.variant_node,
        reference_node=pair.reference_node,
        operator=pair.operator,
        name=names[0],
        output=names[1],
        match=pair.match,
        format=form,
        total=whole,
        alone=whole if pair.operator == INPUT else alone,
        cosine=cosine(total["dot"], total["signal"], total["power"]),
        range_used=range_used(channels, form) if channels else None,
        clipped=_share(total["clipped"], count),
        clip_share=_share(total["clip_error"], total["error"]),
        at_ends=_share(total["at_low"] + total["at_high"], count),
        dead=dead,
        dead_in_both=dead_in_both,
        channels=len(channels.variant_low) if channels else None,
        weights=describe_weights(weights) if weights else None,
        by_class=tuple(_pooled(compared, number, chosen) for chosen in members),
        flipped_db=_pooled(compared, number, flips),
        kept_db=_pooled(compared, number, ~flips),
    )


def _share(part: float, whole: float) -> float | None:
    if not math.isfinite(part) or not whole > 0:
        return None
    return min(part / whole, 1.0)


def _pooled(compared: Compared, number: int, chosen: Array) -> float | None:
    if not chosen.any():
        return None
    sums = compared.sums
    return decibels(float(sums.signal[chosen, number].sum()), float(sums.error[chosen, number].sum()))


def range_used(channels: ChannelRange, form: LayerFormat) -> float | None:
    """Return the share of the type's range between the least and the greatest value that came up; None in floats."""
    if not form.steps:
        return None
    return float(channels.variant_high.max() - channels.variant_low.min()) / form.steps


def dead_channels(channels: ChannelRange) -> tuple[int, int]:
    """Return how many channels never change in the variant though they do in the reference, and in neither."""
    still = channels.variant_low == channels.variant_high
    still_before = channels.reference_low == channels.reference_high
    return int(np.count_nonzero(still & ~still_before)), int(np.count_nonzero(still & still_before))


def describe_weights(sums: WeightSums) -> Weights:
    """Return how well a layer's weights are held. Channels of all but no weight are left out of the worst ones."""
    least = _EMPTY_CHANNEL * float(sums.signal.max())
    known = [
        (index, decibels(float(signal), float(error)))
        for index, (signal, error) in enumerate(zip(sums.signal, sums.error, strict=True))
        if signal > least
    ]
    finite = sorted((db, index) for index, db in known if db is not None and math.isfinite(db))
    whole = decibels(float(sums.signal.sum()), float(sums.error.sum()))
    ideal = (
        decibels(float(sums.signal.sum()), float(sums.per_channel_error.sum())) if sums.per_channel_error.size else None
    )
    gain = ideal - whole if ideal is not None and whole is not None and math.isfinite(whole) else None
    return Weights(
        dtype=sums.dtype,
        scales=sums.scales,
        channels=len(sums.signal),
        db=whole,
        worst=tuple(Channel(index, db) for db, index in finite[:WORST_CHANNELS]),
        gain_db=gain,
    )


def flipped(compared: Compared) -> Array:
    """Return, by image, whether the two models answer otherwise."""
    changed: Array = compared.reference_scores.argmax(axis=1) != compared.variant_scores.argmax(axis=1)
    return changed


def describe_answers(
    compared: Compared, image_ids: Sequence[str], truth: Sequence[str], labels: Sequence[str]
) -> Answers:
    """Return how both models answer. ``truth`` is a label an image, ``labels`` are those of the scores."""
    flips = flipped(compared)
    theirs, own = (scores.argmax(axis=1) for scores in (compared.reference_scores, compared.variant_scores))
    margins = _margins(compared.reference_scores)
    values = image_ratios(compared)
    present = [label for label in labels if label in truth]
    groups = {label: np.array([name == label for name in truth], dtype=bool) for label in present}
    return Answers(
        images=len(flips),
        classes=tuple(
            ClassAnswers(
                label=label,
                images=int(chosen.sum()),
                reference_right=int((theirs[chosen] == labels.index(label)).sum()),
                variant_right=int((own[chosen] == labels.index(label)).sum()),
                flipped=int(flips[chosen].sum()),
            )
            for label, chosen in groups.items()
        ),
        flipped=int(flips.sum()),
        flipped_ids=tuple(name for name, changed in zip(image_ids, flips, strict=True) if changed),
        flipped_margin=_median(margins[flips]),
        kept_margin=_median(margins[~flips]),
        reference_kernel_difference=_greatest_difference(compared.reference_scores, compared.reference_default),
        variant_kernel_difference=_greatest_difference(compared.variant_scores, compared.variant_default),
        kernel_flips=int((own != compared.variant_default.argmax(axis=1)).sum()),
        here_db=_score_ratio(compared.reference_scores, compared.variant_scores),
        default_db=_score_ratio(compared.reference_default, compared.variant_default),
        flip_contrast=worst_contrast(values, {"flipped": flips}),
        class_contrast=worst_contrast(values, groups),
    )


def _margins(scores: Array) -> Array:
    if scores.shape[1] < 2:
        return np.full(len(scores), np.nan)
    best = np.sort(scores, axis=1)
    margins: Array = best[:, -1] - best[:, -2]
    return margins


def _median(values: Array) -> float | None:
    return float(np.median(values)) if values.size and np.isfinite(values).all() else None


def _greatest_difference(scores: Array, others: Array) -> float:
    return float(np.abs(scores.astype(np.float64) - others).max())


def _score_ratio(reference: Array, variant: Array) -> float | None:
    real = reference.astype(np.float64)
    return decibels(float((real**2).sum()), float(((real - variant) ** 2).sum()))


def image_ratios(compared: Compared) -> Array:
    """Return each image's ratio at each layer in dB, [images, layers], not finite where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: Array = 10 * np.log10(compared.sums.signal / compared.sums.error)
    return ratios


def worst_contrast(
    values: Array, groups: dict[str, Any], divisions: int = _DIVISIONS, seed: int = 0
) -> Contrast | None:
    """Return where a group of images falls furthest below all others; None where no group can be told.

    Of every group and layer the difference of means is taken in units of what chance gives it; the greatest fall is
    compared with that of random divisions of the images, of which each again shows its greatest one (Westfall and
    Young, Resampling-Based Multiple Testing, 1993: max-T). So looking at many layers and groups is paid for. Layers
    with an image without a finite ratio are left out.
    """
    finite = np.flatnonzero(np.isfinite(values).all(axis=0))
    usable = finite[values[:, finite].std(axis=0) > 0] if len(values) else finite
    named = {
        name: chosen for name, chosen in groups.items() if _LEAST_GROUP <= chosen.sum() <= len(values) - _LEAST_GROUP
    }
    if not len(usable) or not named:
        return None
    chosen = values[:, usable]
    scaled = (chosen - chosen.mean(axis=0)) / chosen.std(axis=0)
    weights = np.stack([_group_weights(members) for members in named.values()])
    falls = -(weights @ scaled)
    group, layer = np.unravel_index(int(falls.argmax()), falls.shape)
    draw = np.random.default_rng(seed)
    greatest = [float((-(weights @ scaled[draw.permutation(len(scaled))])).max()) for _ in range(divisions)]
    members = list(named.values())[group]
    column = chosen[:, layer]
    return Contrast(
        layer=int(usable[layer]),
        group=list(named)[group],
        images=int(members.sum()),
        difference_db=float(column[members].mean() - column[~members].mean()),
        p_value=float(1 + np.count_nonzero(np.array(greatest) >= falls.max())) / (divisions + 1),
    )


def _group_weights(members: Array) -> Array:
    inside, outside = int(members.sum()), int((~members).sum())
    weights: Array = np.where(members, 1 / inside, -1 / outside) / math.sqrt(1 / inside + 1 / outside)
    return weights
