from __future__ import annotations

from base64 import b64decode, b64encode

from devenv.postgres import scram

# The example exchange of RFC 7677, section 3.
_SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
_EXCHANGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)


def test_keys_give_the_proof_and_the_signature_of_rfc_7677() -> None:
    keys = scram.keys("pencil", _SALT, 4096)
    signature = scram.mac(keys.stored, _EXCHANGE)
    proof = bytes(a ^ b for a, b in zip(keys.client, signature, strict=True))
    assert b64encode(proof) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert b64encode(scram.mac(keys.server, _EXCHANGE)) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_verifier_matches_its_own_password_only() -> None:
    kept = scram.verifier("right")
    assert scram.matches(kept, "right")
    assert not scram.matches(kept, "wrong")


def test_a_verifier_does_not_hold_the_password() -> None:
    assert "tell-nobody" not in scram.verifier("tell-nobody")


def test_no_verifier_and_another_kind_match_nothing() -> None:
    assert not scram.matches(None, "right")
    assert not scram.matches("md5f3ac1bbd5c4ee8fd9a2c6f1a5d5f1c3f", "right")


def test_keys_are_not_shown() -> None:
    assert repr(scram.keys("pencil", _SALT, 1)) == "Keys()"
