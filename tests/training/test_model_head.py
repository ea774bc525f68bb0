from __future__ import annotations

import struct
from pathlib import Path

import flatbuffers
import pytest
from edgebench import tflite_schema as schema
from edgebench.flatbuffer import DamagedBuffer, root_table
from edgebench_training.model_head import ALIGNMENT_BYTES, prepend_metadata

MODELS = Path(__file__).parent.parent / "fixtures" / "metadata"
NAMES = ["classifier_float32", "classifier_int8", "classifier_foreign"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size_bytes", [1, 63, 64, 65, 3000])
def test_the_old_file_follows_unchanged_and_aligned(name: str, size_bytes: int) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    written = prepend_metadata(model, b"x" * size_bytes)
    assert written.endswith(model)
    assert (len(written) - len(model)) % ALIGNMENT_BYTES == 0


@pytest.mark.parametrize("name", [*NAMES, "classifier_external"])
def test_writing_again_is_writing_once(name: str) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    assert prepend_metadata(prepend_metadata(model, b"first" * 40), b"second") == prepend_metadata(model, b"second")


def test_every_buffer_keeps_its_index_and_bytes() -> None:
    model = (MODELS / "classifier_int8.tflite").read_bytes()
    before = [table.blob(0) for table in root_table(model, b"TFL3").tables(schema.Model.BUFFERS)]
    after = [
        table.blob(0) for table in root_table(prepend_metadata(model, b"new"), b"TFL3").tables(schema.Model.BUFFERS)
    ]
    assert after == [*before, b"new"]


def test_weights_behind_the_flatbuffer_are_found_again() -> None:
    model = (MODELS / "classifier_external.tflite").read_bytes()

    def weights(data: bytes) -> list[bytes]:
        tables = root_table(data, b"TFL3").tables(schema.Model.BUFFERS)
        places = [(t.scalar(schema.Buffer.OFFSET, "Q"), t.scalar(schema.Buffer.SIZE_BYTES, "Q")) for t in tables]
        return [data[start : start + size] for start, size in places if start > 1]

    assert len(weights(model)) == 4
    assert weights(prepend_metadata(model, b"new")) == weights(model)


def test_every_field_of_the_model_is_kept() -> None:
    model = (MODELS / "classifier_float32.tflite").read_bytes()
    written = prepend_metadata(model, b"new")
    old, new = root_table(model, b"TFL3"), root_table(written, b"TFL3")
    shift = len(written) - len(model)
    assert new.scalar(schema.Model.VERSION, "I") == old.scalar(schema.Model.VERSION, "I") == 3
    for slot in set(schema.Model) - {schema.Model.VERSION, schema.Model.BUFFERS, schema.Model.METADATA}:
        target = old.target(slot)
        assert new.target(slot) == (None if target is None else target + shift)


def test_only_a_head_of_the_same_graph_is_taken_off() -> None:
    model = (MODELS / "classifier_float32.tflite").read_bytes()
    written = bytearray(prepend_metadata(model, b"first"))
    place = len(written) - len(model)
    elsewhere = root_table(model, b"TFL3").tables(schema.Model.BUFFERS)[0].position
    struct.pack_into("<I", written, place, elsewhere)  # what follows the head is no longer the model it shows
    assert prepend_metadata(bytes(written), b"second").endswith(written)


def test_a_newer_schema_is_refused() -> None:
    builder = flatbuffers.Builder(64)
    builder.StartObject(len(schema.Model) + 1)
    builder.PrependUint32Slot(len(schema.Model), 1, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    with pytest.raises(DamagedBuffer, match="newer schema"):
        prepend_metadata(bytes(builder.Output()), b"x")


def test_a_model_that_ends_inside_its_weights_is_refused() -> None:
    model = bytearray((MODELS / "classifier_float32.tflite").read_bytes())
    for buffer in root_table(model, b"TFL3").tables(schema.Model.BUFFERS):
        start, count = buffer.vector(schema.Buffer.DATA, 1)
        if count > 500:
            struct.pack_into("<I", model, start - 4, len(model))
    with pytest.raises(DamagedBuffer, match="past the end"):
        prepend_metadata(bytes(model), b"x")
