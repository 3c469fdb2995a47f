//! Where the database is and how it is spoken with: what [`PostgresStore::open`](super::PostgresStore::open) takes.

use std::fmt;
use std::time::Duration;

use callboard_tasks::Clock;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::tls::{self, Tls, Trust};
use crate::store::OpenError;

/// How a [`PostgresStore`](super::PostgresStore) is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Where the database is: `postgres://user:password@host:5432/name`, with `?sslmode=` `disable`, `prefer` (the
    /// default: encrypted if the server can), `require` (encrypted, whoever answers) or `verify-full` (encrypted, and
    /// the server proves its name to the system's roots, or to those in the file that `sslrootcert=` names).
    pub url: String,
    /// The schema that holds Callboard's tables: lower-case letters, digits and `_`. `callboard`.
    pub schema: String,
    /// Whether `url` leads to a pooler in transaction mode, as PgBouncer is: statements go unnamed then, and nothing is
    /// heard of other processes but by the beat, unless `listen_url` is given.
    pub pooler: bool,
    /// Where to listen for notices of other processes: a direct connection to the same database.
    pub listen_url: Option<String>,
    /// Where the time comes from. [`Clock::system`] means the server's clock.
    pub clock: Clock,
    /// How long a successful job is kept; 7 days.
    pub keep_successful: Duration,
    /// How long a job is kept that ended otherwise; 30 days.
    pub keep_failed: Duration,
    /// At most so many connections for reading and for changes of single jobs; 4. They are opened when needed.
    pub read_pool: usize,
}

impl PostgresOptions {
    /// The usual settings for the database at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            url: url.into(),
            schema: "callboard".to_owned(),
            pooler: false,
            listen_url: None,
            clock: Clock::system(),
            keep_successful: 7 * DAY,
            keep_failed: 30 * DAY,
            read_pool: 4,
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Target::read(&self.url, &self.schema).map_or_else(|_| "?".to_owned(), |target| target.place);
        f.debug_struct("PostgresOptions")
            .field("place", &place)
            .field("schema", &self.schema)
            .field("pooler", &self.pooler)
            .field("listens", &self.listen_url.is_some())
            .field("clock", &self.clock)
            .field("keep_successful", &self.keep_successful)
            .field("keep_failed", &self.keep_failed)
            .field("read_pool", &self.read_pool)
            .finish_non_exhaustive()
    }
}

/// A database that can be connected to.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// The URL without its password, for messages.
    pub(super) place: String,
}

impl Target {
    pub(super) fn read(url: &str, schema: &str) -> Result<Self, OpenError> {
        let invalid = |place: &str, problem: String| OpenError::Invalid { place: place.to_owned(), problem };
        let mut text = url.to_owned();
        let mode = take_parameter(&mut text, "sslmode");
        let roots = take_parameter(&mut text, "sslrootcert");
        let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            invalid(
                "the URL of the database",
                format!("is not one ({cause}); write postgres://user@host:5432/database"),
            )
        })?;
        let place = place(&config);
        check_schema(schema).map_err(|problem| invalid(&place, problem))?;
        let (ssl, trust) = match (mode.as_deref(), roots) {
            (Some("disable"), _) => (tokio_postgres::config::SslMode::Disable, Trust::Anyone),
            (None | Some("prefer"), _) => (tokio_postgres::config::SslMode::Prefer, Trust::Anyone),
            (Some("require"), None) => (tokio_postgres::config::SslMode::Require, Trust::Anyone),
            (Some("require" | "verify-full"), Some(file)) => {
                (tokio_postgres::config::SslMode::Require, Trust::File(file))
            }
            (Some("verify-full"), None) => (tokio_postgres::config::SslMode::Require, Trust::System),
            (Some(other), _) => {
                let problem = format!("has sslmode={other}; use disable, prefer, require or verify-full");
                return Err(invalid(&place, problem));
            }
        };
        let tls = tls::connector(&trust).map_err(|problem| invalid(&place, problem))?;
        config.ssl_mode(ssl).connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(15));
        if config.get_application_name().is_none() {
            config.application_name("callboard");
        }
        Ok(Self { config, tls, place })
    }
}

/// The name of a schema goes into statements as it stands, so it is one that needs no quotes.
fn check_schema(schema: &str) -> Result<(), String> {
    let first = schema.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let fits = schema.len() <= 48 && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if first && fits && !schema.starts_with("pg_") {
        return Ok(());
    }
    Err(format!(
        "has the schema {schema:?}; use 1 to 48 lower-case letters, digits and `_`, not beginning with a digit or `pg_`"
    ))
}

/// Takes a parameter out of a URL or a list of `key=value`, which the driver does not know.
fn take_parameter(text: &mut String, key: &str) -> Option<String> {
    let (head, tail, separator) = match text.split_once('?') {
        Some((head, query)) => (format!("{head}?"), query.to_owned(), "&"),
        None if text.contains("://") => return None,
        None => (String::new(), text.clone(), " "),
    };
    let mut found = None;
    let rest: Vec<&str> = tail
        .split(separator)
        .filter(|part| match part.split_once('=') {
            Some((name, value)) if name.trim() == key => {
                found = Some(value.trim().trim_matches('\'').replace("%2F", "/").replace("%2f", "/"));
                false
            }
            _ => true,
        })
        .collect();
    if found.is_some() {
        *text = format!("{head}{}", rest.join(separator));
    }
    found
}

fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{user}{host}:{port}/{database}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn problem(url: &str, schema: &str) -> String {
        match Target::read(url, schema) {
            Err(error) => error.to_string(),
            Ok(target) => panic!("{} was accepted", target.place),
        }
    }

    #[test]
    fn messages_name_the_url_without_its_password() {
        let url = "postgres://ada:secret@db.example:6432/jobs?sslmode=require";
        assert_eq!(Target::read(url, "callboard").unwrap().place, "postgres://ada@db.example:6432/jobs");
        let debug = format!("{:?}", PostgresOptions::new(url));
        assert!(debug.contains("ada@db.example") && !debug.contains("secret"), "{debug}");
        assert!(!problem("postgres://ada:secret@db:port/jobs", "callboard").contains("secret"));
    }

    #[test]
    fn the_four_ways_of_encryption_are_read() {
        use tokio_postgres::config::SslMode;
        let mode = |url: &str| Target::read(url, "callboard").unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://db/jobs"), SslMode::Prefer);
        assert_eq!(mode("postgres://db/jobs?sslmode=disable&application_name=x"), SslMode::Disable);
        assert_eq!(mode("postgres://db/jobs?application_name=x&sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://db/jobs?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("host=db user=ada sslmode=disable"), SslMode::Disable);
        assert!(problem("postgres://db/jobs?sslmode=maybe", "callboard").contains("sslmode=maybe"));
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for bad in ["", "Callboard", "a b", "a\"; DROP", "1a", "pg_x", &"a".repeat(49)] {
            assert!(problem("postgres://db/jobs", bad).contains("lower-case"), "{bad}");
        }
        assert!(Target::read("postgres://db/jobs", "my_app_2").is_ok());
    }
}
