"""What amqtt lacks for a lab's machine: one user with a password, and retained messages for those who asked for them.

Only the embedded broker's own process imports this.
"""

import hmac
from dataclasses import dataclass
from pathlib import Path

from amqtt.broker import Broker
from amqtt.contexts import BaseContext
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from labctl.publish.broker import USER


class RightBroker(Broker):  # type: ignore[misc]
    """amqtt's broker, which sends each new client what is retained under any other client's filters; this one does not."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        topic_filter, _ = subscription
        subscribed = self._subscriptions.get(topic_filter, ())
        if any(other.client_id == session.client_id for other, _ in subscribed):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class Password(BaseAuthPlugin):  # type: ignore[misc]
    """Lets one user in, by the first line of a file."""

    @dataclass
    class Config:
        """Of the plugin: the file with the password."""

        file: str = ""

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._password = Path(self._get_config_option("file", "")).read_text(encoding="utf-8").splitlines()[0]

    async def authenticate(self, *, session: Session) -> bool | None:
        """Tell whether a session gave the user's name and password."""
        given = session.password or ""
        given = given.decode(errors="replace") if isinstance(given, bytes) else given
        right = hmac.compare_digest(given.encode(), self._password.encode())
        return session.username == USER and right
