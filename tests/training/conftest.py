"""A small data set of real image files that a small network can learn, and weights that are no download."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edgebench_training.recipe import Recipe
from small_training import tiny_recipe, write_classes

NO_TENSORFLOW = 'TensorFlow is not installed: pip install "edgebench[train]"'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keras and TensorFlow warn of their own use of newer libraries; that is not for this project to mend."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for module in ("keras", "tensorflow"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}"))


@pytest.fixture(scope="session")
def tf() -> Any:
    """TensorFlow, or a skip."""
    pytest.importorskip("tensorflow", reason=NO_TENSORFLOW)
    from edgebench_training.backend import tensorflow

    return tensorflow()


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blue 30, green 20 and red 10 images."""
    return write_classes(tmp_path_factory.mktemp("colours"), {"blue": 30, "green": 20, "red": 10})


@pytest.fixture(scope="session")
def weights(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a MobileNetV2 of alpha 0.1, in a file."""
    tf.keras.utils.set_random_seed(3)
    base = tf.keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.1, include_top=False, weights=None)
    path = tmp_path_factory.mktemp("weights") / "random_alpha_0.1.weights.h5"
    base.save_weights(str(path))
    return path


@pytest.fixture
def tiny(weights: Path) -> Recipe:
    """A recipe of seconds: two epochs of the head, two of the last block."""
    return tiny_recipe(str(weights))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB, or a skip where this user may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a disk that is full needs the right to mount one")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
