"""The whole job on a real Kafka against the stand-in: nothing lost, nothing twice, the books balanced."""

from __future__ import annotations

import json
import threading

import pytest

from pipeline.errors import DestinationHalt, TooManyDeadLetters
from tests.support.jobs import wait_for


def paid(number, **more):
    return json.dumps(
        {
            "type": "paid",
            "ts": 1_700_000_000_000 + number,
            "user": f"u{number}",
            "no": f"n{number}",
            "amount": "9.90",
            **more,
        }
    ).encode()


def registered(number, phone="13800000000"):
    return json.dumps({"type": "register", "user": f"u{number}", "phone": phone}).encode()


def test_records_become_events_and_the_books_balance(source, kafka):
    made = source(partitions=3)
    values = [paid(number) for number in range(500)]
    values += [b'{"type": "heartbeat"}'] * 20 + [b"{broken"] * 5 + [paid(7), paid(8)]
    kafka.write(made.topic, values)
    total = made.run_to_end().total
    total.check()
    assert (total.read, total.reported, total.duplicate, total.filtered, total.dead_lettered) == (527, 500, 2, 20, 5)
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(500)}
    headers = [dict(record.headers) for record in kafka.read(made.dead)]
    assert [each["log2mq-reason"] for each in headers] == [b"NOT_JSON"] * 5
    assert all(record.value == b"{broken" for record in kafka.read(made.dead))


def test_a_second_run_reads_on_where_the_first_stopped(source, kafka, here):
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(50)])
    made.run_to_end()
    kafka.write(made.topic, [paid(number) for number in range(50, 80)])
    assert made.run_to_end().total.read == 30
    assert len(made.events()) == 80
    assert kafka.committed(made.group)[here(made)].offset == 80


def test_identities_reach_the_api_before_the_events_that_need_them(source, kafka, stand_in):
    order = []
    accept = stand_in.ledger.accept
    stand_in.ledger.accept = lambda kind, *rest: (order.append(kind), accept(kind, *rest))
    made = source(
        rules="""
events:
  - {event_code: register, event_time: $.ts, customer_id: $.user, out_biz_id: $.user}
users:
  - {customer_id: $.user, identities: {mobile: $.phone}}
"""
    )
    kafka.write(made.topic, [json.dumps({"ts": 1_700_000_000, "user": "u1", "phone": "+86 138 0000 0001"}).encode()])
    total = made.run_to_end().total
    assert order == ["user", "event"]
    assert (total.reported, total.events_reported, total.users_reported) == (1, 1, 1)


def test_unchanged_identities_are_reported_once_and_changed_ones_again(source, kafka, stand_in):
    made = source()
    kafka.write(made.topic, [registered(1), registered(1), registered(1, "13900000000"), registered(1), registered(2)])
    total = made.run_to_end().total
    assert (total.users_reported, total.users_duplicate) == (4, 1)
    assert stand_in.ledger.users.total() == 4


def test_unchanged_identities_are_reported_again_by_setting(source, kafka, stand_in):
    made = source(dedup={"unchanged_users": "report"})
    kafka.write(made.topic, [registered(1)] * 3)
    total = made.run_to_end().total
    assert (total.users_reported, total.users_duplicate) == (3, 0)
    made.run_to_end()
    assert stand_in.ledger.users.total() == 3  # read once, and no more for it


def test_an_outage_holds_everything_and_loses_nothing(source, kafka, stand_in):
    stand_in.set_faults({"name": "outage", "do": "unavailable"})
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(300)])
    threading.Timer(2.0, stand_in.set_faults).start()
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered) == (300, 0)
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(300)}


@pytest.mark.parametrize("fault", ["throttle", "internal_error", "garbage", "cut_before"])
def test_faults_that_pass_lose_nothing_and_dead_letter_nothing(source, kafka, stand_in, fault):
    stand_in.set_faults({"name": "some", "do": fault, "share": 0.5})
    made = source(report={"batch": "{events: 10, age: 20ms}"})
    kafka.write(made.topic, [paid(number) for number in range(200)])
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered) == (200, 0)
    assert set(made.events().values()) == {1}


def test_a_lost_answer_is_sent_again_and_counted(source, kafka, stand_in):
    stand_in.set_faults({"name": "cut", "do": "cut_after", "calls": [0, 1]})
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(30)])
    status = made.run_to_end()
    assert status.total.reported == 30
    assert status.attempts.resent_in_doubt > 0
    assert sum(made.events().values()) == 30 + status.attempts.resent_in_doubt


