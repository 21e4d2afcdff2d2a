//! A session on a daemon: private to this process, or shared.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugpen_proto::selector::{Named, choose};
use plugpen_proto::v1::scan_plugins_response::Result as ScanResult;
use plugpen_proto::v1::{
    CloseSessionRequest, ErrorReason, GetServerInfoRequest, GetServerInfoResponse,
    ListPluginsRequest, OpenPluginRequest, OpenedPlugin, PluginDescription, ProbePluginRequest,
    ScanFailure, ScanPluginsRequest, ScanProgress,
};

use crate::address::Address;
use crate::callbacks::HostCallbackObserver;
use crate::connection::{Call, Connection, LOAD, PROBE, QUICK};
use crate::core::Core;
use crate::daemon::{Daemon, PrivateOptions};
use crate::dial::ConnectOptions;
use crate::error::{self, Error, Result};
use crate::events::Events;
use crate::options::{OpenOptions, resolve, resolve_directory};
use crate::plugin::Plugin;
use crate::plugin::shared::{Shared, lock};

/// Names a running daemon to use instead of a private one: `unix:/run/user/1000/plugpen/plugpend.sock`,
/// `https://box:7380`.
const SERVER_VARIABLE: &str = "PLUGPEN_SERVER";
/// The token of that daemon, where it is not in the file beside the socket.
const TOKEN_VARIABLE: &str = "PLUGPEN_TOKEN";
/// Closing must not hold anybody up for long.
const CLOSE: Duration = Duration::from_secs(5);
/// Most pages of a list that are asked for.
const PAGES: usize = 1000;

/// A session on a `plugpend`. Clones are the same session; it ends with the last clone and the
/// last of its plugins, or with [`Server::close`].
#[derive(Clone)]
pub struct Server(Arc<Session>);

struct Session {
    connection: Arc<Connection>,
    events: Arc<Events>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    daemon: Option<Daemon>,
}

/// What a probe gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probed {
    /// The plugins of the file or bundle.
    pub plugins: Vec<PluginDescription>,
    /// Of a file of several: those that could not be read, and why.
    pub failures: Vec<ScanFailure>,
}

impl Probed {
    /// The plugin that a selector means, by the rules that open plugins as well: an identifier, an
    /// index, a name, a name whatever its case, the beginning of one; the first where it is empty.
    /// `path` is what was probed.
    ///
    /// # Errors
    /// `NotFound` or `IndexOutOfRange` with what there is and what could not be read,
    /// `InvalidInput` where it could be several.
    pub fn choose(self, path: &str, selector: &str) -> Result<PluginDescription> {
        let named: Vec<Named<'_>> = self
            .plugins
            .iter()
            .map(|plugin| Named {
                index: plugin.index,
                name: &plugin.name,
                identifier: &plugin.identifier,
            })
            .collect();
        let at = choose(path, &named, selector).map_err(|mut error| {
            if !self.failures.is_empty() {
                let unread = self.failures.iter().map(|f| f.message.as_str());
                let unread: Vec<&str> = unread.collect();
                error.message += &format!("; not read: {}", unread.join("; "));
            }
            error
        })?;
        let chosen = self.plugins.into_iter().nth(at);
        chosen.ok_or_else(|| Error::bug("a plugin was chosen and is not there"))
    }
}

/// What a scan finds, in no particular order.
#[derive(Debug, Clone, PartialEq)]
pub enum ScanItem {
    /// A plugin.
    Plugin(PluginDescription),
    /// A file or bundle that could not be read; a crash while probing is one too.
    Failure(ScanFailure),
    /// How far the scan is.
    Progress(ScanProgress),
}

impl Server {
    /// Starts a daemon for this process alone. It ends with the session, and with the process
    /// however that ends. Blocks until it is ready, usually some milliseconds, 20 s at most.
    ///
    /// # Errors
    /// `ServerUnavailable` where `plugpend` is not found or does not start, with its last words.
    pub fn private() -> Result<Server> {
        Server::private_with(&PrivateOptions::default())
    }

