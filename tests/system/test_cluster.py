"""Sweeps and papers on a real Dask scheduler with two worker processes: the same bytes, and a worker that dies loses nothing."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.errors import LabctlError, UsageError
from labctl.report import worker_pool
from labctl.report.reproduce import experiments, run_all
from labctl.report.sweep import SweepRequest, points_of, run_chunk, run_chunk_apart, sweep, texts_of
from labctl.report.worker_pool import carried_out, cluster, pool_of, processes
from labctl.run.stand_in import parameters_template

CLUSTER = """\
import warnings
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        print(cluster.scheduler_address, *(worker.pid for worker in cluster.workers.values()), flush=True)
        input()
"""
PROTOCOL = """\
labctl: 1
name: film
params:
  current: 5 uA
limits: {voltage: [1.9 V, 4.1 V], capacity: 30 uAh}
steps:
  - rest: 10 s
  - discharge: {current: $current, for: 2 min}
"""
CELL = """\
labctl_cell: 1
name: own
kind: half_cathode
area: 1 cm2
film_thickness: 300 nm
nominal: {capacity: 20 uAh/cm2}
limits: {voltage: [1.9 V, 4.1 V]}
model: ../parameters/own.yaml
"""
QUICKLY = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}  # who is gone is not waited for


class Dask:
    """A scheduler with two workers in processes of their own."""

    def __init__(self, folder):
        script = folder / "cluster.py"
        script.write_text(CLUSTER, encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, script], env=os.environ | QUICKLY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.address, *pids = self.process.stdout.readline().split()
        self.workers = [int(pid) for pid in pids]

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    started = Dask(tmp_path_factory.mktemp("dask"))
    yield started
    started.end()


@pytest.fixture(scope="module")
def request_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "film.yaml").write_text(PROTOCOL, encoding="utf-8")
    grid = {"current": ["2 uA", "5 uA", "10 uA"]}
    return SweepRequest(str(folder / "film.yaml"), "vo", grid, replicates=2, seed=3, chunk=1)


def test_a_worker_of_a_cluster_that_is_killed_loses_no_chunk_and_doubles_none(dask, request_of, tmp_path):
    killed = []

    def kill_one(_done, _every):
        if not killed:
            killed.append(dask.workers[0])
            os.kill(dask.workers[0], signal.SIGKILL)

    there = sweep(request_of, tmp_path / "there", cluster(dask.address), kill_one).read_bytes()
    assert killed
    assert there == sweep(request_of, tmp_path / "here", processes(1)).read_bytes()
    assert {file.name for file in (tmp_path / "there").iterdir()} == {
        file.name for file in (tmp_path / "here").iterdir()
    }


def test_a_worker_that_died_a_moment_ago_keeps_nobody_from_working(tmp_path):
    started = Dask(tmp_path)
    os.kill(started.workers[0], signal.SIGKILL)  # the scheduler still lists it
    assert list(carried_out(cluster(started.address), abs, {0: -1}, "number")) == [(0, 1)]
    started.end()


class Interrupted:
    """A client whose line to one worker breaks some times."""

    def __init__(self, times):
        self.left = times

    def run(self, _function, on_error):
        assert on_error == "return"
        self.left -= 1
        return {"a": ("1", "1"), "b": OSError("reset") if self.left >= 0 else ("2", "1")}


def test_a_worker_whose_line_breaks_is_asked_again_and_none_goes_unasked(monkeypatch):
    monkeypatch.setattr(worker_pool, "ASKED_EVERY", 0.0)
    assert worker_pool.facts_of(Interrupted(2), "tcp://x:1") == {"a": ("1", "1"), "b": ("2", "1")}
    with pytest.raises(LabctlError, match="wanted an answer of every worker, found none of b"):
        worker_pool.facts_of(Interrupted(worker_pool.ASKED), "tcp://x:1")


def test_a_paper_on_a_cluster_gives_the_same_numbers(dask):
    wanted = experiments("msi-c", ["E8"])
    assert list(run_all(wanted, cluster(dask.address))) == list(run_all(wanted, processes(1)))


def test_what_a_job_raises_comes_through(dask):
    with pytest.raises(ValueError, match="invalid literal"):
        list(carried_out(cluster(dask.address), int, {0: "x"}, "number"))


def test_a_scheduler_that_goes_away_is_said(tmp_path):
    started = Dask(tmp_path)
    jobs = carried_out(cluster(started.address), _killed_and_waited_for, {0: started.process.pid, 1: 0}, "piece")
    with pytest.raises(LabctlError, match="went away before piece"):
        list(jobs)
    started.end()


def _killed_and_waited_for(scheduler):
    """Kill the scheduler from one worker, and wait in both for the end that comes with it."""
    if scheduler:
        os.kill(scheduler, signal.SIGKILL)
    signal.pause()


def test_a_parameter_file_of_the_cell_goes_to_a_worker_that_does_not_see_our_disk(request_of, tmp_path):
    for folder, name, text in (("cells", "own.yaml", CELL), ("parameters", "own.yaml", parameters_template())):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text, encoding="utf-8")
    request = replace(request_of, cell=str(tmp_path / "cells" / "own.yaml"))
    (tmp_path / "here").mkdir()
    first = (0, points_of(request)[:1])
    run_chunk(request, tmp_path / "here", first)
    files = run_chunk_apart(request, texts_of(request), first)
    assert files["chunk-0000.json"] == (tmp_path / "here" / "chunk-0000.json").read_bytes()
    assert list(files)[-1] == "chunk-0000.json"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://10.0.0.5:8786", "wanted tls:// to another machine"),
        ("10.0.0.5:8786", "wanted tcp://HOST:PORT or tls://HOST:PORT"),
        ("http://127.0.0.1:8786", "wanted tcp://HOST:PORT or tls://HOST:PORT"),
    ],
)
def test_an_address_that_would_let_anybody_in_is_refused(address, words, capsys):
    assert main(["reproduce", "msi-c", "E8", "--scheduler", address]) != 0
    assert words in capsys.readouterr().err


def test_workers_and_a_scheduler_exclude_each_other():
    with pytest.raises(UsageError, match="found both"):
        pool_of("tcp://127.0.0.1:8786", 2)
