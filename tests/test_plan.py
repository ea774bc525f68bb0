from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
from edgebench.errors import ModelError, UsageError, WorkerDied
from edgebench.plan import case_id, choose_baselines, find_variants, left_out_reasons, make_plan
from edgebench.records import Delegate, DelegateKind, Engine, RuntimeInfo, Status
from edgebench.spec import PythonTarget, Spec
from harness import MODELS, copies, model, plan_of


def ids(spec: Spec) -> list[str]:
    return [case.case_id for case in plan_of(spec).cases]


def names(*models: str) -> list[tuple[str, str]]:
    return [(found.model, found.variant) for found in find_variants(models)[0]]


def test_the_default_case_id_is_exactly_this() -> None:
    assert ids(Spec(models=(model("int8"),))) == ["int8/int8@local/interpreter.litert+default/t1"]


def test_the_id_tells_signature_named_python_and_external_delegate() -> None:
    library = Delegate(DelegateKind.EXTERNAL, "/opt/x/libedgetpu.so.1", {"device": "usb"})
    text = case_id(
        "m", "int8", "pi", Engine.INTERPRETER, "tflite", library, 4, signature="serving_default", python_name="old"
    )
    assert text == "m/int8:serving_default@pi/interpreter.tflite~old+external-edgetpu/t4"


def test_the_id_does_not_change_with_file_content_or_runtime_version(tmp_path: Path) -> None:
    """A new build of the same case must be comparable with an old one."""
    (path,) = copies(tmp_path, "net")
    before = ids(Spec(models=(path,)))
    shutil.copy(MODELS / "gray.tflite", path)

    def newer(_: PythonTarget) -> RuntimeInfo:
        return RuntimeInfo("litert", "ai-edge-litert", "99.9", "3.13", "9", "arm")

    after = [case.case_id for case in make_plan(Spec(models=(path,)), "local", "elsewhere", newer).cases]
    assert before == after == ["net/float32@local/interpreter.litert+default/t1"]


def test_line_breaks_and_control_signs_never_reach_an_id(tmp_path: Path) -> None:
    (path,) = copies(tmp_path, "a\nb\x1b[31mc")
    assert ids(Spec(models=(path,))) == ["a?b?[31mc/float32@local/interpreter.litert+default/t1"]


def test_a_lone_file_is_called_after_stem_and_scheme() -> None:
    assert names(model("dynamic"), model("int8_float_io")) == [
        ("dynamic", "dynamic"),
        ("int8_float_io", "int8-float-io"),
    ]


def test_a_folder_gives_its_name_and_its_files_the_variants(tmp_path: Path) -> None:
    copies(tmp_path / "net", "int8", "float32")
    (tmp_path / "net" / "notes.txt").write_text("not a model")
    assert names(str(tmp_path / "net")) == [("net", "float32"), ("net", "int8")]


def test_the_working_folder_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies(tmp_path / "net" / "deep", "a")
    monkeypatch.chdir(tmp_path / "net" / "deep")
    assert names(".") == [("deep", "a")]


def test_a_card_names_the_model_for_folder_and_single_file(tmp_path: Path) -> None:
    paths = copies(tmp_path / "v7", "int8")
    (tmp_path / "v7" / "card.json").write_text(json.dumps({"name": "skin"}))
    assert names(str(tmp_path / "v7")) == names(paths[0]) == [("skin", "int8")]


def test_labels_alone_make_a_folder_a_model_but_not_a_single_file(tmp_path: Path) -> None:
    (path,) = copies(tmp_path / "downloads", "int8")
    (tmp_path / "downloads" / "labels.txt").write_text("a\nb\n")
    variant = find_variants([str(tmp_path / "downloads")])[0][0]
    assert variant.card is not None
    assert variant.card.labels == ("a", "b")
    assert find_variants([path])[0][0].card is None


