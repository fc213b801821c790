//! The certificate that callers see.
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A certificate chain with its key, ready to serve HTTP/2 and HTTP/1.1.
#[derive(Clone)]
pub struct ServerTls {
    pub(super) acceptor: TlsAcceptor,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerTlsError {
    /// No certificate in the text.
    #[error("the certificate file has no readable PEM certificate")]
    Certificate,
    /// No key in the text.
    #[error("the key file has no readable PEM private key")]
    Key,
    /// The two do not fit, or the library refuses them.
    #[error("the certificate cannot be served: {0}")]
    Refused(#[from] rustls::Error),
}

impl ServerTls {
    /// Reads a PEM chain (the server's certificate first) and its PEM key.
    ///
    /// # Errors
    /// [`ServerTlsError`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ServerTlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| ServerTlsError::Certificate)?;
        if chain.is_empty() {
            return Err(ServerTlsError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| ServerTlsError::Key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .unwrap()
            .signing_key
            .serialize_pem();
        let read = |chain: &str, key: &str| ServerTls::from_pem(chain.as_bytes(), key.as_bytes());
        assert!(read(&chain, &key).is_ok());
        assert!(matches!(read("", &key), Err(ServerTlsError::Certificate)));
        assert!(matches!(read(&key, &key), Err(ServerTlsError::Certificate)));
        assert!(matches!(read(&chain, ""), Err(ServerTlsError::Key)));
        assert!(matches!(read(&chain, &chain), Err(ServerTlsError::Key)));
        assert!(matches!(read(&chain, &other), Err(ServerTlsError::Refused(_))));
    }
}
