"""The declarative mapping: conditions, paths and functions of a source file, which are compiled once to plain closures. It knows no plug-in and does no I/O."""

from transforms.mapping.compile import compile_mapping
from transforms.mapping.lint.likely_mistakes import mistake_notes
from transforms.mapping.lint.personal_data import personal_notes
from transforms.mapping.lint.unreachable import rule_notes
from transforms.mapping.mapper import Mapper
from transforms.mapping.models import EventRule, MappingSettings
from transforms.mapping.out_biz_id import out_biz_id_notes
from transforms.mapping.trace import RuleTrace
from transforms.mapping.values import constant_text, constant_texts, functions_of

__all__ = [
    "EventRule",
    "Mapper",
    "MappingSettings",
    "RuleTrace",
    "compile_mapping",
    "constant_text",
    "constant_texts",
    "functions_of",
    "mistake_notes",
    "out_biz_id_notes",
    "personal_notes",
    "rule_notes",
]
