from __future__ import annotations

from pathlib import Path

import pytest
from edgebench import swap
from edgebench.swap import swap_folders, sync


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path / "one", tmp_path / "other"


@pytest.mark.parametrize("in_one_step", [True, False])
def test_two_folders_exchange_their_names(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    if not in_one_step:
        monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    one, other = folders
    swap_folders(one, other)
    assert ((one / "file").read_text(), (other / "file").read_text()) == ("other", "one")
    assert sorted(one.parent.iterdir()) == [one, other]


def test_what_cannot_be_exchanged_stays_as_it_is(folders: tuple[Path, Path]) -> None:
    one, other = folders
    with pytest.raises(FileNotFoundError):
        swap_folders(one.with_name("none"), other)
    assert (other / "file").read_text() == "other"
    assert sorted(one.parent.iterdir()) == [one, other]


def test_files_and_folders_can_be_waited_for(folders: tuple[Path, Path]) -> None:
    sync(*folders, folders[0] / "file")
    with pytest.raises(FileNotFoundError):
        sync(folders[0] / "none")
