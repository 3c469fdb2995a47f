//! Signatures of mails by the domain that sends them (DKIM, RFC 6376 and RFC 8463): what is signed, and how it is written
//! down. A pure function of the mail and the key, so that each attempt has the same signature.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::address::Address;
use super::built::{Message, Source};

/// The headers that are signed, where a mail has them: those that RFC 6376 (5.4.1) and RFC 8058 name.
const SIGNED: [&str; 14] = [
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Those of which the signature also says that there are no more, so that nobody can add a second one that is shown.
const NO_MORE: [&str; 3] = ["From", "Subject", "To"];

/// How the mail of a mailer is signed.
///
/// The public key stands in the DNS, as a TXT record of `<selector>._domainkey.<domain>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// Which of the keys of the domain it is.
    pub selector: String,
    /// The file of the private key, PEM: RSA of at least 2048 bits (PKCS #8 or PKCS #1), or Ed25519 (PKCS #8). Nobody but
    /// its owner may read it.
    pub key_file: PathBuf,
    /// The domain that signs; `None`: that of the address that a mail is from.
    pub domain: Option<String>,
}

impl Dkim {
    /// Signs with that key, for the domain of each mail's sender.
    #[must_use]
    pub fn new(selector: impl Into<String>, key_file: impl Into<PathBuf>) -> Self {
        Self { selector: selector.into(), key_file: key_file.into(), domain: None }
    }

    /// Signs for that domain, whoever a mail is from.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// What is wrong with it, but for the file: the option and the problem.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !is_name(&self.selector) {
            return Err(("dkim_selector", format!("is {:?}; write a name such as \"mail\"", self.selector)));
        }
        match &self.domain {
            Some(domain) if !is_name(&Address::from(format!("x@{domain}")).domain()) => {
                Err(("dkim_domain", format!("is {domain:?}; write a name such as \"example.com\"")))
            }
            _ => Ok(()),
        }
    }

    /// What signs.
    ///
    /// # Errors
    ///
    /// The option that is at fault, and what is wrong with it.
    pub(super) fn signer(&self) -> Result<Signer, (&'static str, String)> {
        let key = read(&self.key_file)
            .map_err(|problem| ("dkim_key_file", format!("is {}, which {problem}", self.key_file.display())))?;
        let domain = self.domain.as_ref().map(|domain| Address::from(format!("x@{domain}")).domain());
        Ok(Signer { selector: self.selector.clone(), domain, key })
    }
}

/// Labels of ASCII letters, digits and hyphens: a selector or a domain that may stand in a signature.
fn is_name(name: &str) -> bool {
    let good =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    name.len() <= 253 && name.split('.').all(good)
}

/// Signs mails.
pub(super) struct Signer {
    selector: String,
    domain: Option<String>,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key is never printed.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?}, {})", self.selector, self.key.algorithm())
    }
}

impl Signer {
    /// The mail with a signature before it. A mail of nobody's domain stays as it is.
    pub(super) fn sign(&self, message: &Message) -> Message {
        let own = || message.from.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let Some(domain) = self.domain.clone().or_else(own) else { return message.clone() };
        let bytes = message.source.bytes();
        let (head, body) = parted(bytes);
        let headers = headers(head);
        let names = signed_names(&headers);
        let mut signature = format!(
            "v=1; a={}; c=relaxed/relaxed;\r\n\td={domain}; s={};\r\n\th={};\r\n\tbh={};\r\n\tb=",
            self.key.algorithm(),
            self.selector,
            folded(&names),
            STANDARD.encode(body_digest(body))
        );
        let mut text = chosen(&headers, &names);
        text.extend_from_slice(relaxed(b"DKIM-Signature", signature.as_bytes()).trim_ascii_end());
        for (n, line) in STANDARD.encode(self.key.sign(&text)).as_bytes().chunks(72).enumerate() {
            signature += if n == 0 { "" } else { "\r\n\t" };
            signature.extend(line.iter().map(|byte| char::from(*byte)));
        }
        let source = [b"DKIM-Signature: ", signature.as_bytes(), b"\r\n", bytes].concat();
        Message { source: Source::new(source), ..message.clone() }
    }
}

impl Key {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("a key of at least 2048 bits has room for a digest");
                signature
            }
            // RFC 8463: what is signed is the digest.
            Self::Ed25519(key) => key.sign(&Sha256::digest(text)).as_ref().to_vec(),
        }
    }
}

