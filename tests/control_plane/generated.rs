//! Key pairs that the operator makes: the private key is in the Secret before anything else happens
//! (I3).

use std::process::{Child, Command, Stdio};

use http::Method;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, REGION, default_pair, public_half, ready_reason, wait_for};

/// A spec of a generated key pair with these settings.
pub(crate) fn generated(settings: &Value) -> Value {
    json!({ "type": "Generated", "region": REGION, "generated": settings })
}

/// The private key in a Secret.
pub(crate) async fn private_key(bed: &Bed, secret: &str) -> String {
    let secret = bed.secrets().get(secret).await.unwrap();
    let text = String::from_utf8(secret.data.unwrap()["ssh-privatekey"].0.clone()).unwrap();
    bed.note_private_key(&format!("{}.pem", secret.metadata.uid.unwrap()), &text);
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_pair_is_made_imported_and_deleted() {
    for (algorithm, type_) in [("Ed25519", "ssh-ed25519"), ("RSA4096", "ssh-rsa")] {
        let bed = Bed::new("generated").await;
        let _operator = bed.start().await;
        let settings = json!({ "algorithm": algorithm, "secret": { "name": "fleet-ssh",
            "labels": { "team": "a" } } });
        bed.create::<LightsailKeyPair>("fleet", &generated(&settings)).await;
        let object: LightsailKeyPair = bed.wait_ready("fleet", "Generated").await;
        let there = bed.region.find_key_pair("fleet").unwrap();
        let private = private_key(&bed, "fleet-ssh").await;
        assert_eq!(public_half(&private), there.public_key.trim());
        assert!(there.public_key.starts_with(type_));
        let status = serde_json::to_value(object.status.unwrap()).unwrap();
        assert_eq!(
            (&status["origin"], &status["secretName"], &status["effectiveDeletionPolicy"]),
            (&json!("Generated"), &json!("fleet-ssh"), &json!("Delete"))
        );
        let secret: Secret = bed.secrets().get("fleet-ssh").await.unwrap();
        assert_eq!(secret.metadata.labels.unwrap()["team"], "a");
        assert_eq!(secret.metadata.owner_references, None);
        bed.delete::<LightsailKeyPair>("fleet").await;
        bed.wait_gone::<LightsailKeyPair>("fleet").await;
        assert_eq!(bed.region.key_pairs(), []);
        assert_eq!(bed.calls("CreateKeyPair"), 0);
        assert_eq!(private_key(&bed, "fleet-ssh").await, private, "the key outlives the object");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_killed_between_key_and_import_the_same_key_is_imported() {
    let bed = Bed::new("generated-kill").await;
    let held = bed.region.add_fault(Fault {
        operation: "ImportKeyPair".to_owned(),
        resource: None,
        times: 1,
        effect: FaultEffect::HoldBefore,
    });
    let mut operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &generated(&json!({}))).await;
    held.reached().await;
    operator.kill();
    let private = private_key(&bed, "fleet").await;
    operator.restart().await.unwrap();
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    assert_eq!(private_key(&bed, "fleet").await, private);
    assert_eq!(public_half(&private), bed.region.find_key_pair("fleet").unwrap().public_key.trim());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_that_does_not_fit_is_reported_or_the_pair_made_anew() {
    let bed = Bed::new("mismatch").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &generated(&json!({}))).await;
    bed.create::<LightsailKeyPair>("other", &generated(&json!({}))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    bed.wait_ready::<LightsailKeyPair>("other", "Generated").await;
    let before = bed.region.find_key_pair("fleet").unwrap();
    let other = bed.secrets().get("other").await.unwrap().data.unwrap();
    let swapped = json!({ "data": other });
    bed.secrets().patch("fleet", &PatchParams::default(), &Patch::Merge(swapped)).await.unwrap();
    let ask = |value: &str| {
        json!({ "metadata": { "annotations": {
        "lightsail-operator.dev/reconcile": value } } })
    };
    bed.patch::<LightsailKeyPair>("fleet", &ask("1")).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "PrivateKeyMismatch").await;
    assert_eq!(bed.region.find_key_pair("fleet"), Some(before.clone()));
    // The same key in two pairs is no trouble to Lightsail.
    let recreate = json!({ "spec": { "generated": { "replacePolicy": "Recreate" } } });
    bed.patch::<LightsailKeyPair>("fleet", &recreate).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let after = bed.region.find_key_pair("fleet").unwrap();
    assert_ne!(after.arn, before.arn);
    assert_eq!(public_half(&private_key(&bed, "fleet").await), after.public_key.trim());
}

/// A Secret counts as lost after a minute; it passes while other tests run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_private_key_is_reported_or_the_pair_made_anew() {
    let bed = Bed::new("lost").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("said", &generated(&json!({}))).await;
    bed.create::<LightsailKeyPair>("anew", &generated(&json!({ "replacePolicy": "Recreate" })))
        .await;
    for name in ["said", "anew"] {
        bed.wait_ready::<LightsailKeyPair>(name, "Generated").await;
        bed.secrets().delete(name, &DeleteParams::default()).await.unwrap();
        let ask =
            json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
        bed.patch::<LightsailKeyPair>(name, &ask).await;
    }
    let before = ["said", "anew"].map(|name| bed.region.find_key_pair(name).unwrap());
    bed.wait("anew", "waiting", |object: &LightsailKeyPair| ready_reason(object) == "InProgress")
        .await;
    bed.wait_stalled::<LightsailKeyPair>("said", "PrivateKeyLost").await;
    bed.wait_ready::<LightsailKeyPair>("anew", "Generated").await;
    assert_eq!(bed.region.find_key_pair("said"), Some(before[0].clone()));
    let anew = bed.region.find_key_pair("anew").unwrap();
    assert_ne!(anew.arn, before[1].arn);
    assert_eq!(public_half(&private_key(&bed, "anew").await), anew.public_key.trim());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_pair_goes_and_comes_back_with_the_same_key() {
    let bed = Bed::new("absent").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &generated(&json!({}))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let before = bed.region.find_key_pair("fleet").unwrap();
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "ensure": "Absent" } })).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Absent").await;
    assert_eq!(bed.region.key_pairs(), []);
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "ensure": "Present" } })).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().public_key, before.public_key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_read_is_not_overwritten() {
    let bed = Bed::new("passphrase").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &generated(&json!({ "replacePolicy": "Recreate" })))
        .await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "a passphrase", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let locked = std::fs::read_to_string(&path).unwrap();
    let change = json!({ "stringData": { "ssh-privatekey": locked } });
    bed.secrets().patch("fleet", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    let ask = json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    bed.patch::<LightsailKeyPair>("fleet", &ask).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "SecretRejected").await;
    let secret = bed.secrets().get("fleet").await.unwrap();
    assert_eq!(secret.data.unwrap()["ssh-privatekey"].0, locked.as_bytes());
}

