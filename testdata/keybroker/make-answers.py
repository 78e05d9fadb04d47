#!/usr/bin/env python3
"""Writes answers.json: answers of a key broker as pyca/cryptography encrypts them. The keys are throw-away keys, TEST ONLY."""
import base64
import json
import os

import cryptography
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

PLAINTEXT = b"a resource of the key broker\n"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def length_prefixed(data):
    return len(data).to_bytes(4, "big") + data


def seal(header, content_key, encrypted_key):
    protected = encode(json.dumps(header, separators=(",", ":")).encode())
    iv = os.urandom(12)
    sealed = AESGCM(content_key).encrypt(iv, PLAINTEXT, protected.encode())
    parts = {"encrypted_key": encrypted_key, "iv": iv, "ciphertext": sealed[:-16], "tag": sealed[-16:]}
    return {"protected": protected, **{name: encode(part) for name, part in parts.items()}}


def agreed(curve, name, size):
    recipient, ephemeral = ec.generate_private_key(curve), ec.generate_private_key(curve)
    numbers = ephemeral.public_key().public_numbers()
    x, y = (encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "epk": {"crv": name, "kty": "EC", "x": x, "y": y}}
    info = length_prefixed(header["alg"].encode()) + length_prefixed(b"") * 2 + (256).to_bytes(4, "big")
    shared = ephemeral.exchange(ec.ECDH(), recipient.public_key())
    wrapping_key = ConcatKDFHash(algorithm=hashes.SHA256(), length=32, otherinfo=info).derive(shared)
    content_key = os.urandom(32)
    key = recipient.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key, seal(header, content_key, keywrap.aes_key_wrap(wrapping_key, content_key))


def encrypted():
    recipient = rsa.generate_private_key(65537, 2048)
    content_key = os.urandom(32)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    key = recipient.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM"}
    return key, seal(header, content_key, recipient.public_key().encrypt(content_key, oaep))


cases = {
    "P-256": agreed(ec.SECP256R1(), "P-256", 32),
    "P-521": agreed(ec.SECP521R1(), "P-521", 66),
    "RSA-OAEP-256": encrypted(),
}
document = {
    "what": "TEST ONLY",
    "made_by": f"pyca/cryptography {cryptography.__version__}",
    "plaintext": PLAINTEXT.decode(),
    "answers": {name: {"key": key.decode(), "jwe": jwe} for name, (key, jwe) in cases.items()},
}
print(json.dumps(document, indent=1))
