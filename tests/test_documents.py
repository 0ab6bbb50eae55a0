"""The documents: their examples run, their links and commands lead somewhere, and the site builds."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastatari
from fastatari.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *PAGES]
LINKING = [*DOCUMENTS, ROOT / "CHANGELOG.md", *sorted((ROOT / "examples").rglob("*.md"))]

# What examples may need besides what the tests need. All of these but stable-baselines3 print and warn themselves.
OPTIONAL = {"ray", "stable_baselines3", "tianshou", "torch", "torchrl"}
QUIET = {"stable_baselines3"}
SITE = ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"(`+)((?:(?!\n\n).)+?)\1(?!`)", re.S)
COMMAND = re.compile(r"(?:^|/|&& )fastatari ([a-z]+)\b([^#&\n]*)", re.M)
BENCHMARK = re.compile(r"python -m (benchmarks\.\w+)([^#&\n]*)")


def name(path):
    return path.relative_to(ROOT).as_posix()


def find_examples(text):
    return [code for language, code in FENCE.findall(text) if language == "python"]


def find_code(text):
    """What stands as code in a text that is no program: spans, and blocks of commands."""
    blocks = [code for language, code in FENCE.findall(text) if language in {"", "sh", "dockerfile"}]
    return "\n".join([*blocks, *(span for _, span in SPAN.findall(FENCE.sub("", text)))])


def find_anchors(text):
    """The anchors of the headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


def find_broken_links(document):
    """The relative links of a document that lead to no file, to no heading, or out of the repository."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", SPAN.sub("", FENCE.sub("", document.read_text()))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        if not path.is_file() or (anchor and anchor not in find_anchors(path.read_text())):
            broken.append(target)
    return broken


def find_nav(text):
    """The pages that a configuration of mkdocs names."""
    return re.findall(r"^ +- (?:[^\n:]+: )?(\S+\.md)$", text.partition("\nnav:\n")[2], re.M)


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


EXAMPLES = [
    pytest.param(program, id=f"{name(path)} {number}")
    for path in DOCUMENTS
    for number, program in enumerate(find_examples(path.read_text()), 1)
]


@pytest.mark.parametrize("program", EXAMPLES)
def test_examples_run(program, tmp_path):
    imported = re.findall(r"^ *(?:import|from) (\w+)", program, re.M)
    needed = OPTIONAL.intersection(imported)
    if any(importlib.util.find_spec(name) is None for name in needed):
        pytest.skip(f"{', '.join(sorted(needed))} not installed")
    (tmp_path / "example.py").write_text(program)
    is_quiet = needed <= QUIET
    warnings = ["-W", "error" if is_quiet else "ignore"]
    outcome = run(sys.executable, "-P", *warnings, tmp_path / "example.py", cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    printed = outcome.stdout.splitlines()
    expected = re.findall(r"# prints (.*)$", program, re.M)
    if not is_quiet:
        assert [line for line in printed if line in expected] == expected
        return
    assert printed == expected
    assert outcome.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["example.py"]


def test_documents_of_code_have_examples():
    counts = {path.name: len(find_examples(path.read_text())) for path in DOCUMENTS}
    least = {"README.md": 1, "compiler.md": 1, "console.md": 5, "framework-authors.md": 3, "training.md": 5}
    assert {path: counts[path] >= number for path, number in least.items()} == dict.fromkeys(least, True)


def test_the_readme_is_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("command", ["demo", "test", "verify"])
def test_the_readme_has_the_commands_that_others_read(command):
    text = (ROOT / "README.md").read_text()
    assert len(re.findall(rf"^<!-- {command} command -->\n```sh\n.*\n```$", text, re.M)) == 1


@pytest.mark.parametrize("document", LINKING, ids=name)
def test_links_lead_somewhere(document):
    assert find_broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documents_are_whole(document):
    """No place that was to be filled in is left, and no block of code is open."""
    text = document.read_text()
    assert not re.search(r"@[A-Z]+@|TODO|FIXME", text)
    assert text.startswith("# ")
    assert len(re.findall(r"^ *```", text, re.M)) % 2 == 0


def test_broken_links_are_found(tmp_path):
    document = tmp_path / "a.md"
    document.write_text(
        "# A `b`, c's\n[x](a.md) [x](#a-b-cs) [x](a.md#a-b-cs) [x](https://a.b/c) `[x](code.md)`\n"
        "```\n# no heading\n[x](block.md)\n```\n[x](b.md) [`x`](#no-heading) ![x](a.md#b) [x](.)\n"
    )
    assert find_broken_links(document) == ["b.md", "#no-heading", "a.md#b", "."]


def test_commands_of_documents_exist(capsys):
    found = {}
    for document in DOCUMENTS:
        for command, rest in COMMAND.findall(find_code(document.read_text())):
            found.setdefault(command, set()).update(re.findall(r"--[a-z-]+", rest))
    assert {"compile", "demo", "verify"} <= set(found)
    unknown = {}
    for command, options in found.items():
        with pytest.raises(SystemExit) as ending:
            main([command, "--help"])
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        if ending.value.code or not options <= known:
            unknown[command] = options - known
    assert unknown == {}


def test_benchmarks_of_documents_exist():
    found = [pair for document in DOCUMENTS for pair in BENCHMARK.findall(find_code(document.read_text()))]
    assert len({module for module, _ in found}) >= 5
    shared = (ROOT / "benchmarks" / "command.py").read_text()
    for module, rest in found:
        path = ROOT / f"{module.replace('.', '/')}.py"
        assert path.is_file(), module
        for option in re.findall(r"--[a-z-]+", rest):
            assert f'"{option}"' in path.read_text() + shared, (module, option)


def test_files_that_documents_name_exist():
    """Such as `tests/wheel.py`; names with a star or in angle brackets stand for several."""
    for document in DOCUMENTS:
        for _, span in SPAN.findall(FENCE.sub("", document.read_text())):
            if re.fullmatch(r"(?:fastatari|tests|benchmarks|docs|examples)/[\w./-]*(?:\.\w+|/)", span):
                assert (ROOT / span).exists(), (document.name, span)


def test_the_site_names_every_page_once():
    nav = find_nav((ROOT / "mkdocs.yml").read_text())
    assert sorted(nav) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in PAGES)


def test_the_api_page_has_every_public_name():
    text = (ROOT / "docs" / "api.md").read_text()
    found = set(re.findall(r"^::: fastatari\.(\w+)$", text, re.M)) | ({"PRESETS"} if "`PRESETS`" in text else set())
    assert found == set(fastatari.__all__)


def test_pages_of_the_navigation_are_found():
    text = "plugins:\n  - a.md\nnav:\n  - A: a.md\n  - B:\n    - b.md\n    - C d: e/c.md\n"
    assert find_nav(text) == ["a.md", "b.md", "e/c.md"]


def test_the_site_builds_without_warnings(tmp_path):
    if missing := [module for module in SITE if importlib.util.find_spec(module) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    outcome = run(*command, cwd=ROOT, env=environment)
    assert outcome.returncode == 0, outcome.stderr
    assert "WARNING" not in outcome.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {f"{path.stem}/index.html" for path in PAGES if path.stem != "index"} | {"index.html"} <= pages
