"""The shared language of the three services: pure, typed, without clock, socket or environment."""
