"""Record rules in another order than they hold in."""

from collections.abc import Sequence

from labctl.finding import clip
from labctl.text.nodes import Entries, Node, Scalar


def in_order(rules: Sequence[Node]) -> str:
    """Return the hint at rules of which the one without `for` is not the last, as it holds to the end; "" where it is."""
    texts: list[str] = []
    ends: list[bool] = []
    for rule in rules:
        if not isinstance(rule, Entries) or not all(isinstance(value, Scalar) for _, value in rule.entries):
            return ""
        pairs = [f"{key.text}: {value.text}" for key, value in rule.entries if isinstance(value, Scalar)]
        texts.append(f"{{{', '.join(pairs)}}}")
        ends.append(any(key.text == "for" for key, _ in rule.entries))
    if ends.count(False) != 1 or not ends[-1]:
        return ""
    last = ends.index(False)
    return f"write [{clip(', '.join([*texts[:last], *texts[last + 1 :], texts[last]]), 120)}]"
