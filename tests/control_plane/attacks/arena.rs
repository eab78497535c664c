//! Where tenants attack: two namespaces, one of which begins with the other's name, an AWS account
//! that both use, each by a role and a `LightsailAccount` of its own, the platform team's account,
//! and an operator. And the tenant, who has the chart's roles and `edit` in one namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use lightsail_operator::api::conditions::{READY, find};
use lightsail_operator::api::{HostKeyReset, LightsailAccount, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::operator::Operator;
use testbed::simulator::{KeyPair, NewInstance, Request};

use crate::accounts::teams::{EXTERNAL_ID, OF_A, OF_B, Teams};
use crate::bed::{ACCOUNT, Bed, Namespaced, REGION, is_of_this_generation, public_key, wait_for};

/// The AWS account that both teams use.
pub(crate) const SHARED: &str = OF_A;
/// The platform team's.
pub(crate) const PLATFORM: &str = OF_B;
/// The owner tag.
pub(crate) const OWNER: &str = "lightsail-operator.dev/owner";

/// Somebody who may do in one namespace what tenants may.
#[derive(Clone)]
pub(crate) struct Tenant {
    client: Client,
    pub(crate) namespace: String,
}

/// What there was before the first attack, and must be there after each.
struct Before {
    pairs: Vec<(&'static str, KeyPair)>,
    secrets: Vec<Kept>,
    resets: usize,
    requests: usize,
}

/// What counts of a Secret.
#[derive(Debug, PartialEq)]
struct Kept {
    at: String,
    uid: Option<String>,
    version: Option<String>,
}

/// What may be asked of Lightsail in the name of team a, beside what is about its own names.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// Nothing.
    OwnNames,
    /// All may be read: its account allows every name.
    Reads,
    /// And AWS refuses the rest.
    Refusals,
}

/// The teams, and whoever attacks.
pub(crate) struct Arena {
    pub(crate) teams: Teams,
    /// In the namespace of team a.
    pub(crate) attacker: Tenant,
    /// The account that team a may use.
    pub(crate) ours: String,
    /// The account that team b may use. It is the same in AWS.
    pub(crate) theirs: String,
    /// The account of the platform team.
    pub(crate) platform: String,
    /// The public key of the pairs that nobody's object has made.
    pub(crate) known_key: String,
    pub(crate) operator: Operator,
    pub(crate) reach: Reach,
    before: Before,
}

impl Arena {
    /// Both teams have what they may have: `changes` are those to the spec of team a's account.
    pub(crate) async fn new(name: &str, changes: &[(&str, Value)]) -> Self {
        let a = Bed::new(name).await;
        // Its name begins with that of team a.
        let b = a.beside(&a.namespace).await;
        let operators = a.beside(&format!("{name}-op")).await;
        let teams = Teams { a, b, operators };
        teams.remove_accounts().await;
        for account in [SHARED, PLATFORM] {
            let _ = teams.a.simulator.add_account(account);
        }
        for (account, role) in [(SHARED, "team-a"), (SHARED, "team-b"), (PLATFORM, "platform")] {
            teams.set_role(account, role, None);
        }
        let attacker = Tenant::new(&teams.a).await;
        let known_key = public_key("ed25519").trim().to_owned();
        set_scene(&teams, &known_key);
        let operator = teams.start().await;
        let ours = teams.create_account("ours", &spec(&teams.a, "team-a", changes)).await;
        let theirs = teams.create_account("theirs", &spec(&teams.b, "team-b", &[])).await;
        let platform = platform_spec(&teams.operators.namespace);
        let platform = teams.create_account("platform", &platform).await;
        for account in [&ours, &theirs, &platform] {
            teams.wait_account(account, "Identified").await;
        }
        // What team b has.
        let fleet = teams.of_b("fleet");
        let spec = imported(&theirs, &fleet, &public_key("ed25519"));
        teams.b.create::<LightsailKeyPair>("fleet", &spec).await;
        let spec = json!({ "accountRef": { "name": theirs }, "type": "Generated",
            "region": REGION, "keyPairName": teams.of_b("made") });
        teams.b.create::<LightsailKeyPair>("made", &spec).await;
        teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
        teams.b.wait_ready::<LightsailKeyPair>("made", "Generated").await;
        let before = Before { pairs: vec![], secrets: vec![], resets: 0, requests: 0 };
        let reach = Reach::OwnNames;
        let mut arena =
            Self { teams, attacker, ours, theirs, platform, known_key, operator, reach, before };
        arena.start_over().await;
        arena
    }

    /// What is there now must be there from now on.
    pub(crate) async fn start_over(&mut self) {
        self.before = Before {
            pairs: self.pairs(),
            secrets: self.secrets().await,
            resets: self.resets(),
            requests: self.teams.a.simulator.requests().len(),
        };
    }

    /// A name in Lightsail that team a may use.
    pub(crate) fn own(&self, name: &str) -> String {
        format!("{}_{name}", self.attacker.namespace)
    }

    /// A name that is team b's.
    pub(crate) fn foreign(&self, name: &str) -> String {
        self.teams.of_b(name)
    }

    /// The spec of an imported pair that team a may have, with these changes by JSON pointer.
    pub(crate) fn pair(&self, name: &str, changes: &[(&str, Value)]) -> Value {
        let mut spec = imported(&self.ours, &self.own(name), &self.known_key);
        set(&mut spec, changes);
        spec
    }

    /// The spec of a reset that team a may ask for, with these changes by JSON pointer.
    pub(crate) fn reset(&self, instance: &str, changes: &[(&str, Value)]) -> Value {
        let mut spec = json!({ "accountRef": { "name": self.ours }, "region": REGION,
            "instanceName": instance, "reason": "an attack" });
        set(&mut spec, changes);
        spec
    }

    /// An object as the API server has it.
    pub(crate) async fn show<K: Namespaced>(&self, name: &str) -> Value {
        serde_json::to_value(self.teams.a.api::<K>().get(name).await.unwrap()).unwrap()
    }

    /// Waits until the tenant's object shows this reason, Ready or not.
    pub(crate) async fn wait<K: Namespaced>(&self, name: &str, reason: &str) -> Value {
        let is_so = |object: &K| {
            let ready = find(object.conditions(), READY);
            is_of_this_generation(object) && ready.is_some_and(|ready| ready.reason == reason)
        };
        let object = self.teams.a.wait::<K>(name, reason, is_so).await;
        serde_json::to_value(object).unwrap()
    }

    /// The tenant takes the object back; it may be gone.
    pub(crate) async fn clean_up<K: Namespaced>(&self, name: &str) {
        let _ = self.attacker.delete::<K>(name).await;
        let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
        let _ = self.attacker.patch::<K>(name, &retain).await;
        self.teams.a.wait_gone::<K>(name).await;
    }

    /// The requests since [`Self::start_over`], but for those to STS.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let of_sts = ["GetCallerIdentity", "AssumeRole"];
        let all = self.teams.a.simulator.requests_after(self.before.requests).into_iter();
        all.filter(|request| !of_sts.contains(&request.operation.as_str())).collect()
    }

    /// The requests that carry the name of a session.
    pub(crate) fn requests_of(&self, session: &str) -> Vec<Request> {
        let is_of = |request: &Request| session_of(request) == session;
        self.requests().into_iter().filter(is_of).collect()
    }

    /// Nothing has happened but what each team may do: no row of an attack had an effect on what is
    /// not team a's, and nothing was asked of Lightsail in its name about that.
    pub(crate) async fn check(&self, row: &str) {
        for request in self.requests() {
            let session = session_of(&request);
            let is_read = request.operation.starts_with("Get");
            let is_shared_read = ["_read", "lightsail-operator"].contains(&session) && is_read;
            let resource = request.resource.as_deref().unwrap_or_default();
            let is_own = resource.strip_prefix(session).is_some_and(|it| it.starts_with('_'));
            // Whether an instance has the tags of the namespace has to be read.
            let is_of_tags = request.operation == "GetInstance";
            let is_of_all = match self.reach {
                Reach::OwnNames => false,
                Reach::Reads => is_read,
                Reach::Refusals => is_read || request.outcome == "AccessDeniedException",
            };
            let is_fine = is_shared_read || is_own || is_of_tags || is_of_all;
            assert!(is_fine && request.account == SHARED, "{row}: {request:?}");
            assert_eq!(request.region, REGION, "{row}: {request:?}");
        }
        let now = self.pairs();
        for (account, pair) in &self.before.pairs {
            let found = now.iter().find(|(of, it)| of == account && it.name == pair.name);
            assert!(found.is_some(), "{row}: {} is gone", pair.name);
            let mut found = found.unwrap().1.clone();
            // Adopting a pair that the account lets team a have is no attack, and sets the tag.
            if pair.name.starts_with(&self.own("")) && !pair.tags.contains_key(OWNER) {
                found.tags.remove(OWNER);
            }
            assert_eq!(&found, pair, "{row}");
        }
        assert_eq!(self.secrets().await, self.before.secrets, "{row}");
        assert_eq!(
            self.resets(),
            self.before.resets,
            "{row}: host keys of others are as they were"
        );
    }

    fn pairs(&self) -> Vec<(&'static str, KeyPair)> {
        let of = |account| {
            let pairs = self.teams.region(account).key_pairs().into_iter();
            pairs.map(move |pair| (account, pair))
        };
        [ACCOUNT, SHARED, PLATFORM].into_iter().flat_map(of).collect()
    }

    /// How often the host keys of instances that are not team a's were reset.
    fn resets(&self) -> usize {
        let own = self.own("web");
        let others = [self.foreign("web"), "bare".to_owned(), "platform-web".to_owned()];
        let count = |instance: &String| {
            let of = |account| self.teams.region(account).known_host_keys_resets(instance);
            of(SHARED) + of(PLATFORM) + of(ACCOUNT)
        };
        let of_own_elsewhere = self.teams.region(PLATFORM).known_host_keys_resets(&own);
        others.iter().map(count).sum::<usize>() + of_own_elsewhere
    }

    /// The Secrets of all but team a.
    async fn secrets(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for bed in [&self.teams.b, &self.teams.operators] {
            for secret in bed.secrets().list(&ListParams::default()).await.unwrap() {
                kept.push(Kept {
                    at: format!("{}/{}", bed.namespace, secret.name_any()),
                    uid: secret.uid(),
                    version: secret.resource_version(),
                });
            }
        }
        kept
    }

    /// How often the operator has asked the API server for a Secret or `ConfigMap`.
    pub(crate) fn reads_of(&self, namespace: &str, name: &str) -> usize {
        let log = std::fs::read_to_string(self.teams.a.cluster.audit_log()).unwrap();
        let user = "system:serviceaccount:lightsail-operator:lightsail-operator";
        let is_such = |line: &&str| {
            line.contains(user) && {
                let entry: Value = serde_json::from_str(line).unwrap_or_default();
                let at = &entry["objectRef"];
                entry["user"]["username"] == user
                    && at["namespace"] == namespace
                    && at["name"] == name
                    && ["secrets", "configmaps"].contains(&at["resource"].as_str().unwrap_or(""))
            }
        };
        log.lines().filter(is_such).count()
    }

    /// The end of all rows.
    pub(crate) async fn end(self) {
        self.teams.remove_accounts().await;
    }
}

