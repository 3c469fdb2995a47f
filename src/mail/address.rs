//! A person's or a list's address, with the name that is shown.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check;

/// The longest local part and address (RFC 5321).
const MAX_LOCAL: usize = 64;
const MAX_ADDRESS: usize = 254;

/// An address, with or without a name to show: plain data, which is checked when its mail is.
///
/// ```
/// use callboard::mail::Address;
///
/// let plain = Address::from("ann@example.com");
/// let named = Address::from(("Smith, Ann", "ann@example.com"));   // no quoting by hand
/// assert_eq!(named, Address::from("\"Smith, Ann\" <ann@example.com>"));
/// assert!(plain.check().is_ok());
/// assert!(Address::from("ann@example.com\nBcc: eve@example.com").check().is_err());
/// ```
///
/// In the arguments of a task it is a text, or an object with `name` and `email`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// What is shown; empty for none.
    pub name: String,
    /// The address itself, `ann@example.com`.
    pub email: String,
}

impl Address {
    /// Whether mail can be sent to it.
    ///
    /// One mailbox is wanted: a local part in ASCII of at most 64 bytes, and the name of a domain, which may have any
    /// letters; no address in brackets, no route, no comment.
    ///
    /// # Errors
    ///
    /// What is wrong with it and what to write.
    pub fn check(&self) -> Result<(), String> {
        self.wire().map(|_| ())
    }

    /// The address as servers are told it: the domain in ASCII.
    pub(super) fn wire(&self) -> Result<String, String> {
        check::line(&self.name).map_err(|problem| format!("has a name that {problem}"))?;
        check::line(&self.email)?;
        let shown = &self.email;
        let Some((local, domain)) = split(shown) else {
            return Err(format!("is {shown:?}, no address; write one as in \"ann@example.com\""));
        };
        check_local(local).map_err(|problem| format!("is {shown:?}: {problem}"))?;
        let domain = ascii_domain(domain).map_err(|problem| format!("is {shown:?}: {problem}"))?;
        let address = format!("{local}@{domain}");
        if address.len() > MAX_ADDRESS {
            return Err(format!("is {} bytes long; an address has at most {MAX_ADDRESS}", address.len()));
        }
        Ok(address)
    }

    /// The domain in ASCII and small letters; empty for what is no address.
    pub(super) fn domain(&self) -> String {
        split(&self.email).and_then(|(_, domain)| ascii_domain(domain).ok()).unwrap_or_default()
    }
}

/// The two sides of the last `@` that is in no quotes; there must be one alone.
fn split(email: &str) -> Option<(&str, &str)> {
    let (local, domain) = email.rsplit_once('@')?;
    if local.starts_with('"') { Some((local, domain)) } else { (!local.contains('@')).then_some((local, domain)) }
}

fn check_local(local: &str) -> Result<(), String> {
    const ATOM: &[u8] = b"!#$%&'*+-/=?^_`{|}~";
    if !local.is_ascii() {
        return Err("what stands before the @ has letters beyond ASCII, which most servers refuse".into());
    }
    if local.is_empty() || local.len() > MAX_LOCAL {
        return Err(format!("what stands before the @ must have 1 to {MAX_LOCAL} letters"));
    }
    if let Some(quoted) = local.strip_prefix('"') {
        let Some(inner) = quoted.strip_suffix('"') else { return Err("a quotation mark is not closed".into()) };
        let mut bytes = inner.bytes();
        while let Some(byte) = bytes.next() {
            let good = match byte {
                b'\\' => bytes.next().is_some(),
                b'"' => false,
                _ => true,
            };
            if !good {
                return Err("a quotation mark or backslash inside the quotes needs a backslash before it".into());
            }
        }
        return Ok(());
    }
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || ATOM.contains(&b));
    if local.split('.').all(word) {
        return Ok(());
    }
    Err("what stands before the @ may have letters, digits, single dots and !#$%&'*+-/=?^_`{|}~".into())
}

fn ascii_domain(domain: &str) -> Result<String, String> {
    if domain.starts_with('[') {
        return Err("a domain must be a name, not an address in brackets".into());
    }
    let wrong = || "what stands after the @ is no name of a domain".to_owned();
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| wrong())?;
    let last = ascii.rsplit('.').next().unwrap_or_default();
    if last.is_empty() || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(ascii)
}

/// Reads `Name <address>`, `"Quoted, Name" <address>` and `address`.
impl From<&str> for Address {
    fn from(text: &str) -> Self {
        let text = text.trim_matches(' ');
        let bare = || Self { name: String::new(), email: text.to_owned() };
        let Some((name, rest)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else { return bare() };
        let name = name.trim_matches(' ');
        let name = match name.strip_prefix('"').map(|name| name.strip_suffix('"').map(unquoted)) {
            None => name.to_owned(),
            Some(Some(Some(name))) => name,
            // Quotes that do not fit: whatever was meant, the check will refuse it.
            Some(_) => return bare(),
        };
        // Two addresses in one text, of which the first would pass for a name.
        if name == text || (name.contains(['<', '>']) && !text.starts_with('"')) {
            return bare();
        }
        Self { name, email: rest.to_owned() }
    }
}

/// The inside of a quoted text; `None` if a quotation mark stands in it.
fn unquoted(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Address {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl<N: Into<String>, E: Into<String>> From<(N, E)> for Address {
    fn from((name, email): (N, E)) -> Self {
        Self { name: name.into(), email: email.into() }
    }
}

/// As [`From<&str>`](Address#impl-From<%26str>-for-Address) reads it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(&self.email);
        }
        let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '\'');
        if self.name.chars().all(plain) && self.name.trim_matches(' ') == self.name {
            return write!(f, "{} <{}>", self.name, self.email);
        }
        let quoted = self.name.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{quoted}\" <{}>", self.email)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            #[serde(default)]
            name: String,
            email: String,
        }

        impl<'de> Visitor<'de> for Either {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"ann@example.com\", or an object with name and email")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Address, E> {
                Ok(Address::from(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
                let Parts { name, email } = Parts::deserialize(MapAccessDeserializer::new(map))?;
                if email.is_empty() {
                    return Err(A::Error::custom("email is empty"));
                }
                Ok(Address { name, email })
            }
        }

        from.deserialize_any(Either)
    }
}

/// What is an address, or several: for builders.
pub trait IntoAddresses {
    /// The addresses.
    fn into_addresses(self) -> Vec<Address>;
}

impl<A: Into<Address>> IntoAddresses for A {
    fn into_addresses(self) -> Vec<Address> {
        vec![self.into()]
    }
}

impl<A: Into<Address>> IntoAddresses for Vec<A> {
    fn into_addresses(self) -> Vec<Address> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<A: Into<Address>, const N: usize> IntoAddresses for [A; N] {
    fn into_addresses(self) -> Vec<Address> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<A: Into<Address> + Clone> IntoAddresses for &[A] {
    fn into_addresses(self) -> Vec<Address> {
        self.iter().cloned().map(Into::into).collect()
    }
}
