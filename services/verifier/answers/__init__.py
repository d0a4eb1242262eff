"""Questions and answers: gathered, judged, kept ready, encoded. Knows no HTTP and no SQL."""
