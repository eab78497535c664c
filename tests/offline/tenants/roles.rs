//! Who may assume which role: `tenants-trust.json`, `chain-trust.json` and `assume-roles.json`.

use aws_config::SdkConfig;
use serde_json::{Value, json};
use testbed::simulator::{Options, Pod, Role, Simulator};

use super::weaker::{Row, file_is_as_the_rows_say_and_no_part_is_idle};
use super::{
    ACCOUNT, ASK, Ask, CLUSTER, HERE, HOUR, NAMESPACE, OPERATOR, OPERATORS_ACCOUNT, ROLE, TEAM_A,
    Tags, arn_of, assume, client_config, credentials_of, not_denied,
};
use crate::iam_files::{document, statements};

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Operator,
    /// The operator's role, in a pod of EKS whose tags are not disabled.
    OperatorWithTagsOfItsPod,
    /// Another role of the operator's account.
    Colleague,
    /// A role of the same name in an account that has nothing to do with it.
    Stranger,
}

use Caller::{Colleague, Operator, OperatorWithTagsOfItsPod, Stranger};

struct Callers {
    operator: SdkConfig,
    with_tags: SdkConfig,
    colleague: SdkConfig,
    stranger: SdkConfig,
}

impl Callers {
    /// Their roles have no policies: what the roles of the table say decides.
    async fn new(simulator: &Simulator) -> Self {
        simulator.set_role(OPERATORS_ACCOUNT, role(OPERATOR, None), None).unwrap();
        let session = |account, role| credentials_of(simulator.add_session(account, role, HOUR));
        let config = async |credentials| client_config(simulator, credentials, HERE).await;
        Self {
            operator: config(session(OPERATORS_ACCOUNT, OPERATOR)).await,
            with_tags: config(pod(simulator, false)).await,
            colleague: config(session(OPERATORS_ACCOUNT, "colleague")).await,
            stranger: config(session("333333333333", OPERATOR)).await,
        }
    }

    fn get(&self, caller: Caller) -> &SdkConfig {
        match caller {
            Operator => &self.operator,
            OperatorWithTagsOfItsPod => &self.with_tags,
            Colleague => &self.colleague,
            Stranger => &self.stranger,
        }
    }
}

fn pod(simulator: &Simulator, disable_session_tags: bool) -> aws_credential_types::Credentials {
    let pod = Pod {
        cluster_arn: format!("arn:aws:eks:{HERE}:{OPERATORS_ACCOUNT}:cluster/test"),
        namespace: OPERATOR.to_owned(),
        service_account: OPERATOR.to_owned(),
        name: OPERATOR.to_owned(),
        uid: "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e".to_owned(),
        disable_session_tags,
    };
    let session = simulator.add_pod_session(OPERATORS_ACCOUNT, OPERATOR, &pod, HOUR);
    credentials_of(session.unwrap())
}

fn role(name: &str, trust_policy: Option<&str>) -> Role {
    Role {
        name: name.to_owned(),
        trust_policy: trust_policy.map(str::to_owned),
        session_tags: trust_policy.is_none(),
        ..Role::default()
    }
}

const NO_TAGS: Ask = Ask { tags: &[], ..ASK };

const fn tagged(tags: Tags) -> Ask {
    Ask { tags, ..ASK }
}

