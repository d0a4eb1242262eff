"""Every published vector for trees, tiles, notes, checkpoints, cosignatures and proofs is read and agreed with."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from proto.base64_strict import decode_base64
from proto.ids import LeafIndex, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import cosign, open_checkpoint, parse_checkpoint, sign_checkpoint, with_cosignatures
from proto.log.merkle import EMPTY_ROOT, Frontier, Hash, ProofProblem, check_consistency, check_inclusion, leaf_hash
from proto.log.note import open_note, parse_note, parse_signature_lines, sign_note
from proto.log.note_key import KeyKind, SignerKey, parse_signer_key, parse_vkey
from proto.log.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from proto.log.receipt import check_receipt, parse_receipt
from proto.log.tile import TileId, full_count, level_count, parse_path, partial_width
from proto.log.tile_edge import Growth, TileEdge, grow
from proto.log.witness import parse_add_checkpoint
from proto.problem import InvalidProblem, MalformedProblem

DATA = Path(__file__).parent / "vectors" / "tlog"
KNOWN_EXCEPTION = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"  # 12-byte roots: we stay strict


def vectors(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def hashes(texts: list[str] | None) -> list[Hash]:
    return [Hash(decode_base64(text)) for text in texts or []]


@pytest.mark.parametrize("vector", vectors("merkle_inclusion.json"), ids=lambda v: v["name"])
def test_inclusion_vector(vector: dict[str, Any]) -> None:
    leaf, root = hashes([vector["leafHash"], vector["root"]])
    index, size = LeafIndex(vector["leafIdx"]), TreeSize(vector["treeSize"])
    if vector["wantErr"]:
        with pytest.raises(ProofProblem):
            check_inclusion(index, size, leaf, hashes(vector["proof"]), root)
    else:
        check_inclusion(index, size, leaf, hashes(vector["proof"]), root)


@pytest.mark.parametrize("vector", vectors("merkle_consistency.json"), ids=lambda v: v["name"])
def test_consistency_vector(vector: dict[str, Any]) -> None:
    old_root, new_root = hashes([vector["root1"], vector["root2"]])
    old, new = TreeSize(vector["size1"]), TreeSize(vector["size2"])
    if vector["wantErr"] or vector["name"] == KNOWN_EXCEPTION:
        with pytest.raises(ProofProblem):
            check_consistency(old, new, old_root, new_root, hashes(vector["proof"]))
    else:
        check_consistency(old, new, old_root, new_root, hashes(vector["proof"]))


def test_reference_tree_of_rfc_6962() -> None:
    vector = vectors("rfc6962_reference_tree.json")
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in vector["leaves_hex"]]
    roots = [Frontier().extend(leaves[:size]).root().hex() for size in range(len(leaves) + 1)]
    assert roots == vector["roots_hex_size_0_to_8"]


def test_tile_paths() -> None:
    vector = vectors("tile_paths.json")
    for index, path in vector["tile_index_paths"].items():
        assert TileId(0, int(index)).path == f"tile/0/{path}"
        assert parse_path(f"tile/0/{path}") == TileId(0, int(index))
    for path in vector["reject"]:
        with pytest.raises(MalformedProblem):
            parse_path(f"tile/0/{path}")


def test_tile_widths() -> None:
    for text, levels in vectors("tile_paths.json")["partial_widths"].items():
        size = TreeSize(int(text))
        found = [
            {"level": level, "full": full_count(size, level), "partial": partial_width(size, level)}
            for level in range(level_count(size))
        ]
        assert found == levels


@pytest.fixture(scope="module")
def growths() -> dict[int, Growth]:
    """The tree of 8-byte big-endian leaves, grown from each size of the vectors to the next."""
    found: dict[int, Growth] = {}
    edge, full = TileEdge(), dict[TileId, bytes]()
    for tree in vectors("tiles_u64_leaves.json")["trees"]:
        leaves = [leaf_hash(i.to_bytes(8, "big")) for i in range(edge.size, tree["size"])]
        growth = grow(edge, leaves)
        edge, full = growth.edge, full | dict(growth.full_tiles)
        found[tree["size"]] = Growth(full_tiles=tuple(full.items()), edge=edge, root=growth.root)
    return found


def test_tiles_and_roots_of_trees_up_to_70000_leaves(growths: dict[int, Growth]) -> None:
    for tree in vectors("tiles_u64_leaves.json")["trees"]:
        growth = growths[tree["size"]]
        assert growth.root == decode_base64(tree["root"])
        tiles = {tile.path: data for tile, data in (*growth.full_tiles, *growth.edge.tiles.items())}
        for level in tree["tiles"]:
            assert level["full"] == full_count(TreeSize(tree["size"]), level["level"])
            assert level["partial_width"] == partial_width(TreeSize(tree["size"]), level["level"])
            for place in ("rightmost", "rightmost_full"):
                if place in level:
                    digest = hashlib.sha256(tiles[level[place]["path"]]).hexdigest()
                    assert digest == level[place]["sha256_of_bytes"]


@pytest.mark.parametrize("vector", vectors("signed_note.json")["notes"] if DATA.is_dir() else [])
def test_signed_notes(vector: dict[str, Any]) -> None:
    key = parse_vkey(vector["vkey"])
    assert key.text == vector["vkey"]
    data = f"{vector['text']}\n{''.join(line + chr(10) for line in vector['sig_lines'])}".encode()
    note = parse_note(data)
    assert note.encode() == data
    assert list(open_note(note, [key]).verified) == [key]
    if "skey" in vector:
        signer = parse_signer_key(vector["skey"])
        assert (signer.private_text, signer.verifier) == (vector["skey"], key)
        assert sign_note(vector["text"], [signer]) == note


def test_two_notes_with_one_text_make_one_note_with_two_signatures() -> None:
    first, second = vectors("signed_note.json")["notes"][1:]
    lines = [*first["sig_lines"], *second["sig_lines"]]
    note = parse_note(f"{first['text']}\n{''.join(line + chr(10) for line in lines)}".encode())
    keys = [parse_vkey(first["vkey"]), parse_vkey(second["vkey"])]
    assert list(open_note(note, keys).verified) == keys


def test_bad_verifier_keys_are_refused() -> None:
    for text in vectors("signed_note.json")["vkeys_to_reject"]:
        with pytest.raises((MalformedProblem, InvalidProblem)):
            parse_vkey(text)


def signers(vector: dict[str, Any]) -> tuple[SignerKey, list[SignerKey]]:
    log, *witnesses = (
        SignerKey(name=who["vkey"].split("+")[0], kind=kind, secret=SecretKey(bytes.fromhex(who["seed_hex"])))
        for kind, who in (
            (KeyKind.ED25519, vector["log"]),
            *((KeyKind.COSIGNATURE, witness) for witness in vector["witnesses"]),
        )
    )
    return log, witnesses


def test_checkpoints_and_cosignatures_are_made_and_read_byte_for_byte() -> None:
    vector = vectors("checkpoint_cosig_proof.json")
    log, witnesses = signers(vector)
    assert log.verifier.text == vector["log"]["vkey"]
    assert [w.verifier.text for w in witnesses] == [w["vkey"] for w in vector["witnesses"]]
    keys = tuple(witness.verifier for witness in witnesses)
    for item in vector["items"]:
        opened = open_checkpoint(item["cosigned"].encode(), log.verifier, keys)
        note = sign_checkpoint(opened.checkpoint, log)
        assert note.encode().decode() == item["checkpoint"]
        for signer, key in zip(witnesses, keys, strict=True):
            line = cosign(note, signer, opened.cosigned_at[key])
            note = with_cosignatures(note, line.text, key)
        assert note.encode().decode() == item["cosigned"]


def test_requests_to_witnesses_and_their_answers() -> None:
    vector = vectors("checkpoint_cosig_proof.json")
    log, (witness, _) = signers(vector)
    roots: dict[int, Hash] = {0: EMPTY_ROOT}
    for item in vector["items"]:
        request = parse_add_checkpoint(item["add_checkpoint_body"].encode())
        assert request.encode().decode() == item["add_checkpoint_body"]
        checkpoint = parse_checkpoint(request.note.text)
        roots[checkpoint.size] = checkpoint.root_hash
        if request.old_size:
            old_root = roots[request.old_size]
            check_consistency(request.old_size, checkpoint.size, old_root, checkpoint.root_hash, request.proof)
        (line,) = parse_signature_lines(item["add_checkpoint_200_body_w1"])
        assert line.is_by(witness.verifier)
        assert (
            with_cosignatures(request.note, item["add_checkpoint_200_body_w1"], witness.verifier).signatures[-1] == line
        )
        assert list(open_note(request.note, [log.verifier]).verified) == [log.verifier]


def test_receipts() -> None:
    vector = vectors("checkpoint_cosig_proof.json")
    log, witnesses = signers(vector)
    policy = Policy(
        logs=(PolicyLog(key=log.verifier),),
        witnesses=tuple(PolicyWitness(name=w.name, key=w.verifier) for w in witnesses),
        groups=(PolicyGroup(name="both", threshold=2, members=tuple(w.name for w in witnesses)),),
        quorum="both",
    )
    proven = [item for item in vector["items"] if "tlog_proof" in item]
    assert len(proven) >= 4
    for item in proven:
        receipt = parse_receipt(item["tlog_proof"].encode())
        assert receipt.encode().decode() == item["tlog_proof"]
        entry = receipt.index.to_bytes(8, "big")
        assert leaf_hash(entry) == decode_base64(item["leaf_hash"])
        assert check_receipt(receipt, entry, policy).checkpoint.size == item["size"]
