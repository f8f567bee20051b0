"""The Redis store alone: a server that stops, loses its keys, evicts, or asks for a password."""

import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import redis
from pydantic import ValidationError

from pipeline.contracts.values import ClaimResult
from pipeline.dedup import DedupSettings, open_store
from pipeline.dedup.clocks import machine_clocks
from pipeline.dedup.outage import StoreOutage
from pipeline.dedup.redis_store.server import PREFIX
from pipeline.dedup.redis_store.store import RedisStore
from pipeline.errors import ComponentMissing, StoreUnavailable, UsageError
from pipeline.setting_types.secret import Secret
from tests.support.dedup_stores import KEEP, LEASE, NOW, RedisServer, claim, told

GRANTED, HELD, DUPLICATE, REDELIVERED = ClaimResult


@pytest.fixture
def servers():
    """Start servers with the options given."""
    started = []

    def start(*options):
        started.append(RedisServer("--save", "", *options))
        return started[-1]

    yield start
    for server in started:
        server.remove()


def open_redis(url, owner="a", keep_ms=KEEP, wait=None):
    outage = StoreOutage(60_000, wait) if wait is not None else None
    return RedisStore(Secret(url), owner, keep_ms=keep_ms, lease_ms=LEASE, outage=outage)


@contextmanager
def closing(store):
    try:
        yield store
    finally:
        store.close()


@contextmanager
def client_of(server):
    client = redis.Redis.from_url(server.url)
    try:
        yield client
    finally:
        client.close()


class AnswerLoser:
    """A proxy that forwards requests. On demand it closes the connection after a request, instead of forwarding the answer."""

    def __init__(self, port):
        self._port = port
        self.to_lose = 0
        self.lost = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                with near, far, suppress(OSError):
                    self._serve(near, far)

    def _serve(self, near, far):
        while request := near.recv(1 << 16):
            far.sendall(request)
            answer = far.recv(1 << 16)
            if self.to_lose and b"EVALSHA" in request:
                self.to_lose -= 1
                self.lost += 1
                return
            near.sendall(answer)

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


@pytest.mark.parametrize("answers", [1, 7])  # the client itself tries once more, the store tries on
def test_a_claim_whose_answer_was_lost_is_still_granted_and_held_against_others(servers, answers):
    server = servers()
    proxy = AnswerLoser(server.port)
    try:
        with (
            closing(open_redis(server.url, "b")) as other,
            closing(open_redis(proxy.url, wait=lambda *_: True)) as store,
        ):
            store.claim([claim(9)])
            proxy.to_lose = answers
            assert store.claim([claim(1), claim(1), claim(2)]) == [GRANTED, HELD, GRANTED]
            assert proxy.lost == answers
            assert store.claim([claim(1)]) == [HELD]
            assert other.claim([claim(2)]) == [HELD]
    finally:
        proxy.close()


def test_a_server_that_does_not_answer_is_named_and_its_password_is_not():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # a bound port without a listener
        with pytest.raises(StoreUnavailable) as raised:
            open_redis(f"redis://:topsecret@127.0.0.1:{bound.getsockname()[1]}/0")
    assert "127.0.0.1" in str(raised.value)
    assert "topsecret" not in str(raised.value)


def test_a_server_that_goes_away_stops_the_store(servers):
    server = servers()
    with closing(open_redis(server.url)) as store:
        server.stop()
        for ask in (
            lambda: store.claim([claim(1)]),
            lambda: store.confirm([claim(1)]),
            lambda: store.release([claim(1)]),
            store.renew,
        ):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                ask()


class Restart:
    """A wait in which the server is started again, and which says what it waited for."""

    def __init__(self, server):
        self._server = server
        self.reasons = set()

    def __call__(self, reason, _pause_ms):
        if not self.reasons:
            self._server.start()
        self.reasons.add(reason)
        return True


