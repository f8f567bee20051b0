"""Sample logs: realistic raw lines of three sources, with the books that a run over them must come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from heapq import heappop, heappush
from random import Random
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from pipeline.emulator.samples.crm import CrmScene
from pipeline.emulator.samples.expected import BookKeeper, ExpectedBooks
from pipeline.emulator.samples.h5 import H5Scene
from pipeline.emulator.samples.scene import POISON, Clock, Draft, Scene
from pipeline.emulator.samples.shop import ShopScene
from schemas.log import Header

__all__ = ["POISON", "ExpectedBooks", "Sample", "SampleKind", "SampleLine", "SampleSettings", "generate"]


class SampleKind(StrEnum):
    """The sources there are samples of. Each has a source file of its name in `examples/`."""

    SHOP_APP = "shop-app"
    H5_ACCESS = "h5-access"
    CRM_LINES = "crm-lines"


_SCENES: Mapping[SampleKind, type[ShopScene | H5Scene | CrmScene]] = MappingProxyType(
    {SampleKind.SHOP_APP: ShopScene, SampleKind.H5_ACCESS: H5Scene, SampleKind.CRM_LINES: CrmScene}
)

Rate = Annotated[float, Field(ge=0, le=0.2)]


class SampleSettings(BaseModel):
    """How many of the lines are what; rates are shares of the lines, and apply to new lines rather than to repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeated_near: Rate = Field(default=0.03, description="Lines delivered again within the next 20 lines.")
    repeated_far: Rate = Field(default=0.02, description="Lines delivered again 1,000 to 5,000 lines later.")
    late: Rate = Field(default=0.02, description="Lines that are one hour to three days behind.")
    broken: Rate = Field(default=0.01, description="Lines that cannot become an event.")
    unmatched: Rate = Field(default=0.05, description="Lines that no rule matches.")
    poison: bool = Field(default=True, description="One event that the stand-in is scripted to refuse, half-way.")


class SampleLine(NamedTuple):
    """One record to write. Lines of one key must go to one partition, in order."""

    key: bytes | None
    value: bytes
    headers: Sequence[Header] = ()


_NEAR = (1, 20)
_FAR = (1_000, 5_000)


class Sample(Iterator[SampleLine]):
    """Writes `count` lines, once; `books` holds what the lines written so far must come to."""

    def __init__(self, kind: SampleKind, count: int, seed: int, settings: SampleSettings) -> None:
        self._count = count
        self._settings = settings
        self._random = Random(f"{kind}/{seed}")  # noqa: S311 - sample lines want a seed, not secrecy
        self._scene: Scene = _SCENES[kind](self._random)
        self._clock = Clock(self._random)
        self._keeper = BookKeeper()
        self._written = 0
        self._repeats: list[tuple[int, int, Draft]] = []  # due at which line, tie-breaker, what

    @property
    def books(self) -> ExpectedBooks:
        """What a run over the lines written so far must come to."""
        return self._keeper.books()

    def __next__(self) -> SampleLine:
        """Write the next line."""
        if self._written >= self._count:
            raise StopIteration
        draft = self._draft()
        self._written += 1
        self._keeper.enter(draft.meaning)
        return SampleLine(draft.key, draft.value)

    def _draft(self) -> Draft:
        if self._settings.poison and self._written == self._count // 2:
            return self._scene.poison(self._clock.next(late=False))
        if self._repeats and self._repeats[0][0] <= self._written:
            return heappop(self._repeats)[2]
        draft = self._new()
        self._repeat_later(draft)
        return draft

    def _new(self) -> Draft:
        settings = self._settings
        at = self._clock.next(late=self._random.random() < settings.late)
        share = self._random.random()
        if share < settings.broken:
            return self._scene.broken(at)
        if share < settings.broken + settings.unmatched:
            return self._scene.unmatched(at)
        return self._scene.ordinary(at)

    def _repeat_later(self, draft: Draft) -> None:
        share = self._random.random()
        if share < self._settings.repeated_near:
            due = _NEAR
        elif share < self._settings.repeated_near + self._settings.repeated_far:
            due = _FAR
        else:
            return
        heappush(self._repeats, (self._written + self._random.randint(*due), self._written, draft))
        if draft.tells_of is not None:
            draft.tells_of.is_settled = True


def generate(kind: SampleKind, count: int, seed: int, settings: SampleSettings | None = None) -> Sample:
    """Return an iterator over `count` lines, the same for the same arguments; its `books` grow with it."""
    return Sample(kind, count, seed, settings or SampleSettings())
