"""The shared language of the three services: pure, typed, without clock, socket or environment.

Nothing is kept here, so a crash leaves nothing half done: whoever calls says what holds after one.
"""
