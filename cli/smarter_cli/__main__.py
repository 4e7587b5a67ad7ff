"""Makes `python -m smarter_cli` work."""

from smarter_cli.cli import main

main()
