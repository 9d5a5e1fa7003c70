"""``python -m dmsbench``."""

from dmsbench.cli.main import main

main()
