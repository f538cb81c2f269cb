//! The rules that stand for a context (a key name, a URL, a flag), by number. The numbers of token formats and of rules from the
//! configuration follow them; [`super::rules::Rules`] has the whole list.

/// The number of a rule in one sanitizer.
pub(super) type RuleId = u16;

pub(super) const PASSWORD: RuleId = 0;
pub(super) const SECRET: RuleId = 1;
pub(super) const TOKEN: RuleId = 2;
pub(super) const API_KEY: RuleId = 3;
pub(super) const SECRET_KEY: RuleId = 4;
pub(super) const PRIVATE_KEY: RuleId = 5;
pub(super) const CREDENTIALS: RuleId = 6;
pub(super) const AUTHORIZATION: RuleId = 7;
pub(super) const COOKIE: RuleId = 8;
pub(super) const SESSION: RuleId = 9;
pub(super) const SIGNATURE: RuleId = 10;
pub(super) const PIN: RuleId = 11;
pub(super) const WEBHOOK: RuleId = 12;
pub(super) const URL_PASSWORD: RuleId = 13;
pub(super) const USER_PASSWORD: RuleId = 14;
pub(super) const COMMAND: RuleId = 15;
pub(super) const KEY_NAME: RuleId = 16;
pub(super) const BASIC_AUTH: RuleId = 17;

/// Name and meaning of each, in the order of their numbers.
pub(super) const CONTEXTS: &[(&str, &str)] = &[
    ("password", "the value of a name that says password"),
    ("secret", "the value of a name that says secret"),
    ("token", "the value of a name that says token"),
    ("api-key", "the value of a name that says API key, access key or the like"),
    ("secret-key", "the value of a name that says secret, signing or encryption key"),
    ("private-key", "a private key: PEM, PuTTY, PGP, kubeconfig"),
    ("credentials", "the value of a name that says credentials or auth"),
    ("authorization", "credentials of an Authorization header or of a scheme such as Bearer"),
    ("cookie", "the value of a cookie"),
    ("session", "a session id that looks random"),
    ("signature", "the signature of a signed request or URL"),
    ("pin", "a PIN or one-time code"),
    ("webhook", "the secret part of a webhook's address"),
    ("url-password", "the password in a URL's userinfo"),
    ("user-password", "a password after its user's name: user:password@host, user%password, .pgpass, .netrc"),
    ("command-line", "a password where a program takes one on its command line"),
    ("key-name", "the value of a name from the configuration"),
    ("basic-auth", "user and password in base64"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        assert_eq!(CONTEXTS.len(), BASIC_AUTH as usize + 1);
        assert_eq!(CONTEXTS[SIGNATURE as usize].0, "signature");
        assert_eq!(CONTEXTS[COMMAND as usize].0, "command-line");
        assert_eq!(CONTEXTS[BASIC_AUTH as usize].0, "basic-auth");
    }
}
