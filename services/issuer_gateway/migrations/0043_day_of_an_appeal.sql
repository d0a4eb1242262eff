-- An appeal against what was decided has a day of its own: the day of the application is past by then, or nearly.

GRANT UPDATE (due_at) ON application TO :"running_role";
