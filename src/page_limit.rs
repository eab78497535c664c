//! How large a page of a list may be. Nobody knows how large objects are before they are read, and
//! the client library has a page in memory as a whole, a few times. So a page of many objects is
//! given up once it is larger than they usually are, and its objects are read in smaller pages.
//! After them, pages have the usual number again: a few large objects delay the list only where
//! they are.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use kube::client::Body;
use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

/// Objects in a page, each of a few kilobytes.
pub(crate) const MANY: u32 = 100;
const MIB: usize = 1024 * 1024;
/// Objects in a page, and the bytes that it may have. The API server takes objects of 1.5 MB, so
/// the smallest pages have 4.5 MB at most.
const PAGES: [(u32, usize); 3] = [(MANY, 2 * MIB), (10, 8 * MIB), (3, usize::MAX)];

/// The number of objects that a request asks for.
fn size(uri: &Uri) -> Option<u32> {
    let mut parameters = uri.query()?.split('&');
    parameters.find_map(|it| it.strip_prefix("limit=")?.parse().ok())
}

/// The bytes that a page may have, and how many objects come in the next smaller one. `None` if it
/// has no limit.
fn bounds(size: u32) -> Option<(usize, u32)> {
    let at = PAGES.iter().position(|(page, _)| size >= *page)?;
    let (smaller, _) = PAGES.get(at + 1)?;
    Some((PAGES[at].1, *smaller))
}

/// Whether a list goes on with this page.
fn continues(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|it| it.starts_with("continue="))
}

