"""``edgebench diagnose``: where between input and output a variant parts from its reference, on real images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .analysis.layer_match import match_layers
from .analysis.layer_names import layer_names
from .analysis.layers import describe_answers, describe_layers
from .classify import Crew
from .devices.base import Device
from .errors import InputError, ModelError, ScoreError, UsageError, WorkerError
from .evaluation import Evaluator, Reading, Scored
from .layer_data import (
    INPUT,
    WEIGHTS,
    ChannelRange,
    Compared,
    Diagnosis,
    FailedDiagnosis,
    Layer,
    LayerPair,
    Matched,
    Network,
    Unmatched,
)
from .layer_session import LayerSession, LayersRequest, OpenedLayers, WeightPlace, layer_sums
from .network import read_network, stand_alone
from .operators import OperatorTime
from .plan import ModelVariant, find_variants
from .profile import MAX_TIMEOUT_S, ProfileSpec, profile_variant
from .progress import Progress
from .records import Delegate, DelegateKind, Engine, Failure, Preprocessing, RuntimeInfo
from .session import LoadRequest
from .spec import DataSpec

DEFAULT_IMAGES = 70
_CHUNK_NS = 1_000_000_000
_FLOAT_SCHEMES = ("float32", "float16")


@dataclass(frozen=True)
class DiagnoseSpec:
    """What to diagnose. ``variants`` are names, none for all but the reference; ``against`` names the reference."""

    models: tuple[str, ...]
    data: DataSpec
    variants: tuple[str, ...] = ()
    against: str | None = None
    python: str | None = None
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise UsageError(f"--timeout {self.timeout_s:g}s: must be above 0 and at most 24h")
        if self.data.limit is not None and self.data.limit < 1:
            raise UsageError(f"--limit {self.data.limit}: must be at least 1")


@dataclass(frozen=True)
class _Side:
    """One of the two models: its graph, how it reads images, and its scores with the default delegate."""

    variant: ModelVariant
    network: Network
    reading: Reading
    scored: Scored


def diagnose_models(
    spec: DiagnoseSpec, device: Device, progress: Progress | None = None
) -> Iterator[Diagnosis | FailedDiagnosis | InputError]:
    """Yield one result per variant: a diagnosis, or why there is none; and an error per file that is no model.

    Raises:
        UsageError, InputError: nothing can be compared; one line says why.
    """
    found, rejected = find_variants(spec.models)
    if not found:
        raise InputError("; ".join(str(error) for error in rejected))
    reference, variants = choose_variants(found, spec)
    evaluator = Evaluator(spec.data, variants=[reference, *variants])
    yield from rejected
    for variant in variants:
        try:
            yield diagnose_variant(spec, reference, variant, device, evaluator, progress or Progress())
        except (WorkerError, InputError) as error:
            yield FailedDiagnosis(variant.model, variant.variant, Failure(error.code, str(error)))


def choose_variants(found: Sequence[ModelVariant], spec: DiagnoseSpec) -> tuple[ModelVariant, list[ModelVariant]]:
    """Return the reference and the variants to compare with it.

    Raises:
        UsageError: a name is that of no variant, or there is no one float model, or nothing beside it.
    """
    reference = _reference(found, spec.against)
    others = [item for item in found if item is not reference]
    for name in spec.variants:
        _named(found, name, "--variant")
    chosen = [item for item in others if not spec.variants or any(_is_called(item, name) for name in spec.variants)]
    if not chosen:
        raise UsageError(
            f"only one variant ({_name(reference)}): nothing to compare it with; name a quantized one beside it, "
            "for instance MODEL/int8=FILE"
        )
    return reference, chosen


def _reference(found: Sequence[ModelVariant], against: str | None) -> ModelVariant:
    if against is not None:
        candidates = _named(found, against, "--against")
        if candidates[0].file.scheme not in _FLOAT_SCHEMES:
            raise UsageError(f"--against {against}: is {candidates[0].file.scheme}, not a float model")
    else:
        candidates = [item for item in found if item.file.scheme == "float32"]
    if not candidates:
        raise UsageError(
            f"no float32 model among {', '.join(_name(item) for item in found)}: name it as well, for instance "
            "MODEL/float32=FILE"
        )
    if len(candidates) > 1:
        raise UsageError(
            f"several float models: {', '.join(_name(item) for item in candidates)}; "
            "say which with --against MODEL/VARIANT"
        )
    return candidates[0]


def _named(found: Sequence[ModelVariant], name: str, flag: str) -> list[ModelVariant]:
    named = [item for item in found if _is_called(item, name)]
    if not named:
        raise UsageError(f"{flag} {name}: no such variant (there are: {', '.join(_name(item) for item in found)})")
    return named


def _is_called(item: ModelVariant, name: str) -> bool:
    return name in (item.variant, _name(item))


def _name(item: ModelVariant) -> str:
    return f"{item.model}/{item.variant}"


def diagnose_variant(
    spec: DiagnoseSpec,
    reference: ModelVariant,
    variant: ModelVariant,
    device: Device,
    evaluator: Evaluator,
    progress: Progress,
) -> Diagnosis:
    """Compare one variant with its reference, in a fresh worker that holds both.

    Raises:
        WorkerError, InputError: they cannot be compared; one line says why.
    """
    networks = read_network(Path(reference.file.path)), read_network(Path(variant.file.path))
    matched = match_layers(*networks)
    pairs = tuple(pair for pair in matched.pairs if _tells_values(networks, pair))
    if all(pair.operator == INPUT for pair in pairs):
        raise InputError(
            f"{_name(variant)}: no layer is known to be one of {_name(reference)}'s: neither names nor order agree"
        )
    progress.phase(f"comparing {_name(variant)} with {_name(reference)}", len(evaluator.dataset.items))
    python = spec.python or device.default_python()
    with LayerSession(device.start_worker(python), spec.timeout_s) as session:
        runtime = session.hello().runtime
        sides = [
            _score(session, device, evaluator, item, network)
            for item, network in zip((reference, variant), networks, strict=True)
        ]
        _check_same_images(*sides)
        compared = _compare(session, device, sides, pairs, progress)
    diagnosis = _diagnosis(sides, pairs, matched, compared, runtime, evaluator)
    return _with_times(diagnosis, spec, variant, device)


def _tells_values(networks: tuple[Network, Network], pair: LayerPair) -> bool:
    theirs = networks[0].tensors[pair.reference_tensor]
    return theirs.tells_values and theirs.scales == 0 and networks[1].tensors[pair.variant_tensor].tells_values


def _score(
    session: LayerSession, device: Device, evaluator: Evaluator, variant: ModelVariant, network: Network
) -> _Side:
    """Classify the images as the runtime does it by default."""
    path = device.place(Path(variant.file.path))
    loaded = session.load(LoadRequest(path, Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1, None))
    reading = evaluator.read(variant, session.image_needs())
    crew = Crew(device, [session], reading, loaded.inputs[0].shape[0], Progress())
    scored = evaluator.evaluate(reading, crew.classify)
    return _Side(variant, network, reading, scored)


def _check_same_images(reference: _Side, variant: _Side) -> None:
    first, second = reference.reading.preprocessing, variant.reading.preprocessing
    sizes = [(item.height, item.width, item.channels, item.resize) for item in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{_name(variant.variant)} takes images of {second.height}x{second.width}x{second.channels}, "
            f"{_name(reference.variant)} of {first.height}x{first.width}x{first.channels}: not the same network"
        )
    if (first.mean, first.std) != (second.mean, second.std):
        raise UsageError(
            f"{_name(reference.variant)} is normalised {first.normalization} ({first.normalization_from}), "
            f"{_name(variant.variant)} {second.normalization} ({second.normalization_from}): they would see different "
            "images; say which is right with --normalize"
        )
    if reference.reading.labels != variant.reading.labels:
        raise InputError(f"{_name(variant.variant)} and {_name(reference.variant)} have different labels")


def _compare(
    session: LayerSession, device: Device, sides: Sequence[_Side], pairs: Sequence[LayerPair], progress: Progress
) -> Compared:
    reference, variant = sides
    total = len(reference.scored.images.items)
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        request, unavailable = _request(device, reference, variant, pairs, Path(folder))
        opened = session.open_layers(request)
    rows, scores, own_scores = [], [], []
    done = 0
    while done < total:
        part = session.layers(done, total, _CHUNK_NS)
        rows.append(part.sums)
        scores.append(part.reference_scores)
        own_scores.append(part.variant_scores)
        unavailable = {**unavailable, **part.unavailable}
        for _ in range(len(part.sums)):
            progress.advance()
        done += len(part.sums)
    found = np.concatenate(scores), np.concatenate(own_scores)
    for side, values in zip(sides, found, strict=True):
        if not np.isfinite(values).all():
            raise ScoreError(f"{_name(side.variant)}: answers scores that are no numbers (NaN or infinite)")
    return _compared(opened, rows, session.layer_channels(), found, sides, unavailable)


def _compared(
    opened: OpenedLayers,
    rows: Sequence[np.ndarray],
    channels: tuple[ChannelRange | None, ...],
    scores: tuple[np.ndarray, np.ndarray],
    sides: Sequence[_Side],
    unavailable: dict[str, str],
) -> Compared:
    return Compared(
        delegated=opened.delegated,
        formats=opened.formats,
        sums=layer_sums(rows),
        channels=channels,
        weights=opened.weights,
        reference_scores=scores[0],
        variant_scores=scores[1],
        reference_default=sides[0].scored.scores,
        variant_default=sides[1].scored.scores,
        unavailable={**opened.unavailable, **unavailable},
    )


def _request(
    device: Device, reference: _Side, variant: _Side, pairs: Sequence[LayerPair], folder: Path
) -> tuple[LayersRequest, dict[str, str]]:
    """Return what the worker needs, with the copies in which layers stand alone written to ``folder``."""
    request = LayersRequest(
        reference_path=device.place(Path(reference.variant.file.path)),
        variant_path=device.place(Path(variant.variant.file.path)),
        pixels_path=device.place(reference.scored.images.pixels_path),
        reference_table=reference.reading.table,
        variant_table=variant.reading.table,
        pairs=tuple((pair.reference_tensor, pair.variant_tensor) for pair in pairs),
        weights=tuple(weight_places(reference.network, variant.network, pairs)),
    )
    chosen = [number for number, pair in enumerate(pairs) if pair.inputs_match]
    if not chosen:
        return request, {"alone": "no layer's inputs are known to be those of the reference's layer"}
    try:
        copies = [
            stand_alone(Path(side.variant.file.path), side.network, {nodes[number] for number in chosen})
            for side, nodes in (
                (reference, [pair.reference_node for pair in pairs]),
                (variant, [pair.variant_node for pair in pairs]),
            )
        ]
    except ModelError as error:
        return request, {"alone": str(error)}
    paths = [folder / "reference.tflite", folder / "variant.tflite"]
    for path, alone in zip(paths, copies, strict=True):
        path.write_bytes(alone.content)
    nodes = {pairs[number].variant_node: pairs[number].reference_node for number in chosen}
    slots = tuple(
        (
            reference.network.nodes[nodes[node]].inputs[position],
            variant.network.nodes[node].inputs[position],
            copies[0].slots[nodes[node], position],
            place,
        )
        for (node, position), place in copies[1].slots.items()
    )
    return replace(
        request,
        reference_alone=device.place(paths[0]),
        variant_alone=device.place(paths[1]),
        alone_layers=tuple(chosen),
        slots=slots,
    ), {}


def weight_places(reference: Network, variant: Network, pairs: Sequence[LayerPair]) -> Iterator[WeightPlace]:
    """Yield where the weights of those layers are that have constant ones."""
    made, made_there = variant.producers(), reference.producers()
    for number, pair in enumerate(pairs):
        if pair.operator not in WEIGHTS:
            continue
        position, axis = WEIGHTS[pair.operator]
        theirs = reference.nodes[pair.reference_node].inputs[position]
        own = variant.nodes[pair.variant_node].inputs[position]
        if theirs not in reference.activations and own not in variant.activations:
            stored = variant.source(own, made)
            scales = variant.tensors[stored].scales
            yield WeightPlace(number, reference.source(theirs, made_there), stored, axis, scales)


def _diagnosis(
    sides: Sequence[_Side],
    pairs: Sequence[LayerPair],
    matched: Matched,
    compared: Compared,
    runtime: RuntimeInfo,
    evaluator: Evaluator,
) -> Diagnosis:
    reference, variant = sides
    labels, items = variant.reading.labels, variant.scored.images.items
    truth = [item.label or "" for item in items]
    outputs = [variant.network.tensors[pair.variant_tensor].name for pair in pairs]
    short = [
        "input" if pair.operator == INPUT else name for pair, name in zip(pairs, layer_names(outputs), strict=True)
    ]
    names = list(zip(short, outputs, strict=True))
    notes = dict.fromkeys((*evaluator.info().notes, *reference.reading.notes, *variant.reading.notes))
    return Diagnosis(
        model=variant.variant.model,
        variant=variant.variant.variant,
        reference=reference.variant.variant,
        file=variant.variant.file,
        reference_file=reference.variant.file,
        runtime=runtime,
        source=evaluator.dataset.source,
        generated=evaluator.dataset.generated,
        labels=tuple(label for label in labels if label in truth),
        graph_name=variant.network.name,
        layers=describe_layers(pairs, names, compared, truth, [label for label in labels if label in truth]),
        unmatched=(*matched.unmatched, *_no_values(matched, pairs, variant.network)),
        answers=describe_answers(compared, [item.image_id for item in items], truth, labels),
        delegated=compared.delegated,
        preprocessing=_preprocessing(variant.reading.preprocessing),
        notes=tuple(notes),
        unavailable=compared.unavailable,
    )


def _no_values(matched: Matched, pairs: Sequence[LayerPair], network: Network) -> Iterator[Unmatched]:
    for pair in matched.pairs:
        if pair not in pairs:
            tensor = network.tensors[pair.variant_tensor]
            reason = f"its output ({tensor.type}) holds no real values on both sides"
            yield Unmatched("both", pair.variant_node, pair.operator, tensor.name, reason)


def _preprocessing(used: Preprocessing) -> str:
    return (
        f"{used.height}x{used.width}x{used.channels}, {used.resize}, normalised {used.normalization} "
        f"({used.normalization_from}), labels: {used.labels_from}"
    )


def _with_times(diagnosis: Diagnosis, spec: DiagnoseSpec, variant: ModelVariant, device: Device) -> Diagnosis:
    """Add each layer's share of the time, from the profiler, with the default delegate; or why there is none."""
    wanted = ProfileSpec(models=spec.models, python=spec.python, timeout_s=spec.timeout_s)
    try:
        profile = profile_variant(wanted, variant, device)
    except (WorkerError, InputError) as error:
        return _without_times(diagnosis, str(error))
    if not profile.tells_shares:
        return _without_times(diagnosis, "the model is too quick for the whole microseconds of XNNPACK's profiler")
    shares: dict[int, list[OperatorTime]] = {}
    for item in profile.operators:
        if item.node is not None and item.key.subgraph == 0 and item.share is not None:
            shares.setdefault(item.node, []).append(item)
    layers = tuple(_timed(layer, shares.get(layer.node, ())) for layer in diagnosis.layers)
    lacking = [layer for layer in layers if layer.time_share is None and layer.operator != INPUT]
    reasons = {"time_share": _unmatched_times(lacking)} if lacking else {}
    return replace(diagnosis, layers=layers, unavailable={**diagnosis.unavailable, **reasons})


def _timed(layer: Layer, times: Sequence[OperatorTime]) -> Layer:
    if not times:
        return layer
    return replace(
        layer,
        time_share=sum(item.share or 0.0 for item in times),
        time_low=sum(item.share_low for item in times),
        time_high=min(sum(item.share_high for item in times), 1.0),
    )


def _unmatched_times(lacking: Sequence[Layer]) -> str:
    layers = "1 layer matches" if len(lacking) == 1 else f"{len(lacking)} layers match"
    return f"{layers} none of the profiler's operators"


def _without_times(diagnosis: Diagnosis, reason: str) -> Diagnosis:
    return replace(diagnosis, unavailable={**diagnosis.unavailable, "time_share": reason})