def test_names_can_be_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    copies(folder, "a", "b")
    assert names(f"mine={folder}") == [("mine", "a"), ("mine", "b")]
    assert names(f"mine={folder / 'a.tflite'}") == [("mine", "float32")]
    assert names(f"mine/v2={folder / 'a.tflite'}") == [("mine", "v2")]


def test_a_folder_cannot_have_one_variants_name(tmp_path: Path) -> None:
    copies(tmp_path / "net", "a")
    with pytest.raises(ModelError, match="a folder holds several variants; name the model only: mine="):
        plan_of(Spec(models=(f"mine/v2={tmp_path / 'net'}",)))


@pytest.mark.parametrize("stem", ["with space", "a=b", "a@b", "x=y@z w", "ü—é", "-dash", "%s{0}", "a.b.c"])
def test_awkward_file_names_are_names(tmp_path: Path, stem: str) -> None:
    (path,) = copies(tmp_path, stem)
    assert names(path) == [(stem, "float32")]


@pytest.mark.parametrize(
    "text", ["", "=", "=x.tflite", "x=", "/", "x/=nowhere.tflite", "~nobody_has_this/x.tflite", "a" * 5000]
)
def test_arguments_that_are_no_model_are_rejected_in_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    variants, rejected = find_variants([text])
    assert (variants, len(rejected)) == ([], 1)
    assert "\n" not in str(rejected[0])
    assert len(str(rejected[0])) < 400


def test_a_link_keeps_its_own_name_and_folder(tmp_path: Path) -> None:
    """Git annex, DVC and Hugging Face caches hold links into a store; the card lies beside the link."""
    (blob,) = copies(tmp_path / "store", "5f3a9c")
    snapshot = tmp_path / "skin"
    snapshot.mkdir()
    (snapshot / "float32.tflite").symlink_to(blob)
    (snapshot / "card.json").write_text(json.dumps({"labels": ["a", "b"]}))
    (found,) = find_variants([str(snapshot)])[0]
    assert (found.model, found.variant) == ("skin", "float32")
    assert found.card is not None
    assert found.card.labels == ("a", "b")
    assert names(str(snapshot / "float32.tflite")) == [("skin", "float32")]


def test_a_dangling_link_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "gone.tflite").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no such file"):
        plan_of(Spec(models=(str(tmp_path / "gone.tflite"),)))


def test_rejected_files_stand_beside_the_good_ones(tmp_path: Path) -> None:
    (good,) = copies(tmp_path / "net", "good")
    (tmp_path / "net" / "bad.tflite").write_text("<html>")
    (tmp_path / "net" / "dir.tflite").mkdir()
    plan = plan_of(Spec(models=(str(tmp_path / "net"), str(tmp_path / "none.tflite"))))
    assert [case.variant.file.path for case in plan.cases] == [good]
    assert {Path(error.path).name: str(error).split(": ", 1)[1] for error in plan.rejected} == {
        "bad.tflite": "is an HTML or XML page, not a model (a failed download?)",
        "dir.tflite": "is a folder, not a .tflite file",
        "none.tflite": "no such file",
    }