#[rustfmt::skip]
const TENANTS_TRUST: &[Row<(Caller, Ask)>] = &[
    ("the operator gets a session for a namespace", (Operator, ASK), true),
    ("and one for shared reads",
        (Operator, tagged(&[(CLUSTER, "test"), (NAMESPACE, "_read")])), true),
    ("another role of its account gets none", (Colleague, ASK), false),
    ("nor does a role of its name in another account", (Stranger, ASK), false),
    ("nor the operator on behalf of somebody else, without the external id",
        (Operator, Ask { external_id: None, ..ASK }), false),
    ("nor with the external id of somebody else",
        (Operator, Ask { external_id: Some("somebody-else"), ..ASK }), false),
    ("nor with an external id in other letters",
        (Operator, Ask { external_id: Some("Example-External-Id"), ..ASK }), false),
    ("nor for another cluster",
        (Operator, tagged(&[(CLUSTER, "other"), (NAMESPACE, "team-a")])), false),
    ("nor for a cluster whose name begins alike",
        (Operator, tagged(&[(CLUSTER, "test2"), (NAMESPACE, "team-a")])), false),
    ("nor without the cluster", (Operator, tagged(&[(NAMESPACE, "team-a")])), false),
    ("nor without the namespace", (Operator, tagged(&[(CLUSTER, "test")])), false),
    ("nor for a namespace without a name",
        (Operator, tagged(&[(CLUSTER, "test"), (NAMESPACE, "")])), false),
    ("nor without tags", (Operator, NO_TAGS), false),
    ("nor with a tag more, which another policy may speak of",
        (Operator, tagged(&[(CLUSTER, "test"), (NAMESPACE, "team-a"), ("team", "b")])), false),
    ("nor with the key of the cluster in other letters",
        (Operator, tagged(&[("Lightsail-Operator-Cluster", "test"), (NAMESPACE, "team-a")])),
        false),
    ("nor with the key of the namespace in other letters",
        (Operator, tagged(&[(CLUSTER, "test"), ("LIGHTSAIL-OPERATOR-NAMESPACE", "team-a")])),
        false),
    ("nor with tags that the next role would inherit",
        (Operator, Ask { transitive: &[NAMESPACE], ..ASK }), false),
    ("nor with the tags that EKS gives to pods", (OperatorWithTagsOfItsPod, ASK), false),
];

#[rustfmt::skip]
const CHAIN_TRUST: &[Row<(Caller, Ask)>] = &[
    ("the operator gets a session without tags", (Operator, NO_TAGS), true),
    ("another role of its account gets none", (Colleague, NO_TAGS), false),
    ("nor does a role of its name in another account", (Stranger, NO_TAGS), false),
    ("nor the operator without the external id",
        (Operator, Ask { external_id: None, ..NO_TAGS }), false),
    ("nor with another one",
        (Operator, Ask { external_id: Some("somebody-else"), ..NO_TAGS }), false),
    ("nor with tags: they belong to the last role", (Operator, ASK), false),
    ("nor with the tags that EKS gives to pods, which it would inherit",
        (OperatorWithTagsOfItsPod, NO_TAGS), false),
];

#[rustfmt::skip]
const ASSUME_ROLES: &[Row<Ask>] = &[
    ("the operator assumes the role of the account, with tags", ASK, true),
    ("and without tags", NO_TAGS, true),
    ("but no other role that would trust it", Ask { role: "other", ..ASK }, false),
    ("not even without tags", Ask { role: "other", ..NO_TAGS }, false),
];

async fn check_trust(file: &str, rows: &[Row<(Caller, Ask)>]) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let callers = Callers::new(&simulator).await;
    let attach =
        |policy: &str| simulator.set_role(ACCOUNT, role(ROLE, Some(policy)), None).unwrap();
    let is_allowed = async |(caller, ask)| assume(callers.get(caller), ask).await.is_some();
    file_is_as_the_rows_say_and_no_part_is_idle(file, rows, attach, is_allowed).await;
}

#[tokio::test]
async fn the_role_of_the_tenants_is_assumed_by_the_operator_for_a_namespace_of_its_cluster_only() {
    check_trust("tenants-trust", TENANTS_TRUST).await;
}

#[tokio::test]
async fn a_role_on_the_way_is_assumed_by_the_operator_without_tags_only() {
    check_trust("chain-trust", CHAIN_TRUST).await;
}

#[tokio::test]
async fn the_operator_assumes_the_named_roles_only() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    for name in [ROLE, "other"] {
        simulator.set_role(ACCOUNT, role(name, None), None).unwrap();
    }
    let attach = |policy: &str| {
        simulator.set_role(OPERATORS_ACCOUNT, role(OPERATOR, None), Some(policy)).unwrap();
    };
    attach(&document(&[]));
    let operator = client_config(&simulator, pod(&simulator, true), HERE).await;
    let is_allowed = async |ask| assume(&operator, ask).await.is_some();
    file_is_as_the_rows_say_and_no_part_is_idle("assume-roles", ASSUME_ROLES, attach, is_allowed)
        .await;
}