def test_one_bad_event_does_not_cost_the_other_99(source, kafka, stand_in):
    stand_in.set_faults({"name": "poison", "do": "refuse", "refuse": {"containing": "poison"}})
    made = source()
    kafka.write(made.topic, [paid(number, note="poison" if number == 42 else "fine") for number in range(100)])
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered, total.events_refused) == (99, 1, 1)
    assert ("pay_order", "n42") not in made.events()
    (letter,) = kafka.read(made.dead)
    headers = dict(letter.headers)
    assert json.loads(letter.value)["no"] == "n42"
    assert (headers["log2mq-reason"], headers["log2mq-stage"], headers["log2mq-offset"]) == (
        b"API_REFUSED",
        b"report",
        b"42",
    )
    assert headers["log2mq-api-code"] == b"ES0110000400"
    assert headers["log2mq-request-id"]
    assert headers["log2mq-trace-id"]


def test_the_duplicate_of_a_refused_event_is_tried_itself(source, kafka, stand_in):
    stand_in.set_faults(
        {"name": "poison", "do": "refuse", "refuse": {"containing": "poison", "error_code": "InvalidParameter"}}
    )
    made = source(report={"unknown_hold": "1s"})  # the others wait for its claim, so none gives a contrast
    kafka.write(made.topic, [paid(0), paid(1, note="poison"), paid(1), paid(1)])
    total = made.run_to_end().total
    assert made.events() == {("pay_order", "n0"): 1, ("pay_order", "n1"): 1}
    assert (total.reported, total.duplicate, total.dead_lettered) == (2, 1, 1)


def test_wrong_credentials_halt_and_commit_nothing(source, kafka, stand_in, here):
    made = source(report={"access_id": "retailadvqa-cn-other"})
    kafka.write(made.topic, [paid(1)])
    with made.job() as job, pytest.raises(DestinationHalt, match=r"ES0110000002.*report\.organization_id"):
        job.runner.run()
    assert kafka.committed(made.group)[here(made)].offset == 0
    assert kafka.read(made.dead) == []


def test_an_error_nobody_knows_halts_instead_of_emptying_the_topic(source, kafka, stand_in, here):
    stand_in.set_faults({"name": "all", "do": "refuse", "refuse": {"containing": "pay_order", "error_code": "ES0999"}})
    made = source(report={"unknown_hold": "2s"})
    kafka.write(made.topic, [paid(number) for number in range(120)])
    with made.job() as job, pytest.raises(DestinationHalt, match="ES0999"):
        job.runner.run()
    assert kafka.committed(made.group)[here(made)].offset == 0
    assert kafka.read(made.dead) == []


def test_too_many_dead_letters_stop_the_job(source, kafka):
    made = source(dead_letters={"stop_above": "5%", "window": 100})
    kafka.write(made.topic, [paid(1), *[b"{broken"] * 4, *[paid(2, ts="never")] * 40])
    with made.job() as job, pytest.raises(TooManyDeadLetters, match="6 of 100 records") as raised:
        job.runner.run()
    _, often, seldom, way_back = raised.value.lines
    assert often.startswith("refused 4 times: NOT_JSON at decode: the value is no JSON text")
    assert seldom.startswith("refused 2 times: TIME_INVALID at transform: events[0]")
    assert f"was refused is {made.topic}:0:1; correct the mapping, start the job again" in way_back


def test_a_body_over_the_gateways_limit_is_split(source, kafka, stand_in):
    object.__setattr__(stand_in.settings, "most_body_bytes", 4_000)
    made = source()
    # The messages behind the one that is too large alone give the contrast.
    kafka.write(made.topic, [paid(number, **({"note": "x" * 6_000} if number == 10 else {})) for number in range(65)])
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered) == (64, 1)
    assert dict(kafka.read(made.dead)[0].headers)["log2mq-reason"] == b"API_REFUSED"


def test_batches_keep_to_the_configured_bytes_and_an_event_too_large_alone_is_refused(source, kafka, stand_in):
    sizes = []
    accept = stand_in.ledger.accept
    stand_in.ledger.accept = lambda kind, organization, messages, *call: (
        sizes.append((len(messages), sum(len(json.dumps(each, separators=(",", ":"))) for each in messages))),
        accept(kind, organization, messages, *call),
    )
    made = source(report={"batch": "{events: 100, bytes: 2KiB, age: 50ms}"})
    kafka.write(made.topic, [paid(number) for number in range(64)] + [paid(64, note="x" * 3_000)])
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered) == (64, 1)
    assert all(size <= 2_048 for _, size in sizes)
    assert max(count for count, _ in sizes) > 5
    headers = dict(kafka.read(made.dead)[0].headers)
    assert (headers["log2mq-reason"], headers["log2mq-stage"]) == (b"EVENT_TOO_LARGE", b"check")


