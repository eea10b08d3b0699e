"""Who may give which order: one rule for all faces, beside the one table of orders."""

from fnmatch import fnmatchcase

from labctl.control.order_table import ORDERS
from labctl.store.people import ROLES, Person

ARTICLES = {"viewer": "a viewer", "operator": "an operator", "admin": "an admin"}


def allowed(person: Person, verb: str, channel: str = "") -> str:
    """Return why somebody may not give an order, "" where they may.

    A role is enough for what needs a lesser one. Channels limit every order but those that only make safer and those that only
    ask: whoever sees a cell in danger may stop it.

    Args:
        person: Who asks.
        verb: One of the table of orders.
        channel: The channel that it is given to, "" where it is given to none.
    """
    order = ORDERS.get(verb)
    if order is None:
        return f"there is no order {verb!r}"
    if ROLES.index(person.role) < ROLES.index(order.needs):
        return f"{person.name} is {ARTICLES[person.role]}, and {verb} needs {ARTICLES[order.needs]}"
    if order.safe_first or order.asks or (order.target == "nothing" and not channel):
        return ""
    if not any(fnmatchcase(channel, pattern) for pattern in person.channels):
        return f"{person.name} may give orders to {', '.join(person.channels)}, not to {channel or 'a run without a channel'}"
    return ""
