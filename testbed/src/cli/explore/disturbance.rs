//! What happens to one request of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustix::process::Signal;
use testbed::api_proxy::{Held, Hits, Place};
use testbed::simulator::{Fault, FaultEffect, FaultHandle};
use tokio::task::JoinHandle;

use super::point::{Kind, Point};
use super::stage::{LATE, LEASE_DURATION, Stage};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(super) enum Disturbance {
    /// The operator is killed before the request takes effect, and restarted
    KilledBefore,
    /// The operator is killed after the request took effect, and restarted
    KilledAfter,
    /// The request takes effect, and its answer is lost
    AnswerLost,
    /// The request is refused: 500, 409 or throttled, in rotation
    Refused,
    /// The request takes effect late: after the operator has given up, within the settle time
    Late,
    /// The operator is paused after the request, until a second one has taken over and is done
    TakenOver,
    /// The operator is paused after the request, for longer than the Lease lasts
    Paused,
}

impl Disturbance {
    /// Whether a run may end otherwise than the undisturbed one, if the scenario says so: it may
    /// be unknown what became of a call. A read that fails is only repeated.
    pub(super) fn may_end_otherwise(self, is_read: bool) -> bool {
        acts(self) || !is_read
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A disturbance in place.
pub(super) struct Armed {
    disturbance: Disturbance,
    met: Met,
    /// Keeps a held request from going on when the operator is gone.
    _held: Option<Arc<Held>>,
    acting: Option<JoinHandle<Result<()>>>,
}

/// What tells whether the request came.
enum Met {
    AtTheApiServer(Hits),
    AtAws(Arc<FaultHandle>),
    Held(Arc<AtomicBool>),
}

/// Puts it in place.
pub(super) fn arm(
    stage: &Arc<Stage>,
    disturbance: Disturbance,
    point: &Point,
    turn: usize,
) -> Result<Armed> {
    match &point.kind {
        Kind::Kubernetes { method, .. } => {
            arm_kubernetes(stage, disturbance, point, method == "GET", turn)
        }
        Kind::Aws { operation, resource } => {
            let fault = Fault::new(operation, effect_at_aws(disturbance, turn)).times(1);
            let fault = resource.iter().fold(fault, |fault, resource| fault.on(resource));
            let handle = Arc::new(stage.region.add_fault(fault.after(point.before)));
            let met = Met::AtAws(Arc::clone(&handle));
            let acting = acts(disturbance).then(|| {
                let stage = Arc::clone(stage);
                tokio::spawn(async move {
                    handle.reached().await;
                    act(&stage, disturbance, || handle.release()).await
                })
            });
            Ok(Armed { disturbance, met, _held: None, acting })
        }
    }
}

fn arm_kubernetes(
    stage: &Arc<Stage>,
    disturbance: Disturbance,
    point: &Point,
    is_read: bool,
    turn: usize,
) -> Result<Armed> {
    let matcher = point.matcher(&stage.namespace)?.context("a request of the API server")?;
    let proxy = &stage.proxy;
    let hits = match disturbance {
        Disturbance::AnswerLost => proxy.cut(matcher),
        Disturbance::Refused => {
            // A read is never refused for a conflict.
            let statuses: &[u16] = if is_read { &[500, 429] } else { &[500, 409, 429] };
            proxy.fail(matcher, 1, statuses[turn % statuses.len()])
        }
        Disturbance::Late => proxy.delay(matcher, LATE),
        Disturbance::KilledBefore
        | Disturbance::KilledAfter
        | Disturbance::TakenOver
        | Disturbance::Paused => {
            let is_before = disturbance == Disturbance::KilledBefore;
            let place = if is_before { Place::BeforeRequest } else { Place::BeforeAnswer };
            let held = Arc::new(proxy.hold(matcher, place));
            let came = Arc::new(AtomicBool::default());
            let (holding, met, stage) = (Arc::clone(&held), Arc::clone(&came), Arc::clone(stage));
            let acting = tokio::spawn(async move {
                holding.reached().await;
                met.store(true, Ordering::SeqCst);
                act(&stage, disturbance, || holding.release()).await
            });
            let (met, held, acting) = (Met::Held(came), Some(held), Some(acting));
            return Ok(Armed { disturbance, met, _held: held, acting });
        }
    };
    Ok(Armed { disturbance, met: Met::AtTheApiServer(hits), _held: None, acting: None })
}

fn effect_at_aws(disturbance: Disturbance, turn: usize) -> FaultEffect {
    match disturbance {
        Disturbance::KilledBefore => FaultEffect::HoldBefore,
        Disturbance::KilledAfter | Disturbance::TakenOver | Disturbance::Paused => {
            FaultEffect::HoldAfter
        }
        Disturbance::AnswerLost => FaultEffect::CutAfter,
        Disturbance::Refused => {
            let effects = [
                FaultEffect::service_error(),
                FaultEffect::throttling(),
                FaultEffect::unavailable(),
            ];
            effects[turn % effects.len()].clone()
        }
        Disturbance::Late => FaultEffect::Late(LATE),
    }
}

/// Whether something is done to the operator.
fn acts(disturbance: Disturbance) -> bool {
    match disturbance {
        Disturbance::KilledBefore
        | Disturbance::KilledAfter
        | Disturbance::TakenOver
        | Disturbance::Paused => true,
        Disturbance::AnswerLost | Disturbance::Refused | Disturbance::Late => false,
    }
}

/// Does to the operator what the disturbance says, while the request is held.
async fn act(stage: &Stage, disturbance: Disturbance, release: impl FnOnce()) -> Result<()> {
    match disturbance {
        Disturbance::KilledBefore | Disturbance::KilledAfter => stage.kill_and_restart().await,
        Disturbance::TakenOver => {
            stage.signal(Signal::STOP).await?;
            // Its answer is there when it wakes up.
            release();
            Ok(())
        }
        Disturbance::Paused => {
            stage.signal(Signal::STOP).await?;
            release();
            tokio::time::sleep(LEASE_DURATION + LEASE_DURATION / 3).await;
            stage.signal(Signal::CONT).await
        }
        Disturbance::AnswerLost | Disturbance::Refused | Disturbance::Late => Ok(()),
    }
}

impl Armed {
    /// Whether the request came.
    pub(super) fn was_met(&self) -> bool {
        match &self.met {
            Met::AtTheApiServer(hits) => hits.count() > 0,
            Met::AtAws(fault) => fault.hits() > 0,
            Met::Held(came) => came.load(Ordering::SeqCst),
        }
    }

    /// Waits until what it does is done, and an operator acts that has seen what there is. An
    /// operator that others have taken over from wakes up, and must end.
    pub(super) async fn conclude(&mut self, stage: &Stage) -> Result<()> {
        if !self.was_met() {
            return Ok(());
        }
        let Some(acting) = &mut self.acting else { return Ok(()) };
        acting.await.context("a task")??;
        self.acting = None;
        if self.disturbance == Disturbance::TakenOver {
            stage.wait_until_taken_over().await?;
            stage.signal(Signal::CONT).await?;
            let acts_no_more = async || stage.acts_no_more().await;
            stage.wait("the operator that lost its Lease ends", acts_no_more).await?;
        }
        stage.wait_until_seen().await
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(acting) = &self.acting {
            acting.abort();
        }
    }
}
