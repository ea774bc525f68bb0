"""Small pictures of changed images in the page of real runs, and pages that have none."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import edgebench
import pytest
from colours import write_folder
from edgebench.cli import main
from edgebench.pictures import stored_pictures
from edgebench.report.flips import pictured_ids
from edgebench.report.html import render_html
from edgebench.report.naming import name_cases
from edgebench.store import StoredRun
from harness import SHORT, SHORT_FLAGS, model
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)>"
SETTINGS = replace(SHORT, min_runs=2, max_runs=2)
MODELS = [f"skin/{name}={model(name)}" for name in ("float32", "int8")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour patches, under names that try to be markup."""
    folder = write_folder(tmp_path_factory.mktemp("photos"), per_class=60)
    for path in folder.rglob("*.png"):
        path.rename(path.with_name(f"{HOSTILE}{path.name}"))
    return folder


@pytest.fixture(scope="module")
def ran(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run whose page has pictures."""
    return edgebench.run(*MODELS, data=f"folder:{photos}", normalize="-1..1", settings=SETTINGS,
                         out=tmp_path_factory.mktemp("results"))  # fmt: skip


def wanted(run: StoredRun) -> list[str]:
    return pictured_ids(run.record, name_cases(run.record.cases), run.predictions)


def pictures_in(page: str) -> dict[str, Image.Image]:
    """Return the page's pictures by their image's name, opened."""
    found: dict[str, Image.Image] = {}
    for data, name in re.findall(r'<img src="data:image/jpeg;base64,([^"]*)" alt="([^"]*)"', page):
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        image.load()
        found[name] = image
    return found


def page_of(run: StoredRun) -> str:
    assert run.folder is not None
    return (run.folder / "report.html").read_text(encoding="utf-8")


def test_each_changed_image_has_its_own_picture(ran: StoredRun, photos: Path) -> None:
    found = pictures_in(page_of(ran))
    assert 1 <= len(found) == len(wanted(ran))
    for image_id in wanted(ran):
        escaped = image_id.replace("<", "&lt;").replace(">", "&gt;")
        original = Image.open(photos / f"{image_id}.png").convert("RGB").resize((1, 1), Image.Resampling.BOX)
        shown = found[escaped].resize((1, 1), Image.Resampling.BOX)
        expected, colour = original.getpixel((0, 0)), shown.getpixel((0, 0))
        assert isinstance(expected, tuple)
        assert isinstance(colour, tuple)
        assert max(abs(a - b) for a, b in zip(expected, colour, strict=True)) < 8


def test_file_names_are_text_on_the_page_and_in_markdown(ran: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert "<img src=x" not in page_of(ran)
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in page_of(ran)
    assert main(["report", str(ran.folder), "--format", "md"]) == 0
    assert "<img" not in capsys.readouterr().out.replace("\\<img", "")


def test_the_forms_tell_of_the_same_changes(ran: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    case = ran.record.cases[1]
    assert case.accuracy_comparison is not None
    assert case.accuracy_comparison.agreement is not None
    changed = round(420 * (1 - case.accuracy_comparison.agreement.top1))
    assert main(["report", str(ran.folder), "--format", "flips-csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + changed
    assert main(["report", str(ran.folder)]) == 0
    assert f"{changed} of 420 answers changed" in capsys.readouterr().out


def test_a_stored_run_reads_the_images_again(ran: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(ran.folder), "--format", "html"]) == 0
    found = pictures_in(capsys.readouterr().out)
    assert {name: image.tobytes() for name, image in found.items()} == {
        name: image.tobytes() for name, image in pictures_in(page_of(ran)).items()
    }


def test_no_images_leaves_photographs_out_of_both_pages(
    ran: StoredRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(ran.folder), "--format", "html", "--no-images"]) == 0
    pages = [capsys.readouterr().out]
    data = ["--data", f"folder:{photos}", "--normalize", "-1..1", "--no-images", "--quiet"]
    assert main(["run", *MODELS, *data, *SHORT_FLAGS, "--out", str(tmp_path)]) == 0
    pages += [path.read_text(encoding="utf-8") for path in tmp_path.glob("*/report.html")]
    assert len(pages) == 2
    for page in pages:
        assert "data:image" not in page
        assert "Without pictures: they were left out (--no-images)." in page


def test_images_that_are_gone_are_said_to_be(photos: Path, tmp_path: Path) -> None:
    copied = tmp_path / "photos"
    shutil.copytree(photos, copied)
    run = edgebench.run(*MODELS, data=f"folder:{copied}", normalize="-1..1", settings=SETTINGS)
    assert set(stored_pictures(run).jpegs) == set(wanted(run))
    for image_id in wanted(run)[1:]:
        (copied / f"{image_id}.png").unlink()
    assert set(stored_pictures(run).jpegs) == set(wanted(run)[:1])
    (copied / f"{wanted(run)[0]}.png").write_bytes(b"")
    assert stored_pictures(run).reason == f"none of these images is in folder:{copied} now"
    shutil.rmtree(copied)
    found = stored_pictures(run)
    assert found.jpegs == {}
    page = render_html(run.record, run.samples, run.predictions, found)
    assert "Without pictures: the images are not at hand now (folder" in page


def test_a_run_without_images_or_flips_needs_no_pictures() -> None:
    run = edgebench.run(*MODELS, settings=SETTINGS)
    assert stored_pictures(run).jpegs == {}
