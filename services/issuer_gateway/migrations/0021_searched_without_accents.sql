-- Achievements and skills are looked for without accents and whatever the normal form: what is searched is kept so.
-- `normalize` is for databases in UTF-8 alone; in another, what was loaded before is found by its own spelling.
UPDATE achievement SET search_text = CASE WHEN getdatabaseencoding() = 'UTF8'
    THEN regexp_replace(normalize(search_text, NFKD), '[\u0300-\u036f]', '', 'g') ELSE search_text END;
UPDATE esco_skill SET search_text = CASE WHEN getdatabaseencoding() = 'UTF8'
    THEN regexp_replace(normalize(search_text, NFKD), '[\u0300-\u036f]', '', 'g') ELSE search_text END;
