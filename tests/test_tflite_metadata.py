from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from edgebench import tflite_metadata, tflite_schema
from edgebench.errors import ModelError
from edgebench.flatbuffer import Table, root_table
from edgebench.tflite_metadata import TfliteMetadata, entry_buffer, parse_metadata, read_metadata
from edgebench_training.model_head import prepend_metadata

MODELS = Path(__file__).parent / "fixtures" / "metadata"
FOREIGN = MODELS / "classifier_foreign.tflite"
LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def _info(model: bytes | bytearray) -> tuple[int, Table]:
    """(position of the metadata flatbuffer in the model, its root table)."""
    buffer = entry_buffer(root_table(model, b"TFL3"), "TFLITE_METADATA")
    assert buffer is not None
    start, _ = buffer.vector(tflite_schema.Buffer.DATA, 1)
    return start, root_table(model, b"M001", start)


def _normalization(model: bytes | bytearray) -> Table:
    graph = _info(model)[1].tables(tflite_schema.ModelInfo.SUBGRAPHS)[0]
    unit = graph.tables(tflite_schema.SubGraphInfo.INPUTS)[0].tables(tflite_schema.TensorInfo.PROCESS_UNITS)[0]
    options = unit.table(tflite_schema.ProcessUnit.OPTIONS)
    assert options is not None
    return options


def _damaged(change: Callable[[bytearray], None]) -> bytes:
    model = bytearray(FOREIGN.read_bytes())
    change(model)
    return bytes(model)


