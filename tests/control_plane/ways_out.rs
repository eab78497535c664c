//! Each way out that a Stalled object names, followed as its message says. Those that other tests
//! follow on their way are not here.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use lightsail_operator::api::conditions::{FINGERPRINT_VERIFIED, READY, find};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair, OWNER_TAG};
use serde_json::{Value, json};
use testbed::operator::Operator;

use crate::bed::{
    Bed, REGION, aws_environment, default_pair, imported, key_pair_files, public_half, public_key,
    reset, set, wait_for,
};

const OTHER: &str = "red/team-z/other";

/// The object is Stalled with this reason, and its message holds these words of the way out.
async fn stalled(bed: &Bed, name: &str, reason: &str, way_out: &str) {
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>(name, reason).await;
    assert!(message.contains(way_out), "{name}: {message}");
}

async fn ready(bed: &Bed, name: &str, reason: &str) -> LightsailKeyPair {
    bed.wait_ready(name, reason).await
}

async fn gone(bed: &Bed, name: &str) {
    bed.wait_gone::<LightsailKeyPair>(name).await;
}

async fn create(bed: &Bed, name: &str, spec: &Value) {
    bed.create::<LightsailKeyPair>(name, spec).await;
}

async fn delete(bed: &Bed, name: &str) {
    bed.delete::<LightsailKeyPair>(name).await;
}

async fn set_spec(bed: &Bed, name: &str, change: Value) {
    bed.patch::<LightsailKeyPair>(name, &json!({ "spec": change })).await;
}

/// What `kubectl patch --subresource status` does.
async fn set_status(bed: &Bed, name: &str, change: Value) {
    let change = Patch::Merge(json!({ "status": change }));
    let api = bed.api::<LightsailKeyPair>();
    api.patch_status(name, &PatchParams::default(), &change).await.unwrap();
}

