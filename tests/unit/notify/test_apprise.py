"""Apprise carries a message to a real server by one of its services, and what it cannot do is said without its secrets."""

import json
import sys

import pytest

from labctl.errors import SinkError
from labctl.notify.delivery import route_of
from labctl.station.load import load_station, read_station
from labctl.station.settings import RouteSettings
from tests.unit.notify.test_delivery import MESSAGE, STATION, Hook, hook  # noqa: F401 - a fixture

SECRET = "tok3nOfTheTeam"


def route(tmp_path, url):
    (tmp_path / "team.url").write_text(f"{url}\n")
    return route_of(RouteSettings("team", "apprise", ("team.url",)), "bench", lambda name: tmp_path / name)


def test_a_page_goes_as_a_failure_with_its_words(hook, tmp_path):  # noqa: F811
    route(tmp_path, f"json://{hook.removeprefix('http://')}/in/{SECRET}").send(MESSAGE)
    path, _, text = Hook.taken[0]
    told = json.loads(text)
    assert path == f"/in/{SECRET}"
    assert (told["title"], told["message"], told["type"]) == (MESSAGE.subject, MESSAGE.body.rstrip(), "failure")


def test_what_the_service_did_not_take_is_tried_again_and_its_token_is_not_said(hook, tmp_path):  # noqa: F811
    Hook.status = 503
    with pytest.raises(SinkError) as error:
        route(tmp_path, f"json://{hook.removeprefix('http://')}/in/{SECRET}").send(MESSAGE)
    assert error.value.retry
    assert SECRET not in str(error.value)


def test_a_service_that_it_does_not_know_is_refused_for_good(tmp_path):
    with pytest.raises(SinkError, match="'nosuch'") as error:
        route(tmp_path, f"nosuch://{SECRET}/x")
    assert not error.value.retry
    assert SECRET not in str(error.value)


def test_where_it_is_not_installed_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SinkError, match=r"labctl\[apprise\]"):
        route(tmp_path, "json://localhost")


def test_the_station_file_names_the_file_of_the_service():
    said = STATION.replace("webhook: https://lab.example/in", "apprise: team.url")
    assert load_station(said, "s.yaml").notify.routes["boss"].to == ("team.url",)
    _, findings = read_station(STATION.replace("webhook:", "webhook: https://a.example, apprise:"), "s.yaml")
    assert any("one of mail, webhook, ntfy and apprise" in each.message for each in findings)
