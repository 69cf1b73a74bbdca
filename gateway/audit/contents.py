"""What did a text say that a record speaks of, and if that cannot be told any more, why?"""

from gateway.audit.content import Reference, Unreadable, blob_at, opened
from gateway.audit.line import Fields
from gateway.audit.places import Places, split_event
from gateway.audit.search import tenant_of, text_of
from gateway.audit.subjects import SubjectKeys
from gateway.domain.value import value


@value
class Text:
    """A text that was kept."""

    text: str


@value
class Erased:
    """Its key was destroyed at ``time``, in microseconds since the epoch."""

    time: int


@value
class Gone:
    """It cannot be read, and ``why``."""

    why: str


def content_of(places: Places, keys: SubjectKeys, record: Fields, part: Fields) -> Text | Erased | Gone | None:
    """The text of a segment or an output of ``record``; None where none was kept.

    Raises:
        StateUnusable: the keys cannot be read.
    """
    if "blob" not in part:
        return None
    reference = Reference.parse(text_of(part, "blob"))
    event = text_of(record, "event")
    named = split_event(event)
    if reference is None or named is None:
        return Gone(why="the record's reference to it is malformed")
    subject = text_of(part, "subject") or text_of(record, "subject") or None
    try:
        blob = blob_at(places.epoch(named[0]).blobs, reference)
        found = keys.kept(tenant_of(record), subject)
        if found is not None:
            return Text(text=opened(found, event, blob).decode(errors="replace"))
        why = "its key is not among the data subjects' keys"
    except FileNotFoundError:
        why = "the file that held it is gone"
    except OSError as error:
        why = f"the file that holds it cannot be read ({error.strerror})"
    except Unreadable as error:
        why = str(error)
    erased = keys.erased(keys.row(tenant_of(record), subject))
    # A process that still held the key may have used it for a while after it was destroyed: by time alone nobody can
    # tell which of several keys it was.
    return Erased(time=erased[-1].time) if erased else Gone(why=why)
