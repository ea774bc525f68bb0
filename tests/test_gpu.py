"""The GPU delegate as a user meets it: the real runtime on a real Vulkan driver, and on machines without one.

Times on a driver that plays a GPU mean nothing, so nothing here looks at them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.devices.local import LocalDevice
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.errors import RuntimeRefused
from edgebench.worker.protocol import decode_array, encode_array
from harness import SHORT_FLAGS, command, model
from worker.support import WEIGHTS, load_fields, softmax_of_mean


def _litert_version() -> tuple[int, ...]:
    return tuple(int(part) for part in version("ai-edge-litert").split(".")[:2])


#: CI also runs the oldest supported runtime, which has no GPU delegate that tells the truth.
pytestmark = pytest.mark.skipif(_litert_version() < (2, 3), reason="delegate gpu needs ai-edge-litert 2.3")

NO_DRIVER = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
GPU = ("--engine", "compiled", "--delegate", "gpu", *SHORT_FLAGS)


def cases(folder: Path, env: Mapping[str, str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the command as JSON and return its exit code and cases."""
    done = command("run", *arguments, *GPU, "--json", cwd=folder, env=env)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)["cases"]


def codes(case: Mapping[str, Any]) -> set[str]:
    return {finding["code"] for finding in case["findings"]}


def test_a_model_that_runs_on_the_gpu_whole(tmp_path: Path, vulkan: dict[str, str]) -> None:
    status, (case,) = cases(tmp_path, vulkan, model("two_inputs"))
    assert (status, case["status"], case["failure"]) == (0, "ok", None)
    assert case["case_id"] == "two_inputs/float32@local/compiled.litert+gpu/t1"
    assert case["delegation"]["coverage"] == "full"
    assert case["parity"]["agrees"] is True
    assert 0 < case["parity"]["largest_value"] <= 2
    assert case["adapter"]["name"]
    assert case["adapter"]["driver"]
    assert case["adapter"]["api_version"].startswith("1.")
    assert case["latency"]["count"] >= 12
    if case["adapter"]["software"]:
        assert "software-gpu" in codes(case)
        assert case["verdict"] in ("suspect", "invalid")  # invalid: a busy machine
    assert codes(case).isdisjoint({"partial", "outputs-differ"})


def test_a_quantized_model_beside_the_cpu(tmp_path: Path, vulkan: dict[str, str]) -> None:
    done = command("run", f"a/q={model('uint8')}", *GPU, "--delegate", "default", cwd=tmp_path, env=vulkan)
    assert done.returncode == 0, done.stderr
    assert "ran on " in done.stdout
    assert "those of the CPU" in done.stdout
    assert "OUTPUTS DO NOT AGREE" not in done.stdout


def test_a_model_that_runs_on_the_gpu_in_part(tmp_path: Path, vulkan: dict[str, str]) -> None:
    status, (case,) = cases(tmp_path, vulkan, model("int64_input"))
    assert (status, case["status"]) == (0, "ok")
    delegation = case["delegation"]
    assert (delegation["coverage"], delegation["delegated_nodes"], delegation["total_nodes"]) == ("partial", 2, 3)
    assert delegation["cpu_operators"] == {"CAST": 1}
    assert delegation["partitions"] is None
    assert "partial" in codes(case)
    assert any("INT64" in note for note in case["notes"])
    assert case["parity"]["agrees"] is True


def test_require_full_refuses_a_part(tmp_path: Path, vulkan: dict[str, str]) -> None:
    status, (case,) = cases(tmp_path, vulkan, model("int64_input"), "--require-full")
    assert (status, case["failure"]["code"], case["latency"]) == (3, "delegate-partial", None)
    assert "left CAST to the CPU" in case["failure"]["message"]


def test_a_model_of_which_the_gpu_takes_nothing(tmp_path: Path, vulkan: dict[str, str]) -> None:
    status, (case,) = cases(tmp_path, vulkan, model("endless"))
    assert (status, case["failure"]["code"]) == (3, "delegate-idle")
    assert case["delegation"]["cpu_operators"] == {"WHILE": 1}


def test_a_model_of_open_sizes_is_told_so(tmp_path: Path, vulkan: dict[str, str]) -> None:
    status, (case,) = cases(tmp_path, vulkan, model("string_input"))
    assert (status, case["failure"]["code"]) == (3, "dynamic-shape")


