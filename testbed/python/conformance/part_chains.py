"""Session tags, and chains of roles with them: what is inherited, what is refused, how large it may
be, and how long a session lasts.
"""

from checks import expect, refused
from roles import allow, document, keys_of, role, root, sts_of, tags, trust
from world import World, admin, make_client

ASK = {"RoleSessionName": "test-1"}
BOTH = ["sts:AssumeRole", "sts:TagSession"]
CLUSTER = "arn:aws:eks:eu-west-1:123456789012:cluster/production"
POD = {
    "clusterArn": CLUSTER,
    "namespace": "lightsail",
    "serviceAccount": "operator",
    "podName": "operator-6d4cf56db6-x2x7q",
    "podUid": "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e",
}


def open_role(world: World, name: str, **settings: object) -> str:
    """A role that lets anybody in, with tags."""
    return role(world, name, trustPolicy=document(trust("*", BOTH)), **settings)


def requests(world: World) -> None:
    """What AWS was recorded to answer: localstack/localstack, test_sts.snapshot.json."""
    arn = open_role(world, "any")
    call = world.sts.assume_role
    value = "InvalidParameterValue"
    many = {"Tags": tags(**{f"k{number}": "v" for number in range(51)})}
    for code, message, more in (
        (value, "must be included in the requested tags", {"TransitiveTagKeys": ["stage"]}),
        (value, "Duplicate tag keys found", {"Tags": tags(team="a", Team="b")}),
        (value, "reserved prefix", {"Tags": [{"Key": "aws:team", "Value": "a"}]}),
        ("ValidationError", "less than or equal to 50", many),
        ("ValidationError", "less than or equal to 128", {"Tags": tags(**{"k" * 129: "v"})}),
        ("ValidationError", "less than or equal to 256", {"Tags": tags(k="v" * 257)}),
        ("ValidationError", "regular expression", {"Tags": tags(team="a*")}),
        ("ValidationError", "a key and a value", {"Tags": [{"Key": "team"}]}),
    ):
        refused(code, None, call, message, RoleArn=arn, **ASK, **({"Tags": tags(team="a")} | more))
    call(RoleArn=arn, Tags=tags(team="a"), TransitiveTagKeys=["TEAM"], **ASK)


def inheritance(world: World) -> None:
    """The example of the IAM User Guide, "Chaining roles with session tags"."""
    by_tag = document(
        allow("lightsail:GetKeyPairs", StringEquals={"aws:PrincipalTag/Star": "1"}),
        allow("lightsail:GetInstances", StringEquals={"aws:PrincipalTag/Sun": "1"}),
        allow("sts:*"),
    )
    arns = [open_role(world, f"role-{number}", policy=by_tag) for number in range(3)]
    first = world.sts.assume_role(
        RoleArn=arns[0], Tags=tags(Star="1", Sun="1"), TransitiveTagKeys=["Star"], **ASK
    )
    second = sts_of(first).assume_role(RoleArn=arns[1], **ASK)
    third = sts_of(second).assume_role(RoleArn=arns[2], **ASK)
    make_client("lightsail", keys_of(first)).get_instances()
    for answer in (first, second, third):
        make_client("lightsail", keys_of(answer)).get_key_pairs()
    for answer in (second, third):
        client = make_client("lightsail", keys_of(answer))
        refused("AccessDeniedException", None, client.get_instances)
    for key in ("Star", "star"):
        refused(
            "InvalidParameterValue",
            None,
            sts_of(second).assume_role,
            "conflicts with a transitive tag key from the calling session",
            RoleArn=arns[2],
            Tags=tags(**{key: "2"}),
            **ASK,
        )
    fourth = sts_of(third).assume_role(RoleArn=arns[0], Tags=tags(Sun="1"), **ASK)
    make_client("lightsail", keys_of(fourth)).get_instances()


def tag_session(world: World) -> None:
    """A role without sts:TagSession is out of reach while there are tags to inherit."""
    there = World(world.error_type_header)
    hub = open_role(world, "hub")
    bare = role(there, "bare", trustPolicy=document(trust(root(world))))
    plain = world.sts.assume_role(RoleArn=hub, Tags=tags(team="a"), **ASK)
    sts_of(plain).assume_role(RoleArn=bare, **ASK)
    transitive = {"Tags": tags(team="a"), "TransitiveTagKeys": ["team"]}
    session = sts_of(world.sts.assume_role(RoleArn=hub, **transitive, **ASK))
    words = f"not authorized to perform: sts:TagSession on resource: {bare}"
    refused("AccessDenied", None, session.assume_role, words, RoleArn=bare, **ASK)
    # The same of a role with the simple settings.
    simple = role(there, "simple")
    refused("AccessDenied", None, session.assume_role, "sts:TagSession", RoleArn=simple, **ASK)
    session.assume_role(RoleArn=role(there, "simple", sessionTags=True), **ASK)


def in_the_request(world: World) -> None:
    """Inherited tags are tags of the request, and of the principal."""
    there = World(world.error_type_header)
    hub = open_role(world, "hub")
    transitive = {"Tags": tags(team="a"), "TransitiveTagKeys": ["team"]}
    session = sts_of(world.sts.assume_role(RoleArn=hub, **transitive, **ASK))
    arns = []
    for operator, key, value in (
        ("StringEquals", "aws:PrincipalTag/TEAM", "a"),
        ("StringEquals", "aws:RequestTag/TEAM", "a"),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "team"),
        ("ForAnyValue:StringEquals", "sts:TransitiveTagKeys", "team"),
    ):
        policy = document(trust(root(world), BOTH, **{operator: {key: value}}))
        arns.append(role(there, f"by-{len(arns)}", trustPolicy=policy))
    for arn in arns:
        session.assume_role(RoleArn=arn, **ASK)
    world.switch(inheritedTagsInRequest=False)
    session.assume_role(RoleArn=arns[0], **ASK)
    for arn in arns[1:]:
        refused("AccessDenied", None, session.assume_role, "sts:AssumeRole", RoleArn=arn, **ASK)


