//! `StateService`: states and files in chunks, programs in pages.

use std::pin::Pin;

use futures_util::{Stream, stream};
use plugpen_proto::Error;
use plugpen_proto::limits::{MAX_FILE, STATE_CHUNK};
use plugpen_proto::v1::state_service_server::StateService;
use plugpen_proto::v1::{
    ErrorReason, GetStateRequest, GetStateResponse, ListProgramsRequest, ListProgramsResponse,
    SetStateRequest, SetStateResponse, StageFileRequest, StageFileResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::{Api, page, worker_service};

type Chunks = Pin<Box<dyn Stream<Item = Result<GetStateResponse, Status>> + Send>>;

worker_service! {
    StateService {
        set_program: SetProgramRequest => SetProgramResponse,
    }

    type GetStateStream = Chunks;

    async fn get_state(
        &self,
        request: Request<GetStateRequest>,
    ) -> Result<Response<Chunks>, Status> {
        let state = self.pass(request).await?.into_inner().data;
        self.check_size(state.len())?;
        Ok(Response::new(Box::pin(chunks(state))))
    }

    async fn set_state(
        &self,
        request: Request<Streaming<SetStateRequest>>,
    ) -> Result<Response<SetStateResponse>, Status> {
        let (metadata, extensions, messages) = request.into_parts();
        let whole = self.collect(messages).await?;
        self.pass(Request::from_parts(metadata, extensions, whole)).await
    }

    async fn stage_file(
        &self,
        request: Request<Streaming<StageFileRequest>>,
    ) -> Result<Response<StageFileResponse>, Status> {
        let (metadata, extensions, mut messages) = request.into_parts();
        let mut whole = messages.message().await?.unwrap_or_default();
        while let Some(more) = messages.message().await? {
            check_file(whole.data.len() + more.data.len())?;
            whole.data.extend_from_slice(&more.data);
        }
        check_file(whole.data.len())?;
        self.pass(Request::from_parts(metadata, extensions, whole)).await
    }

    async fn list_programs(
        &self,
        request: Request<ListProgramsRequest>,
    ) -> Result<Response<ListProgramsResponse>, Status> {
        let asked = request.get_ref().clone();
        let mut programs = self.pass(request).await?.into_inner();
        (programs.names, programs.next_page_token) =
            page(programs.names, asked.page_size, &asked.page_token)?;
        Ok(Response::new(programs))
    }
}

impl Api {
    fn check_size(&self, bytes: usize) -> Result<(), Error> {
        let most = self.0.config.limits.state_bytes;
        if bytes <= most {
            return Ok(());
        }
        Err(Error::new(
            ErrorReason::LimitReached,
            format!("the state is larger than {most} bytes (limit \"state_bytes\")"),
        ))
    }

    /// Puts the chunks of a state together.
    async fn collect(
        &self,
        mut messages: Streaming<SetStateRequest>,
    ) -> Result<SetStateRequest, Status> {
        let mut whole = messages.message().await?.unwrap_or_default();
        self.check_size(whole.data.len())?;
        while let Some(more) = messages.message().await? {
            self.check_size(whole.data.len() + more.data.len())?;
            whole.data.extend_from_slice(&more.data);
        }
        Ok(whole)
    }
}

fn check_file(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_FILE {
        return Ok(());
    }
    Err(Error::new(
        ErrorReason::LimitReached,
        format!("the file is larger than {MAX_FILE} bytes, the most that can be handed over"),
    ))
}

fn chunks(state: Vec<u8>) -> impl Stream<Item = Result<GetStateResponse, Status>> {
    // An empty state is one empty chunk.
    let count = state.len().div_ceil(STATE_CHUNK).max(1);
    stream::iter((0..count).map(move |index| {
        let start = index * STATE_CHUNK;
        let end = state.len().min(start + STATE_CHUNK);
        Ok(GetStateResponse {
            data: state[start..end].to_vec(),
        })
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn chunks_add_up() {
        for size in [0, 1, STATE_CHUNK, 3 * STATE_CHUNK + 5] {
            let state: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let got: Vec<_> = chunks(state.clone()).collect().await;
            assert_eq!(got.len(), size.div_ceil(STATE_CHUNK).max(1));
            let joined: Vec<u8> = got.into_iter().flat_map(|c| c.unwrap().data).collect();
            assert_eq!(joined, state);
        }
    }
}
