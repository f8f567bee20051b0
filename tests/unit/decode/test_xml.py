from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal

decode = build_decoder("xml", {}, DecodeLimits())

NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,8}\Z")
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=10
).filter(lambda text: text.strip() == text)


def refused(text, decoder=decode):
    answer = decoder(text if isinstance(text, bytes) else text.encode())
    assert isinstance(answer, Refusal)
    return answer.code


@given(fields=st.dictionaries(NAMES, TEXTS, min_size=1, max_size=4), plain=st.booleans())
def test_children_with_text_are_read_back(fields, plain):
    children = "".join(
        f"<{name}>{escape(text) if plain or ']]>' in text else f'<![CDATA[{text}]]>'}</{name}>"
        for name, text in fields.items()
    )
    assert decode(f"<xml>{children}</xml>".encode()) == fields


def test_attributes_lists_objects_and_text_beside_them():
    text = '<order id="7"><item sku="a">1</item><item sku="b"/><buyer><name>张三</name></buyer>note</order>'
    fields = {
        "@id": "7",
        "item": [{"@sku": "a", "#text": "1"}, {"@sku": "b"}],
        "buyer": {"name": "张三"},
        "#text": "note",
    }
    assert decode(text.encode()) == fields
    assert build_decoder("xml", {"keep_root": True}, DecodeLimits())(text.encode()) == {"order": fields}


def test_text_alone_and_nothing_at_all():
    assert decode(b"<a>x</a>") == {"#text": "x"}
    assert decode(b"<a/>") == {}


def test_a_declared_character_set_does_not_count_since_the_text_is_utf8_by_then():
    step = '<?xml version="1.0" encoding="gb2312"?><a><b>付款</b></a>'
    assert decode(step.encode()) == {"b": "付款"}


@pytest.mark.parametrize(
    "text",
    ["", "hello", "<a>", "<a></b>", "<a/><b/>", "<a>&nbsp;</a>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', '<!DOCTYPE a SYSTEM "file:///etc/passwd" [<!ENTITY % b SYSTEM "x">%b;]><a/>', "{}"],
)  # fmt: skip
def test_what_is_no_xml_or_declares_entities_is_refused(text):
    assert refused(text) is ReasonCode.NOT_XML


def test_depth_is_bounded():
    assert refused(b"<a>" * 65 + b"</a>" * 65) is ReasonCode.TOO_DEEP
    assert not isinstance(decode(b"<a>" * 60 + b"</a>" * 60), Refusal)
