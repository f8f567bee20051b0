"""Named patterns of grok for the log lines of well-known programs, in RE2's syntax: names, and the fields they give, are those of Logstash."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SYSLOG_HEAD = r"(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) %{IPORHOST:syslog_server} %{SYSLOGPROG}: "
_HAPROXY_FROM = (
    r"%{IP:client_ip}:%{INT:client_port} \[%{HAPROXYDATE:accept_date}\] "
    r"%{NOTSPACE:frontend_name} %{NOTSPACE:backend_name}/%{NOTSPACE:server_name} "
)
_HAPROXY_LOAD = r"%{INT:actconn}/%{INT:feconn}/%{INT:beconn}/%{INT:srvconn}/%{NOTSPACE:retries} %{INT:srv_queue}/%{INT:backend_queue}"


def _or_dash(pattern: str) -> str:
    return f"(?:-|{pattern})"


PROGRAM_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        # PAM, by way of syslog
        "SYSLOGPAMSESSION": (
            r"%{SYSLOGBASE} (?<message>%{WORD:pam_module}\(%{DATA:pam_caller}\): session %{WORD:pam_session_state} "
            r"for user %{USERNAME:username}(?:(?:\([^)]*\))? by %{GREEDYDATA:pam_by}|.*))"
        ),
        # Tomcat: 8 and later, and 7
        "CATALINA8_DATESTAMP": r"%{MONTHDAY}-%{MONTH}-%{YEAR} %{HOUR}:%{MINUTE}:%{SECOND}",
        "CATALINA7_DATESTAMP": r"%{MONTH} %{MONTHDAY}, %{YEAR} %{HOUR}:?%{MINUTE}(?::?%{SECOND})? (?:AM|PM)",
        "CATALINA_DATESTAMP": r"(?:%{CATALINA8_DATESTAMP}|%{CATALINA7_DATESTAMP})",
        "CATALINA8_LOG": (
            r"%{CATALINA8_DATESTAMP:timestamp} %{LOGLEVEL:level} \[%{DATA:thread}\] "
            r"%{JAVACLASS:class}\.%{JAVAMETHOD:method} %{JAVALOGMESSAGE:logmessage}"
        ),
        "CATALINA7_LOG": (
            r"%{CATALINA7_DATESTAMP:timestamp} %{JAVACLASS:class}(?:\s+%{JAVAMETHOD:method}\n%{LOGLEVEL:level}:)? "
            r"%{JAVALOGMESSAGE:logmessage}"
        ),
        "CATALINALOG": r"(?:%{CATALINA8_LOG}|%{CATALINA7_LOG})",
        "TOMCAT_DATESTAMP": r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:?%{MINUTE}(?::?%{SECOND})? %{ISO8601_TIMEZONE}",
        "TOMCATLOG": (
            r"(?:%{TOMCAT_DATESTAMP:timestamp} \| %{LOGLEVEL:level} \| %{JAVACLASS:class} - %{JAVALOGMESSAGE:logmessage}"
            r"|%{CATALINALOG})"
        ),
        # HAProxy
        "HAPROXYTIME": r"%{HOUR:haproxy_hour}:%{MINUTE:haproxy_minute}:%{SECOND:haproxy_second}",
        "HAPROXYDATE": (
            r"%{MONTHDAY:haproxy_monthday}/%{MONTH:haproxy_month}/%{YEAR:haproxy_year}:"
            r"%{HAPROXYTIME:haproxy_time}\.%{INT:haproxy_milliseconds}"
        ),
        "HAPROXYCAPTUREDREQUESTHEADERS": r"%{DATA:captured_request_headers}",
        "HAPROXYCAPTUREDRESPONSEHEADERS": r"%{DATA:captured_response_headers}",
        "HAPROXYHTTPBASE": (
            _HAPROXY_FROM
            + r"%{INT:time_request}/%{INT:time_queue}/%{INT:time_backend_connect}/%{INT:time_backend_response}/%{NOTSPACE:time_duration} "
            r"%{INT:http_status_code} %{NOTSPACE:bytes_read} %{DATA:captured_request_cookie} %{DATA:captured_response_cookie} "
            r"%{NOTSPACE:termination_state} "
            + _HAPROXY_LOAD
            + r"(?: \{%{HAPROXYCAPTUREDREQUESTHEADERS}\})?(?: \{%{HAPROXYCAPTUREDRESPONSEHEADERS}\})? "
            r'"(?:<BADREQ>|%{WORD:http_verb} (?:%{URIPROTO:http_proto}://)?(?:%{USER:http_user}(?::[^@]*)?@)?(?:%{URIHOST:http_host})?'
            r'(?:%{URIPATHPARAM:http_request})?(?: HTTP/%{NUMBER:http_version})?)"?'
        ),
        "HAPROXYHTTP": _SYSLOG_HEAD + r"%{HAPROXYHTTPBASE}",
        "HAPROXYTCP": (
            _SYSLOG_HEAD + _HAPROXY_FROM + r"%{INT:time_queue}/%{INT:time_backend_connect}/%{NOTSPACE:time_duration} "
            r"%{NOTSPACE:bytes_read} %{NOTSPACE:termination_state} " + _HAPROXY_LOAD
        ),
        # AWS: S3 and the classic load balancer
        "S3_REQUEST_LINE": r"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})",
        "S3_ACCESS_LOG": " ".join(
            (
                r"%{WORD:owner} %{NOTSPACE:bucket} \[%{HTTPDATE:timestamp}\] %{IP:clientip} %{NOTSPACE:requester}",
                r"%{NOTSPACE:request_id} %{NOTSPACE:operation} %{NOTSPACE:key}",
                _or_dash('"%{S3_REQUEST_LINE}"'),
                _or_dash("%{INT:response:int}"),
                _or_dash("%{NOTSPACE:error_code}"),
                _or_dash("%{INT:bytes:int}"),
                _or_dash("%{INT:object_size:int}"),
                _or_dash("%{INT:request_time_ms:int}"),
                _or_dash("%{INT:turnaround_time_ms:int}"),
                _or_dash("%{QS:referrer}"),
                _or_dash("%{QS:agent}"),
                _or_dash("%{NOTSPACE:version_id}"),
            )
        ),
        "ELB_URIPATHPARAM": r"%{URIPATH:path}(?:%{URIPARAM:params})?",
        "ELB_URI": r"%{URIPROTO:proto}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST:urihost})?(?:%{ELB_URIPATHPARAM})?",
        "ELB_REQUEST_LINE": r"(?:%{WORD:verb} %{ELB_URI:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})",
        "ELB_ACCESS_LOG": (
            r"%{TIMESTAMP_ISO8601:timestamp} %{NOTSPACE:elb} %{IP:clientip}:%{INT:clientport:int} "
            r"(?:%{IP:backendip}:?:%{INT:backendport:int}|-) %{NUMBER:request_processing_time:float} "
            r"%{NUMBER:backend_processing_time:float} %{NUMBER:response_processing_time:float} %{INT:response:int} "
            r'%{INT:backend_response:int} %{INT:received_bytes:int} %{INT:bytes:int} "%{ELB_REQUEST_LINE}"'
        ),
        # Squid
        "SQUID3": (
            r"%{NUMBER:timestamp}\s+%{NUMBER:duration}\s%{IP:client_address}\s%{WORD:cache_result}/%{NONNEGINT:status_code}\s"
            r"%{NUMBER:bytes}\s%{WORD:request_method}\s%{NOTSPACE:url}\s(?:-|%{NOTSPACE:user})\s"
            r"%{WORD:hierarchy_code}/(?:-|%{IPORHOST:server})\s(?:-|%{NOTSPACE:content_type})"
        ),
        # databases
        "REDISLOG": r"\[%{POSINT:pid}\] %{REDISTIMESTAMP:timestamp} \* ",
        "REDISMONLOG": r'%{NUMBER:timestamp} \[%{INT:database} %{IP:client}:%{NUMBER:port}\] "%{WORD:command}"\s?%{GREEDYDATA:params}',
        "POSTGRESQL": r"%{DATESTAMP:timestamp} %{TZ} %{DATA:user_id} %{GREEDYDATA:connection_id} %{POSINT:pid}",
        "MONGO_WORDDASH": r"[\w-]+",
        "MONGO_LOG": r"%{SYSLOGTIMESTAMP:timestamp} \[%{WORD:component}\] %{GREEDYDATA:message}",
        "MONGO3_SEVERITY": r"\w",
        "MONGO3_COMPONENT": r"(?:%{WORD}|-)",
        "MONGO3_LOG": (
            r"%{TIMESTAMP_ISO8601:timestamp} %{MONGO3_SEVERITY:severity} %{MONGO3_COMPONENT:component}%{SPACE}"
            r"(?:\[%{DATA:context}\])? %{GREEDYDATA:message}"
        ),
        # Ruby's Logger, and Rails
        "RUBY_LOGLEVEL": r"(?:DEBUG|FATAL|ERROR|WARN|INFO)",
        "RUBY_LOGGER": (
            r"[DFEWI], \[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:pid}\] *%{RUBY_LOGLEVEL:loglevel} -- +%{DATA:progname}: "
            r"%{GREEDYDATA:message}"
        ),
        "RUUID": r"[0-9A-Fa-f]{32}",
        "RCONTROLLER": r"(?<controller>[^#]+)#(?<action>\w+)",
        "RAILS3HEAD": (
            r'Started %{WORD:verb} "%{URIPATHPARAM:request}" for %{IPORHOST:clientip} at '
            r"(?<timestamp>%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:%{MINUTE}:%{SECOND} %{ISO8601_TIMEZONE})"
        ),
        "RPROCESSING": r"\W*Processing by %{RCONTROLLER} as (?<format>\S+)(?:\W*Parameters: \{%{DATA:params}\}\W*)?",
        "RAILS3PROFILE": r"(?:\((?:Views: %{NUMBER:viewms}ms \| )?ActiveRecord: %{NUMBER:activerecordms}ms)?",
        "RAILS3FOOT": r"Completed %{NUMBER:response}%{DATA} in %{NUMBER:totalms}ms %{RAILS3PROFILE}%{GREEDYDATA}",
        "RAILS3": r"%{RAILS3HEAD}(?:%{RPROCESSING})?(?<context>(?:%{DATA}\n)*)(?:%{RAILS3FOOT})?",
        # Maven
        "MAVEN_VERSION": r"(?:(?:\d+)\.)?(?:(?:\d+)\.)?(?:\*|\d+)(?:[.-](?:RELEASE|SNAPSHOT))?",
    }
)
