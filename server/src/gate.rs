//! What every call passes before its service sees it: who is it, what does it carry, how long may
//! it take.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use plugpen_proto::v1::ErrorReason;
use plugpen_proto::{AFTER_BLOCK_KEY, Error, SESSION_KEY};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use crate::connection::{Peer, is_allowed};
use crate::daemon::Calls;
use crate::token::Token;

/// What a call's metadata say, for its service.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: Arc<Peer>,
    /// The session's id, where the call names one.
    pub session: Option<String>,
    /// Blocks the client had submitted before the call.
    pub after_block: u64,
}

/// Puts a [`Gate`] in front of services.
#[derive(Clone)]
pub struct GateLayer {
    token: Option<Arc<Token>>,
    calls: Arc<Calls>,
}

impl GateLayer {
    /// Without a token only the peer's user is checked.
    pub fn new(token: Option<Arc<Token>>, calls: Arc<Calls>) -> Self {
        Self { token, calls }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            layer: self.clone(),
        }
    }
}

/// Checks calls before they reach the services behind it.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    layer: GateLayer,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let caller = match admit(request.headers(), peer, self.layer.token.as_deref()) {
            Ok(caller) => caller,
            Err(error) => return Box::pin(async { Ok(Status::from(error).into_http()) }),
        };
        request.extensions_mut().insert(caller);
        let limit = request
            .headers()
            .get("grpc-timeout")
            .and_then(|value| timeout(value.as_bytes()));
        let running = self.layer.calls.enter();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _running = running;
            let Some(limit) = limit else {
                return answer.await;
            };
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::from(timed_out(limit)).into_http()),
            }
        })
    }
}

fn timed_out(limit: Duration) -> Error {
    Error::new(
        ErrorReason::TimedOut,
        format!(
            "the client's own deadline of {} s passed; nothing was killed, the call goes on",
            limit.as_secs_f64()
        ),
    )
}

fn admit(
    headers: &HeaderMap,
    peer: Option<Arc<Peer>>,
    token: Option<&Token>,
) -> Result<Caller, Error> {
    let peer = peer.ok_or_else(|| Error::bug("a connection without a peer"))?;
    if !peer.uid.is_some_and(is_allowed) {
        return Err(Error::new(
            ErrorReason::NotAllowed,
            "this daemon serves the user who started it, and nobody else",
        ));
    }
    if let Some(token) = token {
        let given = headers.get("authorization").map(|value| value.as_bytes());
        if !given.is_some_and(|given| token.matches(given)) {
            return Err(Error::new(
                ErrorReason::Unauthenticated,
                "the call carries no valid token; send \"authorization: Bearer TOKEN\" with what is in the daemon's token file",
            ));
        }
    }
    let text = |key| headers.get(key).and_then(|value| value.to_str().ok());
    let after_block = match text(AFTER_BLOCK_KEY) {
        None => 0,
        Some(number) => number.parse().map_err(|_| {
            Error::invalid(format!(
                "{AFTER_BLOCK_KEY} is {number:?}; expected a number of blocks"
            ))
        })?,
    };
    Ok(Caller {
        peer,
        session: text(SESSION_KEY).map(str::to_owned),
        after_block,
    })
}

/// The gRPC form of a time: up to eight digits and a unit.
fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime_dir::own_uid;

    fn peer(uid: Option<u32>) -> Option<Arc<Peer>> {
        Some(Arc::new(Peer { uid, pid: None }))
    }

    #[test]
    fn strangers_are_turned_away() {
        let headers = HeaderMap::new();
        let reason = |peer| admit(&headers, peer, None).map_err(|e| e.reason).err();
        assert_eq!(reason(peer(Some(own_uid()))), None);
        assert_eq!(
            reason(peer(Some(own_uid() + 1))),
            Some(ErrorReason::NotAllowed)
        );
        assert_eq!(reason(peer(None)), Some(ErrorReason::NotAllowed));
    }

    #[test]
    fn metadata_reach_the_service() {
        let mut headers = HeaderMap::new();
        headers.insert(SESSION_KEY, "abc".parse().unwrap());
        headers.insert(AFTER_BLOCK_KEY, "17".parse().unwrap());
        let caller = admit(&headers, peer(Some(own_uid())), None).unwrap();
        assert_eq!(caller.session.as_deref(), Some("abc"));
        assert_eq!(caller.after_block, 17);
        headers.insert(AFTER_BLOCK_KEY, "-1".parse().unwrap());
        let error = admit(&headers, peer(Some(own_uid())), None).unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
    }

    #[tokio::test]
    async fn a_client_that_is_in_a_hurry_gets_its_answer() {
        let never = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let calls = Arc::new(Calls::default());
        let mut gate = GateLayer::new(None, calls.clone()).layer(never);
        let mut request = Request::new(Body::empty());
        let timeout = "20m".parse().unwrap();
        request.headers_mut().insert("grpc-timeout", timeout);
        request
            .extensions_mut()
            .insert(peer(Some(own_uid())).unwrap());
        let answer = gate.call(request).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(Error::from(status).reason, ErrorReason::TimedOut);
        calls.none().await;
    }

    #[test]
    fn timeouts_are_read() {
        assert_eq!(timeout(b"250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout(b"2H"), Some(Duration::from_secs(7200)));
        for wrong in [&b""[..], b"S", b"123456789S", b"1x", b"-1S"] {
            assert_eq!(timeout(wrong), None);
        }
    }
}
