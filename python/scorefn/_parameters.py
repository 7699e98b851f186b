"""Options of estimators and optimizers: to get, to set, to show, and by the name of a library."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ._check import check_choice

Class = TypeVar("Class", bound=type)


class Parameters:
    """Methods for the options of a dataclass, as scikit-learn names them.

    A subclass needs no more than ``@dataclass`` and a ``__post_init__`` that checks the options.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__repr__ = _text_of  # type: ignore[method-assign]  # the dataclass leaves it alone

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options by their names.

        Parameters
        ----------
        deep : bool
            With those of an option that has options itself, such as ``objective__clip_range``.

        Returns
        -------
        dict
        """
        options = _options_of(self)
        if deep:
            for name, value in list(options.items()):
                nested = _options_of(value) if _has_options(value) else {}
                options.update({f"{name}__{key}": of for key, of in nested.items()})
        return options

    def set_params(self, **params: Any) -> Any:
        """Change options in place.

        All are checked first, so that an error changes nothing. An option's own options are set by
        ``objective__clip_range=0.1``: the objective is replaced, never changed, as others may have
        it, too. The hash of an estimator is that of its options: do not change one that is in a
        set or the key of a dict.

        Parameters
        ----------
        **params
            Options by their names.

        Returns
        -------
        The object itself.

        Raises
        ------
        TypeError, ValueError
            An unknown name, or a value that the constructor would refuse.
        """
        changed = _options_of(self)
        for name, value in params.items():
            if "__" not in name:
                _check_name(name, changed, self)
                changed[name] = value
        for name in dict.fromkeys(n.partition("__")[0] for n in params if "__" in n):
            _check_name(name, changed, self)
            changed[name] = _with_options(name, changed[name], params)
        checked = type(self)(**changed)
        for name in changed:  # object: the dataclass may be frozen
            object.__setattr__(self, name, getattr(checked, name))
        return self


def with_presets(presets: Mapping[str, Mapping[str, Any]]) -> Callable[[Class], Class]:
    """Let the keyword `preset` of a dataclass's constructor stand for the options of a library.

    Options that are given win. An ``objective`` goes with the variant of its preset: where another
    variant is given, that one's own objective stays.
    """

    def decorate(cls: Class) -> Class:
        constructor: Any = cls.__init__  # type: ignore[misc]
        names = [f.name for f in dataclasses.fields(cls)]

        @functools.wraps(constructor)
        def construct(self: Any, *args: Any, preset: str | None = None, **options: Any) -> None:
            if preset is not None:
                check_choice("preset", preset, tuple(presets))
                given = {**dict(zip(names, args, strict=False)), **options}
                values = dict(presets[preset])
                if given.get("variant", values.get("variant")) != values.get("variant"):
                    values.pop("objective", None)
                options.update({k: v for k, v in values.items() if k not in given})
            constructor(self, *args, **options)

        cls.__init__ = construct  # type: ignore[misc]
        return cls

    return decorate


def _has_options(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _options_of(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}


def _check_name(name: str, options: Mapping[str, Any], owner: Any) -> None:
    if name not in options:
        raise ValueError(
            f"parameters of {type(owner).__name__} must be among {', '.join(options)}, got {name}"
        )


def _with_options(name: str, value: Any, params: Mapping[str, Any]) -> Any:
    """The value with the options among the parameters that are called NAME__OPTION."""
    given = {k.partition("__")[2]: v for k, v in params.items() if k.startswith(f"{name}__")}
    if not _has_options(value):
        raise ValueError(
            f"{name} must have options to set {name}__{next(iter(given))}, got {value!r}"
        )
    for key in given:
        _check_name(key, _options_of(value), value)
    return dataclasses.replace(value, **given)


def _text_of(value: Any) -> str:
    """The constructor's call that makes it: without the options that are their defaults."""
    shown = []
    for f in dataclasses.fields(value):
        factory: Any = f.default_factory
        default = f.default if factory is dataclasses.MISSING else factory()
        text = _text_of_option(getattr(value, f.name)) if f.init else ""
        if f.init and text != _text_of_option(default):
            shown.append(f"{f.name}={text}")
    return f"{type(value).__name__}({', '.join(shown)})"


def _text_of_option(value: Any) -> str:
    return _text_of(value) if _has_options(value) else repr(value)
