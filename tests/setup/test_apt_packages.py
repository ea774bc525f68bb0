"""The real apt with a package source of the test's own, on this disk."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from edgebench.errors import DeviceRefused, UsageError
from edgebench.setup import apt_packages
from edgebench.setup.apt_packages import fetch_packages, read_packages

from .made_packages import make_deb

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt here")


def make_source(folder: Path, suite: str = "own") -> Path:
    """Write a source with two packages, one of which needs the other, and return its pool."""
    pool = folder / "pool"
    entries = []
    for name, needs in (("first", "second"), ("second", ""), ("other", "")):
        path = make_deb(pool, name, {f"usr/{name}": name.encode()})
        entries.append(
            f"Package: {name}\nVersion: 1-1\nArchitecture: arm64\nFilename: pool/{path.name}\n"
            f"Size: {path.stat().st_size}\nSHA256: {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
            + (f"Depends: {needs}\n" if needs else "")
        )
    index = folder / f"dists/{suite}/main/binary-arm64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text("\n".join(entries))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    (folder / f"dists/{suite}/Release").write_text(
        f"Suite: {suite}\nCodename: {suite}\nArchitectures: arm64\nComponents: main\n"
        f"SHA256:\n {digest} {index.stat().st_size} main/binary-arm64/Packages\n"
    )
    return pool


def make_etc(folder: Path, source: Path) -> Path:
    """Write the settings of a machine that has one package source among others."""
    (folder / "apt/sources.list.d").mkdir(parents=True)
    (folder / "os-release").write_text('ID=debian\nVERSION_CODENAME="own"\n')
    (folder / "apt/sources.list").write_text(
        f"# deb file:{source} own main\ndeb [trusted=yes] file:{source} own main contrib\n"
        f"deb-src file:{source} own main\ndeb [trusted=yes] file:/nowhere elsewhere main\n"
    )
    return folder


@needs_apt
def test_packages_with_all_that_they_depend_on(tmp_path: Path) -> None:
    make_source(tmp_path / "source")
    etc = make_etc(tmp_path / "etc", tmp_path / "source")
    first = fetch_packages("arm64", ["first"], cache=tmp_path / "cache", etc=etc)
    assert [deb.name for deb in first] == ["first", "second"]
    again = fetch_packages("arm64", ["first"], cache=tmp_path / "cache", etc=etc)
    assert again == first
    with pytest.raises(
        DeviceRefused, match="apt cannot fetch the packages: Unable to locate package third; name a fol"
    ):
        fetch_packages("arm64", ["third"], cache=tmp_path / "cache", etc=etc)
    with pytest.raises(
        DeviceRefused, match=r"apt cannot fetch the packages: .*next.*; name a folder of packages with -"
    ):
        fetch_packages("arm64", ["first"], "next", cache=tmp_path / "cache", etc=etc)


def test_sources_are_this_machines_own_with_the_suite_replaced(tmp_path: Path) -> None:
    etc = make_etc(tmp_path, Path("/mirror"))
    (etc / "apt/sources.list.d/own.sources").write_text(
        "Types: deb\nURIs: file:/other\nSuites: own own-updates\nComponents: main\n\n"
        "Types: deb\nURIs: file:/other\nSuites: own-security\nComponents: main\n\n"
        "Types: deb\nURIs: file:/third\nSuites: own\nComponents: stable\n"
    )
    assert apt_packages._sources(etc, "next") == {
        "own.list": "deb [trusted=yes] file:/mirror next main\n",
        "own.sources": "Types: deb\nURIs: file:/other\nSuites: next\nComponents: main\n",
    }


def test_a_machine_without_apt_or_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("apt-get") is not None:
        with pytest.raises(
            UsageError, match="no package source of this machine's release here; name a folder of packa"
        ):
            fetch_packages("arm64", cache=tmp_path, etc=tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"there is no apt here to fetch .* name a folder of packages with --packages, or"
    ):
        fetch_packages("arm64", cache=tmp_path)


def test_a_folder_of_packages(tmp_path: Path) -> None:
    make_deb(tmp_path, "b", {})
    make_deb(tmp_path, "a", {})
    assert [deb.name for deb in read_packages(tmp_path)] == ["a", "b"]
    with pytest.raises(UsageError, match=r"--packages .*nothing: there are no Debian packages \(\*.deb\) in it"):
        read_packages(tmp_path / "nothing")
