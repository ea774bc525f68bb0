"""Environments out of wheel files, made here and run by this machine's own interpreter."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from edgebench.worker.environment import make_environment, read_environment
from edgebench.worker.refusal import Refusal
from setup.made_wheels import BASE_PYTHON, make_wheel

MANIFEST = {"format": 1, "made_utc": "2026-11-25 08:00 UTC"}


def request(*wheels: Path, **more: Any) -> dict[str, Any]:
    return {
        "python": BASE_PYTHON,
        "version": list(sys.version_info[:3]),
        "own_packages": False,
        "wheels": [{"path": str(path), "unpacked_bytes": path.stat().st_size} for path in wheels],
        "manifest": MANIFEST,
        **more,
    }


def root_of(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def said_by(root: Path, code: str) -> str:
    done = subprocess.run([str(root / "env/bin/python3"), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_its_python_has_what_the_wheels_hold_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "tool/__init__.py": b"import sys\nWHERE = sys.prefix\n",
        "tool/data.txt": b"text",
        "tool-1.0.data/purelib/pure.py": b"X = 1\n",
        "tool-1.0.data/platlib/plat.py": b"Y = 2\n",
        "tool-1.0.data/data/share/tool.conf": b"conf",
        "tool-1.0.data/scripts/tool": b"#!python\n",
        "tool-1.0.data/headers/tool.h": b"int x;",
        "tool/empty/": b"",
    }
    wheel = make_wheel(tmp_path / "files", "tool", "1.0", files)
    answer = make_environment(str(tmp_path), request(wheel))
    assert not wheel.exists()
    env = tmp_path / "env"
    assert said_by(tmp_path, "import tool, pure, plat; print(tool.WHERE, pure.X, plat.Y)") == f"{env} 1 2"
    assert said_by(tmp_path, "from importlib.metadata import version; print(version('tool'))") == "1.0"
    assert said_by(tmp_path, "import sys; print(*[place for place in sys.path if 'packages' in place])") == str(
        env / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    )
    assert (env / "share" / "tool.conf").read_text() == "conf"
    assert not list(env.rglob("tool.h"))
    assert answer["env_bytes"] > 0
    found = read_environment(str(tmp_path))
    assert (found["manifest"], found["problem"]) == (MANIFEST, None)
    assert found["free_bytes"] > 0
    assert names(tmp_path) == ["env", "files"]


def test_the_board_s_own_packages_are_seen_where_they_are_wanted(tmp_path: Path) -> None:
    seen = "import sys; print(any(place.startswith(sys.base_prefix) and 'packages' in place for place in sys.path))"
    for own, expected in ((True, "True"), (False, "False")):
        make_environment(str(tmp_path), request(own_packages=own))
        assert said_by(tmp_path, seen) == expected


def test_a_new_one_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    make_environment(str(tmp_path), request(make_wheel(tmp_path / "w", "old", "1.0")))
    (tmp_path / "env.new").mkdir()  # of a set-up that was cut off
    (tmp_path / "env.old").mkdir()
    make_environment(str(tmp_path), request(make_wheel(tmp_path / "w", "new", "1.0")))
    assert said_by(
        tmp_path, "import importlib.util as u; print(u.find_spec('old'), u.find_spec('new') is not None)"
    ) == ("None True")
    assert names(tmp_path) == ["env", "w"]


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py", "a\\b.py", "./a.py"])
def test_a_wheel_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    root = root_of(tmp_path / "root")
    make_environment(str(root), request(make_wheel(tmp_path, "before", "1.0")))
    wheel = make_wheel(tmp_path, "bad", "1.0", {"bad.py": b"", name: b"x"})
    with pytest.raises(Refusal, match="leaves its folder") as caught:
        make_environment(str(root), request(wheel))
    assert caught.value.code == "bad-wheel"
    assert not list(tmp_path.rglob("outside.py"))
    assert names(root) == ["env"]
    assert said_by(root, "import before; print('there')") == "there"


def test_a_damaged_wheel_leaves_nothing_half_made(tmp_path: Path) -> None:
    root = root_of(tmp_path / "root")
    whole = make_wheel(tmp_path, "whole", "1.0", {"whole.py": os.urandom(5000)})
    with zipfile.ZipFile(whole) as archive:
        place = archive.getinfo("whole.py").header_offset + 60
    data = bytearray(whole.read_bytes())
    data[place : place + 100] = bytes(100)
    whole.write_bytes(data)
    with pytest.raises(Refusal, match="a wheel cannot be unpacked") as caught:
        make_environment(str(root), request(whole))
    assert caught.value.code == "bad-wheel"
    assert names(root) == []


def test_a_disk_that_becomes_full_keeps_the_old_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = root_of(tmp_path / "root")
    make_environment(str(root), request(make_wheel(tmp_path, "before", "1.0")))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wheel = make_wheel(tmp_path, "large", "1.0")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(Refusal, match="its disk became full while the environment was made in") as caught:
        make_environment(str(root), request(wheel))
    assert caught.value.code == "no-space"
    assert names(root) == ["env"]
    assert wheel.exists()
    assert said_by(root, "import before; print('there')") == "there"


def test_it_is_not_begun_where_it_cannot_fit(tmp_path: Path) -> None:
    asked = request(make_wheel(tmp_path / "w", "large", "1.0"))
    asked["wheels"][0]["unpacked_bytes"] = 10**15
    with pytest.raises(Refusal, match=r"needs 1050000000 MB in .* MB are free; make room there") as caught:
        make_environment(str(tmp_path), asked)
    assert caught.value.code == "no-space"
    assert names(tmp_path) == ["w"]


def test_no_such_python(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="/nowhere/python3: no such program there"):
        make_environment(str(tmp_path), request(python="/nowhere/python3"))


def test_what_became_of_it_is_told(tmp_path: Path) -> None:
    assert read_environment(str(tmp_path))["manifest"] is None
    assert read_environment(str(tmp_path))["problem"] is None
    make_environment(str(tmp_path), request())
    link = tmp_path / "env" / "bin" / "python3"
    link.unlink()
    link.symlink_to("/nowhere/python3.11")
    assert read_environment(str(tmp_path))["problem"] == "its Python, /nowhere/python3.11, is not there any more"
    make_environment(str(tmp_path), request())
    (tmp_path / "env" / "edgebench.json").write_text("[]")
    assert read_environment(str(tmp_path))["problem"] == "its edgebench.json holds something else"
    (tmp_path / "env" / "edgebench.json").write_text("{")
    assert "edgebench.json cannot be read" in read_environment(str(tmp_path))["problem"]
