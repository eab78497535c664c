"""Every form of fingerprint, against ssh-keygen, openssl and moto's EC2."""

import boto3
import moto
from botocore.config import Config

import keys
from checks import expect
from world import World

DEFAULT = "LightsailDefaultKeyPair"


def imported(world: World) -> None:
    """RSA of each size, with MD5 of the DER public key; moto's EC2 agrees."""
    lines = {
        f"rsa-{bits}": keys.make(f"rsa-{bits}", "rsa", bits) for bits in (1024, 2048, 3072, 4096)
    }
    with moto.mock_aws():
        config = Config(ignore_configured_endpoint_urls=True)
        ec2 = boto3.client(
            "ec2",
            "eu-west-1",
            config=config,
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )
        of_moto = {
            name: ec2.import_key_pair(KeyName=name, PublicKeyMaterial=line.encode())[
                "KeyFingerprint"
            ]
            for name, line in lines.items()
        }
    for name, line in lines.items():
        world.lightsail.import_key_pair(keyPairName=name, publicKeyBase64=line)
        shown = world.lightsail.get_key_pair(keyPairName=name)["keyPair"]["fingerprint"]
        expect(f"{name}: openssl", shown, keys.md5_of_spki(line))
        expect(f"{name}: moto", shown, of_moto[name])


def forms(world: World) -> None:
    rsa, ed25519 = keys.rsa(), keys.ed25519()
    bare = keys.sha256(ed25519)
    for switch, value, line, wanted in (
        ("importedRsaFingerprint", "Md5OfSpki", rsa, keys.md5_of_spki(rsa)),
        ("importedRsaFingerprint", "Md5OfBlob", rsa, keys.md5_of_blob(rsa)),
        ("importedRsaFingerprint", "Sha1OfPrivateKey", rsa, keys.md5_of_spki(rsa)),
        ("ed25519Fingerprint", "Padded", ed25519, keys.sha256_padded(ed25519)),
        ("ed25519Fingerprint", "Unpadded", ed25519, bare.removeprefix("SHA256:")),
        ("ed25519Fingerprint", "Prefixed", ed25519, bare),
    ):
        world.switch(**{switch: value})
        world.lightsail.import_key_pair(keyPairName="pair", publicKeyBase64=line)
        expect(
            f"{switch}={value}",
            world.lightsail.get_key_pair(keyPairName="pair")["keyPair"]["fingerprint"],
            wanted,
        )
        world.lightsail.delete_key_pair(keyPairName="pair")
    for value in ("Md5OfSpki", "Md5OfBlob", "Sha1OfPrivateKey"):
        world.switch(createdFingerprint=value, defaultPairFingerprintForm=value)
        made = world.lightsail.create_key_pair(keyPairName="made")
        default = world.lightsail.download_default_key_pair()
        for name, key in (("made", made), (DEFAULT, default)):
            wanted = {
                "Md5OfSpki": lambda key: keys.md5_of_spki(key["publicKeyBase64"]),
                "Md5OfBlob": lambda key: keys.md5_of_blob(key["publicKeyBase64"]),
                "Sha1OfPrivateKey": lambda key: keys.sha1_of_private_key(key["privateKeyBase64"]),
            }[value](key)
            shown = world.lightsail.get_key_pair(keyPairName=name)["keyPair"]["fingerprint"]
            expect(f"{name}: {value}", shown, wanted)
            world.lightsail.delete_key_pair(keyPairName=name, expectedFingerprint=shown)


PARTS = (imported, forms)
