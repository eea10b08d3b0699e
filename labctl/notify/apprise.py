"""Any service that Apprise knows, where it is installed: an extra, since what most need is in the standard library."""

import warnings
from typing import TYPE_CHECKING

from labctl.errors import SinkError

if TYPE_CHECKING:
    from labctl.store.notices import OutboxMessage


class AppriseRoute:
    """One service by its URL in Apprise's form, whose tokens are in it: it comes from a file and is never said."""

    def __init__(self, url: str) -> None:
        """Take the service.

        Raises:
            SinkError: Apprise is not installed, or knows no such service.
        """
        with warnings.catch_warnings():  # a service imports a module that it does without where Python has it no more
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                import apprise  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise SinkError(
                    "wanted Apprise, which is not installed: pip install 'labctl[apprise]'", retry=False
                ) from error
            self._service = apprise.Apprise()
            known = self._service.add(url)
        if not known:
            scheme = url.partition(":")[0][:20]
            raise SinkError(f"wanted the URL of a service that Apprise knows, found one of {scheme!r}", retry=False)
        self._kinds = {"page": apprise.NotifyType.FAILURE}
        self._otherwise = apprise.NotifyType.INFO
        self._plain = apprise.NotifyFormat.TEXT

    def send(self, message: "OutboxMessage") -> None:
        """Hand a message over; Apprise gives each service a few seconds, and says no more than that it did not go."""
        kind = self._kinds.get(message.level, self._otherwise)
        if not self._service.notify(
            body=message.body, title=message.subject, notify_type=kind, body_format=self._plain
        ):
            raise SinkError(f"{self._service[0].service_name}: did not take it, as Apprise says", retry=True)
