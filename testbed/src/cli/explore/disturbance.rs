//! What befalls one request of a run.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustix::process::Signal;
use testbed::api_proxy::{Held, Place};
use testbed::simulator::{Fault, FaultEffect, FaultHandle};
use tokio::task::JoinHandle;

use super::point::{Kind, Point};
use super::stage::{LATE, LEASE_DURATION, Stage};

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(super) enum Disturbance {
    /// The operator is killed before the request takes effect, and started anew
    KilledBefore,
    /// The operator is killed after the request took effect, and started anew
    KilledAfter,
    /// The request takes effect, and its answer is lost
    AnswerLost,
    /// The request is refused: 500, 409 or throttled, in rotation
    Refused,
    /// The request takes effect late: within the settle time, when the operator has given up
    Late,
    /// The operator is paused after the request, until a second one has taken over and is done
    TakenOver,
    /// The operator is paused after the request, for longer than the Lease lasts
    Paused,
}

impl Disturbance {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A disturbance in place.
pub(super) struct Armed {
    disturbance: Disturbance,
    held: Option<Arc<Held>>,
    fault: Option<Arc<FaultHandle>>,
    acting: Option<JoinHandle<Result<()>>>,
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
            let effect = effect_at_aws(disturbance, turn);
            let fault = Fault::new(operation, effect).times(1);
            let fault = resource.iter().fold(fault, |fault, resource| fault.on(resource));
            let handle = Arc::new(stage.region.add_fault(fault.after(point.before)));
            let reached = Arc::clone(&handle);
            let acting = acts(disturbance).then(|| {
                let stage = Arc::clone(stage);
                tokio::spawn(async move {
                    reached.reached().await;
                    act(&stage, disturbance, || reached.release()).await
                })
            });
            Ok(Armed { disturbance, held: None, fault: Some(handle), acting })
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
    let (mut held, mut acting) = (None, None);
    match disturbance {
        Disturbance::AnswerLost => proxy.cut(matcher),
        Disturbance::Refused => {
            // A read is never refused for a conflict.
            let statuses: &[u16] = if is_read { &[500, 429] } else { &[500, 409, 429] };
            proxy.fail(matcher, 1, statuses[turn % statuses.len()]);
        }
        Disturbance::Late => proxy.delay(matcher, LATE),
        Disturbance::KilledBefore
        | Disturbance::KilledAfter
        | Disturbance::TakenOver
        | Disturbance::Paused => {
            let place = if disturbance == Disturbance::KilledBefore {
                Place::BeforeRequest
            } else {
                Place::BeforeAnswer
            };
            let holding = Arc::new(proxy.hold(matcher, place));
            let (reached, stage) = (Arc::clone(&holding), Arc::clone(stage));
            held = Some(holding);
            acting = Some(tokio::spawn(async move {
                reached.reached().await;
                act(&stage, disturbance, || reached.release()).await
            }));
        }
    }
    Ok(Armed { disturbance, held, fault: None, acting })
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
    /// Whether the request came, as far as that is known: some leave no trace.
    pub(super) fn was_met(&self) -> bool {
        let is_over = self.acting.as_ref().is_none_or(JoinHandle::is_finished);
        is_over && self.fault.as_ref().is_none_or(|fault| fault.hits() > 0)
    }

    /// Waits until what it does is done. An operator that others have taken over from wakes up, and
    /// must end.
    pub(super) async fn conclude(&mut self, stage: &Stage) -> Result<()> {
        if let Some(acting) = self.acting.as_mut().filter(|acting| acting.is_finished()) {
            acting.await.context("a task")??;
            if self.disturbance == Disturbance::TakenOver {
                stage.wait_until_taken_over().await?;
                stage.signal(Signal::CONT).await?;
                let acts_no_more = async || stage.acts_no_more().await;
                stage.wait("the operator that lost its Lease ends", acts_no_more).await?;
                stage.keep_running().await?;
            }
            self.acting = None;
        }
        Ok(())
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(acting) = &self.acting {
            acting.abort();
        }
        self.held = None;
    }
}
