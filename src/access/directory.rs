//! The `LightsailAccount`s of the cluster, as the watch shows them, and the route to each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::keys::SecretKeys;
use crate::api::account::{AssumedRole, CredentialSource, SessionTags};
use crate::api::conditions::{READY, is_true};
use crate::api::{LightsailAccount, LightsailAccountSpec, Reconciled};
use crate::api_server::ApiServer;
use crate::clock::Moment;
use crate::ids::AccountId;
use crate::lightsail::{Origin, Role, Route, Sessions};

/// At most this many changes wait for a receiver. A receiver that falls behind acts on all
/// accounts.
const CHANGES: usize = 1_024;

/// Who replaces the only account deletes it first. Until it has been gone this long, objects still
/// need one: the operator's own credentials are not for all of them. A process that starts
/// meanwhile does not know that there was one.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);

/// What CloudTrail calls the session of a role that is not for one namespace.
const SESSION_NAME: &str = "lightsail-operator";

/// How the operator serves accounts.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether it serves them at all.
    pub is_on: bool,
    /// Whether objects need an account even if there is none.
    pub is_required: bool,
    /// The namespaces whose objects need no account.
    pub unscoped: Vec<String>,
    /// The operator's own namespace, where the Secrets with access keys are.
    pub namespace: String,
    /// The cluster in session tags.
    pub cluster_id: String,
    /// Whether this operator identifies the credentials of accounts, for their status.
    pub is_primary: bool,
}

/// An account, as it was last seen.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// Its spec.
    pub spec: LightsailAccountSpec,
    /// Whether it is being deleted. It then serves only the objects that already use it.
    pub is_deleting: bool,
    /// Whether its status says that it is ready.
    pub is_ready: bool,
    /// The way to it.
    pub route: Route,
}

impl Entry {
    /// The id of the AWS account.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.route.account
    }
}

/// Which credentials an object uses, before the check whether it may.
#[derive(Clone, Debug)]
pub enum Grant {
    /// The operator's own.
    Operator,
    /// It must name an account, but does not.
    Required,
    /// Those of an account that does not exist.
    Missing(Arc<str>),
    /// Those of an account that this version cannot read: it allows nothing until it can be read,
    /// and takes nothing from those who have a key pair by it.
    Unreadable(Arc<str>),
    /// Those of this account.
    Account(Arc<Entry>),
}

impl Grant {
    /// Whether it allows the same by the same way: accounts are edited, deleted and created again
    /// while a reconciliation waits for an answer or its turn.
    #[must_use]
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Operator, Self::Operator) | (Self::Required, Self::Required) => true,
            (Self::Missing(one), Self::Missing(other))
            | (Self::Unreadable(one), Self::Unreadable(other)) => one == other,
            (Self::Account(one), Self::Account(other)) => {
                one.uid == other.uid
                    && one.generation == other.generation
                    && one.is_deleting == other.is_deleting
            }
            (
                Self::Operator
                | Self::Required
                | Self::Missing(_)
                | Self::Unreadable(_)
                | Self::Account(_),
                _,
            ) => false,
        }
    }

    /// Whether each namespace has a session of its own, with tags.
    #[must_use]
    pub fn has_tagged_sessions(&self) -> bool {
        self.route().is_some_and(|route| route.tagged_cluster.is_some())
    }

    /// The way to the account; `None` for the operator's own.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        match self {
            Self::Account(entry) => Some(&entry.route),
            Self::Operator | Self::Required | Self::Missing(_) | Self::Unreadable(_) => None,
        }
    }
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An account: what it allows, or whether it is ready.
    Account(Arc<str>),
    /// Whether objects need an account, or whether that is known.
    Need,
}

/// An account that was seen.
#[derive(Clone, Debug)]
enum Seen {
    Readable(Arc<Entry>),
    /// This version cannot read it, so it allows nothing.
    Unreadable,
}

#[derive(Debug, Default)]
struct State {
    is_listed: bool,
    accounts: HashMap<Arc<str>, Seen>,
    /// When the last account was gone, if there ever was one.
    none_since: Option<Moment>,
    routes: u64,
}

impl State {
    /// Whether objects need an account.
    fn needs_account(&self, now: Moment) -> bool {
        let may_be_replaced = |gone: Moment| now.since(gone) < REPLACED_WITHIN;
        !self.accounts.is_empty() || self.none_since.is_some_and(may_be_replaced)
    }

    /// The account of this name, if it can be read.
    fn find(&self, name: &str) -> Option<Arc<Entry>> {
        match self.accounts.get(name) {
            Some(Seen::Readable(entry)) => Some(Arc::clone(entry)),
            Some(Seen::Unreadable) | None => None,
        }
    }
}

/// The accounts of the cluster.
pub struct Directory {
    settings: Settings,
    api_server: ApiServer,
    sessions: Sessions,
    state: Mutex<State>,
    news: broadcast::Sender<News>,
}

