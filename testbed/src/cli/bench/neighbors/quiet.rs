//! The quiet namespace: one key pair after the other, and how long each takes to become Ready; and
//! in turn with them one that a bare client makes Ready, in a namespace as quiet.

use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{Stream, StreamExt};
use kube::api::{DeleteParams, DynamicObject};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::aws::QUIET;
use super::objects::{Object, create};
use crate::cli::bench::bare_client::BareClient;
use crate::cli::bench::figures::{Figure, quantile};
use crate::cli::bench::fleet::{self, At, is_ready, resource};
use crate::cli::bench::simulator::KEY;
use crate::cli::simulator::REGION;

/// How many key pairs at least.
pub(super) const SAMPLES: usize = 10;
/// Between them, so that they are spread over the attack.
const PAUSE: Duration = Duration::from_secs(1);
/// A key pair that is not Ready by then counts as one that takes forever.
const LONGEST: Duration = Duration::from_mins(1);
/// How long key pairs that take forever are waited for, one after the other.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the bare client's objects are in.
pub(super) const BARE: &str = "bare";

/// Times until Ready.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// Of the operator's key pairs.
    pub(super) operator: Times,
    /// Of the bare client's.
    pub(super) bare: Times,
}

/// The times until Ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Those that took longer than [`LONGEST`] are [`Duration::MAX`].
    ready: Vec<Duration>,
    /// How long the API server took to create each object, without the operator.
    created: Vec<Duration>,
    /// What the API server refused, for example.
    errors: Vec<String>,
}

impl Times {
    fn add(&mut self, outcome: Result<Option<(Duration, Duration)>>) {
        match outcome {
            Ok(Some((creation, ready))) => {
                self.created.push(creation);
                self.ready.push(ready);
            }
            Ok(None) => self.ready.push(Duration::MAX),
            Err(error) => self.errors.push(format!("{error:#}")),
        }
    }

    fn quantile(&self, share: usize) -> Option<Duration> {
        (!self.ready.is_empty()).then(|| quantile(&mut self.ready.clone(), share))
    }

    /// Median and worst.
    pub(super) fn text(&self) -> String {
        let shown = |share| match self.quantile(share) {
            None => "failed".to_owned(),
            Some(Duration::MAX) => format!("> {} s", LONGEST.as_secs()),
            Some(time) => Figure::time(time).to_string(),
        };
        format!("{} / {}", shown(500), shown(1000))
    }

    /// The ratio of the medians.
    pub(super) fn ratio(&self, alone: &Self) -> String {
        let both = self.quantile(500).zip(alone.quantile(500));
        match both.filter(|(_, alone)| *alone != Duration::MAX) {
            None => "failed".to_owned(),
            Some((Duration::MAX, alone)) => {
                format!("> {:.0}", LONGEST.as_secs_f64() / alone.as_secs_f64())
            }
            Some((beside, alone)) => format!("{:.2}", beside.as_secs_f64() / alone.as_secs_f64()),
        }
    }

    /// What else is to be said.
    pub(super) fn notes(&self, when: &str) -> Vec<String> {
        let late = self.ready.iter().filter(|time| **time == Duration::MAX).count();
        let late = (late > 0).then(|| {
            let (all, longest) = (self.ready.len(), LONGEST.as_secs());
            format!("{when}: {late} of {all} key pairs not Ready within {longest} s")
        });
        let mut creations = self.created.clone();
        let creation = (!creations.is_empty()).then(|| {
            let time = Figure::time(quantile(&mut creations, 500));
            format!("{when}: the API server created an object in {time} (median)")
        });
        let count = self.errors.len();
        let errors = self.errors.first().map(|error| {
            format!("{when}: {count} key pairs could not be measured, the first: {error}")
        });
        creation.into_iter().chain(late).chain(errors).collect()
    }
}

/// What is seen of the key pairs of a namespace.
type Events = Pin<Box<dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send>>;

