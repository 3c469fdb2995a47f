//! What is checked before the call of a mail task is kept, and what is fixed then.

use std::collections::BTreeMap;

use callboard_tasks::{Json, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::Address;
use super::attachment::Attachment;
use super::built::Identity;
use super::email::Email;
use super::error::{InvalidMail, MailError};
use super::files::{FileArg, FileError, attachments, seal};
use super::mailer::Mailer;
use super::mailers::Mailers;
use super::tasks::{Recipients, Render, mailer_of};
use super::template::Rendered;

/// Checks the arguments of a call of `send_email` before it is kept, and fixes who writes.
pub(super) fn email(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    let Ok(mut args) = args.get::<EmailArgs>() else { return Ok(None) };
    let mailer = known_mailer(mailers, args.mailer.as_deref())?;
    let list = |list: &Option<Recipients>| list.clone().unwrap_or_default().0;
    let mail = Email {
        from: args.from.clone().or_else(|| mailer.options().from.clone()),
        to: args.to.0.clone(),
        cc: list(&args.cc),
        bcc: list(&args.bcc),
        reply_to: list(&args.reply_to),
        subject: args.subject.clone(),
        text: args.text.clone(),
        html: args.html.clone(),
        headers: args.headers.clone().unwrap_or_default().into_iter().collect(),
        attachments: files_of(&mailer, args.attachments.as_deref_mut())?,
        ..Email::default()
    };
    checked(&mail)?;
    args.from = mail.from;
    changed(&args)
}

/// Checks the arguments of a call of `send_templated_email` before it is kept, renders it, and fixes who writes.
pub(super) fn templated(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    let Ok(mut args) = args.get::<TemplatedArgs>() else { return Ok(None) };
    let mailer = known_mailer(mailers, args.mailer.as_deref())?;
    // Rendered later or not: what does not render now would be found when nobody is there to be told.
    let rendered = match args.render {
        Some(Render::Send) if mailers.templates().is_none() => None,
        _ => Some(rendered(&mailer, &args)?),
    };
    let list = |list: &Option<Recipients>| list.clone().unwrap_or_default().0;
    let mail = Email {
        from: args.from.clone().or_else(|| mailer.options().from.clone()),
        to: args.to.0.clone(),
        cc: list(&args.cc),
        bcc: list(&args.bcc),
        attachments: files_of(&mailer, args.attachments.as_deref_mut())?,
        ..rendered.clone().map(Rendered::into_email).unwrap_or_default()
    };
    checked(&mail)?;
    args.from = mail.from;
    args.rendered = rendered.filter(|_| args.render != Some(Render::Send));
    changed(&args)
}

fn rendered(mailer: &Mailer, args: &TemplatedArgs) -> Result<Rendered, Vec<Problem>> {
    mailer.render(&args.template, &args.context).map_err(|error| match error {
        MailError::Invalid(invalid) => invalid.into_problems(),
        MailError::Template(callboard_templates::Error::Context { reason, .. }) => {
            vec![Problem::new("#/args/context", format!("cannot be used: {reason}"))]
        }
        MailError::Template(error) => vec![Problem::new("#/args/template", format!("fails: {error}"))],
        other => vec![Problem::new("#/args", other.to_string())],
    })
}

/// The attachments as they are now, which is what is sent later or nothing.
fn files_of(mailer: &Mailer, args: Option<&mut [FileArg]>) -> Result<Vec<Attachment>, Vec<Problem>> {
    let args = args.unwrap_or_default();
    for arg in &mut *args {
        arg.sha256 = None;
    }
    let files = attachments(args, mailer.options().files.as_deref()).map_err(|error| match error {
        FileError::Wrong(problem) => InvalidMail(vec![problem]).into_problems(),
        error => vec![Problem::new("#/args/attachments", format!("cannot be used: {error}"))],
    })?;
    seal(args, &files);
    Ok(files)
}

/// Refuses a call for a mailer that there is not.
pub(super) fn message(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    #[derive(Deserialize)]
    struct Args {
        mailer: Option<String>,
    }
    let Ok(Args { mailer }) = args.get::<Args>() else { return Ok(None) };
    known_mailer(mailers, mailer.as_deref()).map(|_| None)
}

/// Refuses a call of `take_bounce` with what is no report.
pub(super) fn bounce(mailers: &Mailers, args: &Json) -> Result<Option<Json>, Vec<Problem>> {
    #[derive(Deserialize)]
    struct Args {
        source: String,
        mailer: Option<String>,
    }
    let Ok(Args { source, mailer }) = args.get::<Args>() else { return Ok(None) };
    known_mailer(mailers, mailer.as_deref())?;
    match super::bounce::parse(source.as_bytes()) {
        Ok(_) => Ok(None),
        Err(error) => Err(vec![Problem::new("#/args/source", error.to_string())]),
    }
}

/// The arguments of `send_email` as they are kept.
#[derive(Serialize, Deserialize)]
struct EmailArgs {
    to: Recipients,
    subject: String,
    text: String,
    html: Option<String>,
    from: Option<Address>,
    cc: Option<Recipients>,
    bcc: Option<Recipients>,
    reply_to: Option<Recipients>,
    headers: Option<BTreeMap<String, String>>,
    mailer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<FileArg>>,
}

/// Those of `send_templated_email`.
#[derive(Serialize, Deserialize)]
struct TemplatedArgs {
    template: String,
    to: Recipients,
    context: Value,
    from: Option<Address>,
    cc: Option<Recipients>,
    bcc: Option<Recipients>,
    mailer: Option<String>,
    rendered: Option<Rendered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<FileArg>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    render: Option<Render>,
}

fn known_mailer(mailers: &Mailers, alias: Option<&str>) -> Result<Mailer, Vec<Problem>> {
    mailer_of(mailers, alias).map_err(|error| vec![Problem::new("#/args/mailer", format!("is unknown: {error}"))])
}

/// Builds the mail for nothing: what is wrong with it is found by that alone.
fn checked(mail: &Email) -> Result<(), Vec<Problem>> {
    let identity = Identity { message_id: "<check@localhost>".into(), date: jiff::Timestamp::UNIX_EPOCH };
    mail.build(&identity).map(|_| ()).map_err(InvalidMail::into_problems)
}

fn changed(args: &impl Serialize) -> Result<Option<Json>, Vec<Problem>> {
    let wrong = |error: callboard_tasks::NotJson| vec![Problem::new(format!("#/args{}", error.pointer), error.problem)];
    Json::from_value(args).map(Some).map_err(wrong)
}
