"""What data of a schema can cost before it is read: whether its bytes bound it by themselves, and a look over the bytes where they do not.

Avro is small where it is empty: ten bytes may say a million nulls, and a type that refers to itself may nest a level a byte. Most schemas
can do neither, which is seen once; data of the others is looked over before it is read.
"""

from __future__ import annotations

from pipeline.decode.avro.schema import AvroSchema
from pipeline.decode.avro.varint import long_at
from pipeline.decode.limits import DecodeLimits

MOST_VALUES_A_BYTE = 8
"""More than records within records make of the bytes of their fields."""

_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}  # all else begins with a number of one byte at least


class NotDataError(ValueError):
    """The bytes are no data of the schema."""


class TooDeepError(ValueError):
    """The data nests deeper than `limits.depth`."""


class TooManyValuesError(ValueError):
    """The data holds more values than it may."""


class Weight:
    """What one datum of a schema has at least and at most, its arrays and maps taken as empty."""

    def __init__(self, root: AvroSchema) -> None:
        self._bytes: dict[AvroSchema, int] = {}
        self._values: dict[AvroSchema, int] = {}
        self._depth: dict[AvroSchema, int] = {}
        self._open: set[AvroSchema] = set()
        self.is_recursive = False
        self._weigh(root)
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
        """Return how many bytes a datum has at least; of one that has none, each has none."""
        return self._bytes[schema]

    def values_of(self, schema: AvroSchema) -> int:
        """Return how many values a datum makes."""
        return self._values[schema]

    def _weigh(self, schema: AvroSchema) -> None:
        if schema in self._bytes:
            return
        if schema in self._open:
            self.is_recursive = True
            return
        self._open.add(schema)
        inner = [each.schema for each in schema.fields] or schema.branches
        for each in inner:
            self._weigh(each)
        # A type that is still open is within itself: its own bytes are not known yet, and count as one.
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


def bounded_by_its_bytes(weight: Weight, limits: DecodeLimits) -> bool:
    """Whether no data of the schema can nest too deep, or make many more values than it has bytes."""
    return not (
        weight.is_recursive
        or weight.depth > limits.depth
        or weight.values > limits.entries
        or weight.most_a_byte > MOST_VALUES_A_BYTE
    )


class Survey:
    """Looks over the bytes of data, counts values and how deep they nest, and makes nothing of them."""

    def __init__(self, schema: AvroSchema, weight: Weight, limits: DecodeLimits) -> None:
        self._schema = schema
        self._weight = weight
        self._depth = limits.depth

    def __call__(self, content: bytes, position: int, left: int) -> int:
        """Look over the datum at a position, which may hold so many values, and return how many are left.

        Raises:
            NotDataError: the bytes are none, or too few.
            TooDeepError: it nests too deep.
            TooManyValuesError: it holds too many values.
        """
        walk = _Walk(content, position, self._weight, left)
        try:
            walk.over(self._schema, self._depth)
        except RecursionError:
            raise TooDeepError from None
        return walk.left


class _Walk:
    def __init__(self, content: bytes, position: int, weight: Weight, left: int) -> None:
        self._content = content
        self.position = position
        self._weight = weight
        self.left = left

    def over(self, schema: AvroSchema, levels: int) -> None:
        """Go over one datum, which may have so many levels."""
        self.left -= 1
        if self.left < 0:
            raise TooManyValuesError
        match schema.kind:
            case "int" | "long":
                self._long()
            case "string" | "bytes":
                self._skip(self._long())
            case "enum":
                self._below(len(schema.symbols))
            case "union":
                self.left += 1
                self.over(schema.branches[self._below(len(schema.branches))], levels)
            case "record":
                self._enter(levels)
                for each in schema.fields:
                    self.over(each.schema, levels - 1)
            case "array" | "map":
                self._enter(levels)
                self._blocks(schema, levels - 1)
            case "fixed":
                self._skip(schema.size)
            case kind:
                self._skip(_SIZES[kind])

    def _enter(self, levels: int) -> None:
        if not levels:
            raise TooDeepError

    def _blocks(self, schema: AvroSchema, levels: int) -> None:
        inner, is_map = schema.branches[0], schema.kind == "map"
        is_empty = not is_map and not self._weight.least_bytes(inner)
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the block's size in bytes, for those who skip it
            if is_empty:
                self.left -= count * self._weight.values_of(inner)
                if self.left < 0:
                    raise TooManyValuesError
                continue
            if count > len(self._content) - self.position:
                raise NotDataError
            for _ in range(count):
                if is_map:
                    self._skip(self._long())
                self.over(inner, levels)

    def _below(self, count: int) -> int:
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
