"""Recipes: defaults, TOML files, flags, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edgebench.errors import UsageError
from edgebench_training.recipe import Recipe, Schedule, recipe_dict, resolve_recipe


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('alpha = 0.5\nseed = 7\nresize = "crop"\n[tail]\nlearning_rate = 0.01\nschedule = "cosine"\n')
    recipe = resolve_recipe(file, {"alpha": 0.35, "size": None})
    assert (recipe.alpha, recipe.seed, recipe.size) == (0.35, 7, Recipe().size)
    assert recipe.resize.value == "crop"
    assert recipe.tail.learning_rate == 0.01
    assert recipe.tail.schedule is Schedule.COSINE
    assert recipe.tail.epochs == Recipe().tail.epochs


def test_epochs_are_those_of_the_main_phase_and_cap_the_head() -> None:
    recipe = resolve_recipe(None, {}, epochs=3)
    assert (recipe.head.epochs, recipe.tail.epochs, recipe.full.epochs) == (3, 3, 3)
    assert resolve_recipe(None, {}, epochs=50).head.epochs == Recipe().head.epochs


def test_the_resolved_recipe_is_json_and_resolves_to_itself(tmp_path: Path) -> None:
    fields = json.loads(json.dumps(recipe_dict(Recipe())))
    assert resolve_recipe(None, fields) == Recipe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpa = 1.0", "alpa is no part of a recipe; did you mean alpha"),
        ("[tail]\nepoch = 3", "tail.epoch is no part of a recipe; did you mean tail.epochs"),
        ("tail = 3", "tail must be a table"),
        ("alpha = 'wide'", "alpha"),
        ("copies = 3", "copies 3 is not possible; use 1, 2, 4, 8"),
        ("[head]\nepochs = 0", "head: epochs"),
        ("arch = 'resnet'", "arch 'resnet' is not known"),
        ("resize = 'squeeze'", "resize"),
        ("alpha = [", "cannot be read as TOML"),
    ],
)
def test_wrong_recipes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve_recipe(file, {})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        resolve_recipe(tmp_path / "absent.toml", {})
