//! The way to a daemon: a socket, TLS around it, HTTP/2 on top; made anew when it breaks.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use plugpen_proto::v1::ErrorReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use tonic::transport::{Channel, Endpoint};

use crate::address::{Address, Tcp};
use crate::connection::CONNECT;
use crate::error::{Error, Result};

/// Room for several chunks of a state on their way.
const HTTP2_WINDOW: u32 = 1024 * 1024;
/// A death's last lines of output travel in the trailers.
const HTTP2_HEADERS: u32 = 256 * 1024;
/// Pings on a quiet connection to another machine, and how long an answer may take: a network that
/// is gone says nothing by itself.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));
/// The protocol's name in the handshake.
const HTTP2: &[u8] = b"h2";

/// Names the authority whose certificates are trusted, where the caller does not.
const CA_VARIABLE: &str = "PLUGPEN_CA";

/// How a daemon is connected to. What is `None` is left to the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Else `PLUGPEN_TOKEN`, else what is in the file `token` beside a Unix socket.
    pub token: Option<String>,
    /// The authority that vouches for an `https://` daemon, a PEM file: no other is trusted then.
    /// Else `PLUGPEN_CA`, else those that this system trusts.
    pub ca: Option<PathBuf>,
    /// A certificate of the caller's own, for daemons that ask for one; a PEM file.
    pub client_cert: Option<PathBuf>,
    /// That certificate's private key, a PEM file.
    pub client_key: Option<PathBuf>,
    /// The name that the daemon's certificate is for, where it is not the address's.
    pub server_name: Option<String>,
}

impl std::fmt::Debug for ConnectOptions {
    /// Without the token, which belongs into no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("ca", &self.ca)
            .field("client_cert", &self.client_cert)
            .field("client_key", &self.client_key)
            .field("server_name", &self.server_name)
            .finish()
    }
}

impl ConnectOptions {
    /// Whether anything is said that only TLS can do.
    fn is_about_tls(&self) -> bool {
        let files = [&self.ca, &self.client_cert, &self.client_key];
        files.iter().any(|file| file.is_some()) || self.server_name.is_some()
    }
}

/// Why no connection was made. It travels through the transport's errors to whoever made the call.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) reason: ErrorReason,
    pub(crate) message: String,
}

/// How to make a connection to one address, as often as need be.
#[derive(Clone)]
pub(crate) enum Dialer {
    Unix(PathBuf),
    Tcp(Tcp),
    Tls(Tcp, Arc<ClientConfig>, ServerName<'static>),
}

impl Dialer {
    /// Reads the files that TLS wants.
    ///
    /// # Errors
    /// `InvalidInput`, `NotFound` or `NotAllowed`: which of them cannot be used, and why.
    pub(crate) fn new(address: &Address, options: &ConnectOptions) -> Result<Dialer> {
        match address {
            Address::Tcp(tcp) if tcp.is_tls => {
                let name = options.server_name.as_ref().unwrap_or(&tcp.host);
                let name = ServerName::try_from(name.clone()).map_err(|_| {
                    Error::invalid(format!("{name:?} is no name that a certificate can have"))
                })?;
                Ok(Dialer::Tls(tcp.clone(), Arc::new(tls(options)?), name))
            }
            _ if options.is_about_tls() => Err(Error::invalid(format!(
                "certificates are for https:// addresses, and this is {address}"
            ))),
            Address::Tcp(tcp) => Ok(Dialer::Tcp(tcp.clone())),
            Address::Unix(path) => Ok(Dialer::Unix(path.clone())),
        }
    }

    /// A channel that stands, and stands up again by itself.
    ///
    /// # Errors
    /// Why it does not stand; see [`refusal`].
    pub(crate) async fn channel(
        self,
        authority: &str,
    ) -> std::result::Result<Channel, tonic::transport::Error> {
        // The name is never looked up: the dialer knows where the daemon is.
        let mut endpoint = Endpoint::from_static("http://plugpend")
            .initial_stream_window_size(HTTP2_WINDOW)
            .initial_connection_window_size(4 * HTTP2_WINDOW)
            .http2_max_header_list_size(HTTP2_HEADERS);
        if !matches!(self, Dialer::Unix(_)) {
            // What a proxy on the way goes by.
            if let Ok(origin) = authority.parse() {
                endpoint = endpoint.origin(origin);
            }
            endpoint = endpoint
                .http2_keep_alive_interval(KEEPALIVE.0)
                .keep_alive_timeout(KEEPALIVE.1)
                .keep_alive_while_idle(true);
        }
        endpoint
            .connect_with_connector(tower::service_fn(move |_| {
                let dialer = self.clone();
                async move {
                    match tokio::time::timeout(CONNECT, dialer.dial()).await {
                        Ok(stream) => stream.map(TokioIo::new),
                        Err(_) => Err(dialer.nobody("it does not take the connection")),
                    }
                }
            }))
            .await
    }