    /// As [`Server::private`], with more say in it.
    ///
    /// # Errors
    /// As [`Server::private`].
    pub fn private_with(options: &PrivateOptions) -> Result<Server> {
        let core = Core::get()?;
        let daemon = Daemon::start(options)?;
        let options = ConnectOptions {
            token: token_beside(&daemon.socket()),
            ..ConnectOptions::default()
        };
        let connection = Connection::open(core, &Address::Unix(daemon.socket()), &options)?;
        Server::begin(connection, Some(daemon))
    }

    /// Connects to a running daemon: `unix:/path/to/plugpend.sock`, `https://box:7380`, or
    /// `http://127.0.0.1:7380` for a port of this machine (an SSH tunnel's end, for example). The
    /// token and what is trusted come from the environment; see [`ConnectOptions`].
    ///
    /// # Errors
    /// `InvalidInput` for an address of another form, `ServerUnavailable` where nobody answers,
    /// `Unauthenticated` where the daemon does not take the token or its certificate is not
    /// trusted, `NotAllowed`, `VersionMismatch`.
    pub fn connect(target: &str) -> Result<Server> {
        Server::connect_with(target, &ConnectOptions::default())
    }

    /// As [`Server::connect`], with a token.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub fn connect_with_token(target: &str, token: Option<&str>) -> Result<Server> {
        let options = ConnectOptions {
            token: token.map(str::to_owned),
            ..ConnectOptions::default()
        };
        Server::connect_with(target, &options)
    }

    /// As [`Server::connect`], with a token, certificates and a name.
    ///
    /// # Errors
    /// As [`Server::connect`]; `NotFound` or `InvalidInput` for files that are not there or no PEM.
    pub fn connect_with(target: &str, options: &ConnectOptions) -> Result<Server> {
        let address = Address::parse(target)?;
        let mut options = options.clone();
        let named = || {
            std::env::var(TOKEN_VARIABLE)
                .ok()
                .filter(|token| !token.is_empty())
        };
        options.token = options.token.or_else(named).or_else(|| match &address {
            Address::Unix(socket) => token_beside(socket),
            Address::Tcp(_) => None,
        });
        let connection = Connection::open(Core::get()?, &address, &options)?;
        Server::begin(connection, None)
    }

    /// The process's default: the daemon that `PLUGPEN_SERVER` names, else a private one, started
    /// on first use and used by all. A default whose daemon has died is replaced.
    ///
    /// # Errors
    /// As [`Server::private`] and [`Server::connect`].
    pub fn shared_default() -> Result<Server> {
        Server::shared_default_with(&PrivateOptions::default())
    }

    /// As [`Server::shared_default`]; the options count where a daemon is started.
    ///
    /// # Errors
    /// As [`Server::shared_default`].
    pub fn shared_default_with(options: &PrivateOptions) -> Result<Server> {
        let core = Core::get()?;
        let mut slot = lock(&core.default_server);
        if let Some(server) = slot.as_ref().filter(|server| server.is_usable()) {
            return Ok(server.clone());
        }
        let named = std::env::var(SERVER_VARIABLE).unwrap_or_default();
        let server = match named.as_str() {
            "" => Server::private_with(options)?,
            target => Server::connect(target)?,
        };
        *slot = Some(server.clone());
        Ok(server)
    }

    /// Closes the process's default server, if there is one. A private daemon ends with its process
    /// anyway; a program that calls this at its end waits for that and leaves nothing behind.
    pub fn close_shared_default() {
        if let Some(server) = Core::take_default_server() {
            server.close();
        }
    }

    fn begin(connection: Connection, daemon: Option<Daemon>) -> Result<Server> {
        let connection = Arc::new(connection);
        let events = Events::follow(connection.clone())?;
        let state = State {
            closed: false,
            daemon,
        };
        Ok(Server(Arc::new(Session {
            connection,
            events,
            state: Mutex::new(state),
        })))
    }

    /// The daemon's address: `unix:PATH`, `https://HOST:PORT` or `http://HOST:PORT`.
    pub fn target(&self) -> &str {
        &self.0.connection.target
    }

    /// Whether the daemon is reached over a network. Paths of plugins and folders are then those of
    /// its machine, and have to be absolute.
    pub fn is_remote(&self) -> bool {
        self.0.connection.is_remote()
    }

    /// Whether calls can be made: not closed, and the daemon not known to be gone.
    pub fn is_usable(&self) -> bool {
        !lock(&self.0.state).closed && !self.0.connection.is_gone()
    }

    /// Version, formats, sandbox and limits of the daemon.
    ///
    /// # Errors
    /// `ServerUnavailable`, `TimedOut`.
    pub fn info(&self) -> Result<GetServerInfoResponse> {
        self.check()?.call(
            Call::new("GetServerInfo", QUICK),
            GetServerInfoRequest {},
            |mut api, request| async move { api.server.get_server_info(request).await },
        )
    }

    /// Opens a plugin in a worker process of its own: a file, a bundle or an LV2 URI. Blocks
    /// until it is ready to play.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`, `PluginRefused`, `PluginCrashed` where the plugin died while it
    /// loaded, `PluginHung`, `LimitReached`, `ServerUnavailable`.
    pub fn open(&self, path: &str, options: &OpenOptions) -> Result<Plugin> {
        self.open_with(path, options, None)
    }

    /// As [`Server::open`], and has `observer` told each call that the plugin makes to its host,
    /// those while it loads included: VST2 only. Equal calls close together are told once, with
    /// their count. It runs where the other callbacks do.
    ///
    /// # Errors
    /// As for [`Server::open`].
    pub fn open_observed(
        &self,
        path: &str,
        options: &OpenOptions,
        observer: HostCallbackObserver,
    ) -> Result<Plugin> {
        self.open_with(path, options, Some(observer))
    }

    fn open_with(
        &self,
        path: &str,
        options: &OpenOptions,
        observer: Option<HostCallbackObserver>,
    ) -> Result<Plugin> {
        let mut message = options
            .message(path, self.is_remote())
            .map_err(|error| prefixed("Failed to open plugin", error))?;
        message.observe_host_callbacks = observer.is_some();
        let request = OpenPluginRequest {
            options: Some(message),
            request_id: String::new(),
        };
        let opened = self.check()?.call(
            Call::new("OpenPlugin", LOAD),
            request,
            |mut api, request| async move { api.plugins.open_plugin(request).await },
        );
        let opened = opened.map_err(|error| prefixed("Failed to open plugin", error))?;
        let described = opened
            .plugin
            .ok_or_else(|| Error::bug("the daemon opened a plugin and did not describe it"))?;
        let shared = Arc::new(Shared::new(self.0.connection.clone(), described));
        shared.journal().set_non_realtime(options.non_realtime);
        shared.callbacks.set_host_call(observer);
        self.0.events.add(&shared);
        Plugin::new(self.clone(), shared, path, opened.audio.as_ref())
    }

    /// Reads what can be known of the plugins of one file or bundle without playing them; of one
    /// plugin for an LV2 URI.
    ///
    /// # Errors
    /// `NotFound`, `PluginCrashed` where the plugin died while it was read, `PluginHung`,
    /// `ServerUnavailable`.
    pub fn probe(&self, path: &str) -> Result<Probed> {
        let request = ProbePluginRequest {
            path: resolve(path, self.is_remote())
                .map_err(|error| prefixed("Failed to probe plugin", error))?,
        };
        let probed = self.check()?.call(
            Call::new("ProbePlugin", PROBE),
            request,
            |mut api, request| async move { api.discovery.probe_plugin(request).await },
        );
        let probed = probed.map_err(|error| prefixed("Failed to probe plugin", error))?;
        Ok(Probed {
            plugins: probed.plugins,
            failures: probed.failures,
        })
    }

    /// Finds all plugins below some folders, recursively; below the system's standard folders
    /// where none are given. `refresh` reads again what is known from earlier. `on` is called for
    /// each item as it comes.
    ///
    /// # Errors
    /// `NotFound` for a folder that is none; `ServerUnavailable`; `TimedOut` where nothing comes
    /// for two minutes.
    pub fn scan(
        &self,
        directories: &[String],
        refresh: bool,
        on: &mut dyn FnMut(ScanItem),
    ) -> Result<()> {
        let directories: Vec<_> = directories
            .iter()
            .map(|directory| resolve_directory(directory, self.is_remote()))
            .collect::<Result<_>>()?;
        let connection = self.check()?;
        let call = Call::new("ScanPlugins", PROBE);
        let request = call.request(ScanPluginsRequest {
            directories,
            refresh,
            known_only: false,
        });
        let mut api = connection.api();
        let answer = async move { api.discovery.scan_plugins(request).await };
        let mut stream = connection.run(call, answer)?.into_inner();
        // Each item has the deadline; a scan as a whole may take as long as it likes.
        while let Some(response) = connection.run(call, stream.message())? {
            match response.result {
                Some(ScanResult::Plugin(plugin)) => on(ScanItem::Plugin(plugin)),
                Some(ScanResult::Failure(failure)) => on(ScanItem::Failure(failure)),
                Some(ScanResult::Progress(progress)) => on(ScanItem::Progress(progress)),
                None => {}
            }
        }
        Ok(())
    }

    /// The plugins that are open: this session's, or those of all sessions.
    ///
    /// # Errors
    /// `ServerUnavailable`, `NotAllowed`.
    pub fn plugins(&self, all_sessions: bool) -> Result<Vec<OpenedPlugin>> {
        let connection = self.check()?;
        let mut plugins = Vec::new();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let request = ListPluginsRequest {
                page_size: 0,
                page_token,
                all_sessions,
            };
            let page = connection.call(
                Call::new("ListPlugins", QUICK),
                request,
                |mut api, request| async move { api.plugins.list_plugins(request).await },
            )?;
            plugins.extend(page.plugins);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(plugins);
            }
        }
        Err(Error::bug("the daemon's list of plugins does not end"))
    }

    /// Ends the session: closes its plugins, and the daemon where it is private. Closing twice is
    /// no error.
    pub fn close(&self) {
        self.0.close();
    }

    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.0.events
    }

    pub(crate) fn check(&self) -> Result<&Arc<Connection>> {
        self.0.connection.core.check_process()?;
        if lock(&self.0.state).closed {
            return Err(error::server_closed(self.target()));
        }
        Ok(&self.0.connection)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.target()).finish()
    }
}

