from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace, Patience

DOWN = NotTaken("it is down")


def test_waits_grow_twofold_up_to_the_most_and_differ_by_chance() -> None:
    patience = Patience(Pace(first_s=0.2, most_s=30.0))
    waits = [patience.after(DOWN) for _ in range(100)]
    for number, wait in enumerate(waits):
        grown = min(30.0, 0.2 * 2.0**number)
        assert grown / 2 <= wait <= grown
    assert len({round(wait, 6) for wait in waits[20:]}) > 10


def test_a_success_begins_anew() -> None:
    patience = Patience(Pace(first_s=0.2))
    for _ in range(10):
        patience.after(DOWN)
    patience.forget()
    assert patience.after(DOWN) <= 0.2


def test_what_is_refused_for_good_is_offered_slowly() -> None:
    assert Patience(Pace(slow_s=30.0)).after(NotTaken("HTTP 400", for_good=True)) >= 15.0


def test_the_other_sides_wish_is_granted_within_an_hour() -> None:
    assert Patience(Pace()).after(NotTaken("HTTP 503", retry_after=7.0)) == 7.0
    assert Patience(Pace()).after(NotTaken("HTTP 503", retry_after=1e9)) == 3600.0
