"""Plans of chosen cases, and of a base's files beside the new ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from edgebench.errors import ModelError, UsageError
from edgebench.plan import Plan
from edgebench.records import Delegate, DelegateKind, Engine
from edgebench.spec import CaseChoice, Spec
from harness import MODELS, copies, plan_of

DEFAULT, NONE = Delegate(DelegateKind.DEFAULT), Delegate(DelegateKind.NONE)


def choice(variant: str, threads: int = 1, delegate: Delegate = DEFAULT, python: str | None = None) -> CaseChoice:
    return CaseChoice("net", variant, Engine.INTERPRETER, delegate, threads, python)


def short(plan: Plan) -> list[str]:
    return [case.case_id.replace("@local/interpreter.litert", "") for case in plan.cases]


def test_only_keeps_the_cases_that_are_named_and_chooses_the_baseline_among_them(tmp_path: Path) -> None:
    copies(tmp_path / "net", "a", "b", "c")
    only = (choice("b", 2), choice("c", 1, NONE))
    plan = plan_of(Spec((str(tmp_path / "net"),), delegates=(DEFAULT, NONE), threads=(1, 2), only=only))
    assert short(plan) == ["net/b+default/t2", "net/c+none/t1"]
    assert plan.baselines == {plan.cases[1].case_id: plan.cases[0].case_id}


def test_only_of_one_python_keeps_the_cases_of_that_one(tmp_path: Path) -> None:
    copies(tmp_path / "net", "a")
    spec = Spec((str(tmp_path / "net"),), only=(choice("a", python="python3"),))
    assert short(plan_of(spec)) == ["net/a+default/t1"]
    with pytest.raises(UsageError, match="net/a with interpreter, default, 1 threads: there is no such case"):
        plan_of(Spec(spec.models, only=(choice("a", python="/opt/python"),)))


@pytest.mark.parametrize("missing", [choice("z"), choice("a", 4), choice("a", 1, NONE)])
def test_a_chosen_case_that_is_not_there_is_an_error_although_others_are(tmp_path: Path, missing: CaseChoice) -> None:
    copies(tmp_path / "net", "a")
    with pytest.raises(UsageError, match="there is no such case"):
        plan_of(Spec((str(tmp_path / "net"),), only=(choice("a"), missing)))


def test_each_case_follows_its_twin_and_is_compared_with_it(tmp_path: Path) -> None:
    copies(tmp_path / "old" / "net", "a", "b")
    copies(tmp_path / "new" / "net", "a", "b")
    plan = plan_of(Spec((str(tmp_path / "new" / "net"),), threads=(1, 2), against=(str(tmp_path / "old" / "net"),)))
    assert short(plan) == [
        "net/a~base+default/t1",
        "net/a+default/t1",
        "net/a~base+default/t2",
        "net/a+default/t2",
        "net/b~base+default/t1",
        "net/b+default/t1",
        "net/b~base+default/t2",
        "net/b+default/t2",
    ]
    pairs = zip(plan.cases[::2], plan.cases[1::2], strict=True)
    assert plan.baselines == {new.case_id: twin.case_id for twin, new in pairs}
    assert {case.variant.file.path.split("/")[-3] for case in plan.cases[::2]} == {"old"}


def test_the_same_file_on_both_sides_is_fine(tmp_path: Path) -> None:
    (path,) = copies(tmp_path, "net")
    plan = plan_of(Spec((path,), against=(path,)))
    assert short(plan) == ["net/float32~base+default/t1", "net/float32+default/t1"]
    assert plan.baselines == {plan.cases[1].case_id: plan.cases[0].case_id}


def test_a_new_case_without_an_older_self_is_planned_alone(tmp_path: Path) -> None:
    copies(tmp_path / "old" / "net", "a", "gone")
    copies(tmp_path / "new" / "net", "a", "fresh")
    shutil.copy(MODELS / "int8.tflite", tmp_path / "new" / "net" / "a.tflite")
    plan = plan_of(Spec((str(tmp_path / "new" / "net"),), against=(str(tmp_path / "old" / "net"),)))
    assert short(plan) == ["net/a~base+default/t1", "net/a+default/t1", "net/fresh+default/t1"]
    assert list(plan.baselines) == [plan.cases[1].case_id]


def test_names_with_odd_signs_have_twins_too(tmp_path: Path) -> None:
    (path,) = copies(tmp_path, "a\nb")
    plan = plan_of(Spec((path,), against=(path,)))
    assert short(plan) == ["a?b/float32~base+default/t1", "a?b/float32+default/t1"]


def test_bases_without_a_name_in_common_are_refused(tmp_path: Path) -> None:
    old, new = copies(tmp_path, "old", "new")
    with pytest.raises(UsageError, match="base and new have no variant in common \\(old/float32; new/float32\\)"):
        plan_of(Spec((new,), against=(old,)))


def test_a_base_that_names_two_files_alike_or_none_is_refused(tmp_path: Path) -> None:
    (new,) = copies(tmp_path, "net")
    (other,) = copies(tmp_path / "other", "net")
    with pytest.raises(UsageError, match="of the base are both called net/float32"):
        plan_of(Spec((new,), against=(new, other)))
    with pytest.raises(ModelError, match="no such file"):
        plan_of(Spec((new,), against=(str(tmp_path / "none.tflite"),)))


def test_a_base_and_a_baseline_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--baseline int8: each case is compared with its older self"):
        Spec(("a",), baseline="int8", against=("b",))
