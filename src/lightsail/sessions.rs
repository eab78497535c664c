//! The sessions of the operator's own credentials and of all `LightsailAccount`s. Each is opened
//! when it is needed, and kept until it is not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use parking_lot::Mutex;

use super::access_key::KeySource;
use super::account::{Account, Sending};
use super::client::{Lightsail, SHARED};
use super::credentials::{Chain, Sources};
use super::error::Error;
use super::opener::{Opener, Provider, RoleSession};
use super::purpose::Purpose;
use super::regions::Regions;
pub use super::sts::Role;
use super::types::Result;
use crate::ids::{AccountId, Region};
use crate::lease::HeldLease;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// How many sessions of single namespaces are kept. The least recently used are dropped first: a
/// new session takes one call to STS.
const MOST_OF_NAMESPACES: usize = 256;

/// The namespace in the session tags of shared reads of an account. No namespace has this name.
const SHARED_READS: &str = "_read";

/// How to reach an AWS account.
#[derive(Clone, Debug)]
pub struct Route {
    /// Identifies the route. Sessions are kept by it.
    pub id: u64,
    /// The `LightsailAccount`.
    pub name: Arc<str>,
    /// The AWS account that it must lead to.
    pub account: AccountId,
    /// Where it begins.
    pub origin: Origin,
    /// The roles to assume, one after the other.
    pub roles: Vec<Role>,
    /// The cluster in the session tags of the last role; `None` if it has no tags.
    pub tagged_cluster: Option<String>,
}

/// Where a route begins.
#[derive(Clone)]
pub enum Origin {
    /// With the operator's own credentials.
    Operator,
    /// With an access key that is kept elsewhere.
    Keys(Arc<dyn KeySource>),
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Operator => "Operator",
            Self::Keys(_) => "Keys",
        })
    }
}

/// Lightsail in an account and region, as a namespace uses it.
#[derive(Clone, Debug)]
pub struct OpenedRegion {
    /// The account.
    pub account: Arc<Account>,
    /// For the namespace's own calls.
    pub own: Lightsail,
    /// For reads that namespaces share. It changes nothing.
    pub shared: Lightsail,
}

impl OpenedRegion {
    /// Lightsail for the namespace's own calls, if it is in this account.
    ///
    /// # Errors
    /// It is in another one.
    pub fn of_account(self, id: &AccountId) -> Result<Lightsail> {
        if self.account.id == *id {
            Ok(self.own)
        } else {
            Err(Error::wrong_account(&self.account.id))
        }
    }
}

/// A session's name has at least two characters, but a namespace may have one. No namespace
/// contains a dot.
fn session_name(namespace: &str) -> String {
    if namespace.len() < 2 { format!("{namespace}.") } else { namespace.to_owned() }
}

/// All sessions. Clones are the same.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: Opener,
    sending: Sending,
    readiness: Readiness,
    kept: Mutex<Kept>,
}

/// The session of a route up to a role, for a namespace alone or for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    route: u64,
    roles: usize,
    namespace: Option<Arc<str>>,
}

/// The sessions, and when each was last used.
#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<Key, (u64, Opener)>,
    uses: u64,
    /// The routes that there are.
    routes: HashSet<u64>,
    /// Whether the operator's own credentials are tried for a route, although no object uses it.
    tries_own: bool,
}

impl Kept {
    fn get(&mut self, key: Key, new: impl FnOnce() -> Opener) -> Opener {
        // A reconciliation that began before its account was edited or deleted still has the route.
        // Its session ends with it: whatever is kept is renewed.
        if !self.routes.contains(&key.route) {
            return new();
        }
        self.uses += 1;
        let entry = self.sessions.entry(key).or_insert_with(|| (0, new()));
        entry.0 = self.uses;
        let opener = entry.1.clone();
        let of_namespaces = || self.sessions.iter().filter(|(key, _)| key.namespace.is_some());
        if of_namespaces().count() > MOST_OF_NAMESPACES {
            let oldest = of_namespaces().min_by_key(|(_, (used, _))| *used);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.sessions.remove(&key);
            }
        }
        opener
    }
}

