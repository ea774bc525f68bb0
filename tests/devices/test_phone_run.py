"""A phone from bare to a report by the commands alone: by its serial, cut off while it is set up; and two at once.

The page's commands, of a phone with a name, are those of test_phone_docs.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import edgebench
import pytest
from edgebench.cli import main
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.records import Status
from edgebench.report.html import render_html
from harness import MODELS, SHORT_FLAGS, model
from pytest_sessions import Folder

from .adb_client import lead_to
from .adb_server import AdbServer
from .bundles import require_bundle
from .phone import Phone
from .support import wait_for

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]
Say = Callable[..., str]
SAMPLE = Path(__file__).resolve().parents[2] / "models/sample"
_CUT_BYTES = 10_000_000


@pytest.fixture
def say(
    own_adb_server: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Say:
    """Run a command at a desk with a server of its own, and return all that it says."""
    lead_to(own_adb_server, monkeypatch)
    monkeypatch.chdir(tmp_path)

    def said(*words: str, code: int = 0) -> str:
        capfd.readouterr()
        found = main(list(words))
        out, err = capfd.readouterr()
        assert found == code, f"{words}\n{out}\n{err}"
        assert "Traceback" not in err
        return err + out

    return said


def test_by_its_serial_from_a_set_up_that_was_cut_off_to_a_page_for_others(
    start_phone: StartPhone, say: Say, tmp_path: Path
) -> None:
    phone = start_phone()
    device, results = f"adb://{phone.serial}", tmp_path / "results"
    cut = _Cut(phone)
    lines = say("device", "setup", device, "--bundle", str(require_bundle())).splitlines()
    assert cut.at_bytes >= _CUT_BYTES
    assert [line.split(":")[0] for line in lines if not line.startswith("edgebench: ")] == [
        phone.serial.partition(":")[0], "bundle", "sent, unpacked and checked", "works", "measure on it with"
    ]  # fmt: skip
    assert lines[-1] == f"measure on it with: edgebench run MODEL --device {device}"

    told = say("doctor", "--device", device)
    assert "Machine: Google Pixel 7, Google Tensor G2, aarch64" in told
    assert f"{PHONE_FOLDER}/bundle/bin/python3: Python 3.11" in told
    assert "install libvulkan1" not in told

    variants = [str(SAMPLE / f"{variant}.tflite") for variant in ("float32", "int8")]
    say("run", *variants, "--device", device, *SHORT_FLAGS, "--redact", "--quiet")
    stored = edgebench.load("latest", results)
    record = stored.record
    assert {case.status for case in record.cases} == {Status.OK}
    parity = {case.variant: case.device_parity for case in record.cases}
    assert all(found is not None and found.agrees for found in parity.values())
    assert parity["int8"] is not None
    assert parity["int8"].bit_equal
    timed = stored.samples[~stored.samples["warmup"]].sort_values("start_ns")
    turns = sum(one != other for one, other in pairwise(timed["case"].astype(str)))
    assert turns >= 4  # in rounds, not one after the other
    assert phone.serial.replace(":", "-") in render_html(record, stored.samples, None)
    page = (results / record.run_id / "report.html").read_text(encoding="utf-8")
    assert "device-1" in page
    assert [secret for secret in (phone.serial, phone.serial.replace(":", "-"), device) if secret in page] == []

    assert "removed 1" in say("device", "clean", device)
    assert f"nothing to remove in {PHONE_FOLDER}" in say("device", "clean", device)
    assert not phone.path(PHONE_FOLDER).exists()


class _Cut:
    """Kills a phone's daemon once some of a bundle has arrived, and starts it again."""

    def __init__(self, phone: Phone) -> None:
        self.at_bytes = 0
        self._phone = phone
        threading.Thread(target=self._cut, daemon=True).start()

    def _cut(self) -> None:
        if wait_for(self._enough):
            self._phone.kill_daemon()
            self._phone.start_daemon()

    def _enough(self) -> bool:
        parts = self._phone.path(f"{PHONE_FOLDER}/parts")
        self.at_bytes = sum(part.stat().st_size for part in parts.iterdir()) if parts.is_dir() else 0
        return self.at_bytes >= _CUT_BYTES


def name_phones(folder: Path, **phones: Phone) -> None:
    """Name phones in edgebench.toml, with the Python that they have."""
    lines = [
        f'[devices.{name}]\nadb = "{phone.serial}"\npython = "{phone.host_python}"\n' for name, phone in phones.items()
    ]
    (folder / "edgebench.toml").write_text("".join(lines))


def test_two_phones_in_one_run_and_turns_of_an_old_and_a_new_build(
    start_phone: StartPhone, say: Say, tmp_path: Path
) -> None:
    first, second = start_phone(with_python=True), start_phone(with_python=True)
    name_phones(tmp_path, one=first, two=second)
    listed = say("device", "list", "--check").splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["one", f"adb://{first.serial}", "answers:"],
        ["two", f"adb://{second.serial}", "answers:"],
    ]
    python = ("--python", str(first.host_python))
    shutil.copy(model("float32"), "old.tflite")
    shutil.copy(MODELS / "gray.tflite", "new.tflite")
    said = say("run", "net/a=old.tflite", "--device", "one,two", *python, *SHORT_FLAGS)
    record = edgebench.load("latest", tmp_path / "results").record
    assert {(case.device, case.status) for case in record.cases} == {("one", Status.OK), ("two", Status.OK)}
    assert {device.name: device.address for device in record.devices} == {"one": first.serial, "two": second.serial}
    assert "\nDevice one: Google Pixel 7" in said

    say("run", "net/a=old.tflite", "--device", "two", *python, *SHORT_FLAGS, "--quiet")
    told = say("compare", "latest", "net/a=new.tflite", "--interleave", *SHORT_FLAGS, "--quiet")
    assert "Files are smaller: a " in told
    (device,) = edgebench.load("latest", tmp_path / "results").record.devices
    assert (device.name, device.address) == ("two", second.serial)


@pytest.mark.usefixtures("say")
def test_a_pytest_session_measures_there(start_phone: StartPhone, tmp_path: Path) -> None:
    phone, folder = start_phone(with_python=True), Folder(tmp_path / "project")
    name_phones(folder.path, phone=phone)
    folder.test_file(
        "def test_own(edgebench):\n"
        f"    case = edgebench('net/int8.tflite', blocks=1, python={phone.host_python!r}).case\n"
        "    assert case.device == 'phone'\n"
    )
    done = folder.run("test_own.py", "--edgebench-device", "phone")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
