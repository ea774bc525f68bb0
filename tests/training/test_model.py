"""The network, its cut, and weights files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.errors import ModelError, UsageError
from edgebench_training.features import apply_model
from edgebench_training.model import build_network, tunable
from edgebench_training.recipe import Recipe
from small_training import tiny_recipe


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)


def test_trunk_and_tail_are_the_base(tf: Any, tiny: Recipe, image: Any) -> None:
    network = build_network(tiny, 4)
    assert network.trunk is not None
    assert network.tail is not None
    whole = apply_model(network.base, image)
    np.testing.assert_allclose(apply_model(network.tail, apply_model(network.trunk, image)), whole, atol=1e-6)
    scores = apply_model(network.whole, image)
    np.testing.assert_allclose(scores, tf.nn.softmax(apply_model(network.head, whole)), atol=1e-6)
    frozen = tunable(network.tail, freeze_norms=True)
    assert not [variable for variable in frozen if "gamma" in variable.path]
    assert len(tunable(network.tail, freeze_norms=False)) > len(frozen)


def test_the_same_seed_builds_the_same_network(tf: Any, tiny: Recipe, image: Any) -> None:
    np.testing.assert_array_equal(
        apply_model(build_network(tiny, 4).whole, image), apply_model(build_network(tiny, 4).whole, image)
    )


def test_an_unknown_block_is_named(tf: Any, weights: Path) -> None:
    with pytest.raises(UsageError, match=r"fine_tune_from 'block_99' is no block.*block_13"):
        build_network(tiny_recipe(str(weights), fine_tune_from="block_99"), 3)


def test_weights_of_another_alpha_are_one_line(tf: Any, weights: Path) -> None:
    with pytest.raises(ModelError, match=r"does not fit a MobileNetV2 without top of alpha 0\.2") as caught:
        build_network(tiny_recipe(str(weights), alpha=0.2), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<html>not found</html>", "no HDF5 file"),
        (b"", "no HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "does not fit"),
        (None, "no such file of weights"),
    ],
)
def test_files_that_are_no_weights_are_one_line(tf: Any, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "weights.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        build_network(tiny_recipe(str(path)), 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shared_weights_fit_their_own_alpha_only(tf: Any, shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    build_network(Recipe(alpha=0.35, size=96, weights=str(path)), 7)
    with pytest.raises(ModelError, match=r"by its name it is for alpha 0\.35"):
        build_network(Recipe(alpha=1.0, size=96, weights=str(path)), 7)
    with pytest.raises(ModelError, match="Git LFS pointer"):
        build_network(Recipe(weights=str(shared_data / "odd" / "git_lfs_pointer.h5")), 7)
