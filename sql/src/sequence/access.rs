//! What a session does with sequences: `nextval`, `currval`, `lastval`, `setval`.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use kimberlite_storage::TenantId;
use parking_lot::Mutex;

use super::state::{Asker, Shown, Values};
use crate::activity::SequenceUser;
use crate::catalog::{Catalog, SequenceDescriptor, SequenceState};
use crate::cluster::not_leading;
use crate::engine::Engine;
use crate::error::{SqlError, state};

/// Sequences whose values a session remembers at most.
const REMEMBERED_MAX: usize = 4_096;

/// What a session remembers of the sequences it used.
#[derive(Debug, Default)]
struct SessionSequences {
    used: HashMap<u32, Used>,
    /// The sequence that `lastval` is about.
    last: Option<u32>,
}

#[derive(Debug)]
struct Used {
    state: SequenceState,
    current: Option<i64>,
    /// Values taken in advance: the next one, and how many.
    cached: Option<(i64, i64)>,
    increment: i64,
}

/// A session's way to its database's sequences.
pub struct SequenceAccess {
    engine: Weak<Engine>,
    tenant: TenantId,
    user: String,
    session: Mutex<SessionSequences>,
}

impl std::fmt::Debug for SequenceAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequenceAccess").finish_non_exhaustive()
    }
}

/// Sequences by their identifiers, for one statement.
#[derive(Debug, Clone)]
pub(crate) struct SequenceSource {
    /// The session's way to them.
    pub(crate) access: Arc<SequenceAccess>,
    /// The catalog as the statement sees it.
    pub(crate) catalog: Arc<Catalog>,
    /// Who takes values.
    pub(crate) user: SequenceUser,
}

impl SequenceSource {
    /// The next value of a sequence. May wait for the log.
    ///
    /// # Errors
    /// As [`SequenceAccess::next`]; 42P01 when the sequence is gone.
    pub(crate) fn next(&self, oid: u32) -> Result<i64, SqlError> {
        let sequence = self.catalog.sequence_by_oid(oid).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation with OID {oid} does not exist"),
            )
        })?;
        let sequence = self.access.locked(sequence, &self.catalog, &self.user)?;
        self.access.next(&sequence)
    }
}

