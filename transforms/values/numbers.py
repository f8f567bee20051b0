"""Numbers without float errors: money is counted in `decimal`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from math import isfinite
from typing import Any

from transforms.values.text import Inconvertible

MOST_DIGITS = 1_000
"""The most digits that a number may have, written without exponent."""

_MOST_BITS = 3_325
"""An integer of more bits has more than 1,000 digits."""

_EXACT = Context(prec=4_000, rounding=ROUND_HALF_UP, traps=[Inexact])
_WIDE = Context(prec=4_000, rounding=ROUND_HALF_UP, traps=[])
_SHORT = Context(prec=28, rounding=ROUND_HALF_UP, traps=[])
"""For a quotient without end, such as 1/3: 28 digits, which is Python's own default."""
_SHORT_EXACT = Context(prec=28, rounding=ROUND_HALF_UP, traps=[Inexact])
"""Most quotients are exact in few digits; a calculation with thousands of digits takes eight times as long."""

_SMALLEST_NORMAL = 2.2250738585072014e-308
_SHORT_INTEGER = 10**18
_POWERS_OF_TEN: Mapping[int | Decimal, int] = {10**places: places for places in range(1, 7)}

Calculation = Callable[[Any], Any]


def number_of(value: Any) -> Decimal:
    """Return the exact value of a number, or of a text that is a number.

    Raises:
        Inconvertible: the value is no number, or has more than 1,000 digits.
    """
    kind = value.__class__
    if kind is int:
        if value.bit_length() > _MOST_BITS:
            raise Inconvertible("the number has too many digits")
        return Decimal(value)
    if kind is float:
        text = repr(value)
    elif kind is str:
        text = value.strip()
        if len(text) > MOST_DIGITS or "_" in text:  # Decimal allows 1_000
            raise Inconvertible("the value is no number")
    elif kind is Decimal:
        text = value
    else:
        raise Inconvertible("the value is no number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Inconvertible("the value is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS or _has_too_many_digits(number, text):
        raise Inconvertible("the value is no number, or has too many digits")
    return number


def _has_too_many_digits(number: Decimal, text: str | Decimal) -> bool:
    """Whether a number has too many digits. Counting them takes time, so it is left out where the text is short enough."""
    if text.__class__ is str and len(text) <= MOST_DIGITS:
        return False
    return len(number.as_tuple().digits) > MOST_DIGITS


def plain(number: Decimal) -> int | Decimal:
    """Return a whole number as an integer."""
    return int(number) if number == number.to_integral_value() else number


def multiplied(factor: int | Decimal) -> Calculation:
    """Multiply, exactly."""
    by = Decimal(factor)
    return lambda value: plain(_WIDE.multiply(number_of(value), by))


def divided(divisor: int | Decimal) -> Calculation:
    """Divide: exactly where the quotient has an end, else to 28 digits."""
    return _shifted(divisor) if divisor in _POWERS_OF_TEN else _divided(divisor)


def _shifted(divisor: int | Decimal) -> Calculation:
    """Divide by a power of ten, such as cents to yuan. In a short integer only the decimal point moves, which takes half the time."""
    whole, places = int(divisor), _POWERS_OF_TEN[divisor]
    other = _divided(divisor)

    def step(value: Any) -> Any:
        if value.__class__ is int and -_SHORT_INTEGER < value < _SHORT_INTEGER:
            return Decimal(value).scaleb(-places, _SHORT) if value % whole else value // whole
        return other(value)

    return step


def _divided(divisor: int | Decimal) -> Calculation:
    by = Decimal(divisor)
    divide_short = _SHORT_EXACT.divide

    def step(value: Any) -> Any:
        number = number_of(value)
        try:
            return plain(divide_short(number, by))
        except Inexact:
            pass
        try:
            return plain(_EXACT.divide(number, by))
        except Inexact:
            return plain(_SHORT.divide(number, by))

    return step


def added(summand: int | Decimal) -> Calculation:
    """Add, exactly; subtract by adding a negative number."""
    by = Decimal(summand)
    return lambda value: plain(_WIDE.add(number_of(value), by))


def float_or_exact(exact: Decimal) -> float | Decimal:
    """Return a float where its shortest form is exactly the number, or where the number is too small for an exact float; else the decimal itself."""
    near = float(exact)
    return near if isfinite(near) and (Decimal(repr(near)) == exact or abs(near) < _SMALLEST_NORMAL) else exact


def magnitude(value: Any) -> int | Decimal:
    """Return a number without its sign. `abs` would round it to 28 digits."""
    return plain(number_of(value).copy_abs())


def total(values: Sequence[Any]) -> int | Decimal:
    """Return the exact sum."""
    found = Decimal(0)
    for each in values:
        found = _WIDE.add(found, number_of(each))
    return plain(found)


def fixed(places: int) -> Calculation:
    """Write with exactly so many decimal places, rounded half up, as on a bill: `12` is `12.00`, and `-0.001` is `0.00`."""
    round_to = rounded(places)
    return lambda value: f"{_WIDE.plus(round_to(value)):f}"  # plus: zero loses its sign


def rounded(places: int) -> Calculation:
    """Round half up, as on a bill."""
    unit = Decimal(1).scaleb(-places)
    return lambda value: number_of(value).quantize(unit, context=_WIDE)


def whole(value: Any) -> int:
    """Return a whole number; `12.0` is one, `12.5` is none.

    Raises:
        Inconvertible: the value is no whole number.
    """
    number = number_of(value)
    if number != number.to_integral_value():
        raise Inconvertible("the value is no whole number")
    return int(number)
