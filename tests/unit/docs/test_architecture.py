"""The pages that say where everything is, and what words mean, name files and names that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \|$", PAGE, re.MULTILINE)


def test_the_page_answers_forty_questions():
    assert len(ROWS) >= 40
    assert len({question for question, _, _ in ROWS}) == len(ROWS)


WORDS = re.findall(
    r"^\| (.+?) \| .+? \| `(.+?)` \| `(.+?)` \|$",
    (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def names_of(file: str) -> set[str]:
    """Return what a module defines at its top."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = {getattr(node, "name", "") for node in tree.body}
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(("question", "file", "name"), ROWS, ids=[question for question, _, _ in ROWS])
def test_what_the_page_names_is_there(question: str, file: str, name: str):
    assert name in names_of(file), question


def test_the_glossary_explains_forty_words_once_each():
    words = [word for word, _, _ in WORDS]
    assert len(words) >= 40
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("word", "file", "name"), WORDS, ids=[word for word, _, _ in WORDS])
def test_what_the_glossary_names_is_there(word: str, file: str, name: str):
    assert name in names_of(file), word
