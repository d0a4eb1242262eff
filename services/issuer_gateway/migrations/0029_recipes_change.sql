-- Whether an achievement has a recipe changes with its revisions.
GRANT UPDATE (has_recipe) ON achievement TO :"running_role";
