//! What every call passes before its service sees it: who is it, what does it carry, how long may
//! it take.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use plugpen_proto::v1::ErrorReason;
use plugpen_proto::{AFTER_BLOCK_KEY, Error, SESSION_KEY};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use crate::connection::{Peer, is_allowed};
use crate::daemon::Calls;
use crate::pace::Pace;
use crate::scope::Scope;
use crate::token::Token;
use crate::tokens::Tokens;

/// What a call's metadata say, for its service.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: Arc<Peer>,
    /// Who it is; sessions belong to one.
    pub client: Arc<str>,
    /// What it may do.
    pub scope: Scope,
    /// The session's id, where the call names one.
    pub session: Option<String>,
    /// Blocks the client had submitted before the call.
    pub after_block: u64,
}

/// What callers are measured by.
pub struct Rules {
    /// What this machine's users read from a file of theirs; without it only the user is checked.
    pub token: Option<Token>,
    /// Those of callers from elsewhere.
    pub tokens: Option<Tokens>,
    /// What a client's certificate is good for without a token.
    pub certificate_scope: Scope,
    /// How fast each client may call.
    pub pace: Pace,
}

/// Puts a [`Gate`] in front of services.
#[derive(Clone)]
pub struct GateLayer {
    rules: Arc<Rules>,
    calls: Arc<Calls>,
}

impl GateLayer {
    /// A gate that measures by these rules.
    pub fn new(rules: Rules, calls: Arc<Calls>) -> Self {
        let rules = Arc::new(rules);
        Self { rules, calls }
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
        let path = request.uri().path();
        let caller = match self.layer.rules.admit(path, request.headers(), peer) {
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

impl Rules {
    fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: Option<Arc<Peer>>,
    ) -> Result<Caller, Error> {
        let peer = peer.ok_or_else(|| Error::bug("a connection without a peer"))?;
        let given = headers.get("authorization").map(|value| value.as_bytes());
        let (client, scope) = self.identify(&peer, given).inspect_err(|error| {
            tracing::warn!(%peer, path, %error, "refused");
        })?;
        self.pace.admit(&client, Instant::now())?;
        let needed = Scope::needed(path);
        scope.require(needed, path).inspect_err(|error| {
            tracing::warn!(%peer, %client, path, %error, "refused");
        })?;
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
            client,
            scope,
            session: text(SESSION_KEY).map(str::to_owned),
            after_block,
        })
    }

    /// Who it is, and what they may do.
    fn identify(&self, peer: &Peer, given: Option<&[u8]>) -> Result<(Arc<str>, Scope), Error> {
        let is_certified = match peer {
            Peer::Local { uid, .. } => {
                if !uid.is_some_and(is_allowed) {
                    return Err(Error::new(
                        ErrorReason::NotAllowed,
                        "this daemon serves the user who started it, and nobody else",
                    ));
                }
                if self.token.is_none() {
                    return Ok((OWNER.into(), Scope::Admin));
                }
                false
            }
            Peer::Remote { is_certified, .. } => *is_certified,
        };
        match given {
            Some(given) => {
                if self
                    .token
                    .as_ref()
                    .is_some_and(|token| token.matches(given))
                {
                    return Ok((OWNER.into(), Scope::Admin));
                }
                let known = given
                    .strip_prefix(b"Bearer ")
                    .zip(self.tokens.as_ref())
                    .and_then(|(token, tokens)| tokens.holder(token));
                if let Some(holder) = known {
                    return Ok((format!("token {}", holder.name).into(), holder.scope));
                }
            }
            None if is_certified => {
                return Ok((CERTIFIED.into(), self.certificate_scope));
            }
            None => {}
        }
        Err(Error::new(
            ErrorReason::Unauthenticated,
            match peer {
                Peer::Local { .. } => {
                    "the call carries no valid token; send \"authorization: Bearer TOKEN\" with what is in the daemon's token file"
                }
                Peer::Remote { .. } => {
                    "the call carries no valid token; send \"authorization: Bearer TOKEN\" with a token that the daemon's owner made by `plugpen token`"
                }
            },
        ))
    }
}

