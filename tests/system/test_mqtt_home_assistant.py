"""What Home Assistant makes of a node at a real broker: configs read by its documented rules, values by its template engine."""

import json

import jsonschema
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from labctl.publish.home_assistant import config, config_topic
from labctl.publish.topic import Topics
from tests.bench_mqtt import bench_on
from tests.services_mosquitto import listening, mosquitto  # noqa: F401

pytestmark = pytest.mark.mosquitto

TEXT = {"type": "string", "minLength": 1}
ENTITY = {
    "type": "object",
    "required": ["p", "unique_id", "name", "state_topic"],
    "properties": {
        "p": {"enum": ["sensor", "binary_sensor"]}, "unique_id": TEXT, "name": TEXT, "state_topic": TEXT, "value_template": TEXT,
        "json_attributes_topic": TEXT, "unit_of_measurement": TEXT, "device_class": TEXT,
        "state_class": {"enum": ["measurement", "total", "total_increasing"]},
    },
    "additionalProperties": False,
    "allOf": [
        {"if": {"properties": {"p": {"const": "binary_sensor"}}},
         "then": {"properties": {"device_class": {"const": "problem"}, "state_class": False, "unit_of_measurement": False}}},
        {"if": {"properties": {"device_class": {"const": "voltage"}}, "required": ["device_class"]},
         "then": {"properties": {"unit_of_measurement": {"enum": ["V", "mV", "µV", "kV"]}}, "required": ["unit_of_measurement"]}},
        {"if": {"properties": {"device_class": {"const": "current"}}, "required": ["device_class"]},
         "then": {"properties": {"unit_of_measurement": {"enum": ["A", "mA"]}}, "required": ["unit_of_measurement"]}},
        {"if": {"properties": {"device_class": {"const": "temperature"}}, "required": ["device_class"]},
         "then": {"properties": {"unit_of_measurement": {"enum": ["°C", "°F", "K"]}}, "required": ["unit_of_measurement"]}},
    ],
}  # fmt: skip
DEVICE = {
    "type": "object",
    "required": ["dev", "o", "cmps"],
    "properties": {
        "dev": {"type": "object", "required": ["ids", "name"], "additionalProperties": False,
                "properties": {"ids": {"type": "array", "items": TEXT, "minItems": 1}, "name": TEXT, "mf": TEXT, "mdl": TEXT, "sw": TEXT}},
        "o": {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": TEXT, "sw": TEXT, "url": TEXT}},
        "availability": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["topic"], "additionalProperties": False,
                         "properties": {"topic": TEXT, "value_template": TEXT, "payload_available": TEXT, "payload_not_available": TEXT}}},
        "cmps": {"type": "object", "minProperties": 1, "additionalProperties": ENTITY},
    },
    "additionalProperties": False,
}  # fmt: skip
"""Home Assistant's documentation of the MQTT integration: device discovery payload, and the options of the two platforms."""


def rendered(template, payload):
    """As Home Assistant does it: a sandbox of Jinja, the message as `value_json`."""
    return ImmutableSandboxedEnvironment().from_string(template).render(value_json=payload)


async def test_a_home_assistant_that_comes_later_finds_every_channel_with_its_values(mosquitto, tmp_path):  # noqa: F811
    async with bench_on(tmp_path / "data", mosquitto.port) as bench:
        topics = Topics("labctl/1/bench")
        for channel in ("A1", "B/2"):
            bench.reader.keep(config_topic("bench", channel), config(topics, "bench", channel, "1.0"))
        bench.start("A1")
        bench.rows("A1", 3, value=3.5)
        async with listening(mosquitto.port, "labctl/#") as seen:
            await seen.until(lambda: seen.on("ch/A1/last") and seen.on("ch/A1/state") and seen.on("bench/state"))
        async with listening(mosquitto.port, "homeassistant/#") as late:
            await late.until(lambda: len(late.messages) == 2)
    configs = {topic: payload for topic, payload, retained in late.messages if retained}
    assert len(configs) == 2, "they are retained"
    for payload in configs.values():
        jsonschema.validate(payload, DEVICE)
    ids = [entity["unique_id"] for payload in configs.values() for entity in payload["cmps"].values()]
    assert len(ids) == len(set(ids)) == 16
    told = configs[config_topic("bench", "A1")]
    by_topic = {topic: payload for topic, payload, _ in seen.messages}
    assert rendered(told["availability"][0]["value_template"], by_topic[told["availability"][0]["topic"]]) == "online"
    values = {
        key: rendered(each["value_template"], by_topic[each["state_topic"]]) for key, each in told["cmps"].items()
    }
    assert float(values["voltage"]) == 3.5
    assert float(values["current"]) == 3.5
    assert values["temperature"] == "None", "what is not measured is unknown there"
    assert (values["state"], values["alarm"]) == ("running", "OFF")
    tripped = json.loads(json.dumps(by_topic[told["cmps"]["alarm"]["state_topic"]])) | {"state": "tripped"}
    assert rendered(told["cmps"]["alarm"]["value_template"], tripped) == "ON"
