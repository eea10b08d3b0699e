"""Signed orders: a broker does not say who published, so an order may carry what only the holder of a token can make.

`sig` is HMAC-SHA256 in hex over the verb, a line feed, and the JSON object of the order without `sig`, with sorted keys and no
spaces. Its key is the SHA-256 of the token in hex, which is all that the station keeps of it; `key` in the order, the first twelve
digits of that, says which token it was. An id and `issued_at` stand in the order, so that a copy of it is obeyed by nobody twice.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import orjson

KEY: Final = 12  # digits by which a token is named
SIGNED: Final = ("key", "sig")  # keys of a signed order beside its own


def signed(verb: str, order: Mapping[str, object], token: str) -> dict[str, object]:
    """Return an order with its signature, to be published under `cmd/VERB` as JSON."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    whole = {**order, "key": digest[:KEY]}
    return {**whole, "sig": signature_of(verb, whole, digest)}


def signature_of(verb: str, order: Mapping[str, object], digest: str) -> str:
    """Return the signature of an order under the digest of a token."""
    plain = {name: value for name, value in order.items() if name != "sig"}
    body = verb.encode() + b"\n" + orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    return hmac.new(digest.encode(), body, hashlib.sha256).hexdigest()


def is_signed_by(verb: str, order: Mapping[str, object], digest: str) -> bool:
    """Tell whether an order was signed with the token of a digest."""
    given = order.get("sig")
    return isinstance(given, str) and hmac.compare_digest(given.encode(), signature_of(verb, order, digest).encode())
