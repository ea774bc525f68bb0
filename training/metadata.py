"""Write the standard TFLite Metadata of an image classifier into a model.

Android's code generator, MediaPipe's ``ImageClassifier`` and edgebench itself then know the labels and the
normalisation without a second file. Does not need TensorFlow. The ids of the fields are in ``tflite_schema``.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass

import flatbuffers
from edgebench import tflite_schema as schema
from edgebench.errors import DataError, ModelError
from edgebench.flatbuffer import DamagedBuffer, Table, root_table
from edgebench.tflite_metadata import ARCHIVE_ERRORS

from .model_head import prepend_metadata

LABELS_FILE = "labels.txt"

# The oldest version of the metadata schema that has all that is written here.
MIN_PARSER_VERSION = "1.0.0"

_COLOR_SPACES = {1: schema.ColorSpace.GRAYSCALE, 3: schema.ColorSpace.RGB}
_INTEGER_RANGES = {
    schema.TensorType.UINT8: (0.0, 255.0),
    schema.TensorType.INT8: (-128.0, 127.0),
    schema.TensorType.INT16: (-32768.0, 32767.0),
}
_Limits = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class ClassifierMetadata:
    """What to write.

    ``labels`` in the order of the scores; ``mean`` and ``std`` per channel (or one for all) in pixel units
    0..255: real value = (pixel - mean) / std. Quantized variants have those of their float model.
    """

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    name: str
    description: str = ""
    author: str = ""
    license: str = ""
    version: str = ""


def write_metadata(model: bytes, metadata: ClassifierMetadata) -> bytes:
    """``model`` with ``metadata`` in it and ``labels.txt`` appended; weights and graph stay byte for byte.

    Metadata and archive that the model had are replaced. The same input gives the same bytes. Raises
    :class:`ModelError` when the model is damaged or not an image classifier, :class:`DataError` when the
    metadata does not fit it.
    """
    try:
        root = root_table(model, schema.MODEL_IDENTIFIER)
        image, scores = _interface(root)
        channels = _channels(image)
        _check(metadata, channels, scores)
        payload = _payload(metadata, channels, _type(image), _type(scores))
        return _with_labels(prepend_metadata(_without_archive(model), payload), metadata.labels)
    except DamagedBuffer as error:
        raise ModelError(f"cannot write metadata into this model: {error}; export it again") from error


def _interface(root: Table) -> tuple[Table, Table]:
    graphs = root.tables(schema.Model.SUBGRAPHS)
    if not graphs:
        raise ModelError("cannot write metadata: the model has no graph; export it again")
    tensors = graphs[0].tables(schema.SubGraph.TENSORS)
    inputs = graphs[0].numbers(schema.SubGraph.INPUTS, "i")
    outputs = graphs[0].numbers(schema.SubGraph.OUTPUTS, "i")
    if (len(inputs), len(outputs)) != (1, 1):
        raise ModelError(
            "cannot write metadata: an image classifier has 1 input and 1 output, this model"
            f" {len(inputs)} and {len(outputs)}; leave the metadata out"
        )
    if not all(0 <= index < len(tensors) for index in (inputs[0], outputs[0])):
        raise DamagedBuffer(f"its input or output is not among its {len(tensors)} tensors")
    return tensors[int(inputs[0])], tensors[int(outputs[0])]


def _channels(image: Table) -> int:
    shape = image.numbers(schema.Tensor.SHAPE, "i")
    if len(shape) != 4 or shape[3] not in _COLOR_SPACES:
        raise ModelError(
            f"cannot write metadata: the input's shape is {list(shape)}, not [batch, height, width, 3 or 1];"
            " leave the metadata out"
        )
    return int(shape[3])


def _type(tensor: Table) -> int:
    return tensor.scalar(schema.Tensor.TYPE, "b")


def _check(metadata: ClassifierMetadata, channels: int, scores: Table) -> None:
    classes = int((scores.numbers(schema.Tensor.SHAPE, "i") or (0,))[-1])
    if len(metadata.labels) != classes:
        raise DataError(f"{len(metadata.labels)} labels for a model with {classes} classes; give one per class")
    for label in metadata.labels:
        if not label or "\n" in label or "\r" in label:
            raise DataError(f"the label {label!r} is empty or has a line break; give one line of text per class")
    mean, std = metadata.mean, metadata.std
    if len(mean) != len(std) or len(mean) not in (1, channels):
        raise DataError(
            f"{len(mean)} means and {len(std)} standard deviations for {channels} channels;"
            " give one of each per channel"
        )
    if not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise DataError(f"normalisation by mean {mean} and std {std} is not possible; std must be positive")


def _payload(metadata: ClassifierMetadata, channels: int, image_type: int, scores_type: int) -> bytes:
    """The ``ModelMetadata`` flatbuffer. Parts are built inside out: a builder cannot nest them."""
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        {
            schema.SubGraphInfo.INPUTS: _vector(builder, [_image(builder, metadata, channels, image_type)]),
            schema.SubGraphInfo.OUTPUTS: _vector(builder, [_scores(builder, scores_type)]),
        },
    )
    texts = {
        schema.ModelInfo.NAME: metadata.name,
        schema.ModelInfo.DESCRIPTION: metadata.description,
        schema.ModelInfo.VERSION: metadata.version,
        schema.ModelInfo.AUTHOR: metadata.author,
        schema.ModelInfo.LICENSE: metadata.license,
        schema.ModelInfo.MIN_PARSER_VERSION: MIN_PARSER_VERSION,
    }
    fields: dict[int, int] = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    fields[schema.ModelInfo.SUBGRAPHS] = _vector(builder, [graph])
    builder.Finish(_table(builder, fields), file_identifier=schema.METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _image(builder: flatbuffers.Builder, metadata: ClassifierMetadata, channels: int, image_type: int) -> int:
    normalization = _table(
        builder,
        {
            schema.Normalization.MEAN: _floats(builder, metadata.mean),
            schema.Normalization.STD: _floats(builder, metadata.std),
        },
    )
    kind: dict[int, int] = {schema.ProcessUnit.OPTIONS_TYPE: int(schema.ProcessKind.NORMALIZATION)}
    unit = _table(builder, {schema.ProcessUnit.OPTIONS: normalization}, kind)
    properties = _table(builder, {}, {schema.ImageInfo.COLOR_SPACE: int(_COLOR_SPACES[channels])})
    pairs = list(zip(metadata.mean, metadata.std, strict=True))
    real = (
        tuple((0.0 - mean) / std for mean, std in pairs),
        tuple((255.0 - mean) / std for mean, std in pairs),
    )
    fields: dict[int, int] = {
        schema.TensorInfo.NAME: builder.CreateString("image"),
        schema.TensorInfo.DESCRIPTION: builder.CreateString("Input image to be classified."),
        schema.TensorInfo.CONTENT: _content(builder, schema.ContentKind.IMAGE, properties),
        schema.TensorInfo.PROCESS_UNITS: _vector(builder, [unit]),
        schema.TensorInfo.STATS: _stats(builder, image_type, real),
    }
    return _table(builder, fields)


def _scores(builder: flatbuffers.Builder, scores_type: int) -> int:
    file = _table(
        builder,
        {
            schema.AssociatedFile.NAME: builder.CreateString(LABELS_FILE),
            schema.AssociatedFile.DESCRIPTION: builder.CreateString("Labels of the classes, one per line."),
        },
        {schema.AssociatedFile.TYPE: int(schema.FileKind.TENSOR_AXIS_LABELS)},
    )
    fields: dict[int, int] = {
        schema.TensorInfo.NAME: builder.CreateString("scores"),
        schema.TensorInfo.DESCRIPTION: builder.CreateString("Score of each class."),
        schema.TensorInfo.CONTENT: _content(builder, schema.ContentKind.FEATURE, _table(builder, {})),
        schema.TensorInfo.STATS: _stats(builder, scores_type, ((0.0,), (1.0,))),
        schema.TensorInfo.ASSOCIATED_FILES: _vector(builder, [file]),
    }
    return _table(builder, fields)


def _content(builder: flatbuffers.Builder, kind: schema.ContentKind, properties: int) -> int:
    return _table(builder, {schema.Content.PROPERTIES: properties}, {schema.Content.PROPERTIES_TYPE: int(kind)})


def _stats(builder: flatbuffers.Builder, tensor_type: int, real: _Limits) -> int:
    """Range of the values stored in the tensor: ``real`` for floats, else the integer type's own."""
    integers = {int(kind): ((low,), (high,)) for kind, (low, high) in _INTEGER_RANGES.items()}
    low, high = integers.get(tensor_type, real)
    return _table(builder, {schema.Stats.MAX: _floats(builder, high), schema.Stats.MIN: _floats(builder, low)})


