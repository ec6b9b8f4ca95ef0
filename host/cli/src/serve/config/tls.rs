//! `tls`: the certificate that the server shows.

use ostro_server::TlsSettings;

use super::reader::Section;
use crate::args::Serve;

pub(super) fn read(section: &mut Section<'_>, args: &Serve) -> Option<TlsSettings> {
    section.section("tls", |section| {
        let certificate = section.path("certificate");
        let key = section.path("key");
        let flag = |path: &Option<std::path::PathBuf>, name: &str| {
            path.clone().map(|path| (path, name.to_owned()))
        };
        let certificate = flag(&args.tls_cert, "--tls-cert").or(certificate);
        let key = flag(&args.tls_key, "--tls-key").or(key);
        let (certificate, key, at) = match (certificate, key) {
            (None, None) => return None,
            (Some((certificate, at)), Some((key, _))) => (certificate, key, at),
            (Some((_, at)), None) => {
                let hint = "name it with `tls.key` or --tls-key";
                section.mistake(
                    &at,
                    "there is a TLS certificate without its key",
                    Some(hint),
                );
                return None;
            }
            (None, Some((_, at))) => {
                let hint = "name it with `tls.certificate` or --tls-cert";
                section.mistake(
                    &at,
                    "there is a TLS key without its certificate",
                    Some(hint),
                );
                return None;
            }
        };
        let tls = TlsSettings { certificate, key };
        if let Err(error) = tls.check() {
            let hint = "both are PEM files: the certificate with those that lead to its \
                        authority, and its private key";
            section.mistake(&at, error.to_string(), Some(hint));
        }
        Some(tls)
    })
}