/// As the message of a deletion that is stuck advises: nobody else has the key of the pair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_the_secret_of_a_pair_that_stays_does_not_go_with_its_object() {
    let bed = Bed::new("retained").await;
    let _operator = bed.start().await;
    let settings = json!({ "secret": { "deleteWithObject": true } });
    for (name, change) in [
        ("released", json!({ "spec": { "deletionPolicy": "Retain" } })),
        ("suspended", json!({ "spec": { "suspend": true } })),
    ] {
        bed.create::<LightsailKeyPair>(name, &generated(&settings)).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Generated").await;
        bed.patch::<LightsailKeyPair>(name, &change).await;
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
        assert!(bed.region.find_key_pair(name).is_some(), "{name}");
        let kept = bed.secrets().get(name).await.unwrap();
        assert_eq!(kept.metadata.owner_references, None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_with_its_object_only_if_that_is_wanted() {
    let bed = Bed::new("owner").await;
    let _operator = bed.start().await;
    let settings = json!({ "secret": { "name": "gone", "deleteWithObject": true } });
    bed.create::<LightsailKeyPair>("fleet", &generated(&settings)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    // The spec of another one changes while nothing is done for it.
    let settings = json!({ "secret": { "name": "kept", "deleteWithObject": true } });
    bed.create::<LightsailKeyPair>("saved", &generated(&settings)).await;
    bed.wait_ready::<LightsailKeyPair>("saved", "Generated").await;
    let owned = bed.secrets().get("kept").await.unwrap();
    assert_eq!(owned.metadata.owner_references.map(|owners| owners.len()), Some(1));
    let keep = json!({ "spec": { "suspend": true,
        "generated": { "secret": { "deleteWithObject": false } } } });
    bed.patch::<LightsailKeyPair>("saved", &keep).await;
    // In the foreground, the Secret would go before the operator is asked.
    let owners = async |name: &str| bed.secrets().get(name).await.unwrap().owner_references().len();
    wait_for("the Secret is to stay", async || owners("kept").await == 0).await;
    let foreground = DeleteParams::foreground();
    bed.api::<LightsailKeyPair>().delete("saved", &foreground).await.unwrap();
    bed.delete::<LightsailKeyPair>("fleet").await;
    for name in ["saved", "fleet"] {
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    let start = std::time::Instant::now();
    while bed.secrets().get_opt("gone").await.unwrap().is_some() {
        assert!(start.elapsed().as_secs() < 60, "the garbage collector does not take the Secret");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let kept = bed.secrets().get("kept").await.unwrap();
    assert_eq!(kept.metadata.owner_references, None);
}

/// A policy for the Secrets of a namespace.
struct Policy {
    name: String,
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
}

impl Policy {
    /// Refuses this operation unless the expression holds, and makes a Secret `probe` to try it.
    async fn new(bed: &Bed, operation: &str, expression: &str) -> Self {
        let (name, client) = (bed.namespace.clone(), bed.cluster.client());
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
        let policy = json!({ "metadata": { "name": name }, "spec": {
            "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"],
                "operations": [operation], "resources": ["secrets"] }] },
            "matchConditions": [{ "name": "here",
                "expression": format!("request.namespace == '{name}'") }],
            "validations": [{ "expression": expression, "message": "refused by the test",
                "reason": "Forbidden" }],
        } });
        let binding = json!({ "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"] } });
        let parameters = PostParams::default();
        policies.create(&parameters, &serde_json::from_value(policy).unwrap()).await.unwrap();
        bindings.create(&parameters, &serde_json::from_value(binding).unwrap()).await.unwrap();
        let metadata = ObjectMeta { name: Some("probe".to_owned()), ..ObjectMeta::default() };
        let probe = Secret { metadata, ..Secret::default() };
        bed.secrets().create(&parameters, &probe).await.unwrap();
        Self { name, policies, bindings }
    }

    async fn remove(&self) {
        self.bindings.delete(&self.name, &DeleteParams::default()).await.unwrap();
        self.policies.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_secret_of_an_earlier_object_of_the_name_does_not_go_with_that() {
    let bed = Bed::new("earlier").await;
    // The garbage collector takes its time.
    let policy = Policy::new(&bed, "DELETE", "false").await;
    let is_refused = async || {
        let trial = DeleteParams { dry_run: true, ..DeleteParams::default() };
        bed.secrets().delete("probe", &trial).await.is_err()
    };
    wait_for("the policy takes effect", is_refused).await;
    let _operator = bed.start().await;
    let settings = json!({ "secret": { "deleteWithObject": true } });
    bed.create::<LightsailKeyPair>("fleet", &generated(&settings)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let private = private_key(&bed, "fleet").await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    bed.create::<LightsailKeyPair>("fleet", &generated(&settings)).await;
    let again: LightsailKeyPair = bed.wait_ready("fleet", "Generated").await;
    let owners: Vec<_> = bed.secrets().get("fleet").await.unwrap().owner_references().to_vec();
    let uids: Vec<_> = owners.iter().map(|owner| Some(owner.uid.as_str())).collect();
    assert_eq!(uids, [again.metadata.uid.as_deref()]);
    policy.remove().await;
    wait_for("the policy is gone", async || !is_refused().await).await;
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    assert_eq!(private_key(&bed, "fleet").await, private);
    assert_eq!(public_half(&private), bed.region.find_key_pair("fleet").unwrap().public_key.trim());
}

/// As `OwnerReferencesPermissionEnforcement` does for whoever may not delete Secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_of_secrets_that_may_not_be_changed() {
    let bed = Bed::new("owners-fixed").await;
    let _operator = bed.start().await;
    for (name, with_object) in [("owned", true), ("gone", true), ("free", false)] {
        let settings = json!({ "secret": { "deleteWithObject": with_object } });
        bed.create::<LightsailKeyPair>(name, &generated(&settings)).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Generated").await;
    }
    let owners = |object: &str| {
        format!("{object}.metadata.?ownerReferences.orValue([]).map(owner, owner.uid)")
    };
    let unchanged = format!("{} == {}", owners("object"), owners("oldObject"));
    let policy = Policy::new(&bed, "UPDATE", &unchanged).await;
    wait_for("the policy takes effect", async || {
        let owner = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "a" }]);
        let change = Patch::Merge(json!({ "metadata": { "ownerReferences": owner } }));
        let trial = PatchParams { dry_run: true, ..PatchParams::default() };
        bed.secrets().patch("probe", &trial, &change).await.is_err()
    })
    .await;
    let with_object = |with_object: bool| {
        json!({ "spec": { "deletionPolicy": "Retain",
            "generated": { "secret": { "deleteWithObject": with_object } } } })
    };
    // The Secret merely stays.
    bed.patch::<LightsailKeyPair>("free", &with_object(true)).await;
    let is_ready = |object: &LightsailKeyPair| {
        let observed = object.status.as_ref().map(|status| status.observed_generation);
        observed == object.metadata.generation && ready_reason(object) == "Generated"
    };
    bed.wait("free", "Ready again", is_ready).await;
    assert_eq!(bed.secrets().get("free").await.unwrap().metadata.owner_references, None);
    // It would go, so the object is stalled.
    bed.patch::<LightsailKeyPair>("owned", &with_object(false)).await;
    let way_out = "remove metadata.ownerReferences from the Secret";
    let says = async || {
        let (_, message) = bed.wait_stalled::<LightsailKeyPair>("owned", "SecretRejected").await;
        assert!(message.contains(way_out), "{message}");
    };
    says().await;
    bed.delete::<LightsailKeyPair>("owned").await;
    says().await;
    assert!(bed.secrets().get_opt("owned").await.unwrap().is_some());
    bed.patch::<LightsailKeyPair>("owned", &with_object(true)).await;
    bed.wait_gone::<LightsailKeyPair>("owned").await;
    assert!(bed.region.find_key_pair("owned").is_some(), "it was released");
    // I3: what the spec said before the refusal is no answer to it.
    bed.patch::<LightsailKeyPair>("gone", &with_object(true)).await;
    bed.delete::<LightsailKeyPair>("gone").await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("gone", "SecretRejected").await;
    assert!(message.contains("secret.deleteWithObject to false and then to true"), "{message}");
    // Nor is any other edit.
    let retries = json!({ "spec": { "tags": { "team": "a" } } });
    bed.patch::<LightsailKeyPair>("gone", &retries).await;
    let is_current = |object: &LightsailKeyPair| {
        let observed = object.status.as_ref().map(|status| status.observed_generation);
        observed == object.metadata.generation && ready_reason(object) == "SecretRejected"
    };
    bed.wait("gone", "Stalled after the edit", is_current).await;
    bed.patch::<LightsailKeyPair>("gone", &with_object(false)).await;
    bed.wait("gone", "Stalled with a Secret that stays", is_current).await;
    bed.patch::<LightsailKeyPair>("gone", &with_object(true)).await;
    bed.wait_gone::<LightsailKeyPair>("gone").await;
    assert!(bed.region.find_key_pair("gone").is_some(), "it was released too");
    policy.remove().await;
}

