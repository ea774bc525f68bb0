"""The path from a file to its scores must be the one that accuracy is measured with, step by step in time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import write_folder
from edgebench.images.decode import GrayscalePolicy, decode
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.worker.end_to_end import PARTS, PhotoClassifier
from edgebench.worker.engines import Engine
from edgebench.worker.images import ImageClassifier, image_geometry
from edgebench.worker.inputs import Tensor
from edgebench.worker.refusal import Refusal
from PIL import Image

from .support import COLOUR_TABLE, Array, engine, model

#: Shows pixels as they are.
PLAIN_TABLE = np.arange(256, dtype=np.float32)[None]


class Pixels(Engine):
    """Keeps what it is fed."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.inputs = [Tensor("image", 0, (1, height, width, channels), "float32", 0.0, 0)]
        self.outputs = [Tensor("scores", 1, (1, 2), "float32", 0.0, 0)]
        self.seen: list[Array] = []
        self.invoke = lambda: None

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        self.seen.append(np.array(arrays[0]))

    def read_output(self, position: int) -> Any:
        return np.array([[0.25, 0.75]], np.float32)

    def delegation(self) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths of pictures of each colour, of another size than any model's, as JPEG."""
    folder = write_folder(tmp_path_factory.mktemp("photos"), per_class=2, size=45)
    paths = sorted(folder.rglob("*.png"))
    for path in paths:
        Image.open(path).resize((61, 45)).save(path.with_suffix(".jpg"), quality=90)
    return [str(path.with_suffix(".jpg")) for path in paths]


def odd_images(folder: Path) -> list[Path]:
    """Write images whose pixels take more than decoding: turned, transparent, with palette, gray, of 16 bits."""
    noise = np.random.default_rng(3).integers(0, 256, (30, 41, 4), dtype=np.uint8)
    rgb, rgba, gray = Image.fromarray(noise[..., :3]), Image.fromarray(noise), Image.fromarray(noise[..., 0])
    turned = Image.Exif()
    turned[0x0112] = 6
    rgb.save(folder / "turned.jpg", exif=turned)
    rgba.save(folder / "transparent.png")
    rgb.quantize(16).save(folder / "palette.gif")
    gray.save(folder / "gray.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", list(ResizeMode))
def test_pixels_are_those_of_the_cache(tmp_path: Path, mode: ResizeMode, channels: int) -> None:
    paths = odd_images(tmp_path)
    assert len(paths) == 5
    recorder = Pixels(20, 24, channels)
    classifier = PhotoClassifier(recorder, [str(path) for path in paths], mode.value, PLAIN_TABLE)
    classifier.run(len(paths), len(paths), 0)
    for path, seen in zip(paths, recorder.seen, strict=True):
        expected = decode(path, Geometry(20, 24, channels, mode), GrayscalePolicy.CONVERT)
        assert np.array_equal(seen[0], expected), path.name


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
@pytest.mark.parametrize(
    "name", ["float32", "float16", "dynamic", "int8", "uint8", "int8_float_io", "batch4", "channels_first"]
)
def test_scores_are_those_of_the_accuracy_path(tmp_path: Path, photos: list[str], name: str, engine_name: str) -> None:
    loaded = engine(model(name), engine=engine_name)
    geometry = Geometry(*image_geometry(loaded.inputs[0].shape), ResizeMode.STRETCH)
    np.save(tmp_path / "pixels.npy", np.stack([decode(Path(path), geometry, GrayscalePolicy.SKIP) for path in photos]))
    wanted = ImageClassifier(loaded, str(tmp_path / "pixels.npy"), COLOUR_TABLE).scores(0, len(photos))
    classifier = PhotoClassifier(loaded, photos, "stretch", COLOUR_TABLE)
    found = np.stack([classifier.answer(path)[0] for path in photos])
    # In a batch of different images XNNPACK may add up in another order.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 if name == "batch4" else 0)
    assert len(np.unique(found, axis=0)) > 1


def ticking(step_ns: int) -> Callable[[], int]:
    now = 0

    def clock() -> int:
        nonlocal now
        now += step_ns
        return now

    return clock


def photo_classifier(photos: list[str], step_ns: int = 10) -> tuple[PhotoClassifier, Pixels]:
    recorder = Pixels(8, 8, 3)
    return PhotoClassifier(recorder, photos, "stretch", PLAIN_TABLE, ticking(step_ns)), recorder


@pytest.mark.parametrize(
    ("min_runs", "max_runs", "max_ns", "expected"), [(5, 9, 0, 5), (1, 3, 10**9, 3), (1, 9, 0, 1), (1, 99, 200, 3)]
)
def test_runs_keep_to_their_bounds(photos: list[str], min_runs: int, max_runs: int, max_ns: int, expected: int) -> None:
    classifier, _ = photo_classifier(photos)
    parts = classifier.run(min_runs, max_runs, max_ns)
    assert parts.shape == (expected, len(PARTS))
    assert (parts == 10).all()
    assert parts.dtype == np.int64


def test_files_take_turns_and_go_on_where_they_stopped(photos: list[str]) -> None:
    classifier, recorder = photo_classifier(photos[:3])
    classifier.run(2, 2, 0)
    classifier.run(3, 3, 0)
    seen = [image.tobytes() for image in recorder.seen]
    assert len(set(seen[:3])) == 3
    assert seen[3:] == seen[:2]


def test_the_garbage_collector_is_as_before(photos: list[str]) -> None:
    classifier, recorder = photo_classifier(photos)
    states: list[bool] = []
    recorder.invoke = lambda: states.append(gc.isenabled())
    classifier.run(1, 1, 0)
    assert states == [False]
    assert gc.isenabled()


def test_without_pillow_the_reason_says_what_to_do(photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(Refusal, match="the worker's Python has no Pillow, which decodes images: pip install") as caught:
        PhotoClassifier(Pixels(8, 8, 3), photos, "stretch", PLAIN_TABLE)
    assert caught.value.code == "no-pillow"


def test_files_that_are_not_there_or_damaged_are_named(tmp_path: Path, photos: list[str]) -> None:
    gone = str(tmp_path / "gone.jpg")
    with pytest.raises(Refusal, match=r"gone\.jpg cannot be read there: No such file"):
        PhotoClassifier(Pixels(8, 8, 3), [*photos, gone], "stretch", PLAIN_TABLE)
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(Path(photos[0]).read_bytes()[:200])
    with pytest.raises(Refusal, match=r"damaged\.jpg cannot be decoded there: "):
        PhotoClassifier(Pixels(8, 8, 3), [str(damaged)], "stretch", PLAIN_TABLE).run(1, 1, 0)
    with pytest.raises(Refusal, match="no image files"):
        PhotoClassifier(Pixels(8, 8, 3), [], "stretch", PLAIN_TABLE)
