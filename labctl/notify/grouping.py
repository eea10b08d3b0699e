"""Which messages are due: one pure fold over what happens and the clock, so that stored months can be replayed.

`notice(rules, state, input) -> (state, messages)`. Nothing here waits, sends or asks for the time: a `Tick` says what time it is.
What happened at once becomes one message; a burst becomes few; quiet hours delay what can wait and tell at their end what still
holds; what nobody acknowledges is told again, and to more people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal, TypeAlias

from labctl.store.hash_chain import digest_of

Level: TypeAlias = Literal["page", "notice"]
Why: TypeAlias = Literal["new", "over", "again", "escalated", "morning"]

TOGETHER: Final = 10.0  # s for which what happens is collected once a message has gone
BURST: Final = 3  # messages of a level in `WINDOW`; the next waits until one of them is older
WINDOW: Final = 720.0  # s
AGAIN: Final = 4 * 3600.0  # s after which a page that nobody acknowledged is told again
ESCALATE: Final = 900.0  # s after which it is told to those who are asked only then
REMINDED: Final = 900.0  # s between two messages that tell again what was told
EDGES: Final = 3  # times that a channel may raise the same alarm in `FLAP`; more often, it is said to flap
FLAP: Final = 900.0  # s
SET_BACK: Final = 60.0  # s by which a clock goes back that was set; less is its wander
LEVELS: Final[Mapping[str, Level]] = {
    "tripped": "page", "failed": "page", "unknown": "page", "lost": "page", "error": "page",
    "waiting": "notice", "safe": "notice", "warning": "notice", "done": "notice", "resumed": "notice",
}  # fmt: skip
PASSING: Final = frozenset({"done", "resumed"})  # told once, and over at once


@dataclass(frozen=True, slots=True)
class Rules:
    """How messages are made.

    Attributes:
        quiet: Begin and end of the quiet hours, s after local midnight; None for none.
        zone: Of the local clock.
    """

    quiet: tuple[float, float] | None = None
    zone: tzinfo | None = None


# --- what goes in -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happened:
    """Something is so from now on.

    Attributes:
        time: UTC, s.
        subject: The channel, or the name of a station's alarm.
        kind: One of `LEVELS`; any other word ends what was so of the subject.
        text: What happened, in a sentence.
        what: Protocol and cell, "" of a station's alarm.
        unblock: The command that lets it go on, "" if none.
    """

    time: float
    subject: str
    kind: str
    text: str = ""
    what: str = ""
    unblock: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody has seen an alarm, by its id; "" acknowledges all."""

    time: float
    id: str
    by: str


@dataclass(frozen=True, slots=True)
class Tick:
    """It is so late (UTC, s)."""

    time: float


Input: TypeAlias = Happened | Acknowledged | Tick

