"""`explain` over a record of several entries."""

from __future__ import annotations

import json

from click.testing import CliRunner

from pipeline.cli.main import cli

SOURCE = """
source: shop
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-log]}
decode:
  - json
  - {format: json, from: message, into: log}
events:
  - when: {log.type: paid}
    event_code: pay
    event_time: $.log.ts
    customer_id: $.log.user
    out_biz_id: {position: true}
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""


def wrapped(**log):
    return {"message": json.dumps({"type": "paid", "ts": 1_700_000_000, **log})}


def explain(tmp_path, content, *options):
    (tmp_path / "shop.yaml").write_text(SOURCE)
    (tmp_path / "records").write_text(content)
    result = CliRunner().invoke(
        cli, ["explain", str(tmp_path / "shop.yaml"), "--record", str(tmp_path / "records"), *options]
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_each_entry_is_shown_with_what_became_of_it(tmp_path):
    said = explain(tmp_path, json.dumps([wrapped(user="user-7001"), {"message": "no json"}, wrapped(user="user-7002")]))
    assert "decoded (json → json), entry 0 of 3" in said
    assert "refused, NOT_JSON: message: " in said
    assert '"outBizId": "shop-log-0-0.2"' in said
    assert said.rstrip().splitlines()[-1].startswith("── dead letter: NOT_JSON at decode: entry 1 of 3")
    assert "user-700" not in said


def test_a_file_may_be_one_record_whatever_its_lines(tmp_path):
    content = json.dumps(wrapped(user="user-7001"), indent=2)
    assert "dead letter: NOT_JSON" in explain(tmp_path, content)
    assert '"eventCode": "pay"' in explain(tmp_path, content, "--whole")
