"""Bodies of the three HTTP interfaces, one module per service; pure records, made into OpenAPI by `services.edge`."""
