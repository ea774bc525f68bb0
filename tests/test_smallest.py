from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from edgebench.model_file import read_contents
from edgebench.smallest import smallest_model, write_smallest_model

SCRIPT = Path(__file__).resolve().parent / "fixtures" / "make_smallest_model.py"


def test_it_is_what_its_script_makes() -> None:
    pytest.importorskip("flatbuffers")
    spec = importlib.util.spec_from_file_location("make_smallest_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.smallest_model() == smallest_model()


def test_it_is_a_small_model_of_one_operator(tmp_path: Path) -> None:
    path = write_smallest_model(tmp_path)
    content = path.read_bytes()
    assert len(content) < 500
    assert read_contents(path, content).operators == {"ADD": 1}
