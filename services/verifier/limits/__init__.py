"""API keys of machines and their quotas. Knows no route."""
