//! Watches: a list and then its changes, for each kind and namespace, and what they do to the rows.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::time::Instant;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};

use crate::api::Reconciled;
use crate::api_server::{ApiServer, READ_TIMEOUT};
use crate::kube_error::{is_status, without_content};
use crate::page_limit::MANY;
use crate::readiness;

use super::concurrency::Class;
use super::context::Context;
use super::discovery;
use super::object_ref::ObjectRef;
use super::objects;
use super::relist::{AFTER_REFUSAL, Happened, Watched, lists_again};
use super::rows::{Claim, Due, Removed, Row, Rows};
use super::served::Served;
use super::watch_client;

/// An event from a watch.
pub(super) enum Change<K> {
    Applied(Served<K>),
    /// Its last state.
    Gone(Box<Served<K>>),
    /// A list begins.
    Listing {
        namespace: Option<String>,
    },
    /// A list is complete; what is not in it is gone.
    Listed {
        namespace: Option<String>,
        seen: HashSet<ObjectRef>,
    },
    /// A list failed.
    Unlisted {
        namespace: Option<String>,
        /// The API server does not know the kind: there are no objects of it.
        is_unknown: bool,
    },
}

impl<K: Reconciled> Change<K> {
    /// Brings the rows up to date.
    pub(super) fn apply_to<C: Claim>(
        self,
        rows: &mut Rows<C>,
        row_of: impl Fn(&K) -> Row<C>,
        now: Instant,
    ) -> Effects<C> {
        let mut effects = Effects { due: Vec::new(), gone: Vec::new(), unreadable: None };
        let gone = match self {
            Self::Applied(Served::Readable(object)) => {
                effects.due = rows.apply(&ObjectRef::of(&object), row_of(&object), now);
                return effects;
            }
            Self::Applied(Served::Unreadable(object)) => {
                let at = ObjectRef::of_metadata(&object.metadata);
                let seen = object.seen();
                let before = rows.note_unreadable(at.clone(), seen.clone());
                if before.as_ref() == Some(&seen) {
                    return effects;
                }
                // So its conditions say so. Whoever may edit it can make it unreadable and readable
                // again and again.
                let from = rows.pace(&at, now);
                effects.due.push(Due { at: at.clone(), class: Class::Change, from });
                if seen.is_news(before.as_ref()) && rows.may_name(&at, now) {
                    effects.unreadable = Some((at, object.field));
                }
                return effects;
            }
            Self::Gone(object) => vec![ObjectRef::of(&*object)],
            Self::Listed { namespace, seen } => {
                rows.note_listed(namespace.as_deref());
                rows.others(namespace.as_deref(), &seen)
            }
            Self::Listing { .. } | Self::Unlisted { .. } => Vec::new(),
        };
        for at in gone {
            let Removed { row, next } = rows.remove(&at);
            let next = next.into_iter();
            effects.due.extend(next.map(|at| Due { at, class: Class::Change, from: now }));
            effects.gone.push((at, row));
        }
        effects
    }
}

/// Which first lists are still being read. Until they are complete, other objects with the same
/// claim may be unknown, so no reconciliation begins. That is so too if a page of a list fails, and
/// it begins anew. The list of a namespace that keeps failing does not delay the other namespaces.
/// But if none can be listed, the API server is away, and each is waited for.
#[derive(Debug, Default)]
pub(super) struct FirstLists {
    open: HashSet<Option<String>>,
    listed: HashSet<Option<String>>,
    failures: HashMap<Option<String>, u32>,
}

/// After this many failures of a namespace's list while another's works, the others go on without
/// it.
const PATIENCE: u32 = 3;

impl FirstLists {
    pub(super) fn note<K>(&mut self, change: &Change<K>) {
        match change {
            Change::Listing { namespace } => {
                if !self.listed.contains(namespace) && !self.is_given_up(namespace.as_ref()) {
                    self.open.insert(namespace.clone());
                }
            }
            Change::Listed { namespace, .. } => {
                self.open.remove(namespace);
                self.listed.insert(namespace.clone());
            }
            Change::Unlisted { namespace, is_unknown } => {
                let failures = self.failures.entry(namespace.clone()).or_default();
                if !self.listed.is_empty() {
                    *failures = failures.saturating_add(1);
                }
                if *is_unknown || self.is_given_up(namespace.as_ref()) {
                    self.open.remove(namespace);
                }
            }
            Change::Applied(_) | Change::Gone(_) => {}
        }
    }

