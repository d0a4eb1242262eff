"""Secret links by which learners show what they hold: made, ended, and what each of them shows. Speaks no SQL."""
