"""How is a value made that every request makes many of?

``@value`` gives what ``@dataclass(frozen=True, slots=True, kw_only=True)`` gives, at a lower price: a request makes
some sixty values, and what the standard library writes for a class in Python, msgspec's ``Struct`` does in C. The rule:
nothing else differs, but that no value derives from another. The class is as frozen as any, and a dataclass to all who
ask (``fields``, ``replace``, patterns, pickling). ``docs/decisions/0007-values-made-by-msgspec.md`` has the figures.
"""

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, dataclass_transform

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind")

# The last two are what Python 3.14 has in place of annotations.
_MADE_ANEW: Final = frozenset(
    ("__dict__", "__weakref__", "__annotations__", "__annotate_func__", "__annotations_cache__")
)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value(cls: type[Kind]) -> type[Kind]:
    """Make a frozen, slotted, keyword-only dataclass.

    Raises:
        TypeError: the class derives from another value, has ``__post_init__``, or a field that is not given to
            ``__init__``.
    """
    if issubclass(cls, msgspec.Struct):
        raise TypeError(f"{cls.__name__} derives from another value: hold that one in a field instead")
    # Without one, the standard library would work out a signature for it.
    cls.__doc__ = cls.__doc__ or cls.__name__
    plain = dataclass(init=False, repr=False, eq=False, match_args=False)(cls)
    known = fields(plain) if is_dataclass(plain) else ()
    if hasattr(plain, "__post_init__") or not all(one.init for one in known):
        raise TypeError(f"{cls.__name__} takes more than its fields to be made: use dataclass instead of value")
    anew = _MADE_ANEW | {one.name for one in known}
    carried = {name: what for name, what in vars(plain).items() if name not in anew}
    made = msgspec.defstruct(
        cls.__name__,
        [_declared(one) for one in known],
        bases=(msgspec.Struct, *(base for base in cls.__bases__ if base is not object)),
        namespace={"__qualname__": cls.__qualname__, **_excepting(known), **carried},
        module=cls.__module__,
        frozen=True,
        kw_only=True,
    )
    return cast("type[Kind]", made)


def _declared(one: Field[Any]) -> tuple[str, Any] | tuple[str, Any, Any]:
    if one.default_factory is not MISSING:
        return one.name, one.type, msgspec.field(default_factory=one.default_factory)
    return (one.name, one.type) if one.default is MISSING else (one.name, one.type, one.default)


def _excepting(known: Sequence[Field[Any]]) -> dict[str, object]:
    """What a class needs of its own that leaves fields out of what is told or compared."""
    methods: dict[str, object] = {}
    if not all(one.repr for one in known):
        methods["__repr__"] = _repr
    if not all(one.compare and one.hash is None for one in known):
        methods |= _comparing([one.name for one in known if one.compare])
    return methods


@recursive_repr()
def _repr(self: "DataclassInstance") -> str:
    told = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(told)})"


def _comparing(names: Sequence[str]) -> dict[str, object]:
    def compared(self: object) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in names)

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashing(self: object) -> int:
        return hash(compared(self))

    return {"__eq__": equal, "__hash__": hashing}
