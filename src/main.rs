//! The operator's process: reads the configuration, starts the log, and joins the controllers and
//! the server.

use std::fmt::Display;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use lightsail_operator::access::{self, Directory};
use lightsail_operator::account::Accounts;
use lightsail_operator::api_server::ApiServer;
use lightsail_operator::clock::Clocks;
use lightsail_operator::config::{
    Command, Config, Environment, Export, LOG, check_endpoints, without_empty_aws_variables,
};
use lightsail_operator::engine::concurrency::ConcurrencyLimits;
use lightsail_operator::engine::{self, Context, KeyMaker, Settings};
use lightsail_operator::host_key_reset::HostKeyResets;
use lightsail_operator::ids::AccountId;
use lightsail_operator::key_pair::KeyPairs;
use lightsail_operator::leader::{self, Candidate, Leadership};
use lightsail_operator::lease::HeldLease;
use lightsail_operator::lightsail::{Inventory, Regions, Sessions, Sources, configuration};
use lightsail_operator::metrics::Metrics;
use lightsail_operator::proxies::Proxies;
use lightsail_operator::readiness::{Extent, Readiness};
use lightsail_operator::server::{Heartbeat, Shown};
use lightsail_operator::{export, kube_error, kubeconfig, server, telemetry};
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The cluster's name in owner tags, unless another is given: this namespace is in every cluster,
/// and its uid is unique.
const CLUSTER_NAMESPACE: &str = "kube-system";
const CLUSTER: &str = "the cluster's ID";
const STARTUP: &str = "startup";

fn main() -> ExitCode {
    let code = start().unwrap_or_else(|error| {
        // Its causes in one line, and no backtrace.
        telemetry::say_last(&format!("Error: {error:#}"));
        ExitCode::FAILURE
    });
    telemetry::end_log();
    code
}

fn start() -> anyhow::Result<ExitCode> {
    without_empty_aws_variables()?;
    let config = Config::parse();
    // A core dump would hold private keys. Where the pattern is a pipe, a limit of 0 is no limit
    // (core(5)), but one of 1 byte stops the dump (fs/coredump.c in Linux). It is too little for a
    // file as well. Only a hard limit of 0 cannot be raised.
    let hard = rustix::process::getrlimit(Resource::Core).maximum;
    let limit = Some(hard.map_or(1, |hard| hard.min(1)));
    rustix::process::setrlimit(Resource::Core, Rlimit { current: limit, maximum: limit })?;
    let environment = Environment::of_process();
    let proxies = usable(Proxies::new(&environment));
    usable(check_endpoints(&environment));
    if let Some(Command::Export(flags)) = &config.command {
        return export(&config, flags, environment, proxies);
    }
    let times = leader::Times::new(config.lease_duration, config.aws_call_timeout);
    let times = usable(config.leader_election.then_some(times).transpose());
    telemetry::start_log(config.log_format, &config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(config, environment, proxies, times));
    // Programs that give credentials end with their tasks. DNS lookups on blocking threads are not
    // waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The most threads for the operator's work, which mostly waits. Each takes memory of its own, so
/// that on a large node, with a thread for each core, a replica would need several times as much.
const MOST_WORKER_THREADS: usize = 2;

fn worker_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(MOST_WORKER_THREADS)
}

