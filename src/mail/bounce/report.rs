//! Reading a report: which recipients it is about, and of which mail.

use super::mime::{Fields, Part, lines};
use super::{Action, Bounce, NotABounce, Status, left_of};

/// How many recipients of a report are read.
const MOST: usize = 1_000;

/// Headers in which an address may stand that the report came to.
const CAME_TO: [&str; 4] = ["delivered-to", "x-original-to", "envelope-to", "to"];

/// Reads a report of delivery (RFC 3464) as a mail server sends it: what became of a mail for each recipient that it is
/// about. The report may be cut off behind its second part, where the returned mail stands.
///
/// ```
/// use callboard::mail::bounce::{self, Action};
///
/// let report = b"From: <>\r\nTo: bounce+0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com\r\n\
///     Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
///     --b\r\n\r\nNobody is there.\r\n\
///     --b\r\nContent-Type: message/delivery-status\r\n\r\n\
///     Reporting-MTA: dns; mx.example.com\r\n\r\n\
///     Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\
///     Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n--b--\r\n";
/// let bounces = bounce::parse(report)?;
/// assert_eq!(bounces[0].address, "ann@example.com");
/// assert_eq!((bounces[0].action, bounces[0].status.to_string().as_str()), (Action::Failed, "5.1.1"));
/// assert_eq!(bounces[0].mail.as_deref(), Some("0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b"));
/// assert!(bounces[0].is_permanent());
/// # Ok::<_, bounce::NotABounce>(())
/// ```
///
/// # Errors
///
/// [`NotABounce`] for any other mail: an answer of somebody, a note that somebody is away, a report about something else.
pub fn parse(source: &[u8]) -> Result<Vec<Bounce>, NotABounce> {
    let text = lines(source);
    // Programs that are given mail through a pipe often find this line before it.
    let text = match text.strip_prefix("From ") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, mail)| mail),
        None => &text,
    };
    let mail = Part::read(text);
    let parts = mail.parts();
    let is_report =
        |part: &&Part<'_>| matches!(part.mime().as_str(), "message/delivery-status" | "message/global-delivery-status");
    let Some(report) = parts.iter().find(is_report) else {
        let mime = mail.mime();
        return Err(NotABounce(format!(
            "it is {mime:?}, and a report is \"multipart/report\" with a part \"message/delivery-status\""
        )));
    };
    let returned = parts.iter().find(|part| is_returned(&part.mime()));
    let message_id = returned
        .and_then(|part| Fields::read(part.text().split("\n\n").next()?).get("message-id").map(str::to_owned))
        .filter(|id| id.starts_with('<') && id.ends_with('>') && id.contains('@'));
    let token = CAME_TO.iter().flat_map(|name| mail.headers.all(name)).find_map(token_in);
    let mail = token.or_else(|| message_id.as_deref().map(|id| left_of(id).to_owned()));
    let bounces: Vec<_> = report
        .text()
        .split("\n\n")
        .filter_map(|group| bounce(&Fields::read(group)))
        .map(|bounce| Bounce { mail: mail.clone(), message_id: message_id.clone(), ..bounce })
        .take(MOST)
        .collect();
    if bounces.is_empty() {
        return Err(NotABounce("it names no recipient".into()));
    }
    Ok(bounces)
}

fn is_returned(mime: &str) -> bool {
    ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers"]
        .contains(&mime)
}

/// What a group of fields says about a recipient; `None` if it is about none.
fn bounce(fields: &Fields) -> Option<Bounce> {
    let of = |name: &str| fields.get(name).map(|value| typed(value).to_owned()).filter(|value| !value.is_empty());
    let bare = |address: String| address.trim_start_matches('<').trim_end_matches('>').to_owned();
    let address = of("original-recipient").or_else(|| of("final-recipient")).map(bare)?;
    let action = match fields.get("action").unwrap_or_default().split_whitespace().next()?.to_ascii_lowercase().as_str()
    {
        "failed" | "failure" => Action::Failed,
        "delayed" => Action::Delayed,
        "delivered" => Action::Delivered,
        "relayed" => Action::Relayed,
        "expanded" => Action::Expanded,
        _ => return None,
    };
    let diagnostic = of("diagnostic-code");
    // A code in the words of the server is finer than none, and than the one that stands for nothing in particular.
    let said = fields.get("status").and_then(Status::read);
    let finer = diagnostic.as_deref().and_then(|text| text.split([' ', '-']).find_map(Status::read));
    let status = match (said, finer) {
        (Some(Status(class, 0, 0)), Some(finer)) if finer.0 == class => finer,
        (Some(said), _) => said,
        (None, Some(finer)) => finer,
        (None, None) => Status(
            match action {
                Action::Failed => 5,
                Action::Delayed => 4,
                Action::Delivered | Action::Relayed | Action::Expanded => 2,
            },
            0,
            0,
        ),
    };
    Some(Bounce { address, action, status, diagnostic, remote_mta: of("remote-mta"), mail: None, message_id: None })
}

/// A value without its type: `rfc822; ann@example.com`.
fn typed(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, value)) if !kind.trim().contains(char::is_whitespace) => value.trim(),
        _ => value.trim(),
    }
}

/// What stands behind the `+` of an address.
fn token_in(addresses: &str) -> Option<String> {
    let (before, _) = addresses.split_once('@')?;
    let local = before.rsplit(['<', ' ', ',', '"']).next()?;
    let (_, token) = local.split_once('+')?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!token.is_empty() && token.bytes().all(good)).then(|| token.to_owned())
}
