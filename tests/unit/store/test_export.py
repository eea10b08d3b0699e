"""Files for others: they pass the Battery Data Format's own validator and read back to the same bits."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from labctl.cli.main import main
from labctl.driver import Points
from labctl.engine.input import Event, SpectrumPart
from labctl.errors import StoreError, UsageError
from labctl.store.entry import Entry
from labctl.store.export import FORMATS, Format, export
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.store.making import attempt, batch, entries, new_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    bdf = pytest.importorskip("bdf", reason="batterydf is not installed")
    import pandas as pd

RECOMMENDED = ["unix_time_second", "cycle_count", "step_count"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        made = batch(60, temperature=True, bad=True)
        extra = {"ambient_temperature_celsius": np.linspace(20, 21, 10), "bend angle": np.full(10, 0.5)}
        for entry in entries(run_id, made, 30):
            journal.commit([entry])
        more = batch(10, seed=5)
        more = type(more)(
            more.time + 100, more.voltage, more.current, more.charging_ah, more.discharging_ah, auxiliary=extra
        )
        journal.commit([Entry(run_id, more, 60, 2, events=(attempt(2, 59, 90.0),))])
        journal.commit([Entry(run_id, events=(Event("spectrum_began", 69, 110.0, {"spectrum": 1}),))])
        journal.commit([Entry(run_id, input=SpectrumPart(2, Points(*(np.arange(4.0) + 1 for _ in range(6)))))])
        journal.finish_run(run_id, "done")
    return tmp_path


def exported(folder: Path, kind: str, name: str) -> Path:
    with Reader(folder) as reader:
        files = export(reader, reader.run(1), folder / name, kind)
    assert all(file.is_file() for file in files)
    assert not list(folder.glob(".*.part"))
    return files[0]


def validate(frame: "pd.DataFrame") -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = bdf.validate_df(frame)
    assert report["ok"]
    assert report["time_stats"]["monotonic"]
    assert not report["legacy_labels"]


@pytest.mark.parametrize("kind", ["bdf-csv", "bdf-parquet"])
def test_a_file_passes_the_format_s_validator(folder: Path, kind: str) -> None:
    file = exported(folder, kind, f"x.bdf.{kind[4:]}")
    frame = pd.read_parquet(file) if kind == "bdf-parquet" else pd.read_csv(file)
    validate(frame)
    assert list(frame.columns[:3]) == ["test_time_second", "voltage_volt", "current_ampere"]
    assert set(RECOMMENDED) <= set(frame.columns)
    assert "ambient_temperature_celsius" in frame
    assert "labctl_bend angle" in frame
    spectra = file.with_name("x-spectra." + file.name.partition(".")[2])
    validate(pd.read_parquet(spectra) if kind == "bdf-parquet" else pd.read_csv(spectra))


@pytest.mark.parametrize("kind", FORMATS)
def test_values_read_back_to_the_bit(folder: Path, kind: str) -> None:
    file = exported(folder, kind, "x.out")
    frame = pd.read_parquet(file) if kind == "bdf-parquet" else pd.read_csv(file)
    with Reader(folder) as reader:
        rows = reader.rows(1)
        view = reader.query(
            "SELECT step_time_second, cycle_net_capacity_ah, step_id, net_capacity_ah FROM v_samples ORDER BY record_index"
        )
    for name, column in (
        ("test_time_second", rows.time), ("voltage_volt", rows.voltage), ("charging_capacity_ah", rows.charging_ah),
        ("surface_temperature_celsius", rows.temperature_celsius),
    ):  # fmt: skip
        np.testing.assert_array_equal(frame[name].to_numpy(), column)
    for at, name in enumerate(("step_time_second", "cycle_net_capacity_ah", "step_id", "net_capacity_ah")):
        np.testing.assert_array_equal(
            frame[name].to_numpy(dtype=float), np.array([row[at] for row in view], dtype=float)
        )
    assert frame["record_index"].tolist() == list(range(70))
    quality = frame["quality" if kind == "csv" else "labctl_quality"]
    assert int((quality == 2).sum()) == 20


def test_integers_are_written_as_integers_and_nulls_as_nothing(folder: Path) -> None:
    with exported(folder, "bdf-csv", "x.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert rows[0]["cycle_count"] == "1"
    assert rows[1]["voltage_volt"] == ""
    assert rows[0]["ambient_temperature_celsius"] == ""
    assert rows[65]["ambient_temperature_celsius"].startswith("20.")
    kinds = pyarrow.parquet.read_schema(exported(folder, "bdf-parquet", "x.parquet"))
    assert str(kinds.field("step_count").type) == "int64"
    assert str(kinds.field("step_type").type) == "string"


def test_the_sidecar_has_protocol_plan_cell_and_events(folder: Path) -> None:
    file = exported(folder, "bdf-csv", "x.csv")
    found = json.loads(file.with_name("x.csv.metadata.json").read_text())
    assert found["protocol"]["text"] == "labctl: 1\n"
    assert len(found["protocol"]["sha256"]) == 64
    assert found["plan"] == {"name": "made"}
    assert found["cell"]["name"] == "cell-1"
    assert found["started"] == "2023-11-14T22:13:20.000+00:00"
    assert found["events"][0]["kind"] == "attempt"
    assert found["rows"] == 70
    head = verify(folder, anchor=found["journal"]["digest"]).head
    assert head is not None
    assert (found["journal"]["commit"], found["journal"]["digest"]) == (head.commit_id, head.digest)


def test_an_unknown_format_and_an_unwritable_place_are_refused(folder: Path) -> None:
    with pytest.raises(
        UsageError, match="wanted a format out of bdf-csv, bdf-parquet, csv, cycles, steps, impedance, found 'xlsx'"
    ):
        exported(folder, "xlsx", "x")
    with Reader(folder) as reader, pytest.raises(StoreError, match=r"wanted a folder .*, found none; `mkdir -p"):
        export(reader, reader.run(1), folder / "none" / "x.csv", "csv")


@pytest.mark.parametrize(
    ("kind", "name", "written"),
    [
        ("bdf-csv", "x.xlsx", "write -o x.csv, which Excel opens"),
        ("cycles", "x.xlsx", "write -o x.csv, which Excel opens"),
        ("csv", "x.parquet", "leave --format out, or write bdf-parquet"),
        ("bdf-parquet", "x.csv", "write -o x.parquet"),
        ("bdf-parquet", "x.mat", "write -o x.parquet"),
        ("impedance", "x.json", "write -o x.csv"),
    ],
)
def test_a_file_is_not_named_as_what_it_is_not(folder: Path, kind: str, name: str, written: str) -> None:
    with pytest.raises(UsageError, match=f"wanted a file name that fits {kind}, found {name}: {written}"):
        exported(folder, kind, name)
    assert not (folder / name).exists()


def test_the_ending_of_a_file_chooses_its_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.parquet", "x.csv", "x.A3"):
        assert main(["export", "1", "--db", str(folder), "-o", str(folder / name)]) == 0
    rows = [
        len(pd.read_parquet(folder / "x.parquet")),
        *(len(pd.read_csv(folder / name)) for name in ("x.csv", "x.A3")),
    ]
    assert len(set(rows)) == 1
    assert "x.parquet" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_device_and_a_folder_are_refused(folder: Path, kind: Format) -> None:
    with Reader(folder) as reader:
        for place, what in (("/dev/full", "a device: /dev/full"), (str(folder), "a folder")):
            with pytest.raises(StoreError, match=f"wanted a file to write, found {what}"):
                export(reader, reader.run(1), Path(place), kind)
    assert not Path("/dev/.full.part").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_run_without_rows_is_an_empty_file(tmp_path: Path, kind: str) -> None:
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run("a"))
    file = exported(tmp_path, kind, "x")
    if kind == "bdf-parquet":
        assert pd.read_parquet(file).empty
    else:
        assert file.read_text().startswith("test_time_second,voltage_volt,current_ampere")


def test_missing_cycles_and_energies_in_exports(tmp_path: Path) -> None:
    """Energies by row in the format's own columns, cycles and steps as tables, spectra as three columns."""
    protocol = tmp_path / "p.yaml"
    protocol.write_text(
        "labctl: 1\nname: two cycles\nlimits: {voltage: [3.0 V, 4.2 V], current: [-3 A, 3 A]}\nsteps:\n"
        "  - rest: 1 min\n  - repeat: 2\n    cycle: true\n    steps:\n      - discharge: {current: 1C, for: 10 min}\n"
        "      - charge: {current: 1C, for: 10 min}\n  - rest: 10 s\n"
        "  - eis: {from: 1 kHz, to: 10 Hz, per_decade: 5, amplitude: 10 mV}\n"
    )
    db = tmp_path / "x.db"
    assert main(["simulate", str(protocol), "--cell", "marquis2019", "--db", f"sqlite:///{db}"]) == 0
    with Reader(db) as reader:
        run = reader.run(1)
        rows, *_ = export(reader, run, tmp_path / "rows.csv")
        (cycles,) = export(reader, run, tmp_path / "cycles.csv", "cycles")
        (steps,) = export(reader, run, tmp_path / "steps.csv", "steps")
        (spectrum,) = export(reader, run, tmp_path / "z.csv", "impedance")
        energies = reader.query("SELECT charging_energy_wh, discharging_energy_wh FROM cycles ORDER BY cycle_count")
    frame = pd.read_csv(rows)
    for scope in ("", "step_", "cycle_"):
        for kind in ("charging", "discharging", "net", "cumulative"):
            assert f"{scope}{kind}_energy_wh" in frame
    grouped = frame[frame.cycle_count > 0].groupby("cycle_count").cycle_charging_energy_wh.max()
    assert grouped.tolist() == pytest.approx([row[0] for row in energies], rel=1e-6)
    assert frame[frame.cycle_count == 0].cycle_charging_energy_wh.isna().all()
    table = pd.read_csv(cycles)
    assert table.cycle_count.tolist() == [1, 2]
    assert table.charging_energy_wh.tolist() == [row[0] for row in energies]
    assert table.complete.tolist() == [1, 1]
    assert pd.read_csv(steps).step_type.tolist()[:3] == ["rest", "discharge", "charge"]
    points = np.genfromtxt(spectrum, delimiter=",")
    assert points.shape == (11, 3)
    assert (np.diff(points[:, 0]) < 0).all()
    with Reader(db) as reader, pytest.raises(UsageError, match="wanted a format out of"):
        export(reader, run, tmp_path / "x", "excel")  # type: ignore[arg-type]