/// Key pairs in a region, one after the other, until enough were made and `is_over`. The bare
/// client's come in turn with them.
pub(super) async fn sample(
    client: &Client,
    bare: Option<&BareClient>,
    when: &str,
    region: Option<&str>,
    least: usize,
    is_over: impl Fn() -> bool,
) -> Sampled {
    let (start, mut sampled, mut number) = (Instant::now(), Sampled::default(), 0);
    let (mut of_quiet, mut of_bare) = (watch(client, QUIET), watch(client, BARE));
    while number < least || !is_over() {
        let name = format!("{QUIET}-{when}-{number}");
        let region = region.unwrap_or(REGION);
        let outcome = of_operator(client, &mut of_quiet, name.clone(), region);
        sampled.operator.add(Box::pin(outcome).await);
        if let Some(bare) = bare {
            let outcome = of_bare_client(client, &mut of_bare, bare, name);
            sampled.bare.add(Box::pin(outcome).await);
        }
        number += 1;
        if start.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    sampled
}

/// How long the creation of one key pair takes, and how long it takes to become Ready. It is
/// deleted again.
async fn of_operator(
    client: &Client,
    events: &mut Events,
    name: String,
    region: &str,
) -> Result<Option<(Duration, Duration)>> {
    let spec = json!({"type": "Imported", "region": region, "imported": {"publicKey": KEY}});
    let object = Object { name: name.clone(), spec, annotation: None };
    let at = At { namespace: QUIET.to_owned(), name, ..At::default() };
    let kind = resource();
    let created = create(client, &kind, QUIET, object);
    let time = time_until_ready(events, &at, created, async { Ok(()) }).await?;
    at.api(client).delete(&at.name, &DeleteParams::default()).await.context("delete it")?;
    // A watch that begins anew does not tell what it missed.
    let is_gone = |event: &Event<DynamicObject>| match event {
        Event::Delete(it) => it.name_any() == at.name,
        Event::InitDone => true,
        Event::Apply(_) | Event::Init | Event::InitApply(_) => false,
    };
    // The next one has another name and does not wait for this one.
    let _ = tokio::time::timeout(LONGEST, next(events, is_gone)).await;
    Ok(time)
}

/// The same of one that the bare client makes Ready as soon as it is there.
async fn of_bare_client(
    client: &Client,
    events: &mut Events,
    bare: &BareClient,
    name: String,
) -> Result<Option<(Duration, Duration)>> {
    let at = At { namespace: BARE.to_owned(), name, shard: Some(0), ..At::default() };
    let created = fleet::create(client, &at);
    let time = time_until_ready(events, &at, created, bare.make_ready(&at)).await?;
    at.api(client).delete(&at.name, &DeleteParams::default()).await.context("delete it")?;
    bare.release(&at).await?;
    Ok(time)
}

/// How long a creation takes, and how long it takes until the object is seen Ready. What is to be
/// done then is begun when it is created. None is longer than [`LONGEST`].
async fn time_until_ready(
    events: &mut Events,
    at: &At,
    created: impl Future<Output = Result<()>>,
    then: impl Future<Output = Result<()>>,
) -> Result<Option<(Duration, Duration)>> {
    let start = Instant::now();
    let ready = async {
        let is_it = |it: &DynamicObject| it.name_any() == at.name && is_ready(it);
        next(events, |event| matches!(event, Event::Apply(it) | Event::InitApply(it) if is_it(it)))
            .await?;
        anyhow::Ok(start.elapsed())
    };
    let created = async {
        created.await?;
        let time = start.elapsed();
        then.await?;
        anyhow::Ok(time)
    };
    let both = async { futures::try_join!(created, ready) };
    Box::pin(tokio::time::timeout(LONGEST, both)).await.ok().transpose()
}

/// One watch for all key pairs of a namespace. One for each would take a new connection, which is
/// not what is measured: it takes longer than a key pair does.
fn watch(client: &Client, namespace: &str) -> Events {
    let at = At { namespace: namespace.to_owned(), ..At::default() };
    Box::pin(watcher(at.api(client), watcher::Config::default()).default_backoff())
}

/// Waits for an event of the watch, which begins anew by itself after an error.
async fn next(
    events: &mut Events,
    is_wanted: impl Fn(&Event<DynamicObject>) -> bool,
) -> Result<()> {
    while let Some(event) = events.next().await {
        if event.is_ok_and(|event| is_wanted(&event)) {
            return Ok(());
        }
    }
    bail!("the watch ended")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Times;

    #[test]
    fn what_takes_forever_and_what_failed_is_shown_as_such() {
        let times = |times: &[u64]| {
            let times = times.iter().map(|it| match it {
                0 => Duration::MAX,
                it => Duration::from_millis(*it),
            });
            Times { ready: times.collect(), ..Times::default() }
        };
        let alone = times(&[100, 200, 300]);
        for (beside, text, ratio) in [
            (&[100, 400, 5000][..], "400 ms / 5.00 s", "2.00"),
            (&[100, 400, 0], "400 ms / > 60 s", "2.00"),
            (&[0, 0, 100], "> 60 s / > 60 s", "> 300"),
            (&[], "failed / failed", "failed"),
        ] {
            let beside = times(beside);
            assert_eq!((beside.text(), beside.ratio(&alone)), (text.into(), ratio.into()));
        }
        assert_eq!(alone.ratio(&times(&[0])), "failed");
    }
}
