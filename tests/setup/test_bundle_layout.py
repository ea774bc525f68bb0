from __future__ import annotations

import pytest
from edgebench.errors import InputError
from edgebench.setup.bundle_layout import (
    ARCHITECTURES,
    Found,
    as_board,
    extra_libraries,
    lay_out,
    missing_libraries,
)

from .made_packages import ARM, library_files, make_elf, python_files


def found(**changes: bytes | None) -> dict[str, Found]:
    """Return the files of a Python and its libraries; a library's name may be changed to other content, or to none."""
    files = {**python_files(), **library_files()}
    for name, content in changes.items():
        (path,) = [path for path in files if name in path.rpartition("/")[2]]
        del files[path]
        if content is not None:
            files[path] = content
    return {path: Found(content, "package") for path, content in files.items()}


def test_a_python_with_every_library_that_it_needs_and_nothing_else() -> None:
    layout = lay_out(found(), ARM, "the packages")
    stem = "lib/python3.11/lib-dynload/{}.cpython-311-aarch64-linux-gnu.so"
    assert set(layout.files) == {
        "libexec/python3",
        "lib/ld-linux-aarch64.so.1",
        *(f"lib/{name}" for name in ("libc.so.6", "libm.so.6", "libz.so.1", "libffi.so.8")),
        "lib/libstdc++.so.6",
        "lib/libgcc_s.so.1",
        "lib/python3.11/os.py",
        "lib/python3.11/json/__init__.py",
        stem.format("_ctypes"),
    }
    assert layout.left_out == {"_bz2": "the packages has no libbz2.so.1.0"}
    assert layout.standard_library == "lib/python3.11"
    python = layout.python
    assert (python.version, python.architecture, python.glibc, python.libstdcxx) == ((3, 11, 2), "aarch64", (2, 36), 30)
    assert as_board(layout).pythons == (python,)


@pytest.mark.parametrize("name", ["libc", "libz", "libgcc_s", "libffi", "ld-linux"])
def test_a_library_that_is_missing(name: str) -> None:
    with pytest.raises(InputError, match=rf"here: has no {name}\S+, which a portable Python needs; name a folder with"):
        lay_out(found(**{name: None}), ARM, "here")


def test_what_is_no_python() -> None:
    with pytest.raises(
        InputError, match=r"here: holds no Python for aarch64: there is no bin/python3.N of that processor"
    ):
        lay_out({}, ARM, "here")
    with pytest.raises(InputError, match="holds no Python for x86_64"):
        lay_out(found(), ARCHITECTURES["x86_64"], "here")
    other = make_elf([ARM.loader], "libc.so.6", b"musl")
    with pytest.raises(InputError, match=r"here: its libc.so.6 is no GNU C library"):
        lay_out(found(libc=other), ARM, "here")


def test_libraries_of_packages() -> None:
    there, layout = found(), lay_out(found(), ARM, "here")
    packages = {
        "site/one.so": make_elf(["libc.so.6", "libssl.so.3", "libvendor.so", "libtwo.so"]),
        "site.libs/libtwo.so": make_elf(["libm.so.6"], "libtwo.so"),
        "site/no-library.so": b"text",
    }
    missing = missing_libraries(layout.files, packages)
    assert missing == {"libssl.so.3": "one.so", "libvendor.so": "one.so"}
    assert set(extra_libraries(layout, there, ARM, missing)) == {"lib/libssl.so.3"}
