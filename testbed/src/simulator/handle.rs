//! A simulator as whoever starts it sees it. [`Region`] is the same for one account and region.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::clock::Clock;
use super::fault::{FaultHandle, FaultPoint, Faults};
use super::identity::{Credentials, Principal, Scope, Session};
use super::policy::Policy;
use super::region::Region;
use super::request_log::{Request, RequestLog};
use super::role::{KnownRole, Role};
use super::shared::Shared;
use super::state::State;
use super::sts::{Pod, pod_session};
use super::switches::Switches;
use super::{dump, server};

/// How a simulator is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where it listens; `None` is 127.0.0.1. On any other address, whoever reaches it can do
    /// everything: its admin API asks for no credentials.
    pub address: Option<IpAddr>,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// A file that gets one JSON object a line for each request. Neither keys nor bodies are in it.
    pub request_log: Option<PathBuf>,
    /// How many requests are kept in memory, the newest of them; `None` is all. Each takes some 400
    /// bytes.
    pub kept_requests: Option<usize>,
    /// A directory that gets a file for each private key that was handed out, so that a test can
    /// search logs for it.
    pub issued_keys: Option<PathBuf>,
    /// What the simulator does where Lightsail's behavior is unknown or varies.
    pub switches: Switches,
}

/// A running simulator. Clones are the same simulator; it stops when the last one, [`Region`]s
/// included, is dropped.
#[derive(Clone, Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Arc<DropGuard>,
}

impl Simulator {
    /// Listens, on 127.0.0.1 if no other address is given, and serves in a task of its own.
    ///
    /// # Errors
    ///
    /// The port is taken, or the request log or the directory for issued keys cannot be made.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        if let Some(directory) = &options.issued_keys {
            std::fs::create_dir_all(directory)?;
        }
        let clock = Clock::default();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.switches, clock.clone(), options.issued_keys)),
            faults: Faults::default(),
            admin_faults: Mutex::default(),
            last_admin_fault: AtomicUsize::new(0),
            requests: Arc::new(RequestLog::open(
                options.request_log.as_deref(),
                options.kept_requests,
            )?),
            clock,
        });
        let address = options.address.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let listener = TcpListener::bind((address, options.port)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, address, stop: Arc::new(stop.drop_guard()) })
    }

    /// The endpoint for Lightsail and for STS: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New credentials for an account, which starts to exist with its first ones.
    #[must_use]
    pub fn add_account(&self, account_id: &str) -> Credentials {
        self.shared.state().identities.add(account_id)
    }

    /// Lets these credentials be an account's, beside those it has.
    pub fn add_credentials(&self, account_id: &str, credentials: &Credentials) {
        self.shared.state().identities.add_known(account_id, credentials);
    }

    /// Deletes these credentials. Sessions that were opened with them go on.
    pub fn remove_credentials(&self, credentials: &Credentials) {
        self.shared.state().identities.remove(&credentials.access_key_id);
    }

    /// New credentials of a session in an account, as those get them who are given a role without
    /// asking STS: pods and instances. They end after this time.
    #[must_use]
    pub fn add_session(&self, account_id: &str, role: &str, life: Duration) -> Session {
        let expires = self.shared.clock.now() + life;
        let principal = Principal {
            account: account_id.to_owned(),
            arn: format!("arn:aws:sts::{account_id}:assumed-role/{role}/given"),
            user_id: "AROASIMULATEDROLE:given".to_owned(),
            tags: Vec::new(),
            role: None,
            session_policy: None,
        };
        let mut state = self.shared.state();
        let (credentials, token) = state.identities.add_session(principal, expires);
        Session { credentials, token, expires }
    }

    /// The session of a role that EKS Pod Identity gives a pod, with the pod's tags. The role has
    /// to trust `pods.eks.amazonaws.com`, as roles without a trust policy do.
    ///
    /// # Errors
    ///
    /// Why the role or the tags do not allow it.
    pub fn add_pod_session(
        &self,
        account_id: &str,
        role: &str,
        pod: &Pod,
        life: Duration,
    ) -> Result<Session, String> {
        pod_session(&mut self.shared.state().desk(), account_id, role, pod, life)
    }

    /// One account's resources in one region, as somebody else than the client under test sees and
    /// changes them.
    #[must_use]
    pub fn region(&self, account_id: &str, region: &str) -> Region {
        let scope = Scope { account: account_id.to_owned(), region: region.to_owned() };
        Region::new(Arc::clone(&self.shared), Arc::clone(&self.stop), scope)
    }

    /// Changes what holds in every region that has no switches of its own.
    pub fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.state().switches);
    }

    /// Puts a policy on an account, which holds for its user and for roles without one of their
    /// own. Without any, everything is allowed. `None` takes it away.
    ///
    /// # Errors
    ///
    /// What about the JSON document is no policy, or not understood here.
    pub fn set_policy(&self, account_id: &str, document: Option<&str>) -> Result<(), String> {
        let policy = document.map(Policy::parse).transpose()?.map(Arc::new);
        self.shared.state().identities.account_mut(account_id).policy = policy;
        Ok(())
    }

    /// Adds a role to an account, or replaces it. Its policy, if any, holds for its sessions in the
    /// place of the account's.
    ///
    /// # Errors
    ///
    /// What about a JSON document is no policy, or not understood here.
    pub fn set_role(
        &self,
        account_id: &str,
        role: Role,
        policy: Option<&str>,
    ) -> Result<(), String> {
        let known = KnownRole::new(role, policy)?;
        self.shared.state().identities.set_role(account_id, known);
        Ok(())
    }

    /// Lets time pass: for timestamps, signatures, sessions, limits and operations.
    pub fn advance_clock(&self, time: Duration) {
        self.shared.clock.advance(time);
    }

    /// Sets the clock this far ahead of the machine's, or behind it if it is negative.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.clock.set_offset_millis(seconds.saturating_mul(1000));
    }

    /// The simulator's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    /// Everything there is, in JSON, without private keys and secrets.
    #[must_use]
    pub fn dump(&self) -> serde_json::Value {
        dump::dump(&self.shared)
    }

    /// How many requests there were by operation and outcome, those that are not kept any more
    /// included.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.shared.requests.counts()
    }

    /// Every request whose fate is settled, in that order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.after(0)
    }

    /// The same without the first `skip` of them.
    #[must_use]
    pub fn requests_after(&self, skip: usize) -> Vec<Request> {
        self.shared.requests.after(skip)
    }

    /// Lets requests go wrong, in any account and region. [`Region::add_fault`] is narrower.
    pub fn add_fault(&self, fault: impl Into<FaultPoint>) -> FaultHandle {
        self.shared.faults.add(fault.into(), None)
    }
}