    /// Whether the list of a namespace has failed so often that it is not waited for.
    fn is_given_up(&self, namespace: Option<&String>) -> bool {
        let failures = self.failures.get(&namespace.cloned()).copied().unwrap_or_default();
        namespace.is_some() && failures >= PATIENCE
    }

    pub(super) fn are_complete(&self) -> bool {
        self.open.is_empty()
    }
}

/// What a change means.
#[derive(Debug)]
pub(super) struct Effects<C> {
    /// The reconciliations that are due.
    pub(super) due: Vec<Due>,
    /// The objects that are gone, and what was kept of each. Of one that was never readable, that
    /// is nothing.
    pub(super) gone: Vec<(ObjectRef, Option<Row<C>>)>,
    /// An object that cannot be read, and the field.
    pub(super) unreadable: Option<(ObjectRef, String)>,
}

/// The seconds after which the API server ends a watch, which then goes on where it was. If its
/// connection is dead, the end never arrives, and the watch is given up a moment later.
const WATCH_TIME: u32 = 20;
/// kube's watcher waits this many seconds longer.
const MARGIN: u64 = 5;
// A watch without news is no dead connection. If the connection on which the next watch
// is begun is dead too, both are noticed within a minute.
const _: () = assert!(WATCH_TIME as u64 + MARGIN < READ_TIMEOUT.as_secs());
const _: () = assert!(WATCH_TIME as u64 + MARGIN + READ_TIMEOUT.as_secs() < 60);

/// The watches of a kind.
pub(super) type Watches<K> = SelectAll<Pin<Box<dyn Stream<Item = Change<K>> + Send>>>;

