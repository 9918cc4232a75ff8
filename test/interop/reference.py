"""Drives the reference tool (PyPI model-signing) for the interoperation tests.

Reads one JSON request a line from standard input and answers each with one JSON line, so that a
single Python process serves a whole test run.
"""

import json
import pathlib
import sys

from model_signing import hashing, signing, verifying


def hashing_config(request):
    config = hashing.Config()
    algorithm = request.get("hash", "sha256")
    if "shardSize" in request:
        config.use_shard_serialization(
            hashing_algorithm=algorithm, shard_size=request["shardSize"]
        )
    else:
        config.use_file_serialization(hashing_algorithm=algorithm)
    config.set_allow_symlinks(request.get("allowSymlinks", False))
    config.set_ignored_paths(
        paths=request.get("ignore", []),
        ignore_git_paths=request.get("ignoreGit", True),
    )
    return config


def sign(request):
    config = signing.Config().set_hashing_config(hashing_config(request))
    if "certificate" in request:
        config.use_certificate_signer(
            private_key=request["privateKey"],
            signing_certificate=request["certificate"],
            certificate_chain=request["chain"],
        )
    else:
        config.use_elliptic_key_signer(
            private_key=request["privateKey"], password=request.get("password")
        )
    config.sign(pathlib.Path(request["model"]), request["signature"])


def verify(request):
    config = verifying.Config()
    if "roots" in request:
        config.use_certificate_verifier(certificate_chain=request["roots"])
    else:
        config.use_elliptic_key_verifier(public_key=request["publicKey"])
    if "allowSymlinks" in request:
        config.set_hashing_config(hashing_config(request))
    if request.get("ignoreUnsigned"):
        config.set_ignore_unsigned_files(True)
    config.verify(pathlib.Path(request["model"]), request["signature"])


def digests(request):
    manifest = hashing_config(request).hash(pathlib.Path(request["model"]))
    return [[r.identifier, r.digest.digest_hex] for r in manifest.resource_descriptors()]


OPERATIONS = {"sign": sign, "verify": verify, "digests": digests}


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr  # the tool itself prints warnings
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, "value": OPERATIONS[request["operation"]](request)}
        except Exception as error:  # whatever it raises is its answer
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
