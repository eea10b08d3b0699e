"""Published and simulated numbers side by side: as an HTML page, as Markdown, as CSV and JSON."""

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import orjson

from labctl.report.page import STYLE
from labctl.report.reproduce import Reproduced, as_rows, deviation, judgement

TITLE = "Published and simulated"
HEAD = ("row", "cell", "figure", "published", "simulated", "off", "allowed", "basis", "state")


def cells(compared: Reproduced) -> tuple[str, ...]:
    """Return a number's texts in the order of `HEAD`."""
    published, there = compared.published, bool(np.isfinite(compared.value))
    return (
        published.row,
        published.cell,
        published.figure,
        f"{published.value:.4g} {published.unit}",
        f"{compared.value:.4g} {published.unit}" if there else "–",
        f"{deviation(compared):+.1f} %" if there else "–",
        published.within,
        "fitted" if compared.fitted else "predicted",
        "met" if compared.met else compared.why or "off, not explained",
    )


def as_html(compared: Sequence[Reproduced]) -> str:
    """Return one page, complete in itself: for each paper what models predict and what they were fitted to, apart."""
    parts = [f"<p>{html.escape(line)}.</p>" for line in judgement(compared)]
    parts.append(
        "<p>A number is <em>fitted</em> if a parameter of the simulated cell was fitted to it, derived from it, or quotes it; "
        "only the others are predictions. <code>labctl models NAME</code> shows where every parameter comes from.</p>"
    )
    for paper in dict.fromkeys(each.published.paper for each in compared):
        parts.append(f"<h2>{html.escape(paper)}</h2>")
        for word, kind in (("Predicted", False), ("Fitted", True)):
            mine = [each for each in compared if each.published.paper == paper and bool(each.fitted) is kind]
            if mine:
                parts.append(f"<h3>{word}</h3><p>{html.escape(judgement(mine)[0 if kind else 1])}</p>{_table(mine)}")
    head = f"<meta charset='utf-8'><title>{TITLE}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body><h1>{TITLE}</h1>{''.join(parts)}</body></html>\n"


def _table(compared: Sequence[Reproduced]) -> str:
    head = "".join(f"<th>{name}</th>" for name in (*HEAD[:-2], "state", "fitted parameters"))
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in (*cells(each)[:-2], cells(each)[-1], each.fitted))
        + "</tr>"
        for each in compared
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def as_markdown(compared: Sequence[Reproduced]) -> str:
    """Return a table in Markdown, one line a number."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(text.replace("|", "/") for text in cells(each)) + " |" for each in compared]
    return "\n".join([*lines, "", *(f"{line}." for line in judgement(compared))]) + "\n"


def as_csv(compared: Sequence[Reproduced]) -> str:
    """Return a table for programs, one line a number."""
    lines, rows = io.StringIO(), as_rows(compared)
    writer = csv.DictWriter(lines, list(rows[0]) if rows else ["row"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


def as_json(compared: Sequence[Reproduced]) -> str:
    """Return a JSON list, one object a number."""
    return orjson.dumps(as_rows(compared), option=orjson.OPT_INDENT_2).decode()


FORMATS: Mapping[str, Callable[[Sequence[Reproduced]], str]] = {
    ".html": as_html,
    ".md": as_markdown,
    ".csv": as_csv,
    ".json": as_json,
}
