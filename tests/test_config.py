from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.config import Config, GateTable, find_config, load_config
from edgebench.errors import UsageError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, as the current one, that no search leaves."""
    monkeypatch.delenv("EDGEBENCH_CONFIG", raising=False)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, path: Path = Path("edgebench.toml")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(text: str) -> str:
    write(text)
    with pytest.raises(UsageError) as caught:
        load_config()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_everything_is_empty() -> None:
    assert load_config() == Config()


def test_all_sections() -> None:
    write(
        """
        [run]
        budget = "60s"
        threads = [1, 2]
        max-bad = 0.1
        require-full = true
        [compare]
        undecided = "fail"
        [[gate]]
        check = "p50 <= 1.05x"
        [[gate]]
        variant = "int8*"
        device = "pi"
        model = "skin"
        check = ["recall[mel] >= -2pt", "size <= 3MB"]
        [devices.pi]
        ssh = "pi@raspberrypi.local"
        """
    )
    found = load_config()
    assert found.path == Path("edgebench.toml")
    assert found.run == {"budget": "60s", "threads": [1, 2], "max-bad": 0.1, "require-full": True}
    assert found.compare == {"undecided": "fail"}
    assert found.gates == (
        GateTable(("p50 <= 1.05x",)),
        GateTable(("recall[mel] >= -2pt", "size <= 3MB"), model="skin", variant="int8*", device="pi"),
    )
    assert found.devices == {"pi": {"ssh": "pi@raspberrypi.local"}}


def test_the_nearest_file_up_to_the_checkouts_root_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = write("", place / "edgebench.toml")
    deep = place / "checkout" / "a" / "b"
    deep.mkdir(parents=True)
    assert find_config(start=deep) == Path("edgebench.toml")
    inner = write("", place / "checkout" / "a" / "edgebench.toml")
    monkeypatch.chdir(deep)
    assert find_config() == inner
    inner.unlink()
    assert find_config() == outer
    (place / "checkout" / ".git").write_text("gitdir: elsewhere")
    assert find_config() is None


def test_a_folder_above_that_everyone_may_write_to_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("", place / "open" / "edgebench.toml")
    (place / "open").chmod(0o777)
    mine = place / "open" / "mine"
    mine.mkdir()
    assert find_config(start=mine) is None
    assert find_config(start=place / "open") is not None


def test_a_named_file_comes_first_then_the_variable(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[run]\nbudget = "1s"')
    write('[run]\nbudget = "2s"', place / "variable.toml")
    named = write('[run]\nbudget = "3s"', place / "named.toml")
    monkeypatch.setenv("EDGEBENCH_CONFIG", "variable.toml")
    assert load_config().run == {"budget": "2s"}
    assert load_config(named).run == {"budget": "3s"}
    monkeypatch.setenv("EDGEBENCH_CONFIG", "")
    assert load_config().run == {"budget": "1s"}


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_CONFIG", "gone.toml")
    with pytest.raises(UsageError, match=r"^gone\.toml: cannot be read: No such file or directory$"):
        load_config()


def test_paths_begin_at_the_files_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "x=y.tflite").touch()
    text = """
    [run]
    models = ["a.tflite", "skin/int8=b.tflite", "x=y.tflite", "/abs/c.tflite", "~/d.tflite"]
    data = "folder:photos"
    out = "runs"
    metadata = "m.csv"
    labels = "l.txt"
    python = ["python3.9", "old=venv/bin/python"]
    delegate = ["default", "external:lib/libx.so", "external:libbare.so"]
    signature = "serving"
    [compare]
    out = "runs"
    """
    write(text)
    as_written = load_config().run
    assert as_written["data"] == "folder:photos"
    assert as_written["out"] == "runs"
    sub = place / "sub"
    sub.mkdir()
    monkeypatch.chdir(sub)
    found = load_config()
    assert found.run == {
        "models": [
            f"{place}/a.tflite", f"skin/int8={place}/b.tflite", f"{place}/x=y.tflite", "/abs/c.tflite", "~/d.tflite",
        ],
        "data": f"folder:{place}/photos",
        "out": f"{place}/runs",
        "metadata": f"{place}/m.csv",
        "labels": f"{place}/l.txt",
        "python": ["python3.9", f"old={place}/venv/bin/python"],
        "delegate": ["default", f"external:{place}/lib/libx.so", "external:libbare.so"],
        "signature": "serving",
    }  # fmt: skip
    assert found.compare == {"out": f"{place}/runs"}


def test_generated_images_have_no_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[run]\ndata = "phantom"')
    (place / "sub").mkdir()
    monkeypatch.chdir(place / "sub")
    assert load_config().run == {"data": "phantom"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run\n", "edgebench.toml: line 1, column 5: is no TOML: expected ']' at the end of a table declaration"),
        ("[run]\na = \n", "edgebench.toml: line 2, column 5: is no TOML: invalid value"),
        ("[rnu]\n", "edgebench.toml: no section is called [rnu]; did you mean run?"),
        ("[quite]\n", "edgebench.toml: no section is called [quite]; there are: compare, devices, gate, run"),
        ("run = 3\n", "edgebench.toml: [run]: must be a table"),
        ("[run]\nbudget = 2020-01-01\n", "edgebench.toml: [run] budget: must be text, a number, true or false, or a"),
        ("[run]\nthreads = [[1]]\n", "edgebench.toml: [run] threads: must be text, a number"),
        ("[run.threads]\na = 1\n", "edgebench.toml: [run] threads: must be text, a number"),
        ("[gate]\ncheck = 'x'\n", "edgebench.toml: [gate]: write [[gate]], there may be several"),
        ("[[gate]]\nchekc = 'x'\n", "edgebench.toml: [[gate]] 1: no key is called chekc; did you mean check?"),
        ("[[gate]]\nvariant = 'int8'\n", "edgebench.toml: [[gate]] 1: check must be one text or several"),
        ("[[gate]]\ncheck = 'x'\n[[gate]]\ncheck = []\n", "edgebench.toml: [[gate]] 2: check must be one text or"),
        ("[[gate]]\ncheck = [1]\n", "edgebench.toml: [[gate]] 1: check must be one text or several"),
        ("[[gate]]\ncheck = 'x'\ndevice = 3\n", "edgebench.toml: [[gate]] 1: device must be a pattern"),
        ("gate = [3]\n", "edgebench.toml: [[gate]]: must be a table"),
        ("devices = 3\n", "edgebench.toml: [devices]: must be a table"),
        ("[devices]\npi = 'x'\n", "edgebench.toml: [devices.pi]: must be a table"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, said: str) -> None:
    assert refused(text).startswith(said)


def test_a_file_in_another_encoding_is_one_line() -> None:
    Path("edgebench.toml").write_bytes("[run]\ndata = 'folder:Müller'\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"edgebench\.toml: is no UTF-8 text; save it as UTF-8"):
        load_config()
