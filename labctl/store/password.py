"""How passwords are kept: as Argon2id with a salt of its own, or as scrypt where nobody has signed in since."""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ARGON2: Final = {"time_cost": 2, "memory_cost": 32 * 1024, "parallelism": 1}
"""Two passes over 32 MiB: more memory than the 19 MiB that OWASP's cheat sheet of password storage asks of two passes at least."""
FORMER: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}
"""Scrypt of before, which lay below what OWASP asks for; kept anew when the person signs in."""


def kept(password: str) -> str:
    """Return how a password is kept; the text says itself how it was made."""
    return _hasher().hash(_octets(password))


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the one that is kept, now or in the former way."""
    if stored.startswith("scrypt$"):
        _, salt, made = stored.split("$")
        tried = hashlib.scrypt(_octets(password), salt=base64.b64decode(salt), **FORMER)
        return hmac.compare_digest(tried, base64.b64decode(made))
    from argon2.exceptions import VerificationError  # noqa: PLC0415 - only where somebody signs in

    try:
        return _hasher().verify(stored, _octets(password))
    except VerificationError:
        return False


def is_current(stored: str) -> bool:
    """Tell whether a password is kept as new ones are."""
    return not stored.startswith("scrypt$") and not _hasher().check_needs_rehash(stored)


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415 - only where somebody signs in

    return PasswordHasher(ARGON2["time_cost"], ARGON2["memory_cost"], ARGON2["parallelism"])


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
