"""The verdict table of the reference (section 4.2): the class of each code, and the outcome of each class."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from pipeline.contracts.values import Exhausted, Halt, Retry


class Verdict(StrEnum):
    """The classes of answers. Each has one outcome."""

    THROTTLED = "throttled"
    AWAY = "away"
    INTERNAL = "internal"
    NOT_AN_ANSWER = "not an answer"
    NONCE = "nonce"
    CLOCK = "clock"
    TOKEN_EXPIRED = "token expired"  # noqa: S105 - a class of answers
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    TENANT = "tenant"
    CONFIGURATION = "configuration"
    REDIRECT = "redirect"
    CONTENT = "content"
    TOO_LARGE = "too large"
    UNKNOWN = "unknown"


class Row(NamedTuple):
    """One row of the table: a code and its class. A code with a trailing `*` stands for all codes that begin with it. Case does not count."""

    code: str
    verdict: Verdict


TABLE: tuple[Row, ...] = (
    Row("Throttling*", Verdict.THROTTLED),
    Row("Rejected.Throttling*", Verdict.THROTTLED),
    Row("ServiceUnavailable*", Verdict.AWAY),
    Row("InternalError*", Verdict.INTERNAL),
    Row("UnknownError", Verdict.INTERNAL),
    Row("SignatureNonceUsed", Verdict.NONCE),
    Row("InvalidTimeStamp*", Verdict.CLOCK),
    Row("IllegalTimestamp", Verdict.CLOCK),
    Row("MissingTimestamp", Verdict.CLOCK),
    Row("InvalidSecurityToken.Expired", Verdict.TOKEN_EXPIRED),
    Row("InvalidSecurityToken*", Verdict.CREDENTIALS),
    Row("MissingSecurityToken", Verdict.CREDENTIALS),
    Row("InvalidAccessKey*", Verdict.CREDENTIALS),
    Row("MissingAccessKey*", Verdict.CREDENTIALS),
    Row("Forbidden.AccessKeyDisabled", Verdict.CREDENTIALS),
    Row("SignatureDoesNotMatch", Verdict.CREDENTIALS),
    Row("IncompleteSignature", Verdict.CREDENTIALS),
    Row("InvalidSignature*", Verdict.CREDENTIALS),
    Row("MissingSignature*", Verdict.CREDENTIALS),
    Row("Forbidden*", Verdict.PERMISSION),
    Row("ActionUnauthorized", Verdict.PERMISSION),
    Row("ES0110000002", Verdict.TENANT),
    Row("InvalidOrganization*", Verdict.TENANT),
    Row("MissingOrganization*", Verdict.TENANT),
    Row("InvalidTenant*", Verdict.TENANT),
    Row("MissingTenant*", Verdict.TENANT),
    Row("InvalidAccessId*", Verdict.TENANT),
    Row("MissingAccessId*", Verdict.TENANT),
    Row("InvalidWorkspace*", Verdict.TENANT),
    Row("MissingWorkspace*", Verdict.TENANT),
    Row("InvalidApi*", Verdict.CONFIGURATION),
    Row("InvalidProduct*", Verdict.CONFIGURATION),
    Row("NoSuchVersion", Verdict.CONFIGURATION),
    Row("InvalidVersion*", Verdict.CONFIGURATION),
    Row("MissingVersion", Verdict.CONFIGURATION),
    Row("InvalidAction*", Verdict.CONFIGURATION),
    Row("MissingAction", Verdict.CONFIGURATION),
    Row("UnsupportedHTTPMethod", Verdict.CONFIGURATION),
    Row("InvalidProtocol*", Verdict.CONFIGURATION),
    Row("InvalidRegion*", Verdict.CONFIGURATION),
    Row("MissingRegion*", Verdict.CONFIGURATION),
    Row("RequestEntityTooLarge", Verdict.TOO_LARGE),
    Row("RequestBodyTooLarge", Verdict.TOO_LARGE),
    Row("RequestTooLarge", Verdict.TOO_LARGE),
    Row("EntityTooLarge", Verdict.TOO_LARGE),
    Row("PayloadTooLarge", Verdict.TOO_LARGE),
    Row("ContentMD5NotMatched", Verdict.CONTENT),
    Row("ContentLengthDoesNotMatch", Verdict.CONTENT),
    Row("Missing*", Verdict.CONTENT),
    Row("Invalid*", Verdict.CONTENT),
)
"""The rows in order: the first row that matches decides.

