"""What a page of somebody else may try on a person who is signed in, in a real browser over TLS: nothing acts, nothing is read."""

import http.server
import json
import ssl
import threading
import time

import pytest
import trustme

from labctl.store.people import People
from tests.browser import enter, pages

BENCH, SIBLING, STRANGER, REBOUND = "bench.lab.example", "evil.lab.example", "evil.example", "rebound.example"
TOSSED = (
    "labctl=lct_tossed; Domain=lab.example; Path=/",
    "__Host-labctl=lct_tossed; Domain=lab.example; Path=/; Secure",
)
ATTACKS = """<!doctype html><meta charset=utf-8><title>evil</title><iframe name=hidden></iframe><script>
const base = %s, verbs = ["stop", "pause", "skip", "start", "note"], body = JSON.stringify({channel: "A1", id: "evil", text: "evil"});
const told = window.told = {tried: 0, read: [], done: false};
const may = async (what, act) => { told.tried += 1; try { const got = await act(); if (got) told.read.push(what); } catch { /* refused */ } };
const within = (act) => Promise.race([act, new Promise((done) => setTimeout(done, 1500, false))]);
(async () => {
  for (const verb of verbs) {
    const url = `${base}/orders/${verb}`;
    await may(`form ${verb}`, () => { const form = document.createElement("form"); form.action = url; form.method = "post"; form.enctype = "text/plain"; form.target = "hidden";
      const input = document.createElement("input"); input.name = body.slice(0, -1) + ',"x":"'; input.value = '"}'; form.append(input); document.body.append(form); form.submit(); });
    for (const kind of ["text/plain", "application/x-www-form-urlencoded"]) await may(`fetch ${kind} ${verb}`, async () => { const answer = await fetch(url, {method: "POST", mode: "no-cors", credentials: "include", headers: {"content-type": kind}, body}); return answer.status; });
    await may(`json ${verb}`, async () => (await fetch(url, {method: "POST", credentials: "include", headers: {"content-type": "application/json"}, body})).ok);
    await may(`beacon ${verb}`, () => { navigator.sendBeacon(url, new Blob([body], {type: "text/plain"})); });
    await may(`image ${verb}`, () => within(new Promise((done) => { const image = new Image(); image.onload = () => done(true); image.onerror = () => done(false); image.src = `${url}?channel=A1`; })));
  }
  for (const path of ["/", "/c/A1", "/api/channel/A1", "/metrics", "/journal", "/r/1/export/csv"]) {
    await may(`read ${path}`, async () => (await fetch(base + path, {credentials: "include"})).text());
    await may(`script ${path}`, () => within(new Promise((done) => { const script = document.createElement("script"); script.onload = () => done(true); script.onerror = () => done(false); script.src = base + path; document.head.append(script); })));
  }
  await may("stream", () => within(new Promise((done) => { const stream = new EventSource(base + "/live", {withCredentials: true}); stream.onopen = () => done(true); stream.addEventListener("hello", () => done(true)); stream.onerror = () => done(false); })));
  await may("socket", () => within(new Promise((done) => { const socket = new WebSocket(base.replace("https", "wss") + "/live"); socket.onopen = () => done(true); socket.onerror = () => done(false); })));
  const frame = document.createElement("iframe"); frame.src = base + "/c/A1"; document.body.append(frame);
  await may("frame", () => within(new Promise((done) => { frame.onload = () => { try { done(Boolean(frame.contentDocument?.body?.textContent)); } catch { done(false); } }; })));
  told.done = true;
})();
</script>"""


class Evil:
    """A server of somebody else's, under any name that leads here."""

    def __init__(self, folder, authority, base):
        page = (ATTACKS % json.dumps(base)).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                if self.path == "/toss":
                    for cookie in TOSSED:
                        self.send_header("set-cookie", cookie)
                self.end_headers()
                self.wfile.write(page if self.path == "/attack" else b"<title>evil</title>")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(SIBLING, STRANGER).configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()


pytestmark = pytest.mark.timeout(600)  # a browser on a machine that is busy with something else


@pytest.fixture(scope="module")
def web(bench, tmp_path_factory):
    """Pages over TLS beside those of the bench, and a server of somebody who means ill."""
    folder, authority = tmp_path_factory.mktemp("attacks"), trustme.CA()
    mine = authority.issue_cert(BENCH)
    mine.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    mine.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    keys = ("--certificate", str(folder / "cert.pem"), "--key", str(folder / "key.pem"), "--name", BENCH)
    made = pages(folder, bench.data, 0, *keys)
    made.evil = Evil(folder, authority, made.said[1])
    yield made
    made.evil.end()
    made.end()


@pytest.fixture(scope="module")
def browser(web, new_browser):
    enter(new_browser, web)
    return new_browser


@pytest.mark.parametrize("name", [SIBLING, STRANGER])
def test_csrf_and_clickjacking_a_page_of_another_origin_orders_nothing_and_reads_nothing(bench, web, browser, name):
    browser.driver.get(f"https://{name}:{web.evil.port}/attack")
    browser.complaints()
    browser.until(lambda: browser.driver.execute_script("return window.told.done"), "everything was tried")
    told = browser.driver.execute_script("return window.told")
    assert told["tried"] == 45
    assert told["read"] == []
    assert any("frame" in each for each in browser.complaints()), "the frame was refused"
    assert bench.status()["A1"]["activity"] == "running"
    events = bench.command("show", "1", "--json")
    assert "evil" not in events
    with People(bench.data, time.time) as people:
        assert not [each for each in people.audit(most=500) if "stop" in each.what]
    browser.driver.get(web.said[1])
    assert browser.all(".tile"), "who is signed in still is"


def test_dns_rebinding_another_name_that_leads_here_gets_nothing(web, browser):
    port = web.said[1].rpartition(":")[2]
    for path in ("/", "/login", "/health", "/static/x/base.css"):
        browser.driver.get(f"https://{REBOUND}:{port}{path}")
        assert "wanted a request to" in browser.driver.find_element("tag name", "body").text, path
    browser.complaints()


def test_cookie_tossing_a_sibling_can_neither_set_nor_end_a_session(web, browser):
    browser.driver.get(f"https://{SIBLING}:{web.evil.port}/toss")
    tossed = {each["name"]: each for each in browser.driver.get_cookies()}
    assert "__Host-labctl" not in tossed, "the browser refuses a name with __Host- and a domain"
    assert tossed["labctl"]["domain"].endswith("lab.example"), "the other one is set, and means nothing"
    browser.driver.get(f"{web.said[1]}/runs")
    assert browser.all('a[href^="/r/"]')
    kept = browser.driver.get_cookie("__Host-labctl")
    assert (kept["secure"], kept["httpOnly"], kept["sameSite"], kept["path"]) == (True, True, "Strict", "/")
    assert browser.driver.execute_script("return document.cookie").find("__Host-labctl") < 0