def test_an_absence_of_the_server_is_waited_out_by_every_verb(servers):
    server = servers("--appendonly", "yes", "--appendfsync", "always")
    restart = Restart(server)
    server.stop()
    with closing(open_redis(server.url, wait=restart)) as store:
        for ask, answer in (
            (lambda: store.claim([claim(1)]), [GRANTED]),
            (lambda: store.confirm([claim(1)]), None),
            (lambda: store.look_up([claim(1)]), [REDELIVERED]),
            (lambda: store.release([claim(1)]), None),
            (store.renew, None),
        ):
            (reason,) = restart.reasons
            assert f"127.0.0.1:{server.port}/0 does not answer" in reason
            assert "trying for 60 s" in reason
            server.stop()
            restart.reasons.clear()
            assert ask() == answer


def test_a_server_that_comes_back_without_its_entries_is_noticed_after_the_wait(servers):
    server = servers()
    with closing(open_redis(server.url, wait=Restart(server))) as store:
        store.confirm([claim(1)])
        server.stop()
        with pytest.raises(StoreUnavailable, match="has lost its entries"):
            store.claim([claim(1)])


def test_a_replica_is_waited_for_until_it_is_the_primary(servers):
    server = servers()
    with client_of(server) as client:

        def promote(_reason, _pause_ms):
            client.replicaof("no", "one")
            return True

        with closing(open_redis(server.url, wait=promote)) as store:
            client.replicaof("127.0.0.1", server.port)  # of nothing that answers as a primary
            assert store.claim([claim(1)]) == [GRANTED]


def test_a_wait_that_may_not_go_on_ends_with_the_reason(servers):
    server = servers()
    with closing(open_redis(server.url, wait=lambda *_: False)) as store:
        server.stop()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.claim([claim(1)])


def test_a_server_that_lost_its_memory_is_not_taken_for_an_empty_one(servers):
    server = servers()
    with closing(open_redis(server.url)) as store:
        store.confirm([claim(1)])
        server.stop()
        server.start()
        with pytest.raises(StoreUnavailable, match="has lost its entries"):
            store.claim([claim(1)])


def test_a_flush_is_noticed_by_every_process_also_after_another_one_began_a_new_store(servers):
    server = servers()
    with closing(open_redis(server.url, "a")) as first, closing(open_redis(server.url, "b")) as second:
        first.confirm([claim(1)])
        with client_of(server) as client:
            client.flushall()
        with closing(open_redis(server.url, "c")) as newcomer:
            assert newcomer.identity.id not in {"", first.identity.id}
            for store in (second, first):
                for ask in (
                    store.renew,
                    lambda: store.claim([claim(1)]),  # noqa: B023
                    lambda: store.look_up([claim(1)]),  # noqa: B023
                    lambda: store.confirm([claim(1)]),  # noqa: B023
                    lambda: store.release([claim(1)]),  # noqa: B023
                ):
                    with pytest.raises(StoreUnavailable, match=r"has lost its entries.*--new-store"):
                        ask()
            assert newcomer.claim([claim(1)]) == [GRANTED]


def test_a_store_of_a_version_without_identities_gets_one_and_forgets_nothing(servers):
    server = servers()
    with client_of(server) as client:
        with closing(open_redis(server.url)) as store:
            store.confirm([claim(1)])
        client.delete(PREFIX + b":identity")
        with closing(open_redis(server.url)) as store:
            assert store.identity.id
            assert store.claim([claim(1)]) == [REDELIVERED]


def test_what_a_server_keeps_on_disk_outlives_its_death(servers):
    server = servers("--appendonly", "yes", "--appendfsync", "always")
    with closing(open_redis(server.url)) as store:
        store.confirm([claim(1)])
        store.sync()
        server.stop()
        server.start()
        assert store.claim([claim(1)]) == [REDELIVERED]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_may_evict_keys_is_refused(servers, policy):
    server = servers("--maxmemory", "64mb", "--maxmemory-policy", policy)
    with pytest.raises(StoreUnavailable, match="noeviction"):
        open_redis(server.url)


def test_a_server_without_a_limit_or_without_eviction_is_taken(servers):
    for options in (("--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"), ("--maxmemory", "64mb")):
        with closing(open_redis(servers(*options).url)) as store:
            assert store.claim([claim(1)]) == [GRANTED]


