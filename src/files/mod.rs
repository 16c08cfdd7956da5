//! Files: modes, owners, bounded reads, writes that are whole or not there at all.

mod append;
mod edit;
mod fault;
mod held;
mod home;
mod replacement;
mod stamp;

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{Access, FlockOperation, Mode, OFlags},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with},
};
use zeroize::Zeroizing;

pub use append::Append;
pub use edit::Edit;
use fault::at;
pub use fault::{Fault, FileFault};
pub use held::{Held, Holder};
pub use home::Home;
pub use replacement::Replacement;
pub use stamp::{Identity, Stamp};

/// How long to wait for another process that is writing.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The most that is read of any file that is named to us, in bytes.
pub const MOST: u64 = 1 << 20;

/// Whether anything of this name is there, a dangling link too.
pub fn exists(path: &Path) -> Result<bool, FileFault> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Fault::from(error).at(path)),
    }
}

/// Whether two names are those of one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    number(one).is_some_and(|one| number(other) == Some(one))
}

/// How long a file is, in bytes, if it is there.
pub fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Opens a file that is named to us, of whatever kind.
pub fn open(path: &Path) -> Result<File, FileFault> {
    File::open(path).map_err(at(path))
}

/// Reads a file that is named to us, of whatever kind, up to [`MOST`] bytes.
pub fn read(path: &Path) -> Result<Zeroizing<String>, FileFault> {
    bounded_text(open(path)?, path)
}

/// Reads a secret of ours, if it is there: a plain file of this user that nobody else can read.
pub fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, FileFault> {
    let Some((file, metadata)) = open_ours(path)? else { return Ok(None) };
    if metadata.mode() & 0o077 != 0 {
        return Err(Fault::OthersCanRead { mode: metadata.mode() & 0o7777 }.at(path));
    }
    bounded_text(file, path).map(Some)
}

/// Reads a file on which decisions rest, if it is there: nobody else may write it. A link to one
/// will do.
pub fn read_trusted(path: &Path) -> Result<Option<Zeroizing<String>>, FileFault> {
    if !exists(path)? {
        return Ok(None);
    }
    let (file, metadata) = open_plain(OpenOptions::new().read(true), OFlags::empty(), path)?;
    trusted(&metadata).map_err(|fault| fault.at(path))?;
    bounded_text(file, path).map(Some)
}

/// An error unless this is a file, no link, that nobody else can write.
pub fn check_trusted(path: &Path) -> Result<(), FileFault> {
    let metadata = fs::symlink_metadata(path).map_err(at(path))?;
    trusted(&metadata).map_err(|fault| fault.at(path))
}

/// An error if somebody else can put files into a directory, and so beside what is trusted. One
/// that is not there is not looked at.
pub fn check_directory(directory: &Path) -> Result<(), FileFault> {
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault::from(error).at(directory)),
    };
    not_others(&metadata).map_err(|fault| fault.at(directory))
}

/// Plain, of this user or of root, and writable by nobody else. Root trusts every owner.
fn trusted(metadata: &Metadata) -> Result<(), Fault> {
    if metadata.is_file() { not_others(metadata) } else { Err(Fault::kind_of(metadata)) }
}

fn not_others(metadata: &Metadata) -> Result<(), Fault> {
    let uid = metadata.uid();
    if metadata.mode() & 0o022 != 0 {
        Err(Fault::OthersCanWrite { mode: metadata.mode() & 0o7777 })
    } else if uid != 0 && uid != effective_uid() && !is_root() {
        Err(Fault::Owner { uid })
    } else {
        Ok(())
    }
}

/// Opens a plain file of this user without following a link, if it is there.
fn open_ours(path: &Path) -> Result<Option<(File, Metadata)>, FileFault> {
    let opened = open_plain(OpenOptions::new().read(true), OFlags::NOFOLLOW, path);
    let (file, metadata) = match opened {
        Err(fault) if fault.is_not_found() => return Ok(None),
        opened => opened?,
    };
    if metadata.uid() != effective_uid() {
        return Err(Fault::Owner { uid: metadata.uid() }.at(path));
    }
    Ok(Some((file, metadata)))
}

/// Opens a plain file without waiting for a fifo.
fn open_plain(
    options: &mut OpenOptions,
    flags: OFlags,
    path: &Path,
) -> Result<(File, Metadata), FileFault> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits() as i32).open(path).map_err(|error| {
        let follows = !flags.contains(OFlags::NOFOLLOW);
        let found = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
        // What a link or a socket answers is an error of its own; say what it is instead.
        match found {
            Ok(metadata) if !metadata.is_file() => Fault::kind_of(&metadata).at(path),
            Ok(_) | Err(_) => Fault::from(error).at(path),
        }
    })?;
    let metadata = file.metadata().map_err(at(path))?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(Fault::kind_of(&metadata).at(path)) }
}

fn bounded(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    let mut bytes = Zeroizing::new(vec![]);
    // Room beforehand: a growing buffer would leave copies of a secret behind.
    bytes.reserve(file.metadata().map_or(0, |metadata| metadata.len().min(MOST)) as usize + 1);
    let length = file.take(MOST + 1).read_to_end(&mut bytes);
    match length.map_err(at(path))? as u64 {
        ..=MOST => Ok(bytes),
        _ => Err(Fault::TooLarge.at(path)),
    }
}

