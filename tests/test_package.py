import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastatari
from fastatari.cli.main import main

ROOT = Path(__file__).parents[1]

# Who may import whom: each file only what stands to its right, and numpy.
IMPORTS = {
    "errors": {"gymnasium"},
    "palette": set(),
    "checks": set(),
    "cores": set(),
    "generators": set(),
    "lookout": set(),
    "protocol": set(),
    "ring": set(),
    "shared": set(),
    "failure": {"errors"},
    "infos": {"shared"},
    "loans": {"shared"},
    "jit": {"compiler", "numba"},
    "kernels": {"jit", "llvmlite", "numba"},
    "area": {"kernels"},
    "block": {"kernels"},
    "frames": {"area", "block", "checks", "gymnasium", "kernels", "palette", "ring"},
    "rules": {"area", "checks", "frames", "gymnasium"},
    "emulator": {"ale_py", "checks", "console", "errors", "generators", "palette"},
    "engine": {"checks", "emulator", "frames", "generators", "gymnasium", "palette", "rules"},
    "game": {"checks", "emulator", "engine", "rules"},
    "env": {"checks", "emulator", "engine", "gymnasium", "rules"},
    "crew": {"emulator", "engine", "frames", "gymnasium", "rules", "shared"},
    "worker": {"crew", "failure", "lookout", "protocol", "shared"},
    "handle": {"area", "crew", "engine", "errors", "failure", "protocol", "rules", "shared", "worker"},
    "labml": {"checks", "emulator", "crew", "errors", "game", "gymnasium", "handle", "shared"},
    "pool": {"cores", "crew", "errors", "gymnasium", "handle", "lookout", "shared"},
    "vector": {
        "checks", "emulator", "cores", "crew", "errors", "gymnasium", "handle", "infos", "loans", "pool", "rules",
        "shared",
    },
    "__init__": {"console", "env", "errors", "frames", "game", "labml", "rules", "vector"},
}  # fmt: skip

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def find_examples(document):
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.S)


EXAMPLES = [
    pytest.param(program, id=f"{path.name} {number}")
    for path in DOCUMENTS
    for number, program in enumerate(find_examples(path), 1)
]


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


@pytest.mark.parametrize("path", sorted((ROOT / "fastatari").glob("*.py")), ids=lambda path: path.stem)
def test_imports_go_one_way(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module == "fastatari"):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.removeprefix("fastatari."))
    modules = {name.partition(".")[0] for name in imported}
    assert modules - set(sys.stdlib_module_names) - {"numpy"} == IMPORTS[path.stem] & modules


def test_every_file_has_its_place_in_the_order():
    done = set()
    for module, imports in IMPORTS.items():
        assert imports & IMPORTS.keys() <= done
        done.add(module)
    assert done == {path.stem for path in (ROOT / "fastatari").glob("*.py")}


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("compiler", {"compiler"}), ("console", {"compiler", "console", "checks", "errors", "palette"})],
)
def test_packages_import_only_what_is_below_them(package, allowed):
    for path in (ROOT / "fastatari" / package).rglob("*.py"):
        modules = re.findall(r"^\s*(?:from|import) fastatari\.(\w+)", path.read_text(), re.M)
        assert set(modules) <= allowed, path
        assert not re.search(r"^\s*from fastatari import", path.read_text(), re.M), path


@pytest.mark.parametrize("package", ["compiler", "console", "cli"])
def test_files_are_short_and_say_what_they_are(package):
    for path in (ROOT / "fastatari" / package).rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert re.match(r"[^\n]{15,}", docstring), path


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


def test_compiled_functions_live_in_one_file():
    for path in (ROOT / "fastatari").rglob("*.py"):
        assert path.stem in {"jit", "kernels"} or "numba" not in re.findall(
            r"^\s*(?:import|from) (\w+)", path.read_text(), re.M
        )


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
        "print({'cv2', 'rich', 'PIL', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    assert run(sys.executable, "-P", "-c", program).stdout == "set()\n"


def test_version_is_in_the_changelog():
    assert f"## [{fastatari.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_are_whole(document):
    text = document.read_text()
    assert not re.search(r"@[A-Z]+@", text)
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("program", EXAMPLES)
def test_examples_run(program, tmp_path):
    (tmp_path / "example.py").write_text(program)
    outcome = run(sys.executable, "-P", "-W", "error", tmp_path / "example.py")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines() == re.findall(r"# prints (.*)$", program, re.M)
    assert outcome.stderr == ""


def test_every_document_of_code_has_examples():
    counts = {path.name: len(find_examples(path)) for path in DOCUMENTS}
    assert counts["README.md"] >= 4
    assert counts["compiler.md"] >= 1
    assert counts["console.md"] >= 5


@pytest.mark.parametrize("command", ["compile", "demo", "verify"])
def test_commands_in_documents_are_those_of_the_program(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    lines = re.findall(rf"\bfastatari {command}\b([^#&`\n]*)", text)
    assert lines
    assert set(re.findall(r"--[a-z-]+", " ".join(lines))) <= known


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_linters_agree(command, tmp_path):
    environment = {**os.environ, "RUFF_CACHE_DIR": str(tmp_path), "MYPY_CACHE_DIR": str(tmp_path)}
    outcome = run(sys.executable, "-m", *command, cwd=ROOT, env=environment)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
