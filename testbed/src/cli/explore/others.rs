//! `testbed explore --sequences`: in the middle of a scenario somebody else acts, and the operator
//! may be killed. How that ends is not known beforehand. What must always hold is checked, from
//! what the API server and Lightsail saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use testbed::api_proxy::{Forwarded, Place};
use testbed::dice::Dice;
use testbed::simulator::{Fault, FaultEffect, KeyPairChange};

use super::deed::{DEEDS, Deed, create_later, is_refused};
use super::object::is_settled;
use super::point::{Kind, Point};
use super::run::{Reference, act, keep_running, lost_keys, prepare};
use super::scenario::Scenario;
use super::stage::{CLUSTER_ID, DEADLINE, DEFAULT_KEY_PAIR, Ground, OWNER_TAG, POLL, Stage};

/// A request that does not come, because of what happened before it, is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(6);
/// More requests than this in a second for each object, once all is settled, are a loop, ...
const LOOP: usize = 8;
/// ... if they come in this many seconds one after another. A busy machine bunches what is late.
const LOUD_SECONDS: u32 = 3;

/// The finalizer of a key pair.
const FINALIZER: &str = "lightsail-operator.dev/key-pair";

/// What came of a sequence.
pub(super) struct Sequence {
    /// What happened, in words.
    pub(super) what: String,
    /// What does not hold.
    pub(super) broken: Vec<String>,
    /// Where its logs are.
    pub(super) logs: String,
}

/// A moment and what somebody does then.
struct Moment {
    point: Point,
    place: Place,
    deeds: Vec<Deed>,
}

/// Runs the sequence of a seed.
pub(super) async fn sequence(
    ground: &Ground,
    scenario: &Scenario,
    reference: &Reference,
    seed: u64,
) -> Result<Sequence> {
    let dice = &mut Dice::new(seed);
    let moments = choose(reference, dice);
    let what = moments
        .iter()
        .map(|moment| format!("{:?} {:?} {}", moment.deeds, moment.place, moment.point));
    let what = format!("{}: {}", scenario.name, what.collect::<Vec<_>>().join(", then "));
    let stage = Stage::start(ground, false).await?;
    prepare(&stage, scenario).await?;
    let mut acted = Vec::new();
    let attempt = async {
        let moments = async {
            for moment in &moments {
                acted.push(wait_and_act(&stage, moment, dice).await?);
            }
            anyhow::Ok(())
        };
        // What a user does may be refused by now: the object may be gone.
        let users = async {
            let outcome = act(&stage, &scenario.when).await;
            outcome.or_else(|error| if is_refused(&error) { Ok(()) } else { Err(error) })
        };
        tokio::try_join!(moments, users)?;
        settle(&stage).await
    };
    let outcome = tokio::select! {
        outcome = attempt => outcome,
        error = keep_running(&stage) => Err(error),
    };
    let mut broken = Vec::new();
    if let Err(error) = outcome {
        broken.push(format!("I8: {error:#}"));
    }
    let deeds: Vec<Deed> = moments.iter().flat_map(|moment| moment.deeds.clone()).collect();
    broken.extend(check(&stage, scenario, &deeds, &acted).await?);
    stage.remove_accounts().await?;
    Ok(Sequence { what, broken, logs: stage.directory().display().to_string() })
}

fn choose(reference: &Reference, dice: &mut Dice) -> Vec<Moment> {
    // Their order is that of the run; in another one the same seed chooses the same.
    let mut points = reference.points.clone();
    points.sort_by_key(ToString::to_string);
    let count = 1 + dice.roll(2);
    let mut moments = Vec::new();
    for _ in 0..count {
        let Some(point) = dice.pick(&points) else { continue };
        // Between the last read and a deletion there is no telling: Lightsail takes no condition.
        let is_deletion =
            matches!(&point.kind, Kind::Aws { operation, .. } if operation == "DeleteKeyPair");
        let is_before = dice.roll(2) == 0 && !is_deletion;
        let place = if is_before { Place::BeforeRequest } else { Place::BeforeAnswer };
        let mut deeds: Vec<Deed> = dice.pick(&DEEDS).into_iter().collect();
        if dice.roll(3) == 0 {
            deeds.extend(dice.pick(&DEEDS));
        }
        if dice.roll(3) == 0 {
            deeds.push(Deed::KillOperator);
        }
        moments.push(Moment { point, place, deeds });
    }
    moments
}

