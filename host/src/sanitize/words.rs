//! Lists of words, and how one is looked up.

use std::collections::HashSet;
use std::sync::LazyLock;

/// A list of words in lower case.
pub(super) struct Words(LazyLock<HashSet<&'static [u8]>>);

impl Words {
    /// Whether a word is on the list, without regard to case.
    pub(super) fn contains(&self, word: &[u8]) -> bool {
        let mut buffer = [0_u8; MAX_WORD];
        let Some(folded) = buffer.get_mut(..word.len()) else { return false };
        folded.copy_from_slice(word);
        folded.make_ascii_lowercase();
        self.0.contains(&*folded)
    }
}

/// No word of the lists is longer.
const MAX_WORD: usize = 32;

macro_rules! words {
    ($text:literal) => {
        Words(LazyLock::new(|| $text.split_ascii_whitespace().map(str::as_bytes).collect()))
    };
}

/// What stands where a value is missing, hidden or yet to come, and names of types. Letters and digits only.
pub(super) static NOTHING: Words = words!(
    "null nil none nan undefined true false yes no on off na tbd todo empty unset hidden masked protected removed \
     omitted sanitized elided secured changeme placeholder example xxx foobar string str text varchar boolean bool \
     int integer number object array bytes byte char uuid optional required default inherit disabled enabled auto \
     prompt ask void any unknown notset notused unused notprovided notavailable notapplicable void0 nullptr \
     secretstring encrypted hashed sensitivevalue sensitive knownafterapply generated automatic self this file stdin \
     nullvalue anonymous supplied notsupplied usingpassword u8 u16 u32 u64 u128 usize i8 i16 i32 i64 isize f32 f64 \
     pcwstr lpcwstr lpwstr lpcstr pwstr pstr pcstr cstr cstring uint32t sizet nvarchar longtext float double long \
     short date datetime timestamp json jsonb blob bytea bytesview sbyte nullable maybestring securestring \
     optionstring strnone"
);

/// Words that say how something stands, or what programs say of a password: never values.
pub(super) static STATES: Words = words!(
    "shift files compat sss systemd nis winbind accepted active added again all allowed already and are as at attempt auth authentication based bearer basic be \
     been before by can cannot cached change changed check checked column compromised confirmed correct could created \
     denied deleted did does error exceeded existing exists expire expired expires expiring expiry fail failed \
     failure field for format found from has have here if ignored in inactive incorrect invalid is issued it length \
     loaded login manager match matched matches may mismatch missing must needs new not of ok okay only or page \
     passed pending per policy present provided read received refresh refreshed rejected reset renewed request \
     requested require requires revoked rotated rotation saved sent set should sms stored strength success successful \
     successfully sufficient requisite include substack than that the to too type unchanged updated update used user \
     using valid validated validation verified was weak were when will with without wrong you your entry prompt input \
     label hash md5 scram trust peer ident public private key optional equals normal simple plain refused recovery \
     forgotten forgot strong short long option flag argument parameter parameters switch variable environment instead \
     into through via because after around itself"
);

/// Objects that hold settings in programs: `self.password`, `req.body.token`.
pub(super) static HOLDERS: Words = words!(
    "self this args arg config cfg conf settings setting req request res response os process env params param options \
     opts opt props user ctx context data form body app credentials creds input c s p m r event payload values vars \
     secrets module local system models fields forms serializers types t z yup joi schema string auth session account \
     client state flags cli matches field element document window row obj object parsed url uri msg message item \
     entry query kwargs spec"
);

/// The name said again: `password=password`.
pub(super) static SAME: Words = words!(
    "password passwd secret token apikey api_key api-key access_token accesstoken auth_token authtoken client_secret \
     secretkey secret_key pwd pass credentials key newpassword new_password private_key refresh_token id_token \
     passphrase bearer"
);

/// Endings of file names.
pub(super) static FILE_ENDINGS: Words = words!(
    "pem key crt cer der p12 pfx jks kdbx txt json yaml yml toml ini conf cfg env log pub gpg asc enc sock db xml \
     html htm js ts tsx py rs go java rb php c h cpp sh md csv sql properties keytab ovpn service css png svg lock \
     pid tmp bak gz zip cs vue jsx tf exe dll so secret passwd htpasswd keystore truststore rsa"
);

/// Words that introduce credentials in an `Authorization` header and are no secret themselves (RFC 9110, section 11).
pub(super) static SCHEMES: Words = words!(
    "basic bearer token apikey api-key key digest negotiate ntlm kerberos hawk oauth oauth2 googlelogin sharedkey \
     sharedkeylite sharedaccesssignature geniekey bot splunk ssws jwt dpop gnap mutual vapid privatetoken aws \
     aws4-hmac-sha256 aws4-ecdsa-p256-sha256 aws4-x-amz-json zoho-oauthtoken hmac signature snowflake klaviyo-api-key \
     deepl-auth-key mac shippotoken discogs fxa tst wsse usernametoken client-id apitoken api_key pve pveapitoken \
     svix scram-sha-256 plain login xoauth2 cram-md5 user pat wget"
);

/// What stands before a colon in an address without a password: `mailto:bob@host`, `npm:react@18`.
pub(super) static SCHEMES_OF_ADDRESSES: Words = words!(
    "mailto npm sip sips xmpp acct im pres tel git github workspace patch file link portal docker image skype ssh pkg"
);

/// What stands before a colon and an address in texts: `From:bob@example.com`.
pub(super) static LABELS: Words = words!(
    "to from cc bcc author by user email e-mail mail contact maintainer reply-to sender rcpt uid owner admin-contact"
);

/// Words that end a name without changing what it names.
pub(super) static SAYS_NOTHING: Words = words!(
    "db database value val new old current previous prev next plain plaintext cleartext clear text txt raw b base encoded enc hex \
     string str confirm confirmation confirmed repeat again verify hash hashed encrypted primary secondary prod \
     production dev test staging live default master main bcrypt sha md digest v a x override"
);

/// Words that begin the name of a switch or a count: `no_password`, `has_token`, `max_tokens`.
pub(super) static SWITCHES: Words = words!(
    "no without skip disable hide show ask prompt has is use requires allow enable max min num remember missing \
     invalid wrong bad failed unexpected supports needs total count"
);

/// Words for passwords, in the languages that configuration files are written in.
pub(super) static PASSWORDS: Words = words!(
    "passe password passwd passwrd pwd pswd psw pw pass passcode passphrase pword userpw ownerpw upw opw bindpw rootpw \
     rootdn_pw passwort kennwort wachtwoord senha contrasena contraseña motdepasse mdp parola haslo lozinka heslo \
     salasana lösenord parool sandi parol пароль 密码 パスワード 비밀번호"
);

/// Words before `key` that make it something else: `primary key`, `cache_key`.
pub(super) static OTHER_KEYS: Words = words!(
    "public pub primary foreign partition sort cache object row map index unique group dedup deduplication \
     idempotency routing lookup registry hot known translation message config metric label tag field column range \
     composite natural surrogate order sorting trust trusted s dict property prop i locale header bucket prefix shard \
     join event issue project ticket jira arrow enter escape shift modifier"
);

/// Words before `key` that make it one to an interface.
pub(super) static API_KEYS: Words = words!(
    "api xapi apiaccess app application access accesskeysecret sharedaccess account storageaccount storage \
     subscription license licence consumer service integration write deploy auth authorization server admin \
     instrumentation ingestion functions rest webhook activation registration client session ad"
);

/// Words before `key` that make it one of cryptography.
pub(super) static SECRET_KEYS: Words = words!(
    "secret secretaccess private signature verification webhooksigning priv encryption decryption encrypt crypt \
     crypto signing sign shared preshared psk master hmac aes rsa cipher ssl wep wpa tsig jwt hash machine cookie \
     data kek recovery unlock host pass"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        assert!(STATES.contains(b"Expired"));
        assert!(!STATES.contains(b"hunter2"));
        assert!(!STATES.contains(&[b'a'; 100]));
        for list in [&NOTHING, &STATES, &HOLDERS, &SAME, &FILE_ENDINGS, &SCHEMES] {
            assert!(list.0.iter().all(|word| word.len() <= MAX_WORD && !word.iter().any(u8::is_ascii_uppercase)));
        }
    }
}
