//! The daemon's certificate, and whose certificates it takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Renewed certificates count after this long at the latest.
const LOOK: Duration = Duration::from_secs(1);

/// The files, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Clients with a certificate of this authority need no token.
    pub client_authority: Option<PathBuf>,
}

type Stamp = [Option<SystemTime>; 3];

/// Makes TLS of connections with what the files say, also after they change.
pub struct Tls {
    files: TlsFiles,
    stamp: Stamp,
    looked: Instant,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which of them is wrong, and how.
    pub fn open(files: TlsFiles) -> Result<Self, String> {
        Ok(Self {
            stamp: files.stamp(),
            looked: Instant::now(),
            acceptor: files.acceptor()?,
            files,
        })
    }

    /// For the next connection. Files that are wrong after a change are logged and not used.
    pub fn acceptor(&mut self) -> TlsAcceptor {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            let stamp = self.files.stamp();
            if stamp != self.stamp {
                self.stamp = stamp;
                match self.files.acceptor() {
                    Ok(acceptor) => self.acceptor = acceptor,
                    Err(error) => tracing::error!("{error}; the earlier certificate stays"),
                }
            }
        }
        self.acceptor.clone()
    }
}

impl TlsFiles {
    fn stamp(&self) -> Stamp {
        let time = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
        [
            time(&self.certificate),
            time(&self.key),
            self.client_authority.as_deref().and_then(time),
        ]
    }

    fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("no private key in {}: {error}", self.key.display()))?;
        let builder = ServerConfig::builder();
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| format!("{}: {error}", path.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            format!(
                "the certificate {} and the key {} cannot be used together: {error}",
                self.certificate.display(),
                self.key.display()
            )
        })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("no PEM certificate in {}: {error}", path.display())
    };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    let chain: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    match chain.is_empty() {
        true => Err(wrong(&"it has none")),
        false => Ok(chain),
    }
}