fn bounded_text(file: File, path: &Path) -> Result<Zeroizing<String>, FileFault> {
    let bytes = bounded(file, path)?;
    let text = str::from_utf8(&bytes);
    let text = text.map_err(|_| Fault::from(io::Error::from(io::ErrorKind::InvalidData)).at(path));
    Ok(Zeroizing::new(text?.to_owned()))
}

/// Makes a directory that only this user can enter, and its parents.
fn make_directory(path: &Path) -> Result<(), FileFault> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(at(path))
}

/// A new file that only this user can read; an error if the name is taken.
pub fn create(path: &Path) -> Result<File, FileFault> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(at(path))
}

/// Opens a file to whose end a log is written, made for this user only if it is not there.
pub fn open_log(path: &Path) -> Result<File, FileFault> {
    let mut options = OpenOptions::new();
    let (file, metadata) =
        open_plain(options.append(true).create(true).mode(0o600), OFlags::NOFOLLOW, path)?;
    not_others(&metadata).map_err(|fault| fault.at(path))?;
    Ok(file)
}

/// Listens on a socket to which only this user can speak; whatever had its name is gone.
pub fn listen(path: &Path) -> Result<UnixListener, FileFault> {
    check_replaceable(path)?;
    remove(path)?;
    let before = rustix::process::umask(Mode::XUSR | Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Fault::TooDeep.at(path),
        _ => Fault::from(error).at(path),
    })
}

/// Speaks to a socket; an error of kind `WouldBlock` if too many wait for it already.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Writes a whole new file that only this user can read, down to the disk.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileFault> {
    let mut file = create(path)?;
    let written = write_synced(&mut file, content).map_err(at(path));
    let written = written.and_then(|()| sync_directory(path));
    if written.is_err() {
        // Half of it is of no use to anybody.
        let _ = fs::remove_file(path);
    }
    written
}

fn write_synced(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}

/// An error if a name is taken by what a rename cannot replace.
pub fn check_replaceable(path: &Path) -> Result<(), FileFault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(Fault::NotAFile.at(path)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::from(error).at(path)),
    }
}

/// Gives a file another name in the same directory, down to the disk; what had it is gone.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileFault> {
    fs::rename(from, to).map_err(at(to))?;
    sync_directory(to)
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> Result<(), FileFault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Fault::from(error).at(path)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Holds a directory for one process at a time, until dropped.
pub struct DirectoryLock(#[expect(dead_code, reason = "closing it unlocks")] File);

impl DirectoryLock {
    /// Takes the lock; an error if it is held for longer than [`PATIENCE`].
    pub fn take(directory: &Path) -> Result<Self, FileFault> {
        const PAUSE: Duration = Duration::from_millis(10);
        let file = File::open(directory).map_err(at(directory))?;
        let mut pauses = PATIENCE.as_millis() / PAUSE.as_millis();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::WOULDBLOCK) if pauses > 0 => thread::sleep(PAUSE),
                Err(error) => return Err(Fault::Io(error.into()).at(directory)),
            }
            pauses -= 1;
        }
    }
}

/// Whether this process may make files in a directory.
pub fn check_writable(directory: &Path) -> Result<(), FileFault> {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(at(directory))
}

/// An error if a directory lies on NFS or SMB, where locks and syncs cannot be relied on.
pub fn check_local(directory: &Path) -> Result<(), FileFault> {
    let kind = rustix::fs::statfs(directory).map_err(at(directory))?.f_type;
    // The magic numbers of statfs(2).
    let name = match kind as u32 {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        _ => return Ok(()),
    };
    Err(Fault::Network { name }.at(directory))
}

fn sync_directory(path: &Path) -> Result<(), FileFault> {
    let directory = parent(path);
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(at(directory))
}

/// Whether the directory that a file is in, or one above that, has this name in it.
pub fn is_below(path: &Path, name: &str) -> bool {
    let directory = fs::canonicalize(parent(path));
    directory.is_ok_and(|directory| {
        directory.ancestors().any(|above| exists(&above.join(name)).unwrap_or(false))
    })
}

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Whether a stream leads nowhere because it was closed: the runtime opens the null device for
/// reading and writing in its place, where a shell's `> /dev/null` is for writing only. Whoever
/// opens it for both is taken for closed.
pub fn was_closed(stream: impl AsFd) -> bool {
    let null = rustix::fs::stat("/dev/null").map(|null| null.st_rdev);
    let stat = rustix::fs::fstat(&stream).map(|stat| stat.st_rdev);
    let mode = rustix::fs::fcntl_getfl(&stream).map(|flags| flags & OFlags::RWMODE);
    null.is_ok() && null == stat && mode == Ok(OFlags::RDWR)
}

/// A stream without the buffer of the runtime, which would keep a secret that came through.
pub fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Lets go of both output streams, so that whoever waits for their end need not wait any longer;
/// what is still said goes to this file.
pub fn leave_streams(to: &File) {
    // There is nowhere to tell an error, and without one nothing is lost.
    let _ = rustix::stdio::dup2_stdout(to);
    let _ = rustix::stdio::dup2_stderr(to);
}

/// Lets nobody else read what this process makes from now on.
pub fn keep_to_ourselves() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// The user whose rights this process has.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_root() -> bool {
    effective_uid() == 0
}
