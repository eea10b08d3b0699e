"""The engine names no command of the command line; a face has the words."""

import re
from pathlib import Path

import pytest

from labctl.control.order_table import ORDERS
from labctl.engine.state_parts import Unblock
from labctl.run.unblock import command_for

CORE = [
    file
    for room in ("protocol", "plan", "engine")
    for file in (Path(__file__).parents[3] / "labctl" / room).glob("*.py")
]


@pytest.mark.parametrize("unblock", [each for each in Unblock if each])
def test_what_unblocks_is_an_order_of_the_table(unblock):
    command, verb, channel = command_for(unblock, "c1").split()
    assert (command, channel) == ("labctl", "c1")
    assert verb in ORDERS


def test_nothing_unblocks_without_words():
    assert command_for(Unblock.NOTHING, "c1") == ""


@pytest.mark.parametrize("file", CORE, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_core_gives_no_command_to_a_channel(file):
    given = "|".join(verb for verb, order in ORDERS.items() if not order.asks and verb != "start")
    text = file.read_text(encoding="utf-8")
    if file.name == "state_parts.py":
        text = re.sub(r"class Unblock.*?(?=\n\n\n)", "", text, flags=re.DOTALL)  # the stored spellings
    assert re.findall(rf"labctl (?:{given})\b", text) == []
