//! Watches: a list and then its changes, for each kind and namespace, and what they do to the rows.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use kube::runtime::utils::{Backoff, WatchStreamExt};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};

use crate::api::Reconciled;
use crate::error::is_status;

use super::rows::{Row, Rows};
use super::{Context, ObjectRef};

/// What came from a watch.
pub(super) enum Change<K> {
    Applied(K),
    Gone(ObjectRef),
    /// A list is complete; what is not in it is gone.
    Listed {
        namespace: Option<String>,
        seen: HashSet<ObjectRef>,
    },
}

impl<K: Reconciled> Change<K> {
    /// Brings the rows up to date. The objects for which a pass is due.
    pub(super) fn take_in(self, rows: &mut Rows, row_of: impl Fn(&K) -> Row) -> Vec<ObjectRef> {
        match self {
            Self::Applied(object) => {
                let at = reference(&object);
                if rows.apply(&at, row_of(&object)) { vec![at] } else { Vec::new() }
            }
            Self::Gone(at) => {
                rows.remove(&at);
                Vec::new()
            }
            Self::Listed { namespace, seen } => {
                for at in rows.others(namespace.as_deref(), &seen) {
                    rows.remove(&at);
                }
                Vec::new()
            }
        }
    }
}

fn reference<K: Resource>(object: &K) -> ObjectRef {
    ObjectRef { namespace: object.meta().namespace.clone().unwrap_or_default(), name: object.name_any() }
}

/// The watches of a kind.
pub(super) type Watches<K> = SelectAll<Pin<Box<dyn Stream<Item = Change<K>> + Send>>>;

/// One watch for each namespace, or one for all.
pub(super) fn watch<K: Reconciled>(ctx: &Context, kind: &str) -> Watches<K> {
    let namespaces: Vec<Option<String>> = if ctx.settings.namespaces.is_empty() {
        vec![None]
    } else {
        ctx.settings.namespaces.iter().cloned().map(Some).collect()
    };
    let watch = |namespace: Option<String>| watch_one::<K>(ctx, kind, namespace).boxed();
    namespaces.into_iter().map(watch).collect()
}

fn watch_one<K: Reconciled>(
    ctx: &Context,
    kind: &str,
    namespace: Option<String>,
) -> impl Stream<Item = Change<K>> + use<K> {
    let api: Api<K> = match &namespace {
        Some(namespace) => Api::namespaced(ctx.client.clone(), namespace),
        None => Api::all(ctx.client.clone()),
    };
    let what = namespace.as_ref().map_or_else(|| kind.to_owned(), |namespace| format!("{kind} in {namespace}"));
    let readiness = ctx.readiness.clone();
    readiness.missing(&what, "not listed yet");
    let mut seen = HashSet::new();
    let crd = K::crd_name();
    // List and watch: servers without streaming lists have no fallback.
    let events = watcher::watcher(api, watcher::Config::default()).backoff(Pauses::default());
    events.filter_map(move |event| {
        let change = match event {
            Ok(Event::Init) => {
                seen.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                seen.insert(reference(&object));
                Some(Change::Applied(object))
            }
            Ok(Event::InitDone) => {
                readiness.there(&what);
                Some(Change::Listed { namespace: namespace.clone(), seen: std::mem::take(&mut seen) })
            }
            Ok(Event::Apply(object)) => Some(Change::Applied(object)),
            Ok(Event::Delete(object)) => Some(Change::Gone(reference(&object))),
            // Without a list nothing is known. A watch that is interrupted afterwards goes on by itself, or lists again.
            Err(watcher::Error::InitialListFailed(error)) => {
                if readiness.missing(&what, why(&error, crd)) {
                    tracing::warn!(kind = what, "waiting: {}", why(&error, crd));
                }
                None
            }
            Err(error) => {
                tracing::debug!(kind = what, %error, "the watch was interrupted");
                None
            }
        };
        std::future::ready(change)
    })
}

/// Why a list cannot be had, in words that do not change while the cause stays.
fn why(error: &kube::Error, crd: &str) -> String {
    if is_status(error, 404) {
        format!("the custom resource definition {crd} is not installed; apply it, and this goes on by itself")
    } else if is_status(error, 403) {
        "the operator's service account may not list and watch it".to_owned()
    } else {
        "the Kubernetes API server does not answer as it should".to_owned()
    }
}

/// Between tries of a watch: from half a second to five, so that a definition that was just applied is noticed soon.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = self.0.saturating_add(1).min(10);
        Some(Duration::from_millis(500) * self.0)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
