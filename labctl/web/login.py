"""Signing in and out: a password, or a link that is good once; slower for who fails, never closed to who knows."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from labctl.store.people import LONGEST, People, Person
from labctl.web.gate import Address, Visit, given, inner, problem
from labctl.web.pages import Pages

AT_ONCE: Final = 2  # passwords that are looked at together: each takes a core for a tenth of a second
WAITING: Final = 32  # more are told to come again
SLOWEST: Final = 60.0  # s between two attempts at one name
REMEMBERED: Final = 10_000  # names with failed attempts


class Entrance:
    """Lets people in and out."""

    def __init__(
        self, people: People, address: Address, pages: Pages, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take who may come in, and where."""
        self._people = people
        self._address = address
        self._pages = pages
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._failed: dict[str, tuple[int, float]] = {}

    async def login(self, request: Request) -> Response:
        """Show the page for signing in."""
        return self._pages.html(request, "login.html", next=inner(request.query_params.get("next", "/")))

    async def enter(self, request: Request) -> Response:
        """Show the page that takes a link's secret from behind its #, which no log and no other server sees."""
        return self._pages.html(request, "enter.html")

    async def sign_in(self, request: Request) -> Response:
        """Take a name and a password."""
        asked = await given(request)
        name, password = str(asked.get("name", ""))[:64], str(asked.get("password", ""))[:1000]
        wait = self._wait(name)
        if wait > 0:
            response = problem(429, f"too many wrong passwords for {name}: try again in {wait:.0f} s")
            response.headers["retry-after"] = f"{wait:.0f}"
            return response
        if self._waiting >= WAITING:
            return problem(429, "too many people sign in at this moment: try again in a few seconds")
        self._waiting += 1
        try:
            async with self._room:
                person = await asyncio.to_thread(self._people.check_password, name, password)
        finally:
            self._waiting -= 1
        if person is None:
            self._note_failure(name)
            await asyncio.to_thread(self._people.note, f"{name}/web", "sign-in refused", _peer(request))
            return problem(401, "this name and password do not fit together")
        self._failed.pop(name, None)
        return await self._let_in(request, person, "signed in")

    async def take_link(self, request: Request) -> Response:
        """Take the secret of a link that is good once."""
        secret = str((await given(request)).get("key", ""))[:200]
        person = await asyncio.to_thread(self._people.who, secret, "link")
        if person is None:
            return problem(
                401,
                "this link was used already, or is older than 15 minutes; ask for a new one: labctl people link NAME",
            )
        return await self._let_in(request, person, "entered by a link")

    async def sign_out(self, request: Request) -> Response:
        """End a session."""
        visit: Visit | None = request.state.visit
        if visit is not None and visit.session:
            await asyncio.to_thread(self._people.revoke, visit.session)
            await asyncio.to_thread(self._people.note, visit.by, "signed out", _peer(request))
        response = JSONResponse({"next": "/login"})
        host = request.headers.get("host", "")
        response.delete_cookie(
            self._address.cookie(host), path="/", secure=self._address.is_secure(host), httponly=True, samesite="strict"
        )
        return response

    async def _let_in(self, request: Request, person: Person, how: str) -> Response:
        secret = await asyncio.to_thread(self._people.issue, "session", person.name, LONGEST["session"], _peer(request))
        await asyncio.to_thread(self._people.note, f"{person.name}/web", how, _peer(request))
        response = JSONResponse({"person": person.name})
        host = request.headers.get("host", "")
        response.set_cookie(
            self._address.cookie(host), secret, max_age=int(LONGEST["session"]), path="/", secure=self._address.is_secure(host),
            httponly=True, samesite="strict",
        )  # fmt: skip
        return response

    def _wait(self, name: str) -> float:
        _, until = self._failed.get(name, (0, 0.0))
        return until - self._clock()

    def _note_failure(self, name: str) -> None:
        times = self._failed.get(name, (0, 0.0))[0] + 1
        self._failed.pop(name, None)
        self._failed[name] = times, self._clock() + (min(2.0 ** (times - 3), SLOWEST) if times > 2 else 0.0)
        while len(self._failed) > REMEMBERED:
            self._failed.pop(next(iter(self._failed)))


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


async def moved(_request: Request) -> Response:
    """Lead to the wall."""
    return RedirectResponse("/", 303)
