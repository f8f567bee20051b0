"""The well-known named patterns of grok, in RE2's syntax: what other engines do with look-around is done by the shape of the pattern here.

Names and meanings are those of Logstash's core patterns, so that an expression written for Logstash, Filebeat or Vector reads the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OCTET = r"(?:25[0-5]|2[0-4]\d|[01]?\d{1,2})"
_HEX = r"[0-9A-Fa-f]"

PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        # texts
        "WORD": r"[\pL\pN_]+",
        "NOTSPACE": r"\S+",
        "SPACE": r"\s*",
        "DATA": r".*?",
        "GREEDYDATA": r".*",
        "MULTILINEDATA": r"(?s:.*)",
        "QUOTEDSTRING": r'(?:"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`(?:[^`\\]|\\.)*`)',
        "QS": r"%{QUOTEDSTRING}",
        "UUID": rf"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}",
        "URN": r"urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:(?:%[0-9A-Fa-f]{2}|[0-9A-Za-z()+,.:=@;$_!*'/?#-])+",
        "USERNAME": r"[\pL\pN._-]+",
        "USER": r"%{USERNAME}",
        "EMAILLOCALPART": r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+(?:\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+)*",
        "EMAILADDRESS": r"%{EMAILLOCALPART}@%{HOSTNAME}",
        # numbers
        "INT": r"[+-]?[0-9]+",
        "BASE10NUM": r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)",
        "NUMBER": r"%{BASE10NUM}",
        "BASE16NUM": rf"[+-]?(?:0x)?{_HEX}+",
        "BASE16FLOAT": rf"[+-]?(?:0x)?(?:{_HEX}+(?:\.{_HEX}*)?|\.{_HEX}+)",
        "POSINT": r"[1-9][0-9]*",
        "NONNEGINT": r"[0-9]+",
        # networks
        "CISCOMAC": rf"(?:{_HEX}{{4}}\.){{2}}{_HEX}{{4}}",
        "WINDOWSMAC": rf"(?:{_HEX}{{2}}-){{5}}{_HEX}{{2}}",
        "COMMONMAC": rf"(?:{_HEX}{{2}}:){{5}}{_HEX}{{2}}",
        "MAC": r"(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})",
        "IPV4": rf"(?:{_OCTET}\.){{3}}{_OCTET}",
        "IPV6": (
            rf"(?:(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}|(?:{_HEX}{{1,4}}:){{6}}%{{IPV4}}"
            rf"|(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?::(?:(?:{_HEX}{{1,4}}:){{0,5}}%{{IPV4}}|(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?))"
            r"(?:%[0-9A-Za-z]+)?"
        ),
        "IP": r"(?:%{IPV6}|%{IPV4})",
        "HOSTNAME": r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62})(?:\.[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}))*\.?",
        "HOST": r"%{HOSTNAME}",
        "IPORHOST": r"(?:%{IP}|%{HOSTNAME})",
        "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
        # paths and addresses
        "UNIXPATH": r"(?:/[\pL\pN_%!$@:.,+~-]*)+",
        "WINPATH": r"(?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+",
        "PATH": r"(?:%{UNIXPATH}|%{WINPATH})",
        "TTY": r"/dev/(?:pts|tty(?:[pq])?)(?:\w+)?/?(?:[0-9]+)",
        "URIPROTO": r"[A-Za-z](?:[A-Za-z0-9+.-]+)+",
        "URIHOST": r"%{IPORHOST}(?::%{POSINT})?",
        "URIPATH": r"(?:/[\pL\pN$.+!*'(){},~:;=@#%&_-]*)+",
        "URIQUERY": r"[\pL\pN$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*",
        "URIPARAM": r"\?%{URIQUERY}",
        "URIPATHPARAM": r"%{URIPATH}(?:\?%{URIQUERY})?",
        "URI": r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATH}(?:\?%{URIQUERY})?)?",
        # times
        "MONTH": (  # in English and German, as in Logstash
            r"(?:[Jj]an(?:uary|uar)?|[Ff]eb(?:ruary|ruar)?|[Mm](?:a|ä)?r(?:ch|z)?|[Aa]pr(?:il)?|[Mm]a(?:y|i)?|[Jj]un(?:e|i)?"
            r"|[Jj]ul(?:y|i)?|[Aa]ug(?:ust)?|[Ss]ep(?:tember)?|[Oo](?:c|k)?t(?:ober)?|[Nn]ov(?:ember)?|[Dd]e(?:c|z)(?:ember)?)"
        ),
        "MONTHNUM": r"(?:0[1-9]|1[0-2]|[1-9])",
        "MONTHNUM2": r"(?:0[1-9]|1[0-2])",
        "MONTHDAY": r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])",
        "DAY": (r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)"),
        "YEAR": r"(?:\d\d){1,2}",
        "HOUR": r"(?:2[0123]|[01]?[0-9])",
        "MINUTE": r"[0-5][0-9]",
        "SECOND": r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?",
        "TIME": r"%{HOUR}:%{MINUTE}:%{SECOND}",
        "DATE_US": r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
        "DATE_EU": r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
        "DATE": r"(?:%{DATE_US}|%{DATE_EU})",
        "DATESTAMP": r"%{DATE}[- ]%{TIME}",
        "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
        "ISO8601_SECOND": r"%{SECOND}",
        "TIMESTAMP_ISO8601": r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
        "TZ": r"(?:[APMCE][SD]T|UTC)",
        "DATESTAMP_RFC822": r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
        "DATESTAMP_RFC2822": r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
        "DATESTAMP_OTHER": r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
        "DATESTAMP_EVENTLOG": r"%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}",
        "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
        "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
        # logs
        "LOGLEVEL": (
            r"(?i:alert|trace|debug|notice|info?(?:rmation)?|warn?(?:ing)?|err?(?:or)?|crit?(?:ical)?|fatal|severe|emerg(?:ency)?)"
        ),
        "PROG": r"[\x21-\x5a\x5c\x5e-\x7e]+",
        "SYSLOGPROG": r"%{PROG:program}(?:\[%{POSINT:pid}\])?",
        "SYSLOGHOST": r"%{IPORHOST}",
        "SYSLOGFACILITY": r"<%{NONNEGINT:facility}\.%{NONNEGINT:priority}>",
        "SYSLOGBASE": r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
        "SYSLOGBASE2": (
            r"(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) (?:%{SYSLOGFACILITY} )?"
            r"%{SYSLOGHOST:logsource}(?: %{SYSLOGPROG}:|)"
        ),
        "SYSLOGLINE": r"%{SYSLOGBASE2} +%{GREEDYDATA:message}",
        "CRON_ACTION": r"[A-Z ]+",
        "CRONLOG": r"%{SYSLOGBASE} \(%{USER:user}\) %{CRON_ACTION:action} \(%{DATA:message}\)",
        "SYSLOG5424PRINTASCII": r"[!-~]+",
        "SYSLOG5424PRI": r"<%{NONNEGINT:syslog5424_pri}>",
        "SYSLOG5424SD": r"\[%{DATA}\]+",
        "SYSLOG5424BASE": (
            r"%{SYSLOG5424PRI}%{NONNEGINT:syslog5424_ver} +(?:-|%{TIMESTAMP_ISO8601:syslog5424_ts}) +"
            r"(?:-|%{IPORHOST:syslog5424_host}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_app}) +"
            r"(?:-|%{SYSLOG5424PRINTASCII:syslog5424_proc}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_msgid}) +"
            r"(?:%{SYSLOG5424SD:syslog5424_sd}|-|)"
        ),
        "SYSLOG5424LINE": r"%{SYSLOG5424BASE} +%{GREEDYDATA:syslog5424_msg}",
        "HTTPDUSER": r"(?:%{EMAILADDRESS}|%{USER})",
        "COMMONAPACHELOG": (
            r"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "
            r'"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" '
            r"(?:-|%{NUMBER:response}) (?:-|%{NUMBER:bytes})"
        ),
        "COMBINEDAPACHELOG": r"%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}",
        "HTTPD_COMMONLOG": r"%{COMMONAPACHELOG}",
        "HTTPD_COMBINEDLOG": r"%{COMBINEDAPACHELOG}",
        "HTTPDERROR_DATE": r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{YEAR}",
        "HTTPD20_ERRORLOG": (
            r"\[%{HTTPDERROR_DATE:timestamp}\] \[%{LOGLEVEL:loglevel}\] (?:\[client %{IPORHOST:clientip}\] )?"
            r"%{GREEDYDATA:message}"
        ),
        "HTTPD24_ERRORLOG": (
            r"\[%{HTTPDERROR_DATE:timestamp}\] \[(?:%{WORD:module})?:%{LOGLEVEL:loglevel}\] "
            r"\[pid %{POSINT:pid}(?::tid %{NUMBER:tid})?\](?: \(%{POSINT:proxy_errorcode}\)%{DATA:proxy_message}:)?"
            r"(?: \[client %{IPORHOST:clientip}:%{POSINT:clientport}\])?(?: %{DATA:errorcode}:)? %{GREEDYDATA:message}"
        ),
        "HTTPD_ERRORLOG": r"(?:%{HTTPD20_ERRORLOG}|%{HTTPD24_ERRORLOG})",
        "JAVACLASS": r"(?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*",
        "JAVAFILE": r"(?:[a-zA-Z$_0-9. -]+)",
        "JAVAMETHOD": r"(?:<(?:cl)?init>|[a-zA-Z$_][a-zA-Z$_0-9]*)",
        "JAVASTACKTRACEPART": r"\s*at %{JAVACLASS:class}\.%{JAVAMETHOD:method}\(%{JAVAFILE:file}(?::%{INT:line})?\)",
        "JAVATHREAD": r"(?:[A-Z]{2}-Processor[\d]+)",
        "JAVALOGMESSAGE": r".*",
        "REDISTIMESTAMP": r"%{MONTHDAY} %{MONTH} %{TIME}",
    }
)
