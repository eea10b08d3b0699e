"""Whose a test on a cycler is: a name by which a restarted daemon, and another one, know it."""

import re
import secrets
from dataclasses import dataclass

from labctl.driver import OWNER_DIGITS, Owner

MARK = re.compile(r"labctl(?:-([0-9a-f]{8})-([0-9a-f]{8}))?-(\d+)(?:-[0-9a-f]+)?")


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """What a barcode or the name of a test of ours says: the attempt, and whose it is; a version before owners wrote none."""

    attempt: int
    owner: Owner | None = None

    def text(self) -> str:
        """Return a name that no other application has."""
        owner = "" if self.owner is None else f"-{digits(self.owner.journal)}-{digits(self.owner.run)}"
        return f"labctl{owner}-{self.attempt}-{secrets.token_hex(2)}"

    @classmethod
    def of(cls, name: str) -> "OwnerMark | None":
        """Return what a name says, None of one that is not ours."""
        match = MARK.fullmatch(name)
        if match is None:
            return None
        return cls(int(match[3]), None if match[1] is None else Owner(match[1], match[2]))


def digits(uuid: str) -> str:
    """Return the begin of a uuid that such a name has room for."""
    return uuid.replace("-", "").lower()[:OWNER_DIGITS].ljust(OWNER_DIGITS, "0")
