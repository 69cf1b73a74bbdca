"""What became of one request, from its coming to its answer?"""

from collections.abc import Sequence
from pathlib import Path

from gateway.audit.contents import content_of
from gateway.audit.line import Fields
from gateway.audit.places import Places
from gateway.audit.search import Passed, Wanted, found, objects_of, subjects_of, text_of, time_of
from gateway.audit.subjects import SubjectKeys
from gateway.cli.audit.query import tell
from gateway.cli.audit.reach import opening_key
from gateway.cli.audit.show_view import Kept, Story, lines
from gateway.cli.terminal import one_line, out
from gateway.cli.told import NO, WRONG, CommandFailed

_ID_DIGITS = frozenset("0123456789abcdef")


def show(request: str, places: Places, *, content: bool, master_key: str | None, config: Path | None) -> None:
    """Print the story of the request whose id begins with ``request``.

    Raises:
        CommandFailed: there is no such request, or several; the journals cannot be read; there is no master key.
        StateUnusable: the data subjects' keys cannot be used.
    """
    if not request or not _ID_DIGITS.issuperset(request):
        raise CommandFailed("a request's id is hexadecimal digits; `splitgate audit query` lists them", code=WRONG)
    keys = SubjectKeys(places.subjects, opening_key(master_key, config)) if content else None
    try:
        story = _story(request, places, keys)
        console = out()
        for line in lines(story, console.width if console.is_terminal else None):
            console.print(line, soft_wrap=True)
    except OSError as error:
        raise CommandFailed(f"{places.root} cannot be read ({error.strerror})", code=NO) from None
    finally:
        if keys is not None:
            keys.close()


def _story(request: str, places: Places, keys: SubjectKeys | None) -> Story:
    records = list(found(places, Wanted(request=request), Passed(), only=f'"request":"{request}'.encode()))
    ids = list(dict.fromkeys([text_of(record, "request") for record in records]))
    if not ids:
        raise CommandFailed(f"no record of a request {request} is in {places.root}", code=NO)
    if len(ids) > 1:
        some = ", ".join([one_line(one) for one in ids[:5]])
        raise CommandFailed(f"{len(ids)} requests begin so: {some}{', …' if len(ids) > 5 else ''}", code=WRONG)
    later = _later(places, records)
    return Story(
        records=tuple(records),
        decided=tuple([record for record in later if text_of(record, "phase") == "decision"]),
        erased={text_of(r, "subject"): time_of(r) for r in later if text_of(r, "phase") == "erasure"},
        kept=() if keys is None else _contents(places, keys, records),
    )


def _later(places: Places, records: Sequence[Fields]) -> list[Fields]:
    """What was decided on the request's held answers, and which of its subjects were erased."""
    approvals = {text_of(record, "approval") for record in records} - {""}
    subjects = {name for record in records for name in subjects_of(record)}
    own = {text_of(record, "event") for record in records}
    passed = Passed()
    since = min([time_of(record) for record in records])
    later = [
        record
        for record in found(places, Wanted(since=since), passed)
        if (text_of(record, "phase") == "erasure" and text_of(record, "subject") in subjects)
        or (text_of(record, "phase") == "decision" and text_of(record, "approval") in approvals)
    ]
    tell(passed, places)
    return [record for record in later if text_of(record, "event") not in own]


def _contents(places: Places, keys: SubjectKeys, records: Sequence[Fields]) -> tuple[Kept, ...]:
    return tuple(
        [
            Kept(record=record, part=part, content=content)
            for record in records
            for part in (*objects_of(record, "segments"), *objects_of(record, "output"))
            if (content := content_of(places, keys, record, part)) is not None
        ]
    )
