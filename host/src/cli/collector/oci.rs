//! Fetching from an OCI registry (the distribution specification, version 1.1): plain GETs, bounded and held against
//! their digests.
//!
//! A component is an artifact with one layer of WebAssembly, as `wkg`, `oras` and others push it. What a registry says
//! is believed only as far as a digest goes: a tag is the registry's word, a digest in the reference is not.

use serde_json::Value as Json;

use crate::model::Digest;

/// Bytes of a manifest.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Bytes of an answer with a token.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// How long one request may take.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

/// The forms of a manifest that are understood.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// `registry.example.org/collectors/ports:1.2.0`, or with `@sha256:...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    registry: String,
    repository: String,
    /// A tag or a digest.
    version: String,
}

impl Reference {
    /// Takes a reference apart.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no reference (write `oci://REGISTRY/NAME:TAG` or `oci://REGISTRY/NAME@sha256:HEX`)")
        };
        let (registry, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (repository, version) = match rest.split_once('@') {
            Some((repository, digest)) => (repository.split(':').next().unwrap_or(repository), digest),
            None => rest.split_once(':').unwrap_or((rest, "latest")),
        };
        let fits = |text: &str, also: &[u8]| {
            !text.is_empty() && text.len() < 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        };
        let path_fits = fits(repository, b"._-/") && !repository.split('/').any(|part| matches!(part, "" | "." | ".."));
        if !fits(registry, b".-:[]") || !path_fits || !fits(version, b"._-:") {
            return Err(wrong());
        }
        if rest.contains('@') {
            digest(version)?;
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), version: version.to_owned() })
    }

    /// The last part of the repository's name.
    pub(super) fn short_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}

/// Fetches the component that a reference names.
pub(super) async fn pull(reference: &Reference, plain_http: bool, most: u64) -> Result<Vec<u8>, String> {
    let scheme = if plain_http { "http" } else { "https" };
    let mut registry = Registry {
        client: client()?,
        base: format!("{scheme}://{}/v2/{}", reference.registry, reference.repository),
        token: None,
    };
    let mut manifest = registry.manifest(&reference.version).await?;
    if let Some(all) = manifest.get("manifests").and_then(Json::as_array) {
        // An index: one artifact for several platforms. A component has none, so the one for wasm, or the only one.
        let wasm = |one: &&Json| one.pointer("/platform/architecture").and_then(Json::as_str) == Some("wasm");
        let chosen = all.iter().find(wasm).or_else(|| all.first().filter(|_| all.len() == 1));
        let digest = chosen
            .and_then(|one| one.get("digest")?.as_str())
            .ok_or("the index names no component for WebAssembly")?
            .to_owned();
        manifest = registry.manifest(&digest).await?;
    }
    let layer = component_layer(&manifest)?;
    let wanted = digest(&layer)?;
    let url = format!("{}/blobs/{layer}", registry.base);
    let component = registry.get(&url, None, most).await?;
    let found = Digest::of(&component);
    if found != wanted {
        return Err(format!("the registry answered with bytes that hash to {found}, not {wanted}"));
    }
    Ok(component)
}

/// Fetches a file.
pub(super) async fn get_bytes(url: &str, most: u64) -> Result<Vec<u8>, String> {
    let response = client()?.get(url).send().await.map_err(|error| failed(url, &error))?;
    if !response.status().is_success() {
        return Err(format!("`{url}` answered {}", response.status()));
    }
    bounded(url, response, most).await
}

struct Registry {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Registry {
    async fn manifest(&mut self, version: &str) -> Result<Json, String> {
        let url = format!("{}/manifests/{version}", self.base);
        let bytes = self.get(&url, Some(ACCEPT), MAX_MANIFEST_BYTES).await?;
        if version.starts_with("sha256:") && Digest::of(&bytes) != digest(version)? {
            return Err(format!("the registry's manifest does not hash to {version}"));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("the manifest at `{url}`: {error}"))
    }

    async fn get(&mut self, url: &str, accept: Option<&str>, most: u64) -> Result<Vec<u8>, String> {
        for attempt in 0..2 {
            let mut request = self.client.get(url);
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.map_err(|error| failed(url, &error))?;
            let status = response.status();
            if status == reqwest::StatusCode::UNAUTHORIZED && attempt == 0 {
                let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
                let token_url = challenge
                    .and_then(token_url)
                    .ok_or_else(|| format!("`{url}` asks for a password (only public artifacts can be fetched)"))?;
                self.token = Some(self.fetch_token(&token_url).await?);
                continue;
            }
            if !status.is_success() {
                return Err(format!("`{url}` answered {status}"));
            }
            return bounded(url, response, most).await;
        }
        Err(format!("`{url}` is not public"))
    }