def test_nothing_but_rejected_files_is_an_error_that_names_each(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.tflite: no such file; .*b\.tflite: no such file"):
        plan_of(Spec(models=(str(tmp_path / "a.tflite"), str(tmp_path / "b.tflite"))))


def test_a_folder_without_models_hints_at_the_one_below(tmp_path: Path) -> None:
    copies(tmp_path / "models" / "net", "a")
    with pytest.raises(ModelError, match=r"no \.tflite file in this folder; did you mean .*models/net\?"):
        plan_of(Spec(models=(str(tmp_path / "models"),)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"no \.tflite file in this folder$"):
        plan_of(Spec(models=(str(tmp_path / "empty"),)))


def test_a_broken_card_rejects_the_model_and_names_the_card(tmp_path: Path) -> None:
    copies(tmp_path / "net", "a")
    (tmp_path / "net" / "card.json").write_text("{")
    with pytest.raises(ModelError, match=r"card\.json: cannot be read as JSON"):
        plan_of(Spec(models=(str(tmp_path / "net"),)))


def test_every_combination_is_a_case_in_a_fixed_order(tmp_path: Path) -> None:
    spec = Spec(
        models=tuple(copies(tmp_path, "a", "b")),
        engines=(Engine.INTERPRETER, Engine.COMPILED),
        delegates=(Delegate(DelegateKind.DEFAULT), Delegate(DelegateKind.NONE)),
        threads=(1, 4),
    )
    expected = [
        f"{name}/float32@local/{engine}.litert+{delegate}/t{threads}"
        for name, engine, delegate, threads in itertools.product(
            "ab", ("interpreter", "compiled"), ("default", "none"), (1, 4)
        )
    ]
    assert ids(spec) == expected


def test_the_compiled_engine_has_no_external_delegate() -> None:
    external = Delegate(DelegateKind.EXTERNAL, "libx.so")
    with pytest.raises(UsageError, match="engine compiled takes no external delegate; use --engine interpreter"):
        plan_of(Spec(models=(model("int8"),), engines=(Engine.COMPILED,), delegates=(external,)))
    both = Spec(models=(model("int8"),), engines=(Engine.INTERPRETER, Engine.COMPILED), delegates=(external,))
    assert ids(both) == ["int8/int8@local/interpreter.litert+external-x/t1"]


def test_the_interpreter_has_no_gpu_delegate() -> None:
    gpu = Delegate(DelegateKind.GPU)
    with pytest.raises(UsageError, match="engine interpreter has no GPU delegate; use --engine compiled"):
        plan_of(Spec(models=(model("int8"),), delegates=(gpu,)))
    both = Spec(
        models=(model("int8"),),
        engines=(Engine.INTERPRETER, Engine.COMPILED),
        delegates=(gpu, Delegate(DelegateKind.EXTERNAL, "libx.so")),
    )
    assert ids(both) == [
        "int8/int8@local/interpreter.litert+external-x/t1",
        "int8/int8@local/compiled.litert+gpu/t1",
    ]
    assert left_out_reasons(both) == (
        "engine interpreter has no GPU delegate; use --engine compiled",
        "engine compiled takes no external delegate; use --engine interpreter",
    )


def test_two_pythons_with_one_runtime_must_be_named() -> None:
    spec = Spec(models=(model("int8"),), pythons=(PythonTarget("/a/python"), PythonTarget("/b/python")))
    with pytest.raises(
        UsageError, match="/a/python and /b/python have the same runtime: name them, for instance --python old="
    ):
        plan_of(spec)
    assert len(plan_of(spec, {"/b/python": "tflite"}).cases) == 2
    named = Spec(models=spec.models, pythons=(PythonTarget("/a/python", "old"), PythonTarget("/b/python", "new")))
    assert ids(named) == [
        "int8/int8@local/interpreter.litert~old+default/t1",
        "int8/int8@local/interpreter.litert~new+default/t1",
    ]


def test_two_files_of_one_name_get_a_line_that_can_be_typed(tmp_path: Path) -> None:
    (first,), (second,) = copies(tmp_path / "x", "net"), copies(tmp_path / "y", "net")
    with pytest.raises(UsageError, match="are both called net/float32: name them, for instance ") as caught:
        plan_of(Spec(models=(first, second)))
    suggested = str(caught.value).split("for instance ")[1].split()
    assert len(plan_of(Spec(models=tuple(suggested))).cases) == 2


def test_one_file_twice_is_said_to_be_so(tmp_path: Path) -> None:
    (path,) = copies(tmp_path / "net", "a")
    with pytest.raises(UsageError, match="the same case is asked for twice"):
        plan_of(Spec(models=(path, path)))


def test_a_python_without_a_runtime_is_a_usage_error_that_names_it() -> None:
    def dead(_: PythonTarget) -> RuntimeInfo:
        raise WorkerDied("the worker ended with exit code 1 during 'hello'")

    with pytest.raises(UsageError, match="/old/python: the worker ended"):
        make_plan(Spec(models=(model("int8"),), pythons=(PythonTarget("/old/python"),)), "local", "python3", dead)


def test_each_python_is_asked_once(tmp_path: Path) -> None:
    asked = []

    def probe(python: PythonTarget) -> RuntimeInfo:
        asked.append(python.path)
        return RuntimeInfo("litert", "p", "1", "3", "2", "m")

    make_plan(Spec(models=tuple(copies(tmp_path, "a", "b", "c")), threads=(1, 2)), "local", "/default/python", probe)
    assert asked == ["/default/python"]


def test_a_case_knows_what_was_asked_for() -> None:
    (case,) = plan_of(Spec(models=(model("int8"),), signature="serve", threads=(3,))).cases
    result = case.result(Status.INTERRUPTED)
    assert (result.case_id, result.signature, result.threads) == (case.case_id, "serve", 3)
    assert case.case_id == "int8/int8:serve@local/interpreter.litert+default/t3"
    assert (result.file.scheme, result.file.size_bytes) == ("int8", Path(model("int8")).stat().st_size)
    assert result.latency is None


def baselines(spec: Spec) -> dict[str, str]:
    """Baselines as model/variant/threads of each case and of what it is compared with."""

    def short(text: str) -> str:
        return f"{text.partition('@')[0]}/{text.rpartition('/')[2]}"

    return {short(case): short(base) for case, base in plan_of(spec).baselines.items()}


SKIN = tuple(
    f"skin/{name}={model(stem)}" for name, stem in (("eight", "int8"), ("full", "float32"), ("half", "float16"))
)


def test_the_baseline_is_the_float32_variant_whatever_its_name_and_place() -> None:
    assert baselines(Spec(models=SKIN)) == {"skin/eight/t1": "skin/full/t1", "skin/half/t1": "skin/full/t1"}


def test_without_float32_the_first_case_is_the_baseline() -> None:
    assert baselines(Spec(models=(SKIN[2], SKIN[0]))) == {"skin/eight/t1": "skin/half/t1"}


def test_the_baseline_can_be_named() -> None:
    found = baselines(Spec(models=SKIN, baseline="half"))
    assert found == {"skin/eight/t1": "skin/half/t1", "skin/full/t1": "skin/half/t1"}


def test_the_first_of_a_variants_cases_is_the_baseline_of_its_others() -> None:
    found = baselines(Spec(models=SKIN[:2], threads=(2, 1)))
    assert found == {"skin/eight/t2": "skin/full/t2", "skin/eight/t1": "skin/full/t2", "skin/full/t1": "skin/full/t2"}


def test_each_model_has_its_own_baseline_and_one_case_alone_has_none() -> None:
    spec = Spec(models=(*SKIN[:2], f"other/x={model('int8')}", f"other/y={model('uint8')}", model("gray")))
    assert baselines(spec) == {"skin/eight/t1": "skin/full/t1", "other/y/t1": "other/x/t1"}


def test_a_named_baseline_that_one_model_lacks_leaves_that_model_its_own() -> None:
    spec = Spec(models=(*SKIN[:2], f"other/x={model('int8')}", f"other/y={model('float32')}"), baseline="eight")
    assert baselines(spec) == {"skin/full/t1": "skin/eight/t1", "other/x/t1": "other/y/t1"}


@pytest.mark.parametrize("wanted", ["bogus", "", "float32", "skin/full"])
def test_a_baseline_that_no_model_has_is_refused_with_the_names_there_are(wanted: str) -> None:
    with pytest.raises(UsageError, match=rf"--baseline {wanted}: no such variant \(there are: eight, full, half\)"):
        plan_of(Spec(models=SKIN, baseline=wanted))


def test_a_baseline_among_rejected_files_is_none(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"x")
    with pytest.raises(UsageError, match="--baseline broken: no such variant"):
        plan_of(Spec(models=(f"net/a={model('int8')}", f"net/broken={tmp_path / 'broken.tflite'}"), baseline="broken"))


def test_no_case_no_baseline() -> None:
    assert choose_baselines([], None) == {}
