"""What the built site needs besides the pages of this folder: files from outside of it, and docstrings in its form.

mkdocs builds what is in its folder. The documents also link to files elsewhere in the repository, as GitHub wants them
to: `../CONTRIBUTING.md`. `on_files` adds every file that is linked to, in the site's folder `repository`, and
`on_page_markdown` turns the links, so that one form is right in both places.
"""

import os
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from fastatari import AtariRules

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
OUTSIDE = "repository"

# A link's target, or an image's: not one with a scheme, and not a place in the same file.
_TARGET = re.compile(r"(?<=\]\()([^)#:\s]+)")
_EXAMPLE = re.compile(r"^( *)>>>.*\n(?:\1.+(?:\n|\Z))*", re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside of the folder that documents link to, and those that these link to."""
    left = sorted(DOCS.rglob("*.md"))
    seen = set(left)
    while left:
        for path in set(_list_targets(left.pop())) - seen:
            seen.add(path)
            if DOCS in path.parents or not path.is_file() or path == ROOT / "README.md":
                continue
            files.append(
                File.generated(config, _place(path), abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV)
            )
            if path.suffix == ".md":
                left.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page's links into those of the site."""
    source = Path(page.file.abs_src_path or "").resolve()
    begin = os.path.dirname(_place(source))

    def turn(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(source.parent / match[1]))
        return os.path.relpath(_place(path), begin or ".").replace(os.sep, "/")

    return _TARGET.sub(turn, markdown)


def _list_targets(document: Path) -> Iterator[Path]:
    for target in _TARGET.findall(document.read_text(encoding="utf-8")):
        yield Path(os.path.normpath(document.parent / target))


def _place(path: Path) -> str:
    """Return where a file of the repository is among the sources of the site."""
    if path == ROOT / "README.md":  # the home page stands for it
        return "index.md"
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"


class Docstrings(griffe.Extension):
    """Makes docstrings ready for the page of the public classes."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the examples of a docstring, as Markdown needs it; and give the fields of `AtariRules` theirs."""
        if obj.is_attribute and obj.parent is not None and obj.parent.path == "fastatari.rules.AtariRules":
            meaning = _MEANINGS.get(obj.name)
            if meaning is not None:
                obj.docstring = griffe.Docstring(meaning[0].upper() + meaning[1:] + ".", parent=obj)
        elif obj.docstring is not None and not obj.is_alias:
            text = _EXAMPLE.sub(_fence, obj.docstring.value.strip() + "\n")
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.M)


def _fence(match: re.Match[str]) -> str:
    """Return an example as a block of code, unless it is one by its indentation."""
    indent = match[1]
    if indent and match.string[: match.start()].rstrip().endswith("::"):
        return match[0]
    return f"{indent}```pycon\n{match[0]}{indent}```\n"


_HINTS = typing.get_type_hints(AtariRules, include_extras=True)
_MEANINGS: dict[str, str] = {name: hint.__metadata__[0] for name, hint in _HINTS.items()}
