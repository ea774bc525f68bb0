"""Nothing that tells of a person or a machine leaves a record, whatever field it is in and whatever form is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import edgebench
import pandas as pd
import pytest
from colours import COLOURS, write_folder
from edgebench.api import resume_run, run_spec
from edgebench.cli import main
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.opening import phone_name
from edgebench.pictures import REDACTED, no_pictures
from edgebench.progress import Progress
from edgebench.records import DataInfo, Engine, RunRecord, SkippedImage
from edgebench.redaction import redact_run, texts_of
from edgebench.redaction_fields import FIELDS, LONE_FLAGS, TELLING_FLAGS
from edgebench.report.csvfile import render_csv
from edgebench.report.csvflips import render_flips_csv
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.terminal import render_table
from edgebench.scrubbing import Secrets
from edgebench.spec import DataSpec, Spec
from edgebench.store import StoredRun, load, save, to_json
from every_text import filled, text_fields
from fake_runs import ONE_BLOCK
from harness import copies

SECRET = ("clandestine", "hushbox", "moriarty", "SN0451XZ", "192.168.7.44", "aa:bb:cc:dd:ee:ff", "fe80::1f")
KNOWN = Secrets(hosts=("hushbox.lab.example",), users=("moriarty",))
#: What every text is filled with, by the number of the text.
MARKS: Mapping[str, Callable[[int], str]] = {
    "folder": lambda number: f"/srv/clandestine/{number}/deep",
    "file": lambda number: f"/srv/clandestine/{number}/model{number}.tflite",
    "spaces": lambda number: f"/srv/clandestine work/{number}/a b/model{number}.tflite",
    "relative": lambda number: f"clandestine/{number}/model{number}.tflite",
    "home": lambda number: f"~moriarty/{number}",
    "windows": lambda number: rf"C:\Users\moriarty\clandestine\{number}",
    "host": lambda number: f"hushbox-{number}",
    "full host": lambda number: f"{number}.HUSHBOX.lab.example",
    "address": lambda number: f"ssh://moriarty@hushbox:{number}",
    "serial": lambda number: f"adb://SN0451XZ{number}",
    "sentence": lambda number: (
        f"{number}: cannot open '/srv/clandestine/a b' of moriarty@hushbox (192.168.7.44:22, aa:bb:cc:dd:ee:ff, "
        "fe80::1f%eth0); see file:///srv/clandestine, adb -s SN0451XZ, serial: SN0451XZ and hushbox.lab.example"
    ),
}
FORMS: Mapping[str, Callable[[StoredRun], str]] = {
    "table": lambda run: render_table(run.record, predictions=run.predictions),
    "md": lambda run: render_markdown(run.record, run.predictions),
    "html": lambda run: render_html(run.record, run.samples, run.predictions, no_pictures(REDACTED)),
    "csv": lambda run: render_csv(run.record),
    "flips-csv": lambda run: render_flips_csv(run.record, run.predictions),
    "json": lambda run: to_json(run.record),
}


def stored(record: RunRecord, text: Callable[[int], str] = str) -> StoredRun:
    """Return a run with samples and predictions of the record's cases, in which the second image's answer changed."""
    ids = list(dict.fromkeys([record.cases[0].case_id, record.cases[-1].case_id]))
    samples = pd.DataFrame({"case": ids, "block": 0, "round": 0, "start_ns": 1, "latency_ns": 2, "warmup": False})
    images = [text(1001), text(1002)]
    rows = [
        {"case": case, "image_id": image, "lesion_id": text(1003), "label": text(1004),
         f"score:{text(1004)}": 0.9 if case == ids[0] or image == images[0] else 0.1, f"score:{text(1005)}": 0.5}
        for case in ids for image in images
    ]  # fmt: skip
    predictions = pd.DataFrame(rows).astype({"case": "category"})
    return StoredRun(record, samples.astype({"case": "category"}), predictions, Path("/srv/clandestine/results"))


def two_cases(text: Callable[[int], str]) -> RunRecord:
    record = filled(RunRecord, text)
    other = filled(RunRecord, lambda number: text(number + 500))
    case = replace(other.cases[0], model=record.cases[0].model, device=record.cases[0].device)
    return replace(record, cases=(record.cases[0], case))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mark", MARKS)
def test_no_secret_survives_in_any_field_and_any_form(mark: str, form: str) -> None:
    run = stored(two_cases(MARKS[mark]), MARKS[mark])
    before = FORMS[form](run).lower()
    assert form == "flips-csv" or any(secret.lower() in before.replace("\\\\", "\\") for secret in SECRET)
    redacted = redact_run(run, KNOWN).run
    after = FORMS[form](redacted).lower()
    assert [secret for secret in SECRET if secret.lower() in after] == []
    assert redacted.folder is None


@pytest.mark.parametrize("mark", MARKS)
def test_no_secret_survives_in_the_frames(mark: str) -> None:
    redacted = redact_run(stored(two_cases(MARKS[mark]), MARKS[mark]), KNOWN).run
    assert redacted.predictions is not None
    shown = (redacted.samples.to_csv() + redacted.predictions.to_csv()).lower()
    assert [secret for secret in SECRET if secret.lower() in shown] == []
    assert len(set(redacted.predictions.columns)) == 6
    ids = {case.case_id for case in redacted.record.cases}
    assert len(ids) == 2
    assert set(redacted.samples["case"]) == set(redacted.predictions["case"]) == ids


def undeclared(kind: type) -> list[tuple[str, str]]:
    return [(owner, name) for owner, name in text_fields(kind) if name not in FIELDS.get(owner, {})]


def test_every_field_that_holds_text_is_declared() -> None:
    """Say in ``bench/redaction_fields.py`` what a new field holds."""
    assert undeclared(RunRecord) == []
    there = set(text_fields(RunRecord))
    assert [(owner, name) for owner, names in FIELDS.items() for name in names if (owner, name) not in there] == []


@dataclass(frozen=True)
class _New:
    told: Mapping[str, int]
    number: int
    inner: tuple[DataInfo, ...]
    maybe: str | None = None


def test_a_field_that_is_not_declared_is_found_and_scrubbed_all_the_same() -> None:
    assert undeclared(_New) == [("_New", "told"), ("_New", "maybe")]
    record = replace(filled(RunRecord, str), warnings=(_New({"/srv/clandestine": 1}, 1, (), "at hushbox"),))  # type: ignore[arg-type]
    found: tuple[Any, ...] = redact_run(stored(record), KNOWN).run.record.warnings
    assert found[0] == _New({"path-2": 1}, 1, (), "at host-2")  # the first ones stand before it in the record


def figures(value: object) -> Iterator[object]:
    """Yield everything that is no text, in order."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from figures(item)
    elif isinstance(value, tuple):
        yield len(value)
        for item in value:
            yield from figures(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from figures(getattr(value, field.name))
    elif isinstance(value, Enum) or not isinstance(value, str):
        yield value


@pytest.mark.parametrize("mark", MARKS)
def test_figures_stay_and_a_second_time_changes_nothing(mark: str) -> None:
    run = stored(two_cases(MARKS[mark]), MARKS[mark])
    once = redact_run(run, KNOWN).run
    twice = redact_run(once, KNOWN)
    assert list(figures(once.record)) == list(figures(run.record))
    assert twice.run.record == once.record
    assert once.predictions is not None
    assert twice.run.predictions is not None
    pd.testing.assert_frame_equal(twice.run.predictions, once.predictions)


class Board(FakeDevice):
    """A device as people name theirs."""

    name = "ssh://moriarty@hushbox:2222"


@pytest.fixture(scope="module")
def board_run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run on a board, with images of which some are answered otherwise."""
    folder = tmp_path_factory.mktemp("clandestine")
    images = write_folder(folder / "photos", per_class=3)
    classes = len(COLOURS)

    def shifted(start: int, stop: int) -> list[list[float]]:
        return [[float(i == (row // 4) % classes) for i in range(classes)] for row in range(start, stop)]

    models = {"float32": FakeModel(classes=classes), "int8": FakeModel(classes=classes, scores=shifted)}
    paths = copies(folder / "models", *models)
    spec = Spec(
        tuple(f"skin/{name}={path}" for name, path in zip(models, paths, strict=True)),
        data=DataSpec(f"folder:{images}", normalize="-1..1"),
        settings=ONE_BLOCK,
        command=("edgebench", "run", "--data", f"folder:{images}", f"skin/int8={paths[1]}", "--out", str(folder)),
    )
    return run_spec(spec, device=Board(models))


def test_a_device_has_one_name_everywhere(board_run: StoredRun) -> None:
    found = redact_run(board_run, Secrets())
    record, predictions = found.run.record, found.run.predictions
    assert predictions is not None
    ids = [case.case_id for case in record.cases]
    assert ids == [f"skin/{name}@device-1/interpreter.litert+default/t1" for name in ("float32", "int8")]
    assert [case.device for case in record.cases] == ["device-1"] * 2
    comparison, answers = record.cases[1].comparison, record.cases[1].accuracy_comparison
    assert comparison is not None
    assert answers is not None
    assert comparison.baseline == answers.against == ids[0]
    assert set(found.run.samples["case"]) == set(predictions["case"]) == set(ids)
    assert "on device-1?" in render_markdown(record).splitlines()[0].replace("\\", "")


#: A phone's serial by USB, over the air by its place and by its announced name, and an emulator's.
SERIALS = ("R58M123ABC", "192.168.1.7:5555", "adb-R58M123ABC-aB3dEf._adb-tls-connect._tcp", "emulator-5554")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("named", [True, False], ids=["by a name", "by its serial"])
@pytest.mark.parametrize("serial", SERIALS)
def test_a_phone_s_serial_is_one_device_and_nowhere(serial: str, named: bool, form: str, board_run: StoredRun) -> None:
    told = "bedroom-phone" if named else phone_name(AdbAddress(serial))
    run = phone_run(board_run, serial, told)
    assert serial in to_json(run.record)
    found = redact_run(run, Secrets())
    shown = FORMS[form](found.run)
    assert [part for part in (serial, told, serial.partition(":")[0], "R58M123ABC") if part in shown] == []
    assert found.removed["device"] == 1
    assert found.run.record.command[2:4] == ("--device", "device-1,local")
    assert found.run.record.warnings == tuple(line.replace(serial, "device-1") for line in lines_of(serial))


def lines_of(serial: str) -> tuple[str, ...]:
    """What may be said of a phone in a run's record."""
    return (
        f"{serial}: the connection was lost (adb: device offline); trying again in 1 s",
        f"no such phone is attached; there is {serial}.",
        f"could not run adb -s {serial} shell getprop",
        f"device '{serial}' not found",
    )


def phone_run(run: StoredRun, serial: str, name: str) -> StoredRun:
    """Return a run that was measured on a phone of that name, and tells of its serial wherever one can stand."""
    old = Board.name

    def on_phone(value: str) -> str:
        return value.replace(old, name)

    cases = tuple(
        replace(case, case_id=on_phone(case.case_id), device=name, comparison=None, accuracy_comparison=None)
        for case in run.record.cases
    )
    devices = tuple(replace(device, name=name, address=serial) for device in run.record.devices)
    record = replace(
        run.record,
        cases=cases,
        devices=devices,
        command=("edgebench", "run", "--device", f"adb://{serial},local", "model.tflite"),
        warnings=lines_of(serial),
    )
    ids = run.samples["case"].astype(str).map(on_phone).astype("category")
    predictions = run.predictions
    assert predictions is not None
    told = predictions.assign(case=predictions["case"].astype(str).map(on_phone).astype("category"))
    return StoredRun(record, run.samples.assign(case=ids), told)


@pytest.mark.parametrize("engine", Engine)
def test_a_case_s_engine_stays_in_its_id(engine: Engine, board_run: StoredRun) -> None:
    case = board_run.record.cases[0]
    told = replace(case, case_id=f"skin/int8@{Board.name}/{engine.value}.litert+default/t1", engine=engine)
    record = edgebench.redact(replace(board_run.record, cases=(told,)))
    assert record.cases[0].case_id == f"skin/int8@device-1/{engine.value}.litert+default/t1"


def test_images_have_pseudonyms_that_are_the_same_in_every_form(board_run: StoredRun) -> None:
    found = redact_run(board_run, Secrets()).run
    assert board_run.predictions is not None
    assert found.predictions is not None
    real = board_run.predictions["image_id"].tolist()
    told = found.predictions["image_id"].tolist()
    assert len(set(zip(real, told, strict=True))) == len(set(real)) == len(set(told))
    assert told[0] == "image-0001"
    rows = FORMS["flips-csv"](found).splitlines()[1:]
    before = FORMS["flips-csv"](board_run).splitlines()[1:]
    assert rows
    renamed = dict(zip(real, told, strict=True))
    assert [row.split(",")[3] for row in rows] == [renamed[row.split(",")[3]] for row in before]
    for form in FORMS:
        text = FORMS[form](found)
        assert not [image for image in set(real) if image in text]


def test_the_images_are_said_to_be_left_out_and_none_is_there(board_run: StoredRun) -> None:
    page = FORMS["html"](redact_run(board_run, Secrets()).run)
    assert "Without pictures: they were left out (--redact)." in page
    assert "data:image" not in page.split("<script>")[0]


def test_what_makes_a_report_useful_stays(board_run: StoredRun) -> None:
    record = redact_run(board_run, Secrets()).run.record
    assert record.run_id == board_run.record.run_id
    for case, before in zip(record.cases, board_run.record.cases, strict=True):
        assert (case.model, case.variant) == (before.model, before.variant)
        assert case.runtime == before.runtime
        assert case.file == replace(before.file, path=Path(before.file.path).name)
        assert case.accuracy == before.accuracy
        assert case.latency == before.latency
    assert record.data is not None
    assert record.data.source == "folder:path-1"
    assert record.command == (
        "edgebench", "run", "--data", "folder:path-1", "skin/int8=int8.tflite", "--out", record.command[-1],
    )  # fmt: skip
    assert record.command[-1].startswith("path-")


def test_it_says_how_much_was_removed(board_run: StoredRun) -> None:
    found = redact_run(board_run, Secrets())
    count = len(set(board_run.predictions["image_id"]))  # type: ignore[index]
    assert found.removed["image"] == count
    assert found.line.startswith("redacted: 1 host name, 1 device, ")
    assert f", {count} image ids" in found.line
    plain = replace(
        filled(RunRecord, lambda n: f"w{n}"), cases=(), data=None, rejected=(), command=(), devices=(), conditions=()
    )
    empty = replace(plain, environment=replace(plain.environment, hostname=""))
    assert redact_run(StoredRun(empty, pd.DataFrame({"case": []}), None), Secrets()).line == (
        "redacted: nothing here names a machine, a person or an image"
    )


def test_in_python_a_record_and_a_run_are_redacted(board_run: StoredRun) -> None:
    record = edgebench.redact(board_run.record)
    assert isinstance(record, RunRecord)
    assert record.cases[0].device == "device-1"
    run = edgebench.redact(board_run)
    assert isinstance(run, StoredRun)
    assert run.record.cases == record.cases


def scrub(text: str, **secrets: tuple[str, ...]) -> str:
    """Return what a warning becomes."""
    plain = replace(
        filled(RunRecord, lambda n: f"w{n}"), warnings=(text,), cases=(), rejected=(), command=(), conditions=()
    )
    quiet = replace(plain, environment=replace(plain.environment, hostname=""), data=None)
    run = StoredRun(quiet, pd.DataFrame({"case": []}), None)
    (found,) = redact_run(run, Secrets(**secrets)).run.record.warnings
    return found


@pytest.mark.parametrize(
    "text",
    [
        "the process waited for a CPU 36% of the time",
        "add cpufreq.default_governor=performance, or: echo performance | sudo tee /sys/devices/system/cpu/cpu0/x",
        "/proc/self/smaps_rollup: permission denied",
        "took 65 of 66 nodes in 1 part; 3 images/s, n/a, 1 / 2, and/or",
        "sample/int8@local/interpreter.litert~old+default/t1 against sample/float32@local/compiled.litert+none/t2",
        "~: 66 of XNNPACK's operators are matched to nodes by their order",
        "Linux 6.1.0-18-amd64, ai-edge-litert 2.3.0, Mesa 25.0.7 (LLVM 19.1.7), at 12:34:56 on 2026-01-02T03:04:05",
        "StatefulPartitionedCall/model/block_1/add;net/add",
        "continued on 2026-01-03T00:00:00+00:00: block 1 of samples.parquet was measured then",
        "std::vector",
        "Raspberry Pi 4 Model B Rev 1.4",
        "model.tflite is empty",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert scrub(text, hosts=("vm", "pi"), users=("root", "pi")) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/opt/x/model.tflite: damaged", "model.tflite: damaged"),
        ("cannot open /opt/x: no such folder", "cannot open path-1: no such folder"),
        ("models/private/net.tflite: damaged", "net.tflite: damaged"),
        ("'/opt/My Files/a.so' and \"/opt/b c\"", "'a.so' and \"path-1\""),
        ("two: /opt/x, /opt/y and /opt/x", "two: path-1, path-2 and path-1"),
        ("built by eve@forge #1 SMP", "built by address-1 #1 SMP"),
        ("/home/eve/x and eve, not evening", "path-1 and user-1, not evening"),
        ("https://example.org/a/b?c=d is down", "address-1 is down"),
        ("10.0.0.7:5555 answered, 10.0.0.8 did not", "address-1 answered, address-2 did not"),
        ("photos of eve/1.jpg", "photos of path-1"),
        ("holiday.jpg: corrupt", "path-1: corrupt"),
        ("ssh://eve@nas/home/eve/plans and ssh://eve@nas: gone", "device-1/path-1 and device-1: gone"),
        ("scp eve@nas:/srv/plans", "scp address-1:path-1"),
        ("host HUSHBOX, hushbox.local", "host host-1, host-1.local"),
        (r"\\nas\share\eve and D:\x\y", "path-1 and path-2"),
    ],
)
def test_what_is_secret_in_a_sentence(text: str, told: str) -> None:
    assert scrub(text, hosts=("hushbox",)) == told


def test_words_of_the_record_stay_whatever_people_are_called() -> None:
    """A reason is found under the name of its field."""
    record = filled(RunRecord, lambda n: f"w{n}")
    case = replace(record.cases[0], unavailable={"accuracy": "max said no"}, unchecked={"hot": "no sensor"})
    changed = StoredRun(replace(record, cases=(case,)), pd.DataFrame({"case": []}), None)
    (told,) = redact_run(changed, Secrets(hosts=("hot",), users=("max", "accuracy"))).run.record.cases
    assert told.unavailable == {"accuracy": "user-1 said no"}
    assert told.unchecked == {"hot": "no sensor"}


def test_a_word_that_is_also_an_images_name_stays() -> None:
    record = filled(RunRecord, lambda n: f"w{n}")
    data = replace(record.data, skipped=(SkippedImage("nevus", "w1"), SkippedImage("IMG_0451", "IMG_0451: corrupt")))  # type: ignore[type-var]
    accuracy = replace(record.cases[0].accuracy, labels=("nevus",))  # type: ignore[type-var]
    changed = replace(record, data=data, cases=(replace(record.cases[0], accuracy=accuracy),), warnings=("a nevus",))
    told = edgebench.redact(changed)
    assert told.data is not None
    assert told.data.skipped == (SkippedImage("image-0002", "w1"), SkippedImage("image-0001", "image-0001: corrupt"))
    assert told.warnings == ("a nevus",)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--threads", "1,2", "--budget=30s", "--json"), ("--threads", "1,2", "--budget=30s", "--json")),
        (("--normalize", "-1..1", "--recommend", "recall:mel=-2pt"),) * 2,
        (("--json", "a/b/net.tflite", "plans"), ("--json", "net.tflite", "path-1")),
        (("--delegate", "default,none", "--delegate", "external:/l/libx.so"),
         ("--delegate", "default,none", "--delegate", "external:libx.so")),
        (("--delegate", "none,xnnpack,gpu,nnapi", "--benchmark-model", "official"),) * 2,
        (("--benchmark-model", "/opt/tool"), ("--benchmark-model", "path-1")),
        (("--python", "old=/opt/py/bin/python3",), ("--python", "old=path-1")),
        (("--out=secrets", "--metadata", "m.csv"), ("--out=path-1", "--metadata", "m.csv")),
        (("--data", "phantom:count=40", "--device", "local"),) * 2,
        (("--data", "ham10000:x", "--device", "ssh://a@b"), ("--data", "ham10000:path-1", "--device", "device-1")),
        (("--unheard-of", "plans", "--other", "7"), ("--unheard-of", "path-1", "--other", "7")),
    ],
)  # fmt: skip
def test_commands_keep_what_says_how_was_measured(words: tuple[str, ...], told: tuple[str, ...]) -> None:
    record = replace(filled(RunRecord, lambda n: f"w{n}"), command=("edgebench", "run", *words), cases=(), rejected=())
    quiet = replace(record, data=None)
    assert edgebench.redact(quiet).command == ("edgebench", "run", *told)


