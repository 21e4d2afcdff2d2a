//! `DiscoveryService`.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use plugpen_proto::v1::discovery_service_server::DiscoveryService;
use plugpen_proto::v1::{
    GetScanCacheRequest, GetScanCacheResponse, ProbePluginRequest, ProbePluginResponse,
    ScanPluginsRequest, ScanPluginsResponse, TrimScanCacheRequest, TrimScanCacheResponse,
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
        let reach = self.reach(&request)?;
        let found = discovery::probe(&self.0, &request.get_ref().path, &reach).await?;
        Ok(Response::new(ProbePluginResponse {
            plugins: found.plugins,
            failures: found.failures,
        }))
    }

    async fn get_scan_cache(
        &self,
        request: Request<GetScanCacheRequest>,
    ) -> Result<Response<GetScanCacheResponse>, Status> {
        self.session(&request)?;
        Ok(Response::new(discovery::cached(&self.0).await?))
    }

    async fn trim_scan_cache(
        &self,
        request: Request<TrimScanCacheRequest>,
    ) -> Result<Response<TrimScanCacheResponse>, Status> {
        self.session(&request)?;
        let everything = request.get_ref().everything;
        let removed = discovery::trim_cache(&self.0, everything).await?;
        Ok(Response::new(TrimScanCacheResponse { removed }))
    }

    type ScanPluginsStream = Found;

    async fn scan_plugins(
        &self,
        request: Request<ScanPluginsRequest>,
    ) -> Result<Response<Found>, Status> {
        self.0.takes_work()?;
        self.session(&request)?;
        let reach = self.reach(&request)?;
        let mut request = request.into_inner();
        request.directories = reach.search(request.directories)?;
        let found = discovery::scan(self.0.clone(), request).await?;
        let found = ReceiverStream::new(found).map(Ok);
        Ok(Response::new(Box::pin(found)))
    }
}
