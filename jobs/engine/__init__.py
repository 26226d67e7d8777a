"""How jobs are run: what is saved of one that may be interrupted."""
