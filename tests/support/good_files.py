"""Files without a fault, which tests change at one place to make one, and the lines that are said of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.errors import UsageError

GOOD_SOURCE = """\
source: shop-app
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-app-log]}
decode: json
events:
  - when: {type: paid}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes:
      amount: $.amount | divide(100)
report:
  region: cn-shanghai
  organization_id: org-0001
  access_id: retailadvqa-cn-test
"""

GOOD_CATALOGUE = """\
channels:
  - name: Shop app
    application_type: app
    app_key: shop-app
  - name: Till
    application_type: third_party_system
    app_key: till
  - name: Shop on iOS
    application_type: app
    quick_tracking: true
    platform_type: iOS
events:
  - code: pay_order
    name: Order paid
    channel: Shop app
    properties:
      - {id: amount, name: Amount, type: numeric}
      - {id: title, name: Title, type: text}
  - code: app_start
    name: App started
    channel: Shop on iOS
    properties:
      - {id: uid, name: User, type: text, scope: global}
  - code: app_stop
    name: App stopped
    channel: Shop on iOS
    properties:
      - {id: uid, name: User, type: text, scope: global}
  - code: follow
    name: Followed
    channel: Social Interaction
    origin: system
tasks:
  - {name: Thanks, events: [pay_order]}
"""


def faults_of(load: Callable[..., object], *arguments: object) -> list[str]:
    """The lines with which loading is refused."""
    with pytest.raises(UsageError) as found:
        load(*arguments)
    return str(found.value).split("\n")
