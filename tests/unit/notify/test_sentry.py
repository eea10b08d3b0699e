"""A second machine tells of the first one's silence once, again when it lasts, and of its end."""

import json
from dataclasses import replace

import pytest

from labctl.notify.sentry import REMIND, Sentry, asked
from labctl.station.settings import NotifySettings, RouteSettings, Station
from tests.unit.notify.test_delivery import Hook, hook  # noqa: F401 - a fixture


@pytest.fixture
def station(hook):  # noqa: F811
    return replace(Station(name="watch"), notify=NotifySettings({"h": RouteSettings("h", "webhook", (hook,))}))


def subjects():
    return [json.loads(text)["subject"] for _, _, text in Hook.taken]


def test_a_silence_is_told_once_again_when_it_lasts_and_its_end(station):
    now, trouble = [1e9], [""]
    sentry = Sentry("https://bench", station, now=lambda: now[0], ask=lambda _: trouble[0])
    sentry.look()
    trouble[0] = "no route to host"
    for _ in range(10):
        sentry.look()
    assert subjects() == ["[watch] https://bench is silent"]
    now[0] += REMIND
    sentry.look()
    trouble[0] = ""
    sentry.look()
    sentry.look()
    assert subjects()[1:] == ["[watch] https://bench is silent", "[watch] https://bench answers again"]


def test_what_no_route_took_is_tried_again(station):
    Hook.status = 503
    sentry = Sentry("https://bench", station, misses=1, ask=lambda _: "gone")
    sentry.look()
    Hook.status = 200
    sentry.look()
    assert len(Hook.taken) == 2
    sentry.look()
    assert len(Hook.taken) == 2


def test_two_looks_without_an_answer_are_no_silence(station):
    sentry = Sentry("https://bench", station, ask=lambda _: "gone")
    sentry.look()
    sentry.look()
    assert Hook.taken == []


def test_nobody_at_the_address_is_trouble():
    assert "127.0.0.1" in asked("http://127.0.0.1:9")
