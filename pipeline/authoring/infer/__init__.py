"""Proposes a source file from sample records: the format, the fields, and the role of each field. Its only inputs are the sample and its schemas."""
