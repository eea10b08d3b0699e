"""Sweeps over simulated cells: the same table whatever the workers, nothing lost or doubled where one dies, gone on where cut."""

import csv
import multiprocessing

import pytest

from labctl.cli.main import main
from labctl.errors import UsageError
from labctl.report.sweep import REQUEST, SweepRequest, grid_of, points_of, sweep
from labctl.report.worker_pool import processes

PROTOCOL = """\
labctl: 1
name: plate
params:
  current: 0.5 mA/cm2
limits: {voltage: [-2 V, 2 V], capacity: 3 mAh/cm2}
steps:
  - repeat: 1
    cycle: true
    steps:
      - plate: {current: $current, for: 20 min}
      - strip: {current: $current, for: 20 min}
analyse: [nucleation, life]
"""
GRID = {"current": ["0.25 mA/cm2", "0.5 mA/cm2", "1 mA/cm2"]}


@pytest.fixture(scope="module")
def request_of(tmp_path_factory):
    file = tmp_path_factory.mktemp("sweep") / "plate.yaml"
    file.write_text(PROTOCOL, encoding="utf-8")
    return SweepRequest(str(file), "na-bare", GRID, replicates=2, seed=7, chunk=2)


@pytest.fixture(scope="module")
def table(request_of, tmp_path_factory):
    return sweep(request_of, tmp_path_factory.mktemp("one"), processes(1)).read_bytes()


def test_every_combination_has_its_replicates_with_seeds_of_their_own(request_of):
    points = points_of(request_of)
    assert [(point.values["current"], point.seed) for point in points[:3]] == [
        ("0.25 mA/cm2", 7), ("0.25 mA/cm2", 8), ("0.5 mA/cm2", 7),
    ]  # fmt: skip
    assert len(points) == 6


def test_the_table_is_the_same_to_the_byte_whatever_the_workers(request_of, table, tmp_path):
    assert sweep(request_of, tmp_path / "two", processes(2)).read_bytes() == table
    rows = list(csv.DictReader(table.decode().splitlines()))
    assert [row["point"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert all(row["end"] == "done" for row in rows)
    tips = [float(row["nucleation: nucleation tip / mV"]) for row in rows]
    assert tips[0] < tips[2] < tips[4]
    assert tips[0] != tips[1]  # another seed


def test_a_worker_that_dies_loses_no_chunk_and_doubles_none(request_of, table, tmp_path):
    killed = []

    def kill_one(done, _every):
        if not killed and (children := multiprocessing.active_children()):
            killed.append(children[0].pid)
            children[0].kill()
        del done

    assert sweep(request_of, tmp_path / "killed", processes(2), kill_one).read_bytes() == table


def test_a_sweep_that_was_cut_goes_on_where_it_stopped(request_of, table, tmp_path):
    folder = tmp_path / "cut"
    sweep(request_of, folder, processes(1))
    (folder / "chunk-0001.json").unlink()
    kept = (folder / "chunk-0000.json").stat().st_mtime_ns
    assert sweep(request_of, folder, processes(1)).read_bytes() == table
    assert (folder / "chunk-0000.json").stat().st_mtime_ns == kept


def test_a_folder_of_another_sweep_is_refused(request_of, tmp_path):
    (tmp_path / REQUEST).write_text('{"digest": "another"}')
    with pytest.raises(UsageError, match="found another sweep"):
        sweep(request_of, tmp_path, processes(1))


def test_a_sweep_is_asked_for_by_replicates(request_of, tmp_path, capsys):
    words = ["--cell", "na-bare", "--set", "current=0.25 mA/cm2", "--set", "current=1 mA/cm2"]
    assert (
        main(
            [
                "simulate",
                request_of.protocol,
                *words,
                "--replicates",
                "1",
                "--workers",
                "1",
                "--db",
                str(tmp_path / "s"),
            ]
        )
        == 0
    )
    assert "2 runs" in capsys.readouterr().out
    assert grid_of(["a=1", "b=2", "a=3"]) == {"a": ["1", "3"], "b": ["2"]}
    with pytest.raises(UsageError, match="wanted NAME=VALUE, found 'a'"):
        grid_of(["a"])
    with pytest.raises(UsageError, match="wanted one replicate or more"):
        points_of(SweepRequest("p", "c", {}, 0))
