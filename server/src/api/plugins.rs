//! `PluginService`.

use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::plugin_service_server::PluginService;
use plugpen_proto::v1::*;
use plugpen_warden::KillCause;
use tonic::{Request, Response, Status};

use super::{Api, page};
use crate::calls::text;
use crate::discovery::Reach;
use crate::plugins::Plugin;
use crate::session::Session;

#[tonic::async_trait]
impl PluginService for Api {
    async fn open_plugin(
        &self,
        request: Request<OpenPluginRequest>,
    ) -> Result<Response<OpenPluginResponse>, Status> {
        self.0.takes_work()?;
        let session = self.session(&request)?;
        let reach = self.reach(&request)?;
        let request = request.into_inner();
        check_request_id(&request.request_id)?;
        let mut options = request
            .options
            .ok_or_else(|| Error::invalid("options are missing"))?;
        choose_path(&mut options, &reach)?;
        let opened = match request.request_id.as_str() {
            "" => self.open(&session, options, &reach).await,
            id => self.open_once(&session, options, id, &reach).await,
        };
        Ok(Response::new(opened?))
    }

    async fn close_plugin(
        &self,
        request: Request<ClosePluginRequest>,
    ) -> Result<Response<ClosePluginResponse>, Status> {
        let session = self.session(&request)?;
        if let Some(plugin) = session.remove(&request.get_ref().handle)? {
            plugin.close(&self.0).await;
        }
        Ok(Response::new(ClosePluginResponse {}))
    }

    async fn get_plugin(
        &self,
        request: Request<GetPluginRequest>,
    ) -> Result<Response<GetPluginResponse>, Status> {
        let plugin = self.plugin(&request, &request.get_ref().handle)?;
        Ok(Response::new(GetPluginResponse {
            plugin: Some(plugin.describe_with_usage()),
        }))
    }

    async fn list_plugins(
        &self,
        request: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let session = self.session(&request)?;
        if request.get_ref().all_sessions {
            self.sees_all(&request)?;
        }
        let request = request.into_inner();
        let all = match request.all_sessions {
            true => self.0.sessions.plugins(),
            false => session.plugins(),
        };
        let (page, next_page_token) = page(all, request.page_size, &request.page_token)?;
        let plugins = page.iter().map(|p| p.describe_with_usage()).collect();
        Ok(Response::new(ListPluginsResponse {
            plugins,
            next_page_token,
        }))
    }

    async fn restart_plugin(
        &self,
        request: Request<RestartPluginRequest>,
    ) -> Result<Response<RestartPluginResponse>, Status> {
        self.0.takes_work()?;
        let plugin = self.plugin(&request, &request.get_ref().handle)?;
        let wish = request.get_ref();
        let (opened, audio) = match wish.after_generation {
            0 => plugin.restart(&self.0, wish.sample_rate).await?,
            died => plugin.rejoin(&self.0, died).await?,
        };
        Ok(Response::new(RestartPluginResponse {
            plugin: Some(opened),
            audio,
        }))
    }

    async fn kill_plugin(
        &self,
        request: Request<KillPluginRequest>,
    ) -> Result<Response<KillPluginResponse>, Status> {
        self.session(&request)?;
        let wanted = request.into_inner();
        let plugins = self.0.sessions.plugins();
        let found = plugins.iter().find(|plugin| match wanted.handle.as_str() {
            "" => plugin.is_in_process(wanted.worker_pid),
            handle => plugin.handle == handle,
        });
        let plugin = found.ok_or_else(|| no_such_plugin(&wanted))?;
        let cause = match wanted.broken_rings.as_str() {
            "" => KillCause::Asked,
            how => {
                text("broken_rings", how)?;
                KillCause::Protocol(format!("its audio rings: {how}"))
            }
        };
        let killed = plugin.kill(&self.0, cause).await?;
        Ok(Response::new(KillPluginResponse {
            plugin: Some(killed),
        }))
    }

    async fn attach_audio(
        &self,
        request: Request<AttachAudioRequest>,
    ) -> Result<Response<AttachAudioResponse>, Status> {
        let plugin = self.plugin(&request, &request.get_ref().handle)?;
        let audio = plugin.attach_audio(&self.0).await?;
        Ok(Response::new(AttachAudioResponse { audio: Some(audio) }))
    }
}

/// Chooses the way of the audio where the client leaves that to the daemon.
fn choose_path(options: &mut OpenOptions, reach: &Reach) -> Result<(), Error> {
    let is_near = *reach == Reach::Everywhere;
    match options.audio_path() {
        AudioPath::Unspecified if is_near => options.set_audio_path(AudioPath::SharedMemory),
        AudioPath::Unspecified => options.set_audio_path(AudioPath::Stream),
        AudioPath::SharedMemory if !is_near => {
            return Err(Error::invalid(
                "memory cannot be shared with a client on a TCP connection; open the plugin with AUDIO_PATH_STREAM",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// Longest request id, in bytes; sessions remember them.
const MAX_REQUEST_ID: usize = 256;

fn check_request_id(id: &str) -> Result<(), Error> {
    if id.len() <= MAX_REQUEST_ID {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "request_id has {} bytes; at most {MAX_REQUEST_ID} are possible",
        id.len()
    )))
}

fn no_such_plugin(wanted: &KillPluginRequest) -> Error {
    let what = match wanted.handle.as_str() {
        "" => format!(
            "no plugin lives in a worker with the process id {}",
            wanted.worker_pid
        ),
        handle => format!("there is no plugin {handle:?}"),
    };
    Error::new(
        ErrorReason::NotFound,
        format!("{what}; `plugpen ps` lists all that are open"),
    )
}

impl Api {
    async fn open(
        &self,
        session: &Arc<Session>,
        options: OpenOptions,
        reach: &Reach,
    ) -> Result<OpenPluginResponse, Error> {
        let (plugin, audio) = Plugin::open(&self.0, session, options, reach).await?;
        Ok(OpenPluginResponse {
            plugin: Some(plugin.describe()),
            audio,
        })
    }

    /// Opens, or finds what an earlier request of the same id opened, with fresh rings.
    async fn open_once(
        &self,
        session: &Arc<Session>,
        options: OpenOptions,
        request_id: &str,
        reach: &Reach,
    ) -> Result<OpenPluginResponse, Error> {
        let has_audio = options.audio_path() != AudioPath::None;
        let meeting = session.opening(request_id);
        let mut fresh = None;
        let opening = async {
            let (plugin, audio) = Plugin::open(&self.0, session, options, reach).await?;
            fresh = Some(audio);
            Ok::<_, Error>(plugin.handle.clone())
        };
        let handle = meeting.get_or_try_init(|| opening).await?;
        let plugin = session.plugin(handle)?;
        let audio = match fresh {
            Some(audio) => audio,
            None if has_audio => Some(plugin.attach_audio(&self.0).await?),
            None => None,
        };
        Ok(OpenPluginResponse {
            plugin: Some(plugin.describe()),
            audio,
        })
    }
}
