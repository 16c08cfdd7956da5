//! Where a command runs: a home that is laid anew each time, and a directory beside it.

use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A directory that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let name = format!("msb-faults-{}", std::process::id());
        // In memory nothing waits for a disk, and no power is cut here anyway.
        let memory = Path::new("/dev/shm").join(&name);
        if DirBuilder::new().mode(0o700).create(&memory).is_ok() {
            return Self(memory);
        }
        let path = std::env::temp_dir().join(name);
        empty(&path);
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A part of it that goes by itself.
    pub fn part(&self, name: &str) -> Self {
        empty(&self.path(name));
        Self(self.path(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where one command runs at a time.
pub struct Place {
    /// The home.
    pub home: PathBuf,
    /// Where `-o` writes.
    pub out: PathBuf,
    /// What a command reads on standard input.
    pub input: PathBuf,
    /// The trace.
    pub log: PathBuf,
}

impl Place {
    pub fn new(scratch: &Scratch, name: &str) -> Self {
        let root = scratch.path(name);
        empty(&root);
        Self::at(&root)
    }

    /// In a directory that is there.
    pub fn at(root: &Path) -> Self {
        Self {
            home: root.join("home"),
            out: root.join("out"),
            input: root.join("input"),
            log: root.join("log"),
        }
    }

    /// The file that `-o` names.
    pub fn file(&self) -> PathBuf {
        self.out.join("key")
    }

    /// Puts a copy of a home here, or none.
    pub fn lay(&self, home: Option<&Path>) {
        empty(&self.out);
        match home {
            Some(home) => copy(home, &self.home),
            None => remove(&self.home),
        }
    }
}

/// Copies the files of a directory, with their modes.
pub fn copy(from: &Path, to: &Path) {
    empty(to);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A new directory for this user only.
pub fn empty(path: &Path) {
    remove(path);
    DirBuilder::new().mode(0o700).create(path).unwrap();
}

/// Takes everything out of a directory.
pub fn clear(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { remove(&path) } else { fs::remove_file(path).unwrap() }
    }
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        removed => removed.unwrap(),
    }
}
