//! The public services: each method checks, calls and replies.

mod audio;
mod buses;
mod crashes;
mod devices;
mod discovery;
mod events;
mod parameters;
mod playback;
mod plugins;
mod recordings;
mod server;
mod state;

use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use tonic::{Request, Response, Status};

use crate::calls::PluginCall;
use crate::connection::Peer;
use crate::daemon::Daemon;
use crate::discovery::Reach;
use crate::gate::Caller;
use crate::plugins::Plugin;
use crate::scope::Scope;
use crate::session::Session;
use crate::worker_client::Terms;

/// All services.
#[derive(Clone)]
pub struct Api(pub Arc<Daemon>);

/// A service whose calls go straight to the worker, one line each; others follow the table.
macro_rules! worker_service {
    ($service:path { $($method:ident: $request:ident => $response:ident,)* } $($other:tt)*) => {
        #[tonic::async_trait]
        impl $service for crate::api::Api {
            $(async fn $method(
                &self,
                request: tonic::Request<plugpen_proto::v1::$request>,
            ) -> Result<tonic::Response<plugpen_proto::v1::$response>, tonic::Status> {
                self.pass(request).await
            })*
            $($other)*
        }
    };
}
use worker_service;

impl Api {
    /// Who calls.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Error> {
        let caller = request.extensions().get::<Caller>().cloned();
        caller.ok_or_else(|| Error::bug("a call that did not pass the gate"))
    }

    /// The session the call is made in.
    fn session<T>(&self, request: &Request<T>) -> Result<Arc<Session>, Error> {
        let caller = self.caller(request)?;
        let id = caller.session.ok_or_else(|| {
            Error::new(
                ErrorReason::WrongState,
                "the call names no session; call OpenSession and send its id as \"plugpen-session\"",
            )
        })?;
        let session = self.0.sessions.get(&id)?;
        if session.client != caller.client {
            return Err(Error::new(
                ErrorReason::NotAllowed,
                "the session was opened with another token; call OpenSession with this one",
            ));
        }
        session.used_by(&caller.peer);
        Ok(session)
    }

    /// Where the caller's plugins may be.
    fn reach<T>(&self, request: &Request<T>) -> Result<Reach, Error> {
        Ok(match &*self.caller(request)?.peer {
            Peer::Local { .. } => Reach::Everywhere,
            Peer::Remote { .. } => Reach::of_strangers(&self.0.config),
        })
    }

    /// Fails unless the caller may see what others opened.
    fn sees_all<T>(&self, request: &Request<T>) -> Result<(), Error> {
        let scope = self.caller(request)?.scope;
        scope.require(Scope::Admin, "all_sessions")
    }

    /// A plugin of the session the call is made in.
    fn plugin<T>(&self, request: &Request<T>, handle: &str) -> Result<Arc<Plugin>, Error> {
        self.session(request)?.plugin(handle)
    }

    /// Passes a call on to the plugin's worker.
    async fn pass<R: PluginCall>(
        &self,
        request: Request<R>,
    ) -> Result<Response<R::Response>, Status> {
        let plugin = self.plugin(&request, request.get_ref().handle())?;
        request.get_ref().check()?;
        let terms = Terms {
            after_block: self.caller(&request)?.after_block,
            deadline: plugin.deadlines(&self.0).of(R::CLASS),
        };
        let worker = plugin.worker()?;
        let answer = worker.call(request.into_inner(), terms, Vec::new()).await?;
        Ok(Response::new(answer))
    }
}

/// The page of a list that a request asks for, and the token of the next.
fn page<T>(all: Vec<T>, size: u32, token: &str) -> Result<(Vec<T>, String), Error> {
    const DEFAULT: usize = 100;
    let start = match token {
        "" => 0,
        token => token.parse::<usize>().map_err(|_| {
            Error::invalid(format!(
                "page_token is {token:?}; expected the next_page_token of an earlier answer"
            ))
        })?,
    };
    let size = match usize::try_from(size).unwrap_or(usize::MAX) {
        0 => DEFAULT,
        size => size,
    };
    let total = all.len();
    let items: Vec<T> = all.into_iter().skip(start).take(size).collect();
    let end = start.saturating_add(items.len());
    let next = if end < total && !items.is_empty() {
        end.to_string()
    } else {
        String::new()
    };
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let all: Vec<u32> = (0..250).collect();
        let (mut got, mut token) = (Vec::new(), String::new());
        loop {
            let (items, next) = page(all.clone(), 0, &token).unwrap();
            got.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(got, all);
        assert_eq!(
            page(all.clone(), 7, "249").unwrap(),
            (vec![249], String::new())
        );
        assert_eq!(
            page(all.clone(), 7, "999").unwrap(),
            (vec![], String::new())
        );
        assert!(page(all, 7, "x").is_err());
    }
}