def _with_archive(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The foreign model with another archive in place of its own."""
    stream = io.BytesIO(FOREIGN.read_bytes())
    with zipfile.ZipFile(stream) as archive:
        start = min(member.header_offset for member in archive.infolist())
    stream.truncate(start)
    stream.seek(start)
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_reads_what_another_tool_wrote() -> None:
    assert read_metadata(FOREIGN) == TfliteMetadata(
        name="ImageClassifier",
        description="Identify the most prominent object in the image from a known set of categories.",
        min_parser_version="1.0.0",
        min_runtime_version="1.6.0",
        labels=LABELS,  # not the French ones
        mean=(123.675, 116.28, 103.53),  # exactly as asked for, not as float32 rounds it
        std=(58.395, 57.12, 57.375),
    )


def test_a_model_without_metadata() -> None:
    assert read_metadata(MODELS / "classifier_float32.tflite") is None


@pytest.mark.parametrize("name", ["coral_mobilenet_v1_0.25_128_quant", "coral_mobilenet_v2_1.0_224_quant"])
def test_published_models(shared_data: Path, name: str) -> None:
    metadata = read_metadata(shared_data / "models" / f"{name}.tflite")
    assert metadata is not None
    assert metadata.labels is not None
    assert (len(metadata.labels), metadata.labels[0], metadata.labels[-1]) == (
        1001,
        "background",
        "toilet tissue, toilet paper, bathroom tissue",
    )
    assert (metadata.mean, metadata.min_runtime_version) == ((127.5,), "1.5.0")


def test_odd_files_never_surprise(shared_data: Path) -> None:
    refused = {}
    for path in (shared_data / "odd").iterdir():
        try:
            read_metadata(path)
        except ModelError as error:
            refused[path.name] = str(error)
    assert not any("\n" in message for message in refused.values())
    assert {"invalid_model.tflite", "test_model_broken.tflite", "git_lfs_pointer.h5"} <= refused.keys()
    assert "mobilenet_v1_0.25_128_quant_edgetpu.tflite" not in refused


@pytest.mark.parametrize("content", [b"", b"abc", b"this is no model at all", b"\x1c\0\0\0TFL3"])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.tflite: (not a TFLite model|the file is empty)"):
        read_metadata(path)


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.tflite", Path("a\0b")):
        with pytest.raises(ModelError, match="cannot be read"):
            read_metadata(path)


def test_every_truncation_is_refused_or_read() -> None:
    model = FOREIGN.read_bytes()
    for length in range(0, len(model), 13):
        with pytest.raises(ModelError):
            parse_metadata(model[:length])


def test_flipped_bits_raise_nothing_else() -> None:
    pristine = FOREIGN.read_bytes()
    chance = random.Random(5)
    refused = []
    for _ in range(1500):
        model = bytearray(pristine)
        for _ in range(chance.randint(1, 8)):
            model[chance.randrange(len(model))] ^= 1 << chance.randrange(8)
        try:
            parse_metadata(bytes(model))
        except ModelError as error:
            refused.append(str(error))
    assert 100 < len(refused) < 1400
    assert not any("\n" in message for message in refused)


def test_an_entry_that_points_to_no_buffer() -> None:
    def change(model: bytearray) -> None:
        for entry in root_table(model, b"TFL3").tables(tflite_schema.Model.METADATA):
            if entry.text(tflite_schema.MetadataEntry.NAME) == "TFLITE_METADATA":
                place = entry.field(tflite_schema.MetadataEntry.BUFFER)
                assert place is not None
                struct.pack_into("<I", model, place, 999)

    with pytest.raises(ModelError, match="TFLITE_METADATA is in buffer 999 of"):
        parse_metadata(_damaged(change))


def test_metadata_of_another_schema() -> None:
    def change(model: bytearray) -> None:
        start, _ = _info(model)
        model[start + 4 : start + 8] = b"M999"

    with pytest.raises(ModelError, match="M999"):
        parse_metadata(_damaged(change))


def _set_count(slot: int, count: int) -> Callable[[bytearray], None]:
    def change(model: bytearray) -> None:
        start, _ = _normalization(model).vector(slot, 4)
        struct.pack_into("<I", model, start - 4, count)

    return change


def test_one_mean_stands_for_all_channels() -> None:
    metadata = parse_metadata(_damaged(_set_count(tflite_schema.Normalization.MEAN, 1)))
    assert metadata is not None
    assert (metadata.mean, metadata.std) == ((123.675,) * 3, (58.395, 57.12, 57.375))


@pytest.mark.parametrize("count", [0, 2])
def test_means_and_deviations_that_do_not_match(count: int) -> None:
    with pytest.raises(ModelError, match=f"{count} means with 3 standard deviations"):
        parse_metadata(_damaged(_set_count(tflite_schema.Normalization.MEAN, count)))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_deviation(value: float) -> None:
    def change(model: bytearray) -> None:
        start, _ = _normalization(model).vector(tflite_schema.Normalization.STD, 4)
        struct.pack_into("<f", model, start, value)

    with pytest.raises(ModelError, match="standard deviation"):
        parse_metadata(_damaged(change))


def _vector(builder: flatbuffers.Builder, size_bytes: int, add: str, values: list[Any]) -> int:
    builder.StartVector(size_bytes, len(values), size_bytes)
    for value in reversed(values):
        getattr(builder, add)(value)
    vector: int = builder.EndVector()
    return vector


def _table(builder: flatbuffers.Builder, references: dict[int, int], kinds: dict[int, int] | None = None) -> int:
    builder.StartObject(8)
    for slot, reference in references.items():
        builder.PrependUOffsetTRelativeSlot(slot, reference, 0)
    for slot, kind in (kinds or {}).items():
        builder.PrependUint8Slot(slot, kind, 0)
    table: int = builder.EndObject()
    return table


def _input(builder: flatbuffers.Builder, mean: float, content_kind: int) -> int:
    numbers: dict[int, int] = {
        slot: _vector(builder, 4, "PrependFloat32", [mean]) for slot in tflite_schema.Normalization
    }
    unit = _table(builder, {tflite_schema.ProcessUnit.OPTIONS: _table(builder, numbers)}, {0: 1})
    content = _table(builder, {tflite_schema.Content.PROPERTIES: _table(builder, {})}, {0: content_kind})
    units = _vector(builder, 4, "PrependUOffsetTRelative", [unit])
    return _table(builder, {tflite_schema.TensorInfo.CONTENT: content, tflite_schema.TensorInfo.PROCESS_UNITS: units})


def test_the_image_among_several_inputs_gives_the_normalisation() -> None:
    builder = flatbuffers.Builder(256)
    inputs = [_input(builder, 2.0, tflite_schema.ContentKind.FEATURE)]
    inputs.append(_input(builder, 3.0, tflite_schema.ContentKind.IMAGE))
    inputs_vector = _vector(builder, 4, "PrependUOffsetTRelative", inputs)
    graph = _table(builder, {tflite_schema.SubGraphInfo.INPUTS: inputs_vector})
    graphs = _vector(builder, 4, "PrependUOffsetTRelative", [graph])
    builder.Finish(_table(builder, {tflite_schema.ModelInfo.SUBGRAPHS: graphs}), file_identifier=b"M001")
    model = prepend_metadata((MODELS / "classifier_float32.tflite").read_bytes(), bytes(builder.Output()))
    metadata = parse_metadata(model)
    assert metadata is not None
    assert (metadata.name, metadata.labels, metadata.mean, metadata.std) == (None, None, (3.0,), (3.0,))


def test_a_translation_that_comes_first_is_not_taken_for_the_labels() -> None:
    def change(model: bytearray) -> None:
        graph = _info(model)[1].tables(tflite_schema.ModelInfo.SUBGRAPHS)[0]
        scores = graph.tables(tflite_schema.SubGraphInfo.OUTPUTS)[0]
        start, count = scores.vector(tflite_schema.TensorInfo.ASSOCIATED_FILES, 4)
        assert count == 2
        first, second = struct.unpack_from("<II", model, start)
        struct.pack_into("<II", model, start, second + 4, first - 4)  # each counts from its own place

    metadata = parse_metadata(_damaged(change))
    assert metadata is not None
    assert metadata.labels == LABELS


def test_labels_with_windows_line_ends_and_a_byte_order_mark() -> None:
    model = _with_archive({"labels.txt": "\ufeffnævus\r\nmel\r\n".encode()}, zipfile.ZIP_DEFLATED)
    metadata = parse_metadata(model)
    assert metadata is not None
    assert metadata.labels == ("nævus", "mel")


def test_an_empty_label_in_the_middle_keeps_its_place() -> None:
    metadata = parse_metadata(_with_archive({"labels.txt": b"a\n\nc"}))
    assert metadata is not None
    assert metadata.labels == ("a", "", "c")


def test_labels_that_are_missing() -> None:
    with pytest.raises(ModelError, match=r"'labels\.txt' is missing"):
        parse_metadata(_with_archive({"other.txt": b"a\n"}))


def test_labels_that_are_not_text() -> None:
    with pytest.raises(ModelError, match="not UTF-8"):
        parse_metadata(_with_archive({"labels.txt": b"caf\xe9\n"}))


def test_labels_compressed_in_an_unknown_way() -> None:
    with pytest.raises(ModelError, match="unknown way"):
        parse_metadata(_with_archive({"labels.txt": b"a\n"}, zipfile.ZIP_BZIP2))


def test_labels_that_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_metadata, "MAX_LABELS_BYTES", 100)
    with pytest.raises(ModelError, match="too large"):
        parse_metadata(_with_archive({"labels.txt": b"a\n" * 51}, zipfile.ZIP_DEFLATED))


def test_the_reader_is_light() -> None:
    code = "import sys, edgebench.tflite_metadata; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"tensorflow", "ai_edge_litert", "flatbuffers"} & set(loaded.split())
