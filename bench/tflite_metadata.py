"""What a .tflite file says about itself: labels, normalisation, names (the standard TFLite Metadata).

The metadata is a flatbuffer of its own (``M001``) in a buffer of the model that an entry called
``TFLITE_METADATA`` points to; the labels are a text file in a ZIP archive appended to the model. Standard
library only.
Source: https://ai.google.dev/edge/litert/conversion/tensorflow/metadata and the schemas in ``tflite_schema``.
"""

from __future__ import annotations

import io
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from . import tflite_schema as schema
from .errors import ModelError
from .flatbuffer import DamagedBuffer, Data, Table, root_table

MAX_LABELS_BYTES = 16_000_000

# What zipfile raises on archives that are damaged, encrypted or of a kind it does not know.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class TfliteMetadata:
    """The metadata of one model. None = the model does not say.

    ``mean`` and ``std`` have one value per channel (or one for all) in pixel units 0..255:
    real value = (pixel - mean) / std. ``labels`` are in the order of the output's last axis.
    """

    name: str | None = None
    description: str | None = None
    version: str | None = None
    author: str | None = None
    license: str | None = None
    min_parser_version: str | None = None
    min_runtime_version: str | None = None
    labels: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def read_metadata(path: Path) -> TfliteMetadata | None:
    """The metadata of the model at ``path``, or None when it has none.

    Raises :class:`ModelError` when the file cannot be read, is not a TFLite model, or is damaged.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise ModelError(f"{path}: the file is empty; copy or export the model again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(data, file, str(path))
    except (OSError, ValueError) as error:  # ValueError: a path or a file that cannot be mapped
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read ({reason}); check the path") from error


def parse_metadata(model: bytes, name: str = "model") -> TfliteMetadata | None:
    """The same as :func:`read_metadata` for a model in memory; ``name`` is what errors call it."""
    return _parse(model, io.BytesIO(model), name)


def entry_buffer(root: Table, name: str) -> Table | None:
    """The ``Buffer`` table of the metadata entry ``name``, or None. ``root`` is the table ``Model``."""
    for entry in root.tables(schema.Model.METADATA):
        if entry.text(schema.MetadataEntry.NAME) == name:
            index = entry.scalar(schema.MetadataEntry.BUFFER, "I")
            buffers = root.tables(schema.Model.BUFFERS)
            if index >= len(buffers):
                raise DamagedBuffer(f"{name} is in buffer {index} of {len(buffers)}")
            return buffers[index]
    return None


def _parse(data: Data, stream: IO[bytes], name: str) -> TfliteMetadata | None:
    try:
        root = root_table(data, schema.MODEL_IDENTIFIER)
    except DamagedBuffer as error:
        raise ModelError(f"{name}: not a TFLite model ({error}); export it again") from error
    try:
        buffer = entry_buffer(root, schema.METADATA_ENTRY)
        if buffer is None:
            return None
        info = root_table(_content(data, buffer), schema.METADATA_IDENTIFIER)
        runtime = entry_buffer(root, schema.MIN_RUNTIME_ENTRY)
        return _metadata(info, b"" if runtime is None else _content(data, runtime), stream)
    except DamagedBuffer as error:
        raise ModelError(f"{name}: its metadata is damaged ({error}); export or download the model again") from error


def _content(data: Data, buffer: Table) -> bytes:
    """The bytes of a model buffer, wherever they are stored."""
    start = buffer.scalar(schema.Buffer.OFFSET, "Q")
    if start <= 1:  # 0 and 1 mean: in the flatbuffer itself
        return buffer.blob(schema.Buffer.DATA) or b""
    return bytes(data[start : start + buffer.scalar(schema.Buffer.SIZE_BYTES, "Q")])


def _metadata(info: Table, runtime: bytes, stream: IO[bytes]) -> TfliteMetadata:
    inputs: list[Table] = []
    outputs: list[Table] = []
    for graph in info.tables(schema.ModelInfo.SUBGRAPHS)[:1]:  # the first is the one that is run
        inputs = graph.tables(schema.SubGraphInfo.INPUTS)
        outputs = graph.tables(schema.SubGraphInfo.OUTPUTS)
    mean, std = _normalization(inputs)
    return TfliteMetadata(
        name=info.text(schema.ModelInfo.NAME) or None,
        description=info.text(schema.ModelInfo.DESCRIPTION) or None,
        version=info.text(schema.ModelInfo.VERSION) or None,
        author=info.text(schema.ModelInfo.AUTHOR) or None,
        license=info.text(schema.ModelInfo.LICENSE) or None,
        min_parser_version=info.text(schema.ModelInfo.MIN_PARSER_VERSION) or None,
        min_runtime_version=runtime.split(b"\0")[0].decode("ascii", "replace") or None,
        labels=_labels(outputs, stream),
        mean=mean,
        std=std,
    )


def _normalization(inputs: list[Table]) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    # An input that says it is an image goes first; old writers leave the content out.
    for tensor in sorted(inputs, key=lambda tensor: not _is_image(tensor)):
        for options in _normalization_options(tensor):
            mean = tuple(map(_shortest, options.numbers(schema.Normalization.MEAN, "f")))
            std = tuple(map(_shortest, options.numbers(schema.Normalization.STD, "f")))
            return _checked(mean, std)
    return None, None


def _is_image(tensor: Table) -> bool:
    content = tensor.table(schema.TensorInfo.CONTENT)
    return content is not None and content.scalar(schema.Content.PROPERTIES_TYPE, "B") == schema.ContentKind.IMAGE


def _normalization_options(tensor: Table) -> Iterator[Table]:
    for unit in tensor.tables(schema.TensorInfo.PROCESS_UNITS):
        options = unit.table(schema.ProcessUnit.OPTIONS)
        kind = unit.scalar(schema.ProcessUnit.OPTIONS_TYPE, "B")
        if options is not None and kind == schema.ProcessKind.NORMALIZATION:
            yield options


def _checked(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    channels = max(len(mean), len(std))
    if not mean or not std or {len(mean), len(std)} - {1, channels}:
        raise DamagedBuffer(f"{len(mean)} means with {len(std)} standard deviations")
    if not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise DamagedBuffer(f"a normalisation by mean {mean} and standard deviation {std}")
    # The schema: one value stands for all channels.
    return mean * (channels // len(mean)), std * (channels // len(std))


def _shortest(value: float) -> float:
    """The shortest decimal that is this float32, so that 123.675 reads back as 123.675."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return value


