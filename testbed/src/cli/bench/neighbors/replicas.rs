//! The operator's replicas, as a Deployment runs them: one that has ended is started again, at
//! first immediately and then after pauses that double, and one with too much memory is killed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use testbed::operator::{Operator, OperatorOptions};

use super::probes::{Addresses, lock};
use crate::cli::bench::bed::{Bed, SELDOM, poll};
use crate::cli::bench::machine::memory;
use crate::cli::scene::OPERATOR;

const REPLICAS: usize = 2;
/// They leave the bare client's objects alone.
const ARGUMENTS: [&str; 3] =
    ["--leader-election=true", "--watch-label-selector=!shard", "--lease-name=lightsail-operator"];
const TICK: Duration = Duration::from_millis(100);
/// The kubelet's pauses.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Memory that has not fallen for this long does not fall any more.
const STEADY: Duration = Duration::from_secs(10);
/// What counts as falling, in KiB: less is noise.
const FALL: u64 = 256;
/// How long memory may take to come to rest.
const RESTING: Duration = Duration::from_mins(2);

/// What was seen of the replicas in some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The most resident memory of one replica, in KiB.
    pub(super) peak: u64,
    /// How replicas have ended.
    pub(super) exits: Vec<String>,
    /// Why a figure is not what it seems.
    pub(super) doubts: Vec<String>,
}

impl Seen {
    /// How often which end was seen.
    pub(super) fn exits_by_reason(&self) -> Vec<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for exit in &self.exits {
            *counts.entry(exit).or_default() += 1;
        }
        counts.iter().map(|(exit, count)| format!("{count} × {exit}")).collect()
    }
}

struct Replica {
    /// None while it waits to be started.
    operator: Option<Operator>,
    options: OperatorOptions,
    start_at: Instant,
    ends: u32,
}

/// All of them.
pub(super) struct Replicas {
    all: RefCell<Vec<Replica>>,
    seen: RefCell<Seen>,
    /// In KiB; none is no limit.
    limit: Option<u64>,
    restart: Cell<bool>,
    pub(super) addresses: Addresses,
}

impl Replicas {
    /// Starts them; the first one leads.
    pub(super) async fn start(bed: &Bed, limit: Option<u64>) -> Result<Self> {
        let mut all = Vec::new();
        for number in 0..REPLICAS {
            let name = format!("operator-{number}");
            let options = bed.operator(&name, ARGUMENTS).await?;
            let operator = Operator::start(options.clone()).await?;
            if number == 0 {
                wait_for_leader(bed).await?;
            }
            let (start_at, ends) = (Instant::now(), 0);
            all.push(Replica { operator: Some(operator), options, start_at, ends });
        }
        let addresses = all.iter().map(|it| it.operator.as_ref()?.address()).collect::<Vec<_>>();
        let addresses = Addresses::new(addresses.into());
        let (all, seen) = (RefCell::new(all), RefCell::default());
        Ok(Self { all, seen, limit, restart: Cell::new(false), addresses })
    }

    /// Forgets what was seen, and the peaks that the system has on record.
    pub(super) fn begin(&self) {
        let mut seen = Seen::default();
        for pid in self.pids() {
            // clear_refs: see proc_pid_clear_refs(5).
            if let Err(error) = std::fs::write(format!("/proc/{pid}/clear_refs"), "5") {
                let doubt = format!("the peak is that since the start of the process: {error}");
                seen.doubts.push(doubt);
            }
        }
        *self.seen.borrow_mut() = seen;
    }

    /// What was seen since.
    pub(super) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Kills and starts all of them, which is no exit of theirs.
    pub(super) fn restart(&self) {
        self.restart.set(true);
    }

    /// Looks after them until something else is done; only an error ends it sooner.
    pub(super) async fn look_after(&self) -> Result<()> {
        loop {
            self.tick()?;
            tokio::time::sleep(TICK).await;
        }
    }

    fn tick(&self) -> Result<()> {
        let restart = self.restart.replace(false);
        let mut all = self.all.borrow_mut();
        for (number, replica) in all.iter_mut().enumerate() {
            if restart {
                replica.operator = None;
                replica.start_at = Instant::now();
                lock(&self.addresses)[number] = None;
            }
            self.tick_one(number, replica)?;
        }
        Ok(())
    }

    fn tick_one(&self, number: usize, replica: &mut Replica) -> Result<()> {
        let mut seen = self.seen.borrow_mut();
        let Some(operator) = &mut replica.operator else {
            if Instant::now() >= replica.start_at {
                replica.operator = Some(Operator::spawn(replica.options.clone())?);
            }
            return Ok(());
        };
        // A process that ends meanwhile has none.
        let peak = memory(operator.pid()).map(|(_, peak)| peak).unwrap_or_default();
        seen.peak = seen.peak.max(peak);
        let over = self.limit.filter(|limit| peak > *limit);
        if over.is_some() {
            operator.kill();
        }
        if let Some(status) = operator.has_ended()? {
            let why = over.map_or_else(
                || status.to_string(),
                |limit| format!("killed over {} MiB", limit / 1024),
            );
            seen.exits.push(format!("replica {number}: {why}"));
            let pause = (FIRST_PAUSE * 2_u32.saturating_pow(replica.ends.saturating_sub(1)))
                .min(LONGEST_PAUSE);
            replica.start_at =
                Instant::now() + if replica.ends == 0 { Duration::ZERO } else { pause };
            replica.ends += 1;
            replica.operator = None;
            lock(&self.addresses)[number] = None;
            return Ok(());
        }
        let mut addresses = lock(&self.addresses);
        if addresses[number].is_none() {
            addresses[number] = operator.address();
        }
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        self.all.borrow().iter().filter_map(|it| Some(it.operator.as_ref()?.pid())).collect()
    }

    /// The most resident memory of a replica now, in KiB; none if none runs.
    pub(super) fn resident(&self) -> Option<u64> {
        self.pids().into_iter().filter_map(|pid| Some(memory(pid).ok()?.0)).max()
    }

    /// Waits until memory does not fall any more, and says what is left.
    pub(super) async fn resident_at_rest(&self) -> Result<u64> {
        let (start, mut since) = (Instant::now(), Instant::now());
        let mut least = self.resident().unwrap_or(u64::MAX);
        while since.elapsed() < STEADY && start.elapsed() < RESTING {
            tokio::time::sleep(SELDOM).await;
            let now = self.resident().unwrap_or(u64::MAX);
            if now == u64::MAX || now.saturating_add(FALL) < least {
                (least, since) = (now, Instant::now());
            }
        }
        self.resident().context("no replica runs")
    }
}

/// Waits until somebody holds the Lease.
async fn wait_for_leader(bed: &Bed) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), OPERATOR);
    let is_held = async || {
        let spec = leases.get_opt(OPERATOR).await?.and_then(|lease| lease.spec);
        Ok(spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty()))
    };
    poll(SELDOM, is_held).await.map(drop).context("nobody holds the Lease")
}
