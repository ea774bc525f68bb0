from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from edgebench.images.identity import fingerprint
from edgebench.images.items import ImageItem


def items(folder: Path) -> list[ImageItem]:
    for name in ("a", "b"):
        (folder / name).write_bytes(b"pixels")
        os.utime(folder / name, ns=(1, 1))
    return [ImageItem(name, folder / name, "x", "lesion") for name in ("a", "b")]


def test_the_same_images_have_the_same_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(items(tmp_path)) == fingerprint(items(tmp_path))


def test_anything_that_changes_an_image_changes_it(tmp_path: Path) -> None:
    first, second = items(tmp_path)
    seen = {fingerprint([first, second]), fingerprint([second, first]), fingerprint([first])}
    seen |= {fingerprint([first, replace(second, **change)]) for change in (
        {"image_id": "c"}, {"label": "y"}, {"lesion_id": None}, {"recipe": "drawn"}, {"path": tmp_path / "none"}
    )}  # fmt: skip
    os.utime(tmp_path / "b", ns=(2, 2))
    seen.add(fingerprint([first, second]))
    (tmp_path / "b").write_bytes(b"other pixels")
    seen.add(fingerprint([first, second]))
    assert len(seen) == 10