/// Whoever runs the daemon.
const OWNER: &str = "owner";
/// Those who have a certificate and no token.
const CERTIFIED: &str = "certificate";

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
        Some(Arc::new(Peer::Local { uid, pid: None }))
    }

    fn remote(is_certified: bool) -> Option<Arc<Peer>> {
        let address = "192.0.2.1:5".parse().unwrap();
        Some(Arc::new(Peer::Remote {
            address,
            is_certified,
        }))
    }

    fn rules(token: Option<Token>, tokens: Option<Tokens>) -> Rules {
        Rules {
            token,
            tokens,
            certificate_scope: Scope::Read,
            pace: Pace::new(1000),
        }
    }

    const OPEN: &str = "/plugpen.v1.PluginService/OpenPlugin";
    const INFO: &str = "/plugpen.v1.ServerService/GetServerInfo";

    #[test]
    fn strangers_are_turned_away() {
        let headers = HeaderMap::new();
        let rules = rules(None, None);
        let reason = |peer| {
            let admitted = rules.admit(OPEN, &headers, peer);
            admitted.map_err(|e| e.reason).err()
        };
        assert_eq!(reason(peer(Some(own_uid()))), None);
        assert_eq!(
            reason(peer(Some(own_uid() + 1))),
            Some(ErrorReason::NotAllowed)
        );
        assert_eq!(reason(peer(None)), Some(ErrorReason::NotAllowed));
        // A daemon whose own user needs no token still asks others for one.
        assert_eq!(reason(remote(false)), Some(ErrorReason::Unauthenticated));
    }

    #[test]
    fn callers_from_elsewhere_show_a_token_or_a_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        let hash = blake3::hash(b"secret");
        let entry = format!("[[token]]\nname = \"a\"\nscope = \"play\"\nblake3 = \"{hash}\"\n");
        std::fs::write(&path, entry).unwrap();
        let rules = rules(
            Some(Token::create(&dir.path().join("token")).unwrap()),
            Some(Tokens::open(path).unwrap()),
        );
        let with = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", token.parse().unwrap());
            headers
        };
        let caller = rules.admit(OPEN, &with("Bearer secret"), remote(false));
        let caller = caller.unwrap();
        assert_eq!((&*caller.client, caller.scope), ("token a", Scope::Play));
        let reason = |path, headers: &HeaderMap, peer| {
            let admitted = rules.admit(path, headers, peer);
            admitted.map_err(|e| e.reason).err()
        };
        for wrong in ["Bearer secre", "secret", "Bearer "] {
            let reason = reason(INFO, &with(wrong), remote(true));
            assert_eq!(reason, Some(ErrorReason::Unauthenticated), "{wrong}");
        }
        let none = HeaderMap::new();
        assert_eq!(
            reason(INFO, &none, remote(false)),
            Some(ErrorReason::Unauthenticated)
        );
        assert_eq!(reason(INFO, &none, remote(true)), None);
        assert_eq!(
            reason(OPEN, &none, remote(true)),
            Some(ErrorReason::NotAllowed)
        );
    }

    #[test]
    fn metadata_reach_the_service() {
        let mut headers = HeaderMap::new();
        headers.insert(SESSION_KEY, "abc".parse().unwrap());
        headers.insert(AFTER_BLOCK_KEY, "17".parse().unwrap());
        let rules = rules(None, None);
        let caller = rules.admit(OPEN, &headers, peer(Some(own_uid()))).unwrap();
        assert_eq!(caller.session.as_deref(), Some("abc"));
        assert_eq!(caller.after_block, 17);
        headers.insert(AFTER_BLOCK_KEY, "-1".parse().unwrap());
        let error = rules
            .admit(OPEN, &headers, peer(Some(own_uid())))
            .unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
    }

    #[tokio::test]
    async fn a_client_that_is_in_a_hurry_gets_its_answer() {
        let never = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let calls = Arc::new(Calls::default());
        let mut gate = GateLayer::new(rules(None, None), calls.clone()).layer(never);
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
