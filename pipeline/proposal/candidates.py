"""What each field of a sample may be good for: the event's kind, its time, the customer, identities, the business ID, attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.decode.debezium import ENVELOPE
from pipeline.proposal.survey import Field, survey
from schemas.customer import IdMapping
from schemas.identity import normalise
from schemas.log import LogEntry, RawRecord
from transforms.mapping.known import Known
from transforms.mapping.readers import Rejected, event_time
from transforms.mapping.values import compile_value

NEARLY_ALL = 0.9
MOST = 0.5
MOST_KINDS = 20
MOST_ATTRIBUTES = 20
MOST_ATTRIBUTE_CHARACTERS = 300
_NO_RECORD = RawRecord("sample", 0, 0, -1, None, None)

TIME_FORMATS = (
    "", "%d/%b/%Y:%H:%M:%S %z", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S,%f",
    "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""Tried in this order; "" is what `event_time` reads without any: ISO 8601 and times since 1970."""

_TIME = re.compile(r"time|date|ts$|^at$|_at$|created|occurred|when")
_KIND = re.compile(
    r"^(?:event|type|action|act|op|operation|event_?type|event_?name|event_?code|msg_?type|kind|behaviou?r|cmd)$"
)
_KIND_OF_SYSLOG = "$.msg_id"
"""RFC 5424, section 6.2.7: "the type of message". Elsewhere a field of that name tells every message apart."""
_PAGE = re.compile(r"^(?:path|uri|url|page|screen)$")
_OF_THE_MACHINE = re.compile(
    r"addr|^ip$|_ip$|agent|referr?er|^request$|protocol|^host|hostname|^pid$|proc_?id|thread|bytes|^method$|^status$|priority|facility|severity|version$"
)
_CUSTOMER = (
    re.compile(r"^(?:customer|user|member|buyer|account|uid|cid|vip|client)_?(?:id|no|code)?$"),
    re.compile(r"^(?:from_?user_?name|open_?id|login|principal)$"),
)
_OF_A_LIST = re.compile(r"\[\d")
_BUSINESS_ID = (
    re.compile(
        r"^(?:order|trade|pay|payment|transaction|refund|coupon|ticket|bill|receipt)_?(?:no|id|number|code|sn)$"
    ),
    re.compile(
        r"^(?:event|msg|message|request|req|trace|log|record|uniq|unique|biz|out_biz)_?(?:id|no|key)$|^(?:uuid|guid|no|sn)$"
    ),
    re.compile(r"^(?:id|coupon|session|code)$|_id$|id$|_no$|_sn$"),
)
_IDENTITIES: Mapping[IdMapping, tuple[re.Pattern[str], bool]] = MappingProxyType(
    {
        IdMapping.MOBILE: (re.compile(r"mobile|phone|tel|cell(?!ed)|手机|电话"), True),
        IdMapping.EMAIL: (re.compile(r"mail|邮箱"), True),
        IdMapping.OPEN_ID: (re.compile(r"open_?id|wx|wechat|fromusername"), False),
        IdMapping.UNION_ID: (re.compile(r"union_?id"), False),
        IdMapping.IMEI: (re.compile(r"imei|meid"), False),
        IdMapping.IDFA: (re.compile(r"idfa"), False),
        IdMapping.MAC_ORG: (re.compile(r"^mac$|mac_?addr"), False),
        IdMapping.TAOBAO_ID: (re.compile(r"taobao_?id|tb_?id"), False),
        IdMapping.TAOBAO_NICK: (re.compile(r"taobao_?nick|tb_?nick"), False),
        IdMapping.ALIPAY_ID: (re.compile(r"alipay"), False),
        IdMapping.WEIBO_ID_ORG: (re.compile(r"weibo"), False),
    }
)
"""By what name a field is taken for an identity, and whether its values alone, where all of them can be one, are enough."""


class Rule(NamedTuple):
    """One proposed event rule. `when` is the value of the kind field; an empty expression is one that the sample has no field for."""

    when: str
    entries: int
    event_time: str
    customer_id: str
    out_biz_id: str
    attributes: Mapping[str, str]


class Candidates(NamedTuple):
    """What a sample proposes. `kind` is the path of the field that tells events apart, "" where there is none."""

    fields: Sequence[Field]
    kind: str
    identities: Mapping[IdMapping, str]
    customer_id: str
    rules: Sequence[Rule]


def find_candidates(entries: Sequence[Mapping[str, Any]]) -> Candidates:
    """Look at all entries, and at each kind of event by itself."""
    fields = survey(entries)
    kind = _kind_field(fields, len(entries))
    identities = _identities(fields)
    groups: list[tuple[str, Sequence[Mapping[str, Any]]]] = [("", entries)]
    if kind is not None:
        read = compile_value(kind.path, Known())
        named = {
            text: [each for each in entries if _text(read, each) == text]
            for text, _ in kind.values.most_common(MOST_KINDS)
        }
        groups = list(named.items())
    rules = [_rule(when, group, kind, identities) for when, group in groups]
    customer = _customer(fields, len(entries))
    return Candidates(fields, kind.path if kind else "", identities, customer, rules)


def _text(read: Callable[[LogEntry], Any], fields: Mapping[str, Any]) -> str:
    return str(read(LogEntry(fields, _NO_RECORD)))


