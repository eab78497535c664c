"""Trust policies: who may assume a role, under which conditions, and what the caller's own policies
have to say.
"""

from checks import expect, refused
from roles import allow, document, keys_of, role, root, sts_of, tags, trust
from world import World, admin, make_client

ASK = {"RoleSessionName": "test-1"}


def denied(call: object, arn: str, action: str = "sts:AssumeRole", **arguments: object) -> None:
    message = f"not authorized to perform: {action} on resource: {arn}"
    refused("AccessDenied", None, call, message, **(ASK | arguments), RoleArn=arn)


def principals(world: World) -> None:
    """By account, role, user and session, in another account."""
    there = World(world.error_type_header)
    hub = role(world, "hub", trustPolicy=document(trust(root(world))))
    session = world.sts.assume_role(RoleArn=hub, **ASK)
    sts = sts_of(session)
    user = f"arn:aws:iam::{world.account}:user/simulated"
    rows = (
        ("*", True, True),
        ({"AWS": "*"}, True, True),
        (root(world), True, True),
        ({"AWS": world.account}, True, True),
        (root(there), False, False),
        ({"AWS": hub}, False, True),
        ({"AWS": session["AssumedRoleUser"]["Arn"]}, False, True),
        ({"AWS": [user, there.account]}, True, False),
        ({"Service": "pods.eks.amazonaws.com"}, False, False),
    )
    for number, (principal, by_user, by_session) in enumerate(rows):
        arn = role(there, f"target-{number}", trustPolicy=document(trust(principal)))
        for client, may in ((world.sts, by_user), (sts, by_session)):
            if may:
                answer = client.assume_role(RoleArn=arn, **ASK)
                expect("whose", f":{there.account}:" in answer["AssumedRoleUser"]["Arn"], True)
            else:
                denied(client.assume_role, arn)


def conditions(world: World) -> None:
    there = World(world.error_type_header)
    hub = role(world, "hub", trustPolicy=document(trust(root(world))))
    sts = sts_of(world.sts.assume_role(RoleArn=hub, **ASK))
    by_role = trust("*", ArnEquals={"aws:PrincipalArn": hub})
    arn = role(there, "by-role", trustPolicy=document(by_role))
    sts.assume_role(RoleArn=arn, **ASK)
    denied(world.sts.assume_role, arn)

    guarded = trust(
        root(world),
        StringEquals={"sts:ExternalId": "secret-42"},
        StringLike={"sts:RoleSessionName": "test-*"},
    )
    arn = role(there, "guarded", trustPolicy=document(guarded))
    sts.assume_role(RoleArn=arn, ExternalId="secret-42", **ASK)
    denied(sts.assume_role, arn)
    denied(sts.assume_role, arn, ExternalId="secret-43")
    denied(sts.assume_role, arn, ExternalId="secret-42", RoleSessionName="other-1")

    both = ["sts:AssumeRole", "sts:TagSession"]
    only_team = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    tagged = trust(root(world), both, StringEquals={"aws:RequestTag/Team": ["a", "b"]}, **only_team)
    arn = role(there, "tagged", trustPolicy=document(tagged))
    sts.assume_role(RoleArn=arn, Tags=tags(team="a"), **ASK)
    denied(sts.assume_role, arn)
    denied(sts.assume_role, arn, Tags=tags(team="A"))
    denied(sts.assume_role, arn, Tags=tags(team="a", stage="x"))

    plain = {"Null": {"sts:TransitiveTagKeys": "true"}}
    arn = role(
        there,
        "last",
        trustPolicy=document(trust(root(world)), trust(root(world), "sts:TagSession", **plain)),
    )
    sts.assume_role(RoleArn=arn, Tags=tags(team="a"), **ASK)
    transitive = {"Tags": tags(team="a"), "TransitiveTagKeys": ["team"]}
    denied(sts.assume_role, arn, "sts:TagSession", **transitive)


