"""Bundles of packages that the tests make; what real ones do is tested on a phone."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from edgebench.errors import DeviceRefused, InputError, UsageError
from edgebench.setup import bundle as bundles
from edgebench.setup.apt_packages import read_packages
from edgebench.setup.bundle import Wanted, build
from edgebench.setup.bundle_file import Bundle, newest_bundle, read_bundle
from edgebench.setup.elf import read_elf
from edgebench.setup.listener import Listener

from .made_packages import library_files, make_deb, make_elf, make_tar, python_files
from .made_wheels import make_wheel, pip_of


class Kitchen:
    """Folders with the parts of a bundle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = folder / "debs"
        self.wheels = folder / "wheels"
        make_deb(self.packages, "python3.11", python_files())
        make_deb(self.packages, "libc6", library_files())
        make_deb(self.packages, "unused", {"usr/share/doc/unused/copyright": b"", "usr/lib/unused": b""})
        library = make_elf(["libc.so.6", "libssl.so.3", "libvendor.so"])
        make_wheel(
            self.wheels,
            "ai-edge-litert",
            "2.3.0",
            {
                "ai_edge_litert/core.so": library,
                "ai_edge_litert/tests/test_core.py": b"",
                "ai_edge_litert/core.pyi": b"",
                "ai_edge_litert-2.3.0.data/scripts/tool": b"",
                "ai_edge_litert-2.3.0.data/purelib/extra.py": b"",
            },
        )
        make_wheel(self.wheels, "numpy", "2.4.6")

    def build(self, name: str = "bundles", listener: Listener | None = None, **wanted: object) -> Bundle:
        asked = Wanted(**{"packages": self.packages, "wheels": self.wheels, **wanted})  # type: ignore[arg-type]
        cache = self.folder / "cache"
        return build(asked, listener, folder=self.folder / name, cache=cache, pip=pip_of(self.wheels))


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def names_in(bundle: Bundle) -> list[str]:
    with tarfile.open(bundle.path) as archive:
        return archive.getnames()


def test_a_bundle_of_packages_and_wheels(kitchen: Kitchen) -> None:
    bundle = kitchen.build()
    names = names_in(bundle)
    assert names[0] == "manifest.json"
    packages = "lib/python3.11/site-packages"
    assert {name for name in names if name.startswith(packages)} == {
        f"{packages}/ai_edge_litert/core.so",
        f"{packages}/extra.py",
        f"{packages}/numpy/__init__.py",
        *(f"{packages}/ai_edge_litert-2.3.0.dist-info/{name}" for name in ("METADATA", "WHEEL")),
        *(f"{packages}/numpy-2.4.6.dist-info/{name}" for name in ("METADATA", "WHEEL")),
    }
    assert {"bin/python3", "libexec/python3", "lib/libssl.so.3", "lib/python3.11/sitecustomize.py"} < set(names)
    assert "licences/libc6" in names
    told = bundle.manifest
    assert sorted(told["files"]) == sorted(names[1:])
    assert [package["name"] for package in told["packages"]] == ["libc6", "python3.11"]
    assert (told["python"], told["glibc"]) == ("3.11.2", "2.36")
    assert told["runtime"] == {"package": "ai-edge-litert", "version": "2.3.0"}
    assert told["left_out"]["libvendor.so"] == "core.so needs it, and no package here has it"
    assert {"_bz2", "psutil", "Pillow"} < set(told["left_out"])
    with tarfile.open(bundle.path) as archive:
        modes = {member.name: member.mode for member in archive}
        launcher = archive.extractfile("bin/python3")
        assert launcher is not None
        assert launcher.read().startswith(b"#!/bin/sh\n")
    programs = {name for name, mode in modes.items() if mode == 0o755}
    assert programs == {"bin/python3", "libexec/python3", "lib/ld-linux-aarch64.so.1"}


def test_the_same_parts_give_the_same_bytes_and_are_packed_once(kitchen: Kitchen) -> None:
    first = kitchen.build()
    assert kitchen.build("elsewhere").sha256 == first.sha256
    os.utime(first.path, (1, 1))
    assert kitchen.build() == first
    assert first.path.stat().st_mtime > 1  # the newest again
    make_wheel(kitchen.wheels, "psutil", "7.2.2")
    second = kitchen.build()
    assert second.path.parent == first.path.parent
    assert second.sha256 != first.sha256
    assert newest_bundle("aarch64", first.path.parent) == second
    assert newest_bundle("x86_64", first.path.parent) is None


@pytest.mark.parametrize("kind", ["tar", "gz", "zip"])
def test_a_python_archive(kitchen: Kitchen, kind: str) -> None:
    files = {path.replace("3.11", "3.12"): content for path, content in python_files("python").items()}
    path = kitchen.folder / f"python.{kind}"
    _write(path, kind, files)
    bundle = kitchen.build(python_archive=path)
    assert "lib/python3.12/os.py" in names_in(bundle)
    assert not any("python3.11" in name for name in names_in(bundle))
    assert [package["name"] for package in bundle.manifest["packages"]] == ["libc6"]


def test_an_archive_that_has_everything(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "fetch_packages", None)
    path = kitchen.folder / "python.tar"
    _write(path, "tar", {**python_files(), **library_files()})
    bundle = kitchen.build(packages=None, python_archive=path)
    assert bundle.manifest["packages"] == []