def _table(builder: flatbuffers.Builder, references: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
    """A table of references to parts built before and of one-byte enums, both by slot."""
    small = bytes_ or {}
    builder.StartObject(max((*references, *small), default=-1) + 1)
    for slot, reference in references.items():
        builder.PrependUOffsetTRelativeSlot(slot, reference, 0)
    for slot, value in small.items():
        builder.PrependByteSlot(slot, value, 0)
    table: int = builder.EndObject()
    return table


def _vector(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    vector: int = builder.EndVector()
    return vector


def _floats(builder: flatbuffers.Builder, values: tuple[float, ...]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    vector: int = builder.EndVector()
    return vector


def _without_archive(model: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            start = min((member.header_offset for member in archive.infolist()), default=archive.start_dir)
    except ARCHIVE_ERRORS:
        return model
    return model[:start] if start > 0 else model


def _with_labels(model: bytes, labels: tuple[str, ...]) -> bytes:
    stream = io.BytesIO()
    stream.write(model)
    member = zipfile.ZipInfo(LABELS_FILE, (1980, 1, 1, 0, 0, 0))
    member.create_system = 3  # the same bytes on every system
    # Stored, not deflated: MediaPipe refuses compressed archives. Mode "w" starts at the stream's position.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(member, "".join(f"{label}\n" for label in labels))
    return stream.getvalue()
