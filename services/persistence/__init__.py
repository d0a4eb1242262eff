"""PostgreSQL, SQLite, buckets and files that survive a power loss, for whoever stores. Know no table of a service."""
