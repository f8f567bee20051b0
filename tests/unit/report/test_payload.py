"""The fast encoding and the fast string to sign equal the simple ones."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.report.payload import LIST_FIELDS, encode_bytes, form_body, json_array, string_to_sign
from pipeline.report.signing import percent_encode, string_to_sign_v2
from transforms.base import Kind

TEXT = st.text(alphabet=st.characters(codec="utf-8"))
EVERY_BYTE = "".join(map(chr, range(128))) + "".join(chr(0x4E00 + 61 * n) for n in range(200))


@given(st.one_of(TEXT, TEXT.map(EVERY_BYTE.__add__)))
@example("%25%")
@example(EVERY_BYTE + r"\xe7\X41\\X")
def test_fast_encoding_equals_the_plain_one(text):
    assert encode_bytes(text.encode()).decode() == percent_encode(text)


@given(
    kind=st.sampled_from(Kind),
    messages=st.lists(TEXT.map(str.encode), max_size=5),
    query=st.dictionaries(st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True), TEXT, max_size=6),
)
def test_fast_string_to_sign_equals_the_plain_one(kind, messages, query):
    query.pop(LIST_FIELDS[kind], None)
    array = json_array(messages)
    plain = string_to_sign_v2("POST", query | {LIST_FIELDS[kind]: array.decode()})
    encoded = {name: percent_encode(value) for name, value in query.items()}
    assert string_to_sign(kind, encode_bytes(array), encoded) == plain.encode()


@pytest.mark.parametrize("kind", Kind)
@given(messages=st.lists(TEXT.map(str.encode), min_size=1, max_size=5))
def test_a_form_decoder_reads_the_body_back(kind, messages):
    array = json_array(messages)
    body = form_body(kind, encode_bytes(array))
    assert parse_qsl(body.decode(), strict_parsing=True) == [(LIST_FIELDS[kind], array.decode())]
