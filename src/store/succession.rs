//! One server key after another. First key, rotate, reset and import go one way: the file is on
//! the disk under another name, the commit is the moment, and then the file takes its place.

use rusqlite::params;

use super::{
    Change, KeyFile, StoreFault,
    trust::{self, Found},
};
use crate::{
    files::{self, Home},
    signing::{Kid, PublicKey, ServerKey},
    time::UnixTime,
};

/// What becomes of the server keys that were before a new one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Succession {
    /// All of them are dead, retired ones too, and with them every key that they signed.
    Reset,
    /// The one that signs is retired: it verifies until a moment, and only keys from before.
    Retire {
        /// The first second at which its signatures no longer count.
        until: UnixTime,
    },
}

/// The file of a server key that the ring does not know yet. It goes when the change does, unless
/// it was there before.
pub(super) struct Staged<'s> {
    home: &'s Home,
    kid: Kid,
    ours: bool,
}

impl<'s> Staged<'s> {
    fn write(home: &'s Home, server_key: &ServerKey) -> Result<Self, StoreFault> {
        let kid = server_key.public().kid();
        let path = home.staged_server_key(kid);
        let there = files::read_secret(&path).ok().flatten();
        let same = there.and_then(|pem| ServerKey::from_pem(&pem).ok());
        if same.is_some_and(|same| same.public() == server_key.public()) {
            return Ok(Self { home, kid, ours: false });
        }
        files::write(&path, server_key.to_pem().as_bytes())?;
        Ok(Self { home, kid, ours: true })
    }

    pub(super) fn keep(self) -> Kid {
        let kid = self.kid;
        std::mem::forget(self);
        kid
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.ours {
            // Where this is not reached, because the process was killed, whoever signs next sweeps.
            let _ = files::remove(&self.home.staged_server_key(self.kid));
        }
    }
}

impl Change<'_> {
    /// The server key that signs, from its file. Mends what interrupted commands left: finishes
    /// a rename, and removes server keys that never came to sign.
    pub fn server_key(&self, signing: &PublicKey) -> Result<ServerKey, StoreFault> {
        let home = &self.store.home;
        let server_key = match trust::find_server_key(home, signing)? {
            Found::InPlace(server_key) => server_key,
            Found::Staged(server_key) => {
                trust::place_server_key(home, signing.kid())?;
                server_key
            }
        };
        trust::sweep_staged_server_keys(home, &[])?;
        Ok(server_key)
    }

    /// Mends what interrupted commands left, before a server key takes the place of another.
    fn mend(&self, successor: Kid) -> Result<(), StoreFault> {
        let home = &self.store.home;
        let mut needed = vec![successor];
        // Until the commit the old server key signs, and its file must not be lost.
        if let Some((signing, _)) = self.ring()?.signing() {
            match trust::find_server_key(home, signing) {
                Ok(Found::InPlace(_)) => {}
                Ok(Found::Staged(_)) => trust::place_server_key(home, signing.kid())?,
                Err(_) => needed.push(signing.kid()),
            }
        }
        trust::sweep_staged_server_keys(home, &needed)
    }

    /// How the server key file stands to the key that signs, as no other process can change it now.
    pub fn key_file(&self, signing: &PublicKey) -> KeyFile {
        self.store.key_file(signing)
    }

    /// Puts the first server key into an empty ring; an error if the file of another is there.
    pub fn add_first_server_key(&mut self, server_key: ServerKey) -> Result<ServerKey, StoreFault> {
        if let Some(lost) = self.store.lost()? {
            return Err(lost);
        }
        self.succeed(server_key, Succession::Reset, "create server key")
    }

    /// Lets a new server key sign from now on. Nobody sees it before the commit.
    pub fn succeed(
        &mut self,
        server_key: ServerKey,
        succession: Succession,
        act: &str,
    ) -> Result<ServerKey, StoreFault> {
        let (public, home) = (server_key.public(), &self.store.home);
        let kid = public.kid();
        // A rename that cannot succeed is found before the commit.
        files::check_replaceable(&home.server_key())?;
        let strangers = self.strangers()?;
        self.mend(kid)?;
        self.staged = Some(Staged::write(home, &server_key)?);
        match succession {
            Succession::Reset => self.kill_server_keys(&strangers, public)?,
            Succession::Retire { until } => self.retire_server_key(until)?,
        }
        self.run(
            "INSERT INTO server_key (kid, public, created_at) VALUES (?, ?, ?)",
            params![kid.to_string(), public.as_bytes(), self.now().secs()],
        )?;
        self.audit_trust(act, &format!("server key {kid}"))?;
        Ok(server_key)
    }

    /// Puts the file of the server key that signs into its place again, from a copy.
    pub fn restore_server_key(&self, server_key: &ServerKey) -> Result<(), StoreFault> {
        let (public, home) = (server_key.public(), &self.store.home);
        let kid = public.kid();
        files::check_replaceable(&home.server_key())?;
        self.mend(kid)?;
        if !matches!(trust::find_server_key(home, public), Ok(Found::InPlace(_))) {
            let staged = Staged::write(home, server_key)?;
            trust::place_server_key(home, staged.keep())?;
        }
        self.audit("restore server key", &format!("server key {kid}"))
    }

    /// The server keys that lie where ours do: one in `server.key`, and where the ring is lost those
    /// that an interrupted command left.
    fn strangers(&self) -> Result<Vec<PublicKey>, StoreFault> {
        let home = &self.store.home;
        let mut paths = vec![home.server_key()];
        if self.ring()?.is_empty() {
            paths.extend(home.staged_server_keys()?.iter().map(|kid| home.staged_server_key(*kid)));
        }
        let mut strangers = vec![];
        for path in paths {
            let pem = match files::read_secret(&path) {
                // One that cannot be read now could come back alive.
                Err(fault) if fault.may_pass() => return Err(fault.into()),
                Err(_) => None,
                Ok(pem) => pem,
            };
            let server_key = pem.and_then(|pem| ServerKey::from_pem(&pem).ok());
            strangers.extend(server_key.map(|server_key| server_key.public().clone()));
        }
        Ok(strangers)
    }

    /// What the ring knows dies, and what it does not know and lies in its place too.
    fn kill_server_keys(
        &self,
        strangers: &[PublicKey],
        successor: &PublicKey,
    ) -> Result<(), StoreFault> {
        let now = self.now().secs();
        for public in strangers.iter().filter(|stranger| *stranger != successor) {
            self.run(
                "INSERT INTO server_key (kid, public, created_at, dead_at) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT DO NOTHING",
                params![public.kid().to_string(), public.as_bytes(), now],
            )?;
        }
        self.run("UPDATE server_key SET dead_at = ? WHERE dead_at IS NULL", [now]).map(|_| ())
    }

    /// A clock that was set back may have left keys that were issued later than now: they are
    /// from before the retirement all the same.
    fn retire_server_key(&self, until: UnixTime) -> Result<(), StoreFault> {
        self.run(
            "UPDATE server_key SET until = ?2,
                 retired_at = coalesce((SELECT max(iat) FROM ledger
                                        WHERE iat > ?1 AND ledger.kid = server_key.kid), ?1)
             WHERE retired_at IS NULL AND dead_at IS NULL",
            [self.now().secs(), until.secs()],
        )
        .map(|_| ())
    }
}