@pytest.mark.parametrize("words", [("--quiet",), ("--quiet", "--require-full")], ids=["", "strict"])
def test_no_driver_is_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = command("run", model("two_inputs"), *GPU, *words, cwd=tmp_path, env=NO_DRIVER)
    assert done.returncode == 3
    (line,) = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert "FAILED no-gpu: no GPU: " in line
    assert "install" in line
    assert "Traceback" not in done.stderr


def test_without_its_library_the_cpu_does_not_run_in_silence(tmp_path: Path) -> None:
    """LiteRT would: it says "fully accelerated" then, and its times would be the CPU's."""
    _without(tmp_path / "ai_edge_litert", "libLiteRtWebGpuAccelerator.so")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    status, (case,) = cases(tmp_path, {**NO_DRIVER, "PYTHONPATH": path}, model("two_inputs"))
    assert (status, case["failure"]["code"], case["latency"]) == (3, "no-gpu", None)
    assert "finds no GPU accelerator it can load, and would run on the CPU in silence" in case["failure"]["message"]


def test_a_library_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    _without(tmp_path / "ai_edge_litert", "libLiteRtWebGpuAccelerator.so")
    (tmp_path / "ai_edge_litert" / "libLiteRtWebGpuAccelerator.so").write_text("no library")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    status, (case,) = cases(tmp_path, {**NO_DRIVER, "PYTHONPATH": path}, model("two_inputs"))
    assert (status, case["failure"]["code"]) == (3, "no-gpu")


def _without(folder: Path, library: str) -> None:
    """Lay out the runtime's package as links, without one library."""
    import ai_edge_litert.interpreter

    folder.mkdir()
    for path in Path(ai_edge_litert.interpreter.__file__).parent.iterdir():
        if path.name != library:
            (folder / path.name).symlink_to(path)


def test_the_interpreter_has_no_gpu(tmp_path: Path) -> None:
    done = command("run", model("two_inputs"), "--delegate", "gpu", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "edgebench: error: engine interpreter has no GPU delegate; use --engine compiled\n"


def test_classifying_images_on_the_gpu(tmp_path: Path, vulkan: dict[str, str]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    table = np.arange(256, dtype=np.float32)[None] / np.float32(255)
    python = LocalDevice().default_python()
    with ProcessLink([python, "-u", str(worker_file(tmp_path))], environment={**os.environ, **vulkan}) as link:
        link.request("hello", 60)
        link.request("load", 60, **load_fields(model("batch4"), engine="compiled", delegate="gpu"))
        link.request("open_images", 60, pixels_path=str(tmp_path / "pixels.npy"), table=encode_array(table))
        scores = decode_array(link.request("predict", 60, start=0, stop=6, max_ns=10**12)["scores"])
    expected = softmax_of_mean(pixels.astype(np.float64) / 255, WEIGHTS)
    np.testing.assert_allclose(scores, expected, atol=5e-3)


def test_a_gpu_run_waits_for_its_outputs(tmp_path: Path, vulkan: dict[str, str]) -> None:
    """After a burst the outputs are those of the inputs set, without another run."""
    python = LocalDevice().default_python()
    fields = load_fields(model("two_inputs"), engine="compiled")
    found = []
    for changes in ({"delegate": "gpu"}, {"native": True}):
        with ProcessLink([python, "-u", str(worker_file(tmp_path))], environment={**os.environ, **vulkan}) as link:
            link.request("hello", 60)
            assert link.request("load", 60, **{**fields, **changes})["load_ns"] > 0
            link.request("first", 60, seed=5)
            link.request("burst", 60, min_runs=3, max_runs=3, max_ns=0)
            (output,) = link.request("outputs", 60)["outputs"]
            found.append(decode_array(output["values"]))
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)


def test_the_cpu_is_no_adapter(tmp_path: Path) -> None:
    with ProcessLink([LocalDevice().default_python(), "-u", str(worker_file(tmp_path))]) as link:
        link.request("hello", 60)
        link.request("load", 60, **load_fields(model("two_inputs"), engine="compiled"))
        with pytest.raises(RuntimeRefused, match="no GPU runs this model"):
            link.request("adapter", 60)
