"""`python -m commands`: the `opslayer` command where it is not on the path."""

from commands import main

main()
