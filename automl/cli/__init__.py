"""The command line: one module a command, arguments and printing, no decisions.

Each module offers ``command``, a typer-annotated function whose docstring is its ``--help``; the
directory listing is the registry. Only the command that is called is imported.
"""
