-- Which achievements have a recipe, so that advice on stacks reads those alone. Their content is JSON without blanks.
ALTER TABLE achievement ADD COLUMN has_recipe boolean NOT NULL DEFAULT false;
UPDATE achievement SET has_recipe = true FROM achievement_revision AS described
    WHERE described.institution_id = achievement.institution_id
        AND described.achievement_id = achievement.achievement_id
        AND described.revision = achievement.revision
        AND position('"recipe":{'::bytea IN described.content) > 0;
CREATE INDEX achievement_with_recipe ON achievement (institution_id, achievement_id) WHERE has_recipe;
