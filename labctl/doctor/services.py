"""What a station relies on besides its machine: its file, journal, drivers, broker, PostgreSQL, daemon, guard and service."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy.exc import ArgumentError

from labctl import __version__
from labctl.clock import this_machine
from labctl.control.client import DaemonClient
from labctl.doctor.diagnosis import Diagnosis, State
from labctl.doctor.unit import FILE
from labctl.errors import BrokerError, LabctlError, SinkError, StoreBusy
from labctl.publish.broker import USUAL_PORT, BrokerAddress
from labctl.publish.publisher import MqttClient
from labctl.run.ability import station_findings
from labctl.run.drivers import load
from labctl.run.guard_process import GUARD_LOCK
from labctl.run.guard_record import last_at_work, read_entries, still_trying
from labctl.station.settings import Station
from labctl.store.connect import postgresql_url
from labctl.store.location import Lock
from labctl.store.reader import Reader

ANSWER_WITHIN = 5.0  # s that a broker or a database has
RECENT = 86400.0  # s for which what a guard did is told
UNIT = FILE


def drivers(station: Station) -> Iterator[Diagnosis]:
    """Look at the drivers of the station's instruments: installed, with the options they want, run on hardware or not."""
    findings = station_findings(station)
    for finding in findings:
        state: State = "wrong" if finding.severity == "error" else "note"
        yield Diagnosis("drivers", state, finding.message, f"labctl check {station.file}" if station.file else "")
    unproven = []
    for name in sorted({given.driver for given in station.instruments.values()}):
        with contextlib.suppress(LabctlError):
            if not getattr(load(name, name), "verified", False):
                unproven.append(name)
    if unproven and unproven != ["simulated"]:
        names = ", ".join(name for name in unproven if name != "simulated")
        yield Diagnosis("drivers", "note", f"nobody ran these on hardware yet: {names}", "labctl drivers")
    elif not findings:
        yield Diagnosis("drivers", "well", "each is installed and has the options it wants")


def journal(folder: Path) -> Iterator[Diagnosis]:
    """Look at the journal: readable, of a version that this labctl knows, nothing lost; not its rows, which `verify` reads."""
    if not (folder / "journal.db").is_file():
        yield Diagnosis("journal", "note", "there is none yet: the daemon makes it")
        return
    try:
        with Reader(folder) as reader:
            losses = reader.losses()
            (commits,) = reader.query("SELECT COALESCE(max(commit_id), 0) FROM commits")[0]
    except LabctlError as error:
        yield Diagnosis("journal", "wrong", str(error), f"labctl verify --db {folder}")
        return
    for loss in losses:
        yield Diagnosis("journal", "note", loss.text, f"labctl verify --db {folder}")
    if not losses:
        yield Diagnosis("journal", "well", f"{commits:,} commits, nothing lost; labctl verify reads every row")


def broker(station: Station, *, served: bool) -> Iterator[Diagnosis]:
    """Look at the broker: it lets this station in with its password, or its port is free for the embedded one."""
    given = station.mqtt
    if given.broker == "none":
        yield Diagnosis("broker", "well", "the station wants none")
        return
    if given.broker == "embedded":
        yield _embedded_broker(given.host or "127.0.0.1", given.port or USUAL_PORT, served=served)
        return
    address = BrokerAddress(
        host=given.host,
        port=given.port or (8883 if given.tls else USUAL_PORT),
        username=given.user,
        password_file=None if given.password_file is None else station.beside(given.password_file),
        tls=given.tls,
        ca_file=None if given.ca is None else station.beside(given.ca),
    )
    try:
        address.check()
        asyncio.run(_let_in(address))
    except LabctlError as error:
        mend = f"labctl watch --broker {address.host}:{address.port}" if isinstance(error, BrokerError) else ""
        if address.password_file is not None and "mode 600" in str(error):
            mend = f"chmod 600 {address.password_file}"
        yield Diagnosis("broker", "wrong", str(error), mend)
    else:
        yield Diagnosis("broker", "well", f"{address.host}:{address.port} lets this station in")


def _embedded_broker(host: str, port: int, *, served: bool) -> Diagnosis:
    if served:
        return Diagnosis("broker", "well", "the embedded one runs with the daemon")
    with socket.socket() as probe:
        probe.settimeout(ANSWER_WITHIN)
        if probe.connect_ex((host, port)) == 0:
            words = f"something else listens on {host}:{port}: the embedded broker takes another port, which labctl status knows"
            return Diagnosis("broker", "note", words, f"ss -tlnp 'sport = :{port}'")
    return Diagnosis("broker", "well", f"{host}:{port} is free for the embedded one")


async def _let_in(address: BrokerAddress) -> None:
    try:
        async with asyncio.timeout(ANSWER_WITHIN), MqttClient(address, "labctl-doctor").session(None, ()):
            pass
    except TimeoutError:
        raise BrokerError(
            f"MQTT broker {address.host}:{address.port}: wanted an answer within {ANSWER_WITHIN:g} s, found none"
        ) from None


