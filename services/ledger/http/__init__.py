"""The ledger's routes: the only place that knows requests and answers of HTTP. Appends and signs nothing itself."""
