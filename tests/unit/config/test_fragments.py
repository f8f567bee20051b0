"""Fragments: a rule that uses them equals the rule written out, and a fault in a fragment is reported at its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.fragments import expand_fragments
from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.errors import UsageError

GOOD = """\
source: shop-app
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-app-log]}
decode: json
fragments:
  app:
    when: {env: live}
    event_source_code: shop-app
    event_time: $.ts
    customer_id: $.user.id
    identities: {mobile: $.user.phone}
    attributes: {os: $.os, level: $.level}
  order:
    when: {order.no: {exists: true}}
    out_biz_id: $.order.no
    attributes: {amount: $.order.amount}
events:
  - use: [app, order]
    when: {type: paid}
    event_code: pay_order
    attributes: {level: $.user.level}
users:
  - use: app
    when: {type: register}
report: {region: cn-shanghai, organization_id: org-0001, access_id: retailadvqa-cn-test}
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "shop.yaml"
        path.write_text(text, encoding="utf-8")
        return load_source(path, {})

    return load


def test_a_rule_is_what_its_fragments_and_itself_say(load):
    source = load(GOOD)
    (event,), (user,) = source.events, source.users
    assert event.when == {"env": "live", "order.no": {"exists": True}, "type": "paid"}
    assert (event.event_code, event.event_source_code, event.out_biz_id) == ("pay_order", "shop-app", "$.order.no")
    assert event.attributes == {"os": "$.os", "level": "$.user.level", "amount": "$.order.amount"}
    assert user.when == {"env": "live", "type": "register"}
    assert (user.customer_id, [*user.identities.values()]) == ("$.user.id", ["$.user.phone"])


def test_conditions_on_the_same_field_must_all_hold(load):
    (event,) = load(GOOD.replace("{type: paid}", "{env: [live, test]}")).events
    assert event.when == {"all": [{"env": "live"}, {"order.no": {"exists": True}}, {"env": ["live", "test"]}]}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("event_time: $.ts", "event_time: $.ts | tme", "shop.yaml:8: fragments.app.event_time: found unknown function 'tme'; expected 'time'"),
        ("event_time: $.ts", "event_tme: $.ts", "shop.yaml:8: fragments.app.event_tme: found unknown key 'event_tme'; did you mean 'event_time'?"),
        ("os: $.os", "os: $.a..b", "shop.yaml:11: fragments.app.attributes.os: found '$.a..b', which is no path"),
        ("{env: live}", "{env: {gtt: 1}}", "shop.yaml:6: fragments.app.when.env"),
        ("{type: paid}", "{type: {gtt: 1}}", "shop.yaml:18: events[0].when.type"),
        ("{type: paid}", "{env: {gtt: 1}}", "shop.yaml:18: events[0].when.env"),
        ("use: app", "use: ap", "shop.yaml:22: users[0].use: found unknown fragment 'ap'; did you mean 'app'?"),
        ("event_source_code: shop-app", "use: order", "shop.yaml:7: fragments.app.use: found `use` in a fragment; expected it in rules, which may name several: use: [a, b]"),
        ("use: app", "use: {a: b}", "shop.yaml:22: users[0].use: found neither a name nor a list of names; expected the name of a fragment"),
        ("use: app", "use: []", "shop.yaml:22: users[0].use: found neither a name nor a list of names"),
        ("mobile: $.user.phone", "mobil: $.user.phone", "shop.yaml:10: fragments.app.identities.mobil"),
    ],
)  # fmt: skip
def test_a_fault_is_said_where_it_stands(load, old, new, says):
    assert old in GOOD
    with pytest.raises(UsageError) as error:
        load(GOOD.replace(old, new, 1))
    assert says in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["app", "$.a", "use", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["use", "when", "attributes", "app", "event_code"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_whatever_is_written_there_is_an_answer(fragments, events, users):
    content = {"fragments": fragments, "events": events, "users": users}
    faults = []
    whole, origins = expand_fragments(content, faults)
    if isinstance(fragments, dict):
        assert whole["fragments"].keys() == fragments.keys()
        assert not any(isinstance(each, dict) and "use" in each for each in whole["fragments"].values())
    else:
        assert whole["fragments"] == fragments
    for kind in ("events", "users"):
        if isinstance(content[kind], list):
            assert not any(isinstance(rule, dict) and "use" in rule for rule in whole[kind])
    assert all(len(location) >= 3 for location in origins)
    assert all(len(fault) == 3 for fault in faults)


def test_fragments_do_not_name_each_other_not_even_in_a_circle(load):
    circle = GOOD.replace("    when: {env: live}\n", "    use: order\n").replace(
        "    out_biz_id", "    use: app\n    out_biz_id"
    )
    with pytest.raises(UsageError) as error:
        load(circle)
    assert [line.partition(": found")[0].rpartition(": ")[2] for line in str(error.value).split("\n")] == [
        "fragments.app.use",
        "fragments.order.use",
    ]


def test_a_warning_about_a_fragment_names_the_rule_that_uses_it(load):
    said = warnings(load(GOOD.replace("level: $.level", "tel: $.phone")))
    assert any(
        "shop.yaml:11: fragments.app.attributes.tel: in events[0]: is $.phone, a mobile number" in each for each in said
    )