def _labels(outputs: list[Table], stream: IO[bytes]) -> tuple[str, ...] | None:
    files = [file for tensor in outputs for file in tensor.tables(schema.TensorInfo.ASSOCIATED_FILES)]
    files = [
        file for file in files if file.scalar(schema.AssociatedFile.TYPE, "b") == schema.FileKind.TENSOR_AXIS_LABELS
    ]
    # Translations carry a locale; the file without one holds the model's own labels.
    files.sort(key=lambda file: bool(file.text(schema.AssociatedFile.LOCALE)))
    if not files:
        return None
    name = files[0].text(schema.AssociatedFile.NAME) or ""
    try:
        lines = _attachment(stream, name).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DamagedBuffer(f"the labels in {name!r} are not UTF-8") from error
    if not lines[-1]:
        lines.pop()
    return tuple(line.removesuffix("\r") for line in lines)


def _attachment(stream: IO[bytes], name: str) -> bytes:
    try:
        with zipfile.ZipFile(stream) as archive:
            member = archive.getinfo(name)
            known = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if known and member.file_size <= MAX_LABELS_BYTES:
                return archive.read(member)
    except ARCHIVE_ERRORS as error:
        raise DamagedBuffer(f"the attached file {name!r} is missing or cannot be read") from error
    raise DamagedBuffer(f"the attached file {name!r} is too large or compressed in an unknown way")
