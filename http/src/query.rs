//! The query of a request: only parameters that the route knows, each at most once.

use actix_web::HttpRequest;
use actix_web::web;
use callboard_tasks::near_names;

use crate::problem::Problem;

/// The parameters of a query, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The query of a request to a route that knows these parameters. An empty value is no value.
    pub(crate) fn of(req: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        if req.query_string().is_empty() {
            return Ok(Self::default());
        }
        let pairs = web::Query::<Vec<(String, String)>>::from_query(req.query_string());
        let pairs =
            pairs.map_err(|error| Problem::parameter("the query", format!("cannot be read: {error}")))?.into_inner();
        for (n, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
            if pairs[..n].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::parameter(name, "is given twice"));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; `None` if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The value of a parameter, also an empty one; `None` if it is missing.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as something that text can be read as.
    pub(crate) fn parse<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        takes: &str,
    ) -> Result<Option<T>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(parsed) => Ok(Some(parsed)),
                None => Err(Problem::parameter(name, format!("is {value:?}; {takes}"))),
            },
        }
    }

    /// The query again, with one parameter set anew.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        self.but(name, Some((name, value)))
    }

    /// The query again, without one parameter.
    pub(crate) fn without(&self, name: &str) -> String {
        self.but(name, None)
    }

    fn but(&self, name: &str, more: Option<(&str, &str)>) -> String {
        let mut query = String::new();
        let others = self.0.iter().filter(|(key, value)| key != name && !value.is_empty());
        for (key, value) in others.map(|(key, value)| (key.as_str(), value.as_str())).chain(more) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(key);
            query.push('=');
            encode(&mut query, value);
        }
        query
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let near = near_names(name, known.iter().copied());
    let hint = match (near.first(), known) {
        (Some(near), _) => format!("; did you mean {near:?}?"),
        (None, []) => "; this path takes none".to_owned(),
        (None, known) => format!("; there are {}", known.join(", ")),
    };
    Problem::parameter(&format!("{name:?}"), format!("is not a parameter of this path{hint}"))
}

/// Percent-encodes everything that is not unreserved.
fn encode(query: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
}
