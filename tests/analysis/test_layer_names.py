"""Short names of layers."""

from __future__ import annotations

from edgebench.analysis.layer_names import layer_names


def test_the_layers_own_name_is_the_last_and_loses_what_tells_how_it_is_computed() -> None:
    assert layer_names(
        [
            "model/conv2d/BiasAdd/ReadVariableOp/resource;model/conv2d/BiasAdd;model/conv2d/Conv2D1",
            "net/block_1_project_1/convolution;net/block_1_project_BN_1/batchnorm/sub1",
            "net/expanded_conv_depthwise_1/depthwise;",
            "PartitionedCall:0",
            "",
        ]
    ) == ["conv2d", "block_1_project_BN_1", "expanded_conv_depthwise_1", "PartitionedCall:0", "?"]


def test_equal_names_get_as_much_of_their_path_as_tells_them_apart() -> None:
    assert layer_names(["n/a/project/bias", "n/b/project/bias", "n/pool/Mean"]) == ["a/project", "b/project", "pool"]


def test_names_that_nothing_tells_apart_stay_equal() -> None:
    assert layer_names(["n/a/x", "n/a/x"]) == ["n/a", "n/a"]
