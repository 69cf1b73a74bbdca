"""By whose keys is a request committed to, and what of its texts is kept?

The keys of one request, fetched before they are needed: who a segment is about, else who the request is about, else
its tenant as such.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.audit.content import reference_to, sealed
from gateway.audit.line import Value
from gateway.audit.mask import kept
from gateway.audit.subjects import Keys, SubjectKeys
from gateway.domain.errors import AuditUnavailable, StateUnusable
from gateway.domain.prompt import History, Prompt
from gateway.domain.verdict import Edit

# An entry of a record, whose text it is, and the text.
Kept = tuple[dict[str, Value], str | None, str]


class Placed(Protocol):
    """A journal that says where the next record and its blob will stand."""

    def place(self) -> tuple[str, int]: ...


class Custody:
    """The keys that one request needs, of ``tenant``; ``subject`` is whom it is about as a whole.

    ``keys`` are those that are there, by whom they are of; None stands for the request's own.
    """

    __slots__ = ("_of", "_subject", "_tenant", "keys")

    def __init__(self, of: SubjectKeys, tenant: str, subject: str | None) -> None:
        self._of = of
        self._tenant = tenant
        self._subject = subject
        self.keys: dict[str | None, Keys] = {}

    def lacks(self, prompt: Prompt | None) -> Sequence[str | None]:
        """Of whom in ``prompt`` the keys have to be fetched; None stands for the request's own."""
        needed: set[str | None] = {None}
        for turn in () if prompt is None else prompt.turns:
            for segment in turn.segments:
                if not isinstance(segment, History) and segment.subject is not None:
                    needed.add(segment.subject)
        missing: list[str | None] = []
        for name in needed:
            if name in self.keys:
                continue
            keys = self._of.cached(self._tenant, self._subject if name is None else name)
            if keys is None:
                missing.append(name)
            else:
                self.keys[name] = keys
        return missing

    async def fetch(self, missing: Sequence[str | None], within_s: float) -> None:
        """Have the keys ready that ``lacks`` told of.

        Raises:
            AuditUnavailable: they cannot be had within so many seconds: nothing could be committed to.
        """
        try:
            async with asyncio.timeout(within_s):
                whose = [self._subject if name is None else name for name in missing]
                found = await asyncio.gather(*[self._of.fetch(self._tenant, name) for name in whose])
        except StateUnusable as error:
            raise AuditUnavailable(f"the keys of data subjects cannot be used: {error.message}") from error
        except TimeoutError as error:
            message = "the keys of data subjects were not there in time; look at the audit's disk, and try again"
            raise AuditUnavailable(message) from error
        self.keys |= zip(missing, found, strict=True)

    def sealed(self, event: str, offset: int, texts: Iterable[Kept]) -> bytes:
        """All ``texts`` encrypted for the record ``event``; each entry is told where its text lies."""
        blobs: list[bytes] = []
        for entry, subject, text in texts:
            blob = sealed(self._by(subject), event, text.encode("utf-8", "surrogatepass"))
            entry["blob"] = str(reference_to(offset, blob))
            offset += len(blob)
            blobs.append(blob)
        return b"".join(blobs)

    def input_blob(
        self, journal: Placed, segments: Sequence[dict[str, Value]], prompt: Prompt, edits: Sequence[Edit]
    ) -> bytes:
        """The texts of a request that may be kept, encrypted for the next record; their entries say where they lie.

        Raises:
            AuditUnavailable: no record is taken at present.
        """
        event, offset = journal.place()
        texts = kept(prompt, edits)
        subjects = {s.id: s.subject for s in prompt.segments() if not isinstance(s, History)}
        pieces: list[Kept] = []
        for entry in segments:
            id_ = str(entry["id"])
            # Calls and reasoning have names that a segment may have too.
            if id_ in texts and "kind" not in entry:
                pieces.append((entry, subjects.get(id_), texts[id_]))
        return self.sealed(event, offset, pieces)

    def _by(self, subject: str | None) -> Keys:
        return self.keys.get(subject) or self.keys[None]
