"""What was loaded before texts were searched without accents is found by the words that find it since."""

import importlib.resources
import shutil
import uuid
from pathlib import Path

import pytest

from proto.fold import fold
from services.issuer_gateway import migrations
from services.issuer_gateway.store import esco
from services.persistence import database_setup, postgres
from tests.support.databases import RUNNING_ROLE, MakeDatabase

LAST_BEFORE = 20
TEXTS = (
    ("nl", "Coördinatie van één café", "cafe"),
    ("nl", "Coo\u0308rdinatie van de e\u0301e\u0301n", "coordinatie"),
    ("cs", "Příliš žluťoučký kůň", "zlutoucky"),
    ("pl", "Łódź i źdźbło", "zdzbło"),
    ("de", "Straßenbau im Gefüge", "strassenbau"),
    ("el", "Διαχείριση υδάτων", "υδατων"),
    ("uk", "Її управління й ґрунти", "и"),
    ("vi", "Kỹ thuật nước", "nuoc"),
    ("ar", "إدارة المياه فورًا وأعمال", fold("إدارة")),
    ("he", "נִהוּל מַיִם", fold("מַיִם")),
    ("hi", "जल प्रबंधन", fold("प्रबंधन")),
    ("ja", "データ分析", fold("データ")),
    ("ko", "물 관리", fold("관리")),
    ("th", "การจัดการน้ำ", fold("น้ำ")),
    ("en", "ﬁlter™ at 20 ℃ № 5", "filtertm"),
)


@pytest.fixture
def folder_before(tmp_path: Path) -> Path:
    """The migrations as they were before texts were searched without accents."""
    with importlib.resources.as_file(importlib.resources.files(migrations)) as folder:
        for file in sorted(folder.glob("*.sql"))[:LAST_BEFORE]:
            shutil.copy(file, tmp_path)
    return tmp_path


async def test_texts_of_before_become_what_they_would_be_if_they_were_loaded_now(
    make_database: MakeDatabase, folder_before: Path
) -> None:
    database = await make_database()
    await database_setup.migrate(database.owner_url, folder_before, running_role=RUNNING_ROLE)
    institution_id = uuid.uuid4()
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        await connection.execute(
            "INSERT INTO institution (institution_id, slug, did, record) VALUES ($1, 'a', 'did:web:a', '')",
            institution_id,
        )
        for number, (language, text, _) in enumerate(TEXTS):
            await connection.execute(
                "INSERT INTO esco_skill VALUES ($1, $2, $3, 'skill', '', $4)",
                *(f"http://data.europa.eu/esco/skill/{number}", language, text, f"{text}\nzweite".casefold()),
            )
            await connection.execute(
                "INSERT INTO achievement (institution_id, achievement_id, uri, revision, search_text)"
                " VALUES ($1, $2, $2, 1, $3)",
                *(institution_id, str(number), text.casefold()),
            )
    applied = await database_setup.migrate(database.owner_url, migrations.__name__, running_role=RUNNING_ROLE)
    assert applied[0] == LAST_BEFORE + 1
    async with postgres.connected(database.running_url, application_name="test") as connection:
        for number, (language, text, asked) in enumerate(TEXTS):
            uri = f"http://data.europa.eu/esco/skill/{number}"
            kept = await connection.fetchval("SELECT search_text FROM esco_skill WHERE uri = $1", uri)
            assert kept == f"{fold(text)}\nzweite", language
            kept = await connection.fetchval("SELECT search_text FROM achievement WHERE uri = $1", str(number))
            assert kept == fold(text), language
            found = await esco.search(connection, language=language, words=[asked], limit=50)
            assert uri in [skill.uri for skill in found], language