fn session_of(request: &Request) -> &str {
    request.principal.rsplit('/').next().unwrap_or_default()
}

impl Teams {
    /// A name in Lightsail that is team b's.
    fn of_b(&self, name: &str) -> String {
        format!("{}_{name}", self.b.namespace)
    }
}

/// What is there beside what objects made.
fn set_scene(teams: &Teams, known_key: &str) {
    let own = |name: &str| format!("{}_{name}", teams.a.namespace);
    let (shared, platform) = (teams.region(SHARED), teams.region(PLATFORM));
    for name in ["everyones", &own("legacy"), &own("blue"), &own("twice"), &teams.of_b("legacy")] {
        shared.import_key_pair(name, known_key);
    }
    shared.set_tags(&own("blue"), &[(OWNER, Some("blue/team/fleet"))]);
    shared.set_tags(&own("twice"), &[("Lightsail-Operator.dev/Owner", Some("blue/team/fleet"))]);
    platform.import_key_pair("platform", known_key);
    platform.import_key_pair(&own("legacy"), known_key);
    teams.region(ACCOUNT).import_key_pair(&own("legacy"), known_key);
    for region in [&shared, &platform, &teams.region(ACCOUNT)] {
        region.create_default_key_pair();
    }
    let launch = |region: &testbed::simulator::Region, name: &str, team: Option<&str>| {
        let tags = team.map(|team| ("team".to_owned(), Some(team.to_owned())));
        let tags = tags.into_iter().collect::<BTreeMap<_, _>>();
        region.launch(NewInstance {
            name: name.to_owned(),
            tags: tags.into_iter().collect(),
            ..NewInstance::default()
        });
        region.connect_browser(name);
    };
    launch(&shared, &own("web"), Some(&teams.a.namespace));
    launch(&shared, &teams.of_b("web"), Some(&teams.b.namespace));
    launch(&shared, "bare", None);
    launch(&platform, "platform-web", Some("platform"));
    launch(&platform, &own("web"), Some(&teams.a.namespace));
}

