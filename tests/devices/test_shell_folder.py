"""Our folder as a shell sees it: the same names as a helper program's, and nothing of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.remote import file_digest
from edgebench.devices.shell_files import ShellFiles
from edgebench.devices.shell_folder import OURS, TOOL, TOOL_ORIGIN, remove_all, remove_files, remove_tool
from edgebench.errors import DeviceRefused
from edgebench.worker import keeper_files
from edgebench.worker.keeper_files import MARKER, FileStore

from .local_transport import LocalTransport

FOLDER = "a folder/edgebench"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / FOLDER


@pytest.fixture
def transport(tmp_path: Path) -> LocalTransport:
    return LocalTransport(tmp_path, login="echo Welcome")


def test_a_shell_and_a_helper_program_call_the_same_things_ours() -> None:
    assert {*OURS, MARKER} == set(keeper_files._OURS)


def test_a_folder_that_a_shell_began_is_one_for_a_helper_program_and_the_other_way(
    transport: LocalTransport, root: Path
) -> None:
    file = root.parent.parent / "file"
    file.write_bytes(b"content")
    files = ShellFiles(transport, FOLDER)
    assert files.root == str(root)
    files.push(file, file_digest(file))
    marker_bytes = (root / MARKER).stat().st_size
    assert FileStore(str(root)).remove() == {"removed_bytes": 7 + marker_bytes, "left": []}
    assert not root.exists()
    FileStore(str(root))
    assert ShellFiles(transport, FOLDER).root == str(root)


def test_everything_of_ours_goes_and_others_files_stay(transport: LocalTransport, root: Path) -> None:
    _fill(root)
    found = remove_all(transport, FOLDER)
    assert (found.root, found.removed_bytes, found.left) == (str(root), 9, (".hidden", TOOL, "notes of mine"))
    assert sorted(path.name for path in root.iterdir()) == [".hidden", TOOL, "notes of mine"]


def test_the_tool_goes_where_we_have_put_it_there(transport: LocalTransport, root: Path) -> None:
    _fill(root)
    (root / TOOL_ORIGIN).write_text("{}")
    assert remove_tool(transport, FOLDER).removed_bytes == 6
    assert not (root / TOOL).exists()
    assert (root / "files" / "model").exists()
    assert remove_tool(transport, FOLDER).removed_bytes == 0


def test_files_alone(transport: LocalTransport, root: Path) -> None:
    _fill(root)
    assert remove_files(transport, FOLDER).removed_bytes == 5
    assert (root / "env" / "a b").exists()
    assert (root / TOOL).exists()


def test_a_folder_that_is_not_ours_and_one_that_is_not_there(transport: LocalTransport, root: Path) -> None:
    assert remove_all(transport, FOLDER).removed_bytes == 0
    _fill(root)
    (root / MARKER).unlink()
    with pytest.raises(DeviceRefused, match=f"has no file {MARKER}: nothing is removed there"):
        remove_all(transport, FOLDER)
    with pytest.raises(DeviceRefused, match="has something of others called files; name another folder"):
        _ = ShellFiles(transport, FOLDER).root
    assert (root / "files" / "model").exists()


def _fill(root: Path) -> None:
    """Make a folder with 9 bytes of ours in it, 5 of them files, beside things of others."""
    for name, text in {
        "files/model": "abcde", "env/a b": "fg", "worker-00.pyz": "h", "scratch/x/y": "i", MARKER: "",
        TOOL: "jklm", "notes of mine": "n", ".hidden": "o",
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