impl Directory {
    /// No account has been seen yet.
    #[must_use]
    pub fn new(settings: Settings, api_server: ApiServer, sessions: Sessions) -> Self {
        let news = broadcast::Sender::new(CHANGES);
        Self { settings, api_server, sessions, state: Mutex::default(), news }
    }

    /// The changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Whether all accounts are known. Until then, it is unknown whether an object needs one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.settings.is_on || self.state.lock().is_listed
    }

    /// Whether accounts are served.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.is_on
    }

    /// Which credentials an object of this namespace uses, if it names this account, or none.
    #[must_use]
    pub fn grant(&self, namespace: &str, account: Option<&str>) -> Grant {
        let state = self.state.lock();
        match account {
            Some(name) => match state.accounts.get(name) {
                Some(Seen::Readable(entry)) => Grant::Account(Arc::clone(entry)),
                Some(Seen::Unreadable) => Grant::Unreadable(name.into()),
                None => Grant::Missing(name.into()),
            },
            None if !self.settings.is_required && !state.needs_account(Moment::now()) => {
                Grant::Operator
            }
            None if self.settings.unscoped.iter().any(|one| one == namespace) => Grant::Operator,
            None => Grant::Required,
        }
    }

    /// Whether an object that was granted this would be granted something else now.
    #[must_use]
    pub fn has_changed(&self, grant: &Grant, namespace: &str, account: Option<&str>) -> bool {
        !self.grant(namespace, account).is_same(grant)
    }

    /// The AWS account of an object of this namespace that names this account, or none. `None` if
    /// it is not known.
    #[must_use]
    pub fn account_of(&self, account: Option<&str>) -> Option<AccountId> {
        let Some(name) = account else { return self.sessions.own_account() };
        self.state.lock().find(name).map(|entry| entry.account().clone())
    }

    /// Records the current state of an account.
    pub fn note(&self, object: &LightsailAccount) {
        let (Some(name), Some(uid)) = (&object.metadata.name, &object.metadata.uid) else { return };
        let mut state = self.state.lock();
        let before = state.find(name);
        let is_same_way = |before: &&Arc<Entry>| {
            before.uid == *uid && way_of(&before.spec) == way_of(&object.spec)
        };
        let route = if let Some(before) = before.as_ref().filter(is_same_way) {
            before.route.clone()
        } else {
            state.routes += 1;
            self.route(state.routes, name, &object.spec)
        };
        let entry = Entry {
            name: name.as_str().into(),
            uid: uid.clone(),
            generation: object.metadata.generation.unwrap_or_default(),
            spec: object.spec.clone(),
            is_deleting: object.metadata.deletion_timestamp.is_some(),
            is_ready: is_true(object.conditions(), READY),
            route,
        };
        let is_news = before.is_none_or(|before| {
            let seen = |entry: &Entry| {
                (entry.uid.clone(), entry.generation, entry.is_deleting, entry.is_ready)
            };
            seen(&before) != seen(&entry)
        });
        if is_news {
            let name = Arc::clone(&entry.name);
            self.put(&mut state, name, Some(Seen::Readable(Arc::new(entry))));
        }
    }

    /// Records that this version cannot read an account.
    pub fn note_unreadable(&self, name: &str) {
        let mut state = self.state.lock();
        if !matches!(state.accounts.get(name), Some(Seen::Unreadable)) {
            self.put(&mut state, name.into(), Some(Seen::Unreadable));
        }
    }

    /// Records that an account is gone.
    pub fn note_gone(&self, name: &str) {
        self.put(&mut self.state.lock(), name.into(), None);
    }

    /// Records that all accounts are known.
    pub fn note_listed(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.is_listed, true) {
            self.tell(News::Need);
        }
    }

    fn put(&self, state: &mut State, name: Arc<str>, seen: Option<Seen>) {
        let were_none = state.accounts.is_empty();
        match seen {
            Some(seen) => drop(state.accounts.insert(Arc::clone(&name), seen)),
            None => drop(state.accounts.remove(&name)),
        }
        let entries = || {
            state.accounts.values().filter_map(|seen| match seen {
                Seen::Readable(entry) => Some(entry),
                Seen::Unreadable => None,
            })
        };
        let routes: Vec<u64> = entries().map(|entry| entry.route.id).collect();
        let is_of_operator = |entry: &Arc<Entry>| matches!(entry.route.origin, Origin::Operator);
        let tries_own = self.settings.is_primary && entries().any(is_of_operator);
        self.sessions.retain(&routes, tries_own);
        let mut most: HashMap<AccountId, f64> = HashMap::new();
        for entry in entries() {
            let Some(own) = entry.spec.calls_per_second else { continue };
            let lowest = most.entry(entry.account().clone()).or_insert(f64::from(own));
            *lowest = lowest.min(f64::from(own));
        }
        self.sessions.set_most(most);
        self.tell(News::Account(name));
        if were_none && !state.accounts.is_empty() {
            self.tell(News::Need);
        } else if !were_none && state.accounts.is_empty() {
            state.none_since = Some(Moment::now());
            let news = self.news.clone();
            tokio::spawn(async move {
                tokio::time::sleep(REPLACED_WITHIN).await;
                tell(&news, News::Need);
            });
        }
    }

    fn tell(&self, news: News) {
        tell(&self.news, news);
    }

    fn route(&self, id: u64, name: &str, spec: &LightsailAccountSpec) -> Route {
        let credentials = &spec.credentials;
        let origin = match (credentials.source, &credentials.secret_ref) {
            (CredentialSource::Secret, Some(secret)) => Origin::Keys(Arc::new(SecretKeys {
                api_server: self.api_server.clone(),
                namespace: self.settings.namespace.clone(),
                name: secret.name.clone(),
                account: name.to_owned(),
            })),
            (CredentialSource::Secret, None) | (CredentialSource::Operator, _) => Origin::Operator,
        };
        Route {
            id,
            name: name.into(),
            account: spec.account_id.as_str().into(),
            origin,
            roles: spec.assume_role_chain.iter().map(role).collect(),
            tagged_cluster: (spec.session_tags == SessionTags::Namespace)
                .then(|| self.settings.cluster_id.clone()),
        }
    }
}