/// The key in that file.
fn read(path: &Path) -> Result<Key, String> {
    check_private(path)?;
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| format!("has no private key: {error}"))?;
    let wrong = |error: ring::error::KeyRejected| {
        format!("has a key that cannot be used ({error}); make one by `openssl genrsa -out dkim.pem 2048`")
    };
    match &key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(wrong).map(rsa),
        PrivateKeyDer::Pkcs8(key) => {
            let key = key.secret_pkcs8_der();
            match Ed25519KeyPair::from_pkcs8_maybe_unchecked(key) {
                Ok(key) => Ok(Key::Ed25519(Box::new(key))),
                Err(_) => RsaKeyPair::from_pkcs8(key).map_err(wrong).map(rsa),
            }
        }
        _ => Err("has a key of another kind; make one by `openssl genrsa -out dkim.pem 2048`".into()),
    }
}

fn rsa(key: RsaKeyPair) -> Key {
    Key::Rsa(Box::new(key))
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    match about.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(format!("others than its owner may use (its mode is {mode:o}); chmod 600 {}", path.display())),
    }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), String> {
    Ok(())
}

/// The headers of a mail, each with its line end, and its body.
fn parted(source: &[u8]) -> (&[u8], &[u8]) {
    match source.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        Some(end) => (&source[..end + 2], &source[end + 4..]),
        None => (source, &[]),
    }
}

/// The headers, name and value; a value may have several lines.
fn headers(head: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut headers = Vec::new();
    let mut start = 0;
    while start < head.len() {
        let mut end = start;
        loop {
            end += head[end..].windows(2).position(|bytes| bytes == b"\r\n").map_or(head.len() - end, |line| line + 2);
            if !matches!(head.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        if let Some(colon) = head[start..end].iter().position(|b| *b == b':') {
            headers.push((&head[start..start + colon], &head[start + colon + 1..end]));
        }
        start = end;
    }
    headers
}

/// The names that the signature lists: each header as often as it is there, and some once more.
fn signed_names(headers: &[(&[u8], &[u8])]) -> Vec<&'static str> {
    let count = |wanted: &str| headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())).count();
    let times = |name: &&'static str| count(name) + usize::from(NO_MORE.contains(name));
    SIGNED.iter().flat_map(|name| std::iter::repeat_n(*name, times(name))).collect()
}

/// What is signed of these headers: of several with one name the last comes first, and one that is not there is nothing.
fn chosen(headers: &[(&[u8], &[u8])], names: &[&str]) -> Vec<u8> {
    let mut left: Vec<_> = headers.iter().collect();
    let mut text = Vec::new();
    for wanted in names {
        if let Some(at) = left.iter().rposition(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())) {
            let (name, value) = left.remove(at);
            text.extend_from_slice(&relaxed(name, value));
        }
    }
    text
}

/// A header in the form that counts: its name in small letters, its value in one line with single spaces.
fn relaxed(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut line = name.trim_ascii_end().to_ascii_lowercase();
    line.push(b':');
    let words = value.split(|b| b" \t\r\n".contains(b)).filter(|word| !word.is_empty());
    line.extend_from_slice(&words.collect::<Vec<_>>().join(&b' '));
    line.extend_from_slice(b"\r\n");
    line
}

/// The digest of a body in the form that counts: white space in lines is one space, at their ends none, and there are no
/// empty lines at the end.
fn body_digest(body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut empty_lines = 0;
    for line in body.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut short = Vec::with_capacity(line.len());
        for byte in line {
            match byte {
                b' ' | b'\t' if short.last() == Some(&b' ') => {}
                b' ' | b'\t' => short.push(b' '),
                byte => short.push(*byte),
            }
        }
        if short.last() == Some(&b' ') {
            short.pop();
        }
        if short.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            digest.update(b"\r\n");
        }
        digest.update(&short);
        digest.update(b"\r\n");
    }
    digest.finalize().into()
}

/// The names with colons between them, in lines that are not too long.
fn folded(names: &[&str]) -> String {
    let mut list = String::new();
    let mut length = 0;
    for (n, name) in names.iter().enumerate() {
        if n > 0 {
            list.push(':');
            if length > 50 {
                list += "\r\n\t ";
                length = 0;
            }
        }
        list += name;
        length += name.len() + 1;
    }
    list
}
