//! Which programs take a password where on their command line. One row for each program or family; every row follows the program's
//! own manual page. Options whose name says what they are (`--password`, `-storepass`, `--api-key`) need no row: key names cover them.

/// How an option takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Only joined to it: `-pX`.
    Joined,
    /// Only in the next argument: `-p X`.
    Next,
    /// Either way.
    Either,
    /// Either way, `user:password`.
    Colon,
    /// Either way, `user%password`.
    Percent,
    /// Either way, `user,password`.
    Comma,
    /// Either way, `pass:password` (openssl-passphrase-options(1)).
    Spec,
    /// In the next argument, which is often something else and must look like a secret.
    Likely,
    /// Either way, `name=value` where the value is secret whatever its name.
    Pair,
}

/// A program, by all its names, with what is secret on its command line.
#[derive(Debug)]
pub(super) struct Program {
    pub names: &'static [&'static str],
    pub options: &'static [(&'static str, Takes)],
    /// After which word (empty: the program's name) the argument of which number is secret; options are not counted.
    pub places: &'static [(&'static str, u8)],
}

const fn options(names: &'static [&'static str], options: &'static [(&'static str, Takes)]) -> Program {
    Program { names, options, places: &[] }
}

const fn places(names: &'static [&'static str], places: &'static [(&'static str, u8)]) -> Program {
    Program { names, options: &[], places }
}

use Takes::{Colon, Comma, Either, Joined, Likely, Next, Pair, Percent, Spec};

