"""One good record of each format, and the options its decoder needs for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.decode import DecodeContext

CONTEXT = DecodeContext(Path(__file__).parent / "avro")
OPTIONS: dict[str, dict[str, Any]] = {
    "json": {},
    "nginx": {},
    "apache": {},
    "regex": {"pattern": r"(?P<word>\w+) (?P<rest>.*)"},
    "grok": {"pattern": "%{WORD:word} %{GREEDYDATA:rest}"},
    "logfmt": {},
    "key_value": {"pair_separator": "|", "key_separator": ":"},
    "csv": {"columns": ["type", "name", None, "amount"]},
    "tsv": {"columns": ["type", "name"]},
    "syslog": {},
    "java": {},
    "xml": {},
    "connect": {"types": {"day": "date", "amount": "decimal(2)"}},
    "debezium": {"operations": ["c", "u", "d", "r"], "types": {"at": "micro_timestamp"}},
    "avro": {"schema_file": "order.avsc", "encoding": "plain"},
}
GOOD = {
    "json": '{"type":"付款","n":1}'.encode(),
    "nginx": '1.2.3.4 - 张三 [01/May/2024:10:00:00 +0800] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl"'.encode(),
    "apache": b'127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "-" "-"',
    "regex": "hello 世界".encode(),
    "grok": "hello 世界".encode(),
    "logfmt": 'level=info msg="付款 \\"1\\"" cached'.encode(),
    "key_value": 'type: 付款 |note:"a|b"|flag'.encode(),
    "csv": 'paid,"张三, 上海",x,12.50'.encode(),
    "tsv": "paid\t张三".encode(),
    "syslog": '<165>1 2024-05-01T10:00:00.003Z pos-1 till 7 PAID [sale@1 no="1"] 付款成功'.encode(),
    "java": "2024-05-01T10:00:00.123+08:00  INFO 12345 --- [shop] [exec-1] c.e.Order : 付款\njava.io.IOException: 磁盘\n\tat a.B.c(D.java:1)".encode(),
    "connect": '{"schema":{"type":"struct","fields":[{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","field":"at"}]},"payload":{"at":1714528800000,"day":19844,"amount":"BOI=","name":"付款"}}'.encode(),
    "debezium": '{"op":"u","ts_ms":1714528800000,"before":{"no":1},"after":{"no":1,"at":1714528800000000,"name":"付款"},"source":{"table":"orders"}}'.encode(),
    "xml": "<xml><FromUserName><![CDATA[o张三]]></FromUserName><CreateTime>1714528800</CreateTime></xml>".encode(),
    "avro": b"\x36\x04\x04\x06\x0a\x00\x1c" + "付款成功".encode() + b"ok",
}
