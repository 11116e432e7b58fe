//! One sequence's values: what was given, and what may be given.

use std::collections::HashMap;
use std::sync::Arc;

use kimberlite_storage::{Space, TenantId};
use parking_lot::Mutex;

use crate::catalog::{Exhausted, SequenceDescriptor, SequenceOptions, SequenceState};
use crate::engine::Engine;
use crate::error::{SqlError, state};
use crate::txn::{Durable, Entry, Layer, ReadView, StreamKey};

/// The stream of all sequences' records, beside the catalog's.
const SEQUENCES_STREAM: u64 = 1;
/// Values that are reserved at a time at first, as in PostgreSQL.
const BLOCK_MIN: i64 = 32;
/// Values that are reserved at a time when sessions had to wait.
const BLOCK_MAX: i64 = 4_096;

fn stream() -> StreamKey {
    StreamKey {
        space: Space::Catalog,
        stream: SEQUENCES_STREAM,
    }
}

/// The sequences that were used in an epoch of the log: as many as there are sequences
/// at most, and those that were dropped meanwhile. In the next epoch another replica may
/// have given values in between, so they are read again.
#[derive(Debug, Default)]
pub(crate) struct SequenceStates(Mutex<OfEpoch>);

#[derive(Debug, Default)]
struct OfEpoch {
    epoch: u64,
    values: HashMap<(TenantId, SequenceState), Arc<Values>>,
}

/// What `SELECT … FROM sequence` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) last: i64,
    pub(crate) log_count: i64,
    pub(crate) called: bool,
}

/// Who asks, and on whose behalf records are written.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) engine: &'a Engine,
    pub(super) tenant: TenantId,
    pub(super) user: &'a str,
    /// The epoch of the log in which values are given.
    pub(super) epoch: u64,
}

/// Values that a session takes at once: the first, how many, and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) first: i64,
    pub(super) count: i64,
    pub(super) last: i64,
}

/// The values of one sequence.
#[derive(Debug)]
pub(super) struct Values(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    last: i64,
    called: bool,
    /// How many values PostgreSQL would still have in its log; only to be shown.
    log_count: i64,
    /// Values after `last` that may be given: their record is durable.
    free: i64,
    /// The last value that a record covers, durable or not.
    frontier: i64,
    /// Whether the log has a record already.
    recorded: bool,
    /// A record that is on its way, and how many values it frees.
    pending: Option<(Durable, i64)>,
    /// Options that `free` and `frontier` were computed with.
    options: SequenceOptions,
    block: i64,
}

impl SequenceStates {
    /// The values of a sequence, read from the log's projection at first.
    ///
    /// # Errors
    /// 58030 or XX001 when they cannot be read; 40001 in an epoch that is over.
    pub(super) fn values(
        &self,
        sequence: &SequenceDescriptor,
        asker: Asker<'_>,
    ) -> Result<Arc<Values>, SqlError> {
        let key = (asker.tenant, sequence.state);
        let mut states = self.0.lock();
        if asker.epoch < states.epoch {
            return Err(SqlError::epoch_over());
        }
        if asker.epoch > states.epoch {
            states.values.clear();
            states.epoch = asker.epoch;
        }
        if let Some(values) = states.values.get(&key) {
            return Ok(Arc::clone(values));
        }
        let values = Arc::new(Values::read(sequence, asker.tenant, asker.engine)?);
        states.values.insert(key, Arc::clone(&values));
        Ok(values)
    }
}

fn encode(last: i64, called: bool) -> Vec<u8> {
    let mut value = last.to_be_bytes().to_vec();
    value.push(u8::from(called));
    value
}

fn decode(value: &[u8]) -> Result<(i64, bool), SqlError> {
    let damaged = || SqlError::corrupted("the record of a sequence is damaged");
    let (last, called) = value.split_at_checked(8).ok_or_else(damaged)?;
    let last = <[u8; 8]>::try_from(last).map_err(|_| damaged())?;
    match called {
        [called] => Ok((i64::from_be_bytes(last), *called != 0)),
        _ => Err(damaged()),
    }
}

fn exhausted(name: &str, why: Exhausted) -> SqlError {
    let (which, value) = match why {
        Exhausted::Maximum(value) => ("maximum", value),
        Exhausted::Minimum(value) => ("minimum", value),
    };
    SqlError::new(
        state::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
        format!("nextval: reached {which} value of sequence \"{name}\" ({value})"),
    )
}

impl Values {
    /// The values as the newest record says.
    ///
    /// # Errors
    /// 58030 or XX001 when it cannot be read.
    pub(super) fn read(
        sequence: &SequenceDescriptor,
        tenant: TenantId,
        engine: &Engine,
    ) -> Result<Self, SqlError> {
        let view = ReadView::new(tenant, engine.snapshot(), &[]);
        let record = view.get(stream(), &sequence.state, &mut Vec::new(), |version| {
            decode(version.value)
        })?;
        let recorded = record.is_some();
        let (last, called) = record.transpose()?.unwrap_or(sequence.first);
        Ok(Self(Mutex::new(Inner {
            last,
            called,
            log_count: 0,
            free: 0,
            frontier: last,
            recorded,
            pending: None,
            options: sequence.options.clone(),
            block: BLOCK_MIN,
        })))
    }

