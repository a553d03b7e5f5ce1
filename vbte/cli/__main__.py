"""``python -m vbte.cli``: the command line without an installed script."""

from vbte.cli import main

main()
