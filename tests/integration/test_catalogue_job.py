"""The job with an event catalogue, on a real Kafka: refused records and counted warnings, with several workers too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

CATALOGUE = """\
channels:
  - {name: Shop, application_type: app, app_key: shop}
  - {name: QT, application_type: web, quick_tracking: true}
events:
  - code: pay_order
    name: Paid
    channel: Shop
    properties:
      - {id: amount, name: Amount, type: numeric}
      - {id: note, name: Note, type: text}
  - {code: page_view, name: Viewed, channel: QT}
"""
RULES = """
events:
  - event_code: $.code
    event_source_code: shop
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {amount: $.amount, note: $.note, extra: $.extra}
"""


def line(number, **fields):
    value = {
        "code": "pay_order",
        "ts": 1_700_000_000_000,
        "user": "u",
        "no": f"n{number}",
        "amount": number,
        "note": "",
    }
    return json.dumps(value | fields).encode()


def made_source(source, **sections):
    made = source(rules=RULES, catalogue={"file": "shop.catalogue.yaml"}, **sections)
    (made.folder / "shop.catalogue.yaml").write_text(CATALOGUE)
    return made


def test_what_the_catalogue_does_not_have_is_dead_lettered_and_the_rest_reported(source, kafka):
    made = made_source(source)
    kafka.write(made.topic, [line(1), line(2, extra="x"), line(3, note=None), line(4, amount="many"), line(5, code="nothing"), line(6, code="page_view")])  # fmt: skip
    status = made.run_to_end()
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in (1, 2, 3)}
    assert status.warnings == {("PROPERTY_UNKNOWN", "pay_order"): 1, ("PROPERTY_MISSING", "pay_order"): 1}
    reasons = [dict(record.headers)["log2mq-reason"] for record in kafka.read(made.dead)]
    assert reasons == [b"PROPERTY_NOT_NUMERIC", b"EVENT_UNKNOWN", b"EVENT_REPORTED_ELSEWHERE"]
    assert {dict(record.headers)["log2mq-stage"] for record in kafka.read(made.dead)} == {b"check"}
    status.total.check()


def test_what_workers_let_pass_is_counted_in_one_summary(source, kafka, tmp_path):
    made = made_source(source, partitions=2)
    made.save()
    kafka.topic(name=made.dead)
    for partition in (0, 1):
        kafka.write(made.topic, [line(f"{partition}-{number}", amount=1, extra="x") for number in range(50)], partition)
    output = tmp_path / "run.log"
    with output.open("wb") as log:
        run = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", str(made.path), "--workers", "2", "--no-progress"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"},
        )
    try:
        until = time.monotonic() + 60
        while not made.is_committed(kafka.ends(made.topic)):
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    finally:
        if run.poll() is None:
            run.kill()
            run.wait()
    assert len(made.events()) == 100
    assert "PROPERTY_UNKNOWN pay_order x100" in output.read_text()
