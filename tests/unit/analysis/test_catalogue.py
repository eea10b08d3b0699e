from labctl.analysis.catalogue import ANALYSES
from labctl.protocol import keys


def test_a_protocol_may_name_exactly_the_analyses_that_there_are():
    assert set(keys.ANALYSES) == set(ANALYSES)
