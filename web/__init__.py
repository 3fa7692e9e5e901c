"""WHO ASKS: the HTTP API, digest pages and feeds."""
