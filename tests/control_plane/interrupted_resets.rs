//! Resets that are interrupted by everything that can go wrong: killed operators, a second leader,
//! lost and late answers, refusals, conflicts and failures of the API server, lists that lag. What
//! goes wrong is chosen by a seed. Whatever it is, nothing is done twice, an end says what is so,
//! and every reset ends (I6, I8).
//!
//! `RESETS` asks for more of them, `SEED` for others. A table of how they ended is printed.
#![expect(clippy::print_stdout, reason = "the table is what a run of it tells")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use http::Method;
use kube::ResourceExt;
use kube::api::ListParams;
use lightsail_operator::api::HostKeyReset;
use lightsail_operator::api::conditions::{COMPLETE, FAILED, is_true};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher, Place};
use testbed::dice::Dice;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, FaultHandle, OperationStatus};
use tokio::sync::Mutex;

use crate::bed::{Bed, DEADLINE, POLL, REGION, ready_reason, set};
use crate::resets::mark;

/// In `make test`.
const RESETS: usize = 150;
/// This many share an operator, and so meet what befalls the others.
const BATCH: usize = 50;
/// Each batch is mostly waiting.
const BATCHES_AT_ONCE: usize = 2;
/// The operator's, so short that a lost answer is settled within seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// Whoever waits for a request that never comes gives up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How an interrupted reset may end.
const ENDS: [&str; 3] = ["OperationSucceeded", "OperationFailed", "OutcomeUnknown"];

/// Where on its way a reset is disturbed in the cluster.
#[derive(Clone, Copy, Debug)]
enum Point {
    Read,
    Intent,
    Mark,
    Result,
    LastMark,
}

const POINTS: [Point; 5] =
    [Point::Read, Point::Intent, Point::Mark, Point::Result, Point::LastMark];

impl Point {
    fn matcher(self, name: &str) -> Matcher {
        let (object, status) =
            (format!("/hostkeyresets/{name}?"), format!("/hostkeyresets/{name}/status"));
        match self {
            Self::Read => Matcher::new(Method::GET, format!("/hostkeyresets/{name}")),
            Self::Intent => Matcher::new(Method::PATCH, status).with_body("\"attempts\":1"),
            Self::Mark => Matcher::new(Method::PATCH, object).with_body("/Started"),
            Self::Result => Matcher::new(Method::PATCH, status).with_body("\"operations\""),
            Self::LastMark => Matcher::new(Method::PATCH, object).with_body("/Succeeded/"),
        }
    }
}