/// When others acted.
struct Acted {
    began: SystemTime,
    ended: SystemTime,
}

/// Waits for the request, lets others act while it is held, and lets it go on.
async fn wait_and_act(stage: &Stage, moment: &Moment, dice: &mut Dice) -> Result<Acted> {
    let (held, fault) = match &moment.point.kind {
        Kind::Kubernetes { .. } => {
            let matcher = moment.point.matcher(&stage.namespace)?.context("a request")?;
            (Some(stage.proxy.hold(matcher, moment.place)), None)
        }
        Kind::Aws { operation, resource } => {
            let effect = match moment.place {
                Place::BeforeRequest => FaultEffect::HoldBefore,
                Place::BeforeAnswer => FaultEffect::HoldAfter,
            };
            let fault = Fault::new(operation, effect).times(1);
            let fault = resource.iter().fold(fault, |fault, resource| fault.on(resource));
            (None, Some(stage.region.add_fault(fault.after(moment.point.before))))
        }
    };
    let reached = async {
        match (&held, &fault) {
            (Some(held), _) => held.reached().await,
            (_, Some(fault)) => fault.reached().await,
            (None, None) => {}
        }
    };
    // If the request never comes, they act anyway.
    let _ = tokio::time::timeout(PATIENCE, reached).await;
    let began = SystemTime::now();
    for deed in &moment.deeds {
        deed.perform(stage, dice).await.with_context(|| format!("{deed:?}"))?;
    }
    Ok(Acted { began, ended: SystemTime::now() })
}