/// The account of a team: names of its own, a role of its own, sessions with tags.
fn spec(bed: &Bed, role: &str, changes: &[(&str, Value)]) -> Value {
    let mut spec = json!({
        "accountID": SHARED,
        "assumeRoleChain": [{ "roleARN": format!("arn:aws:iam::{SHARED}:role/{role}"),
            "externalID": EXTERNAL_ID }],
        "sessionTags": "Namespace",
        "allowedNamespaces": { "from": "Names", "names": [bed.namespace] },
        "allowed": { "regions": [REGION], "keyPairNames": ["$(namespace)_*"],
            "hostKeyReset": { "instanceTags": { "team": "$(namespace)" } } },
    });
    set(&mut spec, changes);
    spec
}

fn platform_spec(namespace: &str) -> Value {
    json!({
        "accountID": PLATFORM,
        "assumeRoleChain": [{ "roleARN": format!("arn:aws:iam::{PLATFORM}:role/platform"),
            "externalID": EXTERNAL_ID }],
        "allowedNamespaces": { "from": "Names", "names": [namespace] },
        "allowed": { "regions": [REGION], "adoption": "Full",
            "hostKeyReset": { "instanceTags": {} },
            "defaultKeyPair": { "namespace": namespace,
                "actions": ["Download", "Create", "Delete"] } },
    })
}