    /// Takes the next values, as many as the sequence caches. May wait for the log.
    ///
    /// # Errors
    /// 2200H at the end of the sequence; what writing to the log fails with.
    pub(super) fn take(
        &self,
        sequence: &SequenceDescriptor,
        asker: Asker<'_>,
    ) -> Result<Taken, SqlError> {
        let wanted = sequence.options.cache.max(1);
        loop {
            let mut inner = self.0.lock();
            inner.follow(&sequence.options);
            inner.settle()?;
            if let Some(taken) = inner.take_free(wanted, &sequence.name)? {
                inner.reserve_ahead(wanted, sequence, asker)?;
                return Ok(taken);
            }
            inner.reserve(wanted, sequence, asker)?;
            let Some(waiting) = inner.pending.as_ref().map(|(durable, _)| durable.clone()) else {
                continue;
            };
            // Somebody had to wait: the next block is larger.
            inner.block = (inner.block * 2).min(BLOCK_MAX);
            drop(inner);
            waiting.wait()?;
        }
    }

    /// Sets the last value, and waits until the log has it.
    ///
    /// # Errors
    /// What writing to the log fails with.
    pub(super) fn set(
        &self,
        last: i64,
        called: bool,
        sequence: &SequenceDescriptor,
        asker: Asker<'_>,
    ) -> Result<(), SqlError> {
        let durable = {
            let mut inner = self.0.lock();
            let durable = inner.record(last, called, &sequence.state, asker)?;
            inner.last = last;
            inner.called = called;
            inner.log_count = 0;
            inner.free = 0;
            inner.frontier = last;
            inner.pending = None;
            inner.options = sequence.options.clone();
            durable
        };
        durable.wait()
    }

    /// What is to be shown of it.
    pub(super) fn shown(&self) -> Shown {
        let inner = self.0.lock();
        Shown {
            last: inner.last,
            log_count: inner.log_count,
            called: inner.called,
        }
    }
}

impl Inner {
    /// Values reserved under other options are not given any more.
    fn follow(&mut self, options: &SequenceOptions) {
        if self.options != *options {
            self.options = options.clone();
            self.free = 0;
            self.frontier = self.last;
            self.pending = None;
            self.log_count = 0;
        }
    }

    /// Takes note of a record that became durable.
    fn settle(&mut self) -> Result<(), SqlError> {
        let Some((durable, count)) = &self.pending else {
            return Ok(());
        };
        if let Some(outcome) = durable.outcome() {
            let count = *count;
            self.pending = None;
            outcome?;
            self.free += count;
        }
        Ok(())
    }

    fn next(&self) -> Result<i64, Exhausted> {
        match self.called {
            true => self.options.after(self.last),
            false => Ok(self.last),
        }
    }

    /// The values that are free now; `None` when there are not enough.
    fn take_free(&mut self, wanted: i64, name: &str) -> Result<Option<Taken>, SqlError> {
        let first = self.next().map_err(|why| exhausted(name, why))?;
        let (mut last, mut count) = (first, 1);
        while count < wanted {
            let wraps = |next: i64| (next < last) == (self.options.increment > 0);
            match self.options.after(last) {
                Ok(next) if !wraps(next) => last = next,
                _ => break,
            }
            count += 1;
        }
        if self.free < count {
            return Ok(None);
        }
        self.free -= count;
        self.count_log(count);
        self.last = last;
        self.called = true;
        Ok(Some(Taken { first, count, last }))
    }

    /// PostgreSQL logs 32 values more than it needs, when it has to log.
    fn count_log(&mut self, count: i64) {
        if !self.called || self.log_count < count {
            self.log_count = BLOCK_MIN;
        } else {
            self.log_count -= count;
        }
    }

    /// Orders the next block when the present one is half used.
    fn reserve_ahead(
        &mut self,
        wanted: i64,
        sequence: &SequenceDescriptor,
        asker: Asker<'_>,
    ) -> Result<(), SqlError> {
        if self.block > BLOCK_MIN && self.free < self.block / 2 {
            self.reserve(wanted, sequence, asker)?;
        }
        Ok(())
    }

    /// Orders a block, unless one is on its way.
    fn reserve(
        &mut self,
        wanted: i64,
        sequence: &SequenceDescriptor,
        asker: Asker<'_>,
    ) -> Result<(), SqlError> {
        if self.pending.is_some() {
            return Ok(());
        }
        let mut count = 0;
        let mut last = self.frontier;
        // The first value of a fresh sequence is its frontier itself.
        if !self.called && self.free == 0 {
            count = 1;
        }
        while count < self.block.saturating_add(wanted) {
            match self.options.after(last) {
                Ok(next) => last = next,
                Err(_) => break,
            }
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        let durable = self.record(last, true, &sequence.state, asker)?;
        self.frontier = last;
        self.pending = Some((durable, count));
        Ok(())
    }

    fn record(
        &mut self,
        last: i64,
        called: bool,
        key: &SequenceState,
        asker: Asker<'_>,
    ) -> Result<Durable, SqlError> {
        let value = encode(last, called);
        let entry = match self.recorded {
            true => Entry::update(value, Vec::new()),
            false => Entry::insert(value),
        };
        let mut layer = Layer::default();
        layer.put(stream(), key, entry);
        let outcome = asker
            .engine
            .submit(asker.tenant, asker.user, asker.epoch, layer)?;
        self.recorded = true;
        Ok(outcome)
    }
}
