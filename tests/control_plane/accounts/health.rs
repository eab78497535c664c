//! What tools that wait see of accounts: the test data of Argo CD's health check.

use std::time::Duration;

use http::Method;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use lightsail_operator::api::{LightsailAccount, LightsailKeyPair};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use super::teams::{OF_A, OF_B, Teams, pair};
use crate::bed::wait_for;
use crate::gitops::{CURRENT, FAILED, PROGRESSING, check, check_test_data};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_ready_for_those_who_wait_when_it_is_and_not_before() {
    let teams = Teams::new("wait").await;
    let namespace = &teams.a.namespace;
    let mut all = Vec::new();
    let one = teams.create_account("one", &Teams::spec(OF_A, namespace, &[])).await;
    all.push(teams.a.seen::<LightsailAccount>(&one, "new", PROGRESSING).await);

    let mut operator = teams.start().await;
    teams.wait_account(&one, "Identified").await;
    all.push(teams.a.seen::<LightsailAccount>(&one, "ready", CURRENT).await);

    let wrong = [("/assumeRoleChain/0/externalID", json!("another"))];
    let wrong = teams.create_account("wrong", &Teams::spec(OF_B, namespace, &wrong)).await;
    teams.wait_account(&wrong, "InvalidCredentials").await;
    all.push(teams.a.seen::<LightsailAccount>(&wrong, "stalled", FAILED).await);

    let crowd = teams.a.simulator.add_fault(Fault::new("AssumeRole", FaultEffect::throttling()));
    let late = teams.create_account("late", &Teams::spec(OF_B, namespace, &[])).await;
    teams.wait_account(&late, "Throttled").await;
    all.push(teams.a.seen::<LightsailAccount>(&late, "reconciling", PROGRESSING).await);
    crowd.remove();

    assert!(operator.stop().await.unwrap().success());
    teams.patch_account(&one, &json!({ "allowed": { "regions": ["us-east-1"] } })).await;
    all.push(teams.a.seen::<LightsailAccount>(&one, "changed", PROGRESSING).await);

    check(&teams.a, "Ready", &all).await;
    check_test_data("LightsailAccount", &teams.a, &all);
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_an_account_whose_finalizer_cannot_be_taken_off_says_why() {
    let teams = Teams::new("held").await;
    let proxy = ApiProxy::start(&teams.a.cluster).await.unwrap();
    let options = teams.options_by(Some(&proxy.url())).await;
    let _operator = Operator::start(options).await.unwrap();
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[]);
    let account = teams.create_account("one", &spec).await;
    teams.wait_account(&account, "Identified").await;
    let patch = Matcher::new(Method::PATCH, format!("/lightsailaccounts/{account}"));
    proxy.fail(patch, 6, 403);
    teams.delete_account(&account).await;
    let message = teams.wait_account(&account, "KubernetesError").await;
    assert!(message.contains("refuses a request from the operator"), "{message}");
    teams.wait_no_account(&account).await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_credentials_are_reported_while_only_an_account_uses_them() {
    let teams = Teams::new("no-objects").await;
    let outage = Fault::new("GetCallerIdentity", FaultEffect::throttling());
    let _outage = teams.a.simulator.add_fault(outage);
    let operator = teams.start().await;
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[]);
    let account = teams.create_account("one", &spec).await;
    teams.wait_account(&account, "Throttled").await;
    // The SDK sends two requests for each attempt.
    wait_for("further attempts", async || teams.a.calls("GetCallerIdentity") >= 8).await;
    let is_failing = async || {
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        metrics.contains("lightsail_operator_credentials_failing 1")
    };
    assert!(is_failing().await);
    let log = operator.log_text();
    let lines = log.lines().filter(|line| line.contains("cannot get AWS credentials")).count();
    assert_eq!(lines, 2, "one of the own credentials, and one of the account: {log}");
    teams.delete_account(&account).await;
    teams.wait_no_account(&account).await;
    wait_for("nobody needs credentials", async || !is_failing().await).await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_not_ready_while_aws_refuses_its_key() {
    let teams = Teams::new("refused-key").await;
    let _operator = teams.start().await;
    let name = teams.name("keys");
    let key = teams.keep_key(OF_A, "of-a", Some(&name)).await;
    teams.create_account("keys", &teams.with_key("of-a")).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("one", &pair(&name, "one")).await;
    teams.a.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    // Somebody deactivates the key in IAM. The Secret still has it.
    teams.a.simulator.remove_credentials(&key);
    teams.a.create::<LightsailKeyPair>("two", &pair(&name, "two")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("two", "AccessDenied").await;
    let message = teams.ask_account(&name, "InvalidCredentials").await;
    assert!(message.contains("AWS refuses the credentials"), "{message}");
    // And activates it again.
    teams.a.simulator.add_credentials(OF_A, &key);
    teams.ask_account(&name, "Identified").await;
    teams.a.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    teams.remove_accounts().await;
}

/// A failure is kept for minutes, so that hundreds of accounts do not call STS all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_reconciliation_of_an_account_gets_an_answer_of_now() {
    let teams = Teams::new("asked").await;
    let _operator = teams.start().await;
    let outage = teams.a.simulator.add_fault(Fault::new("AssumeRole", FaultEffect::throttling()));
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[]);
    let account = teams.create_account("one", &spec).await;
    teams.wait_account(&account, "Throttled").await;
    // The pause has doubled three times. The SDK sends two requests for each attempt.
    wait_for("further attempts", async || teams.a.calls("AssumeRole") >= 8).await;
    outage.remove();
    teams.ask_account(&account, "Identified").await;
    let status = teams.api().get(&account).await.unwrap().status.unwrap();
    let handled = status.last_handled_reconcile;
    assert_eq!(handled.as_deref(), Some("Identified-1"), "the first answer is one of now");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_secret_may_not_be_read_is_stalled() {
    let teams = Teams::new("no-secrets").await;
    let proxy = ApiProxy::start(&teams.a.cluster).await.unwrap();
    let options = teams.options_by(Some(&proxy.url())).await;
    let _operator = Operator::start(options).await.unwrap();
    let name = teams.name("keys");
    teams.keep_key(OF_A, "of-a", Some(&name)).await;
    proxy.fail(Matcher::new(Method::GET, "/secrets/of-a"), 1_000, 403);
    teams.create_account("keys", &teams.with_key("of-a")).await;
    let message = teams.wait_account(&name, "InvalidCredentials").await;
    assert!(message.contains("grant its ServiceAccount get on Secrets"), "{message}");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_reconciliation_of_an_account_gets_the_key_of_now() {
    let teams = Teams::new("key-of-now").await;
    let proxy = ApiProxy::start(&teams.a.cluster).await.unwrap();
    let options = teams.options_by(Some(&proxy.url())).await;
    let _operator = Operator::start(options).await.unwrap();
    let name = teams.name("keys");
    teams.keep_key(OF_A, "of-a", Some(&name)).await;
    teams.create_account("keys", &teams.with_key("of-a")).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("one", &pair(&name, "one")).await;
    teams.a.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    let reads = || {
        let all = proxy.forwarded().into_iter();
        all.filter(|it| it.method == Method::GET && it.path.contains("/secrets/of-a")).count()
    };
    let status = async || teams.api().get(&name).await.unwrap().status.unwrap();

    // The key of somebody else.
    let other = teams.a.simulator.add_session(OF_A, "other", Duration::from_hours(1));
    let data = json!({
        "aws_access_key_id": other.credentials.access_key_id,
        "aws_secret_access_key": other.credentials.secret_access_key,
        "aws_session_token": other.token,
    });
    let (secrets, before) = (teams.operators.secrets(), reads());
    let patch = Patch::Merge(json!({ "stringData": data }));
    secrets.patch("of-a", &PatchParams::default(), &patch).await.unwrap();
    teams.ask_account(&name, "Identified").await;
    let answer = status().await;
    assert_eq!(answer.last_handled_reconcile.as_deref(), Some("Identified-1"));
    let caller = answer.caller_arn.unwrap();
    assert!(caller.contains("assumed-role/other/"), "{caller}");
    assert_eq!(reads(), before + 1);

    secrets.delete("of-a", &DeleteParams::default()).await.unwrap();
    let message = teams.ask_account(&name, "InvalidCredentials").await;
    assert!(message.contains("there is no such Secret"), "{message}");
    let handled = status().await.last_handled_reconcile;
    assert_eq!(handled.as_deref(), Some("InvalidCredentials-1"), "the first answer says it");
    let calls = teams.a.simulator.requests().len();
    teams.a.create::<LightsailKeyPair>("two", &pair(&name, "two")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("two", "AccountNotReady").await;
    assert_eq!(teams.a.simulator.requests().len(), calls, "the key is not used any more");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_a_removed_key_has_assumed_is_not_used_any_more() {
    let teams = Teams::new("role-of-key").await;
    let _operator = teams.start().await;
    let name = teams.name("keys");
    teams.keep_key(OF_A, "of-a", Some(&name)).await;
    let credentials = json!({ "source": "Secret", "secretRef": { "name": "of-a" } });
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/credentials", credentials)]);
    teams.create_account("keys", &spec).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("one", &pair(&name, "one")).await;
    teams.a.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    let secrets = teams.operators.secrets();
    let mut kept = secrets.get("of-a").await.unwrap();

    // AWS does not know the new key, which may be a slip of the keyboard.
    let unknown = teams.a.simulator.add_account(OF_A);
    teams.a.simulator.remove_credentials(&unknown);
    let data = json!({
        "aws_access_key_id": unknown.access_key_id,
        "aws_secret_access_key": unknown.secret_access_key,
    });
    let patch = Patch::Merge(json!({ "stringData": data }));
    secrets.patch("of-a", &PatchParams::default(), &patch).await.unwrap();
    let message = teams.ask_account(&name, "InvalidCredentials").await;
    assert!(message.contains("InvalidClientTokenId"), "{message}");
    let handled = teams.api().get(&name).await.unwrap().status.unwrap().last_handled_reconcile;
    assert_eq!(handled.as_deref(), Some("InvalidCredentials-1"), "the first answer says it");
    teams.a.create::<LightsailKeyPair>("two", &pair(&name, "two")).await;
    teams.a.wait_ready::<LightsailKeyPair>("two", "Imported").await;

    secrets.delete("of-a", &DeleteParams::default()).await.unwrap();
    let message = teams.ask_account(&name, "InvalidCredentials").await;
    assert!(message.contains("there is no such Secret"), "{message}");
    let (calls, assumed) = (teams.requests().len(), teams.sessions());
    teams.a.create::<LightsailKeyPair>("three", &pair(&name, "three")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("three", "AccountNotReady").await;
    assert_eq!(teams.requests().len(), calls, "the role is not used any more");

    kept.metadata.resource_version = None;
    secrets.create(&PostParams::default(), &kept).await.unwrap();
    teams.ask_account(&name, "Identified").await;
    teams.a.wait_ready::<LightsailKeyPair>("three", "Imported").await;
    assert!(teams.sessions() > assumed, "it is assumed again");
    teams.remove_accounts().await;
}
