"""Behind a real nginx, as the how-to says: one that only has the certificate, and one that signs people in."""

import contextlib
import os
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import trustme

from labctl.store.journal import Journal
from labctl.store.people import People
from tests.browser import WITHIN, Process, program, said
from tests.services_mosquitto import free_port

NAME = "bench.lab.example"
SITE = f"https://{NAME}"
SECRET = "open sesame and then some more"
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "pages-for-the-lab.md"
AUTHORITY = trustme.CA()
CONF = """\
{user}
worker_processes 1;
error_log stderr notice;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  {places}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    auth_basic {auth};
    auth_basic_user_file {folder}/passwords;
    {location}
  }}
}}
"""
PLACES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


pytestmark = pytest.mark.timeout(600)  # processes on a machine that is busy with something else


def location(number):
    """Return one of the locations that the how-to shows, comments left out."""
    found = re.findall(r"```\n# nginx.*?\n(location / \{\n.*?\n\})\n```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    return found[number]


@contextlib.contextmanager
def nginx(folder, text, *, auth):
    """Run an nginx of its own before the pages, and give its port."""
    port = free_port()
    made = AUTHORITY.issue_cert(NAME)
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "passwords").write_text("ada:{PLAIN}wonderland\neve:{PLAIN}apple\n")
    places = "\n  ".join(f"{name}_temp_path {folder}/{name};" for name in PLACES)
    user = "user root;" if os.geteuid() == 0 else ""
    words = CONF.format(user=user, folder=folder, places=places, port=port, auth=auth, location=text)
    (folder / "nginx.conf").write_text(words)
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        said(process, folder / "nginx.log", "start worker process ")  # it listens by then
        yield port
    finally:
        process.terminate()
        process.wait(WITHIN)


def browser(port, **more):
    """Be a browser that knows the proxy by its name."""
    context = httpx.create_ssl_context()
    AUTHORITY.configure_trust(context)
    transport = httpx.HTTPTransport(verify=context)
    headers = {"host": NAME, "origin": SITE, **more.pop("headers", {})}
    client = httpx.Client(
        base_url=f"https://127.0.0.1:{port}", transport=transport, headers=headers, timeout=WITHIN, **more
    )
    client.event_hooks = {"request": [lambda request: request.extensions.update(sni_hostname=NAME)]}
    return client


@pytest.fixture
def folder(tmp_path):
    Journal.open(tmp_path / "data").close()
    with People(tmp_path / "data", time.time) as people:
        people.add("ada", "admin")
        people.set_password("ada", "correct horse battery")
    return tmp_path


def pages(folder, *words):
    return Process(
        folder, "web", "web", "--data", str(folder / "data"), "--name", SITE, "--no-link", *words, ready="pages at "
    )


def test_behind_a_proxy_that_only_has_the_certificate_signing_in_stays_the_pages_business(folder):
    port = free_port()
    web = pages(folder, "--listen", f"127.0.0.1:{port}")
    try:
        text = location(0).replace("127.0.0.1:8023", f"127.0.0.1:{port}")
        with nginx(folder, text, auth="off") as proxy, browser(proxy) as client:
            assert client.get("/health").status_code == 503, "no daemon is beside these pages"
            forged = {"x-remote-user": "ada", "x-labctl-proxy": SECRET, "x-forwarded-for": "127.0.0.1"}
            assert client.get("/runs", headers=forged).status_code == 401, "no header names a person"
            answer = client.post("/login", json={"name": "ada", "password": "correct horse battery"})
            assert (answer.status_code, "__Host-labctl=" in answer.headers["set-cookie"]) == (200, True)
            assert client.get("/runs").status_code == 200
            with client.stream("GET", "/live") as stream:
                assert next(stream.iter_lines()) == "event: hello", "the proxy holds nothing back"
            other = {"origin": "https://evil.example"}
            assert client.post("/orders/stop", json={"channel": "A1"}, headers=other).status_code == 403
    finally:
        web.end()


def test_a_proxy_that_signs_people_in_is_believed_through_its_socket_and_nobody_beside_it(folder):
    (folder / "proxy.key").write_text(f"{SECRET}\n")
    (folder / "proxy.key").chmod(0o600)
    web = pages(folder, "--proxy-socket", str(folder / "web.sock"), "--proxy-secret", str(folder / "proxy.key"))
    text = (
        location(1)
        .replace("/run/labctl/web.sock", str(folder / "web.sock"))
        .replace("the first line of proxy.key", SECRET)
    )
    text = re.sub(r"\n *auth_request.*", "", text).replace("$who", "$remote_user")  # who signs in here is nginx itself
    try:
        with nginx(folder, text, auth="lab") as proxy, browser(proxy) as client:
            assert client.get("/runs").status_code == 401, "nginx asks"
            assert client.get("/runs", auth=("ada", "wonderland")).status_code == 200
            assert client.get("/runs", auth=("eve", "apple")).status_code == 401, "whom the station does not know"
            forged = {"x-remote-user": "ada", "x-labctl-proxy": SECRET}
            assert client.get("/runs", auth=("eve", "apple"), headers=forged).status_code == 401, (
                "the proxy's words count"
            )
        with httpx.Client(
            base_url=SITE, transport=httpx.HTTPTransport(uds=str(folder / "web.sock")), timeout=WITHIN
        ) as beside:
            url = f"http://{NAME}/runs"
            assert beside.get(url, headers={"x-remote-user": "ada"}).status_code == 401, "without the secret"
    finally:
        web.end()
