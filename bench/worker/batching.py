"""More items a run: the shapes that makes, and the proof that the model then still computes what it computed."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from .engines import Engine, LoadRequest, engine_class, is_native
from .inputs import Tensor, seeded_input
from .refusal import Refusal, one_line
from .runtimes import Runtime

Shape = Tuple[int, ...]

#: How far an output may lie from the same item's output alone, as a share of the largest magnitude: kernels for other
#: batch sizes add in another order. Small integers may differ by one step.
TOLERANCE = 1e-3


def own_batch(shapes: Sequence[Shape]) -> int:
    """Return the number of items a run that input shapes have: the first dimension of the first that has one."""
    for shape in shapes:
        if shape:
            return shape[0]
    raise Refusal("no-batch", "no input has a dimension for a batch")


def resized_shapes(shapes: Sequence[Shape], batch: int) -> List[Shape]:
    """Return the input shapes for ``batch`` items: every first dimension that is the model's own batch becomes it."""
    own = own_batch(shapes)
    return [(batch, *shape[1:]) if shape and shape[0] == own else shape for shape in shapes]


def check_batch(runtime: Runtime, request: LoadRequest, seed: int) -> None:
    """Load the model twice, as it is and with ``request.batch`` items a run, and compare the answers to the same items.

    A graph may have its batch written into a reshape, or mix the items of a batch: it then refuses to run, or runs and
    computes nonsense at full speed. The items are those of two runs of the model as it is, in turns.

    Raises:
        Refusal: ``no-batch``, with the reason, where that is not the same.
    """
    if request.batch is None:
        raise Refusal("protocol", "check_batch without a batch")
    make = engine_class(runtime, request)
    plain = make(runtime, request._replace(batch=None))
    own = own_batch([tensor.shape for tensor in plain.inputs])
    _require_batch_in_outputs(plain, own)
    if request.batch == own:
        return
    given, expected = _two_runs(plain, own, seed)
    try:
        engine = make(runtime, request)
        engine.set_inputs([_cycled(items, own, request.batch) for items in given])
        engine.invoke()
        found = [np.asarray(engine.read_output(position)) for position in range(len(engine.outputs))]
    except (Refusal, RuntimeError, ValueError) as error:
        raise Refusal(
            "no-batch",
            "a batch of %d is refused%s: %s" % (request.batch, _hint(runtime, request, own), one_line(error, 160)),
        ) from error
    for tensor, answers, items in zip(plain.outputs, found, expected):
        _compare(tensor, answers, items, request.batch)


def _hint(runtime: Runtime, request: LoadRequest, own: int) -> str:
    """Return what to do, empty where nothing helps. Only the classic interpreter tells which sizes are open."""
    if is_native(request):
        return ""
    alone = request._replace(engine="interpreter", delegate="default", batch=None)
    try:
        classic = engine_class(runtime, alone)(runtime, alone)
    except Refusal:
        return ""
    if any(tensor.dynamic for tensor in classic.inputs):
        return ""
    return " (the model's batch is fixed at %d: export it with an open batch)" % own


def _require_batch_in_outputs(plain: Engine, own: int) -> None:
    for tensor in plain.outputs:
        if not tensor.shape or tensor.shape[0] != own:
            raise Refusal(
                "no-batch",
                "the model has no batch: its inputs begin with a dimension of %d, its output '%s' has shape %s"
                % (own, tensor.name, list(tensor.shape)),
            )


def _two_runs(plain: Engine, own: int, seed: int) -> Tuple[List[Any], List[Any]]:
    """Return inputs and outputs of two runs with other items each, joined along the batch where there is one."""
    runs: List[Tuple[List[Any], List[Any]]] = []
    for turn in (seed, seed + 1):
        # An input without a batch must be the same in both runs: the larger batch has room for one only.
        inputs = [
            seeded_input(tensor, turn if tensor.shape and tensor.shape[0] == own else seed) for tensor in plain.inputs
        ]
        plain.set_inputs(inputs)
        plain.invoke()
        runs.append((inputs, [np.asarray(plain.read_output(position)) for position in range(len(plain.outputs))]))
    given = [
        np.concatenate(pair) if pair[0].ndim and pair[0].shape[0] == own else pair[0]
        for pair in zip(runs[0][0], runs[1][0])
    ]
    return given, [np.concatenate(pair) for pair in zip(runs[0][1], runs[1][1])]


def _cycled(items: Any, own: int, batch: int) -> Any:
    """Return ``batch`` items in turns; what has no batch stays as it is."""
    return items[np.arange(batch) % len(items)] if items.ndim and items.shape[0] == 2 * own else items


def _compare(tensor: Tensor, answers: Any, items: Any, batch: int) -> None:
    wanted = items[np.arange(batch) % len(items)]
    if answers.shape != wanted.shape:
        raise Refusal(
            "no-batch",
            "with a batch of %d output '%s' has shape %s instead of %s: the graph does not follow the batch"
            % (batch, tensor.name, list(answers.shape), list(wanted.shape)),
        )
    distance = _distance(answers, wanted)
    if distance is not None:
        raise Refusal(
            "no-batch",
            "with a batch of %d output '%s' differs from that of the same items alone (%s): the graph mixes its items"
            % (batch, tensor.name, distance),
        )


def _distance(answers: Any, wanted: Any) -> Optional[str]:
    """Return how far answers are off in words, None where they agree."""
    if answers.dtype.kind not in "iuf":
        return None if bool((answers == wanted).all()) else "other values"
    values, truth = answers.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(truth)
    if not np.array_equal(finite, np.isfinite(values)):
        return "NaN or infinity"
    if not finite.any():
        return None
    largest = float(np.abs(truth[finite]).max())
    off = float(np.abs(values[finite] - truth[finite]).max())
    whole = answers.dtype.kind != "f"
    allowed = float(answers.dtype.itemsize <= 2) if whole else TOLERANCE * largest
    return None if off <= allowed else "by up to %.3g" % off
