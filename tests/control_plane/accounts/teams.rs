//! Two teams with a namespace and an AWS account each, and the platform team's account, whose
//! credentials the operator has.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use lightsail_operator::api::LightsailAccount;
use lightsail_operator::api::conditions::{READY, find};
use serde_json::{Value, json};
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Credentials, Region, Request, Role};

use crate::bed::{Bed, REGION, wait_for};

/// The AWS accounts of the teams.
pub(crate) const OF_A: &str = "111111111111";
pub(crate) const OF_B: &str = "222222222222";
/// What the trust policies of the teams' roles ask for.
pub(crate) const EXTERNAL_ID: &str = "external-1";

/// A public key.
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIInr0RHyB4V7DJqGqPA5Vy+9U501OmgDwTtpC3DgRvHS test";

/// Two teams.
pub(crate) struct Teams {
    pub(crate) a: Bed,
    pub(crate) b: Bed,
    /// Where the operator's own things are.
    pub(crate) operators: Bed,
}

impl Teams {
    pub(crate) async fn new(name: &str) -> Self {
        let a = Bed::new(&format!("{name}-a")).await;
        let (b, operators) =
            (a.beside(&format!("{name}-b")).await, a.beside(&format!("{name}-op")).await);
        let teams = Self { a, b, operators };
        // What an earlier test left behind when it failed.
        teams.remove_accounts().await;
        for account in [OF_A, OF_B] {
            let _ = teams.a.simulator.add_account(account);
            teams.set_role(account, "lightsail", None);
        }
        teams
    }

    /// A role that everybody may assume who has the external id.
    pub(crate) fn set_role(&self, account: &str, name: &str, policy: Option<&str>) {
        let role = Role {
            name: name.to_owned(),
            external_id: Some(EXTERNAL_ID.to_owned()),
            session_tags: true,
            ..Role::default()
        };
        self.a.simulator.set_role(account, role, policy).unwrap();
    }

    /// How the operator is started for both.
    pub(crate) async fn options(&self) -> OperatorOptions {
        self.options_by(None).await
    }

    /// As [`Self::options`], with another URL for the API server.
    pub(crate) async fn options_by(&self, url: Option<&str>) -> OperatorOptions {
        let mut options = self.a.options(url).await;
        let is_off = options.arguments.windows(2).position(|pair| pair == ["--accounts", "false"]);
        options.arguments.drain(is_off.unwrap()..is_off.unwrap() + 2);
        options.arguments.extend(["--watch-namespace".to_owned(), self.b.namespace.clone()]);
        // Where the operator finds the Secrets of accounts.
        let kubeconfig = std::fs::read_to_string(&options.kubeconfig).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(self.operators.namespace);
        std::fs::write(&options.kubeconfig, kubeconfig.to_string()).unwrap();
        options
    }

    pub(crate) async fn start(&self) -> Operator {
        Operator::start(self.options().await).await.unwrap()
    }

    /// An account of this name; each test has its own.
    pub(crate) fn name(&self, of: &str) -> String {
        format!("{of}-{}", self.a.namespace)
    }