/// The same request, for this many objects.
fn with_size(uri: &Uri, size: u32) -> Result<Uri, BoxError> {
    let is_size = |it: &&str| !it.starts_with("limit=");
    let others = uri.query().unwrap_or_default().split('&').filter(is_size);
    let query: Vec<&str> = others.filter(|it| !it.is_empty()).collect();
    let separator = if query.is_empty() { "" } else { "&" };
    let mut parts = uri.clone().into_parts();
    let path = format!("{}?{}{separator}limit={size}", uri.path(), query.join("&"));
    parts.path_and_query = Some(path.parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// Reads pages that are too large with fewer objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimit;

impl<S> Layer<S> for PageLimit {
    type Service = LimitedPages<S>;

    fn layer(&self, inner: S) -> LimitedPages<S> {
        LimitedPages { inner: Arc::new(Mutex::new(inner)), sizes: Arc::default() }
    }
}

/// A client whose pages have a limit.
#[derive(Debug)]
pub(crate) struct LimitedPages<S> {
    inner: Arc<Mutex<S>>,
    sizes: Arc<Sizes>,
}

/// By path: what is left of a page that was given up.
#[derive(Debug, Default)]
struct Sizes(parking_lot::Mutex<HashMap<String, Rest>>);

/// This many objects of it are still to be read, in pages of this size.
#[derive(Clone, Copy, Debug)]
struct Rest {
    size: u32,
    objects: u32,
}

impl Sizes {
    /// What a page is asked for with. A new list begins with the usual number.
    fn of(&self, uri: &Uri, asked: u32) -> u32 {
        let mut rests = self.0.lock();
        if !continues(uri) {
            rests.remove(uri.path());
        }
        rests.get(uri.path()).map_or(asked, |rest| rest.size.min(asked))
    }

    /// A page of this many objects was given up, and is read with fewer.
    fn give_up(&self, uri: &Uri, objects: u32, size: u32) {
        let mut rests = self.0.lock();
        let left = rests.get(uri.path()).map_or(0, |rest| rest.objects);
        rests.insert(uri.path().to_owned(), Rest { size, objects: left.max(objects) });
    }

    /// A page was read.
    fn note(&self, uri: &Uri, size: u32) {
        let mut rests = self.0.lock();
        let Some(rest) = rests.get_mut(uri.path()) else { return };
        rest.objects = rest.objects.saturating_sub(size);
        if rest.objects == 0 {
            rests.remove(uri.path());
        }
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;
/// A page as it was read, or whatever else comes.
type Answer<B> = Response<Either<Full<Bytes>, B>>;

impl<S, B> Service<Request<Body>> for LimitedPages<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Send + 'static,
    S::Future: Send + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, sizes) = (Arc::clone(&self.inner), Arc::clone(&self.sizes));
        Box::pin(async move {
            // Whatever has a limit is a list, which has no body.
            let Some(asked) = size(request.uri()).filter(|_| request.method() == Method::GET)
            else {
                return Ok(send(&inner, request).await?.map(Either::Right));
            };
            let (mut head, _) = request.into_parts();
            let mut size = sizes.of(&head.uri, asked);
            loop {
                head.uri = with_size(&head.uri, size)?;
                let request = Request::from_parts(head.clone(), Body::empty());
                let (parts, body) = send(&inner, request).await?.into_parts();
                let bounds = bounds(size);
                let most = bounds.map_or(usize::MAX, |(most, _)| most);
                match (Limited::new(body, most).collect().await, bounds) {
                    (Ok(page), _) => {
                        sizes.note(&head.uri, size);
                        let page = Full::new(page.to_bytes());
                        return Ok(Response::from_parts(parts, Either::Left(page)));
                    }
                    (Err(error), Some((_, smaller))) if error.is::<LengthLimitError>() => {
                        sizes.give_up(&head.uri, size, smaller);
                        size = smaller;
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        })
    }
}

async fn send<S, B>(inner: &Mutex<S>, request: Request<Body>) -> Result<Response<B>, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
{
    let answer = {
        let mut inner = inner.lock().await;
        poll_fn(|context| inner.poll_ready(context)).await?;
        inner.call(request)
    };
    answer.await
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Client;
    use kube::api::{Api, ListParams};
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::api_server::fake::Answers;

    /// What is asked for where each object has this many bytes, and how many bytes come.
    async fn read(path: &str, of_object: usize) -> (Vec<String>, usize) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let server = Answers(move |request: &Request<Body>| {
            noted.lock().push(request.uri().to_string());
            let objects = size(request.uri()).map_or(1, |size| size as usize);
            Ok(Response::new(vec![b' '; objects * of_object].into()))
        });
        let client = Client::new(PageLimit.layer(server), "default");
        let request = Request::get(path).body(Vec::new()).unwrap();
        let read = client.request_text(request).await.unwrap();
        let asked = asked.lock().clone();
        (asked, read.len())
    }

    #[tokio::test]
    async fn a_page_of_many_is_read_again_with_fewer_objects_if_it_is_large() {
        let list = |size: u32| format!("/keys?resourceVersion=0&limit={size}");
        let next = |size: u32| format!("/keys?continue=a%3Db&limit={size}");
        let most = 2 * MIB / 100;
        for (path, of_object, expected) in [
            (list(100), most, vec![list(100)]),
            (list(100), most + 1, vec![list(100), list(10)]),
            (list(500), 2 * MIB / 500 + 1, vec![list(500), list(10)]),
            (list(100), MIB, vec![list(100), list(10), list(3)]),
            (next(100), MIB / 2, vec![next(100), next(10)]),
            (next(10), MIB / 2, vec![next(10)]),
            (next(10), MIB, vec![next(10), next(3)]),
            (next(3), 4 * MIB, vec![next(3)]),
        ] {
            let (asked, bytes) = read(&path, of_object).await;
            assert_eq!(asked, expected, "{path}: {of_object}");
            let objects = expected.last().unwrap().rsplit('=').next().unwrap();
            assert_eq!(bytes, objects.parse::<usize>().unwrap() * of_object, "{path}: {of_object}");
        }
    }

    #[tokio::test]
    async fn what_is_no_page_has_no_limit() {
        for path in ["/keys", "/keys/fleet", "/keys?watch=true", "/keys?labelSelector=limit%3D500"]
        {
            assert_eq!(read(path, 9 * MIB).await, (vec![path.to_owned()], 9 * MIB), "{path}");
        }
    }

    #[tokio::test]
    async fn only_the_pages_with_large_objects_have_fewer() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        // The first twelve of 330 objects are large.
        let server = Answers(move |request: &Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let token = query.split('&').find_map(|it| it.strip_prefix("continue="));
            let from: usize = token.map_or(0, |token| token.parse().unwrap());
            let most = size(request.uri()).unwrap();
            noted.lock().push((from, most));
            let to = (from + most as usize).min(330);
            let item = |number: usize| {
                let bytes = if number < 12 { MIB / 2 } else { 10 };
                json!({ "data": { "a": "x".repeat(bytes) } })
            };
            let next = if to < 330 { to.to_string() } else { String::new() };
            let metadata = json!({ "resourceVersion": "1", "continue": next });
            let items: Vec<_> = (from..to).map(item).collect();
            let list = json!({ "metadata": metadata, "items": items });
            Ok(Response::new(list.to_string().into_bytes().into()))
        });
        let client = Client::new(PageLimit.layer(server), "default");
        let api: Api<ConfigMap> = Api::all(client);
        let (mut page, mut count) = (ListParams::default().limit(MANY), 0);
        loop {
            let list = api.list(&page).await.unwrap();
            count += list.items.len();
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
        assert_eq!(count, 330);
        let of_first = (0..10).map(|page| (page * 10, 10));
        let after = [(100, 100), (200, 100), (300, 100)];
        let expected: Vec<_> = [(0, 100)].into_iter().chain(of_first).chain(after).collect();
        assert_eq!(*asked.lock(), expected);
    }
}
