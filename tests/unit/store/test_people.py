"""People: secrets are kept as digests, end in time, and what was done at the door cannot be changed unnoticed."""

import base64
import hashlib
import sqlite3
import stat
from contextlib import closing

import pytest

from labctl.control.allowed import allowed
from labctl.control.order_table import ORDERS
from labctl.errors import StoreDamaged, StoreError, UsageError
from labctl.store.journal import Journal
from labctl.store.password import ARGON2, FORMER
from labctl.store.people import IDLE, ROLES, People, Person
from labctl.store.verify import verify


class Now:
    def __init__(self):
        self.time = 1e9

    def __call__(self):
        return self.time


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def people(tmp_path, now):
    with People(tmp_path, now) as opened:
        yield opened


def test_a_password_costs_whoever_guesses_it_memory_and_time():
    assert ARGON2["memory_cost"] * ARGON2["time_cost"] >= 19 * 1024 * 2  # KiB and passes that OWASP asks for at least
    assert ARGON2["time_cost"] >= 2


def test_a_password_of_a_former_version_lets_in_and_is_kept_anew_from_then_on(people, tmp_path):
    people.add("alice", "operator")
    salt, password = b"0123456789abcdef", "correct horse battery"
    made = hashlib.scrypt(password.encode(), salt=salt, **FORMER)
    former = f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"
    with closing(sqlite3.connect(tmp_path / "people.db")) as base, base:
        base.execute("UPDATE people SET password = ?", (former,))

    def kept() -> str:
        with closing(sqlite3.connect(tmp_path / "people.db")) as base:
            return base.execute("SELECT password FROM people").fetchone()[0]

    assert people.check_password("alice", "wrong horse battery") is None
    assert kept() == former
    assert people.check_password("alice", password) is not None
    assert kept().startswith("$argon2id$")
    assert people.check_password("alice", password) is not None
    assert people.check_password("alice", "wrong horse battery") is None


def test_a_password_lets_in_who_has_it_and_nobody_else(people):
    people.add("alice", "operator", ("A*",))
    people.set_password("alice", "correct horse battery")
    assert people.check_password("alice", "correct horse battery") == Person("alice", "operator", ("A*",), True)
    assert people.check_password("alice", "wrong horse battery") is None
    assert people.check_password("bob", "correct horse battery") is None
    with pytest.raises(UsageError, match="at least 10 characters, found 5"):
        people.set_password("alice", "short")


def test_who_has_no_password_is_not_let_in_by_any(people):
    people.add("alice", "viewer")
    assert people.check_password("alice", "") is None


def test_a_link_lets_in_once_and_for_a_quarter_of_an_hour(people, now):
    people.add("alice", "admin")
    link = people.issue("link", "alice", 900)
    assert people.who(link, "session") is None, "a link is no session"
    assert people.who(link, "link").name == "alice"
    assert people.who(link, "link") is None
    late = people.issue("link", "alice", 900)
    now.time += 901
    assert people.who(late, "link") is None
    with pytest.raises(UsageError, match="a link good for at most"):
        people.issue("link", "alice", 901)


def test_a_session_ends_idle_by_age_by_hand_and_with_a_new_password(people, now):
    people.add("alice", "admin")
    idle, used, revoked = (people.issue("session", "alice", 7 * 86400) for _ in range(3))
    assert people.revoke(revoked)
    assert people.who(revoked, "session") is None
    for _ in range(13):
        now.time += 3600
        people.who(used, "session")
    assert now.time - 1e9 > IDLE
    assert people.who(idle, "session") is None
    assert people.who(used, "session") is not None
    people.set_password("alice", "correct horse battery")
    assert people.who(used, "session") is None


def test_revoke_who_is_removed(people):
    people.add("alice", "admin")
    token = people.issue("token", "alice", 86400, "ci")
    assert [each.label for each in list(people.keys())] == ["ci"]
    people.remove("alice")
    assert people.who(token, "token") is None
    assert not list(people.keys())


def test_no_secret_is_in_the_file(people, tmp_path):
    people.add("alice", "admin")
    people.set_password("alice", "correct horse battery")
    secrets = [people.issue("token", "alice", 86400), people.issue("session", "alice", 3600)]
    people.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(secret.encode() in stored for secret in [*secrets, "correct horse battery"])
    assert stat.S_IMODE((tmp_path / "people.db").stat().st_mode) == 0o600


def test_a_file_that_others_may_read_is_refused(tmp_path, now):
    (tmp_path / "people.db").touch(mode=0o644)
    (tmp_path / "people.db").chmod(0o644)
    with pytest.raises(StoreError, match="wanted mode 600"):
        People(tmp_path, now)


def test_what_was_done_is_verified_with_the_journal(people, tmp_path):
    Journal.open(tmp_path).close()
    assert verify(tmp_path).notes == ()
    people.note("a/web", "signed in")
    people.note("b/web", "signed in")
    (words,) = verify(tmp_path).notes
    assert words.startswith(
        "2 things were done at the door of the pages, none changed or gone; the last has the chain "
    )
    assert people.head().endswith(words[-64:])
    with sqlite3.connect(tmp_path / "people.db") as base:
        base.execute("UPDATE audit SET detail = 'as somebody else' WHERE number = 1")
    assert "entry 1 of what was done at the door was changed or is gone" in str(verify(tmp_path).findings[-1])


def test_what_was_done_is_under_a_chain(people, tmp_path):
    for name in ("a", "b", "c"):
        people.note(f"{name}/web", "signed in")
    assert people.verify() == 3
    assert [each.who for each in people.audit(before=3)] == ["b/web", "a/web"]
    with sqlite3.connect(tmp_path / "people.db") as base:
        base.execute("UPDATE audit SET who = 'z/web' WHERE number = 2")
    base.close()
    with pytest.raises(StoreDamaged, match="entry 2"):
        people.verify()


@pytest.mark.parametrize(
    ("name", "role", "channels"), [("a b", "viewer", ("*",)), ("a", "boss", ("*",)), ("a", "viewer", ("A;",))]
)
def test_what_is_no_person_is_refused(people, name, role, channels):
    with pytest.raises(UsageError):
        people.add(name, role, channels)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", ORDERS)
@pytest.mark.parametrize("own", [True, False])
def test_every_order_is_decided_for_every_role_on_own_and_other_channels(verb, role, own):
    person, channel = Person("alice", role, ("A*",)), "A1" if own else "B1"
    why = allowed(person, verb, channel)
    order = ORDERS[verb]
    needs = {"stop": "viewer", "pause": "viewer", "note": "viewer", "status": "viewer", "why": "viewer",
             "adopt": "admin", "release": "admin", "reload": "admin"}.get(verb, "operator")  # fmt: skip
    may = ROLES.index(role) >= ROLES.index(needs) and (own or verb in {"stop", "pause", "status", "why"})
    assert (why == "") == may, why
    if ROLES.index(role) < ROLES.index(needs):
        assert f"needs {'an' if needs in {'operator', 'admin'} else 'a'} {needs}" in why
    elif not may:
        assert "may give orders to A*, not to B1" in why
    assert order.needs == needs