fn with(mut spec: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

fn generated(secret: &str) -> Value {
    json!({ "type": "Generated", "region": REGION, "generated": { "secret": { "name": secret } } })
}

async fn put_secret(bed: &Bed, name: &str, type_: &str, private: &str) {
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        type_: Some(type_.to_owned()),
        data: Some(BTreeMap::from([(
            "ssh-privatekey".to_owned(),
            ByteString(private.as_bytes().to_vec()),
        )])),
        ..Secret::default()
    };
    if private.contains("PRIVATE KEY") {
        bed.note_private_key(name, private);
    }
    bed.secrets().create(&PostParams::default(), &secret).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken() {
    let bed = Bed::new("way-out-names").await;
    let _operator = bed.start().await;
    let there = bed.region.import_key_pair("taken", public_key("ed25519").trim());
    bed.region.create_default_key_pair();

    let again = "create it again with another keyPairName";
    let key = public_key("ed25519").trim().to_owned();
    create(&bed, "taken", &imported(&key)).await;
    stalled(&bed, "taken", "NameConflict", again).await;
    delete(&bed, "taken").await;
    gone(&bed, "taken").await;
    create(&bed, "taken", &with(imported(&key), &json!({ "keyPairName": "free" }))).await;
    ready(&bed, "taken", "Imported").await;
    assert_eq!(bed.region.find_key_pair("taken"), Some(there), "nothing changed there");

    create(&bed, "second", &with(imported(&key), &json!({ "keyPairName": "free" }))).await;
    stalled(&bed, "second", "NameConflict", again).await;
    delete(&bed, "second").await;
    gone(&bed, "second").await;
    assert!(bed.region.find_key_pair("free").is_some(), "nothing changed there");

    create(&bed, "default", &default_pair()).await;
    ready(&bed, "default", "Downloaded").await;
    let other = json!({ "default": { "secret": { "name": "other" } } });
    create(&bed, "default-2", &with(default_pair(), &other)).await;
    stalled(&bed, "default-2", "NameConflict", "delete this object, which changes nothing").await;
    delete(&bed, "default-2").await;
    gone(&bed, "default-2").await;
    ready(&bed, "default", "Downloaded").await;
}

/// `GetKeyPair` rejects the name as the import did, so nothing can be read of the pair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_lightsail_rejects() {
    let bed = Bed::new("way-out-rejected").await;
    let _operator = bed.start().await;
    create(&bed, "fleet.old", &imported(&public_key("ed25519"))).await;
    ready(&bed, "fleet.old", "Imported").await;
    bed.region.set_switches(|switches| switches.dots_in_names = false);

    create(&bed, "fleet.prod", &imported(&public_key("ed25519"))).await;
    stalled(&bed, "fleet.prod", "OperationFailed", "InvalidInput").await;
    delete(&bed, "fleet.prod").await;
    gone(&bed, "fleet.prod").await;

    // A pair on record is not forgotten.
    delete(&bed, "fleet.old").await;
    stalled(&bed, "fleet.old", "OperationFailed", "set deletionPolicy: Retain").await;
    set_spec(&bed, "fleet.old", json!({ "deletionPolicy": "Retain" })).await;
    gone(&bed, "fleet.old").await;
    assert!(bed.region.find_key_pair("fleet.old").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_another_object_or_owner_has() {
    let bed = Bed::new("way-out-owners").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519").trim().to_owned();

    // A copy, status included, as a backup makes it.
    create(&bed, "fleet", &imported(&key)).await;
    let fleet = ready(&bed, "fleet", "Imported").await;
    create(&bed, "copy", &with(imported(&key), &json!({ "keyPairName": "fleet" }))).await;
    stalled(&bed, "copy", "NameConflict", "another object").await;
    let status = serde_json::to_value(fleet.status.unwrap()).unwrap();
    let recorded = json!({ "arn": status["arn"], "createdAt": status["createdAt"],
        "origin": "Imported", "fingerprint": status["fingerprint"],
        "accountID": status["accountID"], "publicKeySHA256": status["publicKeySHA256"] });
    set_status(&bed, "copy", recorded).await;
    let finalizers = json!({ "metadata": { "finalizers": ["lightsail-operator.dev/key-pair"] } });
    bed.patch::<LightsailKeyPair>("copy", &finalizers).await;
    delete(&bed, "copy").await;
    stalled(&bed, "copy", "NameConflict", "deletionPolicy: Retain").await;
    set_spec(&bed, "copy", json!({ "deletionPolicy": "Retain" })).await;
    gone(&bed, "copy").await;
    assert!(bed.region.find_key_pair("fleet").is_some());

    bed.region.set_tags("fleet", &[(OWNER_TAG, Some(OTHER))]);
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    stalled(&bed, "fleet", "OwnershipLost", "remove that tag").await;
    bed.region.set_tags("fleet", &[]);
    set_spec(&bed, "fleet", json!({ "interval": "11m" })).await;
    ready(&bed, "fleet", "Imported").await;

    create(&bed, "lost", &imported(&key)).await;
    ready(&bed, "lost", "Imported").await;
    bed.region.set_tags("lost", &[(OWNER_TAG, Some(OTHER))]);
    bed.reconcile_now::<LightsailKeyPair>("lost").await;
    stalled(&bed, "lost", "OwnershipLost", "set deletionPolicy: Retain and delete").await;
    set_spec(&bed, "lost", json!({ "deletionPolicy": "Retain" })).await;
    delete(&bed, "lost").await;
    gone(&bed, "lost").await;
    let tags = bed.region.find_key_pair("lost").unwrap().tags;
    assert_eq!(tags[OWNER_TAG].as_deref(), Some(OTHER), "it stays the other owner's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_is_not_the_expected_one() {
    let bed = Bed::new("way-out-fingerprints").await;
    let _operator = bed.start().await;
    let key = public_key("rsa").trim().to_owned();
    create(&bed, "fleet", &imported(&key)).await;
    ready(&bed, "fleet", "Imported").await;
    let listed = bed.region.find_key_pair("fleet").unwrap().fingerprint;

    // In another form, where the key is held here, it counts.
    let sha256 = lightsail_operator::ssh::PublicKey::parse(&key).unwrap().sha256();
    let absent = json!({ "ensure": "Absent", "expectedFingerprint": sha256 });
    set_spec(&bed, "fleet", absent).await;
    ready(&bed, "fleet", "Absent").await;
    let sent = bed.simulator.requests();
    let sent = sent.iter().rfind(|request| request.operation == "DeleteKeyPair").unwrap();
    assert_eq!(sent.outcome, "ok", "as Lightsail prints it: {sent:?}");

    // Where it is not, only what Lightsail lists counts, whose form is not told (I11).
    let stranger = bed.region.import_key_pair("stranger", &key);
    let by_name = |fingerprint: &str| {
        json!({ "type": "Imported", "region": REGION, "ensure": "Absent",
            "expectedFingerprint": fingerprint })
    };
    create(&bed, "stranger", &by_name(&sha256)).await;
    stalled(&bed, "stranger", "FingerprintMismatch", "correct expectedFingerprint").await;
    let other = listed.replace(&listed[..2], "00").replace("00:00", "11:00");
    set_spec(&bed, "stranger", json!({ "expectedFingerprint": other })).await;
    stalled(&bed, "stranger", "FingerprintMismatch", "correct expectedFingerprint").await;
    assert_eq!(bed.region.find_key_pair("stranger"), Some(stranger));
    // Hexadecimal digits have any case.
    set_spec(&bed, "stranger", json!({ "expectedFingerprint": listed.to_uppercase() })).await;
    ready(&bed, "stranger", "Absent").await;

    // Somebody else's pair, named by nothing.
    bed.region.import_key_pair("unnamed", &key);
    let nameless = json!({ "type": "Imported", "region": REGION, "ensure": "Absent" });
    create(&bed, "unnamed", &nameless).await;
    stalled(&bed, "unnamed", "FingerprintMismatch", "set expectedFingerprint to its fingerprint")
        .await;
    set_spec(&bed, "unnamed", json!({ "expectedFingerprint": listed })).await;
    ready(&bed, "unnamed", "Absent").await;

    // The status was lost with a backup, and the object is deleted.
    create(&bed, "restored", &imported(&key)).await;
    ready(&bed, "restored", "Imported").await;
    let forgotten = json!({ "arn": null, "createdAt": null, "origin": null, "fingerprint": null,
        "publicKeySHA256": null });
    set_spec(&bed, "restored", json!({ "suspend": true })).await;
    ready(&bed, "restored", "Imported").await;
    set_status(&bed, "restored", forgotten).await;
    set_spec(&bed, "restored", json!({ "suspend": false, "ensure": "Absent" })).await;
    stalled(&bed, "restored", "FingerprintMismatch", "").await;
    delete(&bed, "restored").await;
    stalled(&bed, "restored", "FingerprintMismatch", "with Delete, the operator deletes").await;
    set_spec(&bed, "restored", json!({ "deletionPolicy": "Delete" })).await;
    gone(&bed, "restored").await;
    assert_eq!(bed.region.find_key_pair("restored"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_cannot_be_used() {
    let bed = Bed::new("way-out-secrets").await;
    let _operator = bed.start().await;
    let ssh_auth = "kubernetes.io/ssh-auth";

    // The only copy of the key of a pair that was made in the console, in an Opaque Secret.
    let (pair, private) = bed.region.create_key_pair("console");
    put_secret(&bed, "opaque", "Opaque", &private).await;
    create(&bed, "console", &generated("opaque")).await;
    let way_out = "copy its private key to ssh-privatekey in a Secret of that type";
    stalled(&bed, "console", "SecretRejected", way_out).await;
    put_secret(&bed, "console-ssh", ssh_auth, &private).await;
    set_spec(&bed, "console", json!({ "generated": { "secret": { "name": "console-ssh" } } }))
        .await;
    let object = ready(&bed, "console", "Adopted").await;
    let status = object.status.unwrap();
    let verified = find(&status.conditions, FINGERPRINT_VERIFIED).unwrap();
    assert_eq!(verified.status, "True", "by a form that only the private key has");
    assert!(status.public_key_sha256.is_some());
    assert_eq!(bed.region.find_key_pair("console").unwrap().arn, pair.arn);

    // The public half in the object's own Secret is corrected.
    let wrong = json!({ "stringData": { "ssh-publickey": public_key("ed25519") } });
    let secrets = bed.secrets();
    secrets.patch("console-ssh", &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();
    bed.reconcile_now::<LightsailKeyPair>("console").await;
    let expected = public_half(&private);
    crate::bed::wait_for("the public half is that of the key", async || {
        let data = secrets.get("console-ssh").await.unwrap().data.unwrap_or_default();
        let public = String::from_utf8(data["ssh-publickey"].0.clone()).unwrap();
        public.split_whitespace().nth(1) == expected.split_whitespace().nth(1)
    })
    .await;

    // Somebody else's Secret, and one that is no private key.
    let (private, _) = key_pair_files("ed25519");
    put_secret(&bed, "theirs", ssh_auth, &private).await;
    create(&bed, "fleet", &generated("theirs")).await;
    stalled(&bed, "fleet", "SecretNotOwned", "set secret.name in the spec to another").await;
    // It is meant for an object.
    create(&bed, "own", &generated("theirs")).await;
    let way_out = "annotation lightsail-operator.dev/owner to LightsailKeyPair/own";
    stalled(&bed, "own", "SecretNotOwned", way_out).await;
    let marked = json!({ "metadata": {
        "labels": { "app.kubernetes.io/managed-by": "lightsail-operator" },
        "annotations": { "lightsail-operator.dev/owner": "LightsailKeyPair/own" } } });
    secrets.patch("theirs", &PatchParams::default(), &Patch::Merge(marked)).await.unwrap();
    set_spec(&bed, "own", json!({ "interval": "11m" })).await;
    ready(&bed, "own", "Generated").await;
    assert_eq!(bed.region.find_key_pair("own").unwrap().public_key.trim(), public_half(&private));
    put_secret(&bed, "putty", ssh_auth, "PuTTY-User-Key-File-3: ssh-ed25519\n").await;
    set_spec(&bed, "fleet", json!({ "generated": { "secret": { "name": "putty" } } })).await;
    stalled(&bed, "fleet", "SecretRejected", "; set secret.name in the spec to an unused").await;
    set_spec(&bed, "fleet", json!({ "generated": { "secret": { "name": "fleet" } } })).await;
    ready(&bed, "fleet", "Generated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_was_replaced_by_one_with_another_key() {
    let bed = Bed::new("way-out-replaced").await;
    let _operator = bed.start().await;
    create(&bed, "fleet", &generated("fleet")).await;
    ready(&bed, "fleet", "Generated").await;
    bed.secrets().delete("fleet", &DeleteParams::default()).await.unwrap();
    let (private, _) = key_pair_files("ed25519");
    put_secret(&bed, "fleet", "kubernetes.io/ssh-auth", &private).await;
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    let way_out = "annotation lightsail-operator.dev/owner to LightsailKeyPair/fleet";
    stalled(&bed, "fleet", "SecretNotOwned", way_out).await;
    let marked = json!({ "metadata": {
        "labels": { "app.kubernetes.io/managed-by": "lightsail-operator" },
        "annotations": { "lightsail-operator.dev/owner": "LightsailKeyPair/fleet" } } });
    bed.secrets().patch("fleet", &PatchParams::default(), &Patch::Merge(marked)).await.unwrap();
    let recreate = json!({ "generated": { "replacePolicy": "Recreate" } });
    set_spec(&bed, "fleet", recreate).await;
    ready(&bed, "fleet", "Generated").await;
    let there = bed.region.find_key_pair("fleet").unwrap();
    assert_eq!(there.public_key.trim(), public_half(&private));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_cannot_be_used() {
    let bed = Bed::new("way-out-sources").await;
    let mut options = bed.options(None).await;
    options.arguments.extend(["--source-grace".to_owned(), "1s".to_owned()]);
    let _operator = Operator::start(options).await.unwrap();
    let from = json!({ "configMapKeyRef": { "name": "keys", "key": "fleet" } });
    let spec = json!({ "type": "Imported", "region": REGION,
        "imported": { "publicKeyFrom": from } });
    create(&bed, "fleet", &spec).await;
    stalled(&bed, "fleet", "SourceNotFound", "create it with the entry fleet").await;
    let maps = Api::<ConfigMap>::namespaced(bed.cluster.client(), &bed.namespace);
    let holds = |text: String| ConfigMap {
        metadata: ObjectMeta { name: Some("keys".to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("fleet".to_owned(), text)])),
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &holds("a".repeat(70_000))).await.unwrap();
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    stalled(&bed, "fleet", "SourceTooLarge", "with only the public key").await;
    maps.replace("keys", &PostParams::default(), &holds("fleet".to_owned())).await.unwrap();
    set_spec(&bed, "fleet", json!({ "interval": "11m" })).await;
    stalled(&bed, "fleet", "InvalidPublicKey", "use the line of a .pub file").await;
    maps.replace("keys", &PostParams::default(), &holds(public_key("ed25519"))).await.unwrap();
    set_spec(&bed, "fleet", json!({ "interval": "12m" })).await;
    ready(&bed, "fleet", "Imported").await;

    // A pair that was there before the object is not replaced.
    let key = public_key("ed25519").trim().to_owned();
    bed.region.import_key_pair("adopted", &key);
    create(&bed, "adopted", &imported(&key)).await;
    ready(&bed, "adopted", "Adopted").await;
    let other = json!({ "imported": { "publicKey": public_key("ed25519"),
        "replacePolicy": "Recreate" } });
    set_spec(&bed, "adopted", other).await;
    stalled(&bed, "adopted", "PublicKeyChanged", "put the old key back").await;
    set_spec(&bed, "adopted", json!({ "imported": { "publicKey": key } })).await;
    ready(&bed, "adopted", "Adopted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_another_account() {
    let bed = Bed::new("way-out-account").await;
    let mut options = bed.options(None).await;
    options.arguments.extend(["--aws-account-id".to_owned(), crate::bed::ACCOUNT.to_owned()]);
    let operator = Operator::start(options.clone()).await.unwrap();
    create(&bed, "fleet", &imported(&public_key("ed25519"))).await;
    ready(&bed, "fleet", "Imported").await;
    drop(operator);
    set(&mut options, "--aws-account-id", "999999999999");
    let other = bed.simulator.add_account("999999999999");
    options.environment.extend(aws_environment(&bed.simulator, &other));
    let _operator = Operator::start(options).await.unwrap();
    delete(&bed, "fleet").await;
    let way_out = "set deletionPolicy: Retain to release the object without a call to AWS";
    stalled(&bed, "fleet", "WrongAccount", way_out).await;
    set_spec(&bed, "fleet", json!({ "deletionPolicy": "Retain" })).await;
    gone(&bed, "fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_some());
}

/// A policy for updates of the namespace's objects.
struct Policy<'a> {
    bed: &'a Bed,
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
}

impl<'a> Policy<'a> {
    /// Refuses updates of these resources for which the expression does not hold.
    async fn new(bed: &'a Bed, resources: &[&str], expression: &str) -> Self {
        let name = bed.namespace.as_str();
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(bed.cluster.client());
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(bed.cluster.client());
        let policy = json!({ "metadata": { "name": name }, "spec": {
            "matchConstraints": { "resourceRules": [{ "apiGroups": ["lightsail-operator.dev"],
                "apiVersions": ["*"], "operations": ["UPDATE"], "resources": resources }] },
            "matchConditions": [{ "name": "here",
                "expression": format!("request.namespace == '{name}'") }],
            "validations": [{ "expression": expression, "message": "nothing is changed here" }],
        } });
        let binding = json!({ "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"] } });
        let parameters = PostParams::default();
        policies.create(&parameters, &serde_json::from_value(policy).unwrap()).await.unwrap();
        bindings.create(&parameters, &serde_json::from_value(binding).unwrap()).await.unwrap();
        create(bed, "probe", &imported(&public_key("ed25519"))).await;
        Self { bed, policies, bindings }
    }

    /// Waits until a change of the object `probe` is refused.
    async fn takes_effect(&self, change: &Value, of_status: bool) {
        let (api, change) = (self.bed.api::<LightsailKeyPair>(), Patch::Merge(change));
        let parameters = PatchParams::default();
        wait_for("the policy takes effect", async || {
            let patched = if of_status {
                api.patch_status("probe", &parameters, &change).await
            } else {
                api.patch("probe", &parameters, &change).await
            };
            patched.is_err()
        })
        .await;
    }

    async fn remove(self) {
        let name = self.bed.namespace.as_str();
        self.bindings.delete(name, &DeleteParams::default()).await.unwrap();
        self.policies.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

fn label() -> Value {
    json!({ "metadata": { "labels": { "a": "b" } } })
}

fn says_what_the_policy_says(object: &LightsailKeyPair) -> bool {
    let ready = object.status.as_ref().and_then(|status| find(&status.conditions, READY));
    ready.is_some_and(|ready| {
        ready.reason == "KubernetesError" && ready.message.contains("nothing is changed here")
    })
}

/// A policy refuses every write but that of the status, which says so after some attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_refuses_the_finalizer() {
    let bed = Bed::new("way-out-policy").await;
    let policy = Policy::new(&bed, &["lightsailkeypairs"], "false").await;
    policy.takes_effect(&label(), false).await;
    create(&bed, "fleet", &imported(&public_key("rsa"))).await;
    let _operator = bed.start().await;
    bed.wait("fleet", "KubernetesError", says_what_the_policy_says).await;
    assert_eq!(bed.calls("ImportKeyPair"), 0);
    policy.remove().await;
    ready(&bed, "fleet", "Imported").await;
}

/// The pair was made a moment ago, and is deleted: nobody waits until Lightsail lists it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_keeps_the_finalizer() {
    let bed = Bed::new("way-out-kept").await;
    let policy = Policy::new(&bed, &["lightsailkeypairs"], "has(object.metadata.finalizers)").await;
    policy.takes_effect(&label(), false).await;
    let mut options = bed.options(None).await;
    set(&mut options, "--settle-time", "5m");
    let _operator = Operator::start(options).await.unwrap();
    create(&bed, "fleet", &imported(&public_key("rsa"))).await;
    ready(&bed, "fleet", "Imported").await;
    delete(&bed, "fleet").await;
    bed.wait("fleet", "KubernetesError", says_what_the_policy_says).await;
    let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let notes: Vec<_> = events.items.iter().filter_map(|event| event.note.as_deref()).collect();
    assert!(!notes.iter().any(|note| note.contains("just created")), "{notes:?}");
    policy.remove().await;
    gone(&bed, "fleet").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 1);
}

/// A policy refuses every write of a status, so nothing but an Event tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_refuses_the_status() {
    let bed = Bed::new("way-out-status").await;
    let resources = ["lightsailkeypairs/status", "hostkeyresets/status"];
    let policy = Policy::new(&bed, &resources, "false").await;
    policy.takes_effect(&json!({ "status": { "supportCode": "1" } }), true).await;
    bed.region.add_instance("web-1");
    bed.create::<HostKeyReset>("reset", &reset()).await;
    let _operator = bed.start().await;
    let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    for name in ["probe", "reset"] {
        wait_for("an Event of the refusal", async || {
            let events = events.list(&ListParams::default()).await.unwrap().items;
            events.iter().any(|event| {
                let regarding = event.regarding.as_ref().and_then(|object| object.name.as_deref());
                let note = event.note.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some("KubernetesError")
                    && regarding == Some(name)
                    && note.contains("nothing is changed here")
            })
        })
        .await;
    }
    assert_eq!(bed.changes(), 0);
    policy.remove().await;
    ready(&bed, "probe", "Imported").await;
    bed.wait_ready::<HostKeyReset>("reset", "OperationSucceeded").await;
}