/// The exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Writes manifests for what exists in Lightsail.
fn export(
    config: &Config,
    flags: &Export,
    environment: Environment,
    proxies: Proxies,
) -> anyhow::Result<ExitCode> {
    // The export reports its own errors; the log is for who asks for more.
    let filter = if config.log == LOG { "off" } else { &config.log };
    telemetry::start_log(config.log_format, filter)?;
    let runtime = tokio::runtime::Runtime::new()?;
    // As the first process of a container, it would not be ended by Ctrl-C.
    if std::process::id() == 1 {
        let stop = runtime.block_on(async { stop_on_signals() })?;
        runtime.spawn(async move {
            stop.cancelled().await;
            std::process::exit(INTERRUPTED);
        });
    }
    let is_complete = runtime.block_on(export::run(config, flags, environment, proxies));
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(if is_complete? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends the process if a setting cannot be used.
fn usable<T>(setting: Result<T, impl Display>) -> T {
    setting.unwrap_or_else(|why| Config::command().error(ErrorKind::ValueValidation, why).exit())
}

async fn run(
    config: Config,
    environment: Environment,
    proxies: Proxies,
    times: Option<leader::Times>,
) -> anyhow::Result<()> {
    let stop = stop_on_signals()?;
    let (readiness, metrics) = (Readiness::default(), Metrics::default());
    readiness.missing(STARTUP, "not finished");
    let heartbeat = Heartbeat::default();
    let shown = Shown {
        heartbeat: heartbeat.clone(),
        readiness: readiness.clone(),
        metrics: metrics.clone(),
    };
    server::start(config.bind_address, shown)?;
    let work = async {
        let for_kube = (environment.clone(), proxies.clone());
        let load = move || kubeconfig::load(&for_kube.0, &for_kube.1);
        let kube = kubeconfig::patiently(kubeconfig::FILES, &readiness, load).await?;
        let leadership = Leadership {
            leading_since: watch::Sender::new(None),
            lease: times.map_or_else(HeldLease::unlimited, |_| HeldLease::not_held()),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            stop: stop.clone(),
            done: CancellationToken::new(),
        };
        let Some(context) =
            context(&config, environment, proxies, &kube, times, &leadership, &readiness).await?
        else {
            return Ok(());
        };
        let reconciling = async {
            reconcile_all(Arc::new(context), &stop).await;
            leadership.done.cancel();
            Ok(())
        };
        let leading = async {
            let Some(times) = times else {
                leadership.take();
                return Ok(());
            };
            leader::lead(kube.clone(), candidate(&config, &kube, times)?, leadership.clone()).await
        };
        tokio::try_join!(reconciling, leading).map(drop)
    };
    tokio::select! {
        // All reconciliations are in this task.
        outcome = heartbeat.during(work) => outcome?,
        () = after(&stop, HANDOVER) => tracing::warn!("shutdown took too long"),
    }
    tracing::info!("the operator has stopped");
    Ok(())
}

/// Runs the controllers until they have ended after `stop`, or until their time is up.
async fn reconcile_all(ctx: Arc<Context>, stop: &CancellationToken) {
    let (key_pairs, resets) =
        (KeyPairs::new(Arc::clone(&ctx)), HostKeyResets::new(Arc::clone(&ctx)));
    let accounts = Accounts::new(Arc::clone(&ctx));
    let serving_accounts = async {
        if ctx.directory.is_on() {
            engine::run(&accounts).await;
        }
    };
    // The operator is not ready before each kind has noted which lists are missing, and each does
    // that before it waits for anything.
    let begun = async {
        tokio::task::yield_now().await;
        ctx.readiness.there(STARTUP);
    };
    let following = tell_who_follows(&ctx);
    let all = async {
        let (key_pairs, resets) = (engine::run(&key_pairs), engine::run(&resets));
        tokio::join!(key_pairs, resets, serving_accounts, begun, following)
    };
    tokio::select! {
        _ = all => {}
        () = after(stop, LAST_STEP) => tracing::warn!("a step did not finish in time; the next \
            leader finds out whether it took effect"),
    }
}

/// Says in `/readyz` that this process does not lead, as long as that is so: what goes wrong with
/// AWS only the one that leads can say.
async fn tell_who_follows(ctx: &Context) {
    let say = |why| ctx.readiness.trouble(Extent::All, "this replica".to_owned(), why);
    say(Some("it does not lead, so it does not call AWS".to_owned()));
    let mut leading = ctx.leading_since.clone();
    tokio::select! {
        _ = leading.wait_for(Option::is_some) => say(None),
        () = ctx.stop.cancelled() => {}
    }
}

/// A token that is cancelled by SIGTERM or SIGINT: the step in flight is then finished, and no
/// other is begun.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping after the steps in progress");
        token.cancel();
    });
    Ok(stop)
}

/// The process ends this long after it was told to, whatever its clients do.
const HANDOVER: Duration = Duration::from_secs(5);
/// Steps in flight have this long to end.
const LAST_STEP: Duration = Duration::from_secs(4);
// Giving back the lease takes a moment too.
const _: () = assert!(LAST_STEP.as_secs() < HANDOVER.as_secs());

async fn after(stop: &CancellationToken, time: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(time).await;
}

