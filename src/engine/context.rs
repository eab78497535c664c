//! What all reconciliations share, whatever their kind.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::concurrency::ConcurrencyLimits;
use super::event_limits::EventLimits;
use super::key_maker::KeyMaker;
use crate::access::Directory;
use crate::api_server::{ApiServer, WRITE_TIMEOUT};
use crate::clock::{Clocks, Moment};
use crate::ids::{AccountId, Region};
use crate::lease::HeldLease;
use crate::lightsail::{Inventory, Regions, Sessions};
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// What all reconciliations share.
pub struct Context {
    /// The cluster's API.
    pub api_server: ApiServer,
    /// AWS.
    pub sessions: Sessions,
    /// Who may use which credentials.
    pub directory: Directory,
    /// Which regions may be asked.
    pub regions: Arc<Regions>,
    /// The shared lists of key pairs.
    pub inventory: Arc<Inventory>,
    /// How many Events were written.
    pub events: Mutex<EventLimits>,
    /// New private keys.
    pub key_maker: KeyMaker,
    /// What is counted.
    pub metrics: Metrics,
    /// What is missing.
    pub readiness: Readiness,
    /// The settings.
    pub settings: Settings,
    /// Until when this process may act.
    pub lease: HeldLease,
    /// Since when this process acts; `None` while it follows.
    pub leading_since: watch::Receiver<Option<Moment>>,
    /// The clocks as they were read last.
    pub clocks: Mutex<Clocks>,
    /// Set when the operator shuts down: it finishes the step in flight and begins no other.
    pub stop: CancellationToken,
}

/// A smaller correction of the wall clock is not worth a line in the log.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

impl Context {
    /// The clocks now. If the wall clock jumped since they were read last, the log says so.
    pub fn read_clocks(&self) -> Clocks {
        let clocks = Clocks::read();
        let before = std::mem::replace(&mut *self.clocks.lock(), clocks);
        let jump = clocks.jump_since(&before);
        if jump.abs() > JUMP {
            tracing::warn!(
                by = format!("{jump:#}"),
                "the wall clock jumped; running timers use a monotonic clock and are not affected"
            );
        }
        clocks
    }

    /// Drops what is kept of a region, if no object names it or another one took its place.
    /// Accounts have no region: for theirs, which is empty, this only drops failures of credentials
    /// no longer used.
    pub fn forget_unused(&self, region: &Region) {
        if !self.regions.forget_unused(region) {
            return;
        }
        self.sessions.forget_region(region);
        self.inventory.forget_region(region);
        self.readiness.forget_region(region);
        self.metrics.forget_region(region.as_str());
    }

    /// Whether an AWS call that is sent now ends before another process can hold the Lease.
    #[must_use]
    pub fn lease_outlives_call(&self) -> bool {
        self.lease.outlives(self.settings.call_timeout)
    }

    /// How long this process has been acting. What happened before is not known: another process
    /// may have acted, until a moment ago.
    #[must_use]
    pub fn leads_for(&self) -> Duration {
        self.leading_since.borrow().map_or(Duration::ZERO, Moment::elapsed)
    }
}

/// The settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first part of the owner tag.
    pub cluster_id: String,
    /// The account that the credentials must belong to.
    pub aws_account_id: Option<AccountId>,
    /// How long one AWS call may take.
    pub call_timeout: Duration,
    /// How long after that its effect may still appear.
    pub settle_time: Duration,
    /// How long another process may act on a lease that it has lost. Without leader election: how
    /// long the process before this one may take to end.
    pub lease_duration: Duration,
    /// How long the Secret of a generated pair may be missing before its key counts as lost.
    pub missing_key_grace: Duration,
    /// How long the source of a public key may be missing before the object is Stalled.
    pub source_grace: Duration,
    /// How often the operator checks whether an unanswered call took effect.
    pub search_interval: Duration,
    /// The namespaces to watch; all if empty.
    pub namespaces: Vec<String>,
    /// The labels of the objects to watch.
    pub label_selector: Option<String>,
    /// Whether this operator writes the status of accounts. Of several operators in a cluster, one
    /// does.
    pub is_primary: bool,
    /// How many objects of a kind are worked on at the same time.
    pub concurrency: ConcurrencyLimits,
}

impl Settings {
    /// Whether an object that leaves the watch is gone. With a selector, it may have another label
    /// now, and be another operator's.
    #[must_use]
    pub fn watches_all_labels(&self) -> bool {
        self.label_selector.is_none()
    }

    /// How long after a call was sent its effect may still appear. Another process may send one
    /// until its lease expires.
    #[must_use]
    pub fn effect_window(&self) -> Duration {
        self.lease_duration + self.call_timeout + self.settle_time
    }

    /// How long after its intent was dated the effect of an import may appear: before it is sent,
    /// the intent is written, and the import waits for its turn.
    #[must_use]
    pub fn intent_window(&self) -> Duration {
        self.intent_holds() + self.call_timeout * 2 + self.effect_window()
    }

    /// How old an intent may be when its import is sent.
    #[must_use]
    pub fn intent_holds(&self) -> Duration {
        WRITE_TIMEOUT + self.call_timeout
    }
}