/// Each file where the page says that it belongs: operator, a role on the way, role of the tenants.
#[tokio::test]
async fn a_chain_ends_in_a_session_of_the_namespace() {
    const HOP: &str = "hop";
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let file = |name: &str| document(&statements(name, "any"));
    let (operator, hop) = (arn_of(OPERATORS_ACCOUNT, OPERATOR), arn_of(ACCOUNT, HOP));
    let to_hop = file("assume-roles.json").replace(&arn_of(ACCOUNT, ROLE), &hop);
    let trust = file("tenants-trust.json").replace(&operator, &hop);
    for (account, role, policy) in [
        (OPERATORS_ACCOUNT, role(OPERATOR, None), to_hop),
        (ACCOUNT, role(HOP, Some(&file("chain-trust.json"))), file("assume-roles.json")),
        (ACCOUNT, role(ROLE, Some(&trust)), file("tenants.json")),
    ] {
        simulator.set_role(account, role, Some(&policy)).unwrap();
    }
    let operator = client_config(&simulator, pod(&simulator, true), HERE).await;
    assert!(assume(&operator, ASK).await.is_none(), "not past the role on the way");
    let on_the_way = assume(&operator, Ask { role: HOP, ..NO_TAGS }).await.unwrap();
    let on_the_way = client_config(&simulator, on_the_way, HERE).await;
    let session = assume(&on_the_way, ASK).await.unwrap();
    let session = client_config(&simulator, session, HERE).await;
    let lightsail = aws_sdk_lightsail::Client::new(&session);
    let pair = simulator.region(ACCOUNT, HERE).create_key_pair("target").0;
    let tag = |value: &str| {
        let key = lightsail_operator::api::OWNER_TAG;
        let tag = aws_sdk_lightsail::types::Tag::builder().key(key).value(value).build();
        lightsail.tag_resource().resource_name(&pair.name).tags(tag).send()
    };
    assert!(not_denied(tag("test/team-b/target").await).is_none());
    assert!(not_denied(tag("test/team-a/target").await).is_some());
}

/// With the tags of a pod, each role of the chain has to allow `sts:TagSession`.
#[tokio::test]
async fn a_role_that_allows_to_tag_sessions_takes_the_tags_of_a_pod() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let callers = Callers::new(&simulator).await;
    let mut trust = statements("chain-trust.json", "any");
    let is_assumed = async |trust: &[Value]| {
        simulator.set_role(ACCOUNT, role(ROLE, Some(&document(trust))), None).unwrap();
        assume(callers.get(OperatorWithTagsOfItsPod), NO_TAGS).await.is_some()
    };
    assert!(!is_assumed(&trust).await);
    let principal = trust[0]["Principal"].clone();
    let action = "sts:TagSession";
    trust.push(json!({ "Effect": "Allow", "Principal": principal, "Action": action }));
    assert!(is_assumed(&trust).await);
}

#[tokio::test]
async fn a_role_can_be_for_some_namespaces_only() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let callers = Callers::new(&simulator).await;
    let mut trust = statements("tenants-trust.json", "any");
    let namespace = &mut trust[0]["Condition"]["StringLike"][format!("aws:RequestTag/{NAMESPACE}")];
    assert_eq!(*namespace, "?*");
    *namespace = json!(["team-a", "_read"]);
    simulator.set_role(ACCOUNT, role(ROLE, Some(&document(&trust))), None).unwrap();
    for (tags, wanted) in [
        (TEAM_A, true),
        (&[(CLUSTER, "test"), (NAMESPACE, "_read")], true),
        (&[(CLUSTER, "test"), (NAMESPACE, "team-b")], false),
    ] {
        assert_eq!(assume(callers.get(Operator), tagged(tags)).await.is_some(), wanted, "{tags:?}");
    }
}
