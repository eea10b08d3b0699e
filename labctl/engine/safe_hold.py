"""A run that is held safe because the cell is not measured, not as it was set, or not recorded."""

from labctl.engine.input import Off, SafeHold
from labctl.engine.next_step import ask
from labctl.engine.order import check_again, hold_safe
from labctl.engine.state_builder import StateBuilder


def take_safe_hold(builder: StateBuilder, hold: SafeHold) -> None:
    """Switch the output off and ask; a run that waits already is only switched off again.

    The step stays open and its time stands still. The open circuit is looked at before anything is energised again, so that
    `resume` cannot energise what still gives no reading.
    """
    if builder.phase == "ended":
        return
    if hold.cause == "contradicted":
        step = builder.step
        at = {} if step is None else {"step_count": step.count, "step_id": step.line}
        builder.say("diverged", why=hold.why, **at)
    if builder.phase in {"asking", "paused"}:
        builder.commands.append(Off(hold.why))
        return
    hold_safe(builder)
    check_again(builder)
    ask(builder, hold.cause, hold.why)
