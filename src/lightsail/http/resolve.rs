//! How the addresses of a host are found.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::failure::NoAddress;

/// The system's resolver, with an error of its own and a time limit: the system's limit is longer
/// than a call's.
///
/// The system goes on with a lookup that was given up, and occupies a thread meanwhile, of which
/// there are a few hundred. So a name has only a few lookups at the same time: names that nobody
/// answers, such as those of regions that do not exist, occupy no more threads. There is more than
/// one lookup, so that a reply that was lost delays only who waits for it.
///
/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Resolver<S> {
    system: S,
    timeout: Duration,
    permits: Arc<Mutex<HashMap<Name, Permits>>>,
}

/// Those who look up a name hold one of these.
type Permits = Arc<Semaphore>;

/// How often a name is looked up at the same time.
const AT_ONCE: usize = 4;

impl<S> Resolver<S> {
    pub(super) fn new(system: S, timeout: Duration) -> Self {
        Self { system, timeout, permits: Arc::default() }
    }

    fn permits(&self, name: &Name) -> Permits {
        let mut all = self.permits.lock();
        all.retain(|_, permits| Arc::strong_count(permits) > 1);
        let new = || Arc::new(Semaphore::new(AT_ONCE));
        Arc::clone(all.entry(name.clone()).or_insert_with(new))
    }
}

impl<S> Service<Name> for Resolver<S>
where
    S: Service<Name, Error = io::Error> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = NoAddress;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, NoAddress>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), NoAddress>> {
        self.system.poll_ready(context).map_err(NoAddress)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (mut system, timeout, permits) =
            (self.system.clone(), self.timeout, self.permits(&name));
        let find = async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let resolving = system.call(name);
            let found = tokio::spawn(async move {
                let _permit = permit;
                resolving.await
            });
            found.await.map_err(io::Error::other).flatten()
        };
        Box::pin(async move {
            let late = |_| io::ErrorKind::TimedOut.into();
            let found = tokio::time::timeout(timeout, find).await;
            found.map_err(late).flatten().map_err(NoAddress)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers for one name, and never for any other.
    #[derive(Clone, Debug, Default)]
    struct System(Arc<AtomicUsize>);

    impl Service<Name> for System {
        type Response = ();
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, name: Name) -> Self::Future {
            self.0.fetch_add(1, Ordering::SeqCst);
            let is_known = name.as_str() == "known";
            Box::pin(async move { if is_known { Ok(()) } else { pending().await } })
        }
    }

    #[tokio::test]
    async fn i14_a_name_that_nobody_answers_occupies_few_threads() {
        let system = System::default();
        let mut resolver = Resolver::new(system.clone(), Duration::from_millis(20));
        let mut find = async |name: &str| resolver.call(name.parse().unwrap()).await;
        for _ in 0..AT_ONCE + 2 {
            let NoAddress(error) = find("unanswered").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(system.0.load(Ordering::SeqCst), AT_ONCE);
        for _ in 0..5 {
            find("known").await.unwrap();
        }
        assert_eq!(system.0.load(Ordering::SeqCst), AT_ONCE + 5);
        assert_eq!(resolver.permits.lock().len(), 2);
        drop(resolver.permits(&"unanswered".parse().unwrap()));
        assert_eq!(resolver.permits.lock().len(), 1, "of what is over, nothing is kept");
    }
}
