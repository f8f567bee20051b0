"""YAML as text: reading with line numbers, diagnostics, variables, edits in place, atomic writes. It does not know the models of a source file."""
