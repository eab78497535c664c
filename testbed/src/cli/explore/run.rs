//! One run of a scenario: undisturbed, to see how it ends and which requests there are, or with one
//! request disturbed, to see whether it ends the same way.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::disturbance::{Disturbance, arm};
use super::end::{self, End};
use super::keys::public_half;
use super::object::key_of;
use super::point::{Point, points};
use super::scenario::{Act, Scenario};
use super::stage::{DEADLINE, Ground, LATE, Stage};
use crate::cli::report::Report;

/// How a scenario ends undisturbed, and the requests on the way there.
pub(super) struct Reference {
    pub(super) end: End,
    pub(super) points: Vec<Point>,
    /// Of the keys that the operator wrote, those that are in no Secret any more.
    lost_keys: usize,
}

/// A request and what happens to it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) point: Point,
    pub(super) disturbance: Disturbance,
    /// Says which refusal it is.
    pub(super) turn: usize,
}

/// What came of a disturbed run.
pub(super) struct Outcome {
    /// Whether the request came.
    pub(super) met: bool,
    /// What differs from the end as it should be.
    pub(super) differences: Vec<String>,
    /// Where its logs are.
    pub(super) logs: String,
}

/// Something that an undisturbed run never does, whatever the machine is busy with.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Runs it undisturbed. A run that does not come to its end in time is reported and repeated,
/// twice.
pub(super) async fn undisturbed(
    ground: &Ground,
    scenario: &Scenario,
    report: Report,
) -> Result<Reference> {
    for _ in 0..2 {
        match try_undisturbed(ground, scenario).await {
            Err(error) if !error.is::<Wrong>() => {
                report.line(&format!("{error:#}; once more"));
            }
            outcome => return outcome,
        }
    }
    try_undisturbed(ground, scenario).await
}

async fn try_undisturbed(ground: &Ground, scenario: &Scenario) -> Result<Reference> {
    let stage = Stage::start(ground, false).await?;
    let attempt = async {
        let (kubernetes, aws) = prepare(&stage, scenario).await?;
        act(&stage, &scenario.when).await?;
        wait_for_ends(&stage, scenario).await?;
        stage.wait_until_quiet().await?;
        let open = end::not_ended(&stage, scenario).await?;
        if !open.is_empty() {
            bail!(Wrong(format!("it does not stay as it should be: {}", open.join("; "))));
        }
        let forwarded = stage.proxy.forwarded();
        let points =
            points(&stage.namespace, &forwarded[kubernetes..], &stage.simulator.requests()[aws..]);
        let lost_keys = lost_keys(&stage).await?.len();
        if lost_keys > 0 && !scenario.loses_keys {
            bail!(Wrong("a private key that was written to a Secret is lost".to_owned()));
        }
        let end = end::observe(&stage).await?;
        stage.remove_accounts().await?;
        anyhow::Ok(Reference { end, points, lost_keys })
    };
    let logs = stage.directory();
    attempt.await.with_context(|| format!("{}, undisturbed; {}", scenario.name, logs.display()))
}

/// Runs it with one request disturbed.
pub(super) async fn disturbed(
    ground: &Ground,
    scenario: &Scenario,
    wanted: &Reference,
    case: &Case,
) -> Result<Outcome> {
    let with_second = case.disturbance == Disturbance::TakenOver;
    // On a busy machine an operator may lose its short Lease before anything is disturbed.
    let stage = match prepared(ground, scenario, with_second).await {
        Ok(stage) => stage,
        Err(_) => prepared(ground, scenario, with_second).await?,
    };
    let mut armed = arm(&stage, case.disturbance, &case.point, case.turn)?;
    let mut differences = Vec::new();
    let attempt = async {
        act_while_it_runs(&stage, &scenario.when).await?;
        seen_differences(&stage, scenario, wanted, case).await?;
        stage.wait_until_quiet().await?;
        armed.conclude(&stage).await?;
        if case.disturbance == Disturbance::Late {
            tokio::time::sleep(LATE).await;
        }
        // What was still under way has happened: it must be as before, and stay so.
        stage.wait_until_quiet().await?;
        seen_differences(&stage, scenario, wanted, case).await
    };
    match attempt.await {
        Ok(seen) => differences.extend(seen),
        Err(error) => differences.push(format!("{error:#}")),
    }
    let lost = lost_keys(&stage).await?.len();
    if lost > wanted.lost_keys {
        differences.push(format!("{lost} private keys that were written to a Secret are lost"));
    }
    stage.remove_accounts().await?;
    let logs = stage.directory().display().to_string();
    Ok(Outcome { met: armed.was_met(), differences, logs })
}

