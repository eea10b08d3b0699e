"""Texts that a face has handed over to be started: known by their digest, so that what begins is what was checked."""

import re
from collections import OrderedDict

from labctl.errors import UsageError
from labctl.store.entry import Source
from labctl.store.hash_chain import digest_of

MOST = 64  # texts that are kept at a time; who starts one hands it over just before
LARGEST = 256 * 1024  # bytes of one
PREFIX = "sha256:"
NAME = re.compile(r"[\w][\w .()-]{0,99}")


class Texts:
    """The texts that were handed over lately. Everything belongs to the loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[str, Source] = OrderedDict()

    def put(self, name: str, text: str) -> str:
        """Keep a text and return by which name it can be started.

        Raises:
            UsageError: Its name is none of a file, or it is too long.
        """
        if NAME.fullmatch(name) is None:
            raise UsageError(f"wanted the name of a file such as mine.yaml for a text, found {name!r:.80}")
        if len(text.encode()) > LARGEST:
            raise UsageError(f"{name}: wanted a text of at most {LARGEST} bytes, found {len(text.encode())}")
        key = PREFIX + digest_of(text)
        self._kept[key] = Source(name, text)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return key

    def find(self, name: str) -> Source | None:
        """Return the text that a start names by its digest; None where it names a file.

        Raises:
            UsageError: It names a digest that is not known.
        """
        if not name.startswith(PREFIX):
            return None
        if name not in self._kept:
            raise UsageError(f"wanted a text that was handed over before, found none with the digest {name}")
        return self._kept[name]
