"""What the gateway decides without a clock, a key or a database: names, events, what stands in an answer. Pure."""
