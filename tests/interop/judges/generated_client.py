"""Issues, reads and verifies with clients that openapi-python-client has made; prints what came of it as JSON.

Runs in the judges' environment, with the folder of `gateway_client` and `verifier_client` as its working directory.
"""

import json
import sys
import time
from typing import Any

sys.path.insert(0, ".")
from gateway_client import AuthenticatedClient
from gateway_client.api.achievements import create_achievement
from gateway_client.api.batches import import_open_badges, issue_batch
from gateway_client.api.credentials import issue_credential, read_document, revoke_credential
from gateway_client.models import (
    AchievementAnswer,
    AchievementRequest,
    Award,
    ChangeRequest,
    ChangeRequestReason,
    CredentialAnswer,
    Learner,
    Problem,
)
from verifier_client import Client
from verifier_client.api.verification import read_status, verify_documents
from verifier_client.models import Answer, CredentialDocument, DocumentWithStatusLists


def verdict_of(verifier: Client, body: Any) -> Any:
    """Return the verdict on a document, or those on a list."""
    answer = verify_documents.sync(client=verifier, body=body)
    if isinstance(answer, list):
        return [line.answer.verdict.value for line in answer if line.answer]
    assert isinstance(answer, Answer), answer
    return answer.verdict.value


def main(gateway_url: str, verifier_url: str, api_key: str, achievement: str) -> None:
    """Do what an integrator does first."""
    gateway = AuthenticatedClient(base_url=gateway_url, token=api_key)
    verifier = Client(base_url=verifier_url)
    described = create_achievement.sync(
        client=gateway, body=AchievementRequest.from_dict(json.loads(achievement)), idempotency_key="described"
    )
    assert isinstance(described, AchievementAnswer), described
    uri = described.achievement.uri
    award = Award(learner=Learner(ref="ada", given_name="Ada"), achievement=uri, valid_from="2026-01-01")
    issued = issue_credential.sync(client=gateway, body=award, idempotency_key="first")
    assert isinstance(issued, CredentialAnswer), issued
    document = read_document.sync(client=gateway, credential_id=issued.credential_id)
    sent = CredentialDocument.from_dict(document.to_dict())
    with_lists = DocumentWithStatusLists(document=sent, status_lists=[])
    for _ in range(100):  # the verifier follows the log, and has soon seen what was issued
        if verdict_of(verifier, sent) != "indeterminate":
            break
        time.sleep(0.1)
    verdicts = [verdict_of(verifier, body) for body in (sent, with_lists, [sent, sent])]
    wrong = issue_credential.sync(
        client=gateway, body=Award(Learner(ref="bob", given_name="Bob"), "nowhere", "2026-01-01")
    )
    assert isinstance(wrong, Problem), wrong
    batch = issue_batch.sync_detailed(
        client=gateway, body=[Award(Learner(ref="eve", given_name="Eve"), uri, "2026-01-01")], idempotency_key="batch"
    )
    imported = import_open_badges.sync_detailed(client=gateway, body=document)
    reason = ChangeRequest(reason=ChangeRequestReason.ERROR)
    revoked = revoke_credential.sync_detailed(client=gateway, credential_id=issued.credential_id, body=reason)
    status = read_status.sync(client=verifier, credential_id=issued.credential_id)
    found = {
        "issued": issued.credential_id,
        "verdicts": verdicts,
        "problem": wrong.type_,
        "batch": batch.status_code,
        "imported": imported.status_code,
        "revoked": revoked.status_code,
        "status": type(status).__name__,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