impl Sessions {
    /// Uses the endpoints, the HTTP client and the credentials of `config`, or if it has none, the
    /// credentials of the SDK's standard chain. A write is sent only if the Lease outlives its
    /// timeout.
    #[must_use]
    pub fn new(
        config: SdkConfig,
        sources: Sources,
        call_timeout: Duration,
        regions: Arc<Regions>,
        lease: HeldLease,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Self {
        let chain = Chain { config: config.clone(), sources, call_timeout };
        let limiters = Arc::default();
        let sending = Sending { config, call_timeout, lease, metrics, limiters, regions };
        let (provider, purpose) = (Provider::Chain(Box::new(chain)), Purpose::default());
        let own = Opener::new(provider, purpose, sending.clone(), readiness.clone());
        Self(Arc::new(Inner { own, sending, readiness, kept: Mutex::default() }))
    }

    /// Lightsail in a region, for an object of this namespace: by this route, or with the
    /// operator's own credentials.
    ///
    /// # Errors
    /// There are no credentials, STS does not answer, or the region is not allowed.
    pub async fn open(
        &self,
        route: Option<&Route>,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<OpenedRegion> {
        let Some(route) = route else {
            let account = self.0.own.current(region, namespace).await?;
            let own = account.region(region, namespace)?;
            return Ok(OpenedRegion { account, shared: own.clone(), own });
        };
        let account = self.last_session(route, Some(namespace)).current(region, namespace).await?;
        let own = account.region(region, namespace)?;
        if route.tagged_cluster.is_none() {
            return Ok(OpenedRegion { account, shared: own.clone(), own });
        }
        let shared = self.reader(route, region, namespace).await?;
        Ok(OpenedRegion { account, own, shared })
    }

    /// Lightsail in a region for reads that all namespaces share, as [`Self::open`] gives it beside
    /// the object's own. A session that only this namespace needs is not opened.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_shared(
        &self,
        route: Option<&Route>,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Lightsail> {
        match route.filter(|route| route.tagged_cluster.is_some()) {
            Some(route) => self.reader(route, region, namespace).await,
            None => Ok(self.open(route, region, namespace).await?.shared),
        }
    }

    /// Of a route whose sessions have tags: the one for shared reads.
    async fn reader(
        &self,
        route: &Route,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Lightsail> {
        let account = self.last_session(route, None).current(region, namespace).await?;
        account.region(region, namespace)
    }

    /// The identity at the end of a route, as AWS names it, for reads that all namespaces share.
    /// STS is called in the first of these regions that may be called, unless another one is
    /// configured. `is_asked`: it is called even if it failed a moment ago, and an access key is
    /// read where it is kept.
    ///
    /// # Errors
    /// As [`Self::open`], or AWS refuses the credentials.
    pub async fn identify(
        &self,
        route: &Route,
        regions: &[String],
        is_asked: bool,
    ) -> Result<Arc<Account>> {
        let region = self.0.sending.regions.first_allowed(regions);
        let last = self.last_session(route, None);
        let on_the_way = (0..route.roles.len()).map(|roles| self.session(route, roles, None));
        for session in on_the_way.chain([last.clone()]) {
            if is_asked {
                session.ask();
            }
            session.answer().await?;
        }
        last.identify(&region, &SHARED.into()).await
    }

    /// The account of the operator's own credentials, if known.
    #[must_use]
    pub fn own_account(&self) -> Option<AccountId> {
        self.0.own.known()
    }

    /// The session at the end of a route. With session tags, it is for this namespace alone, or for
    /// shared reads.
    fn last_session(&self, route: &Route, namespace: Option<&Arc<str>>) -> Opener {
        let shared = || Arc::from(SHARED_READS);
        let of = |_: &String| namespace.map_or_else(shared, Arc::clone);
        self.session(route, route.roles.len(), route.tagged_cluster.as_ref().map(of))
    }

    /// The session of a route after this many roles.
    fn session(&self, route: &Route, roles: usize, namespace: Option<Arc<str>>) -> Opener {
        let provider = match (roles.checked_sub(1), &route.origin) {
            (Some(before), _) => {
                let mut role = route.roles[before].clone();
                if let (Some(namespace), Some(cluster)) = (&namespace, &route.tagged_cluster) {
                    role.session_name = session_name(namespace);
                    role.tags = vec![
                        ("lightsail-operator-cluster".to_owned(), cluster.clone()),
                        ("lightsail-operator-namespace".to_owned(), namespace.to_string()),
                    ];
                }
                let parent = self.session(route, before, None);
                Provider::Role(RoleSession { parent, role, turn_of: Arc::clone(&route.name) })
            }
            (None, Origin::Operator) if route.roles.is_empty() => {
                Provider::Parent(self.0.own.clone())
            }
            (None, Origin::Operator) => return self.0.own.clone(),
            (None, Origin::Keys(source)) => Provider::Keys(Arc::clone(source)),
        };
        let is_end = roles == route.roles.len();
        let key = Key { route: route.id, roles, namespace: namespace.clone() };
        let purpose = Purpose {
            account: Some(Arc::clone(&route.name)),
            namespace,
            expected: is_end.then(|| route.account.clone()),
        };
        let new =
            || Opener::new(provider, purpose, self.0.sending.clone(), self.0.readiness.clone());
        self.0.kept.lock().get(key, new)
    }

    /// Drops all sessions except those of these routes. `tries_own`: the operator's own credentials
    /// are tried for one of them, although no object uses it.
    pub fn retain(&self, routes: &[u64], tries_own: bool) {
        let mut kept = self.0.kept.lock();
        kept.routes = routes.iter().copied().collect();
        kept.sessions.retain(|key, _| routes.contains(&key.route));
        kept.tries_own = tries_own;
        drop(kept);
        if self.own_are_unused() {
            self.0.own.forget_failures();
        }
    }

    /// Whether nobody uses the operator's own credentials, or tries them.
    fn own_are_unused(&self) -> bool {
        !self.0.kept.lock().tries_own && self.0.sending.regions.are_unused()
    }

    /// Forgets what is kept of a region. What is under way there goes on.
    pub fn forget_region(&self, region: &Region) {
        self.0.sending.limiters.forget_region(region);
        self.0.own.forget_region(region, self.own_are_unused());
        let kept: Vec<Opener> =
            self.0.kept.lock().sessions.values().map(|(_, opener)| opener.clone()).collect();
        for opener in kept {
            opener.forget_region(region, false);
        }
    }

    /// The most requests a second for accounts, in each region.
    pub fn set_most(&self, most: HashMap<AccountId, f64>) {
        self.0.sending.limiters.set_most(most);
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use futures::future::BoxFuture;

    use super::*;
    use crate::fair_line::Rank;
    use crate::lightsail::{AccessKey, HttpOptions, http_client};

    fn sessions(config: SdkConfig, regions: Arc<Regions>) -> Sessions {
        Sessions::new(
            config,
            Sources::default(),
            Duration::from_secs(1),
            regions,
            HeldLease::unlimited(),
            Metrics::default(),
            Readiness::default(),
        )
    }

    fn route(roles: Vec<Role>) -> Route {
        Route {
            id: 1,
            name: "production".into(),
            account: "123456789012".into(),
            origin: Origin::Operator,
            roles,
            tagged_cluster: Some("prod".to_owned()),
        }
    }

    fn role() -> Role {
        Role {
            arn: "arn:aws:iam::123456789012:role/lightsail".to_owned(),
            external_id: None,
            duration: Duration::from_hours(1),
            session_name: "lightsail-operator".to_owned(),
            tags: Vec::new(),
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_route_that_is_gone() {
        let sessions = sessions(SdkConfig::builder().build(), Arc::default());
        let route = route(vec![role()]);
        let kept = || {
            drop(sessions.last_session(&route, Some(&"team-a".into())));
            sessions.0.kept.lock().sessions.len()
        };
        sessions.retain(&[1], true);
        assert_eq!(kept(), 1);
        sessions.retain(&[2], true);
        assert_eq!(kept(), 0, "a reconciliation that is under way opens it again");
    }

    #[derive(Debug)]
    struct NoKeys;

    impl KeySource for NoKeys {
        fn name(&self) -> String {
            "nowhere".to_owned()
        }

        fn access_key(&self) -> BoxFuture<'_, Result<AccessKey>> {
            Box::pin(async { Err(Error::timeout()) })
        }
    }

    /// STS limits the account that calls it, and a key may be of any account.
    #[tokio::test]
    async fn i14_an_access_key_that_sts_throttles_slows_down_no_other_credentials() {
        let sessions = sessions(SdkConfig::builder().build(), Arc::default());
        let with_keys = |id| {
            let origin = Origin::Keys(Arc::new(NoKeys));
            Route { id, origin, ..route(vec![role()]) }
        };
        let [one, other] = [1, 2].map(with_keys);
        sessions.retain(&[1, 2], false);
        let rate = |route| sessions.session(route, 0, None).sts().rate();
        let before = rate(&one);
        let key = sessions.session(&one, 0, None);
        let token = key.sts().token("AssumeRole", &one.name, Rank::InTurn).await;
        key.sts().refused(token);
        assert!(rate(&one) < before, "it is throttled");
        assert!(rate(&other) >= before, "the key of another account");
        assert!(sessions.0.own.sts().rate() >= before, "the operator's own");
    }

    /// With credentials, and an STS in `us-east-1` that does not answer: the HTTP client refuses
    /// its endpoint before it sends a byte.
    fn without_answer() -> SdkConfig {
        let call_timeout = Duration::from_secs(1);
        let http = http_client(HttpOptions { call_timeout, ..HttpOptions::default() }).unwrap();
        let keys = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url("http://sts.example")
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .region(aws_sdk_sts::config::Region::new("us-east-1"))
            .build()
    }

    #[tokio::test]
    async fn sts_is_called_in_the_configured_region_whatever_regions_objects_may_name() {
        let regions = Arc::new(Regions::new(vec!["eu-west-1".to_owned()]));
        for roles in [vec![], vec![role()]] {
            let sessions = sessions(without_answer(), Arc::clone(&regions));
            let answer = sessions.identify(&route(roles), &["eu-west-1".to_owned()], false).await;
            assert_eq!(answer.unwrap_err().code, "InsecureEndpoint");
        }
    }

    #[tokio::test]
    async fn a_failure_of_the_own_credentials_is_kept_while_an_account_or_an_object_uses_them() {
        let (regions, region, kind) = (Arc::<Regions>::default(), "eu-west-1".into(), "Kind");
        let sessions = sessions(without_answer(), Arc::clone(&regions));
        let metrics = &sessions.0.sending.metrics;
        let is_failing = || metrics.encode().contains("credentials_failing 1");
        let nowhere = Region::from("");

        sessions.retain(&[1], true);
        sessions.identify(&route(Vec::new()), &["eu-west-1".to_owned()], false).await.unwrap_err();
        sessions.forget_region(&nowhere);
        assert!(is_failing(), "an account uses them");
        regions.enter(&region, kind, &"team-a".into());
        sessions.retain(&[2], false);
        assert!(is_failing(), "an object uses them");
        regions.leave(&region, kind, &"team-a".into());
        sessions.forget_region(&nowhere);
        assert!(!is_failing());

        sessions.retain(&[1], true);
        sessions.0.own.current(&region, &"team-a".into()).await.unwrap_err();
        assert!(is_failing());
        sessions.retain(&[2], false);
        assert!(!is_failing(), "the account was the last one to use them");
    }
}
