"""``python -m automl`` is the command line."""

from automl.cli import main

main()
