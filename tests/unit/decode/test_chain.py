"""The keys of a decoding step: compression, character sets, lines; and further steps, which decode a field."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline.decode import DecodeLimits, DecodeSettings, build_chain
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Skipped

LIMITS = DecodeLimits(unpacked=10_000, entries=20)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def chain(*steps, limits=LIMITS):
    return build_chain(TypeAdapter(DecodeSettings).validate_python(list(steps)), limits)


def code(answer):
    assert isinstance(answer, Refusal), answer
    return answer.code.value


# --- compression -------------------------------------------------------------------------------------------------------------

PACK = {"gzip": gzip.compress, "zstd": zstandard.compress}


@given(
    parts=st.lists(st.dictionaries(TEXT, TEXT, min_size=1), min_size=1, max_size=3),
    name=st.sampled_from(["gzip", "zstd"]),
)
def test_what_was_packed_is_read_by_its_name_or_its_first_bytes(parts, name):
    value = b"".join(PACK[name](json.dumps(each).encode()) for each in parts)
    want = parts if len(parts) > 1 else parts[0]
    assert chain({"format": "json", "compression": name})(value) == want
    assert chain({"format": "json", "compression": "auto"})(value) == want


def test_auto_takes_what_is_not_packed_as_it_is():
    assert chain({"format": "json", "compression": "auto"})(b'{"a":1}') == {"a": 1}


@given(name=st.sampled_from(["gzip", "zstd"]), data=st.data())
def test_cut_off_or_damaged_bytes_are_refused_as_such(name, data):
    value = PACK[name](json.dumps({"a": "x" * 500 + "yz" * 100}).encode())
    cut = value[: data.draw(st.integers(0, len(value) - 1))]
    assert code(chain({"format": "json", "compression": name})(cut)) == "COMPRESSION_INVALID"
    assert code(chain({"format": "json", "compression": name})(value + b"rest")) == "COMPRESSION_INVALID"


@pytest.mark.slow
@pytest.mark.parametrize("name", PACK)
def test_a_bomb_is_refused_without_being_unpacked(name):
    value = PACK[name](bytes(300 << 20))
    assert len(value) < 1 << 20
    assert code(chain({"format": "json", "compression": name})(value)) == "RECORD_TOO_LARGE"


@pytest.mark.parametrize("name", PACK)
def test_many_empty_frames_are_refused(name):
    assert code(chain({"format": "json", "compression": name})(PACK[name](b"") * 50_000)) == "RECORD_TOO_LARGE"


def test_raw_deflate_is_no_gzip():
    assert code(chain({"format": "json", "compression": "gzip"})(zlib.compress(b"{}"))) == "COMPRESSION_INVALID"


# --- character sets ----------------------------------------------------------------------------------------------------------

CHARSETS = [
    "gb18030",
    "gbk",
    "big5",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "iso-8859-1",
    "windows-1252",
    "shift_jis",
    "euc-kr",
]


@pytest.mark.parametrize("charset", CHARSETS)
@given(text=TEXT)
def test_text_in_any_charset_is_read(charset, text):
    written = text.encode(charset, "ignore")
    value = '{"a":'.encode(charset) + json.dumps(written.decode(charset), ensure_ascii=False).encode(charset, "replace")
    step = {"format": "json", "charset": charset}
    assert chain(step)('{"a":1}'.encode(charset)) == {"a": 1}
    if charset not in {
        "utf-16",
        "shift_jis",
    }:  # utf-16 writes its mark only once; shift_jis maps two codes to one character
        assert chain(step)(value + "}".encode(charset)) == {"a": written.decode(charset)}


def test_gbk_reads_what_only_gb18030_holds():
    assert chain({"format": "json", "charset": "gbk"})('{"a":"€𠮷"}'.encode("gb18030")) == {"a": "€𠮷"}


def test_wrong_bytes_are_refused_or_replaced_by_setting():
    assert code(chain({"format": "json", "charset": "gb18030"})(b'{"a":"\xff"}')) == "CHARSET_INVALID"
    assert chain({"format": "json", "charset": "gb18030", "invalid_characters": "replace"})(b'{"a":"\xff"}') == {
        "a": "�"
    }
    assert chain({"format": "json", "invalid_characters": "replace"})(b'{"a":"\xff"}') == {"a": "�"}
    assert code(chain({"format": "json"})(b'{"a":"\xff"}')) == "NOT_UTF8"


def test_text_that_grows_beyond_the_limit_in_utf8_is_refused():
    value = ('{"a":"' + "中" * 4_900 + '"}').encode("utf-16-le")
    assert len(value) < LIMITS.unpacked
    assert code(chain({"format": "json", "charset": "utf-16-le"})(value)) == "RECORD_TOO_LARGE"


# --- lines -------------------------------------------------------------------------------------------------------------------

LINES = {"format": "regex", "pattern": r"(?P<n>\d+)", "split": "lines"}


def test_each_line_is_an_entry_and_blank_ones_are_none():
    answer = chain(LINES)(b"1\r\n\n  \n2\nx\n")
    assert answer[:2] == [{"n": "1"}, {"n": "2"}]
    assert code(answer[2]) == "NO_MATCH"
    assert chain(LINES)(b"7\n") == {"n": "7"}
    assert chain(LINES)(b"\n\n") == []


def test_lines_are_bounded():
    assert code(chain(LINES)(b"1\n" * 21)) == "TOO_MANY_ENTRIES"
    assert code(chain(LINES)(b"\n" * 1_000_000)) == "TOO_MANY_ENTRIES"
    assert len(chain(LINES)(b"1\n" * 20)) == 20


# --- steps -------------------------------------------------------------------------------------------------------------------


def test_a_further_step_decodes_a_field_and_wins_over_fields_of_the_same_name():
    decode = chain("json", {"format": "json", "from": "message"})
    assert decode(b'{"host":"a","level":"outer","message":"{\\"level\\":\\"inner\\"}"}') == {
        "host": "a", "level": "inner", "message": '{"level":"inner"}',
    }  # fmt: skip


def test_a_further_step_may_put_what_it_finds_under_a_name():
    decode = chain(
        "json", {"format": "regex", "pattern": r"(?P<a>\w) (?P<b>\w)", "from": "$.log.lines[-1]", "into": "line"}
    )
    assert decode(b'{"log":{"lines":["x","1 2"]}}') == {"log": {"lines": ["x", "1 2"]}, "line": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"{}", "FIELD_MISSING"), (b'{"m":null}', "FIELD_MISSING"), (b'{"m":""}', "FIELD_MISSING"), (b'{"m":7}', "FIELD_TYPE"), (b'{"m":["{}"]}', "FIELD_TYPE"),
        (b'{"m":"{"}', "NOT_JSON"),
    ],
)  # fmt: skip
def test_a_field_that_is_not_there_or_cannot_be_decoded_is_refused_or_passed_over(fields, reason):
    answer = chain("json", {"format": "json", "from": "m"})(fields)
    assert code(answer) == reason
    assert answer.reason.startswith("m")
    assert chain("json", {"format": "json", "from": "m", "required": False})(fields) == json.loads(fields)


def test_an_object_that_stands_there_already_needs_no_decoding():
    assert chain("json", {"format": "json", "from": "m"})(b'{"m":{"a":1}}') == {"m": {"a": 1}, "a": 1}


def test_entries_multiply_and_each_keeps_what_was_around_it():
    decode = chain(
        "json",
        {"format": "json", "from": "m", "into": "e"},
        {"format": "regex", "pattern": r"(?P<n>\d)", "from": "e.t"},
    )
    answer = decode(b'[{"h":1,"m":"[{\\"t\\":\\"1\\"},{\\"t\\":\\"x\\"}]"},{"h":2,"m":"{}{"},3]')
    assert [each if isinstance(each, dict) and each.pop("m") else code(each) for each in answer] == [
        {"h": 1, "e": {"t": "1"}, "n": "1"}, "NO_MATCH", "FIELD_MISSING", "NOT_JSON", "NOT_AN_OBJECT",
    ]  # fmt: skip


def test_entries_are_bounded_over_all_steps():
    decode = chain("json", {"format": "json", "from": "m"})
    record = {"m": json.dumps([{}] * 11)}
    assert len(decode(json.dumps(record).encode())) == 11
    assert code(decode(json.dumps([record, record]).encode())) == "TOO_MANY_ENTRIES"


def test_a_refusal_names_the_field_and_never_its_content():
    answer = chain("json", {"format": "json", "from": "m"})(b'{"m":"13800001111"}')
    assert answer.code is ReasonCode.NOT_AN_OBJECT
    assert "13800001111" not in answer.reason


def test_an_object_of_an_earlier_step_is_read_by_what_reads_objects():
    event = {"op": "c", "after": {"id": 1, "at": 0}, "ts_ms": 5}
    whole = chain("json", {"format": "debezium", "from": "$", "types": {"at": "timestamp"}})
    assert whole(json.dumps(event).encode()) == {
        **event,
        "id": 1,
        "at": "1970-01-01T00:00:00",
        "debezium": {"op": "c", "ts_ms": 5},
    }
    inner = chain("json", {"format": "connect", "from": "row", "into": "row"})
    assert inner(b'{"row":{"schema":null,"payload":{"id":1}}}') == {"row": {"id": 1}}
    assert code(chain("json", {"format": "xml", "from": "row"})(b'{"row":{"id":1}}')) == "FIELD_TYPE"


def test_what_a_further_step_filters_is_no_entry():
    event = json.dumps({"op": "d", "before": {"id": 1}})
    decode = chain("json", {"format": "debezium", "from": "m"})
    assert isinstance(decode(json.dumps({"m": event}).encode()), Skipped)
    assert decode(json.dumps([{"m": event}, {"m": event.replace('"d"', '"c"')}]).encode())[0]["debezium"]["op"] == "c"
    lines = event + "\n" + event.replace('"d"', '"c"')
    assert chain({"format": "debezium", "split": "lines"})(lines.encode())["debezium"]["op"] == "c"
