"""Pages a reviewer reads: whole files that open offline, without script, in light and dark."""
