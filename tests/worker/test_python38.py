"""The worker must run under Python 3.8: boards keep old interpreters because runtimes for them stop there."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from colours import patches
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.worker.images import ImageClassifier
from edgebench.worker.inputs import Tensor, seeded_input
from edgebench.worker.protocol import decode_array, encode_array

from .support import COLOUR_TABLE, WORKER_SOURCES, engine, load_fields, model, other_python

HASH_INPUTS = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from edgebench_worker.inputs import Tensor, seeded_input
hashes = {}
for dtype in sys.argv[2:]:
    array = seeded_input(Tensor("image", 0, (2, 500), dtype, 0.0, 0), 11)
    hashes[dtype] = hashlib.sha256(array.tobytes()).hexdigest()
print(json.dumps(hashes))
"""


@pytest.mark.parametrize("path", WORKER_SOURCES, ids=lambda path: path.name)
def test_parses_as_python38(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 8))


def test_there_are_sources_to_check() -> None:
    assert {"__main__.py", "service.py", "timing.py"} <= {path.name for path in WORKER_SOURCES}


def test_another_interpreter_measures_and_classifies(tmp_path: Path) -> None:
    pixels, _ = patches(2, 32, seed=5)
    np.save(tmp_path / "pixels.npy", pixels)
    with ProcessLink([other_python(), "-u", str(worker_file(tmp_path))]) as link:
        hello = link.request("hello", 60)
        assert hello["runtime"]["name"] in {"tflite", "litert"}
        loaded = link.request("load", 60, **load_fields(model("float32")))
        assert loaded["delegation"]["total_nodes"] == 6
        assert link.request("first", 60, seed=0)["latency_ns"] > 0
        burst = link.request("burst", 60, min_runs=4, max_runs=4, max_ns=0)
        assert decode_array(burst["latency_ns"]).shape == (4,)
        table = encode_array(COLOUR_TABLE)
        link.request("open_images", 60, pixels_path=str(tmp_path / "pixels.npy"), table=table)
        answer = link.request("predict", 60, start=0, stop=14, max_ns=10**13)
        assert link.request("memory", 60)["peak_rss_bytes"] > 1_000_000
    here = ImageClassifier(engine(model("float32")), str(tmp_path / "pixels.npy"), COLOUR_TABLE).scores(0, 14)
    np.testing.assert_allclose(decode_array(answer["scores"]), here, atol=1e-5)


def test_another_interpreter_says_the_older_runtimes_limits(tmp_path: Path) -> None:
    """No engine ``compiled`` there: refused with a code, and the worker lives on."""
    with ProcessLink([other_python(), "-u", str(worker_file(tmp_path))]) as link:
        if link.request("hello", 60)["runtime"]["name"] != "tflite":
            pytest.skip("that interpreter has the new runtime")
        with pytest.raises(Exception, match="engine compiled needs ai-edge-litert") as caught:
            link.request("load", 60, **load_fields(model("float32"), engine="compiled"))
        assert getattr(caught.value, "code", None) == "no-engine"
        assert link.request("memory", 60)["ok"]


def test_another_interpreter_feeds_the_same_inputs(tmp_path: Path) -> None:
    dtypes = ["float32", "float16", "int8", "uint8", "int32", "int64", "bool", "complex64", "string"]
    command = [other_python(), "-c", HASH_INPUTS, str(worker_file(tmp_path)), *dtypes]
    there = json.loads(subprocess.check_output(command, timeout=60))
    for dtype in dtypes:
        array = seeded_input(Tensor("image", 0, (2, 500), dtype, 0.0, 0), 11)
        assert hashlib.sha256(array.tobytes()).hexdigest() == there[dtype], dtype