/// An `sshd` on a free port of the loopback, with a host key of its own and these authorized keys.
struct Sshd {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Sshd {
    fn start(authorized_keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(at("authorized_keys"), authorized_keys).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f", &at("host")])
            .status();
        assert!(made.unwrap().success());
        // Where sshd drops its rights if it has any; the package's service would make it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = [
            format!("ListenAddress=127.0.0.1:{port}"),
            format!("HostKey={}", at("host")),
            format!("AuthorizedKeysFile={}", at("authorized_keys")),
            format!("PidFile={}", at("pid")),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PasswordAuthentication=no".to_owned(),
            "KbdInteractiveAuthentication=no".to_owned(),
            "PermitRootLogin=prohibit-password".to_owned(),
        ];
        let mut command = testbed::process::bound_to_this_process("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", "/dev/null"]);
        for option in options {
            command.args(["-o", &option]);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command.stderr(log).stdin(Stdio::null()).spawn().unwrap();
        Self { process, port, folder }
    }

    /// Logs in with a private key, as a user would, and says who is there.
    fn log_in(&self, private_key: &str) -> String {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.folder.path().join("identity");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(private_key.as_bytes()).unwrap();
        let user =
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let start = std::time::Instant::now();
        loop {
            let output = Command::new("ssh")
                .args(["-F", "none", "-i"])
                .arg(&path)
                .args([
                    "-p",
                    &self.port.to_string(),
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    "StrictHostKeyChecking=no",
                ])
                .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"])
                .args([&format!("{}@127.0.0.1", user.trim()), "echo", "here"])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap().trim().to_owned();
            }
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(start.elapsed().as_secs() < 30, "{said}\n{log}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_the_secrets_open_a_real_sshd() {
    let bed = Bed::new("sshd").await;
    bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("ed", &generated(&json!({ "algorithm": "Ed25519" }))).await;
    bed.create::<LightsailKeyPair>("rsa", &generated(&json!({ "algorithm": "RSA4096" }))).await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    for (name, reason) in [("ed", "Generated"), ("rsa", "Generated"), ("default", "Downloaded")] {
        bed.wait_ready::<LightsailKeyPair>(name, reason).await;
    }
    // What instances get: the public halves that Lightsail has.
    let public: Vec<String> =
        bed.region.key_pairs().into_iter().map(|pair| pair.public_key.trim().to_owned()).collect();
    assert_eq!(public.len(), 3);
    let sshd = Sshd::start(&public.join("\n"));
    for secret in ["ed", "rsa", "kept"] {
        assert_eq!(sshd.log_in(&private_key(&bed, secret).await), "here", "{secret}");
    }
}

/// A quota is full, or a policy refuses the Secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_takes_long_is_made_once_however_often_its_secret_is_refused() {
    let bed = Bed::new("refused").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let refused = proxy.fail(Matcher::new(Method::POST, "/secrets"), 3, 403);
    bed.create::<LightsailKeyPair>("fleet", &generated(&json!({ "algorithm": "RSA4096" }))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let written = proxy.forwarded().into_iter().filter(|request| {
        request.method == Method::POST && request.whole_path().ends_with("/secrets")
    });
    let keys = written.map(|request| {
        let secret: Value = serde_json::from_slice(&request.body).unwrap();
        secret["data"]["ssh-privatekey"].as_str().unwrap().to_owned()
    });
    let keys: Vec<String> = keys.collect();
    assert_eq!((refused.count(), keys.len()), (3, 4));
    assert!(keys.iter().all(|key| *key == keys[0]), "one key was made");
}
