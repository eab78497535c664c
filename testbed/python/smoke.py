"""Talks to the Lightsail simulator with boto3, which nobody here wrote, and checks what it understands.

Endpoint, region and credentials come from the AWS_* variables that `testbed simulator` prints. The account has the instance web-1 and nothing else.
"""

import base64
import datetime

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-west-1"
DEFAULT = "LightsailDefaultKeyPair"
# Throw-away keys. The fingerprints were computed with openssl and ssh-keygen.
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCgfbRUf8TKLx+7m+VxhNtAr+82RS7WsTmr76/MpCHXWiSOhGwVunec/BdJhNUCMsD7pYtKYJFW"
    "fR+C/hXnIXrWn+MMRFhiq+X1MEN5VYczZw/tCG4O+8YbvXjb8ssy6duBYjXedJQIP8HvT2HEwy5V/Ese3VPwa7YFX09I2ki/EoBunAb+FjkKOueZ"
    "bfp08G0U/C0CCc30pfUvSSnh8gdGjdxno6Uv5SIv8huD1JXcHJUEadgWll4R/tEmDZKtTUqzoNo45sDFVXKPBkBWDmBCSuBN/MQNhJdqOc0qQiR0"
    "IKBIX7tqRC9Czofi+UbmqjYeIse2rVgTcku5Pwd3lQo3 vector@lightsail"
)
RSA_FINGERPRINT = "1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA vector@lightsail"
ED25519_FINGERPRINT = "4rAxHvrtpvQITz+hVL7i+nUzAqfqWHJYceG7oYt8ifk="

# Each call once: what fails must be seen, not tried again.
CONFIG = Config(retries={"total_max_attempts": 1})
lightsail = boto3.client("lightsail", config=CONFIG)


