//! What a command asked of the file system, as strace tells it.

use std::{collections::HashMap, fs, path::Path};

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which call.
    pub name: String,
    /// Which one of its name, counted from 1.
    pub nth: usize,
    /// What is between the parentheses.
    pub arguments: String,
    /// What it answered.
    pub answer: String,
}

/// Asks strace for every call that may touch a file, with the path behind every descriptor.
pub fn options() -> Vec<String> {
    // Not every machine has every call.
    let calls: Vec<_> = CALLS.iter().map(|call| format!("?{call}")).collect();
    ["-y", "-s", "0", "-e", &format!("trace={}", calls.join(","))].map(str::to_owned).to_vec()
}

/// Reads a trace of one process.
pub fn read(log: &Path) -> Vec<Call> {
    let text = fs::read_to_string(log).unwrap();
    let mut process = None;
    let mut counts = HashMap::new();
    let mut calls = vec![];
    for line in text.lines() {
        let (id, line) = line.split_once(' ').unwrap();
        // Calls are counted for each thread alone, and points are named by that count.
        assert_eq!(*process.get_or_insert(id), id, "msb has more than one thread: {line}");
        let Some((name, rest)) = line.trim_start().split_once('(') else { continue };
        let Some((arguments, answer)) = rest.rsplit_once(" = ") else { continue };
        let nth = counts.entry(name.to_owned()).or_insert(0);
        *nth += 1;
        let arguments = arguments.trim_end().trim_end_matches(')').to_owned();
        calls.push(Call { name: name.to_owned(), nth: *nth, arguments, answer: answer.to_owned() });
    }
    calls
}

/// The index of the first call that names the home: what is before it is the loader's.
pub fn begins(calls: &[Call], home: &Path) -> usize {
    let home = home.display().to_string();
    calls.iter().position(|call| call.arguments.contains(&home)).unwrap()
}

const CALLS: &[&str] = &[
    "access",
    "close",
    "creat",
    "dup",
    "faccessat",
    "faccessat2",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getdents64",
    "link",
    "linkat",
    "lseek",
    "lstat",
    "mkdir",
    "mkdirat",
    "mmap",
    "newfstatat",
    "open",
    "openat",
    "pread64",
    "preadv",
    "pwrite64",
    "pwritev",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "truncate",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];
