"""What Home Assistant is told so that it shows channels by itself: one retained config a channel (MQTT device discovery).

Format: Home Assistant, MQTT integration, "Device discovery payload" (`homeassistant/device/ID/config` with `dev`, `o`, `cmps`).
The configs are retained, so that a Home Assistant which starts later finds them.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from labctl.publish.topic import Topics

SENSORS: Final[Mapping[str, tuple[str, str, str | None, str | None]]] = {  # name, field of `last`, unit, class
    "voltage": ("Voltage", "voltage_volt", "V", "voltage"),
    "current": ("Current", "current_ampere", "A", "current"),
    "temperature": ("Temperature", "surface_temperature_celsius", "°C", "temperature"),
    "charged": ("Charged", "charging_capacity_ah", "Ah", None),
    "discharged": ("Discharged", "discharging_capacity_ah", "Ah", None),
    "cycle": ("Cycle", "cycle_count", None, None),
}
ALARMED: Final = ("tripped", "failed", "unknown", "waiting", "safe")


def config_topic(node: str, channel: str) -> str:
    """Return where the config of a channel stands."""
    return f"homeassistant/device/{_id(node, channel)}/config"


def config(topics: Topics, node: str, channel: str, version: str) -> bytes:
    """Return the config of a channel: eight entities that are unavailable as long as the daemon is."""
    identity, last, state = _id(node, channel), topics.last(channel), topics.channel_state(channel)
    parts: dict[str, dict[str, object]] = {
        key: {
            "p": "sensor", "unique_id": f"{identity}_{key}", "name": name, "state_topic": last, "state_class": "measurement",
            "value_template": f"{{{{ value_json.{field} | default(None) }}}}",
            **({"unit_of_measurement": unit} if unit else {}), **({"device_class": kind} if kind else {}),
        }
        for key, (name, field, unit, kind) in SENSORS.items()
    }  # fmt: skip
    parts["state"] = {
        "p": "sensor", "unique_id": f"{identity}_state", "name": "State", "state_topic": state,
        "value_template": "{{ value_json.state }}", "json_attributes_topic": state,
    }  # fmt: skip
    parts["alarm"] = {
        "p": "binary_sensor", "unique_id": f"{identity}_alarm", "name": "Needs a person", "device_class": "problem",
        "state_topic": state, "value_template": f"{{{{ 'ON' if value_json.state in {list(ALARMED)} else 'OFF' }}}}",
    }  # fmt: skip
    return orjson.dumps({
        "dev": {"ids": [identity], "name": f"{node} {channel}", "mf": "labctl", "sw": version},
        "o": {"name": "labctl", "sw": version},
        "availability": [{
            "topic": topics.state, "value_template": "{{ 'online' if value_json.state == 'ready' else 'offline' }}",
        }],
        "cmps": parts,
    })  # fmt: skip


def _id(node: str, channel: str) -> str:
    """Return an id of letters, digits, - and _, which is all that Home Assistant takes in a topic; others become their code."""
    return re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}_", f"labctl-{node}-{channel}")
