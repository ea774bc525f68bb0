"""What a diagnosis says in words: only what its figures carry, and no advice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from ..layer_data import INPUT, Contrast, Diagnosis, Layer
from .text import clean, count, joined, ratio

#: Below this share of values beyond the range nothing is said about clipping.
_CLIPPED = 0.0005
#: A part of the error that is worth a word.
_MOSTLY = 0.5
#: Below this part of the range used a bit and more is idle.
_NARROW = 0.5
#: Root mean square error of the input in steps from which on rounding does more than it does on average.
_COARSE_INPUT = 0.4
_SIGNIFICANT = 0.05
_GAIN_DB = 3.0


def conclusions(diagnosis: Diagnosis) -> list[str]:
    """Return the sentences that stand above the table: answers, where the error is made, what it is made of."""
    return [
        *_answers(diagnosis),
        *_input(diagnosis),
        *_worst(diagnosis),
        *_clipping(diagnosis),
        *_weights(diagnosis),
        *_dead(diagnosis),
        *_groups(diagnosis),
    ]


def _answers(diagnosis: Diagnosis) -> Iterator[str]:
    answers = diagnosis.answers
    right = [sum(item.reference_right for item in answers.classes), sum(item.variant_right for item in answers.classes)]
    images = count(answers.images, "image")
    ours, theirs = clean(diagnosis.variant), clean(diagnosis.reference)
    if not answers.flipped:
        yield f"{ours} answers all {images} as {theirs} does ({right[0]} right)."
        return
    flips = joined(
        [f"{clean(item.label)} {item.flipped} of {item.images}" for item in answers.classes if item.flipped], 7
    )
    yield (
        f"{ours} answers {answers.flipped} of {images} otherwise than {theirs} ({theirs} has {right[0]} right, {ours} "
        f"{right[1]}): {flips}."
    )
    if answers.flipped_margin is not None and answers.kept_margin is not None:
        yield (
            f"Where the answer flips, {theirs}'s best score leads its second by {ratio(answers.flipped_margin)} "
            f"(median), elsewhere by {ratio(answers.kept_margin)}."
        )


def _input(diagnosis: Diagnosis) -> Iterator[str]:
    found = next((layer for layer in diagnosis.layers if layer.operator == INPUT), None)
    if found is not None and found.total.steps is not None and found.total.steps >= _COARSE_INPUT:
        yield (
            f"The input is off by {found.total.steps:.2f} steps of its scale (root mean square); rounding gives 0.29 "
            "where values lie anywhere between two steps, 0.50 where all lie in the middle."
        )


def _worst(diagnosis: Diagnosis) -> Iterator[str]:
    ranked = diagnosis.ranked()
    worst = ranked[0]
    name = clean(diagnosis.variant)
    if worst.alone.db is None or not math.isfinite(worst.alone.db):
        yield f"{name} is furthest from {clean(diagnosis.reference)} at {layer_name(worst)}: {_facts(worst)}."
    else:
        yield f"By itself {name} loses most at {layer_name(worst)}: {_facts(worst)}."
        deepest = min(diagnosis.layers, key=_total)
        if deepest is not worst and math.isfinite(_total(deepest)):
            yield f"With all that came in, the lowest SQNR is {decibel(deepest.total.db)} dB, at {layer_name(deepest)}."
    last = diagnosis.layers[-1]
    if last is not worst:
        yield f"The last layer compared, {layer_name(last)}, is left with {decibel(last.total.db)} dB."


def _facts(layer: Layer) -> str:
    parts = []
    if layer.alone.db is not None:
        parts.append(f"SQNR {decibel(layer.alone.db)} dB alone")
    parts.append(f"{decibel(layer.total.db)} dB with all that came in")
    if layer.clipped:
        parts.append(f"{percent(layer.clipped)} of its values clipped")
        if layer.clip_share and layer.clip_share >= _MOSTLY:
            parts.append(f"which makes {whole_percent(layer.clip_share)} of its squared error")
    if layer.range_used is not None and layer.range_used < _NARROW:
        parts.append(f"only {whole_percent(layer.range_used)} of its range used")
    if layer.time_share is not None:
        parts.append(f"{time_range(layer)} % of the time")
    return ", ".join(parts)


def _total(layer: Layer) -> float:
    return math.inf if layer.total.db is None else layer.total.db


def _clipping(diagnosis: Diagnosis) -> Iterator[str]:
    clipped = [layer for layer in diagnosis.layers if (layer.clipped or 0) >= _CLIPPED]
    if clipped:
        most = max(clipped, key=lambda layer: layer.clipped or 0)
        part = f"{percent(most.clipped or 0)}, {whole_percent(most.clip_share or 0)} of its squared error"
        where = "that one" if most is diagnosis.ranked()[0] else f"{layer_name(most)}: {part}"
        yield (
            f"{count(len(clipped), 'layer clips', 'layers clip')} at least {percent(_CLIPPED)} of the values that "
            f"{clean(diagnosis.reference)} has there, most of all {where}."
        )


def _weights(diagnosis: Diagnosis) -> Iterator[str]:
    known = [(layer, layer.weights) for layer in diagnosis.layers if layer.weights and layer.weights.worst]
    if not known:
        return
    layer, weights = min(known, key=lambda item: item[1].worst[0].db)
    worst = weights.worst[0]
    kinds = Counter(_kind(held.scales, held.dtype) for _, held in known)
    yield (
        f"Weights: {joined([f'{number} of {len(known)} layers {kind}' for kind, number in kinds.items()])}. Worst held "
        f"is channel {worst.index} of {layer_name(layer)}: {decibel(worst.db)} dB, all its channels together "
        f"{decibel(weights.db)} dB."
    )
    gains = [(layer, held.gain_db) for layer, held in known if held.gain_db is not None and held.gain_db >= _GAIN_DB]
    if gains:
        layer, gain = max(gains, key=lambda item: item[1])
        yield (
            f"One scale for all channels costs the weights of {count(len(gains), 'layer')} {_GAIN_DB:g} dB and more "
            f"against a scale for each, by calculation; most at {layer_name(layer)}: {gain:.1f} dB."
        )


def _kind(scales: int, dtype: str) -> str:
    if not scales:
        return f"in {dtype}"
    return f"in {dtype} with one scale" if scales == 1 else f"in {dtype} with a scale for each channel"


def _dead(diagnosis: Diagnosis) -> Iterator[str]:
    dead = [layer for layer in diagnosis.layers if layer.dead]
    if dead:
        most = max(dead, key=lambda layer: layer.dead or 0)
        yield (
            f"{count(len(dead), 'layer has', 'layers have')} channels that never change in {clean(diagnosis.variant)} "
            f"though they do in {clean(diagnosis.reference)}; most {layer_name(most)}: {most.dead} of {most.channels}."
        )


def _groups(diagnosis: Diagnosis) -> Iterator[str]:
    answers = diagnosis.answers
    if not answers.flipped:
        return
    flips, classes = answers.flip_contrast, answers.class_contrast
    if flips is None:
        yield "Too few answers flip, or too few do not, to tell whether any layer is worse on those images."
    elif flips.p_value <= _SIGNIFICANT:
        yield f"On the images that flip, {_contrast(diagnosis, flips)}."
    else:
        yield f"No layer is shown to be worse on the images that flip (p={_p(flips.p_value)})."
    if classes is not None and classes.p_value <= _SIGNIFICANT:
        yield f"Of all classes and layers, {clean(classes.group)} fares worst: {_contrast(diagnosis, classes)}."
    elif classes is not None:
        yield f"No class is shown to fare worse than the others at any layer (p={_p(classes.p_value)})."


def _contrast(diagnosis: Diagnosis, found: Contrast) -> str:
    return (
        f"{layer_name(diagnosis.layers[found.layer])} is {-found.difference_db:.1f} dB below what it is on all other "
        f"images ({count(found.images, 'image')}, p={_p(found.p_value)})"
    )


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "0.0005"


def background(diagnosis: Diagnosis) -> list[str]:
    """Return the sentences that stand below the table: how far to trust it, and what is missing."""
    kernels = "as the default delegate computes them" if diagnosis.delegated else "on the runtime's own CPU kernels"
    lines = [f"Layers are read {kernels}, with all tensors kept. {_against_plain_runs(diagnosis)}"]
    lines += [f"Not compared: {line}" for line in unmatched(diagnosis)]
    lines += [_sentence(clean(f"{_TITLES.get(name, name)} unknown: {reason}")) for name, reason in _reasons(diagnosis)]
    return lines + [_sentence(clean(note)) for note in diagnosis.notes]


def _against_plain_runs(diagnosis: Diagnosis) -> str:
    answers = diagnosis.answers
    differences = answers.reference_kernel_difference, answers.variant_kernel_difference
    if not any(differences):
        return "All scores are equal to those of a plain run with the default delegate."
    return (
        "From those of a plain run with the default delegate, scores differ by up to "
        f"{_difference(differences[0])} in {clean(diagnosis.reference)} and {_difference(differences[1])} in "
        f"{clean(diagnosis.variant)}, and {count(answers.kernel_flips, 'answer')} of {clean(diagnosis.variant)} "
        f"{'differs' if answers.kernel_flips == 1 else 'differ'}; the SQNR of the scores is "
        f"{decibel(answers.here_db)} dB here, {decibel(answers.default_db)} dB there."
    )


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."


_TITLES = {"alone": "Error of the layers alone", "time_share": "Share of the time"}


def _reasons(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    weights: dict[str, int] = Counter()
    for name, reason in diagnosis.unavailable.items():
        if name.startswith("weights:"):
            weights[reason] += 1
        else:
            yield name, reason.rstrip(".")
    for reason, number in weights.items():
        yield f"Weights of {count(number, 'layer')}", reason.rstrip(".")


def unmatched(diagnosis: Diagnosis) -> list[str]:
    """Return a line per reason: which nodes of which graph have no counterpart."""
    groups: dict[tuple[str, str], list[str]] = {}
    names = {"reference": clean(diagnosis.reference), "variant": clean(diagnosis.variant), "both": "both"}
    for item in diagnosis.unmatched:
        groups.setdefault((names[item.side], item.reason), []).append(f"{item.node} {clean(item.operator)}")
    return [f"{side}: {joined(nodes, 8)}: {reason}." for (side, reason), nodes in groups.items()]


def layer_name(layer: Layer) -> str:
    """Return ``conv2d_12 (node 24, CONV_2D)``, or ``the model's input``."""
    if layer.operator == INPUT:
        return "the model's input"
    return f"{clean(layer.name)} (node {layer.node}, {clean(layer.operator)})"


