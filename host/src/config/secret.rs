//! Secrets do not stand in the configuration: it is shown, hashed, copied and mailed. Owns which names and
//! texts are taken for one.

/// Words that end the name of a secret.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "secret",
    "secrets",
    "token",
    "apikey",
    "credential",
    "credentials",
    "authorization",
    "bearer",
    "cookie",
];

/// What stands before `key` where the key is secret.
const SECRET_KEYS: [&str; 8] = ["api", "access", "private", "secret", "auth", "signing", "encryption", "account"];

/// Whether a value under this name would be a secret itself, not a reference to one (`password_file`).
pub(super) fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    match words.as_slice() {
        [.., before, last] if last == "key" => SECRET_KEYS.contains(&before.as_str()),
        [.., last] => SECRET_WORDS.contains(&last.as_str()),
        [] => false,
    }
}

/// What kind of secret a text holds by its form alone: a private key, or a password in a URL.
pub(super) fn secret_in(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (userinfo, _) = authority.rsplit_once('@')?;
    let (_, password) = userinfo.split_once(':')?;
    (!password.is_empty()).then_some("a password in a URL")
}

/// The words of `snake_case`, `kebab-case` and `camelCase`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        let boundary = !c.is_alphanumeric();
        if (boundary || (c.is_uppercase() && lower_before)) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if !boundary && let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_and_names_of_references() {
        for name in
            ["password", "db_password", "dbPassword", "API_KEY", "api-key", "auth_token", "clientSecret", "apikey"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["password_file", "token_env", "key", "sort_key", "max_tokens", "compass", "secret_group", "", "_"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn texts_that_are_secrets_by_their_form() {
        assert_eq!(secret_in("postgres://app:hunter2@db/prod"), Some("a password in a URL"));
        assert_eq!(secret_in("-----BEGIN RSA PRIVATE KEY-----\nMII"), Some("a private key"));
        for text in ["https://example.org/a:b@c", "https://user@example.org", "ssh://git:@host", "a:b@c", ""] {
            assert_eq!(secret_in(text), None, "{text}");
        }
    }
}
