"""Attributes that are computed on first access."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

ValueT = TypeVar("ValueT")


class lazy_property(Generic[ValueT]):
    """functools.cached_property without a lock, as it is from Python 3.12 on. Before, all instances
    of a class share one, so a process that is forked while another thread holds it waits forever.
    Here, threads may compute a value twice.

    compute (Callable[[Any], Any]): The method to decorate.
    """

    def __init__(self, compute: Callable[[Any], ValueT]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "lazy_property[ValueT]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> ValueT: ...
    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        value = self._compute(instance)
        # From now on the instance's own attribute is found first.
        instance.__dict__[self._compute.__name__] = value
        return value
