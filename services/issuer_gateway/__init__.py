"""The issuer gateway: turns institutions' requests into signed events and documents."""
