"""The gateway's routes: the only place that knows requests and answers of HTTP. Decides nothing."""