def _kind_field(fields: Sequence[Field], entries: int) -> Field | None:
    fits = [
        each
        for each in fields
        if each.kind == "text" and each.is_scalar and _tells_kinds(each) and each.presence(entries) >= NEARLY_ALL
        and 1 < len(each.values) <= max(MOST_KINDS, 2)
    ]  # fmt: skip
    return min(fits, key=lambda each: (_PAGE.search(each.name) is not None, each.path.count(".")), default=None)


def _tells_kinds(field: Field) -> bool:
    if field.path == _KIND_OF_SYSLOG:
        return len(field.values) * 2 <= field.count
    return bool(_KIND.search(field.name) or _PAGE.search(field.name))


def _rule(
    when: str, entries: Sequence[Mapping[str, Any]], kind: Field | None, identities: Mapping[IdMapping, str]
) -> Rule:
    fields = survey(entries)
    time = _time(fields, entries)
    customer = _customer(fields, len(entries))
    business = _business_id(fields, len(entries), {customer, *identities.values()})
    taken = {time.partition(" |")[0], customer, business, *identities.values(), kind.path if kind else ""}
    return Rule(when, len(entries), time, customer, business, _attributes(fields, len(entries), taken))


def _time(fields: Sequence[Field], entries: Sequence[Mapping[str, Any]]) -> str:
    """Find the field whose values can all be read as the time of an event; one that is named like a time, and comes first, before others."""
    named = [
        each
        for each in fields
        if each.is_scalar and each.presence(len(entries)) >= NEARLY_ALL and _TIME.search(each.name)
    ]
    for each in sorted(
        named, key=lambda each: (each.name != "time_ms", each.name == "@timestamp", each.path.count("."))
    ):
        for pattern in TIME_FORMATS:
            written = f"{each.path} | time('{pattern}')" if pattern else each.path
            if _reads(written, entries):
                return written
    return ""


def _reads(written: str, entries: Sequence[Mapping[str, Any]]) -> bool:
    read = event_time(compile_value(written, Known()))
    good = 0
    for each in entries:
        try:
            read(LogEntry(each, _NO_RECORD))
        except Rejected:
            continue
        good += 1
    return good >= NEARLY_ALL * len(entries)


def _customer(fields: Sequence[Field], entries: int) -> str:
    for pattern in _CUSTOMER:
        fits = [
            each
            for each in fields
            if each.is_scalar and each.presence(entries) >= NEARLY_ALL
            and (pattern.search(each.name) or (each.name in {"id", "no"} and pattern.search(_parent(each.path))))
        ]  # fmt: skip
        if fits:
            return min(fits, key=lambda each: (-round(each.presence(entries), 1), each.path.count("."))).path
    return ""


def _parent(path: str) -> str:
    return path.split(".")[-2].lower() if path.count(".") > 1 else ""


def _identities(fields: Sequence[Field]) -> dict[IdMapping, str]:
    found: dict[IdMapping, str] = {}
    for kind, (pattern, by_value) in _IDENTITIES.items():
        fits = {
            each.path: sum(normalise(kind, text) is not None for text in each.values) / len(each.values)
            for each in fields
            if each.is_scalar and not _OF_A_LIST.search(each.path)
        }
        named = [each for each in fields if pattern.search(each.name) and fits.get(each.path, 0) >= MOST]
        alike = [each for each in fields if by_value and fits.get(each.path, 0) >= NEARLY_ALL]
        chosen = named or alike
        if chosen:
            found[kind] = max(chosen, key=lambda each: each.count).path
    return found


def _business_id(fields: Sequence[Field], entries: int, of_persons: set[str]) -> str:
    for pattern in _BUSINESS_ID:
        fits = [
            each
            for each in fields
            if each.is_scalar and not _OF_A_LIST.search(each.path) and each.path not in of_persons and each.presence(entries) >= NEARLY_ALL
            and not _OF_THE_MACHINE.search(each.name) and each.uniqueness >= MOST  # repeated deliveries of one event are what it is for
            and (pattern.search(each.name) or (each.name in {"no", "id"} and pattern.search(f"{_parent(each.path)}_{each.name}")))
        ]  # fmt: skip
        if fits:
            return max(fits, key=lambda each: each.uniqueness).path
    return ""


def _attributes(fields: Sequence[Field], entries: int, taken: set[str]) -> dict[str, str]:
    """Take scalar fields that are often there, short, and no identifier of a person."""
    found: dict[str, str] = {}
    for each in fields:
        fits = (
            each.is_scalar
            and each.path not in taken
            and each.presence(entries) >= MOST
            and max(map(len, each.values)) <= MOST_ATTRIBUTE_CHARACTERS
            and not is_personal(each)
            and not each.path.startswith(f"$.{ENVELOPE}.")
            and not _TIME.search(each.name)
            and not _OF_THE_MACHINE.search(each.name)
        )
        name = re.sub(r"\W+", "_", each.path.removeprefix("$").strip(".")).strip("_")
        short = re.sub(r"\W+", "_", each.name).strip("_")
        if fits and len(found) < MOST_ATTRIBUTES:
            found[short if short and short not in found else name or f"field_{len(found)}"] = each.path
    return found


def is_personal(field: Field) -> bool:
    """Whether a field is named like an identity, or half of its values could be mobile numbers or e-mail addresses."""
    if any(pattern.search(field.name) for pattern, _ in _IDENTITIES.values()):
        return True
    return any(
        sum(normalise(kind, text) is not None for text in field.values) * 2 > len(field.values)
        for kind in (IdMapping.MOBILE, IdMapping.EMAIL)
    )
