//! Operators with fewer rights: under service accounts that the chart makes of other values than
//! the defaults.

use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::helm::{Helm, VERSIONS};
use testbed::operator::{Operator, OperatorOptions};

use crate::bed::{Bed, REGION, default_pair, imported, name_of, public_key, reset, wait_for};

/// Applies what the chart grants with these values.
async fn grant(bed: &Bed, mut values: Value) {
    values["crds"] = json!({ "enabled": false });
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/lightsail-operator");
    let helm = Helm::new(bed.cluster.tools(), VERSIONS[0], bed.cluster.directory(), None);
    let objects = helm.template(&chart, &bed.namespace, &values).unwrap();
    for object in objects {
        let kind = object["kind"].as_str().unwrap();
        if kind == "ServiceAccount" || kind.ends_with("Role") || kind.ends_with("RoleBinding") {
            let apply = ["apply", "--server-side", "--filename", "-"];
            bed.cluster
                .kubectl_with_input(&apply, &object.to_string())
                .await
                .unwrap()
                .or_error()
                .unwrap();
        }
    }
}

/// Gives a ServiceAccount in the test's namespace what the chart grants with these values, and says
/// how an operator is started as it.
async fn with_rights_of(bed: &Bed, mut values: Value) -> OperatorOptions {
    let name = &bed.namespace;
    values["fullnameOverride"] = json!(name);
    grant(bed, values).await;
    let options = bed.options(None).await;
    bed.cluster.service_account_kubeconfig(name, name, &options.kubeconfig, None).await.unwrap();
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rights_to_secrets_what_needs_none_works_and_the_rest_says_so() {
    let bed = Bed::new("no-secrets").await;
    let _operator =
        Operator::start(with_rights_of(&bed, json!({ "secrets": { "mode": "none" } })).await)
            .await
            .unwrap();
    bed.create::<LightsailKeyPair>("imported", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("imported", "Imported").await;

    let key = public_key("ed25519");
    let map = [
        "create",
        "configmap",
        "keys",
        "--namespace",
        &bed.namespace,
        &format!("--from-literal=key={key}"),
    ];
    bed.cluster.kubectl(&map).await.unwrap().or_error().unwrap();
    let from = |kind: &str| {
        let source = json!({ kind: { "name": "keys", "key": "key" } });
        json!({ "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": source } })
    };
    bed.create::<LightsailKeyPair>("from-map", &from("configMapKeyRef")).await;
    bed.wait_ready::<LightsailKeyPair>("from-map", "Imported").await;

    bed.region.add_instance("web-1");
    bed.create::<HostKeyReset>("reset", &reset()).await;
    bed.wait_ready::<HostKeyReset>("reset", "OperationSucceeded").await;

    bed.region.create_default_key_pair();
    let generated = json!({ "type": "Generated", "region": REGION, "generated": {} });
    let rows = [
        ("generated", generated, "generated"),
        ("default", default_pair(), "kept"),
        ("from-secret", from("secretKeyRef"), "keys"),
    ];
    for (name, spec, secret) in rows {
        bed.create::<LightsailKeyPair>(name, &spec).await;
        let (object, message) = bed.wait_stalled::<LightsailKeyPair>(name, "SecretRejected").await;
        let expected = format!(
            "the Secret {secret} cannot be read or written: secrets \"{secret}\" is forbidden"
        );
        assert!(message.starts_with(&expected), "{}: {message}", name_of(&object));
    }
    assert_eq!(bed.calls("ImportKeyPair"), 2, "no pair without its key");
    assert_eq!(bed.calls("DownloadDefaultKeyPair"), 0, "no key that cannot be kept is asked for");
    for name in ["generated", "default", "from-secret", "from-map", "imported"] {
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    assert!(bed.region.find_default_key_pair().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_namespace_of_its_own_it_needs_no_right_elsewhere() {
    let bed = Bed::new("scope").await;
    let mut options =
        with_rights_of(&bed, json!({ "watch": { "namespaces": [bed.namespace] } })).await;
    // Its name for the cluster is the uid of another namespace, which it may read.
    let at = options.arguments.iter().position(|it| it == "--cluster-id").unwrap();
    options.arguments.drain(at..at + 2);
    let _operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>(
        "generated",
        &json!({ "type": "Generated", "region": REGION, "generated": {} }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("generated", "Generated").await;

    // Before the default pair goes with its object, the namespace is looked at.
    let there = bed.region.create_default_key_pair();
    let mut spec = default_pair();
    spec["deletionPolicy"] = json!("Delete");
    spec["expectedFingerprint"] = json!(there.fingerprint);
    bed.create::<LightsailKeyPair>("default", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    bed.delete::<LightsailKeyPair>("default").await;
    bed.wait_gone::<LightsailKeyPair>("default").await;
    assert!(bed.region.find_default_key_pair().is_none());

    let user = format!("--as=system:serviceaccount:{0}:{0}", bed.namespace);
    for (right, place, expected) in [
        ("get secrets", bed.namespace.as_str(), "yes"),
        ("get secrets", "default", "no"),
        ("list secrets", bed.namespace.as_str(), "no"),
        ("get namespaces/default", "default", "no"),
        ("list lightsailkeypairs.lightsail-operator.dev", "default", "no"),
    ] {
        let (verb, resource) = right.split_once(' ').unwrap();
        let output = bed
            .cluster
            .kubectl(&["auth", "can-i", verb, resource, "--namespace", place, &user])
            .await
            .unwrap();
        assert_eq!(output.stdout.trim(), expected, "{right} in {place}: {}", output.stderr);
    }
}

/// A namespace that is deleted takes its `RoleBinding` along, before the objects with finalizers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_waits_for_the_rights_that_went_first_and_the_probe_says_so() {
    let bed = Bed::new("unbound").await;
    let name = bed.namespace.as_str();
    let options = with_rights_of(&bed, json!({ "watch": { "namespaces": [name] } })).await;
    let mut operator = Operator::start(options.clone()).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;

    let unbind = ["delete", "rolebinding", name, "--namespace", name];
    bed.cluster.kubectl(&unbind).await.unwrap().or_error().unwrap();
    let user = format!("--as=system:serviceaccount:{name}:{name}");
    let resource = "lightsailkeypairs.lightsail-operator.dev";
    let may_patch = ["auth", "can-i", "patch", resource, "--namespace", name, &user];
    wait_for("the right is gone", async || {
        bed.cluster.kubectl(&may_patch).await.unwrap().stdout.trim() == "no"
    })
    .await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    // Its watch would go on for a while.
    operator.kill();
    let operator = Operator::spawn(options).unwrap();
    let line = format!("LightsailKeyPair in {name}: the operator's ServiceAccount is not allowed");
    wait_for("it says what it is not allowed", async || {
        operator.get("/readyz").await.is_ok_and(|(_, report)| report.contains(&line))
    })
    .await;
    assert!(bed.region.find_key_pair("fleet").is_some());

    // The way out in the chart's README.
    let temporary = json!({ "fullnameOverride": format!("{name}-temporary"),
        "serviceAccount": { "create": false, "name": name }, "accounts": { "enabled": false } });
    grant(&bed, temporary).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_none());
}