/// Waits until each object is settled or gone, and the operator asks nothing more.
async fn settle(stage: &Stage) -> Result<()> {
    let start = Instant::now();
    let mut loud = 0;
    loop {
        let objects = stage.all_objects().await?;
        for (at, spec) in stage.take_later() {
            // One whose deletion is refused keeps its name.
            let is_stuck = objects.get(&at).is_some_and(is_settled);
            if !is_stuck && !create_later(stage, &at, &spec).await? {
                stage.add_later(at, spec);
            }
        }
        let open: Vec<_> = objects.iter().filter(|(_, object)| !is_settled(object)).collect();
        if open.is_empty() && stage.has_no_more() {
            // The first attempts of what failed come soon after each other.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = stage.request_count();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let count = stage.request_count() - before;
            let is_loud = count > LOOP * objects.len().max(1);
            loud = if is_loud { loud + 1 } else { 0 };
            ensure!(
                loud < LOUD_SECONDS,
                "{count} requests in a second, though all objects are settled"
            );
            let objects = stage.all_objects().await?;
            if !is_loud && objects.values().all(is_settled) {
                return Ok(());
            }
        }
        if start.elapsed() > DEADLINE {
            let open: Vec<_> = open
                .iter()
                .map(|(name, object)| format!("{name}: {}", object["status"]["conditions"]))
                .collect();
            anyhow::bail!("it does not settle: {}", open.join("; "));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What must always hold and does not.
async fn check(
    stage: &Stage,
    scenario: &Scenario,
    deeds: &[Deed],
    acted: &[Acted],
) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    broken.extend(deletions(stage, acted));
    let is_namespace_gone = deeds.contains(&Deed::DeleteNamespace);
    if !is_namespace_gone && !scenario.loses_keys {
        let lost = lost_keys(stage).await?.len();
        if lost > 0 {
            broken.push(format!("I3: {lost} private keys that were in a Secret are lost"));
        }
    }
    let resets = scenario.ends.keys().filter(|name| name.starts_with("HostKeyReset/")).count();
    let resets = resets + deeds.iter().filter(|deed| deed.adds_reset()).count();
    let done = stage.region.known_host_keys_resets("web-1");
    if done > resets {
        broken.push(format!("I6: the host keys were reset {done} times for {resets} objects"));
    }
    broken.extend(imports_without_intent(stage));
    broken.extend(owned_by_mistake(stage).await?);
    let is_excused = deeds.iter().any(|deed| deed.is_force())
        || (deeds.contains(&Deed::KillOperator) && is_finalizer_late(stage, acted));
    if !is_excused {
        broken.extend(left_behind(stage, scenario).await?);
    }
    Ok(broken)
}

/// I1, I7: nothing is deleted that the operator did not make, unless a spec names its fingerprint.
/// What others do after the last read cannot be known. While an import of the operator is not on
/// record yet, neither can it be told who imported the same key, or any key if Lightsail lists no
/// fingerprints.
fn deletions(stage: &Stage, acted: &[Acted]) -> Vec<String> {
    let requests = stage.simulator.requests();
    let (mut made, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let records = records(stage);
    let named = stage.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut lists_fingerprints = true;
    stage.region.set_switches(|own| lists_fingerprints = own.fingerprints);
    let own = format!("{CLUSTER_ID}/{}/", stage.namespace);
    let mut deletions = requests
        .iter()
        .filter(|request| request.operation == "DeleteKeyPair" && request.outcome == "ok");
    let mut broken = Vec::new();
    for change in stage.region.changes() {
        let pair = match change {
            KeyPairChange::Made(pair) => {
                made.insert(pair.arn);
                keys.insert(pair.public_key);
                continue;
            }
            KeyPairChange::Deleted(pair) => pair,
        };
        let Some(deletion) = deletions.next() else { continue };
        let owner = pair.tags.get(OWNER_TAG).cloned().flatten();
        let is_others = owner.is_some_and(|owner| !owner.starts_with(&own));
        let is_own = made.contains(&pair.arn) && !is_others;
        // Whether it was read after all that others had done by then.
        let before: Vec<_> = acted.iter().filter(|acted| acted.began < deletion.at).collect();
        let was_read = requests.iter().any(|request| {
            request.operation.starts_with("GetKeyPair")
                && request.at < deletion.at
                && before.iter().all(|acted| acted.ended < request.at)
        });
        // Whether an import was on record, at that time, whose pair was not.
        let is_before = |record: &&Record| record.name == pair.name && record.at <= pair.created_at;
        let before = records.iter().rev().find(is_before);
        let was_unrecorded = before.is_none_or(|record| !record.has_pair);
        let may_have_key = keys.contains(&pair.public_key) || !lists_fingerprints;
        let cannot_be_told = may_have_key && was_unrecorded;
        if !is_own && was_read && !named.contains(&pair.fingerprint) && !cannot_be_told {
            broken.push(format!("I1: {} was deleted, and was not the object's", pair.name));
        }
    }
    broken
}

/// What the operator wrote into a status about the pair of this name.
struct Record {
    at: SystemTime,
    name: String,
    /// Which pair it is; otherwise, that it is about to import one.
    has_pair: bool,
}

fn records(stage: &Stage) -> Vec<Record> {
    let record = |request: &Forwarded| {
        let (object, status) = written_status(request)?;
        let (has_pair, has_intent) =
            (status["arn"].is_string(), status["importIntent"].is_object());
        let name = stage.pair_name(&object);
        let is_record = request.status == Some(200) && (has_pair || has_intent);
        is_record.then_some(Record { at: request.at, name, has_pair })
    };
    stage.proxy.forwarded().iter().filter_map(record).collect()
}

/// The name of the object whose status a request writes, and that status.
fn written_status(request: &Forwarded) -> Option<(String, Value)> {
    let object = request.whole_path().strip_suffix("/status")?.rsplit('/').next()?.to_owned();
    let patch: Vec<Value> = serde_json::from_slice(&request.body).ok()?;
    let mut written = patch.into_iter().filter(|change| change["path"] == "/status");
    Some((object, written.next()?["value"].take()))
}

/// I12: each import has an intent of its own, which was on record before.
fn imports_without_intent(stage: &Stage) -> Vec<String> {
    let mut intents: BTreeMap<String, Vec<SystemTime>> = BTreeMap::new();
    for request in stage.proxy.forwarded() {
        let Some((object, status)) = written_status(&request) else { continue };
        if request.status == Some(200) && status["importIntent"].is_object() {
            intents.entry(stage.pair_name(&object)).or_default().push(request.at);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut broken = Vec::new();
    for request in stage.simulator.requests() {
        if request.operation != "ImportKeyPair" || request.outcome != "ok" {
            continue;
        }
        let name = request.resource.unwrap_or_default();
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let written = intents.get(&name).into_iter().flatten();
        if written.filter(|at| **at < request.at).count() < *count {
            broken.push(format!("I12: {name} was imported without an intent of its own"));
        }
    }
    broken
}

/// I15: a Secret that a user created has no owner.
async fn owned_by_mistake(stage: &Stage) -> Result<Vec<String>> {
    let users = stage.users_secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let secrets = stage.all_secrets().await?;
    let is_wrong = |secret: &Secret| {
        let owners = secret.metadata.owner_references.as_ref();
        let is_owned = owners.is_some_and(|owners| !owners.is_empty());
        is_owned && secret.metadata.uid.as_ref().is_some_and(|uid| users.contains(uid))
    };
    Ok(secrets
        .iter()
        .filter(|(_, secret)| is_wrong(secret))
        .map(|(name, _)| format!("I15: the Secret {name} is a user's, and has an owner"))
        .collect())
}

/// Whether a finalizer was added while somebody acted. If that was a deletion which the API server
/// had begun, it holds nothing, and only the operator that added it knows what it did since.
fn is_finalizer_late(stage: &Stage, acted: &[Acted]) -> bool {
    let adds_finalizer = |request: &Forwarded| {
        let body = String::from_utf8_lossy(&request.body);
        request.method == Method::PATCH && body.contains(FINALIZER)
    };
    let mut added = stage.proxy.forwarded().into_iter().filter(adds_finalizer);
    added.any(|request| acted.iter().any(|acted| (acted.began..=acted.ended).contains(&request.at)))
}

/// A pair with this object's tag that the operator made does not outlive all objects, unless they
/// say so.
async fn left_behind(stage: &Stage, scenario: &Scenario) -> Result<Vec<String>> {
    let keeps = format!("{:?}{:?}", scenario.given, scenario.when).contains("Retain");
    if keeps || !stage.all_objects().await?.is_empty() {
        return Ok(Vec::new());
    }
    let made: BTreeSet<_> = stage
        .region
        .changes()
        .into_iter()
        .filter_map(|change| match change {
            KeyPairChange::Made(pair) => Some(pair.arn),
            KeyPairChange::Deleted(_) => None,
        })
        .collect();
    let own = format!("{CLUSTER_ID}/{}/", stage.namespace);
    // The default pair stays unless a spec says otherwise, and the operator sets no owner tag on
    // it: if it has one, others have set that.
    let is_left = |pair: &testbed::simulator::KeyPair| {
        let owner = pair.tags.get(OWNER_TAG).cloned().flatten();
        let is_tagged = owner.is_some_and(|owner| owner.starts_with(&own));
        pair.name != DEFAULT_KEY_PAIR && made.contains(&pair.arn) && is_tagged
    };
    let left = stage.region.key_pairs().into_iter().filter(is_left);
    Ok(left.map(|pair| format!("{} is left behind, with the owner tag", pair.name)).collect())
}
