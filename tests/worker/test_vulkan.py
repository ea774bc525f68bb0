"""Asking Vulkan itself, in processes of their own: the loader reads its environment once."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from edgebench.devices.local import LocalDevice
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.errors import RuntimeRefused
from edgebench.session import Session
from edgebench.worker import vulkan as asked
from edgebench.worker.gpu_words import adapter
from edgebench.worker.refusal import Refusal


def _session(folder: Path, env: Mapping[str, str]) -> Session:
    command = [LocalDevice().default_python(), "-u", str(worker_file(folder))]
    return Session(ProcessLink(command, environment={**os.environ, **env}), 60)


def test_an_adapter_has_name_kind_driver_and_version(tmp_path: Path, vulkan: dict[str, str]) -> None:
    with _session(tmp_path, vulkan) as session:
        (found, *_) = session.adapters()
    assert found.name
    assert found.kind in {"integrated", "discrete", "virtual", "cpu", "other"}
    assert found.software is (found.kind == "cpu")
    assert found.driver
    assert found.api_version is not None
    assert [part.isdigit() for part in found.api_version.split(".")] == [True] * 3


def test_no_driver_is_a_reason(tmp_path: Path) -> None:
    nowhere = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
    with _session(tmp_path, nowhere) as session, pytest.raises(RuntimeRefused) as caught:
        session.adapters()
    assert caught.value.code == "no-gpu"
    assert "Vulkan" in str(caught.value)


def test_no_loader_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "_LIBRARY", "libvulkan-nowhere.so.1")
    with pytest.raises(Refusal, match=r"libvulkan-nowhere\.so\.1 cannot be loaded: Vulkan is not installed"):
        asked.list_adapters()


def test_the_structures_are_as_large_as_vulkans() -> None:
    assert ctypes.sizeof(asked._DriverProperties) == 16 + 4 + 256 + 256 + 4
    assert asked._Properties2.properties.offset == 16
    assert ctypes.sizeof(asked._Properties2) >= 16 + 824


KNOWN = [
    {**adapter("Mali", "integrated"), "driver": "Mali 38", "api_version": "1.3.0"},
    {**adapter("Twin", "discrete"), "driver": "one", "api_version": "1.3.0"},
    {**adapter("Twin", "discrete"), "driver": "two", "api_version": "1.4.0"},
]


def test_the_chosen_adapter_gets_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "list_adapters", lambda: KNOWN)
    assert asked.complete(adapter("Mali", "integrated")) == KNOWN[0]


@pytest.mark.parametrize("name", ["Twin", "Stranger"])
def test_two_of_one_name_and_none_are_left_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "list_adapters", lambda: KNOWN)
    assert asked.complete(adapter(name, "discrete")) == adapter(name, "discrete")


def test_an_adapter_is_not_lost_where_vulkan_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "_LIBRARY", "libvulkan-nowhere.so.1")
    assert asked.complete(adapter("Mali", "integrated")) == adapter("Mali", "integrated")