async fn prepared(ground: &Ground, scenario: &Scenario, with_second: bool) -> Result<Arc<Stage>> {
    let stage = Stage::start(ground, with_second).await?;
    prepare(&stage, scenario).await?;
    Ok(stage)
}

/// Does what is given. Returns how many requests there were before the rest.
pub(super) async fn prepare(stage: &Stage, scenario: &Scenario) -> Result<(usize, usize)> {
    act_while_it_runs(stage, &scenario.given).await.context("what is given")?;
    if !scenario.given.is_empty() {
        act_while_it_runs(stage, &[Act::Settle]).await.context("what is given")?;
        stage.wait_until_quiet().await?;
    }
    Ok((stage.proxy.forwarded().len(), stage.simulator.requests().len()))
}

pub(super) async fn act(stage: &Stage, acts: &[Act]) -> Result<()> {
    for act in acts {
        stage.act(act).await.with_context(|| format!("{act:?}"))?;
    }
    Ok(())
}

/// The same, while operators that end are restarted.
pub(super) async fn act_while_it_runs(stage: &Stage, acts: &[Act]) -> Result<()> {
    tokio::select! {
        outcome = act(stage, acts) => outcome,
        error = keep_running(stage) => Err(error),
    }
}

/// Restarts operators that end, forever, and ends only if that fails.
pub(super) async fn keep_running(stage: &Stage) -> anyhow::Error {
    loop {
        if let Err(error) = stage.keep_running().await {
            return error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn wait_for_ends(stage: &Stage, scenario: &Scenario) -> Result<()> {
    let start = Instant::now();
    loop {
        let open = end::not_ended(stage, scenario).await?;
        if open.is_empty() {
            return Ok(());
        }
        ensure!(start.elapsed() < DEADLINE, "it does not come to its end: {}", open.join("; "));
        tokio::time::sleep(super::stage::POLL).await;
    }
}

/// Waits until it ends as it should, and says what differs if it does not come to that.
async fn seen_differences(
    stage: &Stage,
    scenario: &Scenario,
    wanted: &Reference,
    case: &Case,
) -> Result<Vec<String>> {
    let start = Instant::now();
    loop {
        stage.keep_running().await?;
        let mut other = Vec::new();
        if case.disturbance.may_end_otherwise(case.point.is_read()) {
            other = end::at_other_ends(stage, scenario).await?;
        }
        let mut seen = end::observe(stage).await?;
        if scenario.tag_may_stay {
            end::forget_owner_tags(&mut seen);
        }
        let differences = end::differences(&wanted.end, &seen, &other);
        if differences.is_empty() || start.elapsed() > DEADLINE {
            return Ok(differences);
        }
        tokio::time::sleep(super::stage::POLL).await;
    }
}

/// The private keys that the operator has written to a Secret and that are in none any more,
/// without those that somebody else took away. By their public half.
pub(super) async fn lost_keys(stage: &Stage) -> Result<Vec<String>> {
    let secrets = stage.all_secrets().await?;
    let kept: Vec<_> = secrets.values().filter_map(key_of).collect();
    let deleted =
        stage.deleted_keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let written = stage.proxy.forwarded().into_iter().filter_map(|request| {
        let is_taken = request.status.is_some_and(|status| status < 300);
        let is_secret = request.path.contains("/secrets");
        if !is_taken || !is_secret || request.method == http::Method::GET {
            return None;
        }
        written_key(&serde_json::from_slice(&request.body).ok()?)
    });
    let lost: BTreeSet<_> =
        written.filter(|key| !kept.contains(key) && !deleted.contains(key)).collect();
    Ok(lost.into_iter().collect())
}

/// The public half of the private key in the body of a request.
fn written_key(body: &serde_json::Value) -> Option<String> {
    use base64::Engine;
    let text = body["data"]["ssh-privatekey"].as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    public_half(std::str::from_utf8(&bytes).ok()?)
}
