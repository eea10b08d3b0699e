"""A head that somebody signed: which commit of which journal stood when, in words that cannot be changed afterwards.

The signature is OpenSSH's (`ssh-keygen -Y sign`), so that the keys which people have, on a token or in an agent, serve: labctl
keeps none. What is signed is a text of five lines; the file holds it with the signature below. The signature's format is
`PROTOCOL.sshsig` of OpenSSH.
"""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StoreError, UsageError

NAMESPACE = "labctl-head"  # a signature that was made for something else is none for a head
TITLE = "labctl head 1"
BEGIN = "-----BEGIN SSH SIGNATURE-----"
LARGEST = 64 * 1024  # bytes of a file
WITHIN = 60.0  # s: a person may have to touch a token


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A commit of a journal, as somebody signed it.

    Attributes:
        journal: Uuid of the journal.
        commit_id: The commit.
        chain: Its digest, in hexadecimal digits.
        signed: When, as whoever signed it said, UTC.
    """

    journal: str
    commit_id: int
    chain: str
    signed: str

    def text(self) -> str:
        """Return what is signed."""
        lines = (
            TITLE,
            f"journal {self.journal}",
            f"commit {self.commit_id}",
            f"chain {self.chain}",
            f"signed {self.signed}",
        )
        return "\n".join(lines) + "\n"


def now() -> str:
    """Return the time as a signed head has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def sign(head: SignedHead, key: Path, file: Path) -> None:
    """Sign a head with an OpenSSH key and write it.

    Args:
        head: What is signed.
        key: Private key, or a public one whose private part an agent holds.
        file: To write; one that is there is left as it is.

    Raises:
        UsageError: The key cannot sign, or the file is there.
    """
    text = head.text()
    signature = _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key)], text)
    if not signature.startswith(BEGIN):
        raise UsageError(f"wanted a signature by {key}, found {signature[:200]!r}")
    try:
        with file.open("x", encoding="ascii", newline="\n") as opened:
            opened.write(text + signature)
    except FileExistsError:
        raise UsageError(f"{file}: wanted a new file for the signed head, found one that is there") from None
    except OSError as error:
        raise UsageError(f"{file}: the signed head cannot be written: {error.strerror}") from error


def read(file: Path, signers: Path | None = None) -> tuple[SignedHead, str]:
    """Return a signed head and who signed it, once its signature has been checked.

    Args:
        file: As `sign` wrote it.
        signers: Who may sign, as OpenSSH's ALLOWED SIGNERS has it; without it any key's signature is taken, and named.

    Raises:
        UsageError: It cannot be read, or is no signed head.
        StoreError: The signature is not of this text, or of nobody who may sign.
    """
    try:
        whole = file.read_bytes()[: LARGEST + 1].decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: wanted a signed head, found {getattr(error, 'strerror', None) or error}") from error
    text, found, signature = whole.partition(BEGIN)
    head = _parsed(text) if found and len(whole) <= LARGEST else None
    if head is None or head.text() != text:
        raise UsageError(f"{file}: wanted a signed head as `labctl verify --sign KEY` writes it, found something else")
    with tempfile.TemporaryDirectory(prefix="labctl-") as folder:
        beside = Path(folder) / "head.sig"
        beside.write_text(found + signature, encoding="ascii")
        return head, _signer(file, text, beside, signers)


def _parsed(text: str) -> SignedHead | None:
    lines = text.splitlines()
    names = ("journal", "commit", "chain", "signed")
    if len(lines) != 1 + len(names) or lines[0] != TITLE:
        return None
    values = [line.partition(" ") for line in lines[1:]]
    if tuple(name for name, _, _ in values) != names or not values[1][2].isdecimal():
        return None
    return SignedHead(values[0][2], int(values[1][2]), values[2][2], values[3][2])


def _signer(file: Path, text: str, signature: Path, signers: Path | None) -> str:
    """Return who signed a text: a name of the signers, or the fingerprint of the key."""
    how = ["-n", NAMESPACE, "-s", str(signature)]
    try:
        if signers is None:
            good = _ssh_keygen(["-Y", "check-novalidate", *how], text)
            return good.strip().rpartition("with ")[2]
        name = _ssh_keygen(["-Y", "find-principals", "-s", str(signature), "-f", str(signers)], text).splitlines()[0]
        _ssh_keygen(["-Y", "verify", "-f", str(signers), "-I", name, *how], text)
    except UsageError as error:
        who = "its text" if signers is None else f"its text and somebody in {signers}"
        raise StoreError(f"{file}: wanted a signature of {who}, found none: {error}") from error
    return name


def _ssh_keygen(words: list[str], text: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            ["ssh-keygen", *words],  # noqa: S607 - wherever OpenSSH is installed
            input=text.encode(), capture_output=True, timeout=WITHIN, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError(
            "wanted ssh-keygen of OpenSSH for signatures, found none: sudo apt install openssh-client"
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"wanted ssh-keygen to end within {WITHIN:g} s, found that it did not") from None
    if done.returncode:
        words_of = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise UsageError(words_of[-1] if words_of else f"ssh-keygen ended with {done.returncode}")
    return done.stdout.decode(errors="replace")
