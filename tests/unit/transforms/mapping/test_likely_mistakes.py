"""Mistakes that compile: each is noticed, and values that only look similar are not."""

from __future__ import annotations

import pytest

from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from transforms.mapping import MappingSettings, mistake_notes

RULE = {"event_code": "pay", "event_time": "$.ts", "customer_id": "$.user.id", "out_biz_id": "$.order.no"}


def notes(*, keys=(), users=(), tables=None, **rule):
    settings = {"events": [{**RULE, **rule}], "users": list(users), "tables": tables or {}}
    return mistake_notes(MappingSettings.model_validate(settings), keys)


@pytest.mark.parametrize("bound", ["10", "-1.5", " 7 ", "1e3"])
@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
def test_a_bound_that_is_a_number_in_quotes(operator, bound):
    for when, place in (
        ({"amount": {operator: bound}}, ("when", "amount")),
        ({"any": [{"a": 1}, {"not": {"amount": {operator: bound}}}]}, ("when", "any", 1, "not", "amount")),
    ):
        ((location, text),) = notes(when=when)
        assert location == ("events", 0, *place)
        assert f"{operator} {bound!r} compares texts" in text


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("{{ order.no }}", "{{"),
        ("no {{ $.order.no }", "{{"),
        ("{{ $.a }} {{ b }}", "{{"),
        ("no $.order.no }}", "$.o"),
        ("order $.order.no", "$.o"),
        ("{{ $.order.no }}-$.line", "$.l"),
        ("{{ $.order.no }}", ""),
        ("$.order.no | replace('{{', '')", ""),
        ("for US$.50", ""),
        ("from $9.90", ""),
        ("$$.90", ""),
    ],
)
def test_an_expression_outside_its_braces_or_without_its_beginning(written, found):
    said = notes(attributes={"a": written})
    assert len(said) == bool(found)
    for location, text in said:
        assert location == ("events", 0, "attributes", "a")
        assert text.startswith(f"is reported with {found!r} in it")


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ("$.user.id", "$.user.id"),
        (["a", "$.b"], "$.b"),
        ({"ne": "@key"}, "@key"),
        ({"prefix": "$item.a"}, "$item.a"),
        ("$9.90", ""),
        ("@zhang", ""),
        ("$", ""),
    ],
)
def test_a_path_that_a_field_is_compared_with(condition, path):
    said = notes(when={"all": [{"owner": condition}]})
    assert len(said) == bool(path)
    for location, text in said:
        assert location == ("events", 0, "when", "all", 0, "owner")
        assert text == f"compares with the text {path!r} itself: a field is not compared with another"


@pytest.mark.parametrize("condition", [{"gt": 10}, {"ge": "2026-11-11"}, {"prefix": "10"}, "10", ["10"], {"ne": "10"}])
def test_other_texts_and_numbers_are_no_slip(condition):
    assert notes(when={"amount": condition}) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("order.no", "$.order.no"),
        (".order.items[0].title", "$.order.items[0].title"),
        ("type.name", "$.type.name"),
        ("order", ""),
        ("www.example.com", ""),
        ("order.no!", ""),
        ("8.12.0", ""),
        ("{{ $.order.no }}", ""),
        (7, ""),
    ],
)
def test_a_path_without_its_beginning(written, meant):
    found = notes(attributes={"a": written}, when={"any": [{"type": "x"}]})
    assert len(found) == bool(meant)
    for location, text in found:
        assert location == ("events", 0, "attributes", "a")
        assert text == f"is the text {written!r} itself: the field is {meant}"


def test_a_table_or_key_that_nothing_names():
    used = {
        "attributes": {"a": "x{{ $.a | lookup('t') | trim }}"},
        "out_biz_id": ["$.a", {"first_of": ["$.b", "$.c"], "then": "trim | hmac('k')"}],
    }
    tables = {"t": {"1": "a"}, "u": {}}
    assert [each.location for each in notes(**used, keys=["k", "l"], tables=tables)] == [("tables", "u"), ("keys", "l")]
    by_users = [
        {"for_each": "$.g", "customer_id": "$item.a | lookup('u')", "identities": {"oneid": "$item | hmac('l')"}}
    ]
    assert notes(**used, keys=["k", "l"], tables=tables, users=by_users) == []


def test_check_says_them_with_their_lines(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    path = tmp_path / "shop.yaml"
    path.write_text(
        "source: s\nkafka: {bootstrap_servers: 'localhost:9092', topics: [t]}\ndecode: json\n"
        "fragments:\n  all: {when: {type: a}}\n  none: {when: {type: b}}\n"
        "table_files:\n  t: {file: t.csv}\nkeys:\n  k: {env: K}\n"
        "events:\n  - use: all\n    event_code: a\n    event_time: $.ts\n    customer_id: $.u\n    out_biz_id: $.n\n"
        "    when: {n: {gt: '5'}}\n"
        "report: {region: cn-shanghai, organization_id: o, access_id: a}\n",
        encoding="utf-8",
    )
    said = [each.removeprefix(f"{tmp_path}/") for each in warnings(load_source(path, {}))]
    assert [each.split(": ")[:2] for each in said] == [
        ["shop.yaml:17", "events[0].when.n"],
        ["shop.yaml:6", "fragments.none"],
        ["shop.yaml:10", "keys.k"],
        ["shop.yaml:8", "table_files.t"],
    ]
