"""Recognises the role of a field by its name, in English and Chinese: time, kind of event, customer, identity, business ID."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.authoring.infer.profile import FieldProfile
from schemas.customer import IdMapping
from schemas.identity import normalise

TIME = re.compile(
    r"time|date|ts$|^at$|_at$|(?:paid|sent|used|closed|refunded|registered)at$|created|occurred|when|^(?:t|tm|dt)$|时间|日期|时刻"
)
KIND = re.compile(
    r"^(?:event|type|action|act|op|operation|event_?type|event_?name|event_?code|msg_?type|kind|behaviou?r|cmd|(?:事件|业务|操作|行为|消息)?(?:类型|名称|动作|事件|操作|行为))$"
)
KIND_OF_SYSLOG = "$.msg_id"
"""RFC 5424, section 6.2.7: "the type of message". In other formats a field of that name is unique for each message."""
PAGE = re.compile(r"^(?:path|uri|url|page|screen)$")
MACHINE_FIELD = re.compile(
    r"addr|^ip$|_ip$|agent|referr?er|^request$|protocol|^host|hostname|^pid$|proc_?id|thread|bytes|^method$|^status$|priority|facility|severity|version$|forwarded"
)
CUSTOMER = (
    re.compile(
        r"^(?:customer|user|member|buyer|account|uid|cid|vip|client)_?(?:id|no|code)?$|^(?:会员|用户|客户|顾客|买家)(?:号|编号|卡号|编码|id)?$"
    ),
    re.compile(
        r"^(?:from_?user_?name|open_?id|distinct_?id|login|login_?id|principal|remote_?user|(?:member_?|vip_?)card(?:_?(?:no|id))?|card_?(?:no|id))$"
    ),
)
BUSINESS_ID = (
    re.compile(
        r"^(?:order|trade|pay|payment|transaction|refund|coupon|ticket|bill|receipt)_?(?:no|id|number|code|sn)$"
        r"|^(?:订单|交易|支付|退款|优惠券|券|小票|流水|单据|业务)(?:号|编号|单号|流水号|码)$"
    ),
    re.compile(
        r"^(?:event|msg|message|request|req|trace|log|record|uniq|unique|biz|out_biz)_?(?:id|no|key)$|^(?:uuid|guid|no|sn)$|^(?:流水|事件|消息)?(?:编号|单号|id)$"
    ),
    re.compile(r"^(?:id|coupon|session|code)$|_id$|id$|_no$|_sn$|号$"),
)
IDENTITIES: Mapping[IdMapping, tuple[re.Pattern[str], bool]] = MappingProxyType(
    {
        IdMapping.MOBILE: (re.compile(r"mobile|phone|tel|cell(?!ed)|手机|电话"), True),
        IdMapping.EMAIL: (re.compile(r"mail|邮箱"), True),
        IdMapping.OPEN_ID: (re.compile(r"open_?id|wx|wechat|fromusername"), False),
        IdMapping.UNION_ID: (re.compile(r"union_?id"), False),
        IdMapping.IMEI: (re.compile(r"imei|meid"), False),
        IdMapping.IDFA: (re.compile(r"idfa"), False),
        IdMapping.MAC_ORG: (re.compile(r"^mac$|mac_?addr"), False),
        IdMapping.TAOBAO_ID: (re.compile(r"taobao_?id|tb_?id"), False),
        IdMapping.TAOBAO_NICK: (re.compile(r"taobao_?nick|tb_?nick"), False),
        IdMapping.ALIPAY_ID: (re.compile(r"alipay"), False),
        IdMapping.WEIBO_ID_ORG: (re.compile(r"weibo"), False),
    }
)
"""For each type of identity: the pattern of field names, and whether valid values are enough without a matching name."""

_PRIVATE = re.compile(
    r"id_?card|identity_?(?:card|no)|passport|bank_?(?:card|account)|real_?name|full_?name|user_?name|nick|birth|addr(?:ess)?$|forwarded|(?:^|_)ip$"
    r"|身份证|证件|护照|银行卡|姓名|昵称|收货人|收件人|联系人|生日|地址"
)


def names_a_customer(field: FieldProfile) -> bool:
    """Whether a field has the name of a customer's ID."""
    return any(pattern.search(field.name) for pattern in CUSTOMER)


def is_personal(field: FieldProfile) -> bool:
    """Whether a field identifies a person: by its name, or because more than half of its values are valid mobile numbers or e-mail addresses."""
    if names_a_customer(field) or _PRIVATE.search(field.name):
        return True
    if any(pattern.search(field.name) for pattern, _ in IDENTITIES.values()):
        return True
    return any(
        sum(normalise(kind, text) is not None for text in field.values) * 2 > len(field.values)
        for kind in (IdMapping.MOBILE, IdMapping.EMAIL)
    )
