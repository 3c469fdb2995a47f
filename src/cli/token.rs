//! `token create`: a new bearer token, of which the server keeps only the hash.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use callboard_http::{Scope, Token};
use callboard_tasks::{Clock, RunAfter, Timestamp, parse_duration};
use clap::{Args, Subcommand};

use super::error::Error;
use super::output;
use crate::settings::tokens;

/// Manage the tokens of a server
#[derive(Debug, Args)]
pub(super) struct TokenVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
}

/// Create a token, add its hash to the file of tokens, and print it: it is not shown again
#[derive(Debug, Args)]
struct Create {
    /// What people call it, such as "the shop"
    name: String,
    /// What it allows: tasks:enqueue, tasks:enqueue:mail.*, tasks:read, tasks:write, admin, …; may be given several
    /// times
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// Refuse it after this time, such as 90d; else never
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    expires: Option<Duration>,
    /// The file of tokens, which the settings name as http.tokens_file; it is made if it is not there
    #[arg(long, value_name = "FILE", default_value = "tokens.toml")]
    file: PathBuf,
}

impl TokenVerb {
    pub(super) fn run(&self) -> Result<ExitCode, Error> {
        match &self.verb {
            Verb::Create(verb) => verb.run(),
        }
    }
}

impl Create {
    fn run(&self) -> Result<ExitCode, Error> {
        let expires = RunAfter::from(self.expires)
            .resolve(Clock::system().now())
            .map_err(|problem| Error::Usage(format!("--expires {problem}")))?;
        let text = new_token()?;
        let entry = self.entry(&text, expires);
        append(&self.file, &entry).map_err(Error::TokensFile)?;
        let hint = format!(
            "added to {}; the server reads it at its start if its settings say [http] tokens_file\n",
            self.file.display()
        );
        output::to_stderr(&hint)?;
        output::to_stdout(&format!("{text}\n"))?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the file keeps of the token.
    fn entry(&self, text: &str, expires: Option<Timestamp>) -> String {
        let id = Token::id_of(text).expect("it was made in the shape of a token");
        let digest: String = Token::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let scopes = self.scopes.iter().map(|scope| toml::Value::from(scope.to_string())).collect::<Vec<_>>();
        let mut entry = format!(
            "[[token]]\nid = \"{id}\"\nname = {}\nsha256 = \"{digest}\"\nscopes = {}\n",
            toml::Value::from(self.name.as_str()),
            toml::Value::from(scopes),
        );
        if let Some(expires) = expires {
            entry.push_str(&format!("expires = {expires}\n"));
        }
        entry
    }
}

/// Adds an entry at the end of a file that only its owner may use, and whose other entries are in order.
fn append(path: &Path, entry: &str) -> Result<(), String> {
    let mut gap = "";
    if path.exists() {
        tokens::check(path)?;
        gap = "\n";
    }
    let unwritable = |error: io::Error| format!("{} cannot be written: {error}", path.display());
    let mut file = crate::private::file().append(true).create(true).open(path).map_err(unwritable)?;
    file.write_all(format!("{gap}{entry}").as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
}

/// `tk_<8 characters>_<43 characters>`, all of it random.
fn new_token() -> Result<String, Error> {
    let (mut id, mut secret) = ([0; 6], [0; 32]);
    let random = rustls::crypto::ring::default_provider().secure_random;
    random
        .fill(&mut id)
        .and_then(|()| random.fill(&mut secret))
        .map_err(|_| Error::TokensFile("the system gives no random numbers".into()))?;
    Ok(format!("tk_{}_{}", base64url(&id), base64url(&secret)))
}

/// Base64 with the alphabet for URLs and without padding (RFC 4648, section 5).
pub(super) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 1);
    for three in bytes.chunks(3) {
        let byte = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..=three.len() {
            let index = bits >> (18 - 6 * n) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}
