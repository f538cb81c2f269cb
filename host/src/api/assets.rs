//! The dashboard's own files, embedded by `build.rs` from `host/web/`. They hold no data.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use super::reply::{Wants, gzip};
use crate::model::Digest;

mod table {
    include!(concat!(env!("OUT_DIR"), "/web.rs"));
}

/// A file as it is sent.
struct Asset {
    content_type: &'static str,
    plain: &'static [u8],
    packed: Option<Vec<u8>>,
    tag: String,
}

/// Compressed and tagged at the first request for any of them.
fn assets() -> &'static HashMap<&'static str, Asset> {
    static ASSETS: OnceLock<HashMap<&'static str, Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let asset = |(path, plain): &(&'static str, &'static [u8])| {
            let packed = gzip(plain).filter(|packed| packed.len() < plain.len());
            let tag = Digest::of(plain).to_string()[..32].to_owned();
            (*path, Asset { content_type: content_type(path), plain, packed, tag })
        };
        table::FILES.iter().map(asset).collect()
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// Sends a file, or says that there is none.
pub(super) async fn serve(request: Request) -> Response {
    let path = match request.uri().path() {
        "/" => "/index.html",
        path => path,
    };
    let Some(asset) = assets().get(path) else {
        return Problem::not_found("there is nothing here").into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "a file can be asked for with GET alone")
            .with(header::ALLOW, "GET, HEAD")
            .into_response();
    }
    let wants = Wants::of(request.headers());
    let packed = asset.packed.as_deref().filter(|_| wants.takes_gzip());
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let tag = format!("W/\"{}\"", asset.tag);
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    if wants.has(&tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = packed.unwrap_or(asset.plain);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if request.method() == Method::GET {
        *response.body_mut() = Body::from(body);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the dashboard may weigh, compressed: it is fetched over a phone's network.
    const MAX_BYTES: usize = 300_000;

    #[test]
    fn there_is_a_page_and_all_of_it_is_light() {
        assert!(assets().contains_key("/index.html"));
        let bytes: usize =
            assets().values().map(|asset| asset.packed.as_ref().map_or(asset.plain.len(), Vec::len)).sum();
        assert!(bytes < MAX_BYTES, "{bytes}");
    }

    #[test]
    fn nothing_is_asked_of_another_host() {
        for (path, bytes) in table::FILES {
            let text = String::from_utf8_lossy(bytes);
            let foreign = ["src=\"http", "href=\"http", "url(http", "src=\"//", "@import", "fetch(\"http"];
            for word in foreign {
                assert!(!text.contains(word), "{path} has {word}");
            }
        }
    }
}
