"""What the doctor says beside a real broker, PostgreSQL and daemon: what is wrong, and that the command it names mends it."""

import asyncio
import os

import psycopg
import pytest

from labctl.daemon import running
from labctl.doctor import services
from labctl.errors import Unreachable
from labctl.run.guard_process import GUARD_LOCK
from labctl.run.stations import simulated_station
from labctl.station.settings import InstrumentSettings, Mqtt, Station
from labctl.store.location import Lock
from tests.services_mosquitto import free_port, guarded, mosquitto  # noqa: F401
from tests.services_postgresql import postgresql, postgresql_server  # noqa: F401


def states(found):
    return [each.state for each in found]


def asked_of(broker, **more):
    return Station(mqtt=Mqtt(broker="address", host="127.0.0.1", port=broker.port, **more))


def test_a_broker_that_lets_us_in_is_well_and_one_that_is_away_is_wrong(mosquitto):  # noqa: F811
    station = asked_of(mosquitto)
    assert states(services.broker(station, served=False)) == ["well"]
    mosquitto.kill()
    (found,) = services.broker(station, served=False)
    assert found.state == "wrong"
    assert str(mosquitto.port) in found.text


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_a_password_that_others_may_read_is_wrong_and_the_command_mends_it(guarded, tmp_path):  # noqa: F811
    password = tmp_path / "password"
    password.write_text("right\n")
    password.chmod(0o644)
    station = asked_of(guarded, user="lab", password_file=str(password), tls=True, ca=str(guarded.authority.ca))
    (found,) = services.broker(station, served=False)
    assert (found.state, found.mend) == ("wrong", f"chmod 600 {password}")
    assert os.system(found.mend) == 0
    assert states(services.broker(station, served=False)) == ["well"]
    password.write_text("of another broker\n")
    assert states(services.broker(station, served=False)) == ["wrong"]


def test_a_port_that_another_program_has_is_told_of_the_embedded_broker(mosquitto):  # noqa: F811
    taken, free = (Station(mqtt=Mqtt(port=port)) for port in (mosquitto.port, free_port()))
    assert states(services.broker(taken, served=False)) == ["note"]
    assert states(services.broker(free, served=False)) == ["well"]


def test_postgresql_away_or_without_a_right_is_wrong(postgresql):  # noqa: F811
    assert states(services.postgresql(Station(postgres=postgresql))) == ["well"]
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS poor")
        connection.execute("CREATE ROLE poor LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        (found,) = services.postgresql(Station(postgres=postgresql.replace("labctl@", "poor@")))
        assert found.state == "wrong"
        assert "may make no tables" in found.text
        connection.execute(found.mend.partition('"')[2].partition('"')[0])
    assert states(services.postgresql(Station(postgres=postgresql.replace("labctl@", "poor@")))) == ["well"]
    (found,) = services.postgresql(Station(postgres=f"postgresql://lab:secret@127.0.0.1:{free_port()}/lab"))
    assert found.state == "wrong"
    assert "secret" not in found.text + found.mend
    (found,) = services.postgresql(Station(file="station.yaml", postgres="mysql://lab@host/lab"))
    assert (found.state, found.mend) == ("wrong", "labctl check station.yaml")


async def test_a_daemon_that_serves_is_well_and_its_alarms_are_told(tmp_path):
    station = Station(
        instruments={"bench": InstrumentSettings("bench", "simulated")},
        channels=simulated_station(2, "bench").channels,
        mqtt=Mqtt(broker="none"),
    )
    served, found = services.daemon(tmp_path / "data")
    assert (served, states(found), found[0].mend) == (False, ["note"], "labctl serve")
    async with running(station, tmp_path / "data") as parts:
        served, found = await asyncio.to_thread(services.daemon, tmp_path / "data")
        assert (served, states(found)) == (True, ["well"])
        parts.alarms.rise("disk", "error", "the disk is full")
        parts.channels["sim1"].unknown = str(Unreachable("it does not answer"))
        served, found = await asyncio.to_thread(services.daemon, tmp_path / "data")
        assert states(found) == ["wrong", "wrong"]
        assert found[0].text == "the disk is full"
        assert found[1].mend == "labctl why sim1"
        parts.channels["sim1"].unknown = ""


def test_a_daemon_whose_guard_is_gone_is_wrong(tmp_path):
    station = Station(instruments={"kei": InstrumentSettings("kei", "keithley2450")})
    assert states(services.guard(tmp_path, station, served=True)) == ["wrong"]
    lock = Lock(tmp_path / GUARD_LOCK, "the guard")
    assert states(services.guard(tmp_path, station, served=True)) == ["well"]
    lock.release()
    assert states(services.guard(tmp_path, simulated_station(1), served=True)) == ["well"]
