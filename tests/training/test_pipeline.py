"""From images to a model folder that the harness measures, by the commands themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench import api
from edgebench.card import read_card
from edgebench.errors import UsageError
from edgebench.images.splits import Part, read_split
from edgebench.records import Status
from edgebench.spec import DEFAULT_SETTINGS
from edgebench_training import cli
from edgebench_training.convert import Variant
from edgebench_training.pipeline import ExportRequest, export_model, train_and_export
from small_training import tiny_recipe

QUICK: dict[str, Any] = {"min_runs": 1, "max_runs": 3, "min_time_ns": 0, "warmup_time_ns": 0}


@pytest.fixture(scope="module")
def folder(tf: Any, colours: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model folder with float32 and int8."""
    out = tmp_path_factory.mktemp("models") / "colours"
    train_and_export(f"folder:{colours}", tiny_recipe(str(weights)), out, (Variant.FLOAT32, Variant.INT8))
    return out


def test_the_folder_is_whole_and_names_no_place_of_this_machine(folder: Path, colours: Path, weights: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    variants = {"float32.tflite", "int8.tflite"}
    assert names == variants | {"card.json", "labels.txt", "split.csv", "history.csv", "model.keras"}
    text = (folder / "card.json").read_text()
    for place in (colours, weights.parent, folder.parent):
        assert str(place) not in text
    card = json.loads(text)
    assert card["labels"] == ["blue", "green", "red"]
    assert card["generated"] is False
    assert card["data"] == {
        "kind": "folder",
        "source": "folder",
        "images": 60,
        "lesions": 60,
        "class_counts": {"blue": 30, "green": 20, "red": 10},
    }
    assert card["recipe"]["weights"] == weights.name
    assert len(card["recipe"]["weights_sha256"]) == 64
    assert card["preprocessing"]["normalization"]["mean"] == [127.5]
    assert [entry["name"] for entry in card["variants"]] == ["float32", "int8"]
    assert card["tools"]["tensorflow"]
    assert card["validation"]["images"] == 9
    assert (folder / "history.csv").read_text().count("\n") == 5


def test_the_harness_measures_it_on_unseen_images(folder: Path, colours: Path) -> None:
    from dataclasses import replace

    settings = replace(DEFAULT_SETTINGS, **QUICK)
    record = api.run(folder, data=f"folder:{colours}", settings=settings).record
    assert all(case.status is Status.OK for case in record.cases)
    card = read_card(folder)
    assert card is not None
    assert card.split is not None
    split = read_split(card.split.path, card.split.sha256)
    assert record.data is not None
    assert record.data.images == len(split.part(Part.TEST)) == 9
    assert record.data.notes[0].startswith("test split of the card: 9 images of 9 lesions, none of them among the 51")
    assert {case.preprocessing.normalization_from for case in record.cases if case.preprocessing} == {"card"}
    everything = api.run(folder / "float32.tflite", data=f"folder:{colours}", split="all", settings=settings).record
    assert everything.data is not None
    assert everything.data.images == 60
    assert everything.data.notes[0].startswith("WARNING: 51 of these images")


def test_a_variant_alone_is_read_by_its_embedded_metadata(folder: Path, colours: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    alone = tmp_path / "alone.tflite"
    alone.write_bytes((folder / "float32.tflite").read_bytes())
    settings = replace(DEFAULT_SETTINGS, **QUICK)
    (case,) = api.run(alone, data=f"folder:{colours}", settings=settings).record.cases
    assert case.preprocessing is not None
    assert case.preprocessing.labels_from == "the model's own metadata"
    assert case.preprocessing.normalization_from == "the model's own metadata"
    assert case.preprocessing.mean == (127.5,)


def test_exporting_again_keeps_what_is_known_of_the_training(folder: Path, colours: Path, tmp_path: Path) -> None:
    request = ExportRequest(
        folder / "model.keras", tmp_path / "again", (Variant.DYNAMIC, Variant.INT8), source=f"folder:{colours}"
    )
    assert all(report.size_bytes for report in export_model(request))
    old, new = (json.loads((place / "card.json").read_text()) for place in (folder, tmp_path / "again"))
    assert new["name"] == "again"
    assert new["split"] == old["split"]
    assert new["recipe"] == old["recipe"]
    assert new["calibration"] == "calibrated with class-balanced images of the training part"
    assert [entry["name"] for entry in new["variants"]] == ["dynamic", "int8"]
    assert (tmp_path / "again" / "split.csv").read_bytes() == (folder / "split.csv").read_bytes()


def test_a_folder_with_a_model_is_not_overwritten_by_accident(folder: Path, colours: Path, weights: Path) -> None:
    before = (folder / "card.json").read_bytes()
    with pytest.raises(UsageError, match="holds a model already"):
        train_and_export(f"folder:{colours}", tiny_recipe(str(weights)), folder)
    assert (folder / "card.json").read_bytes() == before


def test_export_asks_for_what_nothing_says(tf: Any, folder: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "in" / "model.keras"
    lonely.parent.mkdir()
    lonely.write_bytes((folder / "model.keras").read_bytes())
    with pytest.raises(UsageError, match="--normalize"):
        export_model(ExportRequest(lonely, tmp_path / "out"))
    with pytest.raises(UsageError, match="--labels"):
        export_model(ExportRequest(lonely, tmp_path / "out", (Variant.FLOAT32,), normalize="-1..1"))


def test_commands_are_told_without_tensorflow() -> None:
    code = (
        "import sys; from edgebench_training import cli; import argparse\n"
        "for command in (cli.train, cli.export, cli.demo):\n"
        "    parser = argparse.ArgumentParser(); command.configure(parser); parser.format_help()\n"
        "print([name for name in ('tensorflow', 'pandas', 'numpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_without_tensorflow_the_commands_say_how_to_install_it(colours: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import argparse; from edgebench.errors import UsageError; from edgebench_training import cli\n"
        "parser = argparse.ArgumentParser(); cli.train.configure(parser)\n"
        "options = parser.parse_args(['--data', sys.argv[1], '--out', sys.argv[2], '--quiet'])\n"
        "try:\n    cli.train.run(options, [])\nexcept UsageError as error:\n    print(error, error.exit_code)"
    )
    command = [sys.executable, "-c", code, f"folder:{colours}", str(tmp_path / "out")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'pip install "edgebench[train]" 2' in found.stdout
    assert found.stdout.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_train_command_tells_each_variant(
    tf: Any, colours: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    recipe = tmp_path / "recipe.toml"
    recipe.write_text("copies = 1\nfine_tune_from = 'none'\ncalibration_images = 9\n[head]\nepochs = 1\n")
    parser = argparse.ArgumentParser()
    cli.train.configure(parser)
    flags = f"--alpha 0.1 --size 32 --quiet --variants float32 --data folder:{colours} --out {tmp_path / 'm'}"
    options = parser.parse_args([*flags.split(), "--weights", str(weights), "--recipe", str(recipe)])
    assert cli.train.run(options, []) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "validation balanced accuracy" in told.err
    assert "float32  " in told.err
