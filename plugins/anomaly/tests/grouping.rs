//! Grouping accuracy on raw lines with timestamps, the measure of the public log parsing benchmarks: a line counts
//! when its group holds exactly the lines of its template.
//!
//! The lines are made from templates in the manner of eight systems, with the kinds of values those systems write:
//! numbers, addresses, ids, paths, names, sizes, lists, values that are sometimes missing.

use ghostd_anomaly::classify::header;
use ghostd_anomaly::template::{self, tree::Miner};
use std::collections::{BTreeMap, BTreeSet};

/// A system: how its lines begin, and its templates. `%` and a letter is a value.
struct System {
    name: &'static str,
    head: &'static str,
    templates: &'static [&'static str],
}

const SYSTEMS: [System; 8] = [
    System {
        name: "sshd",
        head: "Mar %d %t host-%n sshd[%n]:",
        templates: &[
            "Failed password for %u from %a port %n ssh2",
            "Failed password for invalid user %u from %a port %n ssh2",
            "Accepted publickey for %u from %a port %n ssh2: RSA SHA256:%x",
            "Received disconnect from %a: 11: Bye Bye [preauth]",
            "Connection closed by %a [preauth]",
            "pam_unix(sshd:session): session opened for user %u by (uid=0)",
            "pam_unix(sshd:session): session closed for user %u",
        ],
    },
    System {
        name: "hdfs",
        head: "0811%d 2035%d %n INFO dfs.DataNode:",
        templates: &[
            "PacketResponder %n for block blk_%n terminating",
            "Receiving block blk_%n src: /%a:%n dest: /%a:50010",
            "Received block blk_%n of size %n from /%a",
            "Verification succeeded for blk_%n",
            "Deleting block blk_%n file %p",
            "BLOCK* NameSystem.addStoredBlock: blockMap updated: %a:50010 is added to blk_%n size %n",
        ],
    },
    System {
        name: "spring",
        head: "2024-03-%d %t,%n INFO  [http-nio-8080-exec-%n] c.e.shop.OrderService -",
        templates: &[
            "order %n stored for customer %w in %n ms",
            "order %n rejected: card %x declined",
            "cache %w evicted %n entries, %n left",
            "retrying %p in %n ms (attempt %n of 5)",
            "user=%u action=login ip=%a ok=%b",
            "stock of item %x is %n",
            "mail to %m queued as %g",
            "Started Application in %n.%n seconds",
        ],
    },
    System {
        name: "kernel",
        head: "Mar %d %t host-%n kernel: [%n.%s]",
        templates: &[
            "usb 1-%n: new high-speed USB device number %n using xhci_hcd",
            "usb 1-%n: New USB device found, idVendor=%h, idProduct=%h",
            "EXT4-fs (sd%c%n): mounted filesystem with ordered data mode",
            "blk_update_request: I/O error, dev sd%c, sector %n",
            "IPv6: ADDRCONF(NETDEV_UP): eth%n: link is not ready",
            "TCP: request_sock_TCP: Possible SYN flooding on port %n. Sending cookies.",
        ],
    },
    System {
        name: "nova",
        head: "nova-api.log 2024-03-%d %t.%n 25746 INFO nova.compute.manager [req-%g - - -]",
        templates: &[
            "[instance: %g] VM Started (Lifecycle Event)",
            "[instance: %g] VM Paused (Lifecycle Event)",
            "[instance: %g] Took %n.%n seconds to build instance.",
            "[instance: %g] Total memory: %n MB, used: %n.%n MB",
            "%a \"GET /v2/%x/servers/detail HTTP/1.1\" status: 200 len: %n time: 0.%n",
            "image %g at (%p): checking",
        ],
    },
    System {
        name: "proxy",
        head: "[03.%d %t]",
        templates: &[
            "chrome.exe - %o:443 close, %n bytes sent, %n bytes (%n KB) received, lifetime %t",
            "chrome.exe - %o:443 open through proxy %o:5070 HTTPS",
            "chrome.exe - %o:443 error : Could not connect through proxy %o:5070 - status code %n",
        ],
    },
    System {
        name: "kubelet",
        head: "I03%d %t.%s    8121 kubelet.go:%n]",
        templates: &[
            "\"SyncLoop UPDATE\" source=\"api\" pods=[\"shop/%w-%n\"]",
            "\"Volume mounted\" volume=\"kube-api-access-%x\" pod=\"shop/%w-%n\"",
            "Image garbage collection: usage %n% over threshold 85%, freeing %n bytes",
            "\"Container started\" containerID=%x pod=%w-%n",
        ],
    },
    System {
        name: "postgres",
        head: "2024-03-%d %t.%n UTC [%n] app@shop",
        templates: &[
            "LOG:  duration: %n.%n ms  statement: commit",
            "ERROR:  duplicate key value violates unique constraint \"%w_pkey\"",
            "FATAL:  remaining connection slots are reserved for role %w",
            "LOG:  checkpoint complete: wrote %n buffers (%n.%n%); %n WAL file(s) added",
            "LOG:  connection received: host=%a port=%n",
        ],
    },
];

