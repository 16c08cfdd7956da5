//! Commands, whole: exit code and both streams, word for word.

use crate::harness::{Msb, NOW};

const ID: &str = "40h24gs8awjptfkg";

#[test]
fn probe() {
    let mut msb = Msb::new();
    for line in [
        "server status",
        "server keygen --expire 3mo -n team-alpha --name ci-deploy",
        "server keygen",
        "server list",
        "server show ci-deploy",
        "server revoke ci-deploy --reason 'laptop lost'",
        "server status",
        "server list --state all",
        "server key show",
    ] {
        let ran = msb.run(line);
        println!("$ {line}\n{}{}{}", ran.exit, ran.stdout, ran.stderr);
    }
    let _ = (ID, NOW);
}
