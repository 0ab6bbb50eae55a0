"""What is released: a wheel and an sdist, built twice."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fastatari

ROOT = Path(__file__).parents[1]
TOOLS = ("build", "twine", "check_wheel_contents", "hatchling")
FOLDERS = ("fastatari", "tests", "benchmarks", "docs", "examples", ".ci")
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")
FILES = (*DOCUMENTS, "pyproject.toml", "mkdocs.yml", ".gitignore")

missing = [tool for tool in TOOLS if not importlib.util.find_spec(tool)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def list_files(folder):
    """The files of a folder that belong to the repository, relative to its root."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two folders with what was built of copies of the repository, made at different times."""
    folders = []
    for number in range(2):
        source = tmp_path_factory.mktemp(f"source{number}")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, source / name)
        for name in FILES:
            shutil.copy(ROOT / name, source / name)
        (source / "fastatari-demo.png").write_bytes(b"a picture of somebody's")
        for path in source.rglob("*"):
            os.utime(path, (1e9 + number, 1e9 + number))
        out = tmp_path_factory.mktemp(f"built{number}")
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        folders.append(out)
    return folders


def test_release_is_built_the_same_again(built):
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} for folder in built
    ]
    assert digests[0] == digests[1]
    version = fastatari.__version__
    assert set(digests[0]) == {f"fastatari-{version}.tar.gz", f"fastatari-{version}-py3-none-any.whl"}


def test_release_wheel_holds_the_package_and_nothing_else(built):
    (path,) = built[0].glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "fastatari = fastatari.cli.main:main" in wheel.read(entry_points).decode()
    info = {name for name in names if ".dist-info/" in name}
    assert {name.split("/", 1)[1] for name in info} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE",
    }  # fmt: skip
    assert names - info == list_files("fastatari")


def test_release_sdist_holds_the_repository_and_nothing_else(built):
    (path,) = built[0].glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames()}
    expected = set(FILES) | {"PKG-INFO"}
    for folder in FOLDERS:
        expected |= list_files(folder)
    assert names == expected


def test_release_passes_the_checks_of_those_who_publish(built):
    files = [str(path) for path in built[0].iterdir()]
    wheel = [name for name in files if name.endswith(".whl")]
    for command in (["twine", "check", "--strict", *files], ["check_wheel_contents", *wheel]):
        result = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