/// A small generator of numbers; the lines are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.next(words.len() as u64)).unwrap_or(0);
        words[index]
    }

    fn value(&mut self, kind: char) -> String {
        match kind {
            'd' => format!("{:02}", 10 + self.next(18)),
            't' => format!("{:02}:{:02}:{:02}", self.next(24), self.next(60), self.next(60)),
            's' => format!("{:06}", self.next(1_000_000)),
            'n' => (1 + self.next(90_000)).to_string(),
            'a' => format!("10.{}.{}.{}", self.next(256), self.next(256), self.next(256)),
            'x' => format!("{:08x}{:04x}", self.next(1 << 32), self.next(1 << 16)),
            'h' => format!("{:04x}", self.next(1 << 16)),
            'g' => format!(
                "{:08x}-{:04x}-4{:03x}-{:012x}",
                self.next(1 << 32),
                self.next(1 << 16),
                self.next(1 << 12),
                self.next(1 << 40)
            ),
            'p' => format!("/var/lib/{}/{}.dat", self.pick(&["a", "spool", "cache"]), self.next(1000)),
            'u' => self.pick(&["root", "anna", "berta", "deploy", "oracle", "git"]).to_owned(),
            'w' => self.pick(&["orders", "users", "carts", "api", "web", "mail_queue", "stock_levels"]).to_owned(),
            'o' => self
                .pick(&["www.example.com", "cdn.example.net", "proxy.example.org", "10.1.2.3", "mail.example.com"])
                .to_owned(),
            'm' => format!("{}@example.com", self.pick(&["anna", "berta", "ops"])),
            'b' => self.pick(&["true", "false"]).to_owned(),
            'c' => self.pick(&["a", "b", "c"]).to_owned(),
            _ => String::new(),
        }
    }

    fn fill(&mut self, template: &str) -> String {
        let mut line = String::new();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            match chars.peek() {
                Some(&kind) if c == '%' && kind.is_ascii_lowercase() => {
                    chars.next();
                    line.push_str(&self.value(kind));
                }
                _ => line.push(c),
            }
        }
        line
    }
}

/// The share of lines whose group is exactly the set of lines of their template.
fn accuracy<T: Ord>(groups: &[T], truth: &[usize]) -> f64 {
    let mut by_group: BTreeMap<&T, BTreeSet<usize>> = BTreeMap::new();
    let mut by_truth: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (line, (group, template)) in groups.iter().zip(truth).enumerate() {
        by_group.entry(group).or_default().insert(line);
        by_truth.entry(*template).or_default().insert(line);
    }
    let right: usize =
        by_group.values().filter(|lines| by_truth.values().any(|other| other == *lines)).map(BTreeSet::len).sum();
    right as f64 / groups.len() as f64
}

#[test]
fn grouping_accuracy_on_raw_lines_is_above_the_aim() {
    let (mut by_mask, mut by_tree) = (0.0, 0.0);
    for system in &SYSTEMS {
        let mut random = Random(7);
        let (mut masks, mut groups, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        let mut miner = Miner::new();
        for _ in 0..2000 {
            let index = usize::try_from(random.next(system.templates.len() as u64)).unwrap_or(0);
            let line = format!("{} {}", random.fill(system.head), random.fill(system.templates[index]));
            let message = &line[header::parse(line.as_bytes()).message..];
            masks.push(template::of_message(message));
            groups.push(miner.group(message));
            truth.push(index);
        }
        let (mask, tree) = (accuracy(&masks, &truth), accuracy(&groups, &truth));
        println!("{:<10} masked {mask:.3}   tree {tree:.3}", system.name);
        if tree < 0.75 {
            let names: BTreeSet<String> = groups.iter().map(|group| miner.template(*group)).collect();
            println!("{names:#?}");
        }
        by_mask += mask / SYSTEMS.len() as f64;
        by_tree += tree / SYSTEMS.len() as f64;
    }
    println!("mean       masked {by_mask:.3}   tree {by_tree:.3}");
    assert!(by_tree >= 0.75, "grouping accuracy is {by_tree}");
    // Fingerprints are made from the masks alone, which do not depend on what came before.
    assert!(by_mask >= 0.75, "grouping accuracy of masks is {by_mask}");
}
