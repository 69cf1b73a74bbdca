from gateway.domain.limits import FREE, MILLION, Price
from gateway.evaluation.case import Case
from gateway.evaluation.estimate import estimate

PRICE = Price(input=2 * MILLION, output=4 * MILLION, cached_input=0, cache_write=0)


def asked(count: int) -> list[tuple[Case, str]]:
    case = Case(id="c", kind="k", role="benign", instruction="Say hello.", data="")
    return [(case, "plain")] * count


def test_tokens_are_four_characters_each_and_answers_as_long_as_they_may_be() -> None:
    made = estimate(asked(10), lambda _, __: 400, max_tokens=64, price=PRICE)
    assert (made.calls, made.input_tokens, made.output_tokens) == (10, 1000, 640)
    assert made.cost == 1000 * 2 + 640 * 4


def test_without_a_price_nothing_is_known_of_the_cost_and_what_is_free_costs_nothing() -> None:
    assert estimate(asked(1), lambda _, __: 4, max_tokens=1, price=None).cost is None
    assert estimate(asked(1), lambda _, __: 4, max_tokens=1, price=FREE).cost == 0
    assert estimate([], lambda _, __: 4, max_tokens=1, price=PRICE).cost == 0


def test_of_many_cases_some_are_looked_at() -> None:
    looked: list[str] = []

    def length(_: Case, name: str) -> int:
        looked.append(name)
        return 40

    made = estimate(asked(5000), length, max_tokens=1, price=None)
    assert made.input_tokens == 50_000
    assert len(looked) <= 400


def test_each_format_is_looked_at_however_many_cases_there_are() -> None:
    lengths = {"plain": 40, "spotlight": 400}
    both = [(case, name) for case, _ in asked(1000) for name in lengths]
    made = estimate(both, lambda _, name: lengths[name], max_tokens=1, price=None)
    assert made.input_tokens == 1000 * (10 + 100)