fn imported(account: &str, key_pair_name: &str, public_key: &str) -> Value {
    json!({ "accountRef": { "name": account }, "type": "Imported", "region": REGION,
        "keyPairName": key_pair_name, "imported": { "publicKey": public_key } })
}

/// Changes a value by JSON pointers; null takes a member away.
pub(crate) fn set(value: &mut Value, changes: &[(&str, Value)]) {
    for (pointer, new) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap();
        match new {
            Value::Null => drop(parent.as_object_mut().unwrap().remove(name)),
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => parent[name] = new.clone(),
        }
    }
}

impl Tenant {
    /// A ServiceAccount with the chart's roles for tenants, and `edit`.
    async fn new(bed: &Bed) -> Self {
        let (cluster, namespace) = (&bed.cluster, bed.namespace.as_str());
        let run = async |arguments: &str| {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            cluster.kubectl(&arguments).await.unwrap().or_error().unwrap();
        };
        run(&format!("create serviceaccount tenant --namespace={namespace}")).await;
        for role in
            ["edit", "lightsail-operator-key-pair-editor", "lightsail-operator-host-key-resetter"]
        {
            run(&format!(
                "create rolebinding {role} --namespace={namespace} --clusterrole={role} \
                          --serviceaccount={namespace}:tenant"
            ))
            .await;
        }
        let path = cluster.directory().join(format!("{namespace}.tenant"));
        cluster.service_account_kubeconfig(namespace, "tenant", &path, None).await.unwrap();
        let file = Kubeconfig::read_from(&path).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.unwrap()).unwrap();
        let tenant = Self { client, namespace: namespace.to_owned() };
        // Rights may take a moment to hold.
        wait_for("the tenant may do what tenants may", async || {
            tenant.api::<Secret>().list(&ListParams::default()).await.is_ok()
                && tenant.api::<LightsailKeyPair>().list(&ListParams::default()).await.is_ok()
                && tenant.api::<HostKeyReset>().list(&ListParams::default()).await.is_ok()
        })
        .await;
        tenant
    }

    pub(crate) fn api<K>(&self) -> Api<DynamicObject>
    where
        K: Resource<DynamicType = ()>,
    {
        self.api_in::<K>(&self.namespace)
    }

    /// In another namespace.
    pub(crate) fn api_in<K>(&self, namespace: &str) -> Api<DynamicObject>
    where
        K: Resource<DynamicType = ()>,
    {
        let resource = ApiResource::erase::<K>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    pub(crate) fn accounts(&self) -> Api<LightsailAccount> {
        Api::all(self.client.clone())
    }

    /// Creates an object of a kind; what the API server says if it refuses.
    pub(crate) async fn create<K>(&self, name: &str, spec: &Value) -> Result<Value, String>
    where
        K: Resource<DynamicType = ()>,
    {
        self.create_raw::<K>(&json!({ "metadata": { "name": name }, "spec": spec })).await
    }

    /// As it is written here.
    pub(crate) async fn create_raw<K>(&self, object: &Value) -> Result<Value, String>
    where
        K: Resource<DynamicType = ()>,
    {
        let mut object = object.clone();
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        let object = serde_json::from_value(object).map_err(|error| error.to_string())?;
        let created = self.api::<K>().create(&PostParams::default(), &object).await;
        created.map(|it| serde_json::to_value(it).unwrap()).map_err(|error| error.to_string())
    }

    /// Changes an object by a merge patch.
    pub(crate) async fn patch<K>(&self, name: &str, change: &Value) -> Result<Value, String>
    where
        K: Resource<DynamicType = ()>,
    {
        let (api, parameters) = (self.api::<K>(), PatchParams::default());
        let patched = api.patch(name, &parameters, &Patch::Merge(change)).await;
        patched.map(|it| serde_json::to_value(it).unwrap()).map_err(|error| error.to_string())
    }

    pub(crate) async fn delete<K>(&self, name: &str) -> Result<(), String>
    where
        K: Resource<DynamicType = ()>,
    {
        let deleted = self.api::<K>().delete(name, &DeleteParams::default()).await;
        deleted.map(drop).map_err(|error| error.to_string())
    }

    /// A Secret of the tenant's own.
    pub(crate) async fn keep(&self, name: &str, members: &Value) {
        let mut secret = json!({ "metadata": { "name": name } });
        for (key, value) in members.as_object().unwrap() {
            match key.as_str() {
                "labels" | "annotations" | "ownerReferences" => {
                    secret["metadata"][key] = value.clone();
                }
                _ => secret[key] = value.clone(),
            }
        }
        self.create_raw::<Secret>(&secret).await.unwrap();
    }
}
