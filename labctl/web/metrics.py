"""Figures for Prometheus: of channels and of the daemon, never of runs, so that their number stays bounded."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from labctl.web.hub import Hub

GAUGES = {
    "voltage_volt": ("labctl_channel_voltage_volts", "Voltage of the last row"),
    "current_ampere": ("labctl_channel_current_amperes", "Current of the last row, positive charges"),
    "surface_temperature_celsius": ("labctl_channel_temperature_celsius", "Temperature of the last row"),
    "charging_capacity_ah": ("labctl_channel_charged_ampere_hours", "Charge that the run has put in"),
    "discharging_capacity_ah": ("labctl_channel_discharged_ampere_hours", "Charge that the run has taken out"),
    "cycle_count": ("labctl_channel_cycle", "Number of the cycle"),
    "measured": ("labctl_channel_measured_timestamp_seconds", "When the last row came, Unix time"),
}


class Metrics:
    """Answers a scrape."""

    def __init__(self, hub: Hub) -> None:
        """Look at a hub."""
        self._hub = hub

    async def scrape(self, _request: Request) -> Response:
        """Answer with all figures in Prometheus' text format."""
        await self._hub.fresh()
        text = "\n".join(lines(self._hub)) + "\n"
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def lines(hub: Hub) -> Iterator[str]:
    """Give the lines of the text format."""
    yield from _head("labctl_up", "Whether the daemon answers")
    yield f"labctl_up {0 if hub.station.lost_since is not None else 1}"
    yield from _head("labctl_alarms", "Alarms of the station by severity")
    for severity in ("warning", "error"):
        yield f'labctl_alarms{{severity="{severity}"}} {sum(each["severity"] == severity for each in hub.station.alarms)}'
    yield from _head("labctl_channel_state", "1 of the state in which a channel is")
    for name, row in hub.channels.items():
        yield f'labctl_channel_state{{channel="{escaped(name)}",state="{escaped(str(row.get("activity", "idle")))}"}} 1'
    for key, (gauge, about) in GAUGES.items():
        values = [(name, row[key]) for name, row in hub.channels.items() if isinstance(row.get(key), int | float)]
        if values:
            yield from _head(gauge, about)
            yield from (f'{gauge}{{channel="{escaped(name)}"}} {float(value)!r}' for name, value in values)


def _head(name: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}.", f"# TYPE {name} gauge"


def escaped(text: str) -> str:
    """Return a label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
