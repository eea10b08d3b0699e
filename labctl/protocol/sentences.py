"""Steps as sentences, as PyBaMM and methods sections have them: `Discharge at C/10 for 10 hours or until 3.3 V`."""

import re
from typing import Final

from labctl.finding import clip
from labctl.quantity.units import reads
from labctl.text.nodes import Items, Node, Scalar

_DRIVE: Final = re.compile(
    r"(charge|discharge|strip|plate)\s+(?:at|with)\s+(.+?)(?:\s+for\s+(.+?))?(?:\s*,?\s*(?:or\s+)?(?:until|to)\s+(.+?))?\.?",
    re.IGNORECASE,
)
_HOLD: Final = re.compile(r"hold\s+at\s+(.+?)(?:\s+for\s+(.+?))?(?:\s*,?\s*(?:or\s+)?until\s+(.+?))?\.?", re.IGNORECASE)
_REST: Final = re.compile(r"(?:rest|wait)\s+(?:for\s+)?(.+?)\.?", re.IGNORECASE)
_FOR_LAST: Final = re.compile(r" (until|to) (\S+(?: [A-Za-z]\S*)?),? (?:or )?for (\S+ ?[A-Za-z]*)$", re.IGNORECASE)
_PERIOD: Final = re.compile(r"(.*\S)\s*\(\s*(.+?)\s+period\s*\)", re.IGNORECASE)
_TIMES: Final = {"second": "s", "sec": "s", "minute": "min", "min": "min", "hour": "h", "hr": "h", "day": "d"}


def step_of(sentence: str) -> str:
    """Return the step that a sentence describes, `discharge: {current: C/10, to: 3.3 V, for: 10 h}`, or ""."""
    text = sentence.strip()
    text = _FOR_LAST.sub(r" for \3 or \1 \2", text)
    if period := _PERIOD.fullmatch(text):
        step, every = step_of(period[1]), _time(period[2])
        return f"{step}, with record: {{every: {every}}} on a line below it" if step and every else step
    if match := _REST.fullmatch(text):
        time = _time(match[1])
        return f"rest: {time}" if time else ""
    if match := _HOLD.fullmatch(text):
        end = (match[3] or "").strip()
        until = f"current < {end}" if reads(end, "current") else ""
        return _step("hold", {"voltage": _of("voltage", match[1]), "until": until}, match[2], match[3])
    match = _DRIVE.fullmatch(text)
    if match is None:
        return ""
    setting = next((f"{kind}: {match[2]}" for kind in ("current", "power", "resistance") if reads(match[2], kind)), "")
    key, _, value = setting.partition(": ")
    return _step(match[1].lower(), {key: value, "to": _of("voltage", match[4] or "")}, match[3], match[4])


def brace_of(verb: str, text: str) -> str:
    """Return the step that words behind a verb are, `C/2 until 4.1 V`, `4.1 V for 2 h`, `1 MHz to 0.1 Hz`; or ""."""
    if verb == "eis" and (ends := re.fullmatch(r"(\d\S*\s*\S*Hz)\s*(?:-|\u2013|\.\.+|to|bis)\s*(\d\S*\s*\S*Hz)", text)):
        both = reads(ends[1], "frequency") and reads(ends[2], "frequency")
        return f"eis: {{from: {ends[1]}, to: {ends[2]}, amplitude: ...}}" if both else ""
    if verb not in {"hold", "charge", "discharge", "strip", "plate"} or not re.search(r"\s(?:for|to|until)\s", text):
        return ""
    return step_of(f"{verb} at {re.sub('^(?:at|with) ', '', text)}")


def steps_of(node: Node) -> str:
    """Return the hint at a list of sentences, or of steps, where one step was wanted; "" of anything else."""
    if not isinstance(node, Items):
        return ""
    steps = [step_of(item.text) if isinstance(item, Scalar) else "" for item in node.items]
    return f"a step each: {clip(', '.join(f'- {step}' for step in steps), 200)}" if steps and all(steps) else ""


def _step(verb: str, keys: dict[str, str], time: str | None, end: str | None) -> str:
    """Return a step of these keys, "" where the sentence says what none of them holds."""
    setting, second = keys
    duration = _time(time or "")
    unread = not keys[setting] or (end and not keys[second]) or (time and not duration)
    duration = duration or (
        "..." if verb == "hold" and keys[second] else ""
    )  # without a time nothing is sure to end it
    pairs = [f"{key}: {value}" for key, value in {**keys, "for": duration}.items() if value]
    return "" if unread else f"{verb}: {{{', '.join(pairs)}}}"


def _of(kind: str, text: str) -> str:
    return text.strip() if reads(text.strip(), kind) else ""  # type: ignore[arg-type]


def _time(text: str) -> str:
    """Return a duration with its unit as it is written here, "" of anything else."""
    match = re.fullmatch(r"(\S+)\s*([A-Za-z]+?)s?", text.strip())
    unit = _TIMES.get(match[2].lower()) if match else None
    right = f"{match[1]} {unit}" if match and unit else text.strip()
    return right if reads(right, "duration") else ""