/// One watch for each namespace, or one for all.
pub(super) fn watch<K: Reconciled>(ctx: &Context, kind: &str) -> Watches<K> {
    let is_one = !K::IS_NAMESPACED || ctx.settings.namespaces.is_empty();
    let namespaces: Vec<Option<String>> = if is_one {
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
    let (client, last_run) = watch_client::of(ctx.api_server.client());
    let api = objects::api::<K>(&client, namespace.as_deref());
    let (kind, what) = (kind.to_owned(), readiness::list(kind, namespace.as_deref()));
    let readiness = ctx.readiness.clone();
    readiness.missing(&what, "not listed yet");
    let (mut seen, mut refused_at) = (HashSet::new(), None);
    let crd = K::crd_name();
    // List and watch: servers without streaming lists have no fallback.
    let config = watcher::Config {
        // Accounts serve the objects of all operators.
        label_selector: ctx.settings.label_selector.clone().filter(|_| K::IS_NAMESPACED),
        timeout: Some(WATCH_TIME),
        page_size: Some(MANY),
        ..watcher::Config::default()
    };
    let events = move || watcher::watcher(api.clone(), config.clone());
    let api_server = ctx.api_server.clone();
    let explained = lists_again(last_run, events).then(move |watched| {
        let api_server = api_server.clone();
        async move { (is_served::<K>(&api_server, &watched.event).await, watched) }
    });
    explained.filter_map(move |(is_served, Watched { event, is_given_up })| {
        let change = match event {
            Ok(Event::Init) => {
                seen.clear();
                Some(Change::Listing { namespace: namespace.clone() })
            }
            Ok(Event::InitApply(object)) => {
                seen.insert(ObjectRef::of(&object));
                Some(Change::Applied(object))
            }
            Ok(Event::InitDone) => {
                readiness.listed(&kind, namespace.as_deref());
                Some(Change::Listed {
                    namespace: namespace.clone(),
                    seen: std::mem::take(&mut seen),
                })
            }
            Ok(Event::Apply(object)) => Some(Change::Applied(object)),
            Ok(Event::Delete(object)) => Some(Change::Gone(Box::new(object))),
            // Without a list nothing is known. A watch that is interrupted afterwards goes on by
            // itself, or lists again.
            Err(
                error @ (watcher::Error::InitialListFailed(_) | watcher::Error::NoResourceVersion),
            ) => {
                let why = why(&error, is_served, crd);
                if readiness.unlisted(&kind, namespace.as_deref(), why.clone()) {
                    tracing::warn!(kind = what, "waiting: {why}");
                }
                let is_unknown = is_served == Some(false);
                Some(Change::Unlisted { namespace: namespace.clone(), is_unknown })
            }
            Err(error) if is_given_up => {
                // Its list may work, so this happens again and again.
                let why = why(&error, is_served, crd);
                readiness.unlisted(&kind, namespace.as_deref(), why.clone());
                let last = refused_at.replace(Instant::now());
                if last.is_none_or(|last: Instant| last.elapsed() > AFTER_REFUSAL * 4) {
                    tracing::warn!(kind = what, "waiting: {why}");
                }
                None
            }
            Err(error) => {
                tracing::debug!(
                    kind = what,
                    error = described(&error),
                    "the watch was interrupted"
                );
                None
            }
        };
        std::future::ready(change)
    })
}

/// Whether the API server serves the kind, if a list or a watch failed because it may not. `None`
/// if nobody knows.
async fn is_served<K: Reconciled>(api_server: &ApiServer, event: &Happened<K>) -> Option<bool> {
    match event {
        Err(
            watcher::Error::InitialListFailed(kube::Error::Api(answer))
            | watcher::Error::WatchStartFailed(kube::Error::Api(answer)),
        ) if answer.code == 404 => discovery::is_served::<K>(api_server).await,
        _ => Some(true),
    }
}

/// What went wrong with a watch, without any content that was sent.
fn described(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => without_content(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => error.to_string(),
    }
}

const NO_GOOD_ANSWER: &str = "the Kubernetes API server does not respond as it should";

/// Why a list or a watch failed, in words that do not change while the cause stays.
fn why(error: &watcher::Error, is_served: Option<bool>, crd: &str) -> String {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
        error
    else {
        return NO_GOOD_ANSWER.to_owned();
    };
    if is_served == Some(false) {
        format!(
            "the custom resource definition {crd} is not installed; apply it, and the operator \
             continues without a restart"
        )
    } else if is_status(error, 403) {
        format!("the operator's ServiceAccount is not allowed to list and watch {crd}")
    } else if is_served.is_none() {
        format!(
            "the Kubernetes API server does not find {crd}, and does not say whether it is \
             installed; if it refuses /apis to the operator's ServiceAccount, grant the \
             ClusterRole system:discovery"
        )
    } else {
        NO_GOOD_ANSWER.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_begun_while_a_first_list_is_being_read() {
        let mut lists = FirstLists::default();
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        let mut check = |change: Change<()>, expected| {
            lists.note(&change);
            assert_eq!(lists.are_complete(), expected);
        };
        check(Change::Listing { namespace: a.clone() }, false);
        check(Change::Listing { namespace: b.clone() }, false);
        check(Change::Applied(Served::Readable(())), false);
        check(Change::Listed { namespace: a.clone(), seen: HashSet::new() }, false);
        check(Change::Unlisted { namespace: b.clone(), is_unknown: true }, true);
        check(Change::Listing { namespace: a }, true);
        check(Change::Listing { namespace: b }, false);
    }

    #[test]
    fn an_api_server_that_is_away_is_no_fault_of_a_namespace() {
        let mut lists = FirstLists::default();
        let namespaces = [Some("a".to_owned()), Some("b".to_owned())];
        for namespace in namespaces.iter().cycle().take(10).cloned() {
            lists.note(&Change::<()>::Listing { namespace: namespace.clone() });
            lists.note(&Change::<()>::Unlisted { namespace, is_unknown: false });
            assert!(!lists.are_complete());
        }
    }

    #[test]
    fn a_first_list_that_fails_halfway_is_waited_for() {
        // That of one namespace, only for a while: it must not stop the others.
        for (namespace, goes_on) in [(None, false), (Some("a".to_owned()), true)] {
            let mut lists = FirstLists::default();
            let another =
                Change::<()>::Listed { namespace: Some("b".to_owned()), seen: HashSet::new() };
            if namespace.is_some() {
                lists.note(&another);
            }
            let mut check = |change: Change<()>, expected| {
                lists.note(&change);
                assert_eq!(lists.are_complete(), expected, "{namespace:?}");
            };
            let listing = || Change::Listing { namespace: namespace.clone() };
            let unlisted = || Change::Unlisted { namespace: namespace.clone(), is_unknown: false };
            check(listing(), false);
            check(Change::Applied(Served::Readable(())), false);
            check(unlisted(), false);
            check(listing(), false);
            check(unlisted(), false);
            check(listing(), false);
            check(unlisted(), goes_on);
            // A list that gets no answer takes most of the time.
            check(listing(), goes_on);
            check(Change::Listed { namespace: namespace.clone(), seen: HashSet::new() }, true);
        }
    }
}
