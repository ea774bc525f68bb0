from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import edgebench
import pytest

HEAVY = ("tensorflow", "pandas", "numpy", "rich", "plotly", "sklearn", "pyarrow", "cattrs", "PIL", "jinja2", "psutil")


def loaded_after(code: str) -> list[str]:
    """Return which heavy packages a fresh Python has loaded after running the code."""
    script = f"import json, sys\n{code}\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["report", "--help"],
        ["compare", "--help"],
        ["history", "--help"],
        ["results", "prune", "--help"],
        ["bogus"],
    ],
)
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str]) -> None:
    code = f"from edgebench.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    assert loaded_after(code) == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import edgebench") == []


def test_a_run_never_loads_tensorflow() -> None:
    code = "import edgebench.api, edgebench.evaluation, edgebench.report.html, edgebench.report.terminal"
    assert "tensorflow" not in loaded_after(code)


def test_the_public_names_are_there() -> None:
    for name in edgebench.__all__:
        assert getattr(edgebench, name) is not None
    assert edgebench.run.__module__ == "edgebench.api"
    assert issubclass(edgebench.EdgebenchError, Exception)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'edgebench' has no attribute 'bogus'"):
        _ = edgebench.bogus


def test_no_module_hides_a_public_function() -> None:
    """Python sets a module of the package as its attribute, over a name that is imported on first use."""
    functions = {name for name in edgebench.__all__ if name.islower()} - {"__version__"}
    modules = {path.stem for path in Path(edgebench.__file__).parent.iterdir()}
    assert functions == {"compare", "load", "redact", "resume", "run"}
    assert not functions & modules
