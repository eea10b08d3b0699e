"""The one reader of files: regular ones, no more than a loader looks at, and the same words everywhere."""

import os
import sys
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.errors import FileError, UsageError
from labctl.inputs import MOST_TEXT, assignments, beside, missing_file, named_file, near, read_file, shown_file, text_of
from labctl.run.files import read_files

CELL = "labctl_cell: 1\nname: A\nkind: full\nnominal: {capacity: 680 mAh}\nlimits: {voltage: [2.5 V, 4.3 V]}\n"
PROFILE = """\
labctl: 1
name: p
limits: {current: [-1 A, 1 A], voltage: [2.5 V, 4.3 V]}
steps:
  - profile: {file: table.csv, positive: charge}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_fifo_start_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.yaml")
    for path, words in ((tmp_path / "fifo.yaml", "found a pipe"), (Path("/dev/zero"), "found a device")):
        with pytest.raises(OSError, match=words):
            read_file(path)
        with pytest.raises(FileError, match=words):
            read_files(str(path), "chen2020")


def test_a_folder_and_a_name_with_a_nul_are_refused(tmp_path):
    for name in (str(tmp_path), "a\0b"):
        with pytest.raises(FileError, match="cannot be read"):
            read_files(name, "chen2020")


def test_no_more_is_read_than_a_loader_looks_at(tmp_path):
    (tmp_path / "long.yaml").write_bytes(b"#" * (MOST_TEXT + 10))
    assert len(read_file(tmp_path / "long.yaml")) == MOST_TEXT


@pytest.mark.parametrize("where", ["protocol", "cell", "table"])
def test_a_latin_1_byte_is_a_finding(tmp_path, where, capsys):
    (tmp_path / "p.yaml").write_text(PROFILE)
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "table.csv").write_text("time / s,current / A\n0,0.1\n1,0.2\n")
    file = tmp_path / {"protocol": "p.yaml", "cell": "cell.yaml", "table": "table.csv"}[where]
    file.write_bytes(file.read_bytes() + b"# 5 \xb5A\n")
    with pytest.raises(FileError, match="wanted UTF-8, found the byte 0xB5"):
        read_files(str(tmp_path / "p.yaml"), str(tmp_path / "cell.yaml"))
    words = ["check", str(tmp_path / "p.yaml"), "--cell", str(tmp_path / "cell.yaml")]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "wanted UTF-8, found the byte 0xB5" in said
    assert "defect" not in said


def test_a_field_without_an_end_is_a_finding(tmp_path):
    (tmp_path / "p.yaml").write_text(PROFILE)
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "table.csv").write_text("time / s,current / A\n0,0.1\n1," + "2" * 200_000 + "\n")
    with pytest.raises(FileError, match=r"table.csv:3:1: .*wanted two numbers"):
        read_files(str(tmp_path / "p.yaml"), str(tmp_path / "cell.yaml"))


def test_what_is_beside_a_protocol_comes_first_then_the_library(tmp_path):
    read = beside(tmp_path)
    assert read("nothing.yaml") is None
    assert "labctl: 1" in (read("activation.yaml") or "")
    (tmp_path / "activation.yaml").write_text("mine")
    assert read("activation.yaml") == "mine"
    assert named_file(Path("activation")).is_file()
    assert text_of(b"\xb5") == "\udcb5"


def test_words_are_the_same_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("")
    assert "did you mean mine.yaml?" in missing_file(Path("mine.yml"), "protocol")
    assert near("stpo", ["stop", "start"]) == " (did you mean stop?)"
    assert near("xyz", ["stop"]) == ""
    assert assignments(["first=0.1 mA/cm2", " a = b=c "]) == {"first": "0.1 mA/cm2", "a": "b=c"}
    for wrong in ("a", "=1", "a=", "a = "):
        with pytest.raises(UsageError, match="wanted NAME=VALUE"):
            assignments([wrong])


def test_a_file_of_the_library_is_shown_by_its_name():
    assert shown_file(str(named_file(Path("phlt-lfp"), "cells"))) == "phlt-lfp"
    assert shown_file("/somewhere/else.yaml") == "/somewhere/else.yaml"
    assert shown_file("cell.yaml") == "cell.yaml"
