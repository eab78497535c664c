"""Import, list, get, create and delete key pairs; names and what is refused."""

import base64
import datetime

import keys
from checks import expect, invalid, missing, refused
from world import World, quoted

FORMAT = "The format of this public key is not valid"


def imports(world: World) -> None:
    rsa, ed25519 = keys.rsa(), keys.ed25519()
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    operation = world.lightsail.import_key_pair(keyPairName="rsa", publicKeyBase64=rsa)["operation"]
    expect(
        "the operation is over", (operation["status"], operation["isTerminal"]), ("Succeeded", True)
    )
    expect(
        "on the pair", (operation["resourceName"], operation["resourceType"]), ("rsa", "KeyPair")
    )
    expect("times are now", before < operation["createdAt"] <= operation["statusChangedAt"], True)
    world.lightsail.import_key_pair(keyPairName="ed25519", publicKeyBase64=ed25519)
    pair = world.lightsail.get_key_pair(keyPairName="rsa")["keyPair"]
    expect("the place", pair["location"], {"availabilityZone": "all", "regionName": "eu-west-1"})
    expect("the type", pair["resourceType"], "KeyPair")
    expect(
        "the ARN",
        pair["arn"].rsplit("/", 1)[0],
        f"arn:aws:lightsail:eu-west-1:{world.account}:KeyPair",
    )
    expect("no name in the ARN", "rsa" in pair["arn"].rsplit("/", 1)[1], False)
    expect("no tags", pair["tags"], [])
    expect(
        "listed as it is got",
        world.key_pairs(),
        [world.lightsail.get_key_pair(keyPairName=n)["keyPair"] for n in ("ed25519", "rsa")],
    )

    again = dict(call=world.lightsail.import_key_pair, publicKeyBase64=ed25519)
    refused(
        "InvalidInputException",
        "NameExists",
        keyPairName="rsa",
        message="already in use: rsa",
        **again,
    )
    refused(
        "InvalidInputException",
        "NameExists",
        keyPairName="web-1",
        message="already in use: web-1",
        **again,
    )
    refused("InvalidInputException", "NameExists", keyPairName="LightsailDefaultKeyPair", **again)
    missing(world.lightsail.get_key_pair, keyPairName="web-1")
    other = world.lightsail.meta.region_name
    expect("the region", other, "eu-west-1")


def lag(world: World) -> None:
    """GetKeyPair shows what was there before a change, and lists show what is there."""
    get, key = world.lightsail.get_key_pair, keys.ed25519()
    world.lightsail.import_key_pair(keyPairName="early", publicKeyBase64=key)
    world.switch(keyPairLag=3600)
    world.lightsail.import_key_pair(keyPairName="late", publicKeyBase64=key)
    deleted = get(keyPairName="early")["keyPair"]
    world.lightsail.delete_key_pair(keyPairName="early")
    expect("what is listed", world.names(), ["late"])
    expect("it is shown", get(keyPairName="early")["keyPair"], deleted)
    missing(get, keyPairName="late")
    world.switch(keyPairLag=0)
    missing(get, keyPairName="early")
    expect("it is shown", get(keyPairName="late")["keyPair"]["name"], "late")


def refused_keys(world: World) -> None:
    rsa, ed25519 = keys.rsa(), keys.ed25519()
    private = (keys.DIRECTORY / "ed25519").read_text()
    for key in (
        base64.b64encode(rsa.encode()).decode(),
        rsa.split()[1],
        rsa + "\n",
        f"{rsa}\n{ed25519}",
        f"ssh-ed25519 {rsa.split()[1]}",
        f'command="true" {ed25519}',
        rsa[:200],
        "",
        private,
        keys.make("ecdsa", "ecdsa", 256),
        keys.pem(rsa),
        keys.rfc4716(rsa),
    ):
        error = refused(
            "InvalidInputException",
            "InvalidKey.Format",
            world.lightsail.import_key_pair,
            FORMAT,
            keyPairName="no",
            publicKeyBase64=key,
        )
        expect("the key is not repeated", key[:40] in str(error) if key else False, False)
    expect("nothing was imported", world.names(), [])


