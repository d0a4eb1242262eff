"""Questions and answers: gathered, judged, kept ready, encoded. Knows no HTTP and no SQL.

What is kept ready is memory, made of the projection: a crash loses it and nothing else.
"""
