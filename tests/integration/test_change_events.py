"""A topic of Debezium's, as a job reads it: changes are events, the rest is filtered, tombstones too, and nothing of it is refused."""

from __future__ import annotations

import json

RULES = """
events:
  - when: {status: paid, debezium.before.status: {ne: paid}}
    event_code: pay_order
    event_time: $.paid_at
    customer_id: $.user
    out_biz_id: "{{ $.no }} of {{ $.amount }}"
"""

DECIMAL = {
    "type": "bytes",
    "name": "org.apache.kafka.connect.data.Decimal",
    "parameters": {"scale": "2"},
    "field": "amount",
}
TIMESTAMP = {"type": "int64", "name": "io.debezium.time.Timestamp", "field": "paid_at"}
ROW = {"type": "struct", "fields": [DECIMAL, TIMESTAMP]}
SCHEMA = {"type": "struct", "fields": [{**ROW, "field": "before"}, {**ROW, "field": "after"}]}


def change(op, number, before, after):
    row = {"no": f"n{number}", "user": f"u{number}", "amount": "BOI=", "paid_at": 1_794_355_200_000}
    sides = {name: status and {**row, "status": status} for name, status in (("before", before), ("after", after))}
    payload = {**sides, "op": op, "source": {"table": "orders"}, "ts_ms": 1}
    return str(number).encode(), json.dumps({"schema": SCHEMA, "payload": payload}).encode()


def test_a_topic_of_change_events(source):
    made = source(rules=RULES, decode={"format": "debezium"})
    records = []
    for number in range(100):
        records += [change("c", number, None, "new"), change("u", number, "new", "paid")]
        if number % 10 == 0:
            records += [
                change("u", number, "paid", "sent"),
                change("d", number, "sent", None),
                (str(number).encode(), None),
            ]
    records += [change("r", 500, None, "paid"), (b"x", b"not an event")]
    made.kafka.write(made.topic, records)
    status = made.run_to_end()
    assert made.events() == {("pay_order", f"n{number} of 12.5"): 1 for number in range(100)}
    assert (status.total.read, status.total.filtered, status.total.dead_lettered) == (len(records), 100 + 30 + 1, 1)
