//! Source hosting, package registries, continuous integration and tools of developers.

use super::super::token::Format;
use super::f;

pub(super) const FORMATS: &[Format] = &[
    f("github-token", "ghp_{a36,255}", "docs.github.com: token formats"),
    f("github-token", "gho_{a36,255}", "docs.github.com: token formats"),
    f("github-token", "ghu_{a36,255}", "docs.github.com: token formats"),
    f("github-token", "ghs_{a36,255}", "docs.github.com: token formats"),
    f("github-token", "ghr_{a36,255}", "docs.github.com: token formats"),
    f("github-token", "github_pat_{w70,255}", "docs.github.com: token formats"),
    f("gitlab-token", "glpat-{s20,}", "docs.gitlab.com: token prefixes"),
    f("npm-token", "npm_{a36}", "docs.npmjs.com: access tokens"),
    f("aws-access-key", "AKIA{N16}", "docs.aws.amazon.com: unique identifiers"),
    f("aws-access-key", "ASIA{N16}", "docs.aws.amazon.com: unique identifiers"),
    f("slack-token", "xoxb-{m20,}", "api.slack.com: token types"),
    f("slack-token", "xoxp-{m20,}", "api.slack.com: token types"),
    f("stripe-key", "sk_live_{a10,}", "docs.stripe.com: API keys"),
    f("stripe-key", "sk_test_{a10,}", "docs.stripe.com: API keys"),
    f("google-api-key", "AIza{s35}", "cloud.google.com: API keys"),
    f("jwt", "eyJ{e10,}.eyJ{e10,}.{s10,}", "RFC 7519"),
];
