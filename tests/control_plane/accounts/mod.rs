//! `LightsailAccount`s: whose credentials are used for whom, and what happens when that changes.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, NewInstance};

use self::teams::{EXTERNAL_ID, OF_A, OF_B, Teams, pair};
use crate::bed::{ACCOUNT, REGION, ready_reason, set, wait_for};

mod default_pairs;
mod health;
mod iam;
mod labels;
mod pod_identity;
mod replaced_key;
mod required;
mod resets;
mod room;
pub(crate) mod teams;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_team_works_in_its_own_account_with_its_own_role() {
    let teams = Teams::new("two-teams").await;
    let operator = teams.start().await;
    let (of_a, of_b) = teams.create_both().await;
    for (bed, account, name) in [(&teams.a, &of_a, OF_A), (&teams.b, &of_b, OF_B)] {
        bed.create::<LightsailKeyPair>("fleet", &pair(account, "fleet")).await;
        let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
        assert_eq!(object.status.unwrap().account_id.as_deref(), Some(name));
        assert!(teams.region(name).find_key_pair("fleet").is_some());
    }
    assert!(teams.region(ACCOUNT).key_pairs().is_empty());
    for request in teams.requests() {
        let role = format!("arn:aws:sts::{}:assumed-role/lightsail/", request.account);
        assert!(request.principal.starts_with(&role), "{request:?}");
    }
    // One session for each account, and the same name in both is no conflict.
    assert_eq!(teams.sessions(), 2);
    let account = teams.api().get(&of_a).await.unwrap();
    let caller = account.status.unwrap().caller_arn.unwrap();
    assert_eq!(caller, format!("arn:aws:sts::{OF_A}:assumed-role/lightsail/lightsail-operator"));
    let columns = ["get", "lightsailaccounts", &of_a, "--no-headers"];
    let shown = teams.a.cluster.kubectl(&columns).await.unwrap().or_error().unwrap();
    let words: Vec<&str> = shown.split_whitespace().take(4).collect();
    assert_eq!(words, [&of_a, OF_A, "True", "Identified"]);
    let counted = "time_to_ready_seconds_count{kind=\"LightsailAccount\"} 2\n";
    assert!(operator.get("/metrics").await.unwrap().1.contains(counted));
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_makes_no_call_and_can_be_released() {
    let teams = Teams::new("withdrawn").await;
    let _operator = teams.start().await;
    let (of_a, _) = teams.create_both().await;
    for name in ["kept", "gone"] {
        let key_pair_name = format!("{}_{name}", teams.a.namespace);
        teams.a.create::<LightsailKeyPair>(name, &pair(&of_a, &key_pair_name)).await;
        teams.a.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
    let allowed = json!({ "allowedNamespaces": { "names": [teams.b.namespace] } });
    teams.patch_account(&of_a, &allowed).await;
    for name in ["kept", "gone"] {
        teams.a.wait_stalled::<LightsailKeyPair>(name, "AccountNotFound").await;
    }
    let calls = teams.requests().len();
    teams.a.delete::<LightsailKeyPair>("gone").await;
    let says_how = |object: &LightsailKeyPair| {
        let conditions = &object.status.as_ref().unwrap().conditions;
        conditions.iter().any(|condition| condition.message.contains("kubectl patch"))
    };
    teams.a.wait::<LightsailKeyPair>("gone", "says how to release it", says_how).await;
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    teams.a.patch::<LightsailKeyPair>("gone", &retain).await;
    teams.a.wait_gone::<LightsailKeyPair>("gone").await;
    teams.a.wait_event("Released").await;
    assert_eq!(teams.requests().len(), calls, "no call was made");
    assert_eq!(teams.region(OF_A).key_pairs().len(), 2);
    // It is given back.
    let allowed = json!({ "allowedNamespaces": { "names": [teams.a.namespace] } });
    teams.patch_account(&of_a, &allowed).await;
    teams.a.wait_ready::<LightsailKeyPair>("kept", "Imported").await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_created_again_keeps_its_pair_under_another_account() {
    let teams = Teams::new("moved").await;
    let _operator = teams.start().await;
    let (of_a, _) = teams.create_both().await;
    let generated = |account: &str, kept: &Value| {
        json!({ "accountRef": { "name": account }, "type": "Generated", "region": REGION,
            "generated": { "secret": kept } })
    };
    let goes = json!({ "deleteWithObject": true });
    let specs = |account: &str| {
        [
            ("fleet", pair(account, "fleet-1")),
            ("build", generated(account, &json!({}))),
            ("deploy", generated(account, &goes)),
        ]
    };
    for (name, spec) in &specs(&of_a) {
        teams.a.create::<LightsailKeyPair>(name, spec).await;
        let reason = if *name == "fleet" { "Imported" } else { "Generated" };
        teams.a.wait_ready::<LightsailKeyPair>(name, reason).await;
    }
    let pairs = teams.region(OF_A).key_pairs();
    let allowed = json!({ "allowedNamespaces": { "names": [teams.b.namespace] } });
    teams.patch_account(&of_a, &allowed).await;
    let again = teams.create_account("again", &Teams::spec(OF_A, &teams.a.namespace, &[])).await;
    teams.wait_account(&again, "Identified").await;
    for (name, spec) in &specs(&again) {
        let (_, message) = teams.a.wait_stalled::<LightsailKeyPair>(name, "AccountNotFound").await;
        let mut change = json!({ "deletionPolicy": "Retain" });
        let first = if *name == "deploy" {
            change["generated"] = json!({ "secret": { "deleteWithObject": false } });
            "set deletionPolicy: Retain and secret.deleteWithObject: false"
        } else {
            "set deletionPolicy: Retain"
        };
        let way_out = format!(
            "{first}, delete this object, and create it again with another accountRef.name"
        );
        assert!(message.contains(&way_out), "{name}: {message}");
        teams.a.patch::<LightsailKeyPair>(name, &json!({ "spec": change })).await;
        teams.a.delete::<LightsailKeyPair>(name).await;
        teams.a.wait_gone::<LightsailKeyPair>(name).await;
        teams.a.create::<LightsailKeyPair>(name, spec).await;
        teams.a.wait_ready::<LightsailKeyPair>(name, "Adopted").await;
    }
    let arns = |pairs: &[testbed::simulator::KeyPair]| -> Vec<String> {
        pairs.iter().map(|pair| pair.arn.clone()).collect()
    };
    assert_eq!(arns(&teams.region(OF_A).key_pairs()), arns(&pairs), "they are the same");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_while_an_answer_is_waited_for_changes_nothing() {
    let teams = Teams::new("withdrawing").await;
    let mut options = teams.options().await;
    set(&mut options, "--aws-call-timeout", "60s");
    let _operator = Operator::start(options).await.unwrap();
    let spec = Teams::spec(
        OF_A,
        &teams.a.namespace,
        &[("/allowed/hostKeyReset", json!({ "instanceTags": {} }))],
    );
    let of_a = teams.create_account("a", &spec).await;
    teams.wait_account(&of_a, "Identified").await;
    teams.region(OF_A).launch(NewInstance { name: "web".to_owned(), ..NewInstance::default() });
    let held = ["GetKeyPairs", "GetInstance"].map(|operation| {
        let fault = Fault::new(operation, FaultEffect::HoldBefore).times(1);
        teams.region(OF_A).add_fault(fault)
    });
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&of_a, "fleet")).await;
    let reset = json!({ "accountRef": { "name": of_a }, "region": REGION, "instanceName": "web",
        "reason": "rebuilt" });
    teams.a.create::<HostKeyReset>("web", &reset).await;
    for held in &held {
        held.reached().await;
    }
    let allowed = json!({ "allowedNamespaces": { "names": [teams.b.namespace] } });
    teams.patch_account(&of_a, &allowed).await;
    teams.wait_account(&of_a, "Identified").await;
    for held in &held {
        held.release();
    }
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountNotFound").await;
    teams.a.wait_stalled::<HostKeyReset>("web", "AccountNotFound").await;
    assert_eq!(teams.changes(), 0, "{:?}", teams.requests());
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_deleted_is_not_held_up_by_an_account_that_was_withdrawn() {
    let teams = Teams::new("terminating").await;
    let _operator = teams.start().await;
    let (of_a, _) = teams.create_both().await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&of_a, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.patch_account(&of_a, &json!({ "allowed": { "regions": ["us-east-1"] } })).await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountNotAllowed").await;
    let namespaces: Api<Namespace> = Api::all(teams.a.cluster.client());
    namespaces.delete(&teams.a.namespace, &DeleteParams::default()).await.unwrap();
    teams.a.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(teams.region(OF_A).find_key_pair("fleet").is_some());
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_carry_the_namespace_where_the_account_says_so() {
    let teams = Teams::new("tags").await;
    let _operator = teams.start().await;
    let both = json!([teams.a.namespace, teams.b.namespace]);
    let spec = Teams::spec(
        OF_A,
        "",
        &[
            ("/allowedNamespaces/names", both),
            ("/allowed/keyPairNames", json!(["$(namespace)_*"])),
            ("/sessionTags", json!("Namespace")),
        ],
    );
    let name = teams.create_account("shared", &spec).await;
    teams.wait_account(&name, "Identified").await;
    for bed in [&teams.a, &teams.b] {
        let key_pair_name = format!("{}_web", bed.namespace);
        bed.create::<LightsailKeyPair>("web", &pair(&name, &key_pair_name)).await;
        bed.wait_ready::<LightsailKeyPair>("web", "Imported").await;
    }
    let of = |session: &str| format!("arn:aws:sts::{OF_A}:assumed-role/lightsail/{session}");
    for request in teams.requests() {
        let expected = match request.operation.as_str() {
            "GetKeyPairs" => "_read",
            _ => request.resource.as_deref().unwrap().split('_').next().unwrap(),
        };
        assert_eq!(request.principal, of(expected), "{request:?}");
    }
    assert_eq!(teams.sessions(), 3, "one for each namespace, and one for what both read");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_key_is_used_by_the_account_that_its_label_names() {
    let teams = Teams::new("secret").await;
    let _operator = teams.start().await;
    let name = teams.name("keys");
    teams.keep_key(OF_A, "of-another", Some("somebody-else")).await;
    teams.keep_key(OF_A, "of-a", Some(&name)).await;
    teams.keep_key(OF_B, "of-b", Some(&name)).await;
    teams.create_account("keys", &teams.with_key("of-another")).await;
    let message = teams.wait_account(&name, "InvalidCredentials").await;
    assert!(message.contains("must have the label"), "{message}");
    let credentials = |secret: &str| json!({ "credentials": { "secretRef": { "name": secret } } });
    teams.patch_account(&name, &credentials("of-b")).await;
    let message = teams.wait_account(&name, "WrongAccount").await;
    assert!(message.contains(OF_B) && message.contains(OF_A), "{message}");
    teams.patch_account(&name, &credentials("missing")).await;
    let message = teams.wait_account(&name, "InvalidCredentials").await;
    assert!(message.contains("there is no such Secret"), "{message}");
    teams.patch_account(&name, &credentials("of-a")).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert!(teams.region(OF_B).key_pairs().is_empty());
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_roles_ends_in_the_account_or_is_not_used() {
    let teams = Teams::new("chain").await;
    let _operator = teams.start().await;
    teams.set_role(OF_B, "hub", None);
    let role = |account: &str, name: &str| {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        json!({ "roleARN": arn, "externalID": EXTERNAL_ID })
    };
    let chain = json!([role(OF_B, "hub"), role(OF_A, "lightsail")]);
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/assumeRoleChain", chain)]);
    let name = teams.create_account("chain", &spec).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let assumed: Vec<String> = teams
        .a
        .simulator
        .requests()
        .into_iter()
        .filter(|request| request.operation == "AssumeRole")
        .map(|request| request.principal)
        .collect();
    assert_eq!(assumed.len(), 2, "{assumed:?}");
    assert!(assumed[1].contains(":assumed-role/hub/"), "{assumed:?}");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_fails_is_its_own_and_its_tenants_learn_no_names() {
    let teams = Teams::new("failing").await;
    let _operator = teams.start().await;
    let (of_a, of_b) = teams.create_both().await;
    let wrong = json!([{ "roleARN": format!("arn:aws:iam::{OF_A}:role/hidden-name") }]);
    teams.patch_account(&of_a, &json!({ "assumeRoleChain": wrong })).await;
    let message = teams.wait_account(&of_a, "InvalidCredentials").await;
    assert!(message.contains("hidden-name"), "who manages accounts reads it: {message}");
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&of_a, "fleet")).await;
    teams.b.create::<LightsailKeyPair>("fleet", &pair(&of_b, "fleet")).await;
    teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let (object, message) =
        teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountNotReady").await;
    assert!(message.contains(&of_a), "{message}");
    assert!(!serde_json::to_string(&object).unwrap().contains("hidden-name"));
    // Once it is mended, it goes on by itself.
    let right = json!([{ "roleARN": format!("arn:aws:iam::{OF_A}:role/lightsail"),
        "externalID": EXTERNAL_ID }]);
    teams.patch_account(&of_a, &json!({ "assumeRoleChain": right })).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_an_account_is_forgotten_with_its_last_object() {
    let teams = Teams::new("forgotten").await;
    let operator = teams.start().await;
    let (of_a, of_b) = teams.create_both().await;
    let no_reads = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Deny", "Action": "lightsail:Get*", "Resource": "*" }] });
    teams.set_role(OF_A, "lightsail", Some(&no_reads.to_string()));
    let names = async || operator.get("/readyz").await.unwrap().1.contains(OF_A);
    teams.b.create::<LightsailKeyPair>("fleet", &pair(&of_b, "fleet")).await;
    teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&of_a, "fleet")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccessDenied").await;
    assert!(names().await);
    // Where the object sends its reader.
    teams.a.reconcile_now::<LightsailKeyPair>("fleet").await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccessDenied").await;
    let log = operator.log_text();
    let of_reads: Vec<&str> =
        log.lines().filter(|line| line.contains("AWS denies a read")).collect();
    assert!(of_reads.iter().any(|line| line.contains("not authorized")), "{log}");
    let of_lists = of_reads.iter().filter(|line| line.contains("GetKeyPairs")).count();
    assert!(of_lists <= 1, "it is said once: {log}");
    let counts = async |account: &str| {
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let of_account = format!("{{account=\"{account}\"");
        let mut lines = metrics.lines().filter(|line| line.contains(&of_account));
        lines.any(|line| line.starts_with("lightsail_operator_inventory_failures_total"))
    };
    assert!(counts(OF_A).await && counts(OF_B).await);
    teams.a.delete::<LightsailKeyPair>("fleet").await;
    teams.a.wait_gone::<LightsailKeyPair>("fleet").await;
    wait_for("the list that nobody reads is not named any more", async || !names().await).await;
    wait_for("nor is it counted", async || !counts(OF_A).await).await;
    assert!(counts(OF_B).await, "of which an object is left");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_in_use_is_deleted_last() {
    let teams = Teams::new("in-use").await;
    let _operator = teams.start().await;
    let (of_a, _) = teams.create_both().await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&of_a, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.delete_account(&of_a).await;
    let message = teams.wait_account(&of_a, "AccountInUse").await;
    assert!(message.contains("one object"), "{message}");
    teams.a.create::<LightsailKeyPair>("late", &pair(&of_a, "late")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("late", "AccountNotReady").await;
    teams.a.delete::<LightsailKeyPair>("fleet").await;
    teams.a.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(teams.region(OF_A).key_pairs().is_empty(), "it was deleted with its object");
    teams.wait_no_account(&of_a).await;
    teams.a.wait_stalled::<LightsailKeyPair>("late", "AccountNotFound").await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_not_held_by_what_used_another_aws_account_under_its_name() {
    let teams = Teams::new("same-name").await;
    let mut operator = teams.start().await;
    let (of_a, of_b) = teams.create_both().await;
    for (bed, account) in [(&teams.a, &of_a), (&teams.b, &of_b)] {
        bed.create::<LightsailKeyPair>("fleet", &pair(account, "fleet")).await;
        bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    }
    assert!(operator.stop().await.unwrap().success());
    teams.remove_accounts().await;
    // The names are exchanged.
    let _operator = teams.start().await;
    teams.create_account("b", &Teams::spec(OF_A, &teams.a.namespace, &[])).await;
    teams.create_account("a", &Teams::spec(OF_B, &teams.b.namespace, &[])).await;
    for name in [&of_a, &of_b] {
        teams.wait_account(name, "Identified").await;
        teams.delete_account(name).await;
    }
    for name in [&of_a, &of_b] {
        teams.wait_no_account(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_identified_where_the_operator_may_call_aws() {
    let teams = Teams::new("identified-in").await;
    let mut options = teams.options().await;
    options.arguments.push(format!("--allowed-regions={REGION}"));
    let _operator = Operator::start(options).await.unwrap();
    let regions = [("/allowed/regions", json!(["us-east-1", REGION]))];
    let spec = Teams::spec(OF_A, &teams.a.namespace, &regions);
    let name = teams.create_account("a", &spec).await;
    teams.wait_account(&name, "Identified").await;
    teams.remove_accounts().await;
}

/// The flag limits the regions that objects name, and STS is called in none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_identified_where_the_operator_calls_sts_whatever_objects_may_name() {
    let teams = Teams::new("identified-by").await;
    let mut options = teams.options().await;
    options.arguments.push(format!("--allowed-regions={REGION}"));
    options.environment.push(("AWS_REGION".to_owned(), "us-east-1".to_owned()));
    let _operator = Operator::start(options).await.unwrap();
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[]);
    let name = teams.create_account("a", &spec).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_has_no_more_key_pairs_than_its_account_allows() {
    let teams = Teams::new("limit").await;
    let limit = [("/allowed/maxKeyPairs", json!(2))];
    let spec = Teams::spec(OF_A, &teams.a.namespace, &limit);
    let name = teams.create_account("limited", &spec).await;
    for number in 0..6 {
        let key_pair_name = format!("pair-{number}");
        teams.a.create::<LightsailKeyPair>(&key_pair_name, &pair(&name, &key_pair_name)).await;
    }
    let _operator = teams.start().await;
    wait_for("two are imported, and four are refused", async || {
        let all = teams.a.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
        let count = |reason| all.iter().filter(|it| ready_reason(*it) == reason).count();
        (count("Imported"), count("AccountNotAllowed")) == (2, 4)
    })
    .await;
    assert_eq!(teams.region(OF_A).key_pairs().len(), 2);
    assert_eq!(teams.a.calls("ImportKeyPair"), 2);

    // Two make room, each in its way, long before anybody would count again.
    let absent = json!({ "spec": { "ensure": "Absent" } });
    let all = teams.a.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    let mut imported = all.iter().filter(|it| ready_reason(*it) == "Imported");
    let mut next = || imported.next().unwrap().metadata.name.clone().unwrap();
    let (one, other) = (next(), next());
    teams.a.delete::<LightsailKeyPair>(&one).await;
    teams.a.patch::<LightsailKeyPair>(&other, &absent).await;
    wait_for("two others are imported", async || {
        let all = teams.a.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
        let count = |reason| all.iter().filter(|it| ready_reason(*it) == reason).count();
        (count("Imported"), count("AccountNotAllowed"), count("Absent")) == (2, 2, 1)
    })
    .await;
    assert_eq!(teams.a.calls("ImportKeyPair"), 4);
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aws_account_is_asked_no_faster_than_the_lowest_of_its_accounts_says() {
    let teams = Teams::new("rate").await;
    let operator = teams.start().await;
    let slow =
        |most: u32| Teams::spec(OF_A, &teams.a.namespace, &[("/callsPerSecond", json!(most))]);
    let name = teams.create_account("slow", &slow(7)).await;
    teams.create_account("slower", &slow(5)).await;
    for of in ["slow", "slower"] {
        teams.wait_account(&teams.name(of), "Identified").await;
    }
    let rate = async || {
        let metric = format!(
            "lightsail_operator_lightsail_request_rate_limit{{account=\"{OF_A}\",\
             region=\"{REGION}\"}} "
        );
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let value = metrics.lines().find_map(|line| line.strip_prefix(&metric).map(str::to_owned));
        value.and_then(|value| value.parse::<f64>().ok())
    };
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(rate().await, Some(5.0));
    teams.delete_account(&teams.name("slower")).await;
    teams.wait_no_account(&teams.name("slower")).await;
    teams.a.reconcile_now::<LightsailKeyPair>("fleet").await;
    wait_for("the other one counts", async || rate().await == Some(7.0)).await;
    teams.remove_accounts().await;
}