/// What befalls one reset.
#[derive(Clone, Debug)]
enum Disturbance {
    Nothing,
    Call(&'static str, FaultEffect),
    Look(&'static str, FaultEffect),
    ApiFails(Point, u16),
    ApiLosesAnswer(Point, u16),
    KilledInCluster(Point, Place),
    KilledAtLightsail(&'static str, FaultEffect),
}

impl Disturbance {
    fn choose(dice: &mut Dice) -> Self {
        use FaultEffect as Effect;
        let calls = [
            ("cut before", Effect::CutBefore),
            ("cut after", Effect::CutAfter),
            ("too late, never done", Effect::Delay(CALL_TIMEOUT * 2)),
            ("too late, done", Effect::Late(CALL_TIMEOUT + Duration::from_millis(300))),
            ("hangs", Effect::Hang),
            ("garbage", Effect::Garbage),
            ("half an answer", Effect::HalfAnswer),
            ("throttled", Effect::throttling()),
            ("fails", Effect::service_error()),
            ("a page of HTML", Effect::unavailable()),
        ];
        let looks = ["GetInstance", "GetOperationsForResource"];
        match dice.roll(16) {
            0 => Self::Nothing,
            1..=5 => {
                let (name, effect) = dice.one_of(&calls);
                Self::Call(name, effect)
            }
            6 => Self::Look(
                dice.one_of(&looks),
                dice.one_of(&[Effect::throttling(), Effect::service_error(), Effect::CutBefore]),
            ),
            7..=8 => Self::ApiFails(dice.one_of(&POINTS), dice.one_of(&[500, 409, 503])),
            9..=10 => Self::ApiLosesAnswer(dice.one_of(&POINTS), dice.one_of(&[500, 409])),
            11..=13 => Self::KilledInCluster(
                dice.one_of(&POINTS),
                dice.one_of(&[Place::BeforeRequest, Place::BeforeAnswer]),
            ),
            _ => {
                let operation = dice.one_of(&[
                    "GetInstance",
                    "GetOperationsForResource",
                    "DeleteKnownHostKeys",
                ]);
                Self::KilledAtLightsail(
                    operation,
                    dice.one_of(&[Effect::HoldBefore, Effect::HoldAfter]),
                )
            }
        }
    }

    /// The row of the table.
    fn row(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Call(how, _) => format!("the call: {how}"),
            Self::Look(operation, _) => format!("{operation} fails"),
            Self::ApiFails(point, _) => format!("API server fails: {point:?}"),
            Self::ApiLosesAnswer(point, _) => format!("API server's answer lost: {point:?}"),
            Self::KilledInCluster(point, place) => format!("killed: {point:?} {place:?}"),
            Self::KilledAtLightsail(operation, effect) => format!("killed: {operation} {effect:?}"),
        }
    }
}

/// An operator that is killed now and then.
struct Victim {
    operator: Mutex<Operator>,
}

impl Victim {
    async fn kill(&self) {
        let mut operator = self.operator.lock().await;
        operator.restart().await.unwrap();
    }

    /// It sleeps for a while, as an old leader does, and wakes up.
    async fn sleep(&self, time: Duration) {
        let operator = self.operator.lock().await;
        let pid = Pid::from_raw(i32::try_from(operator.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        tokio::time::sleep(time).await;
        kill_process(pid, Signal::CONT).unwrap();
    }
}

/// Puts it in place. What is returned keeps it there.
fn disturb(
    disturbance: &Disturbance,
    bed: &Bed,
    proxy: &ApiProxy,
    victim: &Arc<Victim>,
    name: &str,
) -> (Option<FaultHandle>, Option<tokio::task::JoinHandle<()>>) {
    let fault = |operation: &str, effect: &FaultEffect| {
        Fault::new(operation, effect.clone()).on(name).times(1)
    };
    match disturbance {
        Disturbance::Nothing => (None, None),
        Disturbance::Call(_, effect) => {
            (Some(bed.region.add_fault(fault("DeleteKnownHostKeys", effect))), None)
        }
        // The SDK tries a read three times.
        Disturbance::Look(operation, effect) => (
            Some(bed.region.add_fault(Fault::new(operation, effect.clone()).on(name).times(4))),
            None,
        ),
        Disturbance::ApiFails(point, status) => {
            proxy.fail(point.matcher(name), 2, *status);
            (None, None)
        }
        Disturbance::ApiLosesAnswer(point, status) => {
            proxy.lose(point.matcher(name), 1, *status);
            (None, None)
        }
        Disturbance::KilledInCluster(point, place) => {
            let (held, victim) = (proxy.hold(point.matcher(name), *place), Arc::clone(victim));
            let killing = tokio::spawn(async move {
                if tokio::time::timeout(PATIENCE, held.reached()).await.is_ok() {
                    victim.kill().await;
                }
            });
            (None, Some(killing))
        }
        Disturbance::KilledAtLightsail(operation, effect) => {
            let (held, victim) =
                (bed.region.add_fault(fault(operation, effect)), Arc::clone(victim));
            let killing = tokio::spawn(async move {
                if tokio::time::timeout(PATIENCE, held.reached()).await.is_ok() {
                    victim.kill().await;
                }
            });
            (None, Some(killing))
        }
    }
}

async fn start(bed: &Bed, proxy: &ApiProxy, log: &str) -> Operator {
    let mut options = bed.options(Some(&proxy.url())).await;
    set(&mut options, "--log", "info");
    set(&mut options, "--aws-call-timeout", &seconds(CALL_TIMEOUT));
    set(&mut options, "--settle-time", &seconds(SETTLE_TIME));
    options.log = options.log.with_file_name(log);
    Operator::start(options).await.unwrap()
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// What is so for all resets of a batch.
#[derive(Debug)]
struct Weather {
    lag: Duration,
    has_second_leader: bool,
    sleeps: bool,
}

fn make_weather(bed: &Bed, dice: &mut Dice) -> Weather {
    let lag = Duration::from_secs(dice.one_of(&[0, 0, 1, 2, 20]));
    let polls = dice.one_of(&[0, 0, 1, 2]);
    let operations = dice.one_of(&[1, 1, 1, 0, 2]);
    // An answer without operations cannot say that one failed.
    let statuses =
        [OperationStatus::Succeeded, OperationStatus::Completed, OperationStatus::Failed];
    let status = dice.one_of(if operations == 0 { &statuses[..2] } else { &statuses });
    let header = dice.roll(2) == 0;
    bed.region.set_switches(|switches| {
        switches.operation_list_lag = lag;
        switches.operation_polls = polls;
        switches.reset_operations = operations;
        switches.operation_status = status;
        switches.error_type_header = header;
    });
    Weather { lag, has_second_leader: dice.roll(3) == 0, sleeps: dice.roll(3) == 0 }
}

/// By disturbance and end: how many.
type Table = BTreeMap<String, BTreeMap<String, usize>>;

async fn batch(seed: u64, count: usize) -> Table {
    let dice = &mut Dice::new(seed);
    let bed = Bed::new("interrupted").await;
    let weather = make_weather(&bed, dice);
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let victim =
        Arc::new(Victim { operator: Mutex::new(start(&bed, &proxy, "operator.log").await) });
    let second = if weather.has_second_leader {
        Some(start(&bed, &proxy, "second.log").await)
    } else {
        None
    };
    let resets: Vec<_> = (0..count)
        .map(|number| (format!("reset-{number:03}"), Disturbance::choose(dice)))
        .collect();
    let mut handles = Vec::new();
    for (name, disturbance) in &resets {
        bed.region.add_instance(name);
        handles.push(disturb(disturbance, &bed, &proxy, &victim, name));
    }
    let creations = resets.iter().map(|(name, _)| {
        let spec =
            json!({ "region": REGION, "instanceName": name, "reason": "the interrupted run" });
        let bed = &bed;
        async move { bed.create::<HostKeyReset>(name, &spec).await }
    });
    futures::future::join_all(creations).await;
    if weather.sleeps {
        victim.sleep(CALL_TIMEOUT * 2).await;
    }
    let objects = wait_for_ends(&bed, count, &format!("seed {seed}, {weather:?}")).await;
    let mut table = Table::new();
    for (name, disturbance) in &resets {
        let what = format!("the end of seed {seed}, {disturbance:?}, {weather:?}");
        let end = check(&bed, name, &objects[name], &weather, &what);
        *table.entry(disturbance.row()).or_default().entry(end).or_default() += 1;
    }
    for (_, killing) in handles {
        if let Some(killing) = killing {
            killing.abort();
        }
    }
    drop(second);
    table
}

/// Waits until all have ended. Requests that are refused slow down all resets of the batch, so one
/// of them hangs only if none has ended for long.
async fn wait_for_ends(bed: &Bed, count: usize, what: &str) -> BTreeMap<String, HostKeyReset> {
    let (mut ended, mut last) = (0, Instant::now());
    loop {
        let all = bed.api::<HostKeyReset>().list(&ListParams::default()).await.unwrap();
        let over: BTreeMap<_, _> =
            all.into_iter().filter(is_over).map(|object| (object.name_any(), object)).collect();
        if over.len() == count {
            return over;
        }
        if over.len() > ended {
            (ended, last) = (over.len(), Instant::now());
        }
        assert!(
            last.elapsed() < DEADLINE,
            "{ended} of {count} have ended: {what}\n{}",
            bed.report().await
        );
        tokio::time::sleep(POLL * 10).await;
    }
}

/// It ended, and its mark says so too.
fn is_over(object: &HostKeyReset) -> bool {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    (is_true(conditions, COMPLETE) && mark(object).contains("/Succeeded/"))
        || (is_true(conditions, FAILED) && mark(object).contains("/Failed/"))
}

/// Checks that what the object says is so. How it ended, in words.
fn check(bed: &Bed, name: &str, object: &HostKeyReset, weather: &Weather, what: &str) -> String {
    let status = object.status.clone().unwrap();
    let done = bed.region.known_host_keys_resets(name);
    assert!(done <= 1, "done {done} times: {what}\n{status:?}");
    let operations = bed.region.operations_for(name);
    for recorded in &status.operations {
        assert!(
            operations.iter().any(|own| Some(&own.id) == recorded.id.as_ref()),
            "not its own: {what}\n{status:?}"
        );
    }
    let reason = ready_reason(object);
    match reason.as_str() {
        "OperationSucceeded" => assert_eq!(done, 1, "it says that it was done: {what}\n{status:?}"),
        "OperationFailed" => {
            assert!(
                status.operations.iter().any(|it| it.status.as_deref() == Some("Failed")),
                "{what}\n{status:?}"
            );
        }
        "OutcomeUnknown" => {
            // Whatever could be seen then would have been found. Status times are whole seconds,
            // and the last list is a moment older.
            let end = std::time::SystemTime::from(status.completion_time.unwrap().0)
                - Duration::from_secs(2);
            let seen = operations.iter().any(|operation| operation.created_at + weather.lag < end);
            assert!(!seen, "its operation was to be seen: {what}\n{operations:?}");
        }
        _ => assert!(
            ENDS.contains(&reason.as_str()),
            "an end that does not belong here: {what}\n{status:?}"
        ),
    }
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_i8_interrupted_resets_are_done_at_most_once_and_end_as_they_say() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<usize>().unwrap());
    let (resets, seed) = (number("RESETS").unwrap_or(RESETS), number("SEED").unwrap_or(1));
    let start = Instant::now();
    let sizes =
        (0..resets.div_ceil(BATCH)).map(|index| (seed + index, BATCH.min(resets - index * BATCH)));
    let tables: Vec<Table> = futures::stream::iter(sizes)
        .map(|(seed, count)| batch(seed as u64, count))
        .buffer_unordered(BATCHES_AT_ONCE)
        .collect()
        .await;
    let mut ends: Table = Table::new();
    for (row, counts) in tables.into_iter().flatten() {
        for (end, count) in counts {
            *ends.entry(row.clone()).or_default().entry(end).or_default() += count;
        }
    }
    println!(
        "{resets} interrupted resets from seed {seed}, in {:.0} s, ended as they say:",
        start.elapsed().as_secs_f64()
    );
    println!("{:60} {:>18} {:>15} {:>14}", "", ENDS[0], ENDS[1], ENDS[2]);
    for (row, counts) in &ends {
        let count = |end: &str| counts.get(end).copied().unwrap_or_default();
        println!("{row:60} {:>18} {:>15} {:>14}", count(ENDS[0]), count(ENDS[1]), count(ENDS[2]));
    }
    let total: usize = ends.values().flat_map(BTreeMap::values).sum();
    assert_eq!(total, resets);
}
