"""What the sample logs of all sources share: a clock that moves on, people, goods, and the parts of a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import NamedTuple, Protocol

from pipeline.emulator.samples.expected import Meaning

SHANGHAI = timezone(timedelta(hours=8))
_START = datetime(2024, 5, 1, 8, 0, 0, tzinfo=SHANGHAI)
_MOST_SECONDS_BETWEEN_LINES = 2
_LATE_HOURS = 72

POISON = "sample-poison"
"""The outBizId of the one event that the stand-in is scripted to refuse begins so; its source's name follows."""

GOODS = (
    ("P1001", "春季新款碎花连衣裙"),
    ("P1002", "清爽防晒霜 SPF50+"),
    ("P1003", "无糖乌龙茶 500ml*12"),
    ("P1004", "婴儿棉柔巾(加厚款)"),
    ("P1005", "轻薄羽绒服 女士 短款"),
    ("P1006", "智能电饭煲 4L"),
    ("P1007", "手冲咖啡豆·云南"),
    ("P1008", "儿童平衡车 12寸"),
    ("P1009", "降噪耳机 Pro"),
    ("P1010", "苏州刺绣团扇🪭"),
)
STORES = ("上海静安店", "杭州西湖店", "成都太古里店", "广州天河店", "北京三里屯店")
CHANNELS = ("wechat", "douyin", "xiaohongshu", "weibo", "sms")


@dataclass(slots=True)
class Person:
    """One customer of a source."""

    customer: str
    mobile: str
    email: str
    open_id: str
    is_settled: bool = False
    """Whether the identities stay as they are, since two lines tell the same ones. See `Draft.tells_of`."""


class Draft(NamedTuple):
    """A line before it is written: under which key, what, and what it stands for."""

    key: bytes
    value: bytes
    meaning: Meaning
    tells_of: Person | None = None
    """Whose identities it tells. Once they are told a second time they must not change any more: the books would depend on what is read again.

    The dedup store knows a customer's newest identities only. Where a job reads the lines A, A, B again after a crash, both A are older than
    what was reported: it cannot tell the one that was reported from the one that was a duplicate. With A, B, B the books are the same from
    wherever it reads again.
    """


class Scene(Protocol):
    """One source's way of writing lines."""

    def ordinary(self, at: datetime) -> Draft:
        """A line that is reported: new, whole, and matched by a rule."""
        ...

    def unmatched(self, at: datetime) -> Draft:
        """A whole line that no rule matches."""
        ...

    def broken(self, at: datetime) -> Draft:
        """A line that cannot become an event."""
        ...

    def poison(self, at: datetime) -> Draft:
        """A whole line whose event the stand-in refuses."""
        ...


class People:
    """The customers of one source, who come one by one."""

    def __init__(self, random: Random, prefix: str) -> None:
        """`prefix` begins every customer ID, so that the customers of different sources differ."""
        self._random = random
        self._prefix = prefix
        self._all: list[Person] = []

    def newcomer(self) -> Person:
        """A customer never seen before."""
        number = len(self._all) + 1
        customer = f"{self._prefix}{100_000 + number}"
        open_id = f"o{self._random.getrandbits(108):027x}"
        person = Person(customer, self.new_mobile(), f"{customer}@example.com", open_id)
        self._all.append(person)
        return person

    def anyone(self) -> Person:
        """A customer seen before, if there is one."""
        return self._random.choice(self._all) if self._all else self.newcomer()

    def new_mobile(self) -> str:
        """A mobile number of 11 digits."""
        return f"190{self._random.randrange(10**8):08d}"


class Clock:
    """The time of each line: it moves on by up to some seconds a line; a late line is up to three days behind."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = _START

    def next(self, *, late: bool) -> datetime:
        """The time of the next line, in Shanghai, in whole seconds."""
        self._now += timedelta(seconds=self._random.randrange(_MOST_SECONDS_BETWEEN_LINES + 1))
        return self._now - timedelta(hours=self._random.randint(1, _LATE_HOURS)) if late else self._now
