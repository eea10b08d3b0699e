"""What a person orders: pause, resume, skip, stop, confirm, note."""

from collections.abc import Mapping
from typing import Final

from labctl.engine.approach import approach, close_now, finish, go_on
from labctl.engine.ending import end_by
from labctl.engine.input import Off, Order, Verb
from labctl.engine.memory import Ending
from labctl.engine.passage import close_step, pass_boundaries, stand_still
from labctl.engine.position import Way
from labctl.engine.prompting import answered, is_prompt
from labctl.engine.recipe import OWN
from labctl.engine.spectrum import end_spectrum
from labctl.engine.state import Phase, State
from labctl.engine.work import Work

ALWAYS: Final[frozenset[Verb]] = frozenset({"note", "stop"})
ORDERS: Final[Mapping[Phase, frozenset[Verb]]] = {
    "leaving": ALWAYS | {"pause"},
    "running": ALWAYS | {"pause", "skip"},
    "asking": ALWAYS | {"resume", "skip"},
    "paused": ALWAYS | {"resume", "skip"},
    "ended": frozenset({"note"}),
}


def orders_now(state: State) -> frozenset[Verb]:
    """Return the orders that the run obeys as it stands."""
    found = ORDERS[state.phase]
    waits = state.phase == "running" and state.activity == "waiting"
    prompt = state.question is not None and state.question.kind == "prompt"
    return found | {"confirm"} if waits or prompt else found


def take_order(work: Work, order: Order, allowed: frozenset[Verb]) -> None:
    """Obey an order, or say that it cannot be obeyed now."""
    obeyed = order.verb in allowed
    if order.verb == "note":
        work.say("note", text=order.text, by=order.by, id=order.id)
        return
    work.say("order", verb=order.verb, id=order.id, by=order.by, text=order.text, obeyed=obeyed)
    if not obeyed:
        return
    match order.verb:
        case "stop":
            stop(work, "stopped", f"stopped by {order.by or 'a person'}")
        case "pause":
            _pause(work, f"paused by {order.by or 'a person'}")
        case "resume":
            _resume(work)
        case "skip":
            _skip(work, f"skipped by {order.by or 'a person'}")
        case "confirm":
            _confirm(work, order)


def stop(work: Work, reason: str, why: str) -> None:
    """Switch off and end the run here; what is open is closed as it stands."""
    _settle(work)
    end_spectrum(work, whole=False)
    while work.step is not None:
        close_step(work, Ending("stop" if reason != "failed" else "fault", why, work.time), work.time)
    finish(work, reason, why)  # type: ignore[arg-type]


def _settle(work: Work) -> None:
    """Let what a command that is out would have ended be ended now."""
    if work.leaving is not None:
        close_now(work, work.leaving.ending)
        pass_boundaries(work, work.leaving.boundaries)
        work.leaving = None


def _drop_probe(work: Work) -> None:
    if work.step is not None and work.step.probe:
        close_step(work, Ending("stop", "not needed any more", work.time), work.time)


def hold_safe(work: Work) -> None:
    """Bring a run to where its line can be approached anew: nothing is out, no probe is open, step time stands still."""
    _settle(work)
    _drop_probe(work)
    stand_still(work, work.time)
    end_spectrum(work, whole=False)


def _pause(work: Work, why: str) -> None:
    hold_safe(work)
    work.commands.append(Off(why))
    work.move("paused")
    check_again(work)
    work.show("paused", why, "labctl resume")
    work.renew()


def check_again(work: Work) -> None:
    """Let the open circuit be looked at before anything is energised: the cell may have been touched."""
    work.ocv_due = work.ocv_due or "either"
    work.rest_voltage = None


def _resume(work: Work) -> None:
    question = work.question
    match question.kind if question else None:
        case "met":
            way = Way(work)
            go_on(work, way, way.onward())
        case "prompt":
            answered(work)
            end_by(work, (OWN, None), Ending("own", "answered", work.time), met=False)
        case "ocv":
            check_again(work)
            again(work)
        case _:
            again(work)


def again(work: Work) -> None:
    """Approach the line of the position: its open step goes on, or it begins."""
    approach(work, (), goes_on=work.step is not None)


def _skip(work: Work, why: str) -> None:
    ending = Ending("skip", why, work.time)
    if work.question is not None and work.question.kind == "met":
        way = Way(work)
        way.leave(len(work.frames) - 1)
        go_on(work, way, way.onward())
        return
    if work.step is not None and work.step.probe:
        _drop_probe(work)
        stand_still(work, work.time)
    end_spectrum(work, whole=False)
    if work.step is not None:
        end_by(work, (OWN, None), ending, met=False)
        return
    way = Way(work)
    go_on(work, way, way.onward())


def _confirm(work: Work, order: Order) -> None:
    if work.step is None or not is_prompt(work):
        return
    answered(work)
    end_by(work, (OWN, None), Ending("own", order.text or "confirmed", work.time), met=False)
