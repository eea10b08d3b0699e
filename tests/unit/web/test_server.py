"""Beyond this machine only with TLS, a person who has a password, and names to be asked by."""

import stat
import time
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
import trustme
from starlette.responses import Response

from labctl.errors import UsageError
from labctl.notify.certificate import examined
from labctl.station.settings import ProxySettings, WebSettings
from labctl.store.people import People
from labctl.web.gate import Address, WebGate
from labctl.web.server import entrance, opened

AUTHORITY = trustme.CA()


def at(year, day=1):
    return datetime(year, 1, day, tzinfo=UTC)


@pytest.fixture
def people(tmp_path):
    with People(tmp_path, time.time) as made:
        yield made


def given(folder, *names, **more):
    made = AUTHORITY.issue_cert(*names, **more)
    (folder / "c.pem").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / "k.pem")
    (folder / "k.pem").chmod(0o600)
    return folder / "c.pem", folder / "k.pem"


@pytest.mark.parametrize(("names", "more", "words"), [
    (("bench.lab.example",), {"not_after": at(2020, 2), "not_before": at(2020)}, "certificate has expired"),
    (("bench.lab.example",), {"not_before": at(2090), "not_after": at(2091)}, "not yet valid"),
    (("other.lab.example",), {}, "mismatch"),
])  # fmt: skip
def test_wrong_certificates_are_refused_at_the_start(tmp_path, names, more, words):
    with pytest.raises(UsageError, match=words):
        examined(*given(tmp_path, *names, **more), ["bench.lab.example"])


def test_a_key_that_does_not_fit_is_refused_and_a_good_certificate_says_when_it_ends(tmp_path):
    certificate, key = given(tmp_path, "bench.lab.example", not_after=at(2090), not_before=at(2020))
    assert examined(certificate, key, ["bench.lab.example"]) == at(2090).timestamp()
    kept = certificate.read_bytes()
    given(tmp_path, "bench.lab.example")
    certificate.write_bytes(kept)
    with pytest.raises(UsageError, match=r"(?i)key values mismatch"):
        examined(certificate, key, ["bench.lab.example"])


def refused(settings, people):
    with pytest.raises(UsageError) as error:
        opened(settings, people)
    return str(error.value)


def test_each_refusal_names_what_is_missing(people, tmp_path):
    certificate, key = str(tmp_path / "c.pem"), tmp_path / "k.pem"
    assert "passwords must not travel in the open" in refused(WebSettings("0.0.0.0:0"), people)
    secure = WebSettings("0.0.0.0:0", (), certificate, str(key))
    assert "nobody has a password yet" in refused(secure, people)
    people.add("ada", "admin")
    people.set_password("ada", "correct horse battery")
    assert "the host names by which browsers may ask" in refused(secure, people)
    named = WebSettings("0.0.0.0:0", ("bench.lab.example",), certificate, str(key))
    assert "wanted the key of the certificate" in refused(named, people)
    key.write_text("secret")
    key.chmod(0o644)
    assert "wanted mode 600" in refused(named, people)
    key.chmod(0o600)
    assert "wanted a certificate and its key" in refused(named, people)
    given(tmp_path, "bench.lab.example")
    line, address = opened(named, people)
    line.close()
    assert address.url == f"https://bench.lab.example:{address.port}"
    assert address.hosts == {f"0.0.0.0:{address.port}", f"bench.lab.example:{address.port}"}


@pytest.mark.parametrize("listen", ["8023", "nonsense", "127.0.0.1:x", "127.0.0.1:99999", ":8023"])
def test_what_is_no_address_is_refused(people, listen):
    assert "wanted where to listen" in refused(WebSettings(listen), people)


def test_on_this_machine_anybody_may_look_who_was_let_in(people):
    line, address = opened(WebSettings("127.0.0.1:0"), people)
    taken = refused(WebSettings(f"127.0.0.1:{address.port}"), people)
    line.close()
    assert "in use" in taken
    link = entrance(people, "me")
    assert link.startswith("/enter#lct_")
    assert people.person("me").role == "admin"
    assert entrance(people, "") == ""


@pytest.fixture
def proxied(tmp_path):
    (tmp_path / "proxy.key").write_text("open sesame and then some more\n")
    (tmp_path / "proxy.key").chmod(0o600)
    return WebSettings(
        names=("https://bench.lab.example",),
        proxy=ProxySettings(str(tmp_path / "web.sock"), "X-Remote-User", str(tmp_path / "proxy.key")),
    )


async def test_a_proxy_is_believed_over_its_socket_and_with_its_secret_alone(proxied, people, tmp_path):
    people.add("ada", "viewer")
    line, address = opened(proxied, people)
    assert stat.S_IMODE((tmp_path / "web.sock").stat().st_mode) == 0o660
    assert "in use" in refused(proxied, people)
    line.close()
    line, address = opened(proxied, people)  # one that a dead process left is replaced
    line.close()
    assert (address.url, set(address.origins)) == ("https://bench.lab.example", {"bench.lab.example"})

    async def inside(scope, _receive, send):
        visit = scope["state"]["visit"]
        await Response(visit.by if visit else "nobody")(scope, _receive, send)

    good = {"x-remote-user": "ada", "x-labctl-proxy": "open sesame and then some more"}
    cases = [
        (good, 200), ({**good, "x-labctl-proxy": "guess"}, 401), ({"x-remote-user": "ada"}, 401), ({**good, "x-remote-user": "eve"}, 401),
        ({**good, "host": "127.0.0.1:8023"}, 421), ({**good, "x-remote-user": ""}, 401),
    ]  # fmt: skip
    gate = WebGate(inside, address, people)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="https://bench.lab.example") as browser:
        for headers, status in cases:
            answer = await browser.get("/runs", headers=headers)
            assert answer.status_code == status, headers
        assert (await browser.get("/runs", headers=good)).text == "ada/proxy"
        assert (
            await browser.post("/orders/stop", json={}, headers={**good, "origin": "https://evil.example"})
        ).status_code == 403
    gate = WebGate(inside, Address(), people)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://127.0.0.1:8023") as browser:
        assert (await browser.get("/runs", headers=good)).status_code == 401, "and nowhere else"


@pytest.mark.parametrize(("change", "words"), [
    (lambda folder: (folder / "proxy.key").chmod(0o644), "wanted mode 600"),
    (lambda folder: (folder / "proxy.key").write_text("short\n"), "at least 20 characters"),
    (lambda folder: (folder / "proxy.key").unlink(), "wanted the secret of the proxy"),
])  # fmt: skip
def test_a_proxy_without_a_secret_is_refused(proxied, people, tmp_path, change, words):
    change(tmp_path)
    assert words in refused(proxied, people)
    assert "what browsers see of the proxy" in refused(replace(proxied, names=("bench.lab.example",)), people)
