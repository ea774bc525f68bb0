"""Field ids of the two public flatbuffer schemas that a .tflite file is made of, as far as used here.

=====================  ==================================================================================
schema, identifier     where it is published
=====================  ==================================================================================
the model, ``TFL3``    tensorflow/compiler/mlir/lite/schema/schema.fbs
metadata, ``M001``     tflite-support, metadata_schema.fbs 1.1.0 (MediaPipe: 1.5.0); ids only ever grow
=====================  ==================================================================================

One class per table; a member's value is the field's slot in the vtable. A union takes two slots: its type,
then its value. Used by the reader here and by the writer in the training package.
"""

from __future__ import annotations

from enum import IntEnum

MODEL_IDENTIFIER = b"TFL3"
METADATA_IDENTIFIER = b"M001"

# Names of entries in Model.metadata.
METADATA_ENTRY = "TFLITE_METADATA"
MIN_RUNTIME_ENTRY = "min_runtime_version"


class Model(IntEnum):
    """The root of the model schema."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    DESCRIPTION = 3
    BUFFERS = 4
    METADATA_BUFFER = 5
    METADATA = 6
    SIGNATURE_DEFS = 7
    EXTERNAL_BUFFER_GROUPS = 8
    EXTERNAL_BUFFERS = 9


class MetadataEntry(IntEnum):
    """Table ``Metadata`` of the model schema: a name and the index of a buffer."""

    NAME = 0
    BUFFER = 1


class Buffer(IntEnum):
    """Bytes in the flatbuffer (``DATA``) or, in models near 2 GB, after it (``OFFSET`` from file start)."""

    DATA = 0
    OFFSET = 1
    SIZE_BYTES = 2


class SubGraph(IntEnum):
    """One graph; ``INPUTS`` and ``OUTPUTS`` are indices into ``TENSORS``."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class Tensor(IntEnum):
    """Shape and type of one tensor."""

    SHAPE = 0
    TYPE = 1


class Operator(IntEnum):
    """One operator of a graph."""

    LARGE_CUSTOM_OPTIONS_OFFSET = 9


class TensorType(IntEnum):
    """The integer types among the values of ``Tensor.type`` that an image classifier can have."""

    UINT8 = 3
    INT16 = 7
    INT8 = 9


class ModelInfo(IntEnum):
    """Table ``ModelMetadata``, the root of the metadata schema."""

    NAME = 0
    DESCRIPTION = 1
    VERSION = 2
    SUBGRAPHS = 3
    AUTHOR = 4
    LICENSE = 5
    MIN_PARSER_VERSION = 7


class SubGraphInfo(IntEnum):
    """Table ``SubGraphMetadata``."""

    INPUTS = 2
    OUTPUTS = 3


class TensorInfo(IntEnum):
    """Table ``TensorMetadata``."""

    NAME = 0
    DESCRIPTION = 1
    CONTENT = 3
    PROCESS_UNITS = 4
    STATS = 5
    ASSOCIATED_FILES = 6


class Content(IntEnum):
    """What a tensor holds: a union."""

    PROPERTIES_TYPE = 0
    PROPERTIES = 1


class ContentKind(IntEnum):
    """Union ``ContentProperties``."""

    FEATURE = 1
    IMAGE = 2


class ImageInfo(IntEnum):
    """Table ``ImageProperties``."""

    COLOR_SPACE = 0


class ColorSpace(IntEnum):
    """Enum ``ColorSpaceType``."""

    RGB = 1
    GRAYSCALE = 2


class ProcessUnit(IntEnum):
    """One step of the preprocessing: a union."""

    OPTIONS_TYPE = 0
    OPTIONS = 1


class ProcessKind(IntEnum):
    """Union ``ProcessUnitOptions``."""

    NORMALIZATION = 1


class Normalization(IntEnum):
    """Table ``NormalizationOptions``: (value - mean) / std, per channel."""

    MEAN = 0
    STD = 1


class Stats(IntEnum):
    """Smallest and largest value of a tensor, per channel."""

    MAX = 0
    MIN = 1


class AssociatedFile(IntEnum):
    """One file in the appended archive."""

    NAME = 0
    DESCRIPTION = 1
    TYPE = 2
    LOCALE = 3


class FileKind(IntEnum):
    """Enum ``AssociatedFileType``."""

    TENSOR_AXIS_LABELS = 2
