"""Identifiers in attributes are noticed by path and by name, but not where they are hashed or where a name is only similar."""

from __future__ import annotations

import pytest

from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from transforms.mapping import MappingSettings, personal_notes

RULE = {"event_code": "pay", "event_time": "$.ts", "customer_id": "$.user", "out_biz_id": "$.no"}


def notes(attributes=(), users=(), **rule):
    settings = {"events": [{**RULE, **rule, "attributes": dict(attributes)}], "users": list(users)}
    return personal_notes(MappingSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("$.phone", "a mobile number"),
        ("$.user.userPhone | trim", "a mobile number"),
        ("$.user.mobile_no", "a mobile number"),
        ("$.contacts[0].MOBILE", "a mobile number"),
        ("$['手机号']", "a mobile number"),
        ("tel {{ $.order.phone_number }}", "a mobile number"),
        ("$.user.eMail | lower", "an e-mail address"),
        ("$.user.email | lower", "an e-mail address"),
        ("$.user.emailAddress", "an e-mail address"),
        ("$item.mail", "an e-mail address"),
        ("@headers.email", "an e-mail address"),
        ("$.联系电话", "a mobile number"),
        ("$.user.手机号码", "a mobile number"),
        ("$.电子邮箱", "an e-mail address"),
        ("$.contact_tel", "a mobile number"),
        ("$.mobiles | join(',')", "a mobile number"),
        ("$.phone | replace('|hash', '')", "a mobile number"),
        ("$.手机型号", ""),
        ("$.mailNo", ""),
        ("$.mail_no", ""),
        ("$.mail_addr", "an e-mail address"),
        ("$.telNo", "a mobile number"),
        ("$.phones | length", ""),
        ("$.phone | hmac('k')", ""),
        ("$.phone | trim | sha256", ""),
        ("$.phone_model", ""),
        ("$.headphone", ""),
        ("$.mailing.status", ""),
        ("@topic", ""),
        ("phone", ""),
        ("$.a..b", ""),
    ],
)
def test_a_field_is_known_by_its_last_name(path, what):
    found = notes({"a": path})
    assert len(found) == bool(what)
    if what:
        ((location, text),) = found
        assert location == ("events", 0, "attributes", "a")
        assert what in text


def test_functions_behind_the_first_of_several_count():
    assert not notes({"who": {"first_of": ["$.phone", "$.tel"], "then": "trim | hmac('k')"}})
    assert len(notes({"who": {"first_of": ["$.phone", "$.x"], "then": "trim"}})) == 1


def test_a_path_that_is_an_identity_anywhere_is_one_here():
    users = [{"customer_id": "$.user", "identities": {"open_id": "$.wx | trim"}}]
    ((location, text),) = notes({"channel": "$.c", "who": {"first_of": ["$.x", "$.wx"]}}, users)
    assert location == ("events", 0, "attributes", "who")
    assert "$.wx, the open_id of a customer" in text
    assert not notes({"who": "$.wx | hash"}, users)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("$['user']['wx']", "is $['user']['wx'], the open_id of a customer"),
        ("$.user", "is $.user, which holds $.user.wx, the open_id of a customer: name the fields"),
        ("$ | string", "is $, which holds $.user.wx, the open_id of a customer"),
        ("$.user | length", ""),
        ("$.user.w", ""),
        ("$.guests", "is $.guests, which holds $item['i|d'], the oneid of a customer"),
        ("$.guests[0]", "is $.guests[0], which holds $item['i|d']"),
        ("$.guests[*]['i|d'] | join(',')", "is $.guests[*]['i|d'], the oneid of a customer"),
    ],
)
def test_an_identity_is_known_however_its_path_is_written_and_in_what_holds_it(path, said):
    users = [
        {"customer_id": "$.user.id", "identities": {"open_id": "$.user.wx | trim"}},
        {"for_each": "$.guests", "customer_id": "$item.id", "identities": {"oneid": "$item['i|d']"}},
    ]
    found = notes({"a": path}, users)
    assert len(found) == bool(said)
    assert all(note.text.startswith(said) for note in found)


def test_a_business_id_is_sent_as_it_is_unless_it_is_a_list():
    ((location, _),) = notes(out_biz_id="{{ $.phone }}-{{ $.day }}")
    assert location == ("events", 0, "out_biz_id")
    assert not notes(out_biz_id=["$.phone", "$.day"])
    assert not notes(out_biz_id={"content": "all"})


def test_check_says_so(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(
        "source: s\nkafka: {bootstrap_servers: 'localhost:9092', topics: [t]}\ndecode: json\n"
        "events: [{event_code: a, event_time: $.ts, customer_id: $.u, out_biz_id: $.n, attributes: {tel: $.phone}}]\n"
        "report: {region: cn-shanghai, organization_id: o, access_id: a}\n",
        encoding="utf-8",
    )
    assert any(
        "events[0].attributes.tel: is $.phone, a mobile number" in each for each in warnings(load_source(path, {}))
    )
