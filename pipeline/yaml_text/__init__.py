"""YAML as text: read with line numbers, diagnostics, variables, edits in place, atomic writes. It knows no source file."""
