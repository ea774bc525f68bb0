"""The GPU accelerator's words, as ai-edge-litert 2.3.0 wrote them on Mesa's llvmpipe and on machines without Vulkan."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.worker import android, vulkan
from edgebench.worker.gpu_words import has_dynamic_tensors, read_adapter, read_split, why_no_gpu
from edgebench.worker.refusal import Refusal

CHOSEN = """\
WARNING: Logging before InitGoogle() is written to STDERR
I0000 00:00:1795590590.421901    6151 environment.cc:532] Selected adapter: llvmpipe (LLVM 15.0.6, 256 bits), \
arch=software, vendor=mesa, backend=Vulkan, adapterType=CPU / Software
INFO: [delegate_webgpu.cc:363] Created a WebGPU environment.
"""
PART = """\
ERROR: Following operations are not supported by GPU delegate:
CAST: Tensor type(INT64) is not supported. n
2 operations will run on the GPU, and the remaining 1 operations will run on the CPU.
"""
NOTHING = """\
ERROR: Following operations are not supported by GPU delegate:
WHILE: Operation is not supported.
No operations will run on the GPU, and all 1 operations will run on the CPU.
"""
SEVERAL = """\
ERROR: Following operations are not supported by GPU delegate:
ADD: Tensor type(INT64) is not supported. a
ADD: Tensor type(INT64) is not supported. b
CAST: Tensor type(INT64) is not supported. n
4 operations will run on the GPU, and the remaining %d operations will run on the CPU.
"""
NO_LIBRARY = """\
INFO: [gpu_registry.cc:130] Attempting to load GPU accelerator(libLiteRtVulkanAccelerator.so).
WARNING: [gpu_registry.cc:160] GPU accelerator could not be loaded and registered.
"""
NO_LOADER = """\
Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file: No such file or directory
    at operator() (third_party/dawn/src/dawn/native/vulkan/BackendVk.cpp:368)

ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found
"""
NO_DRIVER = """\
Warning: vkCreateInstance: Found no drivers!
Warning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER
ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found
"""
OLD_DRIVER = """\
Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.
 - While initializing adapter (backend=BackendType::Vulkan)
ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found
"""
NO_ADAPTER = "ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found\n"
OTHER = "ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: device lost\n"
DYNAMIC = (
    "WARNING: Attempting to use a delegate that only supports static-sized tensors with a graph that has "
    "dynamic-sized tensors (tensor#2 is a dynamic-sized tensor).\n"
)


def test_the_adapter_that_was_chosen() -> None:
    assert read_adapter(CHOSEN) == {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "kind": "cpu", "software": True}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("Mali-G78", "Integrated GPU", ("integrated", False)),
        ("NVIDIA H100", "Discrete GPU", ("discrete", False)),
        ("Virtio-GPU", "Virtual GPU", ("virtual", False)),
        ("Something", "Unknown", ("other", False)),
        ("SwiftShader Device (LLVM 16)", "Unknown", ("other", True)),
    ],
)
def test_kinds_of_adapters(name: str, kind: str, expected: tuple[str, bool]) -> None:
    found = read_adapter(CHOSEN.replace("llvmpipe (LLVM 15.0.6, 256 bits)", name).replace("CPU / Software", kind))
    assert found == {"name": name, "kind": expected[0], "software": expected[1]}


def test_no_adapter_is_made_up() -> None:
    assert read_adapter(NO_ADAPTER) is None
    assert read_adapter("") is None


def test_a_part() -> None:
    split = read_split(CHOSEN + PART)
    assert split is not None
    assert (split.taken, split.total, split.operators) == (2, 3, {"CAST": 1})
    assert split.reasons == ["CAST: Tensor type(INT64) is not supported. n"]


def test_nothing() -> None:
    split = read_split(NOTHING)
    assert split is not None
    assert (split.taken, split.total, split.operators) == (0, 1, {"WHILE": 1})


@pytest.mark.parametrize(("left", "count"), [(2, 1), (3, None)])
def test_operators_are_counted_only_where_there_is_one_possibility(left: int, count: int | None) -> None:
    split = read_split(SEVERAL % left)
    assert split is not None
    assert (split.total, split.operators) == (4 + left, {"ADD": count, "CAST": count})
    assert len(split.reasons) == 3


def test_several_subgraphs_are_summed() -> None:
    split = read_split(PART + CHOSEN + PART + NOTHING)
    assert split is not None
    assert (split.taken, split.total) == (4, 7)
    assert split.operators == {"CAST": None, "WHILE": None}


def test_all_is_not_told() -> None:
    assert read_split(CHOSEN) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NO_LIBRARY, "finds no GPU accelerator it can load, and would run on the CPU in silence"),
        (NO_LOADER, "the Vulkan loader is missing (libvulkan.so.1: cannot open shared object file"),
        (NO_DRIVER, "Vulkan finds no driver; install"),
        (OLD_DRIVER, "the Vulkan driver is too old (Vulkan shaderUniform*ArrayDynamicIndexing required)"),
        (NO_ADAPTER, "Vulkan finds no adapter (No adapters found); install"),
        (OTHER, "LiteRT's GPU accelerator does not start: device lost"),
    ],
)
def test_why_there_is_no_gpu(text: str, said: str) -> None:
    reason = why_no_gpu(text)
    assert reason is not None
    assert said in reason
    assert "\n" not in reason


def test_a_phones_gpu_is_for_androids_own_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "getprop"
    mark.touch()
    monkeypatch.setattr(android, "MARK", str(mark))
    assert (why_no_gpu(NO_LOADER) or "").endswith("use --engine benchmark_model --delegate gpu")
    monkeypatch.setattr(vulkan, "_LIBRARY", "libvulkan-nowhere.so.1")
    with pytest.raises(Refusal, match="Android's own C library"):
        vulkan.list_adapters()


def test_words_about_something_else_give_no_reason() -> None:
    assert why_no_gpu(CHOSEN + PART + DYNAMIC) is None
    assert has_dynamic_tensors(DYNAMIC)
    assert not has_dynamic_tensors(PART)
