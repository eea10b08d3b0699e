"""Check the journal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.store.signature import SignedHead
    from labctl.store.verify import Verified

DB = typer.Option(
    "--db",
    help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
    show_default=False,
)
AGAINST = typer.Option(
    "--against", metavar="HEAD.sig", help="signed head: its commit must be in the chain", show_default=False
)
SIGNERS = typer.Option(
    "--signers", metavar="FILE", help="who may sign, as OpenSSH's allowed signers", show_default=False
)
MOST = 20  # findings shown


def command(
    run: Annotated[str | None, typer.Argument(help="this run alone; without, all", show_default=False)] = None,
    *,
    db: Annotated[str, DB] = "",
    anchor: Annotated[
        str,
        typer.Option(
            "--anchor", help="digest of a commit, kept elsewhere: it must be in the chain", show_default=False
        ),
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="the same, and only what is newer is read", show_default=False)
    ] = "",
    sign: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="OpenSSH key: sign the head of a whole journal", show_default=False),
    ] = None,
    against: Annotated[Path | None, AGAINST] = None,
    signers: Annotated[Path | None, SIGNERS] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of text")] = False,
) -> None:
    """Check that what is stored is what was written: chain of digests, its last commit, gaps, order of time and counters.

    Without a digest or a signed head that was kept elsewhere (--anchor, --against), a chain that somebody made anew on purpose
    cannot be told from the first.
    """
    from dataclasses import asdict
    from functools import partial

    import orjson

    from labctl.cli.terminal.console import progress
    from labctl.control.endpoint import journal
    from labctl.errors import StoreError
    from labctl.store.reader import Reader
    from labctl.store.verify import verify

    where = db or journal()
    signed = None if against is None else _signed(against, signers)
    anchor = anchor or (signed.chain if signed else "")
    with Reader(where) as reader:
        run_id = None if run is None else reader.find(run).run_id
    with progress() as bar:
        task = bar.add_task("commits", total=None)
        tell = partial(bar.update, task)
        done = verify(where, run_id, lambda at, last: tell(completed=at, total=last), anchor=anchor, since=since)
    if signed is not None and signed.journal != done.journal:
        raise StoreError(f"{against}: wanted the head of journal {done.journal}, found one of journal {signed.journal}")
    if json:
        typer.echo(orjson.dumps(asdict(done), option=orjson.OPT_INDENT_2).decode())
    else:
        _say(done)
    if not done.whole:
        raise typer.Exit(1)
    if sign is not None and done.head is not None:
        _sign(done, sign)


def _signed(file: Path, signers: Path | None) -> "SignedHead":
    from labctl.store.signature import read

    head, by = read(file, signers)
    print(f"{file}: commit {head.commit_id}, signed {head.signed} by {by}", file=sys.stderr)
    return head


def _say(done: "Verified") -> None:
    for finding in done.findings[:MOST]:
        typer.echo(str(finding))
    if len(done.findings) > MOST:
        typer.echo(f"... and {len(done.findings) - MOST} more")
    verdict = "whole" if done.whole else f"NOT whole: {len(done.findings)} findings"
    typer.echo(f"{done.commits:,} commits, {done.runs:,} run{'s' * (done.runs != 1)}, {done.rows:,} rows: {verdict}")
    for note in done.notes:
        typer.echo(f"note: {note}")
    if done.head is not None and done.whole:
        typer.echo(f"head: {done.head}; kept elsewhere, `labctl verify --anchor` proves by it what stood until now")


def _sign(done: "Verified", key: Path) -> None:
    """Sign the head of a journal that is whole, into a file of this folder."""
    from labctl.store.signature import SignedHead, now, sign

    assert done.head is not None
    file = Path(f"labctl-{done.journal[:8]}-{done.head.commit_id}.sig")
    sign(SignedHead(done.journal, done.head.commit_id, done.head.digest, now()), key, file)
    print(
        f"{file}: written; kept elsewhere, `labctl verify --against {file}` proves by it what stood",
        file=sys.stderr,
    )
