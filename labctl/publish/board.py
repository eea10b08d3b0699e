"""The live table of `labctl watch`: channels as MQTT tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

SETTLED = frozenset({"idle", "done", "tripped", "failed"})  # states in which nothing goes on by itself


@dataclass(slots=True)
class Board:
    """Rows by channel, updated message by message.

    Attributes:
        prefix: Of the node's topics.
        only: Channels to show; empty for all.
        node: State of the daemon: ready, offline, lost.
        alarms: Texts of active alarms, by topic.
        expected: Channels that the node says it has.
    """

    prefix: str
    only: tuple[str, ...] = ()
    node: str = "?"
    alarms: dict[str, str] = field(default_factory=dict)
    expected: frozenset[str] = frozenset()
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return tuple(
            f"{self.prefix}/{rest}" for rest in ("state", "info", "ch/+/state", "ch/+/sample", "ch/+/last", "alarm/+")
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a channel, by name."""
        shown = [self._rows[name] for name in sorted(self._rows)]
        return shown if self.node != "lost" else [{**row, "activity": "lost"} for row in shown]

    @property
    def settled(self) -> bool:
        """Tell whether every channel that is to be shown has been heard of and nothing goes on by itself on any."""
        awaited = self.expected if not self.only else frozenset(self.only)
        known = {name for name, row in self._rows.items() if row.get("activity") in SETTLED}
        return bool(awaited) and awaited <= known

    def take(self, topic: str, payload: bytes) -> dict[str, Any] | None:
        """Take a message; return its fields if it is one to show, else None. What is no JSON object is left aside."""
        parts = topic.removeprefix(f"{self.prefix}/").split("/")
        try:
            fields = orjson.loads(payload) if payload else {}
        except orjson.JSONDecodeError:
            return None
        if not isinstance(fields, dict):
            return None
        match parts:
            case ["state"]:
                self.node = str(fields.get("state", "?"))
            case ["info"]:
                names = fields.get("channels")
                self.expected = frozenset(str(name) for name in names) if isinstance(names, list) else frozenset()
            case ["alarm", _]:
                self._alarm(topic, fields)
            case ["ch", _, kind] if self._shown(fields):
                self._channel(kind, fields)
            case _:
                return None
        return {"topic": topic, **fields}

    def _shown(self, fields: Mapping[str, Any]) -> bool:
        return "ch" in fields and (not self.only or str(fields["ch"]) in self.only)

    def _alarm(self, topic: str, fields: Mapping[str, Any]) -> None:
        if fields:
            self.alarms[topic] = str(fields.get("text", ""))
        else:
            self.alarms.pop(topic, None)

    def _channel(self, kind: str, fields: dict[str, Any]) -> None:
        row = self._rows.setdefault(str(fields["ch"]), {"channel": fields["ch"]})
        if kind == "state":
            kept = {key: row[key] for key in ("channel", *_VALUES) if key in row}
            row.clear()
            row.update(kept)
            row["activity"] = str(fields.get("state"))
        row.update(fields)


_VALUES = ("voltage_volt", "current_ampere", "charging_capacity_ah", "discharging_capacity_ah", "record_index")
