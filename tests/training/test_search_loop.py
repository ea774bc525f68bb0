"""The search: its order, its budget, what is kept when it is stopped, and what becomes of what fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgebench.errors import RuntimeRefused, TrainingError, UsageError
from edgebench.progress import Progress
from edgebench_training.convert import ConversionError, Variant
from edgebench_training.search.candidates import Candidate, Family, Ranking, candidates
from edgebench_training.search.journal import Journal, working_folder
from edgebench_training.search.loop import Clock, Found, OutOfTime, Search
from search_fakes import FakeTools, candidate

NAMES = ("float32", "one", "two", "three")


def searched(
    folder: Path,
    tools: FakeTools,
    names: tuple[str, ...] = NAMES,
    budget_s: float | None = None,
    facts: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Found:
    clock = Clock(tools.clock, budget_s)
    search = Search(folder, Journal(folder), facts or {"model": "m"}, tools, tools, clock, progress)
    return search.run([candidate(name) for name in names])


def names_of(found: Found) -> list[str]:
    return [result.name for result in found.results]


def test_every_candidate_is_made_and_measured_in_order(tmp_path: Path) -> None:
    tools = FakeTools()
    found = searched(tmp_path, tools)
    assert names_of(found) == tools.made == tools.measured == list(NAMES)
    assert found.untried == ()
    assert found.new == 4
    assert all(result.seconds == 10.0 for result in found.results)
    assert (tmp_path / "one.tflite").read_bytes() == b"oneone"


def test_nothing_is_begun_that_would_end_after_the_budget(tmp_path: Path) -> None:
    """float32 takes 10 s, and the judging at the end as long as the standard ones: 10 + 10 + 10 + 10 = 40."""
    found = searched(tmp_path, FakeTools(), budget_s=39.0)
    assert names_of(found) == ["float32", "one"]
    assert found.untried == ("two", "three")


def test_float32_is_measured_whatever_the_budget(tmp_path: Path) -> None:
    found = searched(tmp_path, FakeTools(), budget_s=0.001)
    assert names_of(found) == ["float32"]
    assert found.untried == NAMES[1:]


def test_what_is_short_is_still_begun_after_what_was_too_long(tmp_path: Path) -> None:
    tools = FakeTools(takes_s={"slow": 50.0})
    clock = Clock(tools.clock, 105.0)
    search = Search(tmp_path, Journal(tmp_path), {}, tools, tools, clock)
    wanted = [
        candidate("float32"),
        candidate("slow", Family.QUANTIZER),
        candidate("quick"),
        candidate("slower", Family.QUANTIZER),
        candidate("quicker"),
    ]
    found = search.run(wanted)
    assert names_of(found) == ["float32", "slow", "quick", "quicker"]
    assert found.untried == ("slower",)


def test_a_second_call_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    searched(tmp_path, FakeTools(), budget_s=39.0)
    again = FakeTools()
    found = searched(tmp_path, again)
    assert names_of(found) == list(NAMES)
    assert again.made == ["two", "three"]
    assert found.new == 2


def test_known_results_count_as_experience_of_the_budget(tmp_path: Path) -> None:
    searched(tmp_path, FakeTools(), budget_s=39.0)
    again = FakeTools()
    assert searched(tmp_path, again, budget_s=25.0).untried == ("three",)
    assert again.made == ["two"]


@pytest.mark.parametrize("change", ["facts", "file", "missing file", "candidate"])
def test_what_would_come_out_otherwise_is_made_again(tmp_path: Path, change: str) -> None:
    searched(tmp_path, FakeTools())
    facts = {"model": "other"} if change == "facts" else None
    if change == "file":
        (tmp_path / "one.tflite").write_bytes(b"damaged")
    if change == "missing file":
        (tmp_path / "one.tflite").unlink()
    again = FakeTools()
    if change == "candidate":
        search = Search(tmp_path, Journal(tmp_path), {"model": "m"}, again, again, Clock(again.clock, None))
        search.run([candidate("float32"), candidate("one", Family.QUANTIZER)])
    else:
        searched(tmp_path, again, facts=facts)
    assert again.made == (list(NAMES) if change == "facts" else ["one"])


def test_a_file_that_is_removed_again_and_again_is_made_again_and_again(tmp_path: Path) -> None:
    for _ in range(5):
        tools = FakeTools()
        assert searched(tmp_path, tools).results[1].problem is None
        assert "one" in tools.made
        (tmp_path / "one.tflite").unlink()


def test_installing_the_second_tool_tries_only_its_own_candidates_anew(tmp_path: Path) -> None:
    wanted = [candidate("float32"), candidate("one"), replace(candidate("aeq"), recipe="static_wi8_ai8")]
    for version, made in (("not installed", ["float32", "one", "aeq"]), ("0.10.0", ["aeq"])):
        tools = FakeTools()
        Search(tmp_path, Journal(tmp_path), {"ai-edge-quantizer": version}, tools, tools, Clock(tools.clock, None)).run(
            wanted
        )
        assert tools.made == made


def test_failures_are_lines_and_are_not_tried_again(tmp_path: Path) -> None:
    tools = FakeTools(
        fails={"one": ConversionError("no such op"), "two": RuntimeRefused("cannot allocate")},
        contents={"three": b"float32"},
    )
    found = searched(tmp_path, tools)
    assert [result.problem for result in found.results] == [
        None,
        "not made: no such op",
        "does not run: cannot allocate",
        "the same model as float32",
    ]
    assert tools.measured == ["float32"]
    again = FakeTools()
    assert [result.problem for result in searched(tmp_path, again).results][1:] == [
        result.problem for result in found.results
    ][1:]
    assert again.made == []


def test_without_float32_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="float32: not made: no such op; there is nothing to compare with"):
        searched(tmp_path, FakeTools(fails={"float32": ConversionError("no such op")}))


def test_an_interrupt_keeps_what_was_finished_and_may_come_often(tmp_path: Path) -> None:
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path, FakeTools(fails={"two": KeyboardInterrupt()}))
    again = FakeTools()
    assert all(result.problem is None for result in searched(tmp_path, again).results)
    assert again.made == ["two", "three"]


def test_shared_preparation_is_no_part_of_a_candidates_time_and_may_run_out_of_it(tmp_path: Path) -> None:
    wanted = [candidate("float32"), candidate("ranked", Family.FLOAT_LAYERS), candidate("other")]
    tools = FakeTools(prepares_s=500.0)
    found = Search(tmp_path, Journal(tmp_path), {}, tools, tools, Clock(tools.clock, None)).run(wanted)
    assert [result.seconds for result in found.results] == [10.0, 10.0, 10.0]
    late = FakeTools(fails={"ranked": OutOfTime()})
    (tmp_path / "late").mkdir()
    search = Search(tmp_path / "late", Journal(tmp_path / "late"), {}, late, late, Clock(late.clock, None))
    assert search.run(wanted).untried == ("ranked",)


def test_a_candidate_that_ends_the_process_is_given_up(tmp_path: Path) -> None:
    """A tool that aborts would end every further call at the same place."""
    program = (
        "import os, sys; from pathlib import Path; from search_fakes import FakeTools\n"
        "from test_search_loop import searched\n"
        "class Aborting(FakeTools):\n"
        "    def make(self, wanted):\n"
        "        os.abort() if wanted.name == 'two' else None\n"
        "        return super().make(wanted)\n"
        "searched(Path(sys.argv[1]), Aborting())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], env=environment, check=False, capture_output=True
        )
        assert done.returncode == -6
    tools = FakeTools()
    found = searched(tmp_path, tools)
    assert tools.made == ["three"]
    assert found.results[2].problem == "begun 3 times and never finished: it seems to end the process"


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    searched(tmp_path, FakeTools())
    journal = tmp_path / "journal.jsonl"
    journal.write_text(journal.read_text()[:-40])
    again = FakeTools()
    searched(tmp_path, again)
    assert again.made == ["three"]
    assert all(json.loads(line) for line in journal.read_text().splitlines()[-1:])
    last = FakeTools()
    searched(tmp_path, last)
    assert last.made == []


def test_two_searches_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        working_folder(tmp_path),
        pytest.raises(UsageError, match="another search is at work"),
        working_folder(tmp_path),
    ):
        pass
    with working_folder(tmp_path) as folder:
        assert folder == tmp_path / ".search"


def test_progress_names_each_candidate(tmp_path: Path) -> None:
    heard: list[str] = []

    class Listening(Progress):
        def phase(self, name: str, total: int) -> None:
            heard.append(f"{name} {total}")

        def detail(self, text: str) -> None:
            heard.append(text)

    searched(tmp_path, FakeTools(), progress=Listening())
    assert heard == ["searching 4", *NAMES]


def test_the_list_begins_with_the_standard_ones_and_takes_the_families_in_turns() -> None:
    listed = candidates((Variant.INT8, Variant.DYNAMIC), classes=7, calibration_images=210)
    names = [one.name for one in listed]
    assert names[:6] == ["float32", "int8", "dynamic", "int8-first8", "int8-float1", "aeq-int8"]
    assert names[6:8] == ["int8-cal100", "int8-rmse1"]
    assert len(set(names)) == len(names)
    assert "int8-cal30" not in names, "30 images of 7 classes are what the standard int8 is calibrated with"
    assert {one.family for one in listed[3:8]} == {Family.FLOAT_LAYERS, Family.QUANTIZER, Family.CALIBRATION}
    ranked = next(one for one in listed if one.name == "int8-float4")
    assert ranked.how == "4 float layers, by trying each"
    assert ranked.recipe_entry() == {
        "tool": "TFLiteConverter",
        "family": "float layers",
        "variant": "int8",
        "calibration": {"images": 210, "balanced": True},
        "float_layers": 4,
        "ranking": "trying each",
        "ranges": "min-max",
    }
    other = next(one for one in listed if one.name == "aeq-dynamic")
    assert other.recipe_entry() == {
        "tool": "ai-edge-quantizer",
        "family": "ai-edge-quantizer",
        "recipe": "dynamic_wi8_afp32",
    }
    assert Candidate("x", Family.FLOAT_LAYERS, float_layers=1, ranking=Ranking.DEBUGGER).how.startswith(
        "1 float layer,"
    )