impl SequenceAccess {
    pub(crate) fn new(engine: &Arc<Engine>, tenant: TenantId, user: &str) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            tenant,
            user: user.to_owned(),
            session: Mutex::default(),
        }
    }

    fn engine(&self) -> Result<Arc<Engine>, SqlError> {
        self.engine
            .upgrade()
            .ok_or_else(|| SqlError::new(state::ADMIN_SHUTDOWN, "the server is shutting down"))
    }

    fn asker<'a>(&'a self, engine: &'a Engine, what: &str) -> Result<Asker<'a>, SqlError> {
        let epoch = engine.epoch();
        Ok(Asker {
            engine,
            tenant: self.tenant,
            user: &self.user,
            epoch: epoch.ok_or_else(|| not_leading(what, engine.cluster()))?,
        })
    }

    /// A sequence as it is, once nobody can alter it until the transaction ends;
    /// `catalog` is what the statement knows.
    ///
    /// # Errors
    /// Lock errors; 42P01 when it was dropped meanwhile.
    pub(crate) fn locked(
        &self,
        sequence: &Arc<SequenceDescriptor>,
        catalog: &Catalog,
        user: &SequenceUser,
    ) -> Result<Arc<SequenceDescriptor>, SqlError> {
        user.lock_sequence(sequence.oid)?;
        let newest = self.engine()?.catalog(self.tenant)?;
        // A catalog that the transaction changed itself is newer than all.
        if newest.version() <= catalog.version() {
            return Ok(Arc::clone(sequence));
        }
        let found = newest.sequence_by_oid(sequence.oid);
        found.cloned().ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation with OID {} does not exist", sequence.oid),
            )
        })
    }

    /// The next value of a sequence. May wait for the log.
    ///
    /// # Errors
    /// 2200H at the end of the sequence; what writing to the log fails with.
    pub(crate) fn next(&self, sequence: &SequenceDescriptor) -> Result<i64, SqlError> {
        let increment = sequence.options.increment;
        if let Some(value) = self.session.lock().next_cached(sequence) {
            return Ok(value);
        }
        let engine = self.engine()?;
        let asker = self.asker(&engine, "nextval()")?;
        let values = engine.sequences().values(sequence, asker)?;
        let taken = values.take(sequence, asker)?;
        let mut session = self.session.lock();
        let used = session.used(sequence)?;
        used.current = Some(taken.first);
        used.cached =
            (taken.count > 1).then(|| (taken.first.wrapping_add(increment), taken.count - 1));
        session.last = Some(sequence.oid);
        Ok(taken.first)
    }

    /// The value that `next` gave last in this session.
    ///
    /// # Errors
    /// 55000 when it gave none.
    pub(crate) fn current(&self, sequence: &SequenceDescriptor) -> Result<i64, SqlError> {
        let session = self.session.lock();
        let used = session.used.get(&sequence.oid);
        used.and_then(|used| used.current).ok_or_else(|| {
            SqlError::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "currval of sequence \"{}\" is not yet defined in this session",
                    sequence.name
                ),
            )
        })
    }

    /// The value that was given last in this session, by whichever sequence.
    ///
    /// # Errors
    /// 55000 when there is none.
    pub(crate) fn last(&self, catalog: &Catalog) -> Result<i64, SqlError> {
        let session = self.session.lock();
        session
            .last
            .filter(|oid| catalog.sequence_by_oid(*oid).is_some())
            .and_then(|oid| session.used.get(&oid)?.current)
            .ok_or_else(|| {
                SqlError::new(
                    state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "lastval is not yet defined in this session",
                )
            })
    }

    /// Sets the value of a sequence. Waits for the log.
    ///
    /// # Errors
    /// 22003 outside of the sequence's bounds; what writing to the log fails with.
    pub(crate) fn set(
        &self,
        sequence: &SequenceDescriptor,
        value: i64,
        called: bool,
    ) -> Result<(), SqlError> {
        let options = &sequence.options;
        if value < options.min || value > options.max {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    sequence.name, options.min, options.max
                ),
            ));
        }
        let engine = self.engine()?;
        let asker = self.asker(&engine, "setval()")?;
        let values = engine.sequences().values(sequence, asker)?;
        values.set(value, called, sequence, asker)?;
        let mut session = self.session.lock();
        let used = session.used(sequence)?;
        used.cached = None;
        if called {
            used.current = Some(value);
        }
        Ok(())
    }

    /// What a sequence shows of itself.
    ///
    /// # Errors
    /// 58030 or XX001 when it cannot be read.
    pub(crate) fn shown(&self, sequence: &SequenceDescriptor) -> Result<Shown, SqlError> {
        let engine = self.engine()?;
        match self.asker(&engine, "nextval()") {
            Ok(asker) => Ok(engine.sequences().values(sequence, asker)?.shown()),
            // What another replica gives is known from its records.
            Err(_) => Ok(Values::read(sequence, self.tenant, &engine)?.shown()),
        }
    }

    /// Forgets what the session did with sequences.
    pub(crate) fn discard(&self) {
        *self.session.lock() = SessionSequences::default();
    }
}

impl SessionSequences {
    /// What the session remembers of a sequence in its present state.
    fn used(&mut self, sequence: &SequenceDescriptor) -> Result<&mut Used, SqlError> {
        if self.used.len() >= REMEMBERED_MAX && !self.used.contains_key(&sequence.oid) {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                format!("a session can use at most {REMEMBERED_MAX} sequences"),
            )
            .hint("DISCARD SEQUENCES forgets them."));
        }
        let increment = sequence.options.increment;
        let used = self.used.entry(sequence.oid).or_insert(Used {
            state: sequence.state,
            current: None,
            cached: None,
            increment,
        });
        if used.state != sequence.state || used.increment != increment {
            used.state = sequence.state;
            used.increment = increment;
            used.cached = None;
        }
        Ok(used)
    }

    fn next_cached(&mut self, sequence: &SequenceDescriptor) -> Option<i64> {
        let used = self.used.get_mut(&sequence.oid)?;
        if used.state != sequence.state || used.increment != sequence.options.increment {
            return None;
        }
        let (next, count) = used.cached?;
        used.cached = (count > 1).then(|| (next.wrapping_add(used.increment), count - 1));
        used.current = Some(next);
        self.last = Some(sequence.oid);
        Some(next)
    }
}
