"""The way in: by this host's name, from the pages' own origin, a person; and nothing that a browser could be tricked into."""

import asyncio
import re
import time

import httpx
import pytest

from labctl.control.order_table import ORDERS
from labctl.store.journal import Journal
from labctl.store.password import ARGON2, kept
from labctl.store.people import People
from labctl.web.app import Site, keys_of
from labctl.web.gate import POLICY, Address, Visit, WebGate, inner
from labctl.web.hub import Hub
from labctl.web.rate import Rates

BASE = "http://127.0.0.1:8023"
OWN = {"origin": BASE, "sec-fetch-site": "same-origin"}
PASSWORD = "correct horse battery"


@pytest.fixture
async def site(tmp_path, monkeypatch):
    monkeypatch.setitem(ARGON2, "memory_cost", 8)  # what it costs is another test's
    with Journal.open(tmp_path / "data"):
        pass
    people = People(tmp_path / "data", time.time)
    for name, role in (("ada", "admin"), ("vic", "viewer"), ("ola", "operator")):
        people.add(name, role, ("A*",))
        people.set_password(name, PASSWORD)
    made = Site(Hub(tmp_path / "data", tmp_path / "data"), people, Address(), None)
    await made.hub.start()
    yield made
    await made.close()


@pytest.fixture
async def browser(site):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.application), base_url=BASE) as client:
        yield client


async def sign_in(browser, name="ada"):
    answer = await browser.post("/login", json={"name": name, "password": PASSWORD}, headers=OWN)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8023", "127.0.0.1", "127.0.0.1:80", "", "127.0.0.1:8023.evil.example"]
)
async def test_dns_rebinding_is_refused(browser, host):
    await sign_in(browser)
    answer = await browser.get("/", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("headers", [
    {}, {"origin": "null"}, {"origin": "http://evil.example"}, {"origin": "http://127.0.0.1:9999"}, {"origin": "https://127.0.0.1:8023"},
    {**OWN, "sec-fetch-site": "cross-site"}, {**OWN, "sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"},
])  # fmt: skip
@pytest.mark.parametrize("path", ["/orders/stop", "/login", "/logout", "/enter"])
async def test_a_request_of_another_page_acts_on_nothing(browser, headers, path):
    await sign_in(browser)
    assert (await browser.post(path, json={"channel": "A1"}, headers=headers)).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_of_another_page_is_no_json(browser, kind):
    await sign_in(browser)
    answer = await browser.post("/orders/stop", content=b'{"channel":"A1"}', headers={**OWN, "content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("path", ["/orders/stop", "/logout", "/orders/start", "/login/x"])
async def test_nothing_acts_on_get(browser, path):
    await sign_in(browser)
    assert (await browser.get(path)).status_code in {404, 405}


async def test_nobody_sees_anything_before_signing_in(site, browser):
    paths = [route.path for route in site._entrance and site._routes()]
    for path in paths:
        filled = re.sub(r"\{[^}]+\}", "x", path)
        answer = await browser.get(filled, headers={"accept": "text/html"})
        assert answer.status_code in {303, 200, 404, 503, 405}, filled
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/login?next=%2F"), filled
        else:
            assert (
                filled in {"/login", "/enter", "/health", "/logout"}
                or filled.startswith("/static/")
                or answer.status_code == 405
            )
    assert (await browser.get("/api/run/1/history")).status_code == 401


async def test_every_answer_says_what_a_browser_may_do(site, browser):
    await sign_in(browser)
    for path in (
        "/",
        "/runs",
        "/login",
        "/enter",
        "/c/none",
        f"/static/{site.pages.digest}/base.css",
        "/health",
        "/api/run/9/cycles",
    ):
        answer = await browser.get(path, headers={"accept": "text/html"})
        assert answer.headers["content-security-policy"] == POLICY, path
        assert "unsafe" not in POLICY
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


async def test_no_page_has_script_or_style_of_its_own_or_anything_of_another_origin(browser):
    await sign_in(browser)
    for path in ("/", "/runs", "/cells", "/alarms", "/journal", "/login", "/enter"):
        answer = await browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        text = answer.text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), path
        assert not re.search(r"(src|href)=\"(https?:)?//", text), path
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), path


async def test_the_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(browser):
    cookie = (await sign_in(browser)).headers["set-cookie"]
    assert re.match(r"labctl=lct_[\w-]{43}; HttpOnly; Max-Age=604800; Path=/; SameSite=strict$", cookie)
    assert Address(secure=True).cookie("127.0.0.1:8023") == "__Host-labctl"


async def test_behind_a_proxy_the_pages_are_what_the_browser_sees_and_nothing_else(site):
    address = Address(names=("https://bench.lab.example",))
    assert address.url == "https://bench.lab.example"
    assert address.origins["bench.lab.example"] == "https://bench.lab.example"
    gate = WebGate(site.application._inside, address, site.people)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="https://bench.lab.example") as browser:
        body = {"name": "ada", "password": PASSWORD}
        for origin in ("http://bench.lab.example", "https://bench.lab.example:8023", "https://evil.example"):
            assert (await browser.post("/login", json=body, headers={"origin": origin})).status_code == 403
        site._entrance._address = address
        answer = await browser.post("/login", json=body, headers={"origin": "https://bench.lab.example"})
        assert re.match(r"__Host-labctl=.*; Secure$", answer.headers["set-cookie"])
        assert (await browser.get("/runs")).status_code == 200
        assert (await browser.get("/runs", headers={"host": "bench.lab.example:8023"})).status_code == 421


