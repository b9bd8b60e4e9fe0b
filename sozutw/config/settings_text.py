"""
Settings as a text, for a process that is given them by another: JSON, key by key.

The two may be of different versions: a key that is missing has its default, and one that is not
known is passed over.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from sozutw.config.model import Settings


def settings_text(settings: Settings) -> str:
    """Write settings; ``settings_from`` reads them."""
    return json.dumps(_plain(settings))


def settings_from(text: str) -> Settings:
    """Read what ``settings_text`` wrote; raises ValueError for what cannot be meant."""
    try:
        settings: Settings = _reader(Settings)(json.loads(text))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"these are no settings: {error}") from None
    return settings


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, IPv4Network | IPv6Network):
        return str(value)
    return value


def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of this type out of what JSON has for it."""
    if get_origin(kind) is tuple:
        each = _reader(get_args(kind)[0])
        return lambda plain: tuple(each(one) for one in plain)
    if isinstance(kind, UnionType):
        return _union_reader(get_args(kind))
    if isinstance(kind, type) and is_dataclass(kind):
        return lambda plain: _fields_of(kind, plain)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return lambda plain: kind[plain]
    return lambda plain: _checked(kind, plain)


def _union_reader(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    if set(kinds) == {IPv4Network, IPv6Network}:
        return ip_network
    some = [kind for kind in kinds if kind is not NoneType]
    if len(some) > 1:
        return lambda plain: _checked_any(kinds, plain)
    read = _reader(some[0])
    return lambda plain: None if plain is None else read(plain)


def _checked_any(kinds: tuple[Any, ...], plain: Any) -> Any:
    if type(plain) not in kinds:
        raise TypeError(f"{plain!r} is none of {', '.join(kind.__name__ for kind in kinds)}")
    return plain


def _checked(kind: type, plain: Any) -> Any:
    if kind is float and type(plain) is int:
        return float(plain)
    if type(plain) is not kind:
        raise TypeError(f"{plain!r} is no {kind.__name__}")
    return plain


def _fields_of(kind: Any, plain: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    _checked(dict, plain)
    told: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in plain:
            told[field.name] = _reader(hints[field.name])(plain[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(field.name)
    return kind(**told)
