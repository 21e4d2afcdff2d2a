//! `EventService`.

use std::pin::Pin;

use futures_util::{Stream, stream};
use plugpen_proto::v1::event_service_server::EventService;
use plugpen_proto::v1::{
    ErrorReason, FlushEventsRequest, FlushEventsResponse, WatchEventsRequest, WatchEventsResponse,
};
use plugpen_proto::worker::Ping;
use tonic::{Request, Response, Status};

use super::Api;
use crate::config::Class;
use crate::worker_client::Terms;

type Events = Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EventService for Api {
    type WatchEventsStream = Events;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Events>, Status> {
        let session = self.session(&request)?;
        if request.get_ref().all_sessions {
            self.sees_all(&request)?;
        }
        let request = request.into_inner();
        let mut handles = request.handles;
        handles.sort();
        handles.dedup();
        let hub = match request.all_sessions {
            true => &self.0.sessions.everyone,
            false => {
                for handle in &handles {
                    session.plugin(handle)?;
                }
                &session.hub
            }
        };
        let wanted = |handle: &String| handles.is_empty() || handles.contains(handle);
        let watcher = hub.watch(handles.clone(), || {
            let plugins = match request.all_sessions {
                true => self.0.sessions.plugins(),
                false => session.plugins(),
            };
            let wanted = plugins.iter().filter(|plugin| wanted(&plugin.handle));
            wanted.map(|plugin| plugin.describe()).collect()
        })?;
        let events = stream::unfold(watcher, async |mut watcher| {
            let event = watcher.next().await?;
            Some((Ok(event), watcher))
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn flush_events(
        &self,
        request: Request<FlushEventsRequest>,
    ) -> Result<Response<FlushEventsResponse>, Status> {
        let plugin = self.plugin(&request, &request.get_ref().handle)?;
        let terms = Terms {
            after_block: self.caller(&request)?.after_block,
            deadline: self.0.config.deadlines.of(Class::Control),
        };
        let worker = plugin.worker();
        if let Ok(worker) = worker
            && let Err(error) = worker.call(Ping {}, terms, Vec::new()).await
            && error.reason != ErrorReason::PluginDead
        {
            return Err(error.into());
        }
        let sequence = plugin.mark_events();
        Ok(Response::new(FlushEventsResponse { sequence }))
    }
}
