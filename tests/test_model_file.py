from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench import model_file
from edgebench.errors import ModelError
from edgebench.model_file import read_contents, read_model_file
from harness import MODELS, model

FIXTURES = {
    "float32": "float32",
    "float16": "float16",
    "dynamic": "dynamic",
    "int8": "int8",
    "uint8": "int8",  # uint8 outside, but its operators compute on int8
    "int8_float_io": "int8-float-io",
    "batch4": "float32",
    "channels_first": "float32",
    "fixed_reshape": "float32",
    "mixing": "float32",
    "waveform": "float32",
    "gray": "float32",
    "branches": "float32",
    "int64_input": "float32",
    "loop": "float32",
    "nan": "float32",
    "string_input": "string",
    "two_inputs": "float32",
    "endless": "int32",
    "bool_input": "bool",
}
REAL = {
    "coral_mobilenet_v1_0.25_128_quant": "uint8",
    "coral_mobilenet_v2_1.0_224_quant": "uint8",
    "ham7_mobilenetv2_224_dynrange": "dynamic",
    "mlperf_pretrainedResnet": "float32",
    "mlperf_pretrainedResnet_quant": "int8",
    "mlperf_vww_96_float": "float32",
    "mlperf_vww_96_int8": "int8",
    "mnist4_model": "dynamic",
    "mnist4_model_base": "float32",
    "mnist4_model_float16": "float16",
    "mnist4_model_int8": "int8-float-io",
}


def test_each_fixture_shows_its_scheme() -> None:
    found = {path.stem: read_model_file(path).scheme for path in MODELS.glob("*.tflite")}
    assert found == FIXTURES


def test_each_real_model_shows_its_scheme(shared_data: Path) -> None:
    found = {path.stem: read_model_file(path).scheme for path in (shared_data / "models").glob("*.tflite")}
    assert found == REAL


def test_a_file_is_identified_by_its_bytes() -> None:
    path = Path(model("int8"))
    found = read_model_file(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.path, found.size_bytes, found.unavailable) == (str(path), path.stat().st_size, {})


def test_operators_are_counted_and_custom_ones_named(shared_data: Path) -> None:
    path = Path(model("float32"))
    assert read_contents(path, path.read_bytes()).operators == {
        "CONV_2D": 2,
        "DEPTHWISE_CONV_2D": 1,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    }
    odd = shared_data / "odd"
    edgetpu = odd / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    assert read_contents(edgetpu, edgetpu.read_bytes()).custom_operators == ("edgetpu-custom-op",)
    flex = odd / "softplus_flex.tflite"
    assert read_contents(flex, flex.read_bytes()).custom_operators == ("FlexSoftplus",)


