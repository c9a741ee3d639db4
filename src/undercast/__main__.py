"""`python -m undercast` is the `undercast` command."""

from undercast.cli import main

main()