def own_policies(world: World) -> None:
    """Within an account a trust policy that names the caller is enough; an account, or another
    account's caller, needs a policy of its own.
    """
    there = World(world.error_type_header)
    world.policy(allow("lightsail:*"))
    user = {"AWS": f"arn:aws:iam::{world.account}:user/simulated"}
    named = role(world, "named", trustPolicy=document(trust(user)))
    delegated = role(world, "delegated", trustPolicy=document(trust(root(world))))
    far = role(there, "far", trustPolicy=document(trust(user), trust(user, "sts:TagSession")))
    world.sts.assume_role(RoleArn=named, **ASK)
    for arn in (delegated, far):
        denied(world.sts.assume_role, arn)
    world.policy(allow("sts:AssumeRole", [delegated, far]))
    for arn in (delegated, far):
        world.sts.assume_role(RoleArn=arn, **ASK)
    denied(world.sts.assume_role, far, "sts:TagSession", Tags=tags(team="a"))
    only_with_id = {"StringEquals": {"sts:ExternalId": "secret-42"}}
    world.policy(allow("sts:AssumeRole", far, **only_with_id), allow("sts:TagSession", far))
    with_id = {"Tags": tags(team="a"), "ExternalId": "secret-42"}
    world.sts.assume_role(RoleArn=far, **with_id, **ASK)
    denied(world.sts.assume_role, far)
    # The external id is no key of sts:TagSession.
    world.policy(allow(["sts:AssumeRole", "sts:TagSession"], far, **only_with_id))
    denied(world.sts.assume_role, far, "sts:TagSession", **with_id)
    world.policy(allow("*"), {"Effect": "Deny", "Action": "sts:*", "Resource": named})
    denied(world.sts.assume_role, named)

    # A role's own policy, and what a session was narrowed down to.
    world.policy(allow("*"))
    hub = role(world, "hub", policy=document(allow("sts:AssumeRole", far)))
    far = role(there, "far", trustPolicy=document(trust({"AWS": hub})))
    further = role(there, "further", trustPolicy=document(trust({"AWS": hub})))
    sts = sts_of(world.sts.assume_role(RoleArn=hub, **ASK))
    sts.assume_role(RoleArn=far, **ASK)
    denied(sts.assume_role, further)
    narrow = '{"Statement": {"Effect": "Allow", "Action": "lightsail:*", "Resource": "*"}}'
    narrowed = sts_of(world.sts.assume_role(RoleArn=hub, Policy=narrow, **ASK))
    denied(narrowed.assume_role, far)


def permissions(world: World) -> None:
    """What a role may do depends on the tags of its session, whatever their case."""
    policy = document(
        allow(
            "lightsail:CreateKeyPair",
            StringLike={"aws:RequestTag/owner": "${aws:principaltag/TEAM}/*"},
        )
    )
    both = ["sts:AssumeRole", "sts:TagSession"]
    arn = role(world, "tagged", trustPolicy=document(trust("*", both)), policy=policy)
    answer = world.sts.assume_role(RoleArn=arn, Tags=tags(Team="a"), **ASK)
    client = make_client("lightsail", keys_of(answer))
    client.create_key_pair(keyPairName="one", tags=[{"key": "Owner", "value": "a/x"}])
    for tag in ({"key": "Owner", "value": "A/x"}, {"key": "Other", "value": "a/x"}):
        refused(
            "AccessDeniedException", None, client.create_key_pair, keyPairName="two", tags=[tag]
        )


def refusals(world: World) -> None:
    """What the admin API does not take."""
    path = f"/accounts/{world.account}/roles/bad"
    good = document(trust("*"))
    for bad in (
        {"trustPolicy": good, "externalId": "secret-42"},
        {"trustPolicy": good, "sessionTags": True},
        {"trustPolicy": {}},
        {"trustPolicy": document(trust({"AWS": "arn:aws:iam::123456789012:role/*"}))},
        {"trustPolicy": document(allow("sts:AssumeRole"))},
        {"trustPolicy": good, "policy": document(trust("*"))},
    ):
        admin("PUT", path, bad, status=400)
    denied(world.sts.assume_role, f"arn:aws:iam::{world.account}:role/bad")


PARTS = (principals, conditions, own_policies, permissions, refusals)
