"""The only rooms of the gateway that speak SQL. Each function takes a connection; the caller owns the transaction."""
