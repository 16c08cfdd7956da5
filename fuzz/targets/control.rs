//! Any line at the control socket, from a command or to it: what is read and written again is the
//! same, and a second reading finds in the line what was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use msb::server::{Report, probe};
use msb_fuzz::json::{self, Json};

fuzz_target!(|line: &str| {
    let tree = json::read(line.as_bytes());
    if let Some(written) = probe::said(line) {
        assert_eq!(probe::said(&written).as_ref(), Some(&written), "its inverse");
        let tree = tree.as_ref().expect("it is JSON");
        // What nobody listens for may be said twice.
        assert!(!is_doubled(tree, "say"));
        let (say, seq) = match tree {
            Json::Object(_) => (tree.get("say"), tree.get("seq")),
            // serde takes the members of such an enum in a row as well.
            Json::Array(row) => (row.first(), row.get(1)),
            _ => panic!("neither is it an object"),
        };
        let say = say.and_then(Json::text).expect("what is said");
        let expected = match (say, seq) {
            ("status" | "stop", _) => format!(r#"{{"say":"{say}"}}"#),
            ("sync", Some(Json::Number(seq))) => {
                assert!(!is_doubled(tree, "seq"));
                format!(r#"{{"say":"sync","seq":{seq}}}"#)
            }
            other => panic!("nobody says {other:?}"),
        };
        assert_eq!(written, expected);
    }
    if let Ok(report) = serde_json::from_str::<Report>(line) {
        let written = serde_json::to_string(&report).expect("a report");
        assert_eq!(serde_json::from_str(&written).as_ref().ok(), Some(&report), "its inverse");
        let (Some(tree), Some(again)) = (tree, json::read(written.as_bytes())) else {
            panic!("it is JSON");
        };
        let row = tree.elements();
        for (index, (name, value)) in again.members().expect("an object").iter().enumerate() {
            let found = row.map_or_else(|| tree.get(name), |row| row.get(index));
            assert_eq!(found.unwrap_or(&Json::Null), value, "{name}");
        }
    }
});

fn is_doubled(tree: &Json, name: &str) -> bool {
    let members = tree.members().unwrap_or_default().iter();
    members.filter(|(other, _)| other == name).count() > 1
}