/// The table.
pub(super) const PROGRAMS: &[Program] = &[
    // Databases.
    Program {
        names: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlshow",
            "mysqlcheck",
            "mysqlslap",
            "mysqlbinlog",
            "mysqlpump",
            "mysql_upgrade",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
            "mariadb-backup",
            "mariabackup",
            "mydumper",
            "myloader",
            "xtrabackup",
            "innobackupex",
            "mysqlhotcopy",
        ],
        options: &[("-p", Joined)],
        places: &[("password", 1)],
    },
    options(&["mycli", "pgcli", "mysqlsh", "litecli", "mssql-cli"], &[("-p", Either), ("-P", Next)]),
    options(
        &[
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "mongoimport",
            "mongostat",
            "mongotop",
            "mongofiles",
        ],
        &[("-p", Either)],
    ),
    Program {
        names: &["redis-cli", "valkey-cli", "keydb-cli", "redis-benchmark", "memtier_benchmark"],
        options: &[("-a", Either), ("--pass", Next)],
        places: &[("auth", 1), ("requirepass", 1), ("masterauth", 1)],
    },
    options(&["sqlcmd", "bcp", "osql", "isql", "tsql", "dtexec", "fisql", "bteq", "sqlcmd.exe"], &[("-P", Either)]),
    Program {
        names: &["sqlplus", "sqlldr", "exp", "imp", "expdp", "impdp", "rman", "sqlcl", "tnsping"],
        options: &[],
        places: &[("", 1)],
    },
    options(
        &[
            "cqlsh",
            "cypher-shell",
            "couchbase-cli",
            "cbbackup",
            "cbrestore",
            "cbq",
            "cbimport",
            "cbexport",
            "beeline",
            "clickhouse-client",
            "nodetool",
            "rabbitmqadmin",
            "influx",
            "arangosh",
            "arangodump",
            "impala-shell",
            "hdbsql",
            "isql-fb",
            "gbak",
            "dremio",
            "elasticdump",
        ],
        &[("-p", Next), ("-pw", Next), ("-pas", Next)],
    ),
    options(&["vsql", "dbaccess", "nzsql", "yugabyted"], &[("-w", Next), ("-pw", Next)]),
    places(&["db2"], &[("using", 1)]),
    places(&["rabbitmqctl", "rabbitmqctl.bat"], &[("add_user", 2), ("change_password", 2), ("authenticate_user", 2)]),
    // Remote shells, directories, file sharing.
    options(&["sshpass"], &[("-p", Either)]),
    options(
        &["plink", "pscp", "psftp", "kitty", "putty", "plink.exe", "pscp.exe", "putty.exe", "klink"],
        &[("-pw", Next)],
    ),
    options(&["ssh-keygen"], &[("-N", Either), ("-P", Either)]),
    options(
        &[
            "ldapsearch",
            "ldapadd",
            "ldapmodify",
            "ldapdelete",
            "ldapwhoami",
            "ldapcompare",
            "ldapmodrdn",
            "ldapexop",
            "ldapurl",
            "ldapvi",
            "dsconf",
            "dsidm",
        ],
        &[("-w", Either)],
    ),
    options(&["ldappasswd"], &[("-w", Either), ("-s", Either), ("-a", Either)]),
    options(
        &[
            "smbclient",
            "rpcclient",
            "smbget",
            "smbcacls",
            "smbcquotas",
            "winexe",
            "wbinfo",
            "pth-winexe",
            "nmblookup",
            "smbspool",
            "samba-tool",
            "smbtree",
            "smbmap",
            "enum4linux",
        ],
        &[("-U", Percent), ("--user", Percent), ("-a", Percent), ("--authenticate", Percent), ("-p", Next)],
    ),
    Program { names: &["net"], options: &[("-U", Percent), ("--user", Percent)], places: &[("user", 2), ("USER", 2)] },
    options(
        &[
            "crackmapexec",
            "cme",
            "nxc",
            "netexec",
            "evil-winrm",
            "hydra",
            "medusa",
            "psexec",
            "psexec64",
            "psexec.exe",
            "wmiexec",
            "kerbrute",
            "bloodhound-python",
            "ldapdomaindump",
            "wmic",
        ],
        &[("-p", Next), ("-P", Next)],
    ),
    options(&["ipmitool"], &[("-P", Either)]),
    options(
        &[
            "ipmi-sensors",
            "ipmipower",
            "ipmiconsole",
            "racadm",
            "ipmi-chassis",
            "bmc-info",
            "fence_ipmilan",
            "fence_apc",
            "amtterm",
            "hponcfg",
        ],
        &[("-p", Next)],
    ),
    options(
        &[
            "snmpget",
            "snmpwalk",
            "snmpset",
            "snmpbulkwalk",
            "snmpbulkget",
            "snmptrap",
            "snmpinform",
            "snmpgetnext",
            "snmptable",
            "snmpdf",
            "snmpstatus",
            "snmpbulkwalk.exe",
        ],
        &[("-c", Next), ("-A", Next), ("-X", Next)],
    ),
    options(
        &["xfreerdp", "wlfreerdp", "sdl-freerdp", "freerdp", "xfreerdp3", "mstsc"],
        &[("/p:", Joined), ("/gp:", Joined)],
    ),
    options(&["rdesktop"], &[("-p", Either)]),
    options(&["x11vnc", "vncviewer"], &[("-passwd", Next)]),
    options(&["kadmin", "kadmin.local"], &[("-w", Next), ("-pw", Next)]),
    places(&["radtest"], &[("", 2), ("", 5)]),
    options(&["dig", "nsupdate", "delv"], &[("-y", Colon)]),
    // Transfers and HTTP.
    options(
        &["curl", "curl.exe", "curlie"],
        &[
            ("-u", Colon),
            ("--user", Colon),
            ("-U", Colon),
            ("--proxy-user", Colon),
            ("--oauth2-bearer", Next),
            ("-E", Colon),
            ("--cert", Colon),
            ("--proxy-cert", Colon),
            ("--pass", Next),
            ("--proxy-pass", Next),
        ],
    ),
    options(&["http", "https", "xh", "xhs", "httpx"], &[("-a", Colon), ("--auth", Colon)]),
    options(&["ab", "hey", "wrk", "oha", "bombardier"], &[("-A", Colon), ("-P", Colon), ("-a", Colon)]),
    options(&["lynx", "links", "elinks", "w3m"], &[("-auth", Colon), ("-pauth", Colon)]),
    options(&["lftp"], &[("-u", Comma)]),
    options(&["ncftp", "ncftpput", "ncftpget", "ncftpls", "wput", "ftp"], &[("-p", Next)]),
    options(&["ncat", "nc"], &[("--proxy-auth", Colon)]),
    options(&["youtube-dl", "yt-dlp", "gallery-dl", "streamlink", "you-get"], &[("-p", Next)]),
    options(&["swaks", "sendemail", "sendEmail"], &[("-ap", Next), ("-xp", Next)]),
    options(&["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"], &[("-P", Next)]),
    options(&["mqtt", "mqttx", "kcat", "kafkacat", "emqx_ctl"], &[("-pw", Next), ("-P", Next)]),
    places(&["mosquitto_passwd"], &[("", 3)]),
    // Archives and documents.
    options(&["zip", "unzip", "zipinfo", "zipcloak"], &[("-P", Either)]),
    options(&["7z", "7za", "7zr", "7zz", "p7zip", "7z.exe"], &[("-p", Joined)]),
    options(&["rar", "unrar", "winrar"], &[("-p", Joined), ("-hp", Joined)]),
    options(
        &["pdftotext", "pdfinfo", "pdftoppm", "pdfimages", "pdfseparate", "pdftohtml", "pdftocairo"],
        &[("-upw", Next), ("-opw", Next)],
    ),
    places(&["pdftk"], &[("user_pw", 1), ("owner_pw", 1), ("input_pw", 1)]),
    places(&["qpdf"], &[("--encrypt", 1), ("--encrypt", 2)]),
    // Cryptography.
    options(
        &["openssl", "libressl"],
        &[
            ("-passin", Spec),
            ("-passout", Spec),
            ("-pass", Spec),
            ("-password", Spec),
            ("-passcerts", Spec),
            ("-k", Next),
            ("-K", Next),
            ("-macopt", Colon),
            ("-hmac", Next),
            ("-psk", Next),
            ("-srppass", Next),
        ],
    ),
    options(
        &["ccrypt", "ccencrypt", "ccdecrypt", "mcrypt", "aescrypt", "scrypt"],
        &[("-K", Next), ("-k", Next), ("-p", Next)],
    ),
    options(&["osslsigncode", "signtool", "signtool.exe", "signcode"], &[("-pass", Next), ("/p", Next), ("-p", Next)]),
    options(
        &["p12tool", "certutil", "pk12util", "certutil.exe"],
        &[("-W", Next), ("-w", Next), ("-K", Next), ("-p", Next)],
    ),
    options(&["security"], &[("-w", Next), ("-p", Next), ("-P", Next)]),
    options(&["secret-tool", "cryptsetup", "veracrypt", "truecrypt"], &[("-p", Next), ("--password", Next)]),
    places(&["dscl"], &[("-passwd", 2)]),
    places(&["bw"], &[("login", 2), ("unlock", 1)]),
    places(&["htpasswd", "htdigest"], &[("", 3)]),
    options(&["usermod", "useradd", "chpasswd"], &[("-p", Next)]),
    // Registries, clouds and tools of developers.
    options(
        &["docker", "podman", "nerdctl", "buildah", "helm", "oras", "crane", "regctl", "img", "docker.exe"],
        &[("-p", Next), ("--creds", Colon), ("--build-arg", Pair)],
    ),
    options(
        &["skopeo"],
        &[
            ("--creds", Colon),
            ("--src-creds", Colon),
            ("--dest-creds", Colon),
            ("--registry-token", Next),
            ("-p", Next),
        ],
    ),
    options(
        &["kubectl", "oc", "k3s", "microk8s", "kubectl.exe"],
        &[("--from-literal", Pair), ("-p", Next), ("--docker-password", Next)],
    ),
    options(
        &[
            "cf", "ibmcloud", "bx", "argocd", "glab", "doctl", "twine", "mlflow", "rosa", "ocm", "tsh", "ossutil",
            "coscli",
        ],
        &[("-p", Next), ("-t", Next), ("--apikey", Next)],
    ),
    places(&["cf"], &[("auth", 2)]),
    places(&["vault", "bao"], &[("login", 1), ("unseal", 1), ("unwrap", 1)]),
    places(&["ngrok"], &[("authtoken", 1), ("add-authtoken", 1), ("add-api-key", 1)]),
    places(&["mc", "mcli"], &[("set", 4), ("add", 4)]),
    places(&["b2", "backblaze-b2"], &[("authorize-account", 2), ("authorize_account", 2), ("authorize", 2)]),
    options(&["aws", "awslocal"], &[("--secret-string", Next), ("--value", Likely), ("--master-user-password", Next)]),
    options(&["gh"], &[("--body", Likely), ("-b", Likely)]),
    options(&["consul", "nomad", "serf"], &[("-encrypt", Next), ("-token", Next)]),
    options(&["az"], &[("-p", Next), ("--value", Likely)]),
    Program {
        names: &["poetry"],
        options: &[("-p", Next)],
        places: &[("pypi-token.pypi", 1), ("pypi-token.testpypi", 1)],
    },
    places(&["rclone"], &[("obscure", 1)]),
    places(&["grafana-cli"], &[("reset-admin-password", 1)]),
    places(&["cargo"], &[("login", 1)]),
    places(&["steamcmd", "steam"], &[("+login", 2)]),
    places(
        &["nmcli", "iwconfig", "iwd", "iwctl"],
        &[("password", 1), ("wifi-sec.psk", 1), ("802-11-wireless-security.psk", 1), ("key", 1)],
    ),
    places(&["wpa_passphrase"], &[("", 2)]),
    options(
        &["dotnet", "nuget", "nuget.exe", "choco", "gem", "paket"],
        &[("-k", Next), ("--api-key", Next), ("-ApiKey", Next)],
    ),
    options(&["svn", "svnadmin", "hg", "cvs", "p4"], &[("-P", Next)]),
    options(&["etcdctl", "nats", "elasticsearch-users", "kibana"], &[("--user", Colon), ("-p", Next)]),
    options(
        &["jboss-cli.sh", "asadmin", "wsadmin.sh", "kcadm.sh", "nexus", "jarsigner", "keytool", "mvn"],
        &[("-p", Next)],
    ),
    options(&["tailscale", "netbird", "zerotier-cli", "nebula", "cloudflared"], &[("--token", Next), ("-k", Next)]),
    options(&["wget", "wget2", "aria2c"], &[]),
    options(
        &["schtasks", "schtasks.exe", "cmdkey", "runas", "psexec64.exe"],
        &[("/rp", Next), ("/RP", Next), ("/p", Next), ("/P", Next), ("-p", Next)],
    ),
];