    async fn dial(&self) -> std::result::Result<Stream, Refused> {
        match self {
            Dialer::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(self.nobody(error)),
            },
            Dialer::Tcp(tcp) => Ok(Box::new(self.reach(tcp).await?)),
            Dialer::Tls(tcp, config, name) => {
                let stream = self.reach(tcp).await?;
                let connector = TlsConnector::from(config.clone());
                match connector.connect(name.clone(), stream).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(self.distrusted(name, &error)),
                }
            }
        }
    }

    async fn reach(&self, tcp: &Tcp) -> std::result::Result<TcpStream, Refused> {
        let stream = TcpStream::connect((tcp.host.as_str(), tcp.port)).await;
        let stream = stream.map_err(|error| self.nobody(error))?;
        // Small calls must not wait for more. Without it they are late, and no worse.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn nobody(&self, why: impl Display) -> Refused {
        let (target, advice) = match self {
            Dialer::Unix(path) => (
                Address::Unix(path.clone()),
                "`plugpen serve` starts one.".to_owned(),
            ),
            Dialer::Tcp(tcp) | Dialer::Tls(tcp, ..) => {
                let address = Address::Tcp(tcp.clone());
                let advice = format!(
                    "Does one run there (`plugpen serve --listen ...`), and does the network let this machine reach \
                     port {}?",
                    tcp.port
                );
                (address, advice)
            }
        };
        Refused {
            reason: ErrorReason::ServerUnavailable,
            message: format!("no plugpen daemon answers at {target}: {why}. {advice}"),
        }
    }

    /// Why a handshake failed, and what to do.
    fn distrusted(&self, name: &ServerName<'_>, error: &io::Error) -> Refused {
        let cause = error.get_ref().and_then(|e| e.downcast_ref::<TlsError>());
        let name = name.to_str();
        let message = match cause {
            Some(TlsError::InvalidCertificate(certificate)) => untrusted(&name, certificate),
            Some(TlsError::InvalidMessage(_)) => {
                "what answers there speaks no TLS; is its address http:// rather than https://?"
                    .to_owned()
            }
            Some(other) => format!("the TLS handshake failed: {other}"),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let why = "it hung up at once; it may have as many connections as it takes (limit \"connections\")";
                return self.nobody(why);
            }
            None => return self.nobody(error),
        };
        Refused {
            reason: ErrorReason::Unauthenticated,
            message: format!("the daemon at {name} is not trusted: {message}"),
        }
    }
}

/// What is wrong with a certificate.
fn untrusted(name: &str, error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "nobody that is trusted here vouches for its certificate. If you trust it, \
             name the authority's PEM file: ca=\"authority.pem\" in Python, --ca on the command line, or PLUGPEN_CA"
            .into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "its certificate is not for the name {name:?} ({error}). Connect by a name that it is for, or have it \
                 made anew with this one"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "its certificate has expired ({error}). Whoever runs the daemon renews it; the daemon takes a new one \
             without a restart"
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet ({error}); is this machine's clock right?")
        }
        _ => format!("its certificate cannot be used ({error})"),
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
type Stream = Box<dyn Duplex>;

fn tls(options: &ConnectOptions) -> Result<ClientConfig> {
    let named = std::env::var_os(CA_VARIABLE).filter(|path| !path.is_empty());
    let roots = match options.ca.clone().or_else(|| named.map(PathBuf::from)) {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&path)? {
                roots.add(certificate).map_err(|e| unusable(&path, &e))?;
            }
            roots
        }
        None => {
            let mut roots = RootCertStore::empty();
            // A machine that trusts nobody is told so by the handshake.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    // Named, because a program may link a second one for its own ends.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::bug(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(roots);
    let mut config = match (&options.client_cert, &options.client_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, e))?;
            let config = config.with_client_auth_cert(chain, private);
            config.map_err(|e| unusable(certificate, &e))?
        }
        (None, None) => config.with_no_client_auth(),
        _ => {
            return Err(Error::invalid(
                "a client's certificate needs its private key and the other way round; give both client_cert and \
                 client_key",
            ));
        }
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(path, e))?;
    let found: Vec<_> = read
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| unreadable(path, e))?;
    match found.is_empty() {
        true => Err(unusable(path, &"there is no certificate in it")),
        false => Ok(found),
    }
}

fn unreadable(path: &Path, error: tokio_rustls::rustls::pki_types::pem::Error) -> Error {
    use tokio_rustls::rustls::pki_types::pem::Error as Pem;
    match error {
        Pem::Io(error) if error.kind() == io::ErrorKind::NotFound => Error::new(
            ErrorReason::NotFound,
            format!("there is no file {}", path.display()),
        ),
        Pem::Io(error) => Error::new(
            ErrorReason::NotAllowed,
            format!("{}: {error}", path.display()),
        ),
        other => unusable(path, &other),
    }
}

fn unusable(path: &Path, why: &dyn Display) -> Error {
    Error::invalid(format!(
        "{} is of no use for TLS: {why}; expected PEM (-----BEGIN ...)",
        path.display()
    ))
}

/// The refusal at the bottom of a transport's error, if it is one.
pub(crate) fn refusal<'a>(mut error: &'a (dyn StdError + 'static)) -> Option<&'a Refused> {
    loop {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused);
        }
        error = error.source()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: &str, options: &ConnectOptions) -> Error {
        let address = Address::parse(target).unwrap();
        Dialer::new(&address, options).err().unwrap()
    }

    #[test]
    fn certificates_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        let with_ca = ConnectOptions {
            ca: Some(path.clone()),
            ..ConnectOptions::default()
        };
        let box_ = "https://box:7380";
        assert_eq!(refused(box_, &with_ca).reason, ErrorReason::NotFound);
        std::fs::write(&path, "no PEM").unwrap();
        let error = refused(box_, &with_ca);
        assert!(error.message.contains("x.pem"), "{error}");
        let half = ConnectOptions {
            client_cert: Some(path),
            ..ConnectOptions::default()
        };
        assert!(refused(box_, &half).message.contains("client_key"));
        let error = refused("unix:/run/p.sock", &with_ca);
        assert!(error.message.contains("https://"), "{error}");
    }

    #[test]
    fn tokens_do_not_reach_logs() {
        let options = ConnectOptions {
            token: Some("secret".into()),
            ..ConnectOptions::default()
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
