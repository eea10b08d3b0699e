"""One HTML page of a run, complete in itself: what was done, the figures, the tables, the plots as SVG."""

import html
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from matplotlib.figure import Figure

from labctl.analysis.record import Analysis
from labctl.sample import SECONDS_PER_HOUR
from labctl.store.entry import Run

STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}.flag{color:#8a4b00}details{margin:1em 0}"""
ROWS = 1000  # of a table that is shown


def page(run: Run, analyses: Sequence[Analysis], figures: Mapping[str, Figure]) -> str:
    """Return the page."""
    began = datetime.fromtimestamp(run.began_unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = {
        "run": f"{run.run_id} ({run.uuid})",
        "protocol": run.protocol,
        "cell": run.cell,
        "began": began,
        "ended": f"{run.end_reason or run.activity}: {run.end_why or run.why}",
        "duration": f"{run.test_time / SECONDS_PER_HOUR:.2f} h",
        "rows": f"{run.rows}",
        "software": run.software,
    }
    parts = [
        f"<h1>{text(run.protocol)} on {text(run.cell)}</h1>",
        grid(list(facts.items())),
    ]
    if "history" in figures:
        parts.append(svg(figures["history"]))
    if "spectra" in figures:
        parts.append(f"<h2>spectra</h2>{svg(figures['spectra'])}")
    parts += [section(analysis, figures.get(analysis.name)) for analysis in analyses]
    body = "\n".join(parts)
    head = f"<meta charset='utf-8'><title>{text(run.protocol)}, run {run.run_id}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>\n"


def section(analysis: Analysis, figure: Figure | None) -> str:
    """Return one analysis."""
    rows = [
        (item.name + (f" (cycle {item.cycle})" if item.cycle else ""), f"{item.value:.6g} {item.unit}")
        for item in analysis.figures
    ]
    flags = "".join(f"<p class='flag'>{text(flag)}</p>" for flag in analysis.flags)
    return f"<h2>{text(analysis.name)}</h2>{grid(rows)}{flags}{svg(figure) if figure else ''}{details(analysis)}"


def details(analysis: Analysis) -> str:
    """Return the table of an analysis, folded away."""
    if not analysis.table:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in analysis.table)
    rows = list(zip(*analysis.table.values(), strict=True))
    body = "".join("<tr>" + "".join(f"<td>{shown(value)}</td>" for value in row) + "</tr>" for row in rows[:ROWS])
    more = f"<p>{len(rows) - ROWS} more rows: labctl analyse</p>" if len(rows) > ROWS else ""
    return f"<details><summary>{len(rows)} rows</summary><table><tr>{head}</tr>{body}</table>{more}</details>"


def grid(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and values."""
    return (
        "<table>"
        + "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in rows)
        + "</table>"
    )


def shown(value: object) -> str:
    """Return a value as it stands in a table."""
    return f"{value:.6g}" if isinstance(value, float) else text(str(value))


def text(value: str) -> str:
    """Return text that can do no harm in a page."""
    return html.escape(value)


def svg(figure: Figure) -> str:
    """Return a figure as inline SVG."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "labctl"})
    found = buffer.getvalue()
    return found[found.index("<svg") :]
