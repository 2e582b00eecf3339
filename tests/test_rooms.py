"""The rooms of the project: who may import whom, and how large each may grow."""

import ast
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("seglib", "study", "miniscapes", "tools")
SPINE = (  # what a student reads first
    "seglib/labels.py", "seglib/config.py", "seglib/records.py", "seglib/data", "seglib/models",
    "seglib/training/losses.py", "seglib/training/loop.py", "seglib/evaluation/evaluate.py",
    "seglib/evaluation/metrics.py",
)
SEGLIB = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "seglib").glob("*"))]
LIMITS = {
    "seglib": ((*(path for path in SEGLIB if path != "seglib/widgets"),), 5_500),
    "widgets": (("seglib/widgets",), 600),
    "spine": (SPINE, 3_300),
    "study": (("study",), 3_500),
    "miniscapes": (("miniscapes",), 4_600),
    "report": (("report",), 450),
    "tests": (("tests",), 10_500),
}


def files(*places: str) -> list[Path]:
    found = [path for place in places for path in (ROOT / place).rglob("*.py")]
    return found + [ROOT / place for place in places if place.endswith(".py")]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in files(*ROOMS)}


def imports(module: str) -> list[str]:
    """The modules that a file imports anywhere in it, by full names, once per line."""
    package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found += sorted(names & MODULES.keys()) or [base]
    return found


IMPORTS = {module: imports(module) for module in MODULES}


def arrows(start: str, *ends: str) -> list[str]:
    """The imports of any of the packages `ends` in modules of the package `start`."""
    return [
        f"{module} → {imported}"
        for module, names in IMPORTS.items()
        for imported in names
        if f"{module}.".startswith(f"{start}.") and f"{imported}.".startswith(ends)
    ]


def test_arrows_go_one_way():
    assert len(IMPORTS) > 80 and arrows("study", "seglib.")  # they are found at all
    assert not arrows("seglib", "study.", "tools.", "report.", "tests.", "benchmarks.")
    assert not arrows("miniscapes", "seglib.", "study.", "tools.")
    assert not arrows("study", "tools.", "report.", "miniscapes.")
    assert arrows("seglib", "miniscapes.") == ["seglib.data.datasets → miniscapes"]


def test_nothing_imports_the_widgets():
    outside = [each for room in ROOMS for each in arrows(room, "seglib.widgets.")]
    assert not [each for each in outside if not each.startswith("seglib.widgets")]


def test_no_module_imports_itself_by_a_detour():
    graph = {}
    for module, names in IMPORTS.items():
        # Importing a module runs the packages that it lies in first.
        needed = {part for name in names for part in accumulate(name.split("."), "{}.{}".format)}
        graph[module] = {name for name in needed if not f"{module}.".startswith(f"{name}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" → ".join(reversed(circle.args[1])))


@pytest.mark.parametrize("room", LIMITS)
def test_a_room_stays_as_small_as_promised(room):
    places, limit = LIMITS[room]
    lines = [file.read_text(encoding="utf-8").count("\n") for file in set(files(*places))]
    assert 0 < sum(lines) <= limit, "in a copy of your own, raise the limit in LIMITS"
