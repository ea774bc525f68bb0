from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from edgebench.errors import InputError
from edgebench.setup.deb import files_of, read_deb

from .made_packages import make_deb


def test_what_a_package_is_and_installs(tmp_path: Path) -> None:
    path = make_deb(tmp_path, "libown1", {"usr/lib/libown.so.1": b"code", "etc/own": b""}, "1.2-3")
    deb = read_deb(path)
    assert (deb.name, deb.version, deb.architecture) == ("libown1", "1.2-3", "arm64")
    assert (deb.sha256, deb.size_bytes) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert dict(files_of(deb)) == {"usr/lib/libown.so.1": b"code", "etc/own": b""}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here to make packages with")
@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
def test_packages_as_debian_and_ubuntu_pack_them(kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: own\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: made\n"
    )
    (tree / "usr/one").write_bytes(b"content")
    (tree / "usr/two").hardlink_to(tree / "usr/one")
    (tree / "usr/three").symlink_to("one")
    path = tmp_path / "own.deb"
    done = subprocess.run(["dpkg-deb", f"-Z{kind}", "--root-owner-group", "-b", str(tree), str(path)], check=False)
    if done.returncode != 0:
        pytest.skip(f"this dpkg-deb does not pack with {kind}")
    deb = read_deb(path)
    assert deb.architecture == "all"
    assert dict(files_of(deb)) == {"usr/one": b"content", "usr/two": b"content"}


def test_damaged_ones(tmp_path: Path) -> None:
    path = make_deb(tmp_path, "own", {"usr/file": bytes(3000)})
    whole = path.read_bytes()
    with pytest.raises(InputError, match=r"other.deb: cannot be read: No such file"):
        read_deb(tmp_path / "other.deb")
    path.write_bytes(b"no package")
    with pytest.raises(InputError, match=r"own_1-1_arm64.deb: is no Debian package"):
        read_deb(path)
    path.write_bytes(whole[:-100])
    deb = read_deb(path)
    with pytest.raises(InputError, match=r"own_1-1_arm64.deb: is damaged: "):
        list(files_of(deb))
    path.write_bytes(whole[: whole.index(b"data.tar")])
    with pytest.raises(InputError, match=r"has no data.tar"):
        list(files_of(deb))