    /// A token for anybody, as public registries give them.
    async fn fetch_token(&self, url: &str) -> Result<String, String> {
        let response = self.client.get(url).send().await.map_err(|error| failed(url, &error))?;
        if !response.status().is_success() {
            return Err(format!("`{url}` answered {}", response.status()));
        }
        let bytes = bounded(url, response, MAX_TOKEN_BYTES).await?;
        let answer: Json = serde_json::from_slice(&bytes).map_err(|error| format!("the token of `{url}`: {error}"))?;
        let token = answer.get("token").or_else(|| answer.get("access_token")).and_then(Json::as_str);
        token.map(str::to_owned).ok_or_else(|| format!("`{url}` gave no token"))
    }
}

fn client() -> Result<reqwest::Client, String> {
    // Another part of this program may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(DEADLINE)
        .user_agent(concat!("ghostd/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("cannot set up the network: {error}"))
}

fn failed(url: &str, error: &reqwest::Error) -> String {
    format!("cannot fetch `{url}`: {}", crate::chain::chain(error))
}

/// The body, as long as it keeps to the bound: what a server says of its length is a hint.
async fn bounded(url: &str, mut response: reqwest::Response, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, &error))? {
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(format!("`{url}` has more than the {most} bytes that are accepted"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The digest of the layer that is WebAssembly.
fn component_layer(manifest: &Json) -> Result<String, String> {
    let layers = manifest.get("layers").and_then(Json::as_array).ok_or("the manifest has no layers")?;
    let is_wasm = |layer: &&Json| {
        layer.get("mediaType").and_then(Json::as_str).is_some_and(|kind| {
            matches!(
                kind,
                "application/wasm"
                    | "application/vnd.wasm.content.layer.v1+wasm"
                    | "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"
            )
        })
    };
    let mut found = layers.iter().filter(is_wasm);
    match (found.next(), found.next()) {
        (Some(layer), None) => layer
            .get("digest")
            .and_then(Json::as_str)
            .map(str::to_owned)
            .ok_or_else(|| "the layer has no digest".to_owned()),
        (None, _) => {
            let kinds: Vec<&str> = layers.iter().take(8).filter_map(|layer| layer.get("mediaType")?.as_str()).collect();
            Err(format!("no layer is WebAssembly (there are: {})", kinds.join(", ")))
        }
        (Some(_), Some(_)) => Err("several layers are WebAssembly, and a collector is one component".to_owned()),
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    text.strip_prefix("sha256:")
        .and_then(|hex| hex.parse().ok())
        .ok_or_else(|| format!("`{text}` is no digest of the form sha256:HEX"))
}

/// `Bearer realm="https://...",service="...",scope="..."` -> where the token is.
fn token_url(challenge: &str) -> Option<String> {
    let parameters = challenge.strip_prefix("Bearer ")?;
    let value = |name: &str| {
        let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let realm = value("realm")?;
    let mut url = reqwest::Url::parse(&realm).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    for name in ["service", "scope"] {
        if let Some(value) = value(name) {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references() {
        let parsed = Reference::parse("localhost:5000/team/ports:1.2").unwrap();
        assert_eq!((&*parsed.registry, &*parsed.repository, &*parsed.version), ("localhost:5000", "team/ports", "1.2"));
        assert_eq!(Reference::parse("r.example/ports").unwrap().version, "latest");
        let hex = "a".repeat(64);
        let pinned = Reference::parse(&format!("r.example/a/ports:1@sha256:{hex}")).unwrap();
        assert_eq!((pinned.short_name(), &pinned.version), ("ports", &format!("sha256:{hex}")));
        for bad in
            ["ports", "r.example/", "r.example/../x", "r.example/a b:1", "r.example/x@sha256:zz", "r.example/x@md5:1"]
        {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_one_layer_of_webassembly_is_the_component() {
        let layer = |kind: &str| json!({"mediaType": kind, "digest": format!("sha256:{kind}")});
        let manifest = json!({"layers": [layer("text/plain"), layer("application/wasm")]});
        assert_eq!(component_layer(&manifest).unwrap(), "sha256:application/wasm");
        assert!(component_layer(&json!({"layers": [layer("text/plain")]})).unwrap_err().contains("text/plain"));
        assert!(component_layer(&json!({"layers": [layer("application/wasm"), layer("application/wasm")]})).is_err());
        assert!(component_layer(&json!({})).is_err());
    }

    #[test]
    fn a_challenge_says_where_the_token_is() {
        let url =
            token_url(r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull""#);
        assert_eq!(
            url.as_deref(),
            Some("https://auth.example/token?service=r.example&scope=repository%3Aa%2Fb%3Apull")
        );
        assert_eq!(token_url("Basic realm=\"x\""), None);
        assert_eq!(token_url("Bearer realm=\"file:///etc/passwd\""), None);
    }
}