/// Who this process is in the election.
fn candidate(
    config: &Config,
    kube: &kube::Config,
    times: leader::Times,
) -> anyhow::Result<Candidate> {
    let own = || kube.default_namespace.clone();
    let namespace = config.lease_namespace.clone().unwrap_or_else(own);
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| anyhow::anyhow!("the system gave no random bytes"))?;
    // The pod's name, and something that a restarted container does not share with its predecessor.
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let identity = format!("{host}_{}", hex::encode(random));
    Ok(Candidate { namespace, lease: config.lease(), identity, times })
}

/// All that reconciliations share; `None` if the operator is to end before the cluster answers.
async fn context(
    config: &Config,
    environment: Environment,
    proxies: Proxies,
    kube: &kube::Config,
    times: Option<leader::Times>,
    leadership: &Leadership,
    readiness: &Readiness,
) -> anyhow::Result<Option<Context>> {
    let Leadership { leading_since, lease, metrics, stop, .. } = leadership;
    let (own, told) = (kube.clone(), readiness.clone());
    let make = move || kubeconfig::client(&own, &told);
    let client = kubeconfig::patiently(kubeconfig::slow_part(kube), readiness, make).await?;
    let complain = |problem| tracing::warn!("no AWS profile is used: {problem}");
    let aws = configuration(config, &environment, proxies, metrics.clone(), complain).await?;
    let cluster_id = match &config.cluster_id {
        Some(id) => id.clone(),
        None => {
            tokio::select! {
                id = cluster_id(&client, readiness) => id,
                () = stop.cancelled() => return Ok(None),
            }
        }
    };
    let regions = Arc::new(Regions::new(config.allowed_regions.clone()));
    let inventory = Arc::new(Inventory::new(&cluster_id, metrics.clone()));
    let settings = Settings {
        cluster_id,
        aws_account_id: config.aws_account_id.clone().map(AccountId::from),
        call_timeout: config.aws_call_timeout,
        settle_time: config.settle_time,
        // Without a Lease, the process before this one may still be stopping, as while a node is
        // drained.
        lease_duration: times.map_or(HANDOVER, |times| times.lease_duration),
        missing_key_grace: config.missing_key_grace,
        source_grace: config.source_grace,
        search_interval: config.search_interval,
        namespaces: config.watch_namespace.clone(),
        label_selector: config.watch_label_selector.clone(),
        is_primary: config.primary,
        concurrency: ConcurrencyLimits::new(usize::from(config.concurrency)),
    };
    let margin = times.map_or(Duration::ZERO, |times| times.write_margin());
    let api_server = ApiServer::new(client, lease.clone(), margin);
    let sessions = Sessions::new(
        aws,
        Sources::new(config, environment),
        config.aws_call_timeout,
        Arc::clone(&regions),
        lease.clone(),
        metrics.clone(),
        readiness.clone(),
    );
    let served = access::Settings {
        is_on: config.accounts,
        is_required: config.accounts_required,
        unscoped: config.unscoped_namespace.clone(),
        namespace: kube.default_namespace.clone(),
        cluster_id: settings.cluster_id.clone(),
        is_primary: settings.is_primary,
    };
    Ok(Some(Context {
        directory: Directory::new(served, api_server.clone(), sessions.clone()),
        api_server,
        sessions,
        regions,
        inventory,
        events: Mutex::default(),
        key_maker: KeyMaker::default(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        settings,
        lease: lease.clone(),
        leading_since: leading_since.subscribe(),
        clocks: Mutex::new(Clocks::read()),
        stop: stop.clone(),
    }))
}

/// The uid of the namespace `kube-system`, as soon as the API server tells it.
async fn cluster_id(client: &Client, readiness: &Readiness) -> String {
    loop {
        let namespace = Api::<Namespace>::all(client.clone()).get_metadata(CLUSTER_NAMESPACE).await;
        match namespace.map(|namespace| namespace.metadata.uid) {
            Ok(Some(uid)) => {
                readiness.there(CLUSTER);
                return uid;
            }
            Ok(None) => {}
            Err(error) => {
                let why = "the namespace kube-system cannot be read; to do without it, set \
                           --cluster-id";
                // Of a server that is not reached its client says so.
                if readiness.missing(CLUSTER, why) && matches!(error, kube::Error::Api(_)) {
                    let error = kube_error::without_content(&error);
                    tracing::warn!(error, "the namespace kube-system cannot be read");
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
