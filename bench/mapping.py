"""The cost of a mapping of ten attributes, compared in one run with the same event made by hand in Python and with reading its JSON.

    python bench/mapping.py [--count 2000] [--rounds 41]

The figures are the medians of the rounds, in microseconds of CPU time an event. The three alternate, so that a noisy machine is noisy for all
of them. The entries are few enough to stay in the processor's cache, as in the job, which maps an entry right after it was decoded.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from pipeline.runtime.build import COLLECT_AFTER
from schemas.log import LogEntry, RawRecord
from transforms.mapping import MappingSettings, compile_mapping

SHANGHAI = ZoneInfo("Asia/Shanghai")
LEVELS = {"1": "银卡", "2": "金卡"}
MAPPING = {
    "tables": {"level": LEVELS},
    "events": [
        {
            "when": {"type": "order_paid", "order.amount": {"gt": 0}},
            "event_code": "pay_order",
            "event_source_code": "shop-app",
            "event_time": "$.ts | time('%Y-%m-%d %H:%M:%S')",
            "customer_id": "$.user.id",
            "out_biz_id": "$.order.no",
            "attributes": {
                "amount": "$.order.amount",
                "currency": "$.order.currency",
                "title": "$.order.items[0].title | truncate(60)",
                "sku": "$.order.items[0].sku",
                "level": "$.user.level | lookup('level')",
                "channel": "$.channel",
                "os": "$.app.os | lower",
                "version": "$.app.version",
                "city": "$.user.city | default('none')",
                "cents": "$.order.cents | divide(100)",
            },
        }
    ],
}


def log(number: int) -> bytes:
    """Return one raw record."""
    return orjson.dumps(
        {
            "type": "order_paid",
            "ts": f"2026-11-11 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}",
            "channel": "app",
            "user": {"id": f"u{number:08}", "level": number % 3, "city": "上海"},
            "order": {
                "no": f"20261111{number:012}",
                "amount": 199.5,
                "cents": 19950 + number % 100,
                "currency": "CNY",
                "items": [{"sku": f"sku-{number % 997}", "title": "红色纯棉短袖T恤 男女同款 夏季新品", "count": 1}],
            },
            "app": {"os": "Android", "version": "8.12.0"},
        }
    )


def by_hand(entry: LogEntry) -> dict:
    """Return the same event, as a script for this one purpose makes it."""
    fields = entry.fields
    user, order, app = fields["user"], fields["order"], fields["app"]
    return {
        "customerId": user["id"],
        "eventCode": "pay_order",
        "eventTime": int(datetime.fromisoformat(fields["ts"]).replace(tzinfo=SHANGHAI).timestamp() * 1000),
        "extendAttributes": {
            "amount": str(order["amount"]),
            "currency": order["currency"],
            "title": order["items"][0]["title"][:60],
            "sku": order["items"][0]["sku"],
            "level": LEVELS.get(str(user["level"])),
            "channel": fields["channel"],
            "os": app["os"].lower(),
            "version": app["version"],
            "city": user["city"] or "none",
            "cents": str(order["cents"] / 100),
            "outBizId": order["no"],
        },
        "eventSourceCode": "shop-app",
    }


def timed(work, over) -> float:
    """Return the microseconds of CPU time that each item took."""
    begun = time.process_time()
    for each in over:
        work(each)
    return (time.process_time() - begun) * 1e6 / len(over)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=41)
    arguments = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)  # as in the job; it holds for the function by hand too
    raw = [log(number) for number in range(arguments.count)]
    entries = [LogEntry(orjson.loads(each), RawRecord("log", 0, 0, -1, None, each)) for each in raw]
    mapper = compile_mapping(MappingSettings.model_validate(MAPPING))
    (message,) = mapper(entries[1])
    assert message.wire == by_hand(entries[1])  # noqa: S101 - both must make the same event
    rounds = [
        (timed(mapper, entries), timed(by_hand, entries), timed(orjson.loads, raw)) for _ in range(arguments.rounds)
    ]
    mapped, hand, read = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(
        f"mapping of 10 attributes  {mapped:6.2f} us an event   {mapped / hand:.2f} times by hand, {mapped / read:.2f} times reading the JSON"
    )
    print(f"written out by hand       {hand:6.2f}")
    print(f"reading the JSON (orjson) {read:6.2f}")


if __name__ == "__main__":
    main()
