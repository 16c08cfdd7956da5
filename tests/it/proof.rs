//! The page of proof is what its tables and its list of promises make of it, and each promise names
//! a check that somebody runs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::harness::{Scratch, have};

/// Runs `.ci/proof` of some tree.
fn proof(root: &Path, task: &[&str]) -> Output {
    Command::new("python3").arg(root.join(".ci/proof")).args(task).output().unwrap()
}

/// Runs `.ci/proof` in a copy of the tree, after some change of one file.
fn changed(file: &str, change: impl Fn(String) -> String, task: &str) -> (Scratch, Output) {
    let scratch = Scratch::new();
    for shared in ["src", "tests", "contrib", "fuzz", ".ci/coverage", ".ci/mutants"] {
        fs::create_dir_all(scratch.path(".ci")).unwrap();
        symlink(root().join(shared), scratch.path(shared)).unwrap();
    }
    fs::create_dir_all(scratch.path("docs/proof")).unwrap();
    let tables = fs::read_dir(root().join("docs/proof")).unwrap();
    let tables = tables.map(|entry| format!("docs/proof/{}", entry.unwrap().file_name().display()));
    let copied = [".ci/proof", ".ci/run", "docs/proof.md"].map(str::to_owned);
    for name in tables.chain(copied) {
        fs::copy(root().join(&name), scratch.path(&name)).unwrap();
    }
    let text = fs::read_to_string(scratch.path(file)).unwrap();
    fs::write(scratch.path(file), change(text)).unwrap();
    let output = proof(&scratch.path("."), &[task]);
    (scratch, output)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_page_is_what_its_tables_say() {
    if !have("python3") {
        return;
    }
    let output = proof(&root(), &["check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_page_that_claims_more_is_noticed() {
    if !have("python3") {
        return;
    }
    let check = |file, change: &dyn Fn(String) -> String, said: &str| {
        let (_scratch, output) = changed(file, change, "check");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(said), "{said}: {told}");
    };
    let add = |line: &'static str| move |text: String| text + line;
    let promises = "docs/proof/promises.txt";
    check("docs/proof.md", &add("| a promise | `true` | 1 passed |\n"), "is not what");
    check(
        promises,
        &add("It is quick\n    cargo test --test it nobody_wrote_this\n"),
        "no test for",
    );
    check(promises, &add("It is quick\n    cargo bench\n"), "does not run");
    check(promises, &add("It is quick\n    MSB_SERVER=some cargo test --lib\n"), "does not run");
    check(promises, &add("It is quick\n"), "nothing checks");
    check(".ci/run", &|text| text.replace("prove deny ", "step "), "does not run `.ci/deny`");
}

#[test]
fn figures_are_those_of_the_last_run() {
    if !have("python3") {
        return;
    }
    let promises = "## One\n\nIt holds\n    cargo test --test it house\n    .ci/first\n    \
                    MSB_FAULTS=all cargo test --test faults\n    contrib/release/twice\n    \
                    by hand: nothing\n";
    let log = "     Running unittests src/lib.rs (target/debug/deps/msb-1)\n\
               test house::not_this_one ... ok\n\
               test result: ok. 1 passed; 0 failed\n     \
               Running tests/it/main.rs (target/debug/deps/it-1)\n\
               test house::one ... ok\ntest house::two ... ok\ntest format::three ... ok\n\
               test house::four ... ignored\n\
               test result: ok. 3 passed; 0 failed\n     \
               Running tests/faults/main.rs (target/debug/deps/faults-1)\n\
               2 passed, 0 failed\n";
    let (scratch, _) = changed("docs/proof/promises.txt", |_| promises.to_owned(), "page");
    let run = scratch.path("target/proof");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("tests.log"), log).unwrap();
    fs::write(run.join("first.log"), "a key was made\n\n").unwrap();
    fs::write(run.join("format.log"), "").unwrap();
    fs::write(
        run.join("steps.tsv"),
        "abc1234\n2026-11-29\ntests\tcargo test\t70\nfirst\t.ci/first\t5\n\
         format\tcargo fmt --check\t1\n",
    )
    .unwrap();
    let refused = |said: &str| {
        let output = proof(&scratch.path("."), &[]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(said), "{said}: {told}");
    };
    refused("did not pass");
    fs::write(run.join("passed"), "").unwrap();
    fs::write(run.join("tests.log"), format!("{log}test house::five ... FAILED\n")).unwrap();
    refused("has failed");
    fs::write(run.join("tests.log"), log).unwrap();
    let output = proof(&scratch.path("."), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(scratch.path("docs/proof.md")).unwrap();
    for row in [
        "on 2026-11-29, commit abc1234.",
        "| It holds | `cargo test --test it house` | 2 passed |",
        "|  | `.ci/first` | a key was made |",
        "|  | `MSB_FAULTS=all cargo test --test faults` | 2 passed |",
        "|  | `contrib/release/twice` | not run |",
        "|  | [by hand: nothing](#nothing) | not run |",
        "| `cargo test` | 6 passed | 70 |",
        "| `cargo fmt --check` | passed | 1 |",
        "Not run: there is no `docs/proof/nothing.tsv`.",
    ] {
        assert!(page.contains(row), "{row} is not in\n{page}");
    }
}