def test_a_record_without_a_value_is_filtered_or_dead_lettered_by_setting(source, kafka):
    made = source()
    kafka.write(made.topic, [(b"k", None), (b"k", paid(1))])
    assert made.run_to_end().total.filtered == 1
    other = source(topic=made.topic, kafka={"without_value": "dead_letter"})
    assert other.run_to_end().total.dead_lettered == 1
    assert dict(kafka.read(other.dead)[0].headers)["log2mq-reason"] == b"NO_VALUE"


def test_stopping_finishes_what_is_in_flight(source, kafka, stand_in):
    stand_in.set_faults({"name": "slow", "do": "delay", "latency": "1s"})
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(100)])
    with made.job() as job:

        def stop_at_first_call():
            wait_for(lambda: stand_in.service.faults.calls, "the first call")
            job.runner.stop()

        stopping = threading.Thread(target=stop_at_first_call)
        stopping.start()
        total = job.runner.run().total
        stopping.join()
    assert total.in_flight == 0
    assert total.reported == total.read == len(made.events())


def test_commits_wait_for_their_count_or_time_and_a_stop_commits_the_rest(source, kafka, here):
    def committed():
        return kafka.committed(made.group)[here(made)].offset

    made = source(commit={"every": "10m", "records": 100})
    kafka.write(made.topic, [paid(number) for number in range(250)])
    made.run_until(lambda: len(made.events()) == 250 and committed() >= 100)
    assert committed() == 250
    seen = []
    made = source(commit={"every": "10m"})
    kafka.write(made.topic, [paid(number) for number in range(300, 550)])
    made.run_until(lambda: len(made.events()) == 500 and (seen.append(committed()) or True))
    assert seen[0] == 0  # where the group began; looked at before the stop
    assert committed() == 250


def test_a_dead_letter_is_the_record_itself_and_tells_where_and_why(source, kafka, here):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(1)], partition=1)
    kafka.write(
        made.topic, [b"{broken 13812345678"], partition=1, key=b"k\xff", headers=[("trace", b"t\x00"), ("trace", b"")]
    )
    made.run_until(lambda: made.is_committed({here(made, 1): 2}))
    (original,) = [each for each in kafka.read(made.topic) if each.offset == 1]
    (letter,) = kafka.read(made.dead)
    assert (letter.key, letter.value) == (b"k\xff", b"{broken 13812345678")
    own = [(name, value) for name, value in letter.headers if not name.startswith("log2mq-")]
    assert own == [("trace", b"t\x00"), ("trace", b"")]
    added = {name: value.decode() for name, value in letter.headers if name.startswith("log2mq-")}
    assert int(added.pop("log2mq-refused-at")) >= original.timestamp
    assert "13812345678" not in str(added)
    assert added.pop("log2mq-reason-text")
    assert added == {
        "log2mq-source": made.name,
        "log2mq-topic": made.topic,
        "log2mq-partition": "1",
        "log2mq-offset": "1",
        "log2mq-timestamp": str(original.timestamp),
        "log2mq-stage": "decode",
        "log2mq-reason": "NOT_JSON",
    }


def test_organisation_and_workspace_go_with_every_message_as_the_model_has_them(source, kafka, stand_in):
    taken = {}
    accept = stand_in.ledger.accept
    stand_in.ledger.accept = lambda kind, organization, messages, *call: (
        taken.setdefault(kind, []).extend(messages),
        accept(kind, organization, messages, *call),
    )
    made = source(report={"workspace_id": "ws-1"})
    kafka.write(made.topic, [paid(1), registered(2, "+86 138-0000-0000")])
    made.run_to_end()
    assert taken == {
        "event": [
            {
                "organizationId": "org-0001",
                "workspaceId": "ws-1",
                "customerId": "u1",
                "eventCode": "pay_order",
                "eventTime": 1_700_000_000_001,
                "extendAttributes": {"outBizId": "n1", "amount": "9.90"},
                "v": 1,
            }
        ],
        "user": [
            {
                "organizationId": "org-0001",
                "customerId": "u2",
                "customerIdList": [{"customerId": "13800000000", "idMapping": "mobile"}],
                "v": 1,
            }
        ],
    }
