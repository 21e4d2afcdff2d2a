//! `DiscoveryService`.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use plugpen_proto::v1::discovery_service_server::DiscoveryService;
use plugpen_proto::v1::{
    ProbePluginRequest, ProbePluginResponse, ScanPluginsRequest, ScanPluginsResponse,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Api;
use crate::discovery;

type Found = Pin<Box<dyn Stream<Item = Result<ScanPluginsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl DiscoveryService for Api {
    async fn probe_plugin(
        &self,
        request: Request<ProbePluginRequest>,
    ) -> Result<Response<ProbePluginResponse>, Status> {
        self.0.takes_work()?;
        self.session(&request)?;
        let plugins = discovery::probe(&self.0, &request.get_ref().path).await?;
        Ok(Response::new(ProbePluginResponse { plugins }))
    }

    type ScanPluginsStream = Found;

    async fn scan_plugins(
        &self,
        request: Request<ScanPluginsRequest>,
    ) -> Result<Response<Found>, Status> {
        self.0.takes_work()?;
        self.session(&request)?;
        let found = discovery::scan(self.0.clone(), request.into_inner()).await?;
        let found = ReceiverStream::new(found).map(Ok);
        Ok(Response::new(Box::pin(found)))
    }
}