def test_what_an_archive_lacks_is_debians_where_there_is_one(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kitchen.folder / "python.tar"
    _write(path, "tar", python_files("python"))

    def none(*_arguments: object) -> None:
        raise UsageError("there is no apt here")

    monkeypatch.setattr(bundles, "fetch_packages", none)
    with pytest.raises(
        InputError, match=r"python.tar: has no ld-linux-aarch64.so.1, which a portable Python needs; name"
    ):
        kitchen.build(packages=None, python_archive=path)
    monkeypatch.setattr(bundles, "fetch_packages", lambda *_: read_packages(kitchen.packages))
    assert kitchen.build(packages=None, python_archive=path).manifest["packages"][0]["name"] == "libc6"


def test_what_cannot_be_built(kitchen: Kitchen) -> None:
    with pytest.raises(UsageError, match="--arch armv7l: bundles can be made for aarch64 and x86_64"):
        kitchen.build(architecture="armv7l")
    with pytest.raises(UsageError, match=r"--python-archive .*none: cannot be read"):
        kitchen.build(python_archive=kitchen.folder / "none")
    text = kitchen.folder / "text"
    text.write_bytes(b"text" * 500)
    with pytest.raises(UsageError, match=r"--python-archive .*text: is no tar or zip archive that can be read here"):
        kitchen.build(python_archive=text)
    old = {**library_files()}
    old = {path: content.replace(b"version 2.36", b"version 2.31") for path, content in old.items()}
    make_deb(kitchen.packages, "libc6", old)
    for wheel in kitchen.wheels.glob("*.whl"):
        wheel.unlink()
    with pytest.raises(DeviceRefused, match=r"there is no wheel of .* for CPython 3.11 on aarch64, glibc 2.31"):
        kitchen.build()
    with pytest.raises(
        InputError, match=r"libc6_1-1_arm64.deb: is no bundle, or a damaged one; make it anew with: edge"
    ):
        read_bundle(next(kitchen.packages.glob("libc6*")))
    with pytest.raises(InputError, match="none: cannot be read: No such file"):
        read_bundle(kitchen.folder / "none")


def test_a_wheel_whose_files_leave_their_folder(kitchen: Kitchen) -> None:
    make_wheel(kitchen.wheels, "numpy", "2.4.6", {"../evil.py": b""})
    with pytest.raises(InputError, match=r"holds a file that leaves its folder: ../evil.py"):
        kitchen.build()


def _write(path: Path, kind: str, files: Mapping[str, bytes]) -> None:
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif kind == "gz":
        with tarfile.open(path, "w:gz") as packed:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
    else:
        path.write_bytes(make_tar(files))


SHELLS = [shell for name in ("dash", "bash", "mksh", "busybox") if (shell := shutil.which(name))]


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's folder that is made of this machine's own Python, loader and libraries, with a name full of traps."""
    folder = tmp_path_factory.mktemp("laid out") / "a 'b' $c;d"
    for name in ("bin", "lib", "libexec"):
        (folder / name).mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    mapped = subprocess.run(
        [str(base), "-I", "-c", "import ctypes, zlib; print(open('/proc/self/maps').read())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = {Path(line.split()[-1]) for line in mapped.splitlines() if ".so" in line and "lib-dynload" not in line}
    for path in paths:
        told = read_elf(path.read_bytes())
        assert told is not None
        (folder / "lib" / (told.soname or path.name)).symlink_to(path)
    loader = next(path.name for path in (folder / "lib").iterdir() if path.name.startswith("ld-"))
    shutil.copy(base, folder / "libexec/python3")
    standard_library = Path(sysconfig.get_path("stdlib"))
    (folder / "lib" / standard_library.name).symlink_to(standard_library)
    launcher = folder / "bin/python3"
    launcher.write_text(bundles._LAUNCHER.replace("LOADER", loader).replace("PROGRAM", "libexec/python3"))
    launcher.chmod(0o755)
    return folder


ASK = "import sys; print(sys.executable, sys.prefix, sys.flags.no_user_site, sys.argv[1:], sep='|')"


def ask(command: list[str], folder: Path, **environment: str) -> str:
    """Return what a Python says of itself."""
    done = subprocess.run(
        [*command, "-c", ASK, "an argument", "$x"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
    )
    return done.stdout.rstrip() or done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=[Path(shell).name for shell in SHELLS])
def test_the_launcher_finds_its_folder_from_anywhere(laid_out: Path, tmp_path: Path, shell: str) -> None:
    launcher = laid_out / "bin/python3"
    expected = f"{launcher}|{laid_out}|1|['an argument', '$x']"
    with_shell = [shell, "sh"] if shell.endswith("busybox") else [shell]
    assert ask([*with_shell, str(launcher)], tmp_path) == expected
    assert ask([*with_shell, "python3"], launcher.parent) == expected
    assert ask([*with_shell, "../bin/python3"], launcher.parent) == expected
    (tmp_path / "link").symlink_to(os.path.relpath(launcher, tmp_path))
    (tmp_path / "again").symlink_to("link")
    assert ask([*with_shell, "again"], tmp_path) == expected


def test_the_launcher_is_what_child_processes_start(laid_out: Path, tmp_path: Path) -> None:
    launcher = laid_out / "bin/python3"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ASK!r}])"
    done = subprocess.run([launcher, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == f"{launcher}|{laid_out}|1|[]\n"
    told = ask([str(launcher)], tmp_path, PYTHONHOME="/nowhere", LD_LIBRARY_PATH="/nowhere", LD_PRELOAD="/nowhere/x.so")
    assert told == f"{launcher}|{laid_out}|1|['an argument', '$x']"
    assert ask(["python3"], tmp_path, PATH=f"{launcher.parent}:{os.environ['PATH']}").startswith(f"{launcher}|")
