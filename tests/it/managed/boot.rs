//! `docs/systemd.md`, for real: a systemd of its own boots, and the service lives under it.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use super::units::{blocks, without_network};
use crate::harness::{Scratch, have, skipped};

/// What is said to systemd and to the service, after the page's own words. `told` prints what the
/// test below looks at.
const STEPS: &str = r#"
told() { echo "= $*"; }
ask() {
    exec 3<>/dev/tcp/127.0.0.1/5555
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' \
        "$1" "${2-none}" >&3
    read -r _ code _ <&3
    exec 3>&-
    echo "$code"
}
main() { systemctl show --value --property MainPID msb; }

told installed "$(systemctl is-active msb.socket msb.service | xargs)"
told without a server key "$(ask /readyz)"
key=$(keys server keygen --quiet -n team-alpha)
other=$(keys server keygen --quiet -n team-alpha --name leaked)
told with one "$(ask /readyz)" "$(ask '/auth?namespace=team-alpha' "$key")" "$(ask '/auth?namespace=b' "$key")"
keys server revoke leaked
told revoked "$(ask '/auth?namespace=team-alpha' "$other")"
told files "$(stat -c '%U %a' /var/lib/msb /var/lib/msb/* | sort -u | xargs)"
told process "$(grep -cE '^(NoNewPrivs:.1|Seccomp:.2|CapBnd:.0{16}|CapEff:.0{16})$' "/proc/$(main)/status")"

echo '[policy]
require_expire = true' > /var/lib/msb/config.toml
systemctl reload msb
for _ in {1..50}; do [ "$(ask '/auth?namespace=team-alpha' "$key")" = 401 ] && break; sleep 0.1; done
told reloaded "$(ask '/auth?namespace=team-alpha' "$key")"
rm /var/lib/msb/config.toml

before=$(main)
[ "$before" -gt 1 ] && kill -9 "$before"
told killed "$(ask '/auth?namespace=team-alpha' "$key")"
[ "$(main)" != "$before" ] && told started again

systemctl restart msb & 
told restarting "$(for _ in {1..20}; do ask /healthz; done | sort -u)"
wait

page_resets
told reset "$(ask '/auth?namespace=team-alpha' "$key")"
key=$(keys server keygen --quiet -n team-alpha)

mkdir /etc/systemd/system/msb.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/msb server start --reset-key\n' \
    > /etc/systemd/system/msb.service.d/test.conf
systemctl daemon-reload
systemctl restart msb
told reset by the manager "$(systemctl show --property ExecMainStatus --property NRestarts msb | sort | xargs)"
cp /run/test/without-network /etc/systemd/system/msb.service.d/test.conf
systemctl daemon-reload
systemctl reset-failed msb.service msb.socket
systemctl restart msb.socket
systemctl restart msb
told without a network "$(ask '/auth?namespace=team-alpha' "$key")"
rm /etc/systemd/system/msb.service.d/test.conf
systemctl daemon-reload

systemctl stop msb.socket msb.service
told stopped "$(systemctl show --value --property Result msb)"
systemctl start msb.service
told without the socket "$(ask '/auth?namespace=team-alpha' "$key")"
told keys in the journal "$(journalctl -u msb -o cat | grep -c msb_ey)"
journalctl -u msb -o cat | grep -q '"event":"request"' && told requests in the journal
journalctl -u msb -o cat
"#;

const TOLD: &str = "\
= installed active active
= without a server key 503
= with one 200 200 403
= revoked 401
= files msb 600 msb 700
= process 4
= reloaded 401
= killed 200
= started again
= restarting 200
= reset 401
= reset by the manager ExecMainStatus=6 NRestarts=0
= without a network 200
= stopped success
= without the socket 200
= keys in the journal 0
= requests in the journal
";

#[test]
fn the_service_lives_under_a_real_systemd() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skipped("only root can boot a systemd");
    }
    if !["systemctl", "unshare", "ip", "runuser"].into_iter().all(have) {
        return;
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Scratch::new();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(project.join("contrib"))
        .arg(project.join("man"))
        .arg(&scratch.0)
        .status()
        .unwrap();
    assert!(copied.success());
    fs::create_dir_all(scratch.path("target/release")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_msb"), scratch.path("target/release/msb")).unwrap();
    fs::write(scratch.path("without-network"), without_network()).unwrap();

    let page = blocks("sh");
    let [install, keys, reset] = ["systemd-sysusers", "exec runuser", "server key reset"]
        .map(|word| page.iter().find(|block| block.contains(word)).unwrap());
    fs::write(scratch.path("keys"), keys).unwrap();
    let steps = format!(
        "cd /run/test\n{install}\ninstall -m 755 keys /usr/local/bin/keys\n\
         page_resets() {{\n{reset}}}\n{STEPS}"
    );
    fs::write(scratch.path("steps"), steps).unwrap();

    let mut boot = Command::new("timeout");
    boot.args(["--kill-after=5", "100", "bash"]);
    boot.arg(project.join("tests/it/managed/boot.sh")).arg(&scratch.0);
    let ran = boot.output().unwrap();
    let all = fs::read_to_string(scratch.path("told")).unwrap_or_default();
    let told: String = all
        .lines()
        .filter(|line| line.starts_with("= "))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(told, TOLD, "{all}{}", String::from_utf8_lossy(&ran.stderr));
}