async def test_a_page_starts_texts_and_never_a_path(site, browser):
    await sign_in(browser)
    for key in ("protocol", "cell"):
        answer = await browser.post("/orders/start", json={"channel": "A1", key: "/etc/passwd"}, headers=OWN)
        assert (answer.status_code, f"unknown key '{key}'" in answer.text) == (400, True)


@pytest.mark.parametrize("verb", [verb for verb, order in ORDERS.items() if not order.asks])
def test_a_page_may_say_all_that_an_order_takes_and_no_path(verb):
    order, keys = ORDERS[verb], keys_of(ORDERS[verb])
    assert {key for key, kind in order.keys.items() if kind != "file"} | {"id"} == {
        key for key in keys if not key.endswith("_text")
    }
    assert {key.removesuffix("_text") for key in keys if key.endswith("_text")} == {
        "protocol",
        "cell",
    } & order.keys.keys()


async def test_a_cookie_that_a_sibling_tossed_is_not_believed(browser):
    assert (await browser.get("/runs", headers={"cookie": "labctl=made-up"})).status_code == 401
    assert (await browser.get("/runs", headers={"cookie": "__Host-labctl=made-up; labctl="})).status_code == 401


@pytest.mark.parametrize("header", ["x-remote-user", "x-forwarded-user", "remote-user", "x-forwarded-for", "forwarded"])
async def test_no_header_makes_a_person(browser, header):
    assert (await browser.get("/runs", headers={header: "ada"})).status_code == 401


async def test_wrong_passwords_get_slower_and_lock_nobody_else_out(site, browser):
    entrance, now = site._entrance, [100.0]
    entrance._clock = lambda: now[0]
    for attempt in range(3):
        answer = await browser.post("/login", json={"name": "ada", "password": "wrong"}, headers=OWN)
        assert answer.status_code == 401, attempt
    answer = await browser.post("/login", json={"name": "ada", "password": PASSWORD}, headers=OWN)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    await sign_in(browser, "ola")
    for _ in range(12):
        now[0] += 61
        await browser.post("/login", json={"name": "ada", "password": "wrong"}, headers=OWN)
    now[0] += 61
    await sign_in(browser, "ada")
    answered = [entry.what for entry in site.people.audit()]
    assert answered.count("sign-in refused") == 15
    assert answered[0] == "signed in"


@pytest.mark.parametrize(("visits", "live"), [
    ([("ada", "token", "")] * 20, 20), ([("ada", "web", "one")] * 6, 4), ([("ada", "proxy", ""), ("vic", "proxy", "")] * 3, 6),
])  # fmt: skip
async def test_a_browser_has_four_streams_and_takes_none_of_anybody_elses(site, visits, live):
    opened = []
    for name, face, session in visits:
        stream = site.streams._events(Visit(site.people.person(name), face, session), frozenset(), None)
        assert (await anext(stream)).startswith(b"event: hello")
        opened.append(stream)
    assert sum(not rest.is_set() for _, rest in site.streams._open.values()) == live
    for stream in opened:
        await stream.aclose()