def postgresql(station: Station) -> Iterator[Diagnosis]:
    """Look at the copy in PostgreSQL: it lets this station in, which may make tables there or finds its own."""
    if station.postgres is None:
        yield Diagnosis("postgresql", "well", "the station copies nothing there")
        return
    try:
        url = postgresql_url(station.postgres)
        place = url.render_as_string(hide_password=True)
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, connect_timeout=int(ANSWER_WITHIN)) as connection:
            row = connection.execute(
                "SELECT to_regclass('public.runs') IS NOT NULL, has_schema_privilege('public', 'CREATE')"
            ).fetchone()
    except (SinkError, ArgumentError) as error:
        yield Diagnosis("postgresql", "wrong", str(error), f"labctl check {station.file}")
    except psycopg.Error as error:
        yield Diagnosis("postgresql", "wrong", f"{place}: {' '.join(str(error).split())}", f"psql {place}")
    else:
        tables, may_make = row or (False, False)
        if tables or may_make:
            yield Diagnosis("postgresql", "well", f"{place} lets this station in")
        else:
            grant = f'psql {place} -c "GRANT CREATE ON SCHEMA public TO {url.username}"'
            yield Diagnosis("postgresql", "wrong", f"{place}: {url.username} may make no tables there", grant)


def speed_of(folder: Path) -> object:
    """Return how many times faster than real the clock of the daemon is that serves, `fast`, or None where none serves."""
    try:
        with DaemonClient(folder) as client:
            return next((row.get("clock") for row in client.status()), None)
    except LabctlError:
        return None


def daemon(folder: Path) -> tuple[bool, list[Diagnosis]]:
    """Look at the daemon: does it serve, of which version is it, what does it alarm of? Also tell whether it serves."""
    try:
        with DaemonClient(folder) as client:
            version, (channels, alarms) = str(client.info().get("version")), client.station()
    except LabctlError as error:
        return False, [Diagnosis("daemon", "note", str(error), "labctl serve")]
    found = [
        Diagnosis("daemon", "wrong" if alarm["severity"] == "error" else "note", str(alarm["text"])) for alarm in alarms
    ]
    if version != __version__:
        words = (
            f"it is labctl {version}, and this is {__version__}: it goes on with the old one until it is started again"
        )
        found.append(Diagnosis("daemon", "note", words, "sudo systemctl restart labctl"))
    for row in channels:
        if row["activity"] == "unknown":
            mend = str(row.get("unblock") or f"labctl why {row['channel']}")
            found.append(Diagnosis("daemon", "wrong", f"channel {row['channel']}: {row['why']}", mend))
    return True, found or [Diagnosis("daemon", "well", f"it serves {len(channels)} channels and alarms of nothing")]


def guard(folder: Path, station: Station, *, served: bool) -> Iterator[Diagnosis]:
    """Look at the guard: at work where something may be energised, and what it did in the last day."""
    entries = read_entries(folder)
    now = this_machine().unix()
    acted = [entry for entry in entries if entry.by == "guard" and entry.kind == "off" and now - entry.unix < RECENT]
    trying = still_trying(entries, last_at_work(entries))
    held = _guard_at_work(folder)
    if held and trying:
        names = ", ".join(sorted(trying))
        words = f"it still tries to switch off {names}: does it answer? Is its line plugged in?"
        yield Diagnosis("guard", "wrong", words, "labctl serve")
    energising = any(given.driver != "simulated" for given in station.instruments.values())
    if served and energising and not held:
        yield Diagnosis("guard", "wrong", "the daemon serves without one: nothing can be energised", "labctl status")
    for entry in acted[-1:]:
        words = f"it switched off {len(acted)} outputs in the last day, last {entry.instrument} {entry.channel}: {entry.why}"
        yield Diagnosis("guard", "note", words, "labctl status")
    if not acted and not trying and (held or not served or not energising):
        state: State = "well"
        words = "it is at work" if held else "none is needed now"
        yield Diagnosis("guard", state, words)


def _guard_at_work(folder: Path) -> bool:
    if not (folder / GUARD_LOCK).is_file():
        return False
    try:
        Lock(folder / GUARD_LOCK, "the guard").release()
    except StoreBusy:
        return True
    except LabctlError:
        return False
    return False


def unit() -> Iterator[Diagnosis]:
    """Look at the service: installed, started with the machine, running, and what it ended of."""
    if shutil.which("systemctl") is None:
        yield Diagnosis("unit", "note", "this system has no systemd: what starts the daemon again is not known here")
        return
    facts = _facts()
    if facts is None:
        yield Diagnosis("unit", "note", "systemd does not answer here, as in a container")
    elif facts.get("LoadState") != "loaded":
        words = f"there is no {UNIT}: after a restart of the machine nobody starts the daemon"
        yield Diagnosis("unit", "note", words, "labctl new service - | sudo tee /etc/systemd/system/labctl.service")
    elif facts.get("UnitFileState") != "enabled":
        words = f"{UNIT} is not started with the machine"
        yield Diagnosis("unit", "wrong", words, "sudo systemctl enable --now labctl")
    elif facts.get("ActiveState") != "active":
        words = f"{UNIT} is {facts.get('ActiveState')} ({facts.get('Result')})"
        yield Diagnosis("unit", "wrong", words, "sudo systemctl reset-failed labctl; sudo systemctl start labctl")
    else:
        yield Diagnosis("unit", "well", f"{UNIT} is active and is started with the machine")


def _facts() -> dict[str, str] | None:
    asked = ["systemctl", "show", UNIT, "--property=LoadState,UnitFileState,ActiveState,Result"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=ANSWER_WITHIN, check=False)  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    return dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
