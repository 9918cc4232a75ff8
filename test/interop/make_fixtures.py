"""Writes the bundles of test/fixtures/reference with one release of the reference tool.

Run once for each release, in a virtual environment that has it:

    python make_fixtures.py FIXTURES KEYS

FIXTURES is test/fixtures/reference; KEYS a directory for the private test keys, made on the first
run and thrown away after the last. See README.md in FIXTURES for the releases and what they need.
"""

import datetime
import importlib.metadata
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FIXTURES, KEYS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
VERSION = importlib.metadata.version("model-signing")
MODEL = FIXTURES / "model"


def make_keys():
    """A key pair, and a leaf certificate under a root; valid for a hundred years."""
    key = ec.generate_private_key(ec.SECP384R1())
    write_key("signer.key", key)
    (FIXTURES / "signer.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "modelseal test root")])
    root = certificate(root_name, root_name, root_key.public_key(), root_key, True)
    leaf_key = ec.generate_private_key(ec.SECP384R1())
    leaf_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "modelseal test signer")])
    leaf = certificate(leaf_name, root_name, leaf_key.public_key(), root_key, False)
    write_key("leaf.key", leaf_key)
    (KEYS / "leaf.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (FIXTURES / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))


def certificate(subject, issuer, public_key, issuer_key, is_ca):
    start = datetime.datetime(2024, 1, 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False),
            critical=True,
        )
    )
    if not is_ca:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def write_key(name, key):
    (KEYS / name).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_bundles_0_2():
    from model_signing.hashing import file, memory
    from model_signing.serialization import serialize_by_file
    from model_signing.signature import key, pki
    from model_signing.signing import in_toto

    serializer = serialize_by_file.ManifestSerializer(
        lambda path: file.SimpleFileHasher(path, memory.SHA256())
    )
    statement = in_toto.DigestsIntotoPayload.from_manifest(serializer.serialize(MODEL)).statement
    signers = {
        "key": key.ECKeySigner.from_path(str(KEYS / "signer.key")),
        "certificate": pki.PKISigner.from_path(
            str(KEYS / "leaf.key"), str(KEYS / "leaf.pem"), [str(FIXTURES / "root.pem")]
        ),
    }
    for method, signer in signers.items():
        output(method).write_text(signer.sign(statement).to_json())


def write_bundles():
    from model_signing import hashing
    from model_signing._signing import sign_certificate, sign_ec_key, signing

    def sign(method, suffix="", config=None):
        manifest = (config or hashing.Config()).hash(MODEL)
        if method == "key":
            signer = sign_ec_key.Signer(KEYS / "signer.key")
        else:
            signer = sign_certificate.Signer(
                KEYS / "leaf.key", KEYS / "leaf.pem", [FIXTURES / "root.pem"]
            )
        signer.sign(signing.Payload(manifest)).write(output(method, suffix))

    sign("key")
    if VERSION != "0.3.1":  # that release cannot sign with a certificate
        sign("certificate")
    if VERSION == "1.1.1":
        sign("key", "-shards", hashing.Config().use_shard_serialization(shard_size=100))
        sign("key", "-blake2b", hashing.Config().use_file_serialization(hashing_algorithm="blake2"))
        sign("key", "-blake3", hashing.Config().use_file_serialization(hashing_algorithm="blake3"))


def output(method, suffix=""):
    return FIXTURES / f"{VERSION}-{method}{suffix}.sig"


if not (KEYS / "signer.key").exists():
    make_keys()
if VERSION == "0.2.0":
    write_bundles_0_2()
else:
    write_bundles()
