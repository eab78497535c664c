"""The default key pair: made by downloading, listed on request, deleted with its fingerprint."""

import base64

import keys
from checks import expect, invalid, missing, refused
from world import World

DEFAULT = "LightsailDefaultKeyPair"


def life(world: World) -> None:
    expect("none at first", world.names(includeDefaultKeyPair=True), [])
    missing(world.lightsail.get_key_pair, keyPairName=DEFAULT)
    missing(world.lightsail.delete_key_pair, keyPairName=DEFAULT, expectedFingerprint="x")
    first = world.lightsail.download_default_key_pair()
    expect(
        "they belong together", keys.public_of(first["privateKeyBase64"]), first["publicKeyBase64"]
    )
    expect(
        "raw PEM", first["privateKeyBase64"].startswith("-----BEGIN RSA PRIVATE KEY-----\n"), True
    )
    expect("the same again", _body(world.lightsail.download_default_key_pair()), _body(first))
    expect("not listed unasked", world.names(), [])
    expect("not listed unasked", world.names(includeDefaultKeyPair=False), [])
    [listed] = world.key_pairs(includeDefaultKeyPair=True)
    expect("its name", listed["name"], DEFAULT)
    expect("its fingerprint", listed["fingerprint"], keys.md5_of_spki(first["publicKeyBase64"]))
    expect("made then", listed["createdAt"], first["createdAt"])
    expect("by name too", world.lightsail.get_key_pair(keyPairName=DEFAULT)["keyPair"], listed)

    delete = world.lightsail.delete_key_pair
    invalid(delete, "expectedFingerprint", keyPairName=DEFAULT)
    invalid(
        delete, "fingerprint", keyPairName=DEFAULT, expectedFingerprint=keys.md5_of_spki(keys.rsa())
    )
    world.switch(expectedFingerprintOnCustomPairs=False, mismatchError="OperationFailure")
    refused("OperationFailureException", "OperationFailure", delete, keyPairName=DEFAULT)
    refused(
        "OperationFailureException",
        "OperationFailure",
        delete,
        keyPairName=DEFAULT,
        expectedFingerprint="x",
    )
    world.switch()
    delete(keyPairName=DEFAULT, expectedFingerprint=listed["fingerprint"])
    expect("gone", world.names(includeDefaultKeyPair=True), [])
    second = world.lightsail.download_default_key_pair()
    expect("a new one", second["publicKeyBase64"] == first["publicKeyBase64"], False)


def _body(answer: dict) -> dict:
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


def switches(world: World) -> None:
    world.switch(defaultNameReserved=False)
    world.lightsail.import_key_pair(keyPairName=DEFAULT, publicKeyBase64=keys.ed25519())
    world.lightsail.delete_key_pair(
        keyPairName=DEFAULT, expectedFingerprint=keys.sha256_padded(keys.ed25519())
    )
    world.switch(privateKeysAsBase64=True)
    answer = world.lightsail.download_default_key_pair()
    private = base64.b64decode(answer["privateKeyBase64"]).decode()
    expect("base64 of the PEM", keys.public_of(private), answer["publicKeyBase64"])
    world.switch(defaultPairByName=False)
    missing(world.lightsail.get_key_pair, keyPairName=DEFAULT)
    expect("listed", world.names(includeDefaultKeyPair=True), [DEFAULT])
    world.switch(defaultPairFingerprint=False)
    world.lightsail.import_key_pair(keyPairName="custom", publicKeyBase64=keys.rsa())
    shown = {
        pair["name"]: "fingerprint" in pair for pair in world.key_pairs(includeDefaultKeyPair=True)
    }
    expect("fingerprints", shown, {DEFAULT: False, "custom": True})
    world.switch(fingerprints=False)
    shown = {
        pair["name"]: "fingerprint" in pair for pair in world.key_pairs(includeDefaultKeyPair=True)
    }
    expect("fingerprints", shown, {DEFAULT: False, "custom": False})
    world.switch(defaultPairTaggable=False)
    invalid(
        world.lightsail.tag_resource, "cannot be tagged", resourceName=DEFAULT, tags=[{"key": "a"}]
    )
    world.switch()
    world.lightsail.tag_resource(resourceName=DEFAULT, tags=[{"key": "a"}])
    expect(
        "tagged",
        world.lightsail.get_key_pair(keyPairName=DEFAULT)["keyPair"]["tags"],
        [{"key": "a"}],
    )


PARTS = (life, switches)
