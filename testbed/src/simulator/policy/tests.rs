use super::Verdict::{Allowed, Denied, NotAllowed};
use super::pattern::Pattern;
use super::{Caller, Named, Policy, Question, Trust, TrustPolicy, Verdict};

const PAIR: &str = "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/0a1b";

fn question(action: &str, resource: &str, context: &[(&str, &str)]) -> Question {
    let mut question = Question::new(action, resource);
    for (key, value) in context {
        question.add(key, value);
    }
    question
}

fn verdict(statements: &str, question: &Question) -> Verdict {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    Policy::parse(&document).expect("a valid policy").verdict(question)
}

#[test]
fn wildcards() {
    for (pattern, text) in
        [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*b*", "abc"), ("a*b*c", "aXbYbZc"), ("", "")]
    {
        assert!(Pattern::default().written(pattern).fits(text), "{pattern} {text}");
    }
    for (pattern, text) in [("a?c", "ac"), ("a*c", "abcd"), ("", "a"), ("abc", "ABC"), ("?", "")] {
        assert!(!Pattern::default().written(pattern).fits(text), "{pattern} {text}");
    }
}

#[test]
fn what_nothing_allows_is_not_allowed_and_a_deny_beats_every_allow() {
    let all = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let delete = question("lightsail:DeleteKeyPair", PAIR, &[]);
    assert_eq!(verdict(all, &delete), Allowed);
    let only_reads = r#"{"Effect": "Allow", "Action": ["lightsail:Get*"], "Resource": "*"}"#;
    assert_eq!(verdict(only_reads, &delete), NotAllowed);
    let deny = r#"{"Effect": "Deny", "Action": "lightsail:deletekeypair", "Resource": "*"}"#;
    assert_eq!(verdict(&format!("{deny}, {all}"), &delete), Denied);
    assert_eq!(verdict(&format!("{all}, {deny}"), &delete), Denied);
    let not_action = r#"{"Effect": "Allow", "NotAction": "lightsail:Delete*", "Resource": "*"}"#;
    assert_eq!(verdict(not_action, &delete), NotAllowed);
}

#[test]
fn resources_are_arns() {
    let in_region = r#"{"Effect": "Allow", "Action": "lightsail:*", "Resource": "arn:aws:lightsail:eu-west-1:*:KeyPair/*"}"#;
    assert_eq!(verdict(in_region, &question("lightsail:DeleteKeyPair", PAIR, &[])), Allowed);
    let elsewhere = PAIR.replace("eu-west-1", "us-east-1");
    assert_eq!(
        verdict(in_region, &question("lightsail:DeleteKeyPair", &elsewhere, &[])),
        NotAllowed
    );
    // An action without resource-level permissions cannot be allowed by an ARN.
    assert_eq!(verdict(in_region, &question("lightsail:ImportKeyPair", "*", &[])), NotAllowed);
}

/// A row: the condition, the values of the request, and whether the statement applies.
#[test]
fn conditions() {
    let owner = ("aws:ResourceTag/owner", "a/team");
    let second_spelling = ("aws:ResourceTag/Owner", "a/team");
    for (condition, context, applies) in [
        (r#"{"StringEquals": {"aws:ResourceTag/owner": "a/team"}}"#, vec![owner], true),
        (r#"{"StringEquals": {"AWS:resourcetag/owner": ["b", "a/team"]}}"#, vec![owner], true),
        (r#"{"StringEquals": {"aws:ResourceTag/Owner": "a/team"}}"#, vec![owner], true),
        (r#"{"StringEquals": {"aws:ResourceTag/owner": "A/team"}}"#, vec![owner], false),
        (
            r#"{"StringEquals": {"aws:resourcetag/owner": "a/team"}}"#,
            vec![("aws:ResourceTag/OWNER", "a/team")],
            true,
        ),
        (r#"{"StringEquals": {"aws:ResourceTag/owner": "A/team"}}"#, vec![owner], false),
        (r#"{"StringEqualsIgnoreCase": {"aws:ResourceTag/owner": "A/team"}}"#, vec![owner], true),
        (r#"{"StringEquals": {"aws:ResourceTag/owner": "a/team"}}"#, vec![], false),
        (r#"{"StringEqualsIfExists": {"aws:ResourceTag/owner": "b"}}"#, vec![], true),
        (r#"{"StringNotEquals": {"aws:ResourceTag/owner": "b"}}"#, vec![], true),
        (r#"{"StringNotEquals": {"aws:ResourceTag/owner": "a/team"}}"#, vec![owner], false),
        (r#"{"StringLike": {"aws:ResourceTag/owner": "a/*"}}"#, vec![owner], true),
        (r#"{"StringNotLike": {"aws:ResourceTag/owner": "a/*"}}"#, vec![owner], false),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "a/*"}}"#,
            vec![owner, second_spelling],
            false,
        ),
        (
            r#"{"StringNotLike": {"aws:ResourceTag/owner": "a/*"}}"#,
            vec![owner, second_spelling],
            true,
        ),
        (r#"{"Null": {"aws:ResourceTag/owner": "true"}}"#, vec![owner, second_spelling], false),
        (r#"{"Null": {"sts:TransitiveTagKeys": "true"}}"#, vec![owner], true),
        (
            r#"{"Null": {"sts:TransitiveTagKeys": "true"}}"#,
            vec![("sts:TransitiveTagKeys", "a"), ("sts:TransitiveTagKeys", "b")],
            false,
        ),
        (r#"{"Null": {"aws:ResourceTag/owner": "true"}}"#, vec![], true),
        (r#"{"Null": {"aws:ResourceTag/owner": true}}"#, vec![owner], false),
        (r#"{"Null": {"aws:ResourceTag/owner": "false"}}"#, vec![owner], true),
        (
            r#"{"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}"#,
            vec![("aws:RequestedRegion", "us-east-1")],
            false,
        ),
        (
            r#"{"StringEquals": {"aws:RequestedRegion": "eu-west-1"}, "Null": {"aws:ResourceTag/owner": "true"}}"#,
            vec![("aws:RequestedRegion", "eu-west-1"), owner],
            false,
        ),
        (
            r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}"#,
            vec![("aws:TagKeys", "a")],
            true,
        ),
        (
            r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}"#,
            vec![("aws:TagKeys", "a"), ("aws:TagKeys", "c")],
            false,
        ),
        (
            r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}"#,
            vec![("aws:TagKeys", "a"), ("aws:TagKeys", "c")],
            true,
        ),
        (r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}"#, vec![], false),
        // The names of keys are not case-sensitive, but these are values.
        (
            r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}"#,
            vec![("aws:TagKeys", "A")],
            false,
        ),
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}"#, vec![], true),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "${aws:PrincipalTag/cluster}/*"}}"#,
            vec![owner, ("aws:PrincipalTag/cluster", "a")],
            true,
        ),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "${aws:PrincipalTag/cluster}/*"}}"#,
            vec![owner],
            false,
        ),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "${aws:principaltag/Cluster}/*"}}"#,
            vec![owner, ("aws:PrincipalTag/cluster", "a")],
            true,
        ),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "${aws:PrincipalTag/cluster}/team"}}"#,
            vec![owner, ("aws:PrincipalTag/cluster", "*")],
            false,
        ),
        (
            r#"{"StringLike": {"aws:ResourceTag/owner": "${aws:PrincipalTag/cluster}/t?am"}}"#,
            vec![("aws:ResourceTag/owner", "*/team"), ("aws:PrincipalTag/cluster", "*")],
            true,
        ),
        (r#"{"StringLike": {"aws:ResourceTag/owner": "a${*}"}}"#, vec![owner], false),
        (
            r#"{"StringNotLike": {"aws:ResourceTag/owner": "${aws:PrincipalTag/cluster}"}}"#,
            vec![owner],
            true,
        ),
    ] {
        let statement = format!(
            r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}"#
        );
        let question = question("lightsail:DeleteKeyPair", PAIR, &context);
        assert_eq!(verdict(&statement, &question) == Allowed, applies, "{condition} {context:?}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for statement in [
        r#"{"Effect": "allow", "Action": "*", "Resource": "*"}"#,
        r#"{"Effect": "Allow", "Resource": "*"}"#,
        r#"{"Effect": "Allow", "Action": "*"}"#,
        r#"{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}"#,
        r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}"#,
        r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}}}"#,
        r#"{"Effect": "Allow", "Action": 1, "Resource": "*"}"#,
    ] {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        assert!(Policy::parse(&document).is_err(), "{statement}");
    }
    let all = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    for version in [r#""2012-10-18""#, r#""""#, "null", "2012"] {
        let document = format!(r#"{{"Version": {version}, "Statement": [{all}]}}"#);
        assert!(Policy::parse(&document).is_err(), "{version}");
    }
    assert!(Policy::parse("{}").is_err());
    assert!(Policy::parse("no JSON").is_err());
}

/// A row: a condition, and whether a policy may have it. No request has a misspelled key, so a
/// `Null` of it would hold for every request.
#[test]
fn a_condition_with_a_key_or_a_value_that_is_not_understood_is_refused() {
    for (condition, is_known) in [
        (r#"{"Null": {"aws:ResourceTag/owner": "true"}}"#, true),
        (r#"{"Null": {"aws:ResourceTags/owner": "true"}}"#, false),
        (r#"{"Null": {"aws:ResourceTag/": "true"}}"#, false),
        (r#"{"Null": {"aws:ResourceTag": "true"}}"#, false),
        (r#"{"Null": {"aws:TagKeys/owner": "true"}}"#, false),
        (r#"{"Null": {"owner": "true"}}"#, false),
        (r#"{"Null": {"": "true"}}"#, false),
        (r#"{"Null": {"aws:ResourceTag/owner": "yes"}}"#, false),
        (r#"{"Null": {"aws:ResourceTag/owner": "${aws:PrincipalTag/owner}"}}"#, false),
        (r#"{"Bool": {"aws:ResourceTag/owner": "yes"}}"#, false),
        (r#"{"Bool": {"aws:ResourceTag/owner": false}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, false),
        (r#"{"StringEquals": {"AWS:REQUESTEDREGION": "eu-west-1"}}"#, true),
        (r#"{"StringEquals": {"aws:PrincipalAccount": "1"}}"#, true),
        (r#"{"ArnLike": {"aws:PrincipalArn": "*", "aws:SourceArn": "*"}}"#, true),
        (r#"{"StringEquals": {"aws:SourceAccount": "1", "sts:ExternalId": "a"}}"#, true),
        (r#"{"StringEquals": {"sts:RoleSessionName": "a"}}"#, true),
        (r#"{"StringEquals": {"sts:SessionName": "a"}}"#, false),
        (r#"{"StringLike": {"aws:RequestTag/a/b": "${aws:PrincipalTag/a/b}${*}${?}${$}"}}"#, true),
        (r#"{"StringLike": {"aws:RequestTag/a": "${aws:PrincipalTags/a}"}}"#, false),
        (r#"{"StringLike": {"aws:RequestTag/a": "${aws:PrincipalTag/a, 'none'}"}}"#, false),
        (r#"{"StringLike": {"aws:RequestTag/a": "${aws:RequestedRegion, 'none'}"}}"#, false),
        (r#"{"StringLike": {"aws:RequestTag/a": "${aws:RequestedRegion"}}"#, false),
        (r#"{"StringLike": {"aws:RequestTag/a": "${}"}}"#, false),
    ] {
        let statement = format!(
            r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}"#
        );
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        assert_eq!(Policy::parse(&document).is_ok(), is_known, "{condition}");
    }
    let resource =
        r#"{"Effect": "Allow", "Action": "*", "Resource": "${aws:PrincipalTag/a, 'b'}"}"#;
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": {resource}}}"#);
    assert!(Policy::parse(&document).is_err());
}

/// A row: the beginning of the document, and whether its variable is one.
#[test]
fn only_the_newer_language_has_variables() {
    let owners = [("aws:ResourceTag/owner", "a"), ("aws:PrincipalTag/owner", "a")];
    let text = [("aws:ResourceTag/owner", "${aws:PrincipalTag/owner}")];
    for (version, is_newer) in [
        (r#""Version": "2012-10-17", "#, true),
        (r#""Version": "2008-10-17", "#, false),
        ("", false),
    ] {
        for operator in ["StringEquals", "StringLike"] {
            let document = format!(
                r#"{{{version}"Statement": {{"Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": {{"{operator}": {{
                    "aws:ResourceTag/owner": "${{aws:PrincipalTag/owner}}"}}}}}}}}"#
            );
            let policy = Policy::parse(&document).expect("a valid policy");
            let verdict = |context| policy.verdict(&question("lightsail:GetKeyPair", "*", context));
            assert_eq!(verdict(&owners) == Allowed, is_newer, "{version} {operator}");
            assert_eq!(verdict(&text) == Allowed, !is_newer, "{version} {operator}");
        }
    }
}

/// Who asks, in account 111111111111.
const USER: Caller<'_> = Caller::Identity {
    account: "111111111111",
    arn: "arn:aws:iam::111111111111:user/u",
    role_arn: None,
};
const SESSION: Caller<'_> = Caller::Identity {
    account: "111111111111",
    arn: "arn:aws:sts::111111111111:assumed-role/r/s",
    role_arn: Some("arn:aws:iam::111111111111:role/r"),
};

/// A row: the principal, who asks, and how the principal names it.
#[test]
fn principals() {
    let service = Caller::Service("pods.eks.amazonaws.com");
    for (principal, caller, wanted) in [
        (r#""*""#, USER, Some(Named::Role)),
        (r#"{"AWS": "*"}"#, SESSION, Some(Named::Role)),
        (r#"{"AWS": "*"}"#, service, None),
        (r#"{"AWS": "111111111111"}"#, USER, Some(Named::Account)),
        (r#"{"AWS": "arn:aws:iam::111111111111:root"}"#, SESSION, Some(Named::Account)),
        (r#"{"AWS": "arn:aws:iam::222222222222:root"}"#, SESSION, None),
        (r#"{"AWS": "arn:aws:iam::111111111111:role/r"}"#, SESSION, Some(Named::Role)),
        (r#"{"AWS": "arn:aws:iam::111111111111:role/path/r"}"#, SESSION, Some(Named::Role)),
        (r#"{"AWS": "arn:aws:iam::111111111111:role/r2"}"#, SESSION, None),
        (r#"{"AWS": "arn:aws:iam::222222222222:role/r"}"#, SESSION, None),
        (r#"{"AWS": "arn:aws:iam::111111111111:role/r"}"#, USER, None),
        (r#"{"AWS": "arn:aws:iam::111111111111:user/u"}"#, USER, Some(Named::Exactly)),
        (
            r#"{"AWS": ["111111111111", "arn:aws:sts::111111111111:assumed-role/r/s"]}"#,
            SESSION,
            Some(Named::Exactly),
        ),
        (r#"{"AWS": "arn:aws:sts::111111111111:assumed-role/r/other"}"#, SESSION, None),
        (r#"{"Service": "pods.eks.amazonaws.com"}"#, service, Some(Named::Exactly)),
        (r#"{"Service": "ec2.amazonaws.com"}"#, service, None),
        (r#"{"Federated": "cognito-identity.amazonaws.com"}"#, SESSION, None),
    ] {
        let document = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "sts:*"}}}}"#
        );
        let policy = TrustPolicy::parse(&document).expect("a valid policy");
        let question = question("sts:AssumeRole", "arn:aws:iam::333333333333:role/target", &[]);
        let wanted = wanted.map_or(Trust::Refused, Trust::Allowed);
        assert_eq!(policy.verdict(&question, caller), wanted, "{principal} {caller:?}");
    }
}

#[test]
fn a_deny_in_a_trust_policy_beats_every_allow() {
    let policy = TrustPolicy::parse(
        r#"{"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": "*", "Action": "sts:*",
             "Condition": {"StringNotEquals": {"sts:ExternalId": "secret"}}}]}"#,
    )
    .expect("a valid policy");
    for (action, id, wanted) in [
        ("sts:AssumeRole", "secret", Trust::Allowed(Named::Role)),
        ("sts:AssumeRole", "other", Trust::Refused),
        ("sts:TagSession", "secret", Trust::Refused),
    ] {
        let question = question(action, "arn:aws:iam::1:role/r", &[("sts:ExternalId", id)]);
        assert_eq!(policy.verdict(&question, SESSION), wanted, "{action} {id}");
    }
}

#[test]
fn what_is_not_understood_in_a_trust_policy_is_refused() {
    let allow = |more: &str| format!(r#"{{"Effect": "Allow", "Action": "sts:*"{more}}}"#);
    for statement in [
        allow(""),
        allow(r#", "Principal": "*", "Resource": "*""#),
        allow(r#", "NotPrincipal": "*""#),
        allow(r#", "Principal": "111111111111""#),
        allow(r#", "Principal": {"AWS": "arn:aws:iam::111111111111:role/*"}"#),
        allow(r#", "Principal": {"AWS": "arn:aws:iam::1111:role/r"}"#),
        allow(r#", "Principal": {"AWS": "r"}"#),
        allow(r#", "Principal": {"Canonical": "r"}"#),
    ] {
        let document = format!(r#"{{"Statement": [{statement}]}}"#);
        assert!(TrustPolicy::parse(&document).is_err(), "{statement}");
    }
}
