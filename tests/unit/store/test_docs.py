"""The reference page names every table and column, and its questions run."""

import re
import sqlite3
from pathlib import Path

import pytest

from labctl.store.journal import Journal
from labctl.store.schema import metadata
from tests.unit.store.making import batch, entries, new_run

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sql.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_is_described(name: str) -> None:
    section = TEXT.partition(f"### {name}\n")[2].partition("\n### ")[0]
    wanted = {f"`{column.name}`" for column in metadata.tables[name].columns}
    assert wanted == set(re.findall(r"`\w+`", section.partition("\nKey ")[2]))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_runs(question: str, tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        journal.commit([*entries(run_id, batch(20), 10)])
        connection = sqlite3.connect(journal.place.file)
        rows = connection.execute(question).fetchall()
        connection.close()
    assert rows or "FROM v_samples" not in question