def test_the_flags_that_stay_are_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out
    assert [flag for flag in (*TELLING_FLAGS, *LONE_FLAGS) if flag not in text] == []


@pytest.fixture
def kept(board_run: StoredRun, tmp_path: Path) -> Path:
    return save(board_run, tmp_path / "results")


@pytest.mark.parametrize("form", FORMS)
def test_the_command_redacts_every_form_and_says_so(
    kept: Path, form: str, board_run: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(kept), "--format", form, "--redact"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("edgebench: redacted: ")
    assert err.count("\n") == 1
    assert [
        secret for secret in (*SECRET, board_run.record.environment.hostname) if secret in out and len(secret) > 4
    ] == []
    assert load(kept).record.cases[0].device == Board.name


def test_a_run_redacts_its_page_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "clandestine"
    (path,) = copies(folder, "net")
    out = folder / "results"
    flags = ("--min-time", "0ms", "--min-runs", "12", "--blocks", "1", "--quiet", "--redact")
    assert main(["run", path, "--out", str(out), *flags]) == 0
    printed, err = capsys.readouterr()
    (run,) = out.iterdir()
    assert "clandestine" not in (run / "report.html").read_text(encoding="utf-8")
    assert "net.tflite" in (run / "report.html").read_text(encoding="utf-8")
    assert json.loads((run / "run.json").read_text())["cases"][0]["file"]["path"] == path
    assert "clandestine" in printed  # where it is stored
    assert err.startswith("edgebench: the page is redacted: ")
    assert "the run's other files are whole" in err


def test_in_python_the_page_is_redacted_too_and_on_a_resumed_run(tmp_path: Path) -> None:
    folder = tmp_path / "clandestine"
    models = {"float32": FakeModel(), "int8": FakeModel()}
    paths = copies(folder / "models", *models)
    spec = Spec(tuple(f"skin/{name}={path}" for name, path in zip(models, paths, strict=True)), settings=ONE_BLOCK)
    whole = run_spec(spec, out=folder / "results", device=Board(models), redact_page=True)
    assert whole.folder is not None
    page = (whole.folder / "report.html").read_text(encoding="utf-8")
    assert [secret for secret in SECRET if secret in page] == []
    assert whole.record.cases[0].device == Board.name
    stopped = run_spec(spec, out=folder / "more", device=Board(models), progress=Stops(), redact_page=False)
    assert stopped.record.interrupted
    resumed = resume_run("latest", folder / "more", device=Board(models), redact_page=True)
    assert resumed.folder is not None
    page = (resumed.folder / "report.html").read_text(encoding="utf-8")
    assert [secret for secret in SECRET if secret in page] == []


class Stops(Progress):
    """Ctrl-C once timing begins."""

    def phase(self, name: str, total: int) -> None:
        if name.startswith("timing"):
            raise KeyboardInterrupt


def test_texts_are_found_wherever_they_are() -> None:
    found: list[Any] = list(texts_of(filled(DataInfo, lambda n: f"text {n}")))
    assert found == [f"text {n}" for n in range(1, len(found) + 1)]
