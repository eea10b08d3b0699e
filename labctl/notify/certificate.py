"""Whether a certificate is one that browsers take: its key fits, it is of now, and it bears the names by which they ask."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from labctl.errors import UsageError

SOON: Final = 30 * 86400.0  # s before its end from which on people are told
ROUNDS: Final = 4  # of a handshake in memory


def examined(certificate: Path, key: Path, names: Sequence[str]) -> float:
    """Return when a certificate ends (UTC, s), after a handshake in memory for each name as a browser would make it.

    Who signed it is not asked: an authority of one's own is as good here as any.

    Raises:
        UsageError: It cannot be read, its key does not fit, it is over or not yet begun, or it lacks a name.
    """
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(certificate)
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"web: wanted a certificate and its key in {certificate} and {key}, found: {error}") from error
    ends = float("inf")
    for name in names:
        try:
            ends = min(ends, _shaken(server, client, name))
        except ssl.SSLCertVerificationError as error:
            raise UsageError(
                f"web: wanted a certificate that browsers take for {name} in {certificate}, found: {error.verify_message}"
            ) from error
        except ssl.SSLError as error:
            raise UsageError(f"web: {certificate}: no browser could speak with it as {name}: {error}") from error
    return ends


def _shaken(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> float:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    mine = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(ROUNDS):
        for side in (mine, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    told = mine.getpeercert()
    if told is None:
        raise ssl.SSLError(f"the handshake did not end in {ROUNDS} rounds")
    return ssl.cert_time_to_seconds(str(told["notAfter"]))
