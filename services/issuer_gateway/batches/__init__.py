"""Lists of awards and changes: taken in, worked on, shown. One transaction for each part, continued after a crash."""
