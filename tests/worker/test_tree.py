from __future__ import annotations

import os
from pathlib import Path

import pytest
from edgebench.worker.tree import Tree, Unreadable, collect, decimal, whole
from machine_trees import put


def test_a_missing_file_is_named_as_the_machine_knows_it(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"^/sys/none: No such file or directory$"):
        Tree(str(tmp_path)).text("/sys/none")


def test_a_folder_in_place_of_a_file_has_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "/sys/folder/", "")
    with pytest.raises(Unreadable, match=r"^/sys/folder: Is a directory$"):
        Tree(str(tmp_path)).text("/sys/folder")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_forbidden_file_has_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "/sys/secret", "1")
    (tmp_path / "sys/secret").chmod(0)
    with pytest.raises(Unreadable, match="Permission denied"):
        Tree(str(tmp_path)).text("/sys/secret")


def test_files_below_proc_sys_can_be_read() -> None:
    # The kernel refuses large reads there, so one read of the greatest size would fail.
    assert Tree().number("/proc/sys/kernel/pid_max") > 0


def test_a_text_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "/value", "1")
    tree = Tree(str(tmp_path))
    assert tree.number("/value") == 1
    put(tmp_path, "/value", "2")
    assert tree.number("/value") == 1
    assert Tree(str(tmp_path)).number("/value") == 2


def test_names_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("cpu10", "cpu2", "cpufreq", "cpu0"):
        put(tmp_path, f"/cpus/{name}/", "")
    assert Tree(str(tmp_path)).names("/cpus", r"cpu\d+") == ["cpu0", "cpu2", "cpu10"]


def test_a_folder_without_fitting_names_has_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "/cpus/", "")
    with pytest.raises(Unreadable, match="/cpus: holds nothing"):
        Tree(str(tmp_path)).names("/cpus", r"cpu\d+")


@pytest.mark.parametrize("text", ["", "x", "1.5", "0x10", "1 2", "nan", "9" * 5000])
def test_what_is_no_whole_number_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^/f: not a number: '") as caught:
        whole(text, "/f")
    assert len(str(caught.value)) < 100
    assert "\n" not in str(caught.value)


def test_a_number_below_the_least_makes_no_sense() -> None:
    assert whole("-5", "/f", minimum=-5) == -5
    with pytest.raises(Unreadable, match="/f: -1 makes no sense"):
        whole("-1", "/f")


@pytest.mark.parametrize("text", ["nan", "inf", "", "much"])
def test_only_finite_decimals_are_numbers(text: str) -> None:
    assert decimal("0.25", "/f") == 0.25
    with pytest.raises(Unreadable):
        decimal(text, "/f")


def test_collect_keeps_values_and_reasons_apart(tmp_path: Path) -> None:
    put(tmp_path, "/a", "7")
    readers = {"a": lambda tree: tree.number("/a"), "b": lambda tree: tree.number("/b")}
    found = collect(readers, Tree(str(tmp_path)))
    assert found == {"a": 7, "unavailable": {"b": "/b: No such file or directory"}}
