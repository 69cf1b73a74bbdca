import pytest

from gateway.domain.approval import ApprovalStatus, refusal, too_late
from gateway.domain.errors import ApprovalDecided, ApprovalDenied, ApprovalGone


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (ApprovalStatus.DENIED, ApprovalDenied, "said no"),
        (ApprovalStatus.EXPIRED, ApprovalGone, "in time"),
        (ApprovalStatus.CONSUMED, ApprovalGone, "handed out already"),
        (ApprovalStatus.VOIDED, ApprovalGone, "policies"),
        (ApprovalStatus.PENDING, ApprovalGone, "any more"),
        (ApprovalStatus.APPROVED, ApprovalGone, "any more"),
    ],
)
def test_an_answer_is_refused_for_what_became_of_it(status: ApprovalStatus, kind: type[Exception], words: str) -> None:
    error = refusal(status)
    assert type(error) is kind
    assert words in error.message


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (ApprovalStatus.APPROVED, ApprovalDecided),
        (ApprovalStatus.DENIED, ApprovalDecided),
        (ApprovalStatus.CONSUMED, ApprovalDecided),
        (ApprovalStatus.EXPIRED, ApprovalGone),
        (ApprovalStatus.VOIDED, ApprovalGone),
    ],
)
def test_a_decision_comes_too_late_where_nothing_waits(status: ApprovalStatus, kind: type[Exception]) -> None:
    assert type(too_late(status)) is kind
