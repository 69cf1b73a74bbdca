"""How is a value made that every request makes many of?

``@value`` gives what ``@dataclass(frozen=True, slots=True, kw_only=True)`` gives, in all but how a new value is filled:
the standard library sets each field by its name through ``object.__setattr__``, and that was a twelfth of what a
request costs. Here the fields are set in an object of a like class that is not frozen, which then becomes one of the
value's own class, before anybody has seen it. The rule: nothing else differs, and a value is as frozen at run time as
any. ``docs/decisions/0007-values-filled-by-slot.md`` has the figures.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import update_wrapper
from typing import TypeVar, dataclass_transform

Kind = TypeVar("Kind")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value(cls: type[Kind]) -> type[Kind]:
    """Make a frozen, slotted, keyword-only dataclass.

    Raises:
        TypeError: the class has ``__post_init__``, or a field that is not given to ``__init__``.
    """
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    if not is_dataclass(made) or hasattr(made, "__post_init__") or not all(known.init for known in fields(made)):
        raise TypeError(f"{cls.__name__} takes more than its fields to be made: use dataclass instead of value")
    told = made.__init__
    type.__delattr__(made, "__init__")
    type.__setattr__(made, "__new__", update_wrapper(_new_of(made, fields(made)), told))
    type.__setattr__(made, "__getnewargs_ex__", _arguments_of(tuple(known.name for known in fields(made))))
    return made


def _arguments_of(names: tuple[str, ...]) -> Callable[[object], tuple[tuple[()], dict[str, object]]]:
    """A ``__getnewargs_ex__``: what ``copy`` and ``pickle`` make an equal value of."""
    return lambda one: ((), {name: getattr(one, name) for name in names})


def _new_of(cls: type[object], known: Iterable[Field[object]]) -> Callable[..., object]:
    """A ``__new__`` written out field by field, as the standard library does it; only names of ``cls`` are in it."""
    absent = object()
    names = tuple(one.name for one in known)
    scope: dict[str, object] = {"absent": absent, "Draft": type(cls.__name__, cls.__bases__, {"__slots__": names})}
    parameters = ["cls", "*"]
    lines = ["    draft = Draft()"]
    for one in known:
        name, given = one.name, one.name
        if one.default is not MISSING:
            scope[f"default_{name}"] = one.default
            parameters.append(f"{name}=default_{name}")
        elif one.default_factory is not MISSING:
            scope[f"make_{name}"] = one.default_factory
            parameters.append(f"{name}=absent")
            given = f"make_{name}() if {name} is absent else {name}"
        else:
            parameters.append(name)
        lines.append(f"    draft.{name} = {given}")
    lines += ["    draft.__class__ = cls", "    return draft"]
    written: dict[str, Callable[..., object]] = {}
    exec(f"def new({', '.join(parameters)}):\n" + "\n".join(lines), scope, written)  # noqa: S102
    return written["new"]
