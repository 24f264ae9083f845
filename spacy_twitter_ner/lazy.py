"""Attributes that are computed on first access."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

ValueT = TypeVar("ValueT")


class lazy_property(Generic[ValueT]):
    """functools.cached_property without a lock, as in Python 3.12. In earlier versions, the lock is
    shared by all instances of a class, and a process that is forked while another thread holds it
    deadlocks. Threads may compute a value twice.

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
        # Instance attributes take precedence over this descriptor.
        instance.__dict__[self._compute.__name__] = value
        return value