def test_a_full_server_refuses_rather_than_forgets(servers):
    server = servers("--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
    with closing(open_redis(server.url)) as store, pytest.raises(StoreUnavailable, match="refuses"):
        store.confirm([claim(number) for number in range(100_000)])


def test_another_format_is_refused(servers):
    server = servers()
    with client_of(server) as client:
        client.set(PREFIX + b":format", b"log2mq dedup 9")
    with pytest.raises(StoreUnavailable, match="format"):
        open_redis(server.url)


def test_a_store_of_the_former_format_is_read_and_no_version_that_knows_no_orders_opens_it_again(servers):
    server = servers()
    with client_of(server) as client:
        client.set(PREFIX + b":format", b"log2mq dedup 1")
        former = claim(1, 1, 5)
        entry = PREFIX + b":k:" + former.key
        client.set(entry, former.digest + former.origin + str(NOW + KEEP).encode(), px=KEEP)
        with closing(open_redis(server.url)) as store:
            assert client.get(PREFIX + b":format") == b"log2mq dedup 2"
            assert store.claim([former, claim(1, 1, 6, told(6))]) == [REDELIVERED, DUPLICATE]
            assert store.claim([claim(1, 2, 4, told(4))]) == [REDELIVERED]  # the log told the first one again, later
        assert 0 < client.pttl(entry) <= KEEP
        assert client.get(entry).startswith(former.digest + former.origin + str(NOW + KEEP).encode() + b"|")


def test_redis_forgets_by_itself(servers):
    server = servers()
    with closing(open_redis(server.url, keep_ms=50)) as store, client_of(server) as client:
        store.confirm([claim(number) for number in range(10)])
        deadline = time.monotonic() + 10
        while client.keys(PREFIX + b":k:*"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert store.sweep() == 0


def test_a_wrong_password_is_refused_and_the_right_one_is_taken_from_the_environment(servers):
    server = servers("--requirepass", "topsecret")
    settings = DedupSettings.model_validate({"store": "redis", "url": {"env": "STORE_URL"}})
    address = f"127.0.0.1:{server.port}/0"
    with closing(open_store(settings, "a", machine_clocks(), {"STORE_URL": f"redis://:topsecret@{address}"})) as store:
        assert store.claim([claim(1)]) == [GRANTED]
    with pytest.raises(StoreUnavailable, match="user or password") as raised:
        open_store(settings, "a", machine_clocks(), {"STORE_URL": f"redis://:othersecret@{address}"})
    assert "othersecret" not in str(raised.value)
    with pytest.raises(UsageError, match="STORE_URL"):
        open_store(settings, "a", machine_clocks(), {})


def test_the_missing_client_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    for module in ("store", "server"):
        monkeypatch.delitem(sys.modules, f"pipeline.dedup.redis_store.{module}")
    settings = DedupSettings(store="redis", url="redis://127.0.0.1:1/0")
    with pytest.raises(ComponentMissing, match=r"log2mq\[redis\]"):
        open_store(settings, "a", machine_clocks(), {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"store": "redis"}, "expected url with store: redis"),
        ({"store": "lmdb", "url": "redis://localhost"}, "expected url with store: redis"),
        ({"store": "redis", "url": "redis://:topsecret@localhost"}, "a password in the URL"),
        ({"store": "redis", "url": "redis://localhost?password=topsecret"}, "a password in the URL"),
        ({"store": "redis", "url": "http://localhost"}, "expected a URL such as redis://"),
        ({"store": "redis", "url": "redis://[::1"}, "expected a URL such as redis://"),
    ],
)
def test_a_faulty_url_is_refused_without_repeating_it(settings, message):
    with pytest.raises(ValidationError) as raised:
        DedupSettings.model_validate(settings)
    assert message in str(raised.value)
    assert "topsecret" not in str(raised.value)


def test_tls_urls_are_taken():
    assert DedupSettings(store="redis", url="rediss://host:6380/0?ssl_ca_certs=ca.pem").url is not None


def test_sync_waits_for_the_servers_disk_where_the_server_can_say(servers):
    server = servers("--appendonly", "yes", "--appendfsync", "everysec")
    with closing(open_redis(server.url)) as store, client_of(server) as client:
        store.confirm([claim(1)])
        store.sync()
        waits = client.info("commandstats").get("cmdstat_waitaof", {"calls": 0})["calls"]
        version = tuple(int(part) for part in client.info("server")["redis_version"].split("."))
        assert waits == (2 if version >= (7, 2) else 0)  # the first is the check at the start
