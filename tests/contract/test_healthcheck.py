"""The call that proves credentials and endpoint, over real HTTP: to the stand-in with both signatures, and to servers with other answers."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.errors import DestinationHalt
from pipeline.report.client import ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.healthcheck import MOST_WAIT_MS, check_health
from pipeline.report.settings import ReportSettings
from schemas.result import workspaces_of

ENVIRONMENT = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}
SIGNATURES = pytest.mark.parametrize("signature", ["v2", "acs3"])


def asked(url, environment=ENVIRONMENT, waits=None, **changed):
    written = {"endpoint": url, "organization_id": "org-0001", "access_id": "retailadvqa-cn-test", **changed}
    client = ReporterClient(ReportSettings.model_validate(written), CredentialsSource(None, environment))
    try:
        return check_health(client, (waits if waits is not None else []).append)
    finally:
        client.close()


@SIGNATURES
def test_the_stand_in_lists_its_workspace_and_takes_no_event(stand_in, signature):
    assert asked(stand_in.url, signature=signature).workspaces == {"ws-0001": "stand-in"}
    assert stand_in.ledger.events.total() == stand_in.ledger.users.total() == 0


@SIGNATURES
def test_a_security_token_goes_with_it(signature):
    with StandIn(StandInSettings(security_token="sts+token/==")) as stand_in:
        token = {"SCA_STS_TOKEN": "sts+token/=="}
        assert asked(stand_in.url, ENVIRONMENT | token, signature=signature).workspaces
        with pytest.raises(DestinationHalt, match="MissingSecurityToken"):
            asked(stand_in.url, signature=signature)


@SIGNATURES
@pytest.mark.parametrize(
    ("environment", "changed", "says"),
    [
        ({"SCA_AK_ENV": "another"}, {}, "InvalidAccessKeyId.NotFound: the AccessKey, its secret or its security token is wrong"),
        ({"SCA_SK_ENV": "another"}, {}, "SignatureDoesNotMatch: the AccessKey secret is wrong"),
        ({}, {"organization_id": "org-0002"}, "InvalidTenantId.NotFound: organisation, instance and account do not belong together"),
        ({}, {"access_id": "another"}, "InvalidAccessId.NotFound: organisation, instance and account do not belong together"),
    ],
)  # fmt: skip
def test_what_no_job_could_report_with_is_an_error(stand_in, signature, environment, changed, says):
    with pytest.raises(DestinationHalt) as halted:
        asked(stand_in.url, ENVIRONMENT | environment, signature=signature, **changed)
    assert str(halted.value).startswith(says)
    assert "(request " in str(halted.value)
    assert "another" not in str(halted.value)


@SIGNATURES
def test_a_wrong_clock_is_an_error(stand_in, signature):
    stand_in.service.clock_offset_s = 1_000.0
    with pytest.raises(
        DestinationHalt,
        match=r"InvalidTimeStamp\.Expired: the times of this machine and of the service are more than 15 minutes apart",
    ):
        asked(stand_in.url, signature=signature)


@SIGNATURES
def test_a_key_that_may_only_report_is_no_error(signature):
    only = ("RecieveEventMessage", "RecieveUserMessage")
    with StandIn(StandInSettings(permitted=only)) as stand_in:
        found = asked(stand_in.url, signature=signature)
        assert not found.workspaces
        assert found.doubt.startswith("the operation that lists workspaces is refused: Forbidden.RAM (request ")


@contextmanager
def answering(*answers):
    """A server that gives these answers in order, each a status and a body. It repeats the last one."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = left.pop(0) if len(left) > 1 else left[0]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments):
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def error(code):
    return {"Code": code, "Message": "m", "RequestId": "R-1", "HostId": "h"}


YES = {"RequestId": "R-2", "Success": True, "Data": [{"WorkspaceId": "w1", "WorkspaceName": "one"}]}


@pytest.mark.parametrize(
    ("status", "answer", "doubt"),
    [
        (404, error("InvalidApi.NotFound"), "does not know the operation that lists workspaces: InvalidApi.NotFound (request R-1)"),
        (404, error("InvalidAction.NotFound"), "does not know the operation"),
        (405, error("UnsupportedHTTPMethod"), "does not know the operation"),
        (403, error("Forbidden.RAM"), "is refused: Forbidden.RAM"),
        (400, error("MissingUserId"), "is refused: MissingUserId"),
        (200, {"RequestId": "R-1", "Success": False, "ErrorCode": "ES0110000999"}, "is refused: ES0110000999"),
    ],
)  # fmt: skip
def test_an_answer_about_this_operation_alone_leaves_a_doubt(status, answer, doubt):
    with answering((status, answer)) as url:
        assert doubt in asked(url).doubt


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (200, {"RequestId": "R-1", "Success": False, "ErrorCode": "ES0110000002"}, "ES0110000002: organisation, instance"),
        (400, error("NoSuchVersion"), "NoSuchVersion: the endpoint does not offer this operation"),
        (302, b"", "HTTP302: the endpoint redirects to another address"),
        (403, b"<html>a proxy's own page</html>", "HTTP403: an error that log2mq does not know"),
        (400, error("InvalidSecurityToken.Expired"), "InvalidSecurityToken.Expired: the security token has expired"),
    ],
)  # fmt: skip
def test_an_answer_that_any_call_would_get_is_an_error(status, answer, says):
    with answering((status, answer)) as url, pytest.raises(DestinationHalt) as halted:
        asked(url)
    assert str(halted.value).startswith(says)


def test_a_service_that_is_away_for_a_moment_is_asked_again():
    waits = []
    away = (503, error("ServiceUnavailable"))
    with answering(away, (200, b"<html>"), (200, YES)) as url:
        assert asked(url, waits=waits).workspaces == {"w1": "one"}
    assert waits == [1, 2]
    with (
        answering(away) as url,
        pytest.raises(DestinationHalt, match="ServiceUnavailable: the service is not available"),
    ):
        asked(url, waits=waits)
    assert max(waits) <= MOST_WAIT_MS / 1000


def test_an_endpoint_that_does_not_answer_is_an_error():
    with answering((200, YES)) as url:
        pass
    with pytest.raises(DestinationHalt, match="ConnectError: the endpoint cannot be reached"):
        asked(url)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([{"WorkspaceId": "w1", "WorkspaceName": "one"}, {"WorkspaceId": "w2"}], {"w1": "one", "w2": ""}),
        ({"Data": [{"WorkspaceId": "w1", "WorkspaceName": "one"}]}, {"w1": "one"}),
        ({"DataItem": [{"workspaceId": 17, "workspaceName": "one"}]}, {"17": "one"}),
        ([], {}),
        (None, {}),
        ("true", {}),
        ([[[[[[{"WorkspaceId": "deep"}]]]]]], {}),
    ],
)
def test_workspaces_are_read_however_deep_the_sdks_have_them(content, found):
    assert workspaces_of(json.dumps({"Success": True, "Data": content}).encode()) == found
    assert workspaces_of(b"no json") == {}