/// There may be no receiver yet.
fn tell(receivers: &broadcast::Sender<News>, news: News) {
    let _ = receivers.send(news);
}

/// The part of a spec that says how to reach the account.
fn way_of(spec: &LightsailAccountSpec) -> impl PartialEq {
    (
        spec.account_id.clone(),
        spec.credentials.clone(),
        spec.assume_role_chain.clone(),
        spec.session_tags,
    )
}

fn role(role: &AssumedRole) -> Role {
    let (least, most) = (Duration::from_mins(15), Duration::from_hours(1));
    let duration = role.duration.parse::<kube::core::Duration>().map_or(most, Duration::from);
    Role {
        arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        duration: duration.clamp(least, most),
        session_name: SESSION_NAME.to_owned(),
        tags: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use aws_config::SdkConfig;
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::access::tests::{account, used};
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;
    use crate::lightsail::Sources;
    use crate::metrics::Metrics;
    use crate::readiness::Readiness;

    #[tokio::test]
    async fn an_account_that_cannot_be_read_is_news_once() {
        let server = Answers(|_: &Request<Body>| Ok(Response::new(Body::empty())));
        let client = Client::new(server, "default");
        let api_server = ApiServer::new(client, HeldLease::not_held(), Duration::ZERO);
        let sessions = Sessions::new(
            SdkConfig::builder().build(),
            Sources::default(),
            Duration::ZERO,
            Arc::default(),
            HeldLease::not_held(),
            Metrics::default(),
            Readiness::default(),
        );
        let directory = Directory::new(Settings::default(), api_server, sessions);
        let mut news = directory.subscribe();
        for _ in 0..2 {
            directory.note_unreadable("production");
        }
        let grant = directory.grant("team-a", Some("production"));
        assert!(matches!(grant, Grant::Unreadable(_)), "it is there: {grant:?}");
        assert_eq!(news.try_recv(), Ok(News::Account("production".into())));
        assert_eq!(news.try_recv(), Ok(News::Need), "it is the first account");
        assert!(news.try_recv().is_err());
    }

    #[test]
    fn the_own_credentials_wait_until_the_last_account_has_been_gone_for_a_while() {
        let (start, mut state) = (Moment::now(), State::default());
        let needs =
            |state: &State, seconds| state.needs_account(start + Duration::from_secs(seconds));
        assert!(!needs(&state, 0), "there never was one");
        state.accounts.insert("only".into(), Seen::Unreadable);
        assert!(needs(&state, 1));
        state.accounts.clear();
        state.none_since = Some(start + Duration::from_secs(10));
        assert!(needs(&state, 10) && needs(&state, 39));
        assert!(!needs(&state, 40));
        state.accounts.insert("only".into(), Seen::Unreadable);
        assert!(needs(&state, 41), "it is there again");
    }

    #[test]
    fn a_grant_is_the_same_while_its_account_is() {
        let entry = || account(&json!({}));
        let missing = |name: &str| Grant::Missing(name.into());
        for (name, other, expected) in [
            ("as it was", used(entry()), true),
            ("ready or not", used(Entry { is_ready: false, ..entry() }), true),
            ("edited", used(Entry { generation: 2, ..entry() }), false),
            ("created again", used(Entry { uid: "v".to_owned(), ..entry() }), false),
            ("being deleted", used(Entry { is_deleting: true, ..entry() }), false),
            ("gone", missing("production"), false),
            ("not to be read any more", Grant::Unreadable("production".into()), false),
            ("not needed any more", Grant::Operator, false),
        ] {
            assert_eq!(used(entry()).is_same(&other), expected, "{name}");
            assert_eq!(other.is_same(&used(entry())), expected, "{name}");
        }
        assert!(missing("a").is_same(&missing("a")) && !missing("a").is_same(&missing("b")));
        assert!(!Grant::Operator.is_same(&Grant::Required), "there is an account now");
    }
}
