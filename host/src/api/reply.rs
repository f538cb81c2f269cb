//! What is answered: the body with its entity tag, compressed where that is wanted and worth it.
//!
//! All of it is made where the answer is made, on a thread that may take its time.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::problem::Problem;
use crate::model::Digest;

/// What is smaller than this is not compressed: it fits into a packet as it is.
const MIN_COMPRESSED: usize = 1_024;

/// What is longer than this is told to ask for less.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What the other side takes, and has already.
#[derive(Debug, Clone, Default)]
pub(super) struct Wants {
    gzip: bool,
    has: Option<String>,
}

impl Wants {
    /// As its headers say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            gzip: text(header::ACCEPT_ENCODING).is_some_and(accepts_gzip),
            has: text(header::IF_NONE_MATCH).map(str::to_owned),
        }
    }

    /// Whether gzip is taken.
    pub(super) fn takes_gzip(&self) -> bool {
        self.gzip
    }

    /// Whether what has this tag is there already.
    pub(super) fn has(&self, tag: &str) -> bool {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        self.has.as_deref().is_some_and(|has| has.trim() == "*" || has.split(',').any(|one| weak(one) == weak(tag)))
    }
}

/// RFC 9110, 12.5.3, as far as it concerns gzip: named, and not with a weight of nought.
fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
        coding.eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    tag: Option<String>,
    tagged: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// A JSON document.
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "encoding",
                format!("the answer cannot be written: {error}"),
            )
        })?;
        Ok(Self::bytes("application/json", body))
    }

    /// Bytes of this type.
    pub(super) fn bytes(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, content_type, body, tag: None, tagged: true, headers: Vec::new() }
    }

    /// Nothing, and that is well.
    pub(super) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::bytes("", Vec::new()) }
    }

    /// With another status.
    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// With a header; one that is no header is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// With a tag that is known without looking at the body.
    pub(super) fn tag(self, tag: &str) -> Self {
        Self { tag: Some(format!("W/\"{tag}\"")), ..self }
    }

    /// Without a tag: nobody asks for it twice.
    pub(super) fn untagged(self) -> Self {
        Self { tagged: false, ..self }
    }

    /// The answer as it is sent.
    pub(super) fn finish(self, wants: &Wants) -> Response {
        if self.body.len() > MAX_BODY_BYTES {
            use axum::response::IntoResponse as _;
            let detail = format!("the answer has {} bytes, the most is {MAX_BODY_BYTES}", self.body.len());
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_much", detail).into_response();
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
        if self.status == StatusCode::NO_CONTENT {
            return response;
        }
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if self.status == StatusCode::OK && self.tagged {
            // Weak: the same for the compressed and the plain form.
            let tag = self.tag.unwrap_or_else(|| format!("W/\"{}\"", &Digest::of(&self.body).to_string()[..32]));
            if let Ok(value) = HeaderValue::from_str(&tag) {
                headers.insert(header::ETAG, value);
            }
            if wants.has(&tag) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return response;
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let body = match compressed(&self.body, wants.gzip) {
            Some(packed) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                packed
            }
            None => self.body,
        };
        *response.body_mut() = Body::from(body);
        response
    }
}

fn compressed(body: &[u8], wanted: bool) -> Option<Vec<u8>> {
    if !wanted || body.len() < MIN_COMPRESSED {
        return None;
    }
    gzip(body)
}

/// The bytes as gzip has them.
pub(super) fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(pairs: &[(HeaderName, &str)]) -> Wants {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        Wants::of(&headers)
    }

    #[test]
    fn what_is_had_already_is_not_sent_again() {
        let reply = || Reply::json(&serde_json::json!({"a": 1})).unwrap();
        let first = reply().finish(&Wants::default());
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(first.status(), StatusCode::OK);
        for has in [tag.as_str(), tag.trim_start_matches("W/"), "*", &format!("\"x\", {tag}")] {
            assert_eq!(
                reply().finish(&wants(&[(header::IF_NONE_MATCH, has)])).status(),
                StatusCode::NOT_MODIFIED,
                "{has}"
            );
        }
        assert_eq!(reply().finish(&wants(&[(header::IF_NONE_MATCH, "\"x\"")])).status(), StatusCode::OK);
    }

    #[test]
    fn gzip_is_for_those_who_ask_and_for_what_is_worth_it() {
        let long = serde_json::json!("x".repeat(5_000));
        let encoded = |accepted: &str, value: &serde_json::Value| {
            let response = Reply::json(value).unwrap().finish(&wants(&[(header::ACCEPT_ENCODING, accepted)]));
            response.headers().contains_key(header::CONTENT_ENCODING)
        };
        assert!(encoded("gzip, br", &long) && encoded("br, GZIP;q=0.5", &long));
        assert!(!encoded("br", &long) && !encoded("gzip;q=0", &long) && !encoded("gzip", &serde_json::json!("x")));
    }
}