def other_keys(world: World) -> None:
    """What each switch about keys lets in, and nothing else."""
    rsa, ed25519 = keys.rsa(), keys.ed25519()
    padded, ecdsa = keys.sha256_padded, keys.make("ecdsa", "ecdsa", 256)
    odd, certificate = keys.make("odd", "rsa", 3072), keys.certificate()
    for switch, key, fingerprint in (
        ("blobAlone", rsa.split()[1], keys.md5_of_spki(rsa)),
        ("blobAlone", ed25519.split()[1], padded(ed25519)),
        ("trailingNewline", rsa + "\n", keys.md5_of_spki(rsa)),
        ("otherKeyTypes", ecdsa, padded(ecdsa)),
        ("otherKeyTypes", certificate, padded(certificate)),
        ("otherKeyFormats", keys.pem(rsa), keys.md5_of_spki(rsa)),
        ("otherKeyFormats", keys.rfc4716(rsa), keys.md5_of_spki(rsa)),
        ("otherKeyFormats", keys.rfc4716(ed25519), padded(ed25519)),
    ):
        call = dict(keyPairName="other", publicKeyBase64=key)
        world.switch()
        refused(
            "InvalidInputException", "InvalidKey.Format", world.lightsail.import_key_pair, **call
        )
        world.switch(**{switch: True})
        world.lightsail.import_key_pair(**call)
        expect(
            switch,
            world.lightsail.get_key_pair(keyPairName="other")["keyPair"]["fingerprint"],
            fingerprint,
        )
        world.lightsail.delete_key_pair(keyPairName="other")
    world.switch()
    world.lightsail.import_key_pair(keyPairName="odd", publicKeyBase64=odd)
    world.lightsail.delete_key_pair(keyPairName="odd")
    world.switch(ec2RsaSizesOnly=True)
    refused(
        "InvalidInputException",
        "InvalidKey.Format",
        world.lightsail.import_key_pair,
        keyPairName="odd",
        publicKeyBase64=odd,
    )
    world.lightsail.import_key_pair(keyPairName="even", publicKeyBase64=rsa)


def names(world: World) -> None:
    key = keys.ed25519()
    for name in ("ab", "a-b", "a.b", "_0", "A" * 255):
        world.lightsail.import_key_pair(keyPairName=name, publicKeyBase64=key)
        if "." not in name:
            expect(
                "it is there",
                world.lightsail.get_key_pair(keyPairName=name)["keyPair"]["name"],
                name,
            )
    words = "Resource names must be at least 2 characters long"
    for name in ("", "a", "-a", "a-", "a b", "a/b", "né", "a\n"):
        for call, more in (
            (world.lightsail.import_key_pair, {"publicKeyBase64": key}),
            (world.lightsail.get_key_pair, {}),
            (world.lightsail.delete_key_pair, {}),
            (world.lightsail.create_key_pair, {}),
        ):
            invalid(call, words, keyPairName=name, **more)
    world.switch(dotsInNames=False, maxNameLength=10)
    invalid(world.lightsail.import_key_pair, words, keyPairName="c.d", publicKeyBase64=key)
    invalid(world.lightsail.import_key_pair, words, keyPairName="a" * 11, publicKeyBase64=key)
    world.lightsail.import_key_pair(keyPairName="a" * 10, publicKeyBase64=key)


def pages(world: World) -> None:
    wanted = [f"page-{number:02}" for number in range(45)]
    for name in wanted:
        world.admin("POST", "/key-pairs", {"name": name, "publicKey": keys.ed25519()})
    for size, count in ((1, 45), (20, 3), (45, 1), (44, 2), (1000, 1)):
        world.switch(pageSize=size)
        pages = list(world.lightsail.get_paginator("get_key_pairs").paginate())
        expect(f"pages of {size}", len(pages), count)
        expect(
            "each once, in order",
            [pair["name"] for page in pages for pair in page["keyPairs"]],
            wanted,
        )
        expect("no token on the last", "nextPageToken" in pages[-1], False)
        expect("full pages", {len(page["keyPairs"]) for page in pages[:-1]} <= {size}, True)
    world.switch(pageSize=20)
    first = world.lightsail.get_key_pairs()
    # What happens in between neither hides nor repeats what was there.
    world.admin("DELETE", f"/key-pairs/{quoted('page-19')}")
    world.admin("POST", "/key-pairs", {"name": "page-00a", "publicKey": keys.ed25519()})
    second = world.lightsail.get_key_pairs(pageToken=first["nextPageToken"])
    expect("goes on", [pair["name"] for pair in second["keyPairs"]], wanted[20:40])
    expect(
        "an empty token is none",
        world.lightsail.get_key_pairs(pageToken="")["keyPairs"][0]["name"],
        "page-00",
    )
    for token in ("nonsense", "bm9uc2Vuc2U=", world_token_of_another_list(world)):
        invalid(world.lightsail.get_key_pairs, "token", pageToken=token)


