"""The guard: a source meter whose daemon was killed is switched off by somebody else."""

import os

import pytest

from benchmarks.instruments import killed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills with a signal that Windows has not")
def test_the_output_goes_off_when_the_daemon_is_killed(tmp_path):
    assert killed(tmp_path / "rig") > 0
