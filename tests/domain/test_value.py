"""Is a value all that a frozen, slotted, keyword-only dataclass is?"""

import inspect
import pickle
from copy import copy, deepcopy
from dataclasses import field, fields, is_dataclass, replace
from typing import Generic, TypeVar, get_type_hints

import pytest

from gateway.domain.value import value


@value
class Coin:
    """A value with each kind of field."""

    metal: str
    worth: int = 1
    marks: list[str] = field(default_factory=list[str])


@value
class Token:
    """One that can be hashed."""

    name: str
    number: int = 0


@value
class Purse:
    name: str
    secret: str = field(repr=False)
    weight: int = field(default=0, compare=False)

    def __repr__(self) -> str:
        return f"<{self.name}>"


@value
class Sealed:
    name: str
    secret: str = field(repr=False)
    weight: int = field(default=0, compare=False)


Half = TypeVar("Half")


@value
class Pair(Generic[Half]):
    """One of two of a kind."""

    left: Half
    right: Half


@value
class Weight:
    """One with a single field."""

    grams: float


def test_it_holds_what_it_was_given() -> None:
    coin = Coin(metal="tin", worth=2, marks=["a"])
    assert (coin.metal, coin.worth, coin.marks) == ("tin", 2, ["a"])


def test_what_is_not_given_has_its_default_and_made_ones_are_not_shared() -> None:
    one, other = Coin(metal="tin"), Coin(metal="tin")
    assert (one.worth, one.marks) == (1, [])
    assert one.marks is not other.marks


@pytest.mark.parametrize("name", ["metal", "unheard_of"])
def test_it_is_frozen(name: str) -> None:
    coin = Coin(metal="tin")
    with pytest.raises(AttributeError, match="immutable"):
        setattr(coin, name, "gold")
    with pytest.raises(AttributeError, match="immutable"):
        delattr(coin, name)
    assert coin.metal == "tin"


def test_it_has_slots_alone() -> None:
    assert not hasattr(Coin(metal="tin"), "__dict__")


@pytest.mark.parametrize(
    ("given", "named", "told"),
    [
        (("tin",), {}, "positional"),
        ((), {}, "metal"),
        ((), {"metal": "tin", "colour": "grey"}, "colour"),
    ],
)
def test_fields_are_given_by_name_all_and_no_others(given: tuple[str, ...], named: dict[str, str], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Coin(*given, **named)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_equal_fields_make_equal_values_with_equal_hashes() -> None:
    one, other = Token(name="a"), Token(name="a", number=0)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Token(name="a", number=1)


def test_a_field_that_is_left_out_of_comparing_counts_for_nothing() -> None:
    one, other = Sealed(name="a", secret="s", weight=1), Sealed(name="a", secret="s", weight=2)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Sealed(name="a", secret="t")


def test_values_of_two_classes_are_never_equal() -> None:
    @value
    class Other:
        name: str
        number: int = 0

    assert Token(name="a") != Other(name="a")


def test_a_field_that_is_not_to_be_told_is_not_told() -> None:
    assert repr(Sealed(name="a", secret="s")) == "Sealed(name='a', weight=0)"


def test_a_method_of_its_own_stays() -> None:
    assert repr(Purse(name="a", secret="s")) == "<a>"


def test_one_that_holds_what_cannot_be_hashed_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Coin(metal="tin"))


def test_one_without_fields_can_be_made_and_compared() -> None:
    @value
    class Nothing:
        pass

    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1


def test_one_that_holds_itself_can_be_told() -> None:
    coin = Coin(metal="tin")
    coin.marks.append(coin)  # pyright: ignore[reportArgumentType]
    assert repr(coin) == "Coin(metal='tin', worth=1, marks=[...])"


def test_it_is_a_dataclass_to_the_standard_library() -> None:
    coin = Coin(metal="tin", marks=["a"])
    assert is_dataclass(Coin)
    assert [known.name for known in fields(coin)] == ["metal", "worth", "marks"]
    assert replace(coin, worth=5) == Coin(metal="tin", worth=5, marks=["a"])
    assert repr(coin) == "Coin(metal='tin', worth=1, marks=['a'])"


def test_it_can_be_copied_and_pickled() -> None:
    coin = Coin(metal="tin", marks=["a"])
    assert copy(coin) == coin
    assert deepcopy(coin) == coin
    assert pickle.loads(pickle.dumps(coin)) == coin  # noqa: S301


def test_it_can_be_matched_by_its_fields() -> None:
    match Coin(metal="tin"):
        case Coin(metal="tin", worth=worth):
            assert worth == 1
        case _:
            pytest.fail("the pattern did not match")


def test_its_signature_tells_names_types_and_defaults() -> None:
    signature = inspect.signature(Coin)
    assert list(signature.parameters) == ["metal", "worth", "marks"]
    assert signature.parameters["worth"].default == 1
    assert get_type_hints(Coin)["metal"] is str


def test_a_class_that_runs_code_when_made_is_refused() -> None:
    class Checked:
        name: str

        def __post_init__(self) -> None:
            """Never run."""

    with pytest.raises(TypeError, match="Checked"):
        value(Checked)


def test_a_field_that_cannot_be_given_is_refused() -> None:
    class Counted:
        name: str
        size: int = field(init=False, default=0)

    with pytest.raises(TypeError, match="Counted"):
        value(Counted)


def test_the_same_object_is_equal_whatever_it_says_of_itself() -> None:
    nan = float("nan")
    assert Weight(grams=nan) == Weight(grams=nan)
    assert Weight(grams=nan) != Weight(grams=float("nan"))


def test_a_value_is_not_derived_from_another() -> None:
    class Marked(Token):
        mark: str

    with pytest.raises(TypeError, match="Marked derives from another value"):
        value(Marked)


def test_a_value_may_be_generic() -> None:
    assert Pair[int](left=1, right=2) == Pair(left=1, right=2)
    assert [one.name for one in fields(Pair)] == ["left", "right"]