The reference does not have all rows. A code that names a parameter which is the same in every call (version, region, organisation, signature) is
not a fault of the content: otherwise a wrong setting would turn all records into dead letters.
"""

STATUSES: Mapping[int, Verdict] = MappingProxyType(
    {408: Verdict.AWAY, 413: Verdict.TOO_LARGE, 429: Verdict.THROTTLED}
    | dict.fromkeys(range(300, 400), Verdict.REDIRECT)
    | dict.fromkeys(range(500, 600), Verdict.AWAY)
)
"""The class of an answer without a code of the table, by HTTP status. Any other status is UNKNOWN."""

STATUSES_IN_DOUBT = frozenset({502, 504})
"""Statuses of a gateway that lost the answer of the service: without a code, the service may have taken the batch."""

OUTCOMES: Mapping[Verdict, Retry | Halt] = MappingProxyType(
    {
        Verdict.THROTTLED: Retry("", "too many calls for now", outage=False, throttled=True),
        Verdict.AWAY: Retry("", "the service is not available for the moment"),
        Verdict.INTERNAL: Retry(
            "", "an error inside the service", outage=False, limit=8, exhausted=Exhausted.ISOLATE_OR_RETRY
        ),
        # A proxy or a sign-in page answered 200. Nobody knows whether it forwarded the request.
        Verdict.NOT_AN_ANSWER: Retry(
            "", "the answer is not from the API; a proxy or a sign-in page answers instead", in_doubt=True
        ),
        # log2mq uses no nonce twice, so a proxy sent the request twice. The service may have taken the first one.
        Verdict.NONCE: Retry("", "the service has seen the nonce before", in_doubt=True, outage=False, limit=3),
        Verdict.CLOCK: Retry(
            "", "the times of this machine and of the service are more than 15 minutes apart; set the clock", limit=2
        ),
        Verdict.TOKEN_EXPIRED: Retry("", "the security token has expired; renew it in the credentials file", limit=5),
        Verdict.CREDENTIALS: Halt("", "the AccessKey, its secret or its security token is wrong"),
        Verdict.PERMISSION: Halt("", "this AccessKey may not call the operation"),
        Verdict.TENANT: Halt(
            "",
            "organisation, instance and account do not belong together; "
            "see report.organization_id, report.access_id and report.workspace_id",
        ),
        Verdict.CONFIGURATION: Halt(
            "", "the endpoint does not offer this operation; see report.region or report.endpoint"
        ),
        Verdict.REDIRECT: Halt(
            "",
            "the endpoint redirects to another address, to which signed requests are not sent; see report.endpoint and report.proxy",
        ),
        # The rows with `Missing*` and `Invalid*` are a guess: such a code may name a parameter that is the same in every call.
        Verdict.CONTENT: Retry(
            "", "the content is refused", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT
        ),
        Verdict.TOO_LARGE: Retry("", "the call is too large", outage=False, limit=2, exhausted=Exhausted.HALVE_OR_HALT),
        Verdict.UNKNOWN: Retry(
            "", "an error that log2mq does not know", outage=False, limit=2, exhausted=Exhausted.ISOLATE_OR_HALT
        ),
    }
)
"""The outcome of each class. Its reason is a fixed text: the text of the service may repeat the content of the request."""


def verdict_of(status: int, code: str) -> Verdict:
    """Return the class of an answer, by its code, or by its status if the table does not have the code."""
    if code:
        folded = code.lower()
        for row in TABLE:
            known = row.code.lower()
            if folded == known or (known.endswith("*") and folded.startswith(known[:-1])):
                return row.verdict
    return STATUSES.get(status, Verdict.UNKNOWN)
