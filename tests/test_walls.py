"""The walls between the parts of edgebench, held by reading the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
SOURCES = sorted(BENCH.rglob("*.py"))
WORKER = sorted((BENCH / "worker").glob("*.py"))
PURE = sorted([*(BENCH / "analysis").rglob("*.py"), *(BENCH / "report").rglob("*.py")])


def name_of(path: Path) -> str:
    return path.relative_to(BENCH).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def package_of(path: Path) -> list[str]:
    return ["edgebench", *path.relative_to(BENCH).parent.parts]


def imported(path: Path, *, at_start: bool = False) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each imported module by its full name, ``from . import x`` as the package's ``x``, with its statement.

    ``at_start`` yields only those outside of functions and classes.
    """
    tree = tree_of(path)
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = package_of(path)
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            yield ".".join(module), node
            yield from ((".".join([*module, alias.name]), node) for alias in node.names)


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[name_of(path) for path in paths])


def test_there_are_sources_to_read() -> None:
    names = {name_of(path) for path in SOURCES}
    assert {"runner.py", "worker/service.py", "analysis/latency.py", "report/tables.py", "devices/local.py"} <= names


def test_relative_imports_are_told_by_their_full_name() -> None:
    """The reader of imports itself: a wall that sees nothing holds nothing."""
    found = {module for module, _ in imported(BENCH / "devices" / "local.py")}
    assert {"edgebench.errors", "edgebench.records.Environment", "edgebench.devices.process", "psutil"} <= found


@each(SOURCES)
def test_the_harness_never_imports_training(path: Path) -> None:
    forbidden = {"tensorflow", "keras", "tf_keras", "training", "edgebench_training"}
    assert [module for module, _ in imported(path) if is_within(module, forbidden)] == []


@each(WORKER)
def test_the_worker_imports_nothing_outside_its_folder(path: Path) -> None:
    for module, node in imported(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"line {node.lineno}: the zipapp has only the worker's folder"
            continue
        top = module.split(".")[0]
        assert top in sys.stdlib_module_names | {"numpy", "psutil", "PIL"}, f"line {node.lineno}: {module}"


@each(WORKER)
def test_the_worker_starts_without_psutil_and_pillow(path: Path) -> None:
    assert {"psutil", "PIL"}.isdisjoint(module.split(".")[0] for module, _ in imported(path, at_start=True))


@each(PURE)
def test_analysis_and_report_touch_no_device(path: Path) -> None:
    forbidden = {f"edgebench.{name}" for name in ("devices", "runner", "session", "rounds", "worker", "api", "cli")}
    assert [module for module, _ in imported(path) if is_within(module, forbidden)] == []


@each([path for path in PURE if "analysis" in path.parts])
def test_analysis_is_pure(path: Path) -> None:
    forbidden = {"os", "io", "pathlib", "subprocess", "socket", "tempfile", "time", "random", "edgebench.report"}
    assert [module for module, _ in imported(path) if is_within(module, forbidden)] == []


# pytest imports the suite by its path, where there is no package around it.
@each([path for path in SOURCES if "suite" not in path.parts])
def test_imports_inside_the_package_are_relative(path: Path) -> None:
    for module, node in imported(path):
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        assert relative or not is_within(module, {"edgebench", "bench"}), f"line {node.lineno}"


@each(
    [
        path
        for path in SOURCES
        if not path.name.endswith("cli.py") and name_of(path) != "worker/__main__.py" and "report" not in path.parts
    ]
)
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"] == []


@each(SOURCES)
def test_no_assert_and_no_bare_except(path: Path) -> None:
    """``python -O`` drops asserts; a bare except swallows Ctrl-C."""
    for node in ast.walk(tree_of(path)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: assert"
        if isinstance(node, ast.ExceptHandler):
            caught = node.type
            names = {found.id for found in ast.walk(caught) if isinstance(found, ast.Name)} if caught else {None}
            assert not names & {None, "BaseException"}, f"line {node.lineno}: catches everything"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in Python 3.11")
def test_the_packages_that_are_installed_are_the_folders_that_exist() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {"edgebench": BENCH, "edgebench_training": ROOT / "training"}
    expected = {
        ".".join([name, *init.parent.relative_to(folder).parts])
        for name, folder in folders.items()
        for init in folder.rglob("__init__.py")
    }
    assert set(settings["packages"]) == expected
    assert len(settings["packages"]) == len(expected)
    tops = {package.split(".")[0] for package in expected}
    assert settings["package-dir"] == {name: folders[name].name for name in tops}


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in SOURCES}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
