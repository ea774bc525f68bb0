"""Put a metadata buffer into a finished TFLite model without repacking it.

Unpacking a model and packing it again moves every byte: it drops the alignment of the weights, the fields
that the schema at hand does not know, and weights that lie behind the flatbuffer (very large models).
References in a flatbuffer only point forward, so here a new root table goes in front and points into the old
file, which follows unchanged::

    [new root, buffer list, metadata list, metadata]  [the old file, from a multiple of 64 bytes]
"""

from __future__ import annotations

import struct

import flatbuffers
from edgebench import tflite_schema as schema
from edgebench.flatbuffer import DamagedBuffer, Table, root_table
from edgebench.tflite_metadata import entry_buffer

# The schema asks for 16 bytes; a whole cache line also keeps whatever more the model's writer arranged.
ALIGNMENT_BYTES = 64

_LISTS = (schema.Model.BUFFERS, schema.Model.METADATA)
_KEPT = tuple(slot for slot in schema.Model if slot not in (schema.Model.VERSION, *_LISTS))


def prepend_metadata(model: bytes, payload: bytes) -> bytes:
    """``model`` (without appended archive) with ``payload`` as its one ``TFLITE_METADATA`` entry.

    A head that this function wrote before is replaced. An entry that another tool wrote is dropped from the
    list; its bytes stay where they are. Raises :class:`DamagedBuffer` when the model is damaged or has fields
    unknown here.
    """
    body = _without_head(model)
    root = root_table(body, schema.MODEL_IDENTIFIER)
    if root.slots > len(schema.Model):
        raise DamagedBuffer("it has fields of a newer schema than edgebench knows")
    head = _head(root, payload)
    return head + _shifted(body, len(head))


def _without_head(model: bytes) -> bytes:
    """The model as it was before :func:`prepend_metadata`, or ``model`` itself when that did not write it."""
    root = root_table(model, schema.MODEL_IDENTIFIER)
    buffer = entry_buffer(root, schema.METADATA_ENTRY)
    if buffer is None:
        return model
    first, count = buffer.vector(schema.Buffer.DATA, 1)
    start = -(-(first + count) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    if model[start + 4 : start + 8] != schema.MODEL_IDENTIFIER:
        return model
    inner = root_table(model, schema.MODEL_IDENTIFIER, start)
    # Only a head that shows the very same graph may go.
    if any(inner.target(slot) != root.target(slot) for slot in _KEPT):
        return model
    return _shifted(model[start:], -start)


def _head(root: Table, payload: bytes) -> bytes:
    builder = flatbuffers.Builder(2 * len(payload) + 1024)
    # First built = last in the file: _without_head finds the old file where this ends.
    builder.StartVector(1, len(payload), ALIGNMENT_BYTES)
    for byte in reversed(payload):
        builder.PrependByte(byte)
    content = builder.EndVector()
    builder.StartObject(len(schema.Buffer))
    builder.PrependUOffsetTRelativeSlot(schema.Buffer.DATA, content, 0)
    buffers = [_past_end(table.position) for table in root.tables(schema.Model.BUFFERS)]
    buffers.append(builder.EndObject())
    name = builder.CreateString(schema.METADATA_ENTRY)
    builder.StartObject(len(schema.MetadataEntry))
    builder.PrependUOffsetTRelativeSlot(schema.MetadataEntry.NAME, name, 0)
    builder.PrependUint32Slot(schema.MetadataEntry.BUFFER, len(buffers) - 1, 0)
    entries = [_past_end(entry.position) for entry in root.tables(schema.Model.METADATA) if _is_kept(entry)]
    entries.append(builder.EndObject())
    lists = dict(zip(_LISTS, (_references(builder, buffers), _references(builder, entries)), strict=True))

    builder.StartObject(len(schema.Model))
    builder.PrependUint32Slot(schema.Model.VERSION, root.scalar(schema.Model.VERSION, "I"), 0)
    for slot, offset in lists.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot in _KEPT:
        target = root.target(slot)
        if target is not None:
            builder.PrependUOffsetTRelativeSlot(slot, _past_end(target), 0)
    builder.Finish(builder.EndObject(), file_identifier=schema.MODEL_IDENTIFIER)
    return bytes(builder.Output())


def _past_end(position: int) -> int:
    # A builder counts offsets back from the end of its output, where the old file starts: byte i is at -i.
    return -position


def _is_kept(entry: Table) -> bool:
    return entry.text(schema.MetadataEntry.NAME) != schema.METADATA_ENTRY


def _references(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector


def _shifted(model: bytes, shift_bytes: int) -> bytes:
    """``model`` with the few offsets that count from the start of the file moved on by ``shift_bytes``."""
    places: set[int | None] = set()
    root = root_table(model, schema.MODEL_IDENTIFIER)
    for buffer in root.tables(schema.Model.BUFFERS):
        buffer.vector(schema.Buffer.DATA, 1)  # raises when the file ends inside the weights
        places.add(buffer.field(schema.Buffer.OFFSET))
    for graph in root.tables(schema.Model.SUBGRAPHS):
        for operator in graph.tables(schema.SubGraph.OPERATORS):
            places.add(operator.field(schema.Operator.LARGE_CUSTOM_OPTIONS_OFFSET))
    moved = bytearray(model)
    for place in filter(None, places):
        (offset,) = struct.unpack_from("<Q", model, place)
        if offset > 1:  # 0 and 1 mean: not used
            struct.pack_into("<Q", moved, place, offset + shift_bytes)
    return bytes(moved)
