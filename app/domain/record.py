"""The decorators of all records: values that nobody changes once they are made."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Record = TypeVar("Record")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[Record]) -> type[Record]:
    """Make a record of `cls`: its members are given by name, and two are equal when their members are.

    The type checker refuses to change one. At run time nothing does: a frozen dataclass takes about twice as long to
    make, and an operation makes ten.
    """
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def row(cls: type[Record]) -> type[Record]:
    """Make a record of `cls` whose members have an order, that of the columns: it may be made of them, in that order.

    By name takes three to four times as long, and a batch makes some ten thousand rows.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