def sizes(world: World) -> None:
    arn = open_role(world, "any")
    call = lambda **more: world.sts.assume_role(RoleArn=arn, **ASK, **more)
    expect("nothing is packed", "PackedPolicySize" in call(), False)
    answer = call(Tags=tags(team="a" * 100))
    expect("a percentage", 0 < answer["PackedPolicySize"] < 100, True)
    expect("its new name", answer["SessionTokenUtilization"], answer["PackedPolicySize"])
    more = call(Tags=tags(team="a" * 200))
    expect("it grows", more["PackedPolicySize"] > answer["PackedPolicySize"], True)
    large = tags(one="a" * 256, two="b" * 256)
    error = refused("PackedPolicyTooLarge", None, call, "Packed size of session tags", Tags=large)
    expect("its class", type(error).__name__, "PackedPolicyTooLargeException")
    policy = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    small = call(Policy=policy)["PackedPolicySize"]
    expect("a policy counts", 0 < small < 100, True)
    padded = policy + " " * (2048 - len(policy))
    expect("the longest policy", small < call(Policy=padded)["PackedPolicySize"] <= 100, True)
    refused("PackedPolicyTooLarge", None, call, Policy=padded, Tags=tags(team="a" * 100))
    refused("ValidationError", None, call, Policy=padded + " ")
    # Inherited tags count too.
    transitive = {"Tags": tags(team="a" * 200), "TransitiveTagKeys": ["team"]}
    sts = sts_of(call(**transitive))
    expect(
        "inherited",
        sts.assume_role(RoleArn=arn, **ASK)["PackedPolicySize"],
        more["PackedPolicySize"],
    )
    refused(
        "PackedPolicyTooLarge", None, sts.assume_role, RoleArn=arn, Tags=tags(n="b" * 256), **ASK
    )


def durations(world: World) -> None:
    arn = open_role(world, "any")
    first = sts_of(world.sts.assume_role(RoleArn=arn, DurationSeconds=43200, **ASK))
    first.assume_role(RoleArn=arn, DurationSeconds=3600, **ASK)
    refused(
        "ValidationError",
        None,
        first.assume_role,
        "exceeds the 1 hour session limit for roles assumed by role chaining",
        RoleArn=arn,
        DurationSeconds=3601,
        **ASK,
    )


def pods(world: World) -> None:
    """A pod's session, and a role in another account for it, as the EKS User Guide has them."""
    there = World(world.error_type_header)
    service = {"Service": "pods.eks.amazonaws.com"}
    tag_and_region = {
        "aws:RequestTag/kubernetes-namespace": "lightsail",
        "aws:RequestedRegion": "eu-west-1",
    }
    own = trust(service, BOTH, StringEquals=tag_and_region)
    first = role(world, "pod", trustPolicy=document(own))
    path = f"/accounts/{world.account}/roles/pod/pod-sessions"
    keys = admin("POST", path, POD)
    sts = make_client("sts", keys)
    arn = sts.get_caller_identity()["Arn"]
    expect("whose", ":assumed-role/pod/eks-production-operator-6" in arn, True)
    admin("POST", path, POD | {"namespace": "other"}, status=400)
    # Without tags there is nothing that the condition could be true of.
    admin("POST", path, POD | {"disableSessionTags": True}, status=400)

    tags_of_pod = {
        "aws:RequestTag/eks-cluster-arn": CLUSTER,
        "aws:RequestTag/eks-cluster-name": "production",
        "aws:RequestTag/kubernetes-namespace": "lightsail",
        "aws:RequestTag/kubernetes-service-account": "operator",
        "aws:RequestTag/kubernetes-pod-name": POD["podName"],
        "aws:RequestTag/kubernetes-pod-uid": POD["podUid"],
    }
    target = trust(
        root(world), BOTH, StringEquals=tags_of_pod, ArnEquals={"aws:PrincipalARN": first}
    )
    arn = role(there, "target", trustPolicy=document(target))
    answer = sts.assume_role(RoleArn=arn, **ASK)
    expect("most of it", 60 < answer["PackedPolicySize"] < 90, True)
    last = open_role(world, "last")
    sts_of(answer).assume_role(RoleArn=last, **ASK)
    only_assume = role(there, "only-assume", trustPolicy=document(trust(root(world))))
    refused("AccessDenied", None, sts.assume_role, "sts:TagSession", RoleArn=only_assume, **ASK)

    # With the tags switched off, in a role with the simple settings.
    role(world, "simple")
    path = f"/accounts/{world.account}/roles/simple/pod-sessions"
    keys = admin("POST", path, POD | {"disableSessionTags": True, "seconds": 900})
    answer = make_client("sts", keys).assume_role(RoleArn=only_assume, **ASK)
    expect("no tags", "PackedPolicySize" in answer, False)
    admin("POST", f"/accounts/{world.account}/roles/nobody/pod-sessions", POD, status=400)


PARTS = (requests, inheritance, tag_session, in_the_request, sizes, durations, pods)
