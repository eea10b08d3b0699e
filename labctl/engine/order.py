"""What a person orders: pause, resume, skip, stop, confirm, note; and release, of a run whose instrument runs something else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from labctl.engine.edit import take_edit
from labctl.engine.ending import end_by
from labctl.engine.external import answered, is_prompt
from labctl.engine.input import Off, Order, Verb
from labctl.engine.next_step import approach, close_now, finish, go_on
from labctl.engine.plan_cursor import PlanCursor
from labctl.engine.spectrum import end_spectrum
from labctl.engine.state import Phase, State
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Ending, Unblock
from labctl.engine.suspension import joined, person, reasons
from labctl.engine.transitions import close_step, pass_boundaries, stand_still
from labctl.plan.holding import OWN

ALWAYS: Final[frozenset[Verb]] = frozenset({"note", "stop"})
ORDERS: Final[Mapping[Phase, frozenset[Verb]]] = {
    "leaving": ALWAYS | {"pause"},
    "running": ALWAYS | {"pause", "skip", "edit"},
    "asking": ALWAYS | {"resume", "skip", "edit"},
    "paused": ALWAYS | {"resume", "skip", "edit"},
    "ended": frozenset({"note"}),
}


def orders_now(state: State) -> frozenset[Verb]:
    """Return the orders that the run obeys as it stands."""
    allowed = ORDERS[state.phase]
    waits = state.phase == "running" and state.activity == "waiting"
    prompt = state.question is not None and state.question.kind == "prompt"
    return allowed | {"confirm"} if waits or prompt else allowed


def is_of_now(order: Order, step_count: int | None) -> bool:
    """Tell whether an order means what the run does now: the step that was seen; what only makes safer always does."""
    return order.step_seen is None or order.verb in {"stop", "pause", "note"} or order.step_seen == step_count


def take_order(builder: StateBuilder, order: Order, allowed: frozenset[Verb]) -> None:
    """Obey an order, or say that it cannot be obeyed now."""
    obeyed = is_allowed(order, builder.phase, builder.why, allowed) or (
        order.verb == "release" and builder.phase != "ended"
    )
    obeyed = obeyed and is_of_now(order, builder.step.count if builder.step is not None else None)
    if order.verb in {"note", "edit"}:
        _write_down(builder, order, obeyed=obeyed)
        return
    seen: dict[str, object] = {} if order.step_seen is None else {"step_seen": order.step_seen}
    builder.say("order", verb=order.verb, id=order.id, by=order.by, text=order.text, obeyed=obeyed, **seen)
    if not obeyed:
        return
    match order.verb:
        case "stop":
            stop(builder, "stopped", _stopped(builder, f"stopped by {order.by or 'a person'}"))
        case "release":
            stop(builder, "released", f"released by {order.by or 'a person'}: what the instrument runs goes on")
        case "pause":
            _pause(builder, order)
        case "resume":
            _resume(builder, order.text)
        case "skip":
            _skip(builder, f"skipped by {order.by or 'a person'}")
        case "confirm":
            _confirm(builder, order)


def _write_down(builder: StateBuilder, order: Order, *, obeyed: bool) -> None:
    """Keep a remark, or another plan for what lies ahead: neither changes what the run does now."""
    if order.verb == "note":
        builder.say("note", text=order.text, by=order.by, id=order.id)
        return
    why = take_edit(builder, order) if obeyed else "it cannot be edited now"
    builder.say("order", verb="edit", id=order.id, by=order.by, text=why, obeyed=not why)


def _stopped(builder: StateBuilder, why: str) -> str:
    """Return why a run was stopped; what it asked when it was comes first, since nobody stopped it without that."""
    return f"it asked: {builder.why}; {why}" if builder.phase == "asking" and builder.plan.edition > 1 else why


def stop(builder: StateBuilder, reason: str, why: str) -> None:
    """Switch off and end the run here; what is open is closed as it stands."""
    _settle(builder)
    end_spectrum(builder, whole=False)
    while builder.step is not None:
        close_step(builder, Ending("stop" if reason != "failed" else "fault", why, builder.time), builder.time)
    finish(builder, reason, why)  # type: ignore[arg-type]


def _settle(builder: StateBuilder) -> None:
    """Let what a command that is out would have ended be ended now."""
    if builder.leaving is not None:
        close_now(builder, builder.leaving.ending)
        pass_boundaries(builder, builder.leaving.boundaries)
        builder.leaving = None


def _drop_probe(builder: StateBuilder) -> None:
    if builder.step is not None and builder.step.probe:
        close_step(builder, Ending("stop", "not needed any more", builder.time), builder.time)


def hold_safe(builder: StateBuilder) -> None:
    """Bring a run to where its line can be approached anew: nothing is out, no probe is open, step time stands still."""
    _settle(builder)
    _drop_probe(builder)
    stand_still(builder, builder.time)
    end_spectrum(builder, whole=False)


def is_allowed(order: Order, phase: Phase, why: str, allowed: frozenset[Verb]) -> bool:
    """Tell whether a run obeys an order as it stands: a reason may join others, and is lifted where it is one of them."""
    if not order.text or order.verb not in {"pause", "resume"}:
        return order.verb in allowed
    if order.verb == "resume":
        return phase == "paused" and order.text in reasons(why)
    return phase == "paused" or order.verb in allowed


def _pause(builder: StateBuilder, order: Order) -> None:
    """Switch off and wait, for a person or for a reason; where the run is paused already the reason joins what is said."""
    if builder.phase == "paused":
        causes = tuple(dict.fromkeys((*reasons(builder.why), order.text)))
        builder.show("paused", joined(person(builder.why), causes), Unblock.RESUME)
        return
    why = joined("", (order.text,)) if order.text else f"paused by {order.by or 'a person'}"
    hold_safe(builder)
    builder.commands.append(Off(why))
    builder.move("paused")
    check_again(builder)
    builder.show("paused", why, Unblock.RESUME)
    builder.renew()


def check_again(builder: StateBuilder) -> None:
    """Let the open circuit be looked at before anything is energised: the cell may have been touched."""
    builder.ocv_due = builder.ocv_due or "either"
    builder.rest_voltage = None


def _resume(builder: StateBuilder, reason: str = "") -> None:
    """Go on; with a reason lift that one, and go on only where nothing else keeps the run."""
    left = tuple(each for each in reasons(builder.why) if each != reason) if reason else ()
    if reason and (left or person(builder.why)):
        builder.show("paused", joined(person(builder.why), left), Unblock.RESUME)
        return
    question = builder.question
    match question.kind if question else None:
        case "met":
            cursor = PlanCursor(builder)
            go_on(builder, cursor, cursor.onward())
        case "unsure":
            cursor = PlanCursor(builder)
            go_on(builder, cursor, cursor.into())
        case "prompt":
            answered(builder)
            end_by(builder, (OWN, None), Ending("own", "answered", builder.time), met=False)
        case "ocv":
            check_again(builder)
            again(builder)
        case _:
            again(builder)


def again(builder: StateBuilder) -> None:
    """Approach the line of the position: its open step goes on, or it begins."""
    approach(builder, (), goes_on=builder.step is not None)


def _skip(builder: StateBuilder, why: str) -> None:
    ending = Ending("skip", why, builder.time)
    if builder.question is not None and builder.question.kind == "met":
        cursor = PlanCursor(builder)
        cursor.leave(len(builder.frames) - 1)
        go_on(builder, cursor, cursor.onward())
        return
    if (
        builder.question is not None and builder.question.kind == "unsure"
    ):  # the block at whose `if` it stands is left out
        cursor = PlanCursor(builder)
        go_on(builder, cursor, cursor.onward())
        return
    if builder.plan.edition > 1 and builder.cycle.kind:
        builder.cycle = replace(
            builder.cycle, flaw=builder.cycle.flaw or "skip"
        )  # no result is of a cycle that lacks a step
    if builder.step is not None and builder.step.probe:
        _drop_probe(builder)
        stand_still(builder, builder.time)
    end_spectrum(builder, whole=False)
    if builder.step is not None:
        end_by(builder, (OWN, None), ending, met=False)
        return
    cursor = PlanCursor(builder)
    go_on(builder, cursor, cursor.onward())


def _confirm(builder: StateBuilder, order: Order) -> None:
    if builder.step is None or not is_prompt(builder):
        return
    answered(builder)
    end_by(builder, (OWN, None), Ending("own", order.text or "confirmed", builder.time), met=False)