def decibel(value: float | None) -> str:
    """Return dB with one decimal, ``equal`` where nothing differs."""
    if value is None:
        return "–"
    return "equal" if math.isinf(value) else f"{value:.1f}".replace("-", "−")


def percent(share: float) -> str:
    """Return a share as percent: 3.1 %, 0.026 %, below 0.001 %."""
    value = 100 * share
    if 0 < value < 0.001:
        return "below 0.001 %"
    return f"{value:.1f} %" if value >= 1 or not value else f"{value:.2g} %"


def whole_percent(share: float) -> str:
    """Return a share as whole percent: 94 %."""
    return f"{100 * share:.0f} %"


def time_range(layer: Layer) -> str:
    """Return the share of the time in percent, as a range where that is wide against it; without the unit."""
    low, high, share = (100 * (value or 0.0) for value in (layer.time_low, layer.time_high, layer.time_share))
    return f"{share:.1f}" if high - low <= max(0.2 * share, 0.1) else f"{low:.1f}–{high:.1f}"


def _difference(value: float) -> str:
    return f"{value:.2g}"


def worst_class(diagnosis: Diagnosis, layer: Layer) -> tuple[str, float] | None:
    """Return the class on whose images a layer has the lowest ratio, and that in dB."""
    known: Sequence[tuple[float, str]] = [
        (db, label)
        for label, db in zip(diagnosis.labels, layer.by_class, strict=True)
        if db is not None and math.isfinite(db)
    ]
    if len(known) < 2:
        return None
    db, label = min(known)
    return label, db
