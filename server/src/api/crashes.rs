//! `CrashService`.

use std::pin::Pin;

use futures_util::stream::{self, Stream};
use plugpen_proto::Error;
use plugpen_proto::limits::STATE_CHUNK;
use plugpen_proto::v1::crash_service_server::CrashService;
use plugpen_proto::v1::*;
use tonic::{Request, Response, Status};

use super::Api;

/// Reports on a page where nothing else is asked, and at most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;
/// Reports that one request deletes by their ids.
const MAX_IDS: usize = 1000;

#[tonic::async_trait]
impl CrashService for Api {
    async fn list_crashes(
        &self,
        request: Request<ListCrashesRequest>,
    ) -> Result<Response<ListCrashesResponse>, Status> {
        self.session(&request)?;
        let wanted = request.into_inner();
        let offset = match wanted.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| bad_token(token))?,
        };
        let count = match wanted.page_size {
            0 => PAGE,
            size => size.min(MAX_PAGE),
        };
        let (crashes, is_more) = self.0.crashes.list(wanted, offset, count).await?;
        let next_page_token = match is_more {
            true => offset.saturating_add(count).to_string(),
            false => String::new(),
        };
        Ok(Response::new(ListCrashesResponse {
            crashes,
            next_page_token,
        }))
    }

    async fn get_crash(
        &self,
        request: Request<GetCrashRequest>,
    ) -> Result<Response<GetCrashResponse>, Status> {
        self.session(&request)?;
        let report = self.0.crashes.get(&request.get_ref().report_id).await?;
        Ok(Response::new(GetCrashResponse {
            report: Some(report),
        }))
    }

    type ExportCrashStream =
        Pin<Box<dyn Stream<Item = Result<ExportCrashResponse, Status>> + Send>>;

    async fn export_crash(
        &self,
        request: Request<ExportCrashRequest>,
    ) -> Result<Response<Self::ExportCrashStream>, Status> {
        self.session(&request)?;
        let report = self.0.crashes.get(&request.get_ref().report_id).await?;
        let bytes = self.0.crashes.minidump(&report).await?;
        let chunks: Vec<_> = bytes
            .chunks(STATE_CHUNK)
            .map(|chunk| {
                Ok(ExportCrashResponse {
                    chunk: chunk.to_vec(),
                })
            })
            .collect();
        Ok(Response::new(Box::pin(stream::iter(chunks))))
    }

    async fn delete_crashes(
        &self,
        request: Request<DeleteCrashesRequest>,
    ) -> Result<Response<DeleteCrashesResponse>, Status> {
        self.session(&request)?;
        let wanted = request.into_inner();
        if wanted.report_ids.len() > MAX_IDS {
            return Err(Error::invalid(format!(
                "report_ids has {} entries; at most {MAX_IDS} are possible",
                wanted.report_ids.len()
            ))
            .into());
        }
        let (ids, signature) = (wanted.report_ids, wanted.signature);
        let deleted = self.0.crashes.delete(ids, signature).await?;
        Ok(Response::new(DeleteCrashesResponse { deleted }))
    }
}

fn bad_token(token: &str) -> Error {
    Error::invalid(format!(
        "page_token is {token:?}; expected the next_page_token of an earlier answer"
    ))
}
