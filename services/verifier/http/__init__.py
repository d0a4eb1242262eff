"""The verifier's routes: the only place that knows requests and answers of HTTP. Nothing sent is kept or logged."""
