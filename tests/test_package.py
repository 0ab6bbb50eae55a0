import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastatari

ROOT = Path(__file__).parents[1]

# Who may import whom: what stands at the top, and then each package, only what stands before it, and itself.
LEAVES = [
    "argument_names",
    "checkpoint",
    "checks",
    "errors",
    "games",
    "palette",
    "presets",
    "resources",
    "saved_generators",
]
LAYERS = {
    "compiler": set(),
    "console": {"compiler", "checks", "errors", "palette"},
    "preprocessing": {"compiler", "checks", "palette", "resources"},
    "rules": {"argument_names", "checks", "preprocessing", "presets"},
    "engine": {"compiler", "console", "preprocessing", "rules", *LEAVES},
    "envs": {"engine", "preprocessing", "rules", *LEAVES},
    "replay": {"envs", "rules", *LEAVES},
    "adapters": {"console", "engine", "envs", "replay", "rules", *LEAVES},
    "cli": {"compiler", "console", "engine", "envs", "preprocessing", "rules", *LEAVES},
}


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def list_imports(path):
    """The modules and packages of fastatari that a file imports, by their first names."""
    text = path.read_text()
    return set(re.findall(r"^\s*(?:from|import) fastatari\.(\w+)", text, re.M))


@pytest.mark.parametrize("layer", LAYERS)
def test_packages_import_only_what_is_below_them(layer):
    place = ROOT / "fastatari" / layer
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        assert list_imports(path) <= LAYERS[layer] | {layer}, path
        names = re.findall(r"^\s*from fastatari import (.*)$", path.read_text(), re.M)
        assert not names or layer == "cli", path


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_at_most_each_other(leaf):
    assert list_imports(ROOT / "fastatari" / f"{leaf}.py") <= set(LEAVES)


def test_every_file_has_its_place():
    files = {path.stem for path in (ROOT / "fastatari").glob("*.py")}
    folders = {path.parent.name for path in (ROOT / "fastatari").glob("*/__init__.py")}
    assert files | folders == {*LEAVES, *LAYERS, "__init__", "__main__"}


def test_files_are_short_and_say_what_they_are():
    for path in (ROOT / "fastatari").rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert re.match(r"[^\n]{15,}", docstring), path


def test_classes_are_short():
    for path in (ROOT / "fastatari").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert node.end_lineno - node.lineno < 300, (path, node.name)


def test_parts_of_the_console_know_only_what_is_below_them():
    """Whoever imports whom among the console's files: there is no circle."""
    folder = ROOT / "fastatari" / "console"
    imports = {}
    for path in folder.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        imports[name] = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                imports[name] |= names | {node.module}
            elif isinstance(node, ast.Import):
                imports[name] |= {alias.name for alias in node.names}
    imports = {name: found & imports.keys() - {name} for name, found in imports.items()}
    assert len(list(TopologicalSorter(imports).static_order())) == len(imports)  # or it is a CycleError


def test_numba_is_imported_only_to_compile_kernels():
    for path in (ROOT / "fastatari").rglob("*.py"):
        if "numba" in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.M):
            assert path.parent.name == "preprocessing", path
            assert path.stem in {"jit", "lanes"}, path


def test_public_names():
    assert all(hasattr(fastatari, name) for name in fastatari.__all__)
    assert all(getattr(fastatari, name).__doc__ for name in fastatari.__all__)


def test_using_the_package_imports_neither_cv2_nor_what_extras_bring():
    program = (
        "import sys, fastatari, fastatari.cli.main\n"
        "fastatari.Game(0).reset()\n"
        "with fastatari.Worker(0) as worker:\n"
        "    worker.child.send(('reset', None))\n"
        "    worker.child.recv()\n"
        "print({'cv2', 'numba', 'rich', 'PIL', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    assert run(sys.executable, "-P", "-c", program).stdout == "set()\n"


def test_version_is_in_the_changelog():
    assert f"## [{fastatari.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_linters_agree(command, tmp_path):
    environment = {**os.environ, "RUFF_CACHE_DIR": str(tmp_path), "MYPY_CACHE_DIR": str(tmp_path)}
    outcome = run(sys.executable, "-m", *command, cwd=ROOT, env=environment)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