    /// The account of a team: one role, one namespace, with these changes by JSON pointer.
    pub(crate) fn spec(account: &str, namespace: &str, changes: &[(&str, Value)]) -> Value {
        let mut spec = json!({
            "accountID": account,
            "assumeRoleChain": [{
                "roleARN": format!("arn:aws:iam::{account}:role/lightsail"),
                "externalID": EXTERNAL_ID,
            }],
            "allowedNamespaces": { "from": "Names", "names": [namespace] },
            "allowed": { "regions": [REGION] },
        });
        for (pointer, value) in changes {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        spec
    }

    pub(crate) fn api(&self) -> Api<LightsailAccount> {
        Api::all(self.a.cluster.client())
    }

    pub(crate) async fn create_account(&self, of: &str, spec: &Value) -> String {
        let name = self.name(of);
        let object = json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailAccount",
            "metadata": { "name": name }, "spec": spec,
        });
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap();
        name
    }

    /// Both teams have their accounts, and both are ready.
    pub(crate) async fn create_both(&self) -> (String, String) {
        let a = Self::spec(OF_A, &self.a.namespace, &[]);
        let b = Self::spec(OF_B, &self.b.namespace, &[]);
        let (a, b) = (self.create_account("a", &a).await, self.create_account("b", &b).await);
        for name in [&a, &b] {
            self.wait_account(name, "Identified").await;
        }
        (a, b)
    }

    pub(crate) async fn patch_account(&self, name: &str, spec: &Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn delete_account(&self, name: &str) {
        self.api().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the present generation of an account shows this reason. The message.
    pub(crate) async fn wait_account(&self, name: &str, reason: &str) -> String {
        let mut message = String::new();
        wait_for(&format!("the account {name} shows {reason}"), async || {
            let account = self.api().get(name).await.unwrap();
            let status = account.status.unwrap_or_default();
            let ready = find(&status.conditions, READY).filter(|ready| {
                ready.reason == reason && ready.observed_generation == account.metadata.generation
            });
            message = ready.map(|ready| ready.message.clone()).unwrap_or_default();
            ready.is_some()
        })
        .await;
        message
    }

    pub(crate) async fn wait_no_account(&self, name: &str) {
        wait_for(&format!("the account {name} is gone"), async || {
            self.api().get_opt(name).await.unwrap().is_none()
        })
        .await;
    }

    /// Takes all accounts away, whatever holds them.
    pub(crate) async fn remove_accounts(&self) {
        for account in self.api().list(&ListParams::default()).await.unwrap() {
            let (name, none) = (account.name_any(), json!({ "metadata": { "finalizers": null } }));
            let _ = self.api().delete(&name, &DeleteParams::default()).await;
            let patch = Patch::Merge(none);
            let _ = self.api().patch(&name, &PatchParams::default(), &patch).await;
        }
    }

    pub(crate) fn region(&self, account: &str) -> Region {
        self.a.simulator.region(account, REGION)
    }

    /// The requests to Lightsail, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let of_sts = ["GetCallerIdentity", "AssumeRole"];
        let all = self.a.simulator.requests().into_iter();
        all.filter(|request| !of_sts.contains(&request.operation.as_str())).collect()
    }

    /// How often something was changed in Lightsail.
    pub(crate) fn changes(&self) -> usize {
        self.requests().iter().filter(|request| !request.operation.starts_with("Get")).count()
    }

    /// How many roles were assumed.
    pub(crate) fn sessions(&self) -> usize {
        self.a.calls("AssumeRole")
    }

    /// A Secret with an access key of an AWS account, in the operator's own namespace.
    pub(crate) async fn keep_key(
        &self,
        account: &str,
        name: &str,
        label: Option<&str>,
    ) -> Credentials {
        let key = self.a.simulator.add_account(account);
        let label = label.map(|label| ("lightsail-operator.dev/aws-credentials", label));
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "labels": label.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            },
            "stringData": {
                "aws_access_key_id": key.access_key_id,
                "aws_secret_access_key": key.secret_access_key,
            },
        }))
        .unwrap();
        self.operators.secrets().create(&PostParams::default(), &secret).await.unwrap();
        key
    }

    /// The spec of an account of the first team whose access key is in this Secret.
    pub(crate) fn with_key(&self, secret: &str) -> Value {
        let credentials = json!({ "source": "Secret", "secretRef": { "name": secret } });
        let changes = [("/credentials", credentials), ("/assumeRoleChain", json!([]))];
        Self::spec(OF_A, &self.a.namespace, &changes)
    }

    /// Asks for a reconciliation of an account until it shows this reason. The message.
    pub(crate) async fn ask_account(&self, name: &str, reason: &str) -> String {
        let mut message = String::new();
        let handled = self.api().get(name).await.unwrap().status.unwrap_or_default();
        let handled = handled.last_handled_reconcile.unwrap_or_default();
        let last = handled.strip_prefix(reason).and_then(|rest| rest.strip_prefix('-'));
        let mut asked: u32 = last.map_or(0, |last| last.parse().unwrap());
        wait_for(&format!("the account {name} answers with {reason}"), async || {
            asked += 1;
            let word = format!("{reason}-{asked}");
            let annotations = json!({ "lightsail-operator.dev/reconcile": word });
            let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
            self.api().patch(name, &PatchParams::default(), &patch).await.unwrap();
            wait_for("the account is reconciled", async || {
                let status = self.api().get(name).await.unwrap().status.unwrap_or_default();
                let ready = find(&status.conditions, READY).filter(|it| it.reason == reason);
                message = ready.map(|ready| ready.message.clone()).unwrap_or_default();
                status.last_handled_reconcile.as_ref() == Some(&word)
            })
            .await;
            !message.is_empty()
        })
        .await;
        message
    }
}

/// The spec of a key pair with this account.
pub(crate) fn pair(account: &str, key_pair_name: &str) -> Value {
    json!({
        "accountRef": { "name": account }, "type": "Imported", "region": REGION,
        "keyPairName": key_pair_name, "imported": { "publicKey": KEY },
    })
}