def test_a_root_at_byte_60_makes_no_page_of_a_model(tmp_path: Path) -> None:
    """Where a flatbuffer's root lies is its own business; at byte 60 the file begins with "<"."""
    data = Path(model("float32")).read_bytes()
    root = int.from_bytes(data[:4], "little")
    # Offsets are relative: what is put in before everything else moves the root only.
    moved = (60).to_bytes(4, "little") + data[4:8] + bytes(60 - root) + data[8:]
    path = tmp_path / "m.tflite"
    path.write_bytes(moved)
    assert moved.startswith(b"<\0\0\0TFL3")
    assert read_model_file(path).scheme == "float32"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
            "is a Git LFS pointer, .* git lfs pull",
        ),
        (b"<!DOCTYPE html><html></html>", "is an HTML or XML page"),
        (b"\n\n  <html>", "is an HTML or XML page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is a Keras model"),
        (b"PK\x03\x04" + bytes(100), "is a Keras model"),
        (b"{}", "is not a TFLite flatbuffer"),
        (bytes(7), "is not a TFLite flatbuffer"),
        (bytes(1000), "no TFL3 identifier"),
        (b"\x1c\0\0\0TFL3", "is a damaged TFLite flatbuffer"),
        (b"\xff\xff\xff\xffTFL3" + bytes(100), "is a damaged TFLite flatbuffer"),
    ],
)
def test_files_that_are_no_model_say_what_they_are(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said) as caught:
        read_model_file(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_keras_file_of_either_kind_is_known_by_its_content(tmp_path: Path, shared_data: Path) -> None:
    pointer = shared_data / "odd" / "git_lfs_pointer.h5"
    with pytest.raises(ModelError, match="Git LFS pointer"):
        read_model_file(pointer)
    weights = next((shared_data / "weights").glob("*.h5"))
    with pytest.raises(ModelError, match=r"is a Keras model \(\.h5 or \.keras\), not \.tflite; convert it first"):
        read_model_file(weights)


def test_a_name_that_is_no_text_is_said_to_be_so(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tflite"))
    path.write_bytes(Path(model("int8")).read_bytes())
    with pytest.raises(ModelError, match="bytes that are no UTF-8, which no runtime opens; rename it"):
        read_model_file(path)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_model_file(tmp_path / "none.tflite")
    with pytest.raises(ModelError, match="is a folder"):
        read_model_file(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be read: Not a directory"):
        read_model_file(tmp_path / "file" / "m.tflite")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ModelError, match=r"no such file|cannot be read"):
        read_model_file(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_device_is_refused_before_it_can_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ModelError, match="is a pipe or device"):
            read_model_file(path)


@pytest.fixture
def readable_by_nobody() -> Iterator[Path]:
    """A model that this process may not read; root gives up its rights for the while."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret.tflite"
        path.write_bytes(Path(model("int8")).read_bytes())
        path.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield path
        finally:
            if root:
                os.seteuid(0)


def test_a_file_without_permission_says_so(readable_by_nobody: Path) -> None:
    with pytest.raises(ModelError, match=r"secret\.tflite: cannot be read: Permission denied"):
        read_model_file(readable_by_nobody)


def _is_model_or_model_error(data: bytes) -> None:
    path = Path("m.tflite")
    with contextlib.suppress(ModelError):  # anything else is a traceback that a person would see
        model_file._check_kind(path, data)
        read_contents(path, data)


@pytest.mark.parametrize("name", ["float32", "dynamic", "int8_float_io", "two_inputs", "endless"])
def test_a_truncated_model_is_a_model_error_at_any_length(name: str) -> None:
    data = Path(model(name)).read_bytes()
    lengths = {*range(200), *range(200, len(data), 37), len(data) - 1}
    for length in sorted(lengths):
        _is_model_or_model_error(data[:length])


@pytest.mark.parametrize("name", ["float32", "dynamic", "int8", "bool_input", "endless"])
def test_flipped_bytes_are_a_model_error_at_worst(name: str) -> None:
    original = Path(model(name)).read_bytes()
    rng = random.Random(name)
    for _ in range(400):
        data = bytearray(original)
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        _is_model_or_model_error(bytes(data))


def test_a_truncated_real_model_is_rejected(shared_data: Path) -> None:
    """Half a download: the tables lie at the end of the file, so nothing of the model can be read."""
    data = (shared_data / "models" / "mlperf_vww_96_int8.tflite").read_bytes()
    with pytest.raises(ModelError, match="is a damaged TFLite flatbuffer"):
        read_contents(Path("m.tflite"), data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0_subgraphs", "has no subgraph"),
        ("invalid_model", "no TFL3 identifier"),
        ("test_model_broken", "no TFL3 identifier"),
        ("transpose", "has TFLite schema version 2, runtimes read version 3"),
    ],
)
def test_real_broken_files(shared_data: Path, name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_model_file(shared_data / "odd" / f"{name}.tflite")


def test_without_the_schema_the_scheme_is_unknown_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    found = read_model_file(Path(model("int8")))
    assert found.scheme is None
    assert found.unavailable == {"scheme": "reading the file's own schema needs ai-edge-litert"}
