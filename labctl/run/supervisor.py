"""The supervisor: which run is on which channel; starts, orders, adoption at start, and what the faces ask."""

from collections.abc import Mapping

from labctl.run.request import Flat, OrderReply, StartReply, StartRequest


class Supervisor:
    """Every channel of the station and the run on it. One event loop; no method blocks it.

    Every refusal is a `labctl.errors.LabctlError` whose message is meant for a person: `OrderRefused` (busy channel, nothing
    to resume), `FileError` (all findings of a file), `UsageError` (unknown channel or verb), `StoreError`.
    """

    async def start(self, request: StartRequest) -> StartReply:
        """Load, check, compile and store a plan, and start it; nothing moves before the run is committed."""
        raise NotImplementedError

    async def order(self, verb: str, target: str, order_id: str = "", by: str = "", text: str = "") -> OrderReply:
        """Give an order to the run on a channel; `target` is a channel or the id of an active run.

        `stop` and `pause` switch the output off first and are recorded after; the others are committed before they act.
        The same `order_id` within 24 h is answered as the first time without acting again.
        """
        raise NotImplementedError

    def status(self) -> list[Flat]:
        """Return one flat object a channel.

        Keys: channel, activity, why, run, protocol, cell, step_id, step_count, step_type,
        step_name, cycle_count, test_time_second, step_time_second, voltage_volt, current_ampere,
        charging_capacity_ah, discharging_capacity_ah, record_index, progress (0..1), remaining_second, unblock, clock.
        """
        raise NotImplementedError

    def why(self, channel: str) -> tuple[str, str]:
        """Return what a channel waits for, in one sentence, and the command that unblocks it ("" if nothing does)."""
        raise NotImplementedError

    def channels(self) -> Mapping[str, str]:
        """Return the name of the instrument of every channel."""
        raise NotImplementedError
