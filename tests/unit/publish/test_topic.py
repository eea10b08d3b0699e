import pytest

from labctl.errors import UsageError
from labctl.publish.topic import Topics, level


def test_the_tree_of_a_node():
    tree = Topics.of_node("bench-3")
    assert tree.state == "labctl/1/bench-3/state"
    assert tree.info == "labctl/1/bench-3/info"
    assert tree.channel_state("A1") == "labctl/1/bench-3/ch/A1/state"
    assert tree.last("A1") == "labctl/1/bench-3/ch/A1/last"
    assert tree.sample("A1") == "labctl/1/bench-3/ch/A1/sample"
    assert tree.alarm("ch-A1") == "labctl/1/bench-3/alarm/ch-A1"
    assert tree.event("17") == "labctl/1/bench-3/run/17/event"
    assert tree.cycle("17") == "labctl/1/bench-3/run/17/cycle"
    assert tree.spectrum("17", 2) == "labctl/1/bench-3/run/17/spectrum/2"
    assert tree.result("17", "short.soft") == "labctl/1/bench-3/run/17/result/short.soft"
    assert tree.command("stop") == "labctl/1/bench-3/cmd/stop"


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "$SYS/a", "a/+/b", "a/#", "a//b", "a\0b", "x" * 300])
def test_a_prefix_that_a_broker_refuses_is_refused_here(prefix):
    with pytest.raises(UsageError, match="wanted an MQTT prefix"):
        Topics(prefix)


@pytest.mark.parametrize(
    ("name", "wanted"), [("a/b", "a%2Fb"), ("+", "%2B"), ("#", "%23"), ("", "%"), ("Zelle 1", "Zelle 1")]
)
def test_a_name_is_one_level_whatever_it_holds(name, wanted):
    assert level(name) == wanted
