//! The last look at the recipients of a mail: everything to one address while developing, and nothing to domains that
//! are not allowed. A pure function, asked for each mail that goes out, whatever way it came.

use super::address::Address;
use super::built::{Message, Source};
use super::delivery::Refusal;
use super::options::MailerOptions;
use super::smtp::{FailureClass, Reply, SendError, Step};

/// The mail as it goes out, or `None` if it goes out as it is; and the recipients that it does not go to.
pub(super) fn admit(message: &Message, options: &MailerOptions) -> Result<(Option<Message>, Vec<Refusal>), SendError> {
    let mut refused = Vec::new();
    let mut to = message.to.clone();
    if !options.redirect_all.is_empty() {
        let instead: Vec<String> = options.redirect_all.iter().filter_map(|address| address.wire().ok()).collect();
        // Who would have got it stands at its head, one line for each: a mail may be to very many.
        let mut source: Vec<u8> = to.iter().flat_map(|to| format!("X-Original-To: {to}\r\n").into_bytes()).collect();
        source.extend_from_slice(message.source.bytes());
        let redirected = Message { to: instead, source: Source::new(source), ..message.clone() };
        return Ok((Some(redirected), refused));
    }
    let Some(allowed) = &options.allow_domains else { return Ok((None, refused)) };
    to.retain(|to| {
        let domain = Address::from(to.as_str()).domain();
        let is_allowed = allowed.iter().any(|allowed| Address::from(format!("x@{allowed}")).domain() == domain);
        if !is_allowed {
            let text = format!("5.7.1 the settings of this mailer do not allow {domain} (allow_domains)");
            refused.push(Refusal { address: to.clone(), reply: Reply { code: 550, text } });
        }
        is_allowed
    });
    if to.is_empty() {
        let detail = "none of the recipients is of a domain that the settings of this mailer allow (allow_domains)";
        return Err(SendError::new(FailureClass::Unfit, Step::Waiting, detail));
    }
    Ok((Some(Message { to, ..message.clone() }), refused))
}
