#!/usr/bin/env python3
"""Prints what tests/fakes/restic_repository.cpp holds: a restic repository's config, and for each password given as an
argument a key file that opens it. It differs from what `restic init` makes in one thing alone: the work factor of the
key derivation is tiny, where restic chooses one that costs half a second for every call. Needs the openssl command.

  python3 tests/fakes/restic_keys.py 'password' 'another'
"""
import base64
import hashlib
import json
import subprocess
import sys

# The example of a repository, the same at each run: none of it protects anything.
MASTER = hashlib.sha512(b"belay tests").digest()
CONFIG = {"version": 2, "id": hashlib.sha256(b"belay tests").hexdigest(), "chunker_polynomial": "268b94849564b1"}
WORK = {"N": 16, "r": 8, "p": 1}


def openssl(arguments, data):
    return subprocess.run(["openssl", "enc", *arguments], input=data, capture_output=True, check=True).stdout


def poly1305_aes(text, k, r, nonce):
    s = openssl(["-aes-128-ecb", "-nopad", "-K", k.hex()], nonce)
    clamped = int.from_bytes(r, "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    sum_ = 0
    for i in range(0, len(text), 16):
        sum_ = (sum_ + int.from_bytes(text[i:i + 16] + b"\1", "little")) * clamped % ((1 << 130) - 5)
    return ((sum_ + int.from_bytes(s, "little")) % (1 << 128)).to_bytes(16, "little")


def seal(key, text, seed):
    """restic's: nonce, AES-256-CTR, Poly1305-AES. `key`: 32 bytes to encrypt with, then k and r of the checksum."""
    nonce = hashlib.sha256(seed).digest()[:16]
    sealed = openssl(["-aes-256-ctr", "-K", key[:32].hex(), "-iv", nonce.hex()], text)
    return nonce + sealed + poly1305_aes(sealed, key[32:48], key[48:], nonce)


def base64_of(data):
    return base64.b64encode(data).decode()


def key_file(password):
    salt = hashlib.sha512(password.encode()).digest()
    user = hashlib.scrypt(password.encode(), salt=salt, n=WORK["N"], r=WORK["r"], p=WORK["p"], dklen=64)
    master = {"mac": {"k": base64_of(MASTER[32:48]), "r": base64_of(MASTER[48:])}, "encrypt": base64_of(MASTER[:32])}
    data = seal(user, json.dumps(master).encode(), password.encode())
    return json.dumps({"created": "2026-01-01T00:00:00Z", "username": "root", "hostname": "test", "kdf": "scrypt",
                       **WORK, "salt": base64_of(salt), "data": base64_of(data)})


print("config", seal(MASTER, json.dumps(CONFIG).encode(), b"config").hex())
for password in sys.argv[1:]:
    print(password, key_file(password))