async def test_signing_out_ends_the_session(browser):
    await sign_in(browser)
    cookie = browser.cookies["labctl"]
    assert (await browser.post("/logout", json={}, headers=OWN)).status_code == 200
    assert (await browser.get("/runs", headers={"cookie": f"labctl={cookie}"})).status_code == 401


async def test_a_token_needs_no_origin_and_a_link_lets_in_once(site, browser):
    token, link = site.people.issue("token", "ola", 86400), site.people.issue("link", "vic", 900)
    assert (await browser.get("/runs", headers={"authorization": f"Bearer {token}"})).status_code == 200
    answer = await browser.post("/orders/stop", json={"channel": "A1"}, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, "no daemon" in answer.text) == (409, True)
    assert (await browser.post("/enter", json={"key": link}, headers=OWN)).json() == {"person": "vic"}
    assert (await browser.post("/enter", json={"key": link}, headers=OWN)).status_code == 401


@pytest.mark.parametrize(("name", "verb", "channel", "words"), [
    ("vic", "skip", "A1", "vic is a viewer, and skip needs an operator"),
    ("ola", "skip", "B1", "ola may give orders to A*, not to B1"),
    ("ola", "adopt", "A1", "adopt needs an admin"),
])  # fmt: skip
async def test_an_order_beyond_the_role_is_refused_in_words_and_written_down(site, browser, name, verb, channel, words):
    await sign_in(browser, name)
    answer = await browser.post(f"/orders/{verb}", json={"channel": channel}, headers=OWN)
    assert (answer.status_code, words in answer.text) == (403, True)
    assert site.people.audit()[0].detail.endswith(words)


async def test_stop_is_anybodys_and_never_counted(site, browser):
    await sign_in(browser, "vic")
    for _ in range(60):
        assert (await browser.post("/orders/stop", json={"channel": "B1"}, headers=OWN)).status_code == 409
    await sign_in(browser, "ola")
    site._rates = Rates(clock=lambda: 100.0)  # all in one moment, however slow this machine is
    codes = [(await browser.post("/orders/skip", json={"channel": "A1"}, headers=OWN)).status_code for _ in range(60)]
    assert 429 in codes


async def test_brute_force_keeps_no_stop_waiting(site, browser, monkeypatch):
    await sign_in(browser, "vic")
    monkeypatch.setitem(ARGON2, "memory_cost", 32 * 1024)
    monkeypatch.setattr(site.people, "_absent", kept("nobody has this password"))
    bad = [
        asyncio.create_task(browser.post("/login", json={"name": f"who{number}", "password": "wrong"}, headers=OWN))
        for number in range(60)
    ]
    answer = await browser.post("/orders/stop", json={"channel": "A1"}, headers=OWN)
    under_way = sum(not task.done() for task in bad)
    assert (answer.status_code, "no daemon" in answer.text) == (409, True)
    assert under_way > 20, "it was answered before the guesses were"
    codes = [(await task).status_code for task in bad]
    assert set(codes) == {401, 429}
    assert codes.count(429) >= 20, "more than a few at a time are told to come again"


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "/a\r\nb"]
)
async def test_after_signing_in_nobody_is_led_elsewhere(browser, path):
    assert inner(path) == "/"
    assert 'data-next="/"' in (await browser.get("/login", params={"next": path})).text


async def test_a_huge_request_is_refused(browser):
    answer = await browser.post("/login", content=b"x" * 600_000, headers={**OWN, "content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'"a"', b"null", b'{"name":', b"\xff"])
@pytest.mark.parametrize("path", ["/login", "/enter", "/orders/stop"])
async def test_a_request_that_is_no_object_is_refused_not_a_defect(browser, path, body):
    await sign_in(browser)
    answer = await browser.post(path, content=body, headers={**OWN, "content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/static/x/%2e%2e/pages.py", "/static/x/..%2fpages.py", "/static/x//etc/passwd"])
async def test_no_file_beside_the_pages_is_served(browser, path):
    assert (await browser.get(path)).status_code == 404
