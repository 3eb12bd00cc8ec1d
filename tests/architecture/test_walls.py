"""The rules of the house that an import contract cannot say."""

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("app", "mcp_server", "mcp_client")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 300


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert sum(map(len, imports.values())) > 100
    # Raises CycleError, naming the circle.
    assert list(TopologicalSorter(imports).static_order())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_stays_short_and_imports_at_its_top(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_LINES
    inner = [
        node.lineno
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inner == []


def test_every_rooms_repository_has_a_wall_of_its_own() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    walled = [module for contract in contracts for module in contract.get("protected_modules", [])]
    rooms = {path.relative_to(ROOT / "app").parts[0] for path in ROOT.glob("app/*/repository*")} - {"core"}
    assert sorted(walled) == sorted(f"app.{room}.repository" for room in rooms)


def test_alembic_stays_a_folder_and_never_a_package() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_only_settings_read_the_environment() -> None:
    # Handing all of it on to a child process is not reading: os.environ as a whole may be copied.
    read = re.compile(r"environ(\[|\.get|\.setdefault|\.pop)|getenv\(")
    readers = [str(path.relative_to(ROOT)) for path in MODULES if read.search(path.read_text())]
    assert readers == []


def test_the_architecture_page_names_every_room_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"^\| `(app/\w+|mcp_\w+)` \|", page, re.MULTILINE)
    rooms = [path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("app/*/__init__.py")]
    assert sorted(named) == sorted({*rooms, "mcp_server", "mcp_client"})
