"""One HTML page of a run, complete in itself: what was done, the figures, the tables, the plots as SVG."""

import html
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.figure import Figure

from labctl.analysis.digits import texts, with_intervals
from labctl.analysis.run_record import Analysis
from labctl.report.plots.style import Drawn, printed, styled
from labctl.sample import SECONDS_PER_HOUR
from labctl.store.entry import StoredRun

STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}figure{margin:1.5em 0;max-width:44em}
figcaption{color:#555;font-size:13px}
@media print{details{display:none}figure{break-inside:avoid}}.flag{color:#8a4b00}details{margin:1em 0}"""
ROWS = 1000  # of a table that is shown


def page(run: StoredRun, analyses: Sequence[Analysis], drawn: Sequence[Drawn]) -> str:
    """Return the page: what was done, the figures, and what each analysis found."""
    parts = [
        f"<h1>{text(run.title)}{' (simulated)' if run.simulated else ''}</h1>",
        grid(list(facts(run).items())),
        *(plate(each) for each in drawn),
        *(section(analysis) for analysis in analyses),
    ]
    return document(f"{run.protocol}, run {run.run_id}", parts)


def document(title: str, parts: Sequence[str]) -> str:
    """Return a whole page with its style, so that it needs nothing beside it."""
    head = f"<meta charset='utf-8'><title>{text(title)}</title><style>{STYLE}</style>"
    body = "\n".join(parts)
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>\n"


def facts(run: StoredRun) -> dict[str, str]:
    """Return what was done, when, and how it ended."""
    began = datetime.fromtimestamp(run.began_unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {
        "run": f"{run.run_id} ({run.uuid})",
        "protocol": run.protocol,
        "cell": run.cell,
        **({"data": run.origin} if run.simulated or run.imported else {}),
        "began": began,
        "ended": f"{run.end_reason or run.activity}: {run.end_why or run.why}",
        "duration": f"{run.test_time / SECONDS_PER_HOUR:.2f} h",
        "rows": f"{run.rows}",
        "software": run.software,
    }


def plate(drawn: Drawn) -> str:
    """Return one figure with its caption."""
    return f"<figure id='{text(drawn.name)}'>{svg(drawn.figure)}<figcaption>{text(drawn.caption)}</figcaption></figure>"


def section(analysis: Analysis) -> str:
    """Return one analysis."""
    values = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
    rows = [
        (item.name + (f" (cycle {item.cycle})" if item.cycle else ""), f"{value} {printed(item.unit)}")
        for item, value in zip(analysis.figures, values, strict=True)
    ]
    flags = "".join(f"<p class='flag'>{text(flag)}</p>" for flag in analysis.flags)
    return f"<h2>{text(analysis.name)}</h2>{grid(rows)}{flags}{details(analysis)}"


def details(analysis: Analysis) -> str:
    """Return the table of an analysis, folded away."""
    if not analysis.table:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in analysis.table)
    rows = list(zip(*texts(analysis.table).values(), strict=True))
    body = "".join("<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>" for row in rows[:ROWS])
    more = f"<p>{len(rows) - ROWS} more rows: labctl analyse</p>" if len(rows) > ROWS else ""
    return f"<details><summary>{len(rows)} rows</summary><table><tr>{head}</tr>{body}</table>{more}</details>"


def grid(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and values."""
    return (
        "<table>"
        + "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in rows)
        + "</table>"
    )


def text(value: str) -> str:
    """Return text that can do no harm in a page."""
    return html.escape(value)


@styled
def svg(figure: Figure) -> str:
    """Return a figure as inline SVG, its letters as outlines: it looks the same wherever it is opened."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "labctl"})
    whole = buffer.getvalue()
    return whole[whole.index("<svg") :]