# --- what comes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """Something that is so and somebody should know.

    Attributes:
        id: Stable: the same in a replay.
        level: Whether it wakes somebody.
        kind: As it happened.
        subject: Channel or station's alarm.
        since: UTC, s.
        text: In a sentence.
        what: Protocol and cell.
        unblock: The command that lets it go on.
        told: When it was told last, None if never.
        by: Who acknowledged it, "" if nobody.
        escalated: It was told to those who are asked last.
    """

    id: str
    level: Level
    kind: str
    subject: str
    since: float
    text: str = ""
    what: str = ""
    unblock: str = ""
    told: float | None = None
    by: str = ""
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class DueMessage:
    """One message, for every route that takes its level.

    Attributes:
        id: Stable, so that a message which is sent twice is known to be one.
        time: UTC, s.
        level: Of the gravest alarm in it.
        why: What made it due.
        alarms: What it tells.
        over: What is over, told before.
        passed: How much came and went in the quiet hours.
    """

    id: str
    time: float
    level: Level
    why: Why
    alarms: tuple[ActiveAlarm, ...]
    over: tuple[ActiveAlarm, ...] = ()
    passed: int = 0


@dataclass(frozen=True, slots=True)
class NoticeState:
    """What is so, what waits to be told, and when messages went."""

    time: float = 0.0
    active: Mapping[str, ActiveAlarm] = field(default_factory=dict)
    pending: Mapping[str, ActiveAlarm] = field(default_factory=dict)
    over: tuple[ActiveAlarm, ...] = ()
    sent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    passed: int = 0
    was_quiet: bool = False


Outcome: TypeAlias = tuple[NoticeState, tuple[DueMessage, ...]]


def notice(rules: Rules, state: NoticeState, given: Input) -> Outcome:
    """Return the state after an input, and the messages that are due."""
    match given:
        case Happened():
            return _happened(replace(state, time=max(state.time, given.time)), given), ()
        case Acknowledged():
            chosen = {
                key: replace(each, by=given.by) if given.id in {each.id, ""} else each
                for key, each in state.active.items()
            }
            return replace(state, active=chosen), ()
        case Tick():
            if state.time - given.time > SET_BACK:
                state = _set_back(state, given.time)
            return _due(rules, replace(state, time=max(state.time, given.time)))


def _set_back(state: NoticeState, time: float) -> NoticeState:
    """Return a state after the clock was set back: nothing in it is later than now, so that nothing waits for hours to come."""

    def no_later(alarm: ActiveAlarm) -> ActiveAlarm:
        return replace(alarm, since=min(alarm.since, time), told=None if alarm.told is None else min(alarm.told, time))

    return replace(
        state, time=time, active={key: no_later(each) for key, each in state.active.items()},
        pending={key: no_later(each) for key, each in state.pending.items()},
        sent={key: tuple(min(each, time) for each in times) for key, times in state.sent.items()},
        edges={key: tuple(min(each, time) for each in times) for key, times in state.edges.items()},
    )  # fmt: skip


def _happened(state: NoticeState, given: Happened) -> NoticeState:
    before = state.active.get(given.subject)
    if before is not None and before.kind == given.kind:
        return state
    state = _ended(state, before) if before is not None else state
    level = LEVELS.get(given.kind)
    if level is None:
        return state
    key = f"{given.subject} {given.kind}"
    edges = tuple(time for time in state.edges.get(key, ()) if given.time - time < FLAP)
    state = replace(state, edges={**state.edges, key: (*edges, given.time)})
    alarm = ActiveAlarm(
        digest_of(f"{key} {given.time!r} {given.text}")[:8], level, given.kind, given.subject, given.time, given.text, given.what,
        given.unblock,
    )  # fmt: skip
    if len(edges) == EDGES:
        alarm = replace(
            alarm,
            text=f"{alarm.text} (for the {EDGES + 1}th time in {FLAP / 60:g} min: it is not told again until it rests)",
        )
    flapping = len(edges) > EDGES
    active = state.active if given.kind in PASSING else {**state.active, given.subject: alarm}
    pending = state.pending if flapping else {**state.pending, alarm.id: alarm}
    return replace(state, active=active, pending=pending)


def _ended(state: NoticeState, alarm: ActiveAlarm) -> NoticeState:
    """Take an alarm away: one that was told is told to be over, one that was not is only counted."""
    active = {key: each for key, each in state.active.items() if each.id != alarm.id}
    pending = {key: each for key, each in state.pending.items() if key != alarm.id}
    if alarm.told is not None:
        return replace(state, active=active, pending=pending, over=(*state.over, alarm))
    if alarm.level == "page":  # a page is told even when it is over before it could be
        return replace(state, active=active)
    return replace(state, active=active, pending=pending, passed=state.passed + 1)


def _due(rules: Rules, state: NoticeState) -> Outcome:
    quiet = is_quiet(rules, state.time)
    messages: list[DueMessage] = []
    levels: tuple[Level, ...] = ("page", "notice")
    for level in levels:
        if level == "notice" and quiet:
            continue
        morning = level == "notice" and state.was_quiet
        state, message = _of_level(state, level, morning=morning)
        messages += [message] if message is not None else []
    state, more = _unacknowledged(state)
    return replace(state, was_quiet=quiet), (*messages, *more)


def _of_level(state: NoticeState, level: Level, *, morning: bool) -> tuple[NoticeState, DueMessage | None]:
    waiting = tuple(each for each in state.pending.values() if each.level == level)
    over = state.over if level == "notice" else ()
    passed = state.passed if morning else 0
    if not (waiting or over or passed) or not _may_go(
        state, level, min((each.since for each in waiting), default=state.time - TOGETHER)
    ):
        return state, None
    now_told = {
        each.subject: replace(each, told=state.time)
        for each in waiting
        if state.active.get(each.subject, each).id == each.id
    }
    identity = digest_of(f"{state.time!r} {level} {[each.id for each in (*waiting, *over)]}")[:12]
    message = DueMessage(
        identity, state.time, level, "morning" if morning else "new" if waiting else "over", waiting, over, passed
    )
    return (
        replace(
            state,
            active={key: now_told.get(key, each) for key, each in state.active.items()},
            pending={key: each for key, each in state.pending.items() if each.level != level},
            over=() if level == "notice" else state.over,
            sent=_sent(state, level),
            passed=0 if level == "notice" else state.passed,
        ),
        message,
    )


def _may_go(state: NoticeState, level: Level, since: float) -> bool:
    """Tell whether a message of a level may go now: the first page at once, what follows together, a burst slowly."""
    lately = [time for time in state.sent.get(level, ()) if state.time - time < WINDOW]
    if len(lately) >= BURST:
        return False
    if level == "page" and not lately:
        return True
    return state.time - since >= TOGETHER


def _sent(state: NoticeState, level: Level) -> Mapping[str, tuple[float, ...]]:
    lately = tuple(time for time in state.sent.get(level, ()) if state.time - time < WINDOW)
    return {**state.sent, level: (*lately, state.time)}


def _unacknowledged(state: NoticeState) -> Outcome:
    """Tell again what nobody acknowledged, and let it go further once."""
    pages = [each for each in state.active.values() if each.level == "page" and not each.by and each.told is not None]
    further = [each for each in pages if not each.escalated and state.time - each.since >= ESCALATE]
    again = [
        each for each in pages if each not in further and each.told is not None and state.time - each.told >= AGAIN
    ]
    messages: list[DueMessage] = []
    active = dict(state.active)
    whys: tuple[tuple[Why, list[ActiveAlarm]], ...] = (("escalated", further), ("again", again))
    for why, alarms in whys:
        if alarms and all(state.time - time >= REMINDED for time in state.sent.get(why, ())):
            state = replace(state, sent={**state.sent, why: (state.time,)})
            identity = digest_of(f"{state.time!r} {why} {[each.id for each in alarms]}")[:12]
            messages.append(DueMessage(identity, state.time, "page", why, tuple(alarms)))
            active |= {
                each.subject: replace(each, told=state.time, escalated=each.escalated or why == "escalated")
                for each in alarms
            }
    return replace(state, active=active), tuple(messages)


def is_quiet(rules: Rules, time: float) -> bool:
    """Tell whether a moment lies in the quiet hours of the local clock."""
    if rules.quiet is None:
        return False
    local = datetime.fromtimestamp(time, rules.zone)
    second = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second).total_seconds()
    begin, end = rules.quiet
    return begin <= second < end if begin <= end else second >= begin or second < end
