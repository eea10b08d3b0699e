"""The fold's state as JSON and back."""

from typing import Any

import orjson

from labctl.notify.grouping import ActiveAlarm, NoticeState


def state_to_json(state: NoticeState) -> str:
    """Return a state as a text."""
    return orjson.dumps(state).decode()


def state_from_json(text: str) -> NoticeState:
    """Return the state that was stored; what a later version added is left out."""
    stored = orjson.loads(text)
    return NoticeState(
        time=stored["time"],
        active={key: _alarm(each) for key, each in stored["active"].items()},
        pending={key: _alarm(each) for key, each in stored["pending"].items()},
        over=tuple(_alarm(each) for each in stored["over"]),
        sent={key: tuple(times) for key, times in stored["sent"].items()},
        edges={key: tuple(times) for key, times in stored["edges"].items()},
        passed=stored["passed"],
        was_quiet=stored["was_quiet"],
    )


def _alarm(fields: dict[str, Any]) -> ActiveAlarm:
    return ActiveAlarm(**{name: value for name, value in fields.items() if name in ActiveAlarm.__slots__})
