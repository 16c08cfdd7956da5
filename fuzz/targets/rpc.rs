//! Any body at both doors, with `#method|name|namespace` of the head in front or without: the calls
//! that msb judges are those of a second reading, which refuses doubled members and those that lax
//! readers take for others.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use msb::{
    gate::Wanted,
    namespace::Namespaces,
    rpc::{self, Door, Id, NotCalls},
    scope::Scope,
};
use msb_fuzz::calls::{self, Asked};

fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.strip_prefix(b"#") {
        Some(data) => {
            let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            (str::from_utf8(&data[..end]).unwrap_or_default(), data.get(end + 1..))
        }
        None => ("", Some(data)),
    };
    let body = body.unwrap_or_default();
    let mut words = head.split('|').map(|word| Some(word).filter(|word| !word.is_empty()));
    let mut word = || words.next().flatten();
    let (method, name, namespace) = (word(), word(), word());
    for door in [Door::Mcp, Door::Rpc] {
        let found = rpc::calls(body, door, &rpc::Said { method, name, namespace });
        let own = calls::calls(body, door == Door::Mcp, &calls::Said { method, name, namespace });
        let (found, (own, id)) = match (found, own) {
            (Ok(found), Some(own)) => (found, own),
            (Ok(_), None) => panic!("calls are found where there are none"),
            (Err(why), Some(_)) => panic!("refused: {why:?}"),
            (Err((NotCalls::NotJson, _)), None) => {
                assert!(!calls::is_json(body), "it is JSON");
                continue;
            }
            (Err(_), None) => continue,
        };
        for elsewhere in [None, Some("elsewhere")] {
            let named = |name| Wanted::These(Namespaces::word(name).expect("a namespace"));
            let ask = found.ask(&elsewhere.map_or(Wanted::Unsaid, named));
            let ask = (
                asked(ask.namespaces, |names| names.words()),
                asked(ask.scope, |scope| match scope {
                    Scope::Every => panic!("an operation is never every one"),
                    Scope::Only(words) => words.iter().map(ToString::to_string).collect(),
                }),
            );
            assert_eq!(ask, calls::asked(&own, elsewhere));
        }
        let found = found.id().map(|id| match id {
            Id::Number(number) => number.to_string(),
            Id::Text(text) => format!("{text:?}"),
        });
        assert_eq!(found, id);
    }
});

fn asked<T>(wanted: Wanted<T>, words: impl Fn(T) -> Vec<String>) -> Asked {
    match wanted {
        Wanted::Any => Asked::Any,
        Wanted::Unclear => panic!("calls are clear, or none"),
        Wanted::Unsaid => Asked::Unsaid,
        Wanted::These(these) => Asked::These(words(these).into_iter().collect::<BTreeSet<_>>()),
    }
}