def world_token_of_another_list(world: World) -> str:
    for number in range(25):
        world.admin("POST", "/instances", {"name": f"box-{number:02}"})
    return world.lightsail.get_instances()["nextPageToken"]


def created(world: World) -> None:
    tags = [{"key": "alone"}, {"key": "team", "value": "a"}]
    answer = world.lightsail.create_key_pair(keyPairName="made", tags=tags)
    private, public = answer["privateKeyBase64"], answer["publicKeyBase64"]
    expect("raw PEM", private.startswith("-----BEGIN RSA PRIVATE KEY-----\n"), True)
    expect("its end", private.endswith("-----END RSA PRIVATE KEY-----"), True)
    expect("they belong together", keys.public_of(private), public)
    expect(
        "no fingerprint or tags in the answer",
        {"tags", "fingerprint"} & set(answer["keyPair"]),
        set(),
    )
    expect("its operation", answer["operation"]["operationType"], "CreateKeyPair")
    pair = world.lightsail.get_key_pair(keyPairName="made")["keyPair"]
    expect("tags", pair["tags"], tags)
    expect("fingerprint", pair["fingerprint"], keys.sha1_of_private_key(private))
    expect(
        "and again another",
        world.lightsail.create_key_pair(keyPairName="more")["privateKeyBase64"] == private,
        False,
    )
    refused(
        "InvalidInputException", "NameExists", world.lightsail.create_key_pair, keyPairName="made"
    )
    world.switch(privateKeysAsBase64=True, createdPairIsShort=False)
    answer = world.lightsail.create_key_pair(keyPairName="encoded")
    private = base64.b64decode(answer["privateKeyBase64"]).decode()
    expect("the switch", keys.public_of(private), answer["publicKeyBase64"])
    expect(
        "and its fingerprint", answer["keyPair"]["fingerprint"], keys.sha1_of_private_key(private)
    )
    state = str(world_state(world))
    expect("no private key in the dump", "PRIVATE KEY" in state or private[100:160] in state, False)


def world_state(world: World) -> list:
    from world import admin

    return [
        region for region in admin("GET", "/state")["regions"] if region["account"] == world.account
    ]


def deletion(world: World) -> None:
    key, delete = keys.rsa(), world.lightsail.delete_key_pair
    missing(delete, keyPairName="nobody")
    missing(delete, keyPairName="web-1")
    for expected in ({}, {"expectedFingerprint": keys.md5_of_spki(key)}):
        world.lightsail.import_key_pair(keyPairName="gone", publicKeyBase64=key)
        operation = delete(keyPairName="gone", **expected)["operation"]
        expect(
            "its operation",
            (operation["operationType"], operation["status"]),
            ("DeleteKeyPair", "Succeeded"),
        )
        missing(world.lightsail.get_key_pair, keyPairName="gone")
    world.lightsail.import_key_pair(keyPairName="kept", publicKeyBase64=key)
    wrong = {"keyPairName": "kept", "expectedFingerprint": keys.sha256_padded(keys.ed25519())}
    invalid(delete, **wrong)
    world.switch(mismatchError="OperationFailure")
    refused("OperationFailureException", "OperationFailure", delete, **wrong)
    expect("still there", world.names(), ["kept"])
    world.switch(expectedFingerprintOnCustomPairs=False)
    delete(**wrong)
    expect("gone", world.names(), [])


PARTS = (imports, lag, refused_keys, other_keys, names, pages, created, deletion)
