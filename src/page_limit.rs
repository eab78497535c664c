//! How large a page of a list may be. Nobody knows how large objects are before they are read, and
//! the client library has a page in memory as a whole, a few times. So a page of many objects is
//! given up once it is larger than they usually are, and whoever asked for it reads smaller ones.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use http_body_util::{LengthLimitError, Limited};
use kube::client::Body;
use tower_layer::Layer;
use tower_service::Service;

/// Objects in a page, each of a few kilobytes.
pub const MANY: u32 = 100;
const MIB: usize = 1024 * 1024;
/// Objects in a page, and the bytes that it may have. The API server takes objects of 1.5 MB, so
/// the smallest pages have 4.5 MB at most.
const PAGES: [(u32, usize); 3] = [(MANY, 2 * MIB), (10, 8 * MIB), (3, usize::MAX)];

/// How many objects come in the next smaller page.
#[must_use]
pub fn smaller(page: u32) -> Option<u32> {
    PAGES.iter().map(|(size, _)| *size).find(|size| *size < page)
}

/// Whether a page was given up because it was too large.
#[must_use]
pub fn is_too_large(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<LengthLimitError>())
}

fn limit(uri: &Uri) -> usize {
    let parameters = uri.query().unwrap_or_default().split('&');
    let mut sizes = parameters.filter_map(|it| it.strip_prefix("limit=")?.parse::<u32>().ok());
    let size = sizes.next().unwrap_or_default();
    PAGES.iter().find(|(page, _)| size >= *page).map_or(usize::MAX, |(_, largest)| *largest)
}

/// Gives up pages that are too large.
#[derive(Clone, Copy, Debug)]
pub struct PageLimit;

impl<S> Layer<S> for PageLimit {
    type Service = LimitedPages<S>;

    fn layer(&self, inner: S) -> LimitedPages<S> {
        LimitedPages(inner)
    }
}

/// A client whose pages have a limit.
#[derive(Debug)]
pub struct LimitedPages<S>(S);

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, B> Service<Request<Body>> for LimitedPages<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Limited<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (limit, answer) = (limit(request.uri()), self.0.call(request));
        Box::pin(async move { Ok(answer.await?.map(|body| Limited::new(body, limit))) })
    }
}

#[cfg(test)]
mod tests {
    use kube::Client;

    use super::*;
    use crate::api_server::fake::Answers;

    #[test]
    fn pages_get_smaller_until_they_are_small_whatever_is_in_them() {
        let sizes: Vec<u32> = std::iter::successors(Some(MANY), |size| smaller(*size)).collect();
        assert_eq!(sizes, [100, 10, 3]);
    }

    #[tokio::test]
    async fn a_page_of_many_is_given_up_if_it_is_large() {
        for (path, bytes, expected) in [
            ("/keys?&limit=100&resourceVersion=0", 2 * MIB, false),
            ("/keys?&limit=100&resourceVersion=0", 2 * MIB + 1, true),
            ("/keys?limit=500", 2 * MIB + 1, true),
            ("/keys?&limit=10&continue=abc", 8 * MIB, false),
            ("/keys?&limit=10&continue=abc", 8 * MIB + 1, true),
            ("/keys?labelSelector=limit%3D500&limit=10", 2 * MIB + 1, false),
            ("/keys?limit=3", 8 * MIB + 1, false),
            ("/keys?watch=true", 8 * MIB + 1, false),
            ("/keys/fleet", 8 * MIB + 1, false),
        ] {
            let server = Answers(move |_: &_| Ok(Response::new(vec![b' '; bytes].into())));
            let client = Client::new(PageLimit.layer(server), "default");
            let request = Request::get(path).body(Vec::new()).unwrap();
            let read = client.request_text(request).await;
            assert_eq!(read.is_err(), expected, "{path}: {bytes}");
            assert_eq!(read.is_err_and(|error| is_too_large(&error)), expected, "{path}: {bytes}");
        }
    }
}