impl Session {
    fn close(&self) {
        let daemon = {
            let mut state = lock(&self.state);
            if std::mem::replace(&mut state.closed, true) {
                return;
            }
            state.daemon.take()
        };
        for plugin in self.events.plugins() {
            plugin.close();
            plugin.callbacks.clear();
        }
        self.events.close();
        if daemon.is_none() && !self.connection.is_gone() {
            // It may fail for all it matters: the daemon ends the session when it hears nothing.
            let _ = self.connection.call(
                Call::new("CloseSession", CLOSE),
                CloseSessionRequest {},
                |mut api, request| async move { api.server.close_session(request).await },
            );
        }
        drop(daemon);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.connection.core.is_own_process() {
            self.close();
        } else {
            // A forked child's copy: taking the channel apart would talk to threads that are not
            // there.
            std::mem::forget(self.connection.clone());
            std::mem::forget(self.events.clone());
        }
    }
}

/// The socket of the daemon that the user runs for all programs: in `$XDG_RUNTIME_DIR/plugpen`, or
/// in `/tmp/plugpen-UID`.
pub fn default_socket() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let folder = match runtime {
        Some(runtime) => PathBuf::from(runtime).join("plugpen"),
        None => PathBuf::from(format!(
            "/tmp/plugpen-{}",
            rustix::process::getuid().as_raw()
        )),
    };
    folder.join("plugpend.sock")
}

/// The error with what failed before it, where it is about what was asked for: a death tells its
/// own story.
pub(crate) fn prefixed(what: &str, error: Error) -> Error {
    match error.reason {
        ErrorReason::InvalidInput
        | ErrorReason::NotFound
        | ErrorReason::NotAllowed
        | ErrorReason::PluginRefused
        | ErrorReason::Unsupported
        | ErrorReason::WrongState => Error {
            message: format!("{what}: {}", error.message),
            ..error
        },
        _ => error,
    }
}

fn token_beside(socket: &Path) -> Option<String> {
    std::fs::read_to_string(socket.with_file_name("token")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_to_nobody_fails_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let target = format!("unix:{}/none.sock", folder.path().display());
        let error = Server::connect(&target).unwrap_err();
        assert_eq!(error.reason, ErrorReason::ServerUnavailable);
    }
}