def expect(statement: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise AssertionError(f"{statement}: seen is {seen!r}, wanted is {wanted!r}")


def refused(error_type: str, code: str, call: object, **arguments: object) -> None:
    """The call must fail with this type and this sub-code."""
    try:
        call(**arguments)
    except ClientError as error:
        expect("the type of the error", error.response["Error"]["Code"], error_type)
        expect("the sub-code of the error", error.response.get("code"), code)
    else:
        raise AssertionError(f"{call} did not fail with {error_type}")


def key_pairs(**arguments: object) -> dict:
    pages = list(lightsail.get_paginator("get_key_pairs").paginate(**arguments))
    return {"pages": len(pages), "names": [pair["name"] for page in pages for pair in page["keyPairs"]]}


def identity() -> None:
    caller = boto3.client("sts", config=CONFIG).get_caller_identity()
    expect("the account", caller["Account"], "123456789012")
    unknown = boto3.client("sts", config=CONFIG, aws_access_key_id="AKIAUNKNOWN", aws_secret_access_key="none")
    refused("InvalidClientTokenId", None, unknown.get_caller_identity)


def imports() -> None:
    operation = lightsail.import_key_pair(keyPairName="rsa", publicKeyBase64=RSA)["operation"]
    expect("the operation is over", (operation["status"], operation["isTerminal"]), ("Succeeded", True))
    expect("times are times", type(operation["createdAt"]), datetime.datetime)
    lightsail.import_key_pair(keyPairName="ed25519", publicKeyBase64=ED25519)
    pair = lightsail.get_key_pair(keyPairName="rsa")["keyPair"]
    expect("an RSA key's fingerprint", pair["fingerprint"], RSA_FINGERPRINT)
    expect("the place", pair["location"], {"availabilityZone": "all", "regionName": REGION})
    pair = lightsail.get_key_pair(keyPairName="ed25519")["keyPair"]
    expect("an Ed25519 key's fingerprint", pair["fingerprint"], ED25519_FINGERPRINT)

    import_ = lightsail.import_key_pair
    refused("InvalidInputException", "NameExists", import_, keyPairName="rsa", publicKeyBase64=ED25519)
    # The member's name misleads: it is the line itself.
    encoded = base64.b64encode(RSA.encode()).decode()
    refused("InvalidInputException", "InvalidKey.Format", import_, keyPairName="encoded", publicKeyBase64=encoded)
    refused("NotFoundException", "DoesNotExist", lightsail.get_key_pair, keyPairName="nobody")


def pages() -> None:
    names = [f"page-{number:02}" for number in range(45)]
    for name in names:
        lightsail.import_key_pair(keyPairName=name, publicKeyBase64=ED25519)
    expect("all pages", key_pairs(), {"pages": 3, "names": sorted([*names, "ed25519", "rsa"])})
    for name in names:
        lightsail.delete_key_pair(keyPairName=name)


def tags() -> None:
    tag = {"key": "team", "value": "a"}
    done = lightsail.tag_resource(resourceName="rsa", tags=[tag, {"key": "alone"}])["operations"]
    expect("one operation", len(done), 1)
    expect("tags", lightsail.get_key_pair(keyPairName="rsa")["keyPair"]["tags"], [{"key": "alone"}, tag])
    lightsail.untag_resource(resourceName="rsa", tagKeys=["alone", "never-there"])
    expect("tags", lightsail.get_key_pair(keyPairName="rsa")["keyPair"]["tags"], [tag])
    refused("NotFoundException", "DoesNotExist", lightsail.tag_resource, resourceName="nobody", tags=[tag])


def deletion() -> None:
    delete = lightsail.delete_key_pair
    refused("NotFoundException", "DoesNotExist", delete, keyPairName="nobody")
    lightsail.delete_key_pair(keyPairName="rsa", expectedFingerprint=RSA_FINGERPRINT)
    expect("what is left", key_pairs()["names"], ["ed25519"])


def default_pair() -> None:
    expect("no default key pair", key_pairs(includeDefaultKeyPair=True)["names"], ["ed25519"])
    first = lightsail.download_default_key_pair()
    expect("raw PEM", first["privateKeyBase64"].startswith("-----BEGIN RSA PRIVATE KEY-----\n"), True)
    expect("a raw line", first["publicKeyBase64"].startswith("ssh-rsa "), True)
    second = lightsail.download_default_key_pair()
    expect("the same again", second["createdAt"], first["createdAt"])
    expect("listed on request only", key_pairs()["names"], ["ed25519"])
    pages = lightsail.get_paginator("get_key_pairs").paginate(includeDefaultKeyPair=True)
    listed = [pair for page in pages for pair in page["keyPairs"] if pair["name"] == DEFAULT]
    expect("listed once", len(listed), 1)

    delete = lightsail.delete_key_pair
    refused("InvalidInputException", "InvalidInput", delete, keyPairName=DEFAULT)
    refused("InvalidInputException", "InvalidInput", delete, keyPairName=DEFAULT, expectedFingerprint=RSA_FINGERPRINT)
    lightsail.delete_key_pair(keyPairName=DEFAULT, expectedFingerprint=listed[0]["fingerprint"])
    expect("gone", key_pairs(includeDefaultKeyPair=True)["names"], ["ed25519"])


def host_keys() -> None:
    operations = lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
    expect("one operation", [it["operationType"] for it in operations], ["DeleteKnownHostKeys"])
    expect("on an instance", (operations[0]["resourceType"], operations[0]["resourceName"]), ("Instance", "web-1"))
    read = lightsail.get_operation(operationId=operations[0]["id"])["operation"]
    expect("read again", read, operations[0])
    listed = lightsail.get_operations_for_resource(resourceName="web-1")["operations"]
    expect("listed", listed, operations)
    expect("the instance", lightsail.get_instance(instanceName="web-1")["instance"]["name"], "web-1")
    refused("NotFoundException", "DoesNotExist", lightsail.delete_known_host_keys, instanceName="nobody")
    refused("NotFoundException", "DoesNotExist", lightsail.get_operation, operationId="nothing")


def main() -> None:
    for part in (identity, imports, pages, tags, deletion, default_pair, host_keys):
        part()
        print(f"{part.__name__}: as it should be")


if __name__ == "__main__":
    main()
