//! What a tenant can learn about others: conditions, Events, accounts, probes.

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, PostParams};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};

use super::arena::{Arena, Reach, SHARED};
use crate::accounts::teams::{EXTERNAL_ID, Teams};
use crate::bed::wait_for;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn about_pairs_and_accounts_of_others_is_nowhere() {
    let changes = [("/allowed/keyPairNames", json!(["*"]))];
    let mut arena = Arena::new("attack-telling", &changes).await;
    arena.reach = Reach::Reads;
    let fleet = arena.teams.region(SHARED).find_key_pair(&arena.foreign("fleet")).unwrap();
    let web = arena.teams.region(SHARED).find_instance_arn(&arena.foreign("web")).unwrap();
    // An account of the tenant's whose role AWS does not know.
    let failing = Teams::spec(
        SHARED,
        &arena.attacker.namespace,
        &[(
            "/assumeRoleChain",
            json!([{ "roleARN": format!("arn:aws:iam::{SHARED}:role/hidden-role"),
            "externalID": "hidden-id" }]),
        )],
    );
    let failing = arena.teams.create_account("failing", &failing).await;
    arena.teams.wait_account(&failing, "InvalidCredentials").await;
    let theirs = ("/keyPairName", json!(fleet.name));
    let account = |name: &str| ("/accountRef/name", json!(name));
    let absent = ("/ensure", json!("Absent"));
    let guess = ("/expectedFingerprint", json!("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"));
    let suspend = ("/suspend", json!(true));
    let rows: Vec<(&str, Value, &str)> = vec![
        ("conflict", arena.pair("x", std::slice::from_ref(&theirs)), "NameConflict"),
        ("absent", arena.pair("x", &[theirs.clone(), absent.clone()]), "NameConflict"),
        ("guess", arena.pair("x", &[theirs.clone(), absent, guess]), "NameConflict"),
        ("suspended", arena.pair("x", &[theirs.clone(), suspend]), "NameConflict"),
        ("not-allowed", arena.pair("x", &[theirs, account(&arena.theirs)]), "AccountNotFound"),
        ("failing", arena.pair("x", &[account(&failing)]), "AccountNotReady"),
    ];
    for (name, spec, reason) in &rows {
        arena.attacker.create::<LightsailKeyPair>(name, spec).await.unwrap();
        arena.wait::<LightsailKeyPair>(name, reason).await;
    }
    let reset = arena.reset(&arena.foreign("web"), &[]);
    arena.attacker.create::<HostKeyReset>("reset", &reset).await.unwrap();
    arena.wait::<HostKeyReset>("reset", "AccountNotAllowed").await;
    let mut shown = String::new();
    for (name, ..) in &rows {
        let object = arena.show::<LightsailKeyPair>(name).await;
        shown += &object["status"].to_string();
    }
    shown += &arena.show::<HostKeyReset>("reset").await["status"].to_string();
    let events: Api<Event> =
        Api::namespaced(arena.teams.a.cluster.client(), &arena.attacker.namespace);
    for event in events.list(&ListParams::default()).await.unwrap() {
        shown += &serde_json::to_string(&event).unwrap();
    }
    for (what, secret) in [
        ("its ARN", fleet.arn.rsplit('/').next().unwrap()),
        ("its fingerprint", &*fleet.fingerprint),
        ("its support code", &*fleet.support_code),
        ("the object that has it", &*format!("{}/fleet", arena.teams.b.namespace)),
        ("an instance's ARN", web.rsplit('/').next().unwrap()),
        ("a role", "hidden-role"),
        ("an external id", "hidden-id"),
        ("the external id of its own account", EXTERNAL_ID),
        ("the role of its own account", "role/team-a"),
        ("the session of its own account", "assumed-role"),
        ("an account id of others", crate::bed::ACCOUNT),
    ] {
        assert!(!shown.contains(secret), "{what}: {shown}");
    }
    // Events about accounts are in a namespace that others may read.
    let events: Api<Event> = Api::namespaced(arena.teams.a.cluster.client(), "default");
    wait_for("an Event about the account", async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        let is_of = |event: &&Event| {
            event.regarding.as_ref().is_some_and(|it| it.name.as_ref() == Some(&failing))
        };
        let Some(event) = events.iter().find(is_of) else { return false };
        let note = event.note.clone().unwrap_or_default();
        assert!(!note.contains("role") && !note.contains("arn:"), "{note}");
        true
    })
    .await;
    // Probes and metrics are for whoever reaches the pod.
    for path in ["/readyz", "/metrics"] {
        let (_, body) = arena.operator.get(path).await.unwrap();
        let names = [&*failing, &*arena.theirs, &*arena.teams.b.namespace];
        for secret in ["hidden-role", "hidden-id", EXTERNAL_ID, "assumed-role"].iter().chain(&names)
        {
            assert!(!body.contains(secret), "{path} has {secret}: {body}");
        }
    }
    arena.check("what is told").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn about_accounts_is_the_same_whether_they_are_there() {
    let arena = Arena::new("attack-oracle", &[]).await;
    arena.teams.set_role(SHARED, "lightsail", None);
    let by_label = json!({ "from": "Selector", "selector": { "matchLabels": { "team": "x" } } });
    let by_label = Teams::spec(
        SHARED,
        "",
        &[("/allowedNamespaces", by_label), ("/allowed/keyPairNames", json!(["*"]))],
    );
    let by_label = arena.teams.create_account("label", &by_label).await;
    arena.teams.wait_account(&by_label, "Identified").await;
    let regions =
        [("/allowed/regions", json!(["us-east-1"])), ("/allowed/types", json!(["Imported"]))];
    let elsewhere = Teams::spec(SHARED, &arena.teams.b.namespace, &regions);
    let elsewhere = arena.teams.create_account("elsewhere", &elsewhere).await;
    let broken = Teams::spec(
        SHARED,
        &arena.teams.b.namespace,
        &[("/assumeRoleChain", json!([{ "roleARN": format!("arn:aws:iam::{SHARED}:role/none") }]))],
    );
    let broken = arena.teams.create_account("broken", &broken).await;
    arena.teams.wait_account(&broken, "InvalidCredentials").await;
    // Another team's object holds it.
    arena.teams.delete_account(&arena.theirs).await;
    arena.teams.wait_account(&arena.theirs, "AccountInUse").await;
    let mut answers = Vec::new();
    let accounts = ["none", &*arena.platform, &*by_label, &*elsewhere, &*broken, &*arena.theirs];
    for (number, account) in accounts.into_iter().enumerate() {
        let normal = |text: String| text.replace(account, "ACCOUNT");
        for (kind, of) in [("pair", "web"), ("reset", "web")] {
            let name = format!("{kind}-{number}");
            let other = [("/accountRef/name", json!(account))];
            let object = if kind == "pair" {
                let spec = arena.pair(of, &other);
                arena.attacker.create::<LightsailKeyPair>(&name, &spec).await.unwrap();
                arena.wait::<LightsailKeyPair>(&name, "AccountNotFound").await
            } else {
                // Each says until when it is retried.
                let [of_account] = other;
                let until = ("/notAfter", json!("2099-01-01T00:00:00Z"));
                let spec = arena.reset(&arena.own(of), &[of_account, until]);
                arena.attacker.create::<HostKeyReset>(&name, &spec).await.unwrap();
                arena.wait::<HostKeyReset>(&name, "AccountNotFound").await
            };
            let mut status = object["status"].clone();
            for condition in status["conditions"].as_array_mut().unwrap() {
                condition.as_object_mut().unwrap().remove("lastTransitionTime");
            }
            answers.push((kind, normal(status.to_string())));
        }
    }
    for kind in ["pair", "reset"] {
        let mut of_kind = answers.iter().filter(|(of, _)| *of == kind).map(|(_, answer)| answer);
        let first = of_kind.next().unwrap();
        for answer in of_kind {
            assert_eq!(answer, first, "word for word");
        }
    }
    arena.check("accounts that are not the tenant's").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn about_accounts_is_not_for_tenants_to_list_or_write() {
    let arena = Arena::new("attack-rbac", &[]).await;
    let user = format!("--as=system:serviceaccount:{}:tenant", arena.attacker.namespace);
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
        for resource in ["lightsailaccounts", "lightsailaccounts/status"] {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let subresource = format!("--subresource={subresource}");
            let asked = ["auth", "can-i", verb, resource, &subresource, &user];
            let answer = arena.teams.a.cluster.kubectl(&asked).await.unwrap();
            assert_eq!(answer.stdout.trim(), "no", "{verb} {resource}");
        }
    }
    let accounts = arena.attacker.accounts();
    let forbidden = |error: kube::Error| error.to_string().contains("forbidden");
    assert!(forbidden(accounts.get(&arena.ours).await.unwrap_err()), "even its own");
    assert!(forbidden(accounts.list(&ListParams::default()).await.unwrap_err()));
    let mut own = arena.teams.api().get(&arena.ours).await.unwrap();
    own.metadata = kube::api::ObjectMeta { name: Some("own".to_owned()), ..Default::default() };
    assert!(forbidden(accounts.create(&PostParams::default(), &own).await.unwrap_err()));
    for (verb, resource) in [("get", "secrets"), ("get", "configmaps"), ("patch", "namespaces")] {
        for namespace in [&arena.teams.b.namespace, &arena.teams.operators.namespace] {
            let asked = ["auth", "can-i", verb, resource, "--namespace", namespace, &user];
            let answer = arena.teams.a.cluster.kubectl(&asked).await.unwrap();
            assert_eq!(answer.stdout.trim(), "no", "{verb} {resource} in {namespace}");
        }
    }
    let asked =
        ["auth", "can-i", "patch", "namespaces", "--namespace", &arena.attacker.namespace, &user];
    let answer = arena.teams.a.cluster.kubectl(&asked).await.unwrap();
    assert_eq!(answer.stdout.trim(), "no", "labels of its own namespace");
    arena.check("rights").await;
    arena.end().await;
}
