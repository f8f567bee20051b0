"""Malformed records for every decoder and the mapping: `make fuzz`.

libFuzzer, called through atheris, makes the records: it changes good ones, keeps those that reach new code, and changes them further. Each
record must give messages, a filter or a refusal. There must be no exception, no more than 100 ms of CPU time, and no memory kept.

    python tests/fuzz/run.py [--runs 1000000] [--seed 1] [--folder .fuzz]

A good run ends with exit code 0 and a closing line. Otherwise the wrong result is printed, and its input is `crash-...` in the folder.
libFuzzer writes its own output to standard error.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import atheris
from ruamel.yaml import YAML

TIMED = "--time" in sys.argv

with (
    nullcontext()
    if TIMED
    else atheris.instrument_imports(include=["pipeline.decode", "pipeline.job.converter", "transforms", "schemas"])
):
    from pipeline.decode import DECODERS, DecodeLimits, DecodeStep, build_chain

    for kind in DECODERS.values():
        assert kind.build  # the first read of `build` imports the format's module: here, under instrumentation
    from pipeline.job.converter import Converter, Identity
    from schemas.log import RawRecord
    from transforms.mapping import MappingSettings, compile_mapping
    from transforms.mapping.functions import FUNCTIONS

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.decoders import CONTEXT, GOOD, OPTIONS

SLOWEST_S = 0.1
MOST_GROWTH_BYTES = 96 << 20
"""It is more than libFuzzer keeps of a million runs (its corpus and counters), and less than a leak of 100 bytes a record."""
LONG_BYTES = 16_000
WARM_UP = 0.25
PREFIX = 2

ARGUMENTS = {"text": "'a'", "integer": "2", "number": "100", "any": "'x'", "table": "'t'", "key": "'k'"}
STEPS = {
    "json, json": [{"format": "json", "split": "lines"}, {"format": "json", "from": "message", "required": False}],
    "json, logfmt": ["json", {"format": "logfmt", "from": "message", "into": "inner"}],
    "avro, debezium": [{"format": "avro", **OPTIONS["avro"]}, {"format": "debezium", "from": "$", "required": False}],
    "zstd or gzip": [{"format": "json", "compression": "auto", "charset": "gb18030", "invalid_characters": "replace"}],
    "nginx, json": [{"format": "nginx", "escape": "json", "log_format": '$msec|"$http_x_a" "$upstream_addr" $http_x_forwarded_for $scheme$request_uri$is_args$args $content_length'}],
    "apache, proxy": [{"format": "apache", "log_format": '%{X-Forwarded-For}i %l %u %t "%r" %>s %b %{usec}t %U%q', "user_agent": True}],
    "grok, programs": [{"format": "grok", "pattern": ["%{HAPROXYHTTP}", "%{CATALINALOG}", "%{RAILS3}", "%{COMBINEDAPACHELOG}", "%{SYSLOG5424LINE}", "%{IP:[a][b]} %{INT:n:int} %{NUMBER:f:float}"]}],
    "java, another": [{"format": "java", "layout": "%d{EEE, dd MMM yyyy HH:mm:ss Z} %5p [%X{a}] %notEmpty{[%marker] }%c %x - %m", "time_zone": "America/New_York"}],
    "csv, escape": [{"format": "csv", "columns": ["a", None, "b"], "escape": "\\", "null_text": "\\N", "ragged": True}],
    "avro, container": [{"format": "avro", "encoding": "container"}],
}  # fmt: skip
RECORDS = {
    "json, json": b'{"message":"{\\"a\\":1}"}\n{"a":"b","ts":1794326400}\n',
    "json, logfmt": b'{"message":"at=info msg=\\"a b\\" n=7","ts":1794326400}',
    "avro, debezium": GOOD["avro"],
    "zstd or gzip": b'{"a":"\xc4\xe3\xba\xc3"}',
    "nginx, json": b'1714528800.123|"say \\"hi\\"" "1.2.3.4:80, 5.6.7.8:80" 1.1.1.1, 2.2.2.2 https/a%20b?c=d ',
    "apache, proxy": b'1.1.1.1, 2.2.2.2 - - [01/May/2024:10:00:00 +0800] "GET /a\\"b HTTP/1.1" 200 - 1714528800123999 /a?b=c',
    "grok, programs": b'Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"',
    "java, another": b"Wed, 01 May 2024 10:00:00 +0800  INFO [x] [PAID] c.e.Order a b - paid\njava.io.IOException: x\n\tat a.B.c(D.java:1)",
    "csv, escape": b'x,\\N,"a \\"b\\""\r\n1,2\n',
    "avro, container": b'Obj\x01\x02\x16avro.schema\x0c"null"\x00' + b"s" * 16 + b"\x02\x00" + b"s" * 16,
}  # fmt: skip
FIELDS = b'{"a":"2026-11-11 00:00:00","b":{"c":[1,2.5,"x"]},"ts":1794326400123,"user":{"id":"u","phone":"13800000000","mail":"a@b.cn"},"no":17}'
CONDITIONS = [
    {"a": {"gt": 3, "le": 10.5}},
    {"a": {"matches": "^[a-z]+\\d*$"}},
    {"any": [{"a": ["x", 1, True]}, {"b.c": {"contains": "x"}}, {"not": {"a": {"prefix": "2"}}}]},
]


def mappings():
    """Yield one mapping for each function and each kind of condition: in one mapping for all, the first refusal would hide the rest."""
    base = {
        "event_code": "$.type | default('e')",
        "event_time": "$.ts",
        "customer_id": "$.user.id",
        "out_biz_id": ["$.no", {"first_of": ["$.a", "x"], "then": "trim | truncate(5)"}],
        "identities": {"mobile": "$.user.phone", "email": "$.user.mail"},
    }
    for name, function in FUNCTIONS.items():
        given = ", ".join(ARGUMENTS[kind] for kind in function.arguments if not kind.endswith("?"))
        call = {"time": "time('%Y-%m-%d %H:%M:%S')", "identity": "identity('mobile')"}.get(name, f"{name}({given})")
        yield {
            **base,
            "attributes": {"all": f"$.a | {call}", "each": f"$.b.c | {call}", "text": f"<{{{{ $.b.c[*] | {call} }}}}>"},
        }
    for when in CONDITIONS:
        yield {
            **base,
            "when": when,
            "for_each": "$.b.c",
            "out_biz_id": "{{ $.no }}-{{ $index }}",
            "attributes": {"item": "$item"},
        }


def converters():
    """Yield the name, the converter and a good record of each target: decoders with a mapping, chains of steps, and mappings of plain JSON."""
    identity, limits = Identity("org"), DecodeLimits(entries=150)  # many small entries take long, each a little

    def build(steps, rule):
        settings = {"events": [rule], "tables": {"t": {"a": 1}}, "identities": {"impossible": "leave_out"}}
        chain = build_chain(
            [DecodeStep.model_validate({"format": each} if isinstance(each, str) else each) for each in steps],
            limits,
            CONTEXT,
        )
        return Converter(chain, compile_mapping(MappingSettings.model_validate(settings), {"k": b"secret"}), identity)

    plain = {
        "event_code": "e",
        "event_time": "@timestamp",
        "customer_id": "@topic",
        "out_biz_id": {"content": "all"},
        "attributes": {"all": "$"},
    }
    for name in DECODERS:
        yield name, build([{"format": name, **OPTIONS[name]}], plain), GOOD[name]
    for name, steps in STEPS.items():
        yield name, build(steps, plain), RECORDS[name]
    for place, rule in enumerate(mappings()):
        yield f"mapping {place}", build(["json"], rule), FIELDS


def examples(name):
    """Yield the records of a golden file, for whatever options each is meant."""
    path = Path(__file__).parents[1] / "golden" / f"{name}.yaml"
    for case in (
        YAML(typ="safe").load(path.read_text(encoding="utf-8").replace("!decimal ", "")) if path.exists() else ()
    ):
        yield bytes.fromhex(case["hex"]) if "hex" in case else case["input"].encode()


def memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


class Fuzz:
    """Converts one input after the other, and checks the results."""

    def __init__(self, runs: int) -> None:
        self.targets = list(converters())
        self.runs = runs
        self.calls = 0
        self.done = 0
        self.slowest = (0.0, "")
        self.warm_bytes = 0

    def __call__(self, fuzzed: bytes) -> None:
        """Convert an input. Its first byte selects the target, its second whether the rest is repeated until it is long, to find quadratic code."""
        self.calls += 1
        if len(fuzzed) > PREFIX:
            self._answer(fuzzed)
        if self.calls == int(self.runs * WARM_UP):
            self.warm_bytes = memory_bytes()
        if self.calls == self.runs:
            self._close()  # libFuzzer ends the process itself, and Python runs no code after that

    def _answer(self, fuzzed: bytes) -> None:
        name, converter, record = self._target(fuzzed)
        begun = time.thread_time()
        try:
            answer = converter(record)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            self._fail(f"{name} raised an exception")
        took = time.thread_time() - begun
        if took > SLOWEST_S:
            took = without_instruments_s(fuzzed)
        self.slowest = max(self.slowest, (took, name))
        if took > SLOWEST_S:
            self._fail(f"{name} took {took * 1000:.0f} ms for {len(record.value)} bytes")
        if answer.pending is not None or not (answer.messages or answer.filtered or answer.refusal):
            self._fail(f"{name} answered {answer!r}")
        self.done += 1

    @staticmethod
    def _fail(why: str) -> NoReturn:
        print(f"fuzz: {why}", flush=True)
        raise AssertionError(why)

    def _target(self, fuzzed: bytes) -> tuple[str, Converter, RawRecord]:
        name, converter, _ = self.targets[fuzzed[0] % len(self.targets)]
        value = fuzzed[PREFIX:]
        if fuzzed[1] % 16 == 0:
            value *= LONG_BYTES // len(value)
        return name, converter, RawRecord("log", 0, self.done, 1_794_326_400_000, None, value)

    def fastest_s(self, fuzzed: bytes) -> float:
        """Convert an input five times, and return the least time, in seconds: garbage collection and other programs slow one run, slow code all."""
        _, converter, record = self._target(fuzzed)
        times = []
        for _ in range(5):
            begun = time.thread_time()
            converter(record)
            times.append(time.thread_time() - begun)
        return min(times)

    def _close(self) -> None:
        growth = memory_bytes() - self.warm_bytes if self.warm_bytes else 0
        print(
            f"fuzz: {self.done:,} records over {len(self.targets)} decoders and mappings, the slowest {self.slowest[0] * 1000:.1f} ms "
            f"({self.slowest[1]}), {growth / (1 << 20):.1f} MiB more memory since the first quarter",
            flush=True,
        )
        if growth > MOST_GROWTH_BYTES:
            self._fail(f"memory grew by more than {MOST_GROWTH_BYTES >> 20} MiB")


def without_instruments_s(fuzzed: bytes) -> float:
    """Return the time that an input takes without instrumentation, in seconds, in a process of its own. Instrumented code is about ten times slower."""
    command = [sys.executable, __file__, "--time"]
    return float(subprocess.run(command, input=fuzzed, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    """Run, and end with exit code 0, or with libFuzzer's own exit code on a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"))
    parser.add_argument("--time", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    fuzz = Fuzz(arguments.runs)
    if TIMED:
        print(fuzz.fastest_s(sys.stdin.buffer.read()))
        return
    arguments.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for place, (name, _, good) in enumerate(fuzz.targets):
            for number, example in enumerate(examples(name)):
                (Path(corpus) / f"example-{place:03}-{number:03}").write_bytes(bytes([place, 1]) + example)
            (Path(corpus) / f"seed-{place:03}").write_bytes(bytes([place, 1]) + good)
            (Path(corpus) / f"long-{place:03}").write_bytes(bytes([place, 0]) + good)
        options = [
            f"-runs={arguments.runs}",
            f"-seed={arguments.seed}",
            f"-artifact_prefix={arguments.folder}/",
            "-max_len=1500",
            "-len_control=0",
            "-rss_limit_mb=3000",
            "-timeout=20",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
