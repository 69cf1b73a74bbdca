"""How is a value made that every request makes many of?

``@value`` gives what ``@dataclass(frozen=True, slots=True, kw_only=True)`` gives, at a lower price. The standard
library sets each field by its name through ``object.__setattr__``, and that was a twelfth of what a request costs; here
each is set through its slot's own descriptor. It also writes and compiles six methods for each class, which was a
quarter of what a start costs; here ``__init__`` alone is, when it is first looked at, and the others are shared. The
rule: nothing else differs, and the class is as frozen at run time as any.
``docs/decisions/0007-values-filled-by-slot.md`` has the figures.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, is_dataclass
from operator import attrgetter
from reprlib import recursive_repr
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value(cls: type[Kind]) -> type[Kind]:
    """Make a frozen, slotted, keyword-only dataclass.

    Raises:
        TypeError: the class has ``__post_init__``, or a field that is not given to ``__init__``.
    """
    # Without one, the standard library would work out a signature for it: as costly as a method.
    cls.__doc__ = cls.__doc__ or cls.__name__
    made = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)
    known = fields(made) if is_dataclass(made) else ()
    if hasattr(made, "__post_init__") or not all(one.init for one in known):
        raise TypeError(f"{cls.__name__} takes more than its fields to be made: use dataclass instead of value")
    own = {name for name, method in vars(made).items() if method is not None}
    for name, method in {**_SHARED, **_comparing(known), "__init__": _Unwritten(made, known)}.items():
        if name not in own:
            type.__setattr__(made, name, method)
    return made


@recursive_repr()
def _repr(self: "DataclassInstance") -> str:
    told = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(told)})"


def _refuse_to_set(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: "DataclassInstance") -> list[object]:
    return [getattr(self, one.name) for one in fields(self)]


def _set_state(self: "DataclassInstance", state: Sequence[object]) -> None:
    for one, given in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, given)


_SHARED: dict[str, object] = {
    "__repr__": _repr,
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,
    "__setstate__": _set_state,
}


def _comparing(known: Sequence[Field[Any]]) -> dict[str, object]:
    compared = _getter([one.name for one in known if one.compare])
    hashed = _getter([one.name for one in known if (one.compare if one.hash is None else one.hash)])

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashing(self: object) -> int:
        return hash(hashed(self))

    return {"__eq__": equal, "__hash__": hashing}


def _getter(names: Sequence[str]) -> Callable[[object], object]:
    if len(names) == 1:
        only = attrgetter(names[0])
        # Tuples take what is the same object for equal, whatever it says of itself.
        return lambda one: (only(one),)
    return attrgetter(*names) if names else lambda _: ()


class _Unwritten:
    """Stands where ``__init__`` will: most classes are never made one of before the gateway serves."""

    def __init__(self, cls: type[object], known: Sequence[Field[Any]]) -> None:
        self._cls = cls
        self._known = known

    def __get__(self, instance: object, owner: type[object]) -> Callable[..., None]:
        written = _init_of(self._cls, self._known)
        type.__setattr__(self._cls, "__init__", written)
        return written if instance is None else MethodType(written, instance)


def _init_of(cls: type[object], known: Sequence[Field[Any]]) -> Callable[..., None]:
    """An ``__init__`` written out field by field, as the standard library does it; only names of ``cls`` are in it."""
    absent = object()
    scope: dict[str, object] = {"absent": absent}
    parameters = ["self", *(["*"] if known else [])]
    lines: list[str] = []
    for one in known:
        name, given = one.name, one.name
        scope[f"set_{name}"] = getattr(cls, name).__set__
        if one.default is not MISSING:
            scope[f"default_{name}"] = one.default
            parameters.append(f"{name}=default_{name}")
        elif one.default_factory is not MISSING:
            scope[f"make_{name}"] = one.default_factory
            parameters.append(f"{name}=absent")
            given = f"make_{name}() if {name} is absent else {name}"
        else:
            parameters.append(name)
        lines.append(f"  set_{name}(self, {given})")
    text = f"def make({', '.join(scope)}):\n def __init__({', '.join(parameters)}):\n"
    text += "\n".join(lines or ["  pass"]) + "\n return __init__"
    written: dict[str, Callable[..., Any]] = {}
    # Among the names of its module, so that whoever asks for types by their names is told.
    exec(text, vars(sys.modules[cls.__module__]), written)  # noqa: S102
    init = written["make"](**scope)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {**{one.name: one.type for one in known}, "return": None}
    return init
