"""aurora-neware's client, which talks to real BTS 8 programs, against our emulated cycler."""

import pytest
from aurora_neware import NewareAPI

from labctl.driver import Bounds, Galvanostatic, Program, ProgramStep, RecordRule, Rest, Threshold
from labctl_drivers.neware.stepfile import step_file
from labctl_simulators.models import load_model
from labctl_simulators.wire.neware import Cycler
from labctl_simulators.wire.neware_channel import CyclerChannel

BOUNDS = Bounds(voltage=(2.5, 4.2), current=(-2.0, 2.0))
RECORD = (RecordRule(every=1.0),)
PROGRAM = Program(
    1,
    (
        ProgramStep(1, Rest(), (Threshold("time", above=True, value=60.0, number=0),), RECORD, BOUNDS),
        ProgramStep(2, Galvanostatic(-0.5), (Threshold("time", above=True, value=3600.0, number=0),), RECORD, BOUNDS),
    ),
)


@pytest.fixture
def client(bench):
    cycler = Cycler({("27", "1", number): CyclerChannel(load_model("marquis2019")) for number in ("1", "2")})
    port = bench.socket(cycler)
    with NewareAPI("127.0.0.1", port) as api:
        yield api, cycler


def test_starts_polls_downloads_and_stops(client, bench, tmp_path):
    api, cycler = client
    path = tmp_path / "steps.xml"
    path.write_text(step_file(PROGRAM), encoding="utf-8")
    assert set(api.getchlstatus()) == {"27-1-1", "27-1-2"}
    assert [row["start"] for row in api.start("27-1-1", "a sample", path, tmp_path)] == ["ok"]
    bench.speed = 1.0
    bench.began -= 1500.0
    told = api.inquire("27-1-1")["27-1-1"]
    assert told["workstatus"] == "working"
    assert told["barcode"] == "a sample"
    assert told["current"] == pytest.approx(-0.5)
    columns = api.download("27-1-1", last_n_points=0)
    records = cycler.channels["27", "1", "1"].records
    assert len(columns["seqid"]) >= 1000
    assert columns["volt"][:1000] == pytest.approx([row.voltage for row in records[:1000]], rel=1e-6)
    assert [row["stop"] for row in api.stop("27-1-1")] == ["ok"]
    assert api.inquire("27-1-1")["27-1-1"]["workstatus"] == "stop"


def test_refuses_a_channel_that_works(client, tmp_path):
    api, cycler = client
    path = tmp_path / "steps.xml"
    path.write_text(step_file(PROGRAM), encoding="utf-8")
    api.start("27-1-2", "one", path, tmp_path)
    with pytest.raises(ValueError, match="blocked"):
        api.start("27-1-2", "two", path, tmp_path)
    assert cycler.channels["27", "1", "2"].barcode == "one"
    api.stop("27-1-2")


def test_tells_its_test_id_and_lamps(client):
    api, _ = client
    assert api.get_testid("27-1-1")
    assert [row["light"] for row in api.light("27-1-1")] == ["ok"]
