"""WHAT: frozen values and pure functions; ports; errors; limits. Nothing here does I/O."""
