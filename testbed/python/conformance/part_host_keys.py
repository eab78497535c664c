"""Instances, their host keys and access details, and the record that DeleteKnownHostKeys takes
away.
"""

import base64
import datetime

import keys
from checks import expect, invalid, missing
from world import World

ALGORITHMS = ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"]


def _details(world: World, name: str = "web-1", **more: object) -> dict:
    return world.lightsail.get_instance_access_details(instanceName=name, **more)["accessDetails"]


def _algorithms(world: World) -> list:
    return [key["algorithm"] for key in _details(world)["hostKeys"]]


def access(world: World) -> None:
    details = _details(world, protocol="ssh")
    expect(
        "who",
        (details["instanceName"], details["username"], details["protocol"]),
        ("web-1", "admin", "ssh"),
    )
    expect("a key", keys.public_of(details["privateKey"]).startswith("ssh-rsa "), True)
    expect("for a while", details["expiresAt"] > datetime.datetime.now(datetime.timezone.utc), True)
    expect("host keys", [key["algorithm"] for key in details["hostKeys"]], ALGORITHMS)
    for key in details["hostKeys"]:
        line = f"{key['algorithm']} {key['publicKey']}"
        shown = keys.run(
            "ssh-keygen", "-l", "-E", "sha256", "-f", keys.write("host.pub", line)
        ).decode()
        expect("SHA-256", shown.split()[1], key["fingerprintSHA256"])
        shown = keys.run(
            "ssh-keygen", "-l", "-E", "sha1", "-f", keys.write("host.pub", line)
        ).decode()
        expect("SHA-1", shown.split()[1], key["fingerprintSHA1"])
    again = _details(world)
    expect("the same host keys", again["hostKeys"], details["hostKeys"])
    expect("another access key", again["privateKey"] == details["privateKey"], False)
    missing(world.lightsail.get_instance_access_details, instanceName="nobody")
    invalid(world.lightsail.get_instance_access_details, instanceName="web-1", protocol="telnet")
    invalid(world.lightsail.get_instance_access_details, instanceName="web-1", protocol="rdp")


def record(world: World) -> None:
    before = _details(world)["hostKeys"]
    [operation] = world.lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
    expect("its type", operation["operationType"], "DeleteKnownHostKeys")
    expect(
        "on an instance",
        (operation["resourceType"], operation["resourceName"]),
        ("Instance", "web-1"),
    )
    expect("its place", operation["location"]["availabilityZone"], "eu-west-1a")
    expect(
        "over at once",
        (operation["isTerminal"], operation["createdAt"]),
        (True, operation["statusChangedAt"]),
    )
    expect("forgotten", _algorithms(world), [])
    world.lightsail.delete_known_host_keys(instanceName="web-1")
    world.admin("POST", "/instances/web-1/browser")
    after = _details(world)["hostKeys"]
    expect(
        "witnessed again", [key["publicKey"] for key in after], [key["publicKey"] for key in before]
    )
    expect("later", after[0]["witnessedAt"] > before[0]["witnessedAt"], True)
    missing(world.lightsail.delete_known_host_keys, instanceName="nobody")
    invalid(world.lightsail.delete_known_host_keys, instanceName="x")


def switches(world: World) -> None:
    reset = world.lightsail.delete_known_host_keys
    world.switch(hostKeysReturnAtOnce=True)
    reset(instanceName="web-1")
    expect("back at once", _algorithms(world), ALGORITHMS)
    world.switch(operationStatus="Failed")
    [operation] = reset(instanceName="web-1")["operations"]
    expect(
        "failed",
        (operation["status"], operation["isTerminal"], operation["errorCode"]),
        ("Failed", True, "InternalError"),
    )
    expect("without an effect", _algorithms(world), ALGORITHMS)
    world.switch(operationStatus="Completed")
    expect("the other success", reset(instanceName="web-1")["operations"][0]["status"], "Completed")
    world.switch(resetWithoutRecordSucceeds=False)
    missing(reset, instanceName="web-1")
    for count in (0, 3):
        world.switch(resetOperations=count)
        before = len(_listed(world))
        operations = reset(instanceName="web-1")["operations"]
        expect("so many operations", len(operations), count)
        expect("and so many on record", len(_listed(world)), before + count)
        expect("each another", len({operation["id"] for operation in operations}), count)
    world.switch(hostKeysAtLaunch=False)
    world.admin("POST", "/instances", {"name": "new"})
    expect("none yet", _details(world, "new")["hostKeys"], [])
    world.admin("POST", "/instances/new/browser")
    expect("then some", len(_details(world, "new")["hostKeys"]), 3)


def _listed(world: World) -> list:
    pages = world.lightsail.get_paginator("get_operations").paginate()
    return [operation for page in pages for operation in page["operations"]]


def windows(world: World) -> None:
    pair = world.lightsail.create_key_pair(keyPairName="custom")
    world.admin("POST", "/instances", {"name": "win-1", "windows": True})
    world.admin(
        "POST",
        "/instances",
        {"name": "win-2", "windows": True, "keyPairName": "custom", "tags": {"a": None}},
    )
    one, two = (
        world.lightsail.get_instance(instanceName=name)["instance"] for name in ("win-1", "win-2")
    )
    expect(
        "key pairs", (one["sshKeyName"], two["sshKeyName"]), ("LightsailDefaultKeyPair", "custom")
    )
    expect(
        "Windows", (one["blueprintId"], one["username"]), ("windows_server_2022", "Administrator")
    )
    expect("tags", two["tags"], [{"key": "a"}])
    details = _details(world, "win-1", protocol="rdp")
    expect(
        "the password itself",
        (len(details["password"]) > 0, details["passwordData"]["ciphertext"]),
        (True, ""),
    )
    details = _details(world, "win-2")
    expect("no password", "password" in details, False)
    expect("for which key", details["passwordData"]["keyPairName"], "custom")
    secret = base64.b64decode(details["passwordData"]["ciphertext"])
    path = keys.write("custom.pem", pair["privateKeyBase64"])
    password = keys.run("openssl", "pkeyutl", "-decrypt", "-inkey", path, stdin=secret)
    expect("a password inside", len(password), 16)
    invalid(world.lightsail.get_instance_access_details, instanceName="win-1", protocol="ssh")


def instances(world: World) -> None:
    for number in range(44):
        world.admin("POST", "/instances", {"name": f"box-{number:02}"})
    wanted = [f"box-{number:02}" for number in range(44)] + ["web-1"]
    pages = list(world.lightsail.get_paginator("get_instances").paginate())
    expect("pages", [len(page["instances"]) for page in pages], [20, 20, 5])
    expect("each once", [it["name"] for page in pages for it in page["instances"]], wanted)
    expect(
        "as it is got",
        pages[-1]["instances"][-1],
        world.lightsail.get_instance(instanceName="web-1")["instance"],
    )
    missing(world.lightsail.get_instance, instanceName="nobody")
    world.admin("DELETE", "/instances/box-00")
    missing(world.lightsail.get_instance, instanceName="box-00")


PARTS = (access, record, switches, windows, instances)
