from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from edgebench.worker.refusal import Refusal
from edgebench.worker.scratch import drop_scratch, file_state, make_scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_of_ones_own_comes_and_goes(temporary: Path) -> None:
    folder = Path(make_scratch())
    assert folder.parent == temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "deeper").mkdir()
    (folder / "deeper" / "cache").write_bytes(b"x")
    drop_scratch(str(folder))
    assert not folder.exists()
    drop_scratch(str(folder))


def test_nothing_else_is_removed(temporary: Path) -> None:
    other = temporary / "other"
    inside = other / "edgebench-scratch-1"
    inside.mkdir(parents=True)
    link = temporary / "edgebench-scratch-link"
    link.symlink_to(other)
    for path in (other, inside, link, temporary, Path("/"), temporary / "edgebench-scratch-1" / ".." / "other"):
        with pytest.raises(Refusal, match="is no temporary folder of edgebench"):
            drop_scratch(str(path))
    assert inside.is_dir()


def test_no_place_for_a_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(Refusal, match="no temporary folder can be made there: No such file"):
        make_scratch()


def test_a_file_that_was_written_anew_differs(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    assert file_state(str(path)) is None
    path.write_bytes(b"abc")
    before = file_state(str(path))
    assert before is not None
    assert before["size_bytes"] == 3
    path.read_bytes()
    assert file_state(str(path)) == before
    path.unlink()
    path.write_bytes(b"abcd")
    assert file_state(str(path)) != before
