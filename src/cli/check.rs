//! `check`: are the settings in order? All that is wrong is said at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::error::Error;
use super::output::{self, plain};
use crate::settings::{Settings, SettingsError, SettingsProblem};
use crate::system::refuse_open_bind;

/// Check the settings, and say everything that is wrong with them; leaves with 1 if anything is
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also say what is fine for development and not for production
    #[arg(long)]
    deploy: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    problems: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    place: &'a str,
    key: &'a str,
    detail: &'a str,
}

impl Check {
    pub(super) fn run(&self) -> Result<ExitCode, Error> {
        let (source, problems) = match Settings::find(self.config.as_deref()) {
            Ok(settings) => {
                let mut problems: Vec<_> = open_door(&settings).into_iter().collect();
                if self.deploy {
                    problems.extend(no_mail(&settings));
                    problems.extend(open_previews(&settings));
                }
                (source(&settings), problems)
            }
            Err(SettingsError::Problems(problems)) => (String::new(), problems),
            Err(error) => return Err(error.into()),
        };
        output::to_stdout(&if self.json { report(&problems) } else { page(&source, &problems) })?;
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What no single key is to blame for: a door that is open to the world.
fn open_door(settings: &Settings) -> Option<SettingsProblem> {
    let detail = refuse_open_bind(settings.http.bind, !settings.http.tokens.is_empty()).err()?;
    Some(SettingsProblem { place: source(settings), key: "http.bind".into(), detail })
}

/// Mail that goes nowhere, which is as it should be while developing.
#[cfg(feature = "mail")]
fn no_mail(settings: &Settings) -> Option<SettingsProblem> {
    use crate::mail::Transport;
    let transport = settings.mail.mailers.get("default").map_or(&Transport::Console, |mailer| &mailer.transport);
    if matches!(transport, Transport::Smtp(_)) {
        return None;
    }
    let detail = format!("is {:?}, which sends nothing; write \"smtp\"", transport.name());
    Some(SettingsProblem { place: source(settings), key: "mail.default.backend".into(), detail })
}

/// Pages that show mail, to whoever a proxy of this machine lets through.
#[cfg(feature = "mail")]
fn open_previews(settings: &Settings) -> Option<SettingsProblem> {
    let detail =
        "is for development: it shows what the templates make to every program of this machine; remove it".into();
    let problem = SettingsProblem { place: source(settings), key: "templates.previews".into(), detail };
    settings.mail.previews.then_some(problem)
}

#[cfg(not(feature = "mail"))]
fn open_previews(_: &Settings) -> Option<SettingsProblem> {
    None
}

#[cfg(not(feature = "mail"))]
fn no_mail(_: &Settings) -> Option<SettingsProblem> {
    None
}

fn source(settings: &Settings) -> String {
    settings
        .file
        .as_ref()
        .map_or_else(|| "the environment (there is no file)".into(), |file| file.display().to_string())
}

fn page(source: &str, problems: &[SettingsProblem]) -> String {
    if problems.is_empty() {
        return format!("the settings in {source} are in order\n");
    }
    problems.iter().map(|problem| format!("{}\n", plain(&problem.to_string()))).collect()
}

fn report(problems: &[SettingsProblem]) -> String {
    let lines = problems.iter().map(|SettingsProblem { place, key, detail }| Line { place, key, detail });
    let report = Report { ok: problems.is_empty(), problems: lines.collect() };
    format!("{}\n", serde_json::to_string(&report).expect("texts have a JSON"))
}
