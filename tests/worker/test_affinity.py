from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edgebench.worker.affinity import capacities, choose, cpu_list, cpu_numbers, pin, resolve
from edgebench.worker.refusal import Refusal
from edgebench.worker.tree import Tree
from machine_trees import lay_out, put

PHONE = {0: 325, 1: 325, 2: 325, 3: 325, 4: 828, 5: 828, 6: 828, 7: 1024}


def tell(root: Path, file: str, values: dict[int, int]) -> Path:
    for number, value in values.items():
        put(root, f"/sys/devices/system/cpu/cpu{number}/{file}", str(value))
    return root


@pytest.mark.parametrize(
    ("text", "numbers", "listed"),
    [("0", [0], "0"), ("0-3", [0, 1, 2, 3], "0-3"), ("4, 0,2-3,3", [0, 2, 3, 4], "0,2-4"), ("7-7", [7], "7")],
)
def test_numbers_are_read_and_listed_as_the_kernel_does(text: str, numbers: list[int], listed: str) -> None:
    assert cpu_numbers(text) == numbers
    assert cpu_list(numbers) == listed


@pytest.mark.parametrize("text", ["", "big", "3-1", "0,,2", "-1", "0-", "0-99999", "a-b", "²"])
def test_what_is_no_list_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^.*$"):
        cpu_numbers(text)


def test_cores_are_told_apart_by_capacity(tmp_path: Path) -> None:
    able = capacities(Tree(str(tell(tmp_path, "cpu_capacity", PHONE))))
    assert able == PHONE
    assert choose("big", able, range(8)) == [4, 5, 6, 7]
    assert choose("little", able, range(8)) == [0, 1, 2, 3]


def test_cores_of_one_capacity_are_told_apart_by_their_clocks(tmp_path: Path) -> None:
    tell(tmp_path, "cpu_capacity", dict.fromkeys(range(4), 1024))
    tell(tmp_path, "cpufreq/cpuinfo_max_freq", {0: 1_400_000, 1: 1_400_000, 2: 1_800_000, 3: 1_800_000})
    assert resolve("0", str(tmp_path)) == [0]
    assert choose("big", capacities(Tree(str(tmp_path))), range(4)) == [2, 3]


def test_cores_that_a_maker_bins_by_a_few_percent_are_alike() -> None:
    with pytest.raises(Refusal, match="all 4 cores are alike; leave it out, or name their numbers"):
        choose("big", {0: 4_700_000, 1: 4_700_000, 2: 4_900_000, 3: 5_000_000}, range(4))


def test_a_raspberry_pi_has_no_big_cores(tmp_path: Path) -> None:
    able = capacities(Tree(str(lay_out("raspberry-pi-4", tmp_path))))
    assert set(able) == {0, 1, 2, 3}
    with pytest.raises(Refusal, match="--cpus little: all 4 cores are alike"):
        choose("little", able, range(4))


def test_a_machine_that_tells_nothing_says_so(tmp_path: Path) -> None:
    assert capacities(Tree(str(tmp_path))) == {}
    with pytest.raises(Refusal, match="does not tell which cores are big"):
        choose("big", {}, range(4))


def test_cpus_outside_of_what_is_allowed_are_refused() -> None:
    with pytest.raises(Refusal, match="may not use CPU 2-3, only 0-1"):
        choose("1-3", PHONE, [0, 1])
    with pytest.raises(Refusal, match="the big cores are 4-7, and it may use 0-1 only"):
        choose("big", PHONE, [0, 1])
    assert choose("big", PHONE, [0, 4, 6]) == [4, 6]


def test_every_thread_of_the_process_is_pinned(tmp_path: Path) -> None:
    script = tmp_path / "pinned.py"
    script.write_text(
        "import json, os, sys, threading\n"
        "from edgebench.worker.affinity import pin\n"
        "done = threading.Event()\n"
        "threading.Thread(target=done.wait, daemon=True).start()\n"
        "told = pin(sys.argv[1])\n"
        "threads = [sorted(os.sched_getaffinity(int(tid))) for tid in os.listdir('/proc/self/task')]\n"
        "print(json.dumps([told, threads]))\n"
    )
    one = max(os.sched_getaffinity(0))
    run = subprocess.run([sys.executable, str(script), str(one)], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [[one], [[one], [one]]]


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(Refusal, match="write big, little or numbers"):
        pin("large")
