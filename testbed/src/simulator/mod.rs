//! Lightsail's key pair and host key operations, and the part of STS that a client needs, on loopback.
//!
//! The simulator answers as Lightsail is documented or known to answer, awkward parts included, and not as its users would
//! like it to. Where nobody knows, a [`Switches`] field gives both answers. It keeps everything in memory, knows nothing of
//! the operator, and never puts a private key into its logs.
//!
//! ```text
//! server  →  wire (what is asked, how it is answered)  →  faults  →  operations  →  state
//! ```

mod error;
mod fault;
mod identity;
mod input;
mod key_material;
mod key_pairs;
mod operations;
mod region;
mod request_log;
mod resources;
mod server;
mod state;
mod switches;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::fault::{Fault, FaultEffect, FaultHandle};
pub use self::identity::Credentials;
pub use self::region::Region;
pub use self::request_log::Request;
pub use self::state::{KeyPair, Operation};
pub use self::switches::{OperationStatus, Switches};

use self::fault::Faults;
use self::request_log::RequestLog;
use self::state::State;

/// How a simulator is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// A file that gets one JSON object a line for each request. Neither keys nor bodies are in it.
    pub request_log: Option<PathBuf>,
    /// A directory that gets a file for each private key that was handed out, so that a test can search logs for it.
    pub issued_keys: Option<PathBuf>,
    /// What the simulator does where Lightsail's behaviour is unknown or varies.
    pub switches: Switches,
}

/// A running simulator. Clones are the same simulator; it stops when the last one, [`Region`]s included, is dropped.
#[derive(Clone, Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: Arc<DropGuard>,
}

/// What the handles and the server have in common.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    faults: Faults,
    requests: RequestLog,
}

impl Shared {
    /// The state. A panic in another thread does not take the simulator down with it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Listens on 127.0.0.1 and serves in a task of its own.
    ///
    /// # Errors
    ///
    /// The port is taken, or the request log or the directory for issued keys cannot be made.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        if let Some(directory) = &options.issued_keys {
            std::fs::create_dir_all(directory)?;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.switches, options.issued_keys)),
            faults: Faults::default(),
            requests: RequestLog::open(options.request_log.as_deref())?,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, address, _stop: Arc::new(stop.drop_guard()) })
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

    /// One account's resources in one region, as somebody else than the client under test sees and changes them.
    #[must_use]
    pub fn region(&self, account_id: &str, region: &str) -> Region {
        Region::new(self.clone(), account_id, region)
    }

    /// Changes what holds in every region that has no switches of its own.
    pub fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.state().switches);
    }

    /// Every request whose fate is settled, in that order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.all()
    }

    /// Lets requests go wrong, in any account and region. [`Region::add_fault`] is narrower.
    #[expect(clippy::must_use_candidate, reason = "most faults need no handle")]
    pub fn add_fault(&self, fault: Fault) -> FaultHandle {
        self.shared.faults.add(fault, None)
    }
}
