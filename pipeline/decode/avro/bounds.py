"""The bounds of Avro data: how many values it may hold and how deep it may nest, checked before the data is read.

A few bytes can stand for much: ten bytes may say a million nulls, and a type that refers to itself may nest one level a byte. Most schemas
allow neither, and that is found once, from the schema. Data of the other schemas is scanned before it is read.
"""

from __future__ import annotations

from pipeline.decode.avro.schema import AvroSchema
from pipeline.decode.avro.varint import long_at
from pipeline.decode.limits import DecodeLimits

MOST_VALUES_A_BYTE = 8
"""Most values a byte of data. Records within records make fewer values of the bytes of their fields."""

_SIZES = {
    "null": 0,
    "boolean": 1,
    "float": 4,
    "double": 8,
}  # in bytes; other types begin with a number of at least one byte


class NotDataError(ValueError):
    """The bytes are not data of the schema."""


class TooDeepError(ValueError):
    """The data nests deeper than `limits.depth`."""


class TooManyValuesError(ValueError):
    """The data holds more values than the limit."""


class SchemaCost:
    """What one datum of a schema costs: its fewest bytes, its most values and its depth. Arrays and maps count as empty."""

    def __init__(self, root: AvroSchema) -> None:
        self._bytes: dict[AvroSchema, int] = {}
        self._values: dict[AvroSchema, int] = {}
        self._depth: dict[AvroSchema, int] = {}
        self._open: set[AvroSchema] = set()
        self.is_recursive = False
        self._measure(root)
        self.depth = self._depth[root]
        self.values = self._values[root]
        self.most_a_byte = max(
            (
                self._values[each.branches[0]] / max(self._bytes[each.branches[0]] + (each.kind == "map"), 1e-9)
                for each in self._bytes
                if each.kind in {"array", "map"}
            ),
            default=0.0,
        )

    def least_bytes(self, schema: AvroSchema) -> int:
        """Return the fewest bytes of a datum. Where this is 0, every datum of the schema has no bytes."""
        return self._bytes[schema]

    def values_of(self, schema: AvroSchema) -> int:
        """Return the number of values in a datum."""
        return self._values[schema]

    def _measure(self, schema: AvroSchema) -> None:
        if schema in self._bytes:
            return
        if schema in self._open:
            self.is_recursive = True
            return
        self._open.add(schema)
        inner = [each.schema for each in schema.fields] or schema.branches
        for each in inner:
            self._measure(each)
        # A type that is still open contains itself. Its size is not known yet, and counts as one byte and one value.
        sizes = [self._bytes.get(each, 1) for each in inner]
        values = [self._values.get(each, 1) for each in inner]
        depth = max((self._depth.get(each, 0) for each in inner), default=0)
        match schema.kind:
            case "record":
                self._bytes[schema], self._values[schema], depth = sum(sizes), 1 + sum(values), depth + 1
            case "union":
                self._bytes[schema], self._values[schema] = 1 + min(sizes), max(values)
            case "fixed":
                self._bytes[schema], self._values[schema] = schema.size, 1
            case kind:
                self._bytes[schema], self._values[schema] = _SIZES.get(kind, 1), 1
                depth += kind in {"array", "map"}
        self._depth[schema] = depth
        self._open.discard(schema)


def bounded_by_its_bytes(cost: SchemaCost, limits: DecodeLimits) -> bool:
    """Whether no data of the schema can nest too deep, or hold many more values than it has bytes."""
    return not (
        cost.is_recursive
        or cost.depth > limits.depth
        or cost.values > limits.entries
        or cost.most_a_byte > MOST_VALUES_A_BYTE
    )


class DataScan:
    """Scans the bytes of data: counts the values and checks how deep they nest, without building them."""

    def __init__(self, schema: AvroSchema, cost: SchemaCost, limits: DecodeLimits) -> None:
        self._schema = schema
        self._cost = cost
        self._depth = limits.depth

    def __call__(self, content: bytes, position: int, left: int) -> int:
        """Scan the datum at a position. It may hold `left` values; return `left` less the values that it holds.

        Raises:
            NotDataError: the bytes are not data of the schema, or end too early.
            TooDeepError: the datum nests too deep.
            TooManyValuesError: the datum holds too many values.
        """
        scan = _Scan(content, position, self._cost, left)
        try:
            scan.datum(self._schema, self._depth)
        except RecursionError:
            raise TooDeepError from None
        return scan.left


class _Scan:
    def __init__(self, content: bytes, position: int, cost: SchemaCost, left: int) -> None:
        self._content = content
        self.position = position
        self._cost = cost
        self.left = left

    def datum(self, schema: AvroSchema, levels: int) -> None:
        """Scan one datum, which may nest `levels` deep."""
        self.left -= 1
        if self.left < 0:
            raise TooManyValuesError
        match schema.kind:
            case "int" | "long":
                self._long()
            case "string" | "bytes":
                self._skip(self._long())
            case "enum":
                self._index(len(schema.symbols))
            case "union":
                self.left += 1
                self.datum(schema.branches[self._index(len(schema.branches))], levels)
            case "record":
                self._check_depth(levels)
                for each in schema.fields:
                    self.datum(each.schema, levels - 1)
            case "array" | "map":
                self._check_depth(levels)
                self._blocks(schema, levels - 1)
            case "fixed":
                self._skip(schema.size)
            case kind:
                self._skip(_SIZES[kind])

    def _check_depth(self, levels: int) -> None:
        if not levels:
            raise TooDeepError

    def _blocks(self, schema: AvroSchema, levels: int) -> None:
        inner, is_map = schema.branches[0], schema.kind == "map"
        is_empty = not is_map and not self._cost.least_bytes(inner)
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the block's size in bytes, for readers that skip the block
            if is_empty:
                self.left -= count * self._cost.values_of(inner)
                if self.left < 0:
                    raise TooManyValuesError
                continue
            if count > len(self._content) - self.position:
                raise NotDataError
            for _ in range(count):
                if is_map:
                    self._skip(self._long())
                self.datum(inner, levels)

    def _index(self, count: int) -> int:
        index = self._long()
        if not 0 <= index < count:
            raise NotDataError
        return index

    def _skip(self, size: int) -> None:
        if size < 0:
            raise NotDataError
        self.position += size
        if self.position > len(self._content):
            raise NotDataError

    def _long(self) -> int:
        try:
            number, self.position = long_at(self._content, self.position)
        except ValueError:
            raise NotDataError from None
        return number
