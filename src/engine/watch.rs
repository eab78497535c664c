//! Watches: a list and then its changes, for each kind and namespace, and what they do to the rows.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use kube::Api;
use kube::runtime::utils::{Backoff, WatchStreamExt};
use kube::runtime::watcher::{self, Event};

use crate::api::Reconciled;
use crate::error::is_status;

use super::context::Context;
use super::object_ref::ObjectRef;
use super::queue::Class;
use super::rows::{Claim, Row, Rows};

/// What came from a watch.
pub(super) enum Change<K> {
    Applied(K),
    /// As it was last.
    Gone(Box<K>),
    /// A list is begun.
    Listing {
        namespace: Option<String>,
    },
    /// A list is complete; what is not in it is gone.
    Listed {
        namespace: Option<String>,
        seen: HashSet<ObjectRef>,
    },
    /// A list cannot be had.
    Unlisted {
        namespace: Option<String>,
    },
}

impl<K: Reconciled> Change<K> {
    /// The object that is gone.
    pub(super) fn gone(&self) -> Option<&K> {
        if let Self::Gone(object) = self { Some(object) } else { None }
    }

    /// Brings the rows up to date.
    pub(super) fn apply_to<C: Claim>(
        self,
        rows: &mut Rows<C>,
        row_of: impl Fn(&K) -> Row<C>,
    ) -> News {
        let gone = match self {
            Self::Applied(object) => {
                return News {
                    due: rows.apply(&ObjectRef::of(&object), row_of(&object)),
                    gone: Vec::new(),
                };
            }
            Self::Gone(object) => vec![ObjectRef::of(&*object)],
            Self::Listed { namespace, seen } => {
                rows.note_listed(namespace.as_deref());
                rows.others(namespace.as_deref(), &seen)
            }
            Self::Listing { .. } | Self::Unlisted { .. } => Vec::new(),
        };
        let mut news = News { due: Vec::new(), gone: Vec::new() };
        for at in gone {
            let uid = rows.get(&at).map(|row| row.uid.clone()).unwrap_or_default();
            news.due.extend(rows.remove(&at).map(|heir| (heir, Class::Change)));
            news.gone.push((at, uid));
        }
        news
    }
}

/// Which first lists are being read. Until they are, nobody knows who else wants the same, and no
/// reconciliation is begun. A list that cannot be had holds up nobody else.
#[derive(Debug, Default)]
pub(super) struct FirstLists {
    open: HashSet<Option<String>>,
    listed: HashSet<Option<String>>,
}

impl FirstLists {
    pub(super) fn note<K>(&mut self, change: &Change<K>) {
        match change {
            Change::Listing { namespace } if !self.listed.contains(namespace) => {
                self.open.insert(namespace.clone());
            }
            Change::Listed { namespace, .. } => {
                self.open.remove(namespace);
                self.listed.insert(namespace.clone());
            }
            Change::Unlisted { namespace } => {
                self.open.remove(namespace);
            }
            Change::Listing { .. } | Change::Applied(_) | Change::Gone(_) => {}
        }
    }

    pub(super) fn are_complete(&self) -> bool {
        self.open.is_empty()
    }
}

/// What a change means.
#[derive(Debug)]
pub(super) struct News {
    /// The objects for which a reconciliation is due.
    pub(super) due: Vec<(ObjectRef, Class)>,
    /// The objects that are gone, with their uids.
    pub(super) gone: Vec<(ObjectRef, String)>,
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
        Some(namespace) => Api::namespaced(ctx.api_server.client().clone(), namespace),
        None => Api::all(ctx.api_server.client().clone()),
    };
    let what = namespace
        .as_ref()
        .map_or_else(|| kind.to_owned(), |namespace| format!("{kind} in {namespace}"));
    let readiness = ctx.readiness.clone();
    readiness.missing(&what, "not listed yet");
    let mut seen = HashSet::new();
    let crd = K::crd_name();
    // List and watch: servers without streaming lists have no fallback.
    let config = watcher::Config {
        label_selector: ctx.settings.label_selector.clone(),
        ..watcher::Config::default()
    };
    let events = watcher::watcher(api, config).backoff(Pauses::default());
    events.filter_map(move |event| {
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
                readiness.there(&what);
                Some(Change::Listed {
                    namespace: namespace.clone(),
                    seen: std::mem::take(&mut seen),
                })
            }
            Ok(Event::Apply(object)) => Some(Change::Applied(object)),
            Ok(Event::Delete(object)) => Some(Change::Gone(Box::new(object))),
            // Without a list nothing is known. A watch that is interrupted afterwards goes on by
            // itself, or lists again.
            Err(watcher::Error::InitialListFailed(error)) => {
                if readiness.missing(&what, why(&error, crd)) {
                    tracing::warn!(kind = what, "waiting: {}", why(&error, crd));
                }
                Some(Change::Unlisted { namespace: namespace.clone() })
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
        format!(
            "the custom resource definition {crd} is not installed; apply it, and this goes on by \
             itself"
        )
    } else if is_status(error, 403) {
        "the operator's service account may not list and watch it".to_owned()
    } else {
        "the Kubernetes API server does not answer as it should".to_owned()
    }
}

/// Between tries of a watch: from half a second to five, so that a definition that was just applied
/// is noticed soon.
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
        check(Change::Applied(()), false);
        check(Change::Listed { namespace: a.clone(), seen: HashSet::new() }, false);
        check(Change::Unlisted { namespace: b.clone() }, true);
        check(Change::Listing { namespace: a }, true);
        check(Change::Listing { namespace: b }, false);
    }
}
