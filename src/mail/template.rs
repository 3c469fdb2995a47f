//! Mail from one file: `welcome.email` with the partials `subject`, `text` and `html`.

use callboard_templates::Templates;
use serde::{Deserialize, Serialize};

use super::check;
use super::email::Email;
use super::error::{InvalidMail, MailError, MailProblem};
use super::text_from_html::text_from_html;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 255;

/// What a template makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendered {
    /// In one line.
    pub subject: String,
    /// The template's, else what the HTML says as plain text.
    pub text: String,
    /// The HTML, if the template has one.
    pub html: Option<String>,
    /// More headers, from the partial `headers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

impl Rendered {
    /// A mail of it, to nobody yet.
    #[must_use]
    pub fn into_email(self) -> Email {
        let Self { subject, text, html, headers } = self;
        Email { subject, text, html, headers, ..Email::default() }
    }
}

/// Renders a mail from a template: a file by its name, such as `welcome.email`, or `welcome` for short.
///
/// Its partials are parts of the mail: `subject`, which it must have; `text` and `html`, of which it must have one, and
/// where there is no `text` it is made from the HTML; `preheader`, the line that is shown beside the subject in lists of
/// mail; `headers`, one `Name: value` in a line. Subject, text and headers are plain, the rest is escaped as HTML.
///
/// # Errors
///
/// [`MailError::Template`] if it is missing, broken, or fails with this context; [`MailError::Invalid`] if what it makes
/// is no mail.
pub fn render(templates: &Templates, name: &str, context: impl Serialize) -> Result<Rendered, MailError> {
    let file = file_of(templates, name)?;
    let has = |partial: &str| match templates.get(&format!("{file}#{partial}")) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    };
    let part = |partial: &str| -> Result<Option<String>, callboard_templates::Error> {
        if has(partial)? { templates.render(&format!("{file}#{partial}"), &context).map(Some) } else { Ok(None) }
    };
    let wrong = |field: &str, detail: String| MailError::Invalid(InvalidMail(vec![MailProblem::new(field, detail)]));
    let subject = part("subject")?
        .ok_or_else(|| wrong("template", format!("{file:?} has no subject; write {{% partialdef subject %}}…")))?;
    let subject = one_line(&subject).map_err(|problem| wrong("subject", problem))?;
    let html = part("html")?;
    let html = match (html, part("preheader")?) {
        (Some(html), Some(preheader)) => Some(with_preheader(&html, preheader.trim())),
        (html, _) => html,
    };
    let text = match (part("text")?, &html) {
        (Some(text), _) => text,
        (None, Some(html)) => text_from_html(html).map_err(|problem| wrong("html", problem))?,
        (None, None) => {
            return Err(wrong(
                "template",
                format!("{file:?} has neither text nor html; write {{% partialdef text %}}…"),
            ));
        }
    };
    let headers = part("headers")?.map(|lines| headers(&lines)).transpose()?.unwrap_or_default();
    Ok(Rendered { subject, text: trimmed(&text), html, headers })
}

/// The name of the file: what was given, or that with `.email` behind it.
fn file_of(templates: &Templates, name: &str) -> Result<String, callboard_templates::Error> {
    let long = format!("{name}.email");
    match templates.get(name) {
        Err(error) if error.is_not_found() && !name.ends_with(".email") => match templates.get(&long) {
            Ok(_) => Ok(long),
            // The name that was given is the one to complain about.
            Err(other) if other.is_not_found() => Err(error),
            Err(other) => Err(other),
        },
        Err(error) => Err(error),
        Ok(_) => Ok(name.to_owned()),
    }
}

/// Runs of white space become one space: an author may break the subject into lines.
fn one_line(subject: &str) -> Result<String, String> {
    let line = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return Err("is empty; a mail has a subject".into());
    }
    let length = line.chars().count();
    if length > MAX_SUBJECT {
        return Err(format!("has {length} characters; at most {MAX_SUBJECT} are allowed"));
    }
    check::line(&line)?;
    Ok(line)
}

/// The text without the line ends that stand around it in the file.
fn trimmed(text: &str) -> String {
    format!("{}\n", text.trim_matches(['\r', '\n']))
}

/// The line that lists of mail show beside the subject: the first text of the HTML, not seen in the mail itself.
fn with_preheader(html: &str, preheader: &str) -> String {
    let hidden = format!("<div style=\"display:none;max-height:0;overflow:hidden\">{preheader}</div>");
    let lower = html.to_ascii_lowercase();
    let behind_body = lower.find("<body").and_then(|body| Some(body + lower[body..].find('>')? + 1));
    let at = behind_body.unwrap_or(0);
    format!("{}{hidden}{}", &html[..at], &html[at..])
}

fn headers(lines: &str) -> Result<Vec<(String, String)>, MailError> {
    let mut headers = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            let detail = format!("has the line {line:?}; write a name, a colon and a value in each");
            return Err(MailProblem::new("headers", detail).into());
        };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(headers)
}

/// Everything that is wrong with the templates of mail: what [`Templates::check`] finds, and files without a subject or
/// a body. Each with the file it is in.
#[must_use]
pub fn check_templates(templates: &Templates) -> Vec<String> {
    let mut problems: Vec<String> = match templates.check() {
        Ok(()) => Vec::new(),
        Err(error) if error.problems().is_empty() => vec![error.to_string()],
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    };
    let names = templates.names().unwrap_or_default();
    for file in names.iter().filter(|name| name.ends_with(".email")) {
        let has = |partial: &str| names.iter().any(|name| *name == format!("{file}#{partial}"));
        if !has("subject") {
            problems.push(format!("{file}: has no subject; write {{% partialdef subject %}}…{{% endpartialdef %}}"));
        }
        if !has("text") && !has("html") {
            problems.push(format!(
                "{file}: has neither text nor html; write {{% partialdef text %}}…{{% endpartialdef %}}"
            ));
        }
    }
    problems
}
