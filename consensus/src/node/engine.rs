//! The thread that owns the core.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use kimberlite_storage::{Committed, SealedTransaction, StorageError, Txn};

use super::files::Files;
use super::shared::{Shared, Waiter};
use super::{NodeReport, OnChange, OnRead, OnReport, Outbox, applier, writer};
use crate::core::{Action, Commit, Core, Event, Refusal, RequestId};
use crate::frame::Frame;
use crate::members::MemberChange;

/// How long closing waits for what is on its way.
pub(super) const CLOSING_MAX: Duration = Duration::from_secs(10);

/// What the thread is told.
pub(super) enum Input {
    Submit(SealedTransaction, Waiter),
    Frame(Frame, Box<dyn Send>),
    Report(OnReport),
    Rest(bool),
    Unreachable(u64),
    Read(OnRead),
    Change(MemberChange, OnChange),
    Transfer(u64),
    Written(u64),
    Room,
    Full(String),
    Applied(u64),
    Close,
}

/// Who asked for something.
enum Request {
    Commit(Waiter, Option<Arc<Txn>>),
    Read(OnRead),
    Change(OnChange),
}

pub(super) struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) core: Core<Files>,
    pub(super) files: Files,
    pub(super) writer: Sender<writer::Job>,
    pub(super) applier: Sender<applier::Job>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) tick: Duration,
    requests: HashMap<RequestId, Request>,
    last_request: RequestId,
    /// Why there is no room, if there is none.
    full: String,
    /// Whether the replica keeps out of the cluster.
    pub(super) rests: bool,
    /// Since when the replica is being closed.
    closing: Option<Instant>,
    committed_seen: u64,
}

impl Engine {
    pub(super) fn new(
        shared: Arc<Shared>,
        core: Core<Files>,
        files: Files,
        writer: Sender<writer::Job>,
        applier: Sender<applier::Job>,
        outbox: Arc<dyn Outbox>,
        tick: Duration,
    ) -> Self {
        Self {
            shared,
            core,
            files,
            writer,
            applier,
            outbox,
            tick,
            requests: HashMap::new(),
            last_request: 0,
            full: String::new(),
            rests: false,
            closing: None,
            committed_seen: 0,
        }
    }

    /// Runs until the replica is closed or fails.
    pub(super) fn run(mut self, inputs: &Receiver<Input>, first: Vec<Action>) {
        let shared = Arc::clone(&self.shared);
        shared.guard("consensus", || {
            self.perform(first);
            let mut next_tick = Instant::now() + self.tick;
            while !self.is_over() {
                let wait = next_tick.saturating_duration_since(Instant::now());
                match inputs.recv_timeout(wait) {
                    Ok(input) => {
                        if let Some(input) = self.refuse(input) {
                            self.take(input);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        if !self.rests {
                            self.event(Event::Tick);
                        }
                        next_tick = Instant::now() + self.tick;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            self.give_up();
        });
        // Nobody may wait for ever.
        while let Ok(input) = inputs.try_recv() {
            match input {
                Input::Submit(_, waiter) => waiter.failed(&shared, shared.refusal()),
                Input::Read(done) => done(Err(shared.refusal())),
                Input::Change(_, done) => done(Err(Refusal::NotLeader { leader: 0 })),
                _ => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        if self.shared.failure().is_some() {
            return true;
        }
        self.closing
            .is_some_and(|since| self.requests.is_empty() || since.elapsed() > CLOSING_MAX)
    }

    fn give_up(&mut self) {
        self.shared.set_epoch(None);
        let requests = std::mem::take(&mut self.requests);
        requests
            .into_values()
            .for_each(|request| self.turn_away(request));
    }

    fn ask(&mut self, request: Request) -> RequestId {
        self.last_request += 1;
        self.requests.insert(self.last_request, request);
        self.last_request
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Submit(mut txn, waiter) => {
                let plain = txn.plain.take();
                let id = self.ask(Request::Commit(waiter, plain));
                self.event(Event::Submit(id, txn));
            }
            Input::Frame(frame, held) => {
                drop(held);
                if !self.rests {
                    self.event(Event::Frame(frame));
                }
            }
            Input::Report(done) => done(self.report()),
            Input::Rest(rests) => {
                self.rests = rests;
                self.note_epoch();
            }
            Input::Unreachable(peer) => self.event(Event::Unreachable(peer)),
            Input::Read(done) => {
                let id = self.ask(Request::Read(done));
                self.event(Event::Read(id));
            }
            Input::Change(change, done) => {
                let id = self.ask(Request::Change(done));
                self.event(Event::Change(id, change));
            }
            Input::Transfer(to) => self.event(Event::Transfer(to)),
            Input::Written(number) => self.event(Event::Written(number)),
            Input::Room => self.event(Event::Room),
            Input::Full(context) => {
                self.full = context;
                self.event(Event::Full);
            }
            Input::Applied(index) => self.event(Event::Applied(index)),
            Input::Close => self.close(),
        }
    }

    /// Commits are waited for, a little; who only asks something is told at once.
    fn close(&mut self) {
        self.closing = Some(Instant::now());
        let asks = |request: &Request| !matches!(request, Request::Commit(..));
        let asking = self.requests.extract_if(|_, request| asks(request));
        let asking: Vec<Request> = asking.map(|(_, request)| request).collect();
        asking
            .into_iter()
            .for_each(|request| self.turn_away(request));
    }

    fn turn_away(&self, request: Request) {
        match request {
            Request::Commit(waiter, _) => waiter.failed(&self.shared, self.shared.refusal()),
            Request::Read(done) => done(Err(self.shared.refusal())),
            Request::Change(done) => done(Err(Refusal::NotLeader { leader: 0 })),
        }
    }

    fn note_epoch(&self) {
        let serving = self.core.serving().filter(|_| !self.rests);
        self.shared.set_epoch(serving);
    }

    fn report(&self) -> NodeReport {
        let core = &self.core;
        NodeReport {
            leadership: core.leadership(),
            committed: core.committed(),
            durable: core.durable(),
            applied: self.shared.metrics.applied_index.get(),
            members: core.members().clone(),
            registry: core.registry().clone(),
            progress: core.progress(),
        }
    }

    /// Whoever asks something of a replica that rests is refused.
    fn refuse(&self, input: Input) -> Option<Input> {
        if !self.rests {
            return Some(input);
        }
        let rests = || StorageError::NotCommitted("this replica is paused".into());
        match input {
            Input::Submit(_, waiter) => waiter.failed(&self.shared, rests()),
            Input::Read(done) => done(Err(rests())),
            Input::Change(_, done) => done(Err(Refusal::NotLeader { leader: 0 })),
            other => return Some(other),
        }
        None
    }

    fn event(&mut self, event: Event) {
        let actions = self.core.handle(event, self.shared.clock.now_us());
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        self.note_epoch();
        for action in actions {
            self.action(action);
        }
        if self.core.committed() != self.committed_seen {
            self.committed_seen = self.core.committed();
            self.note_status();
        }
    }

    fn action(&mut self, action: Action) {
        match action {
            Action::Send(frame) if !self.rests => self.outbox.send(frame),
            Action::Send(_) => {}
            Action::Write(write) => self.tell_writer(writer::Job::Write(write)),
            Action::Reserve => self.tell_writer(writer::Job::Reserve),
            Action::Fetch(fetch) => {
                let read = self.files.read(fetch.from, fetch.to, fetch.bytes_max);
                let blocks = read.unwrap_or_default().into_iter();
                let blocks = blocks.map(|block| block.bytes).collect();
                self.event(Event::Fetched(fetch.number, blocks));
            }
            Action::Apply(commit) => self.commit(commit),
            Action::Refused(id, refusal) => {
                if let Some(Request::Commit(waiter, _)) = self.requests.remove(&id) {
                    waiter.failed(&self.shared, self.error(&refusal));
                }
            }
            Action::Unknown(id) => {
                if let Some(Request::Commit(waiter, _)) = self.requests.remove(&id) {
                    let lost = "this replica led and was cut off".to_owned();
                    waiter.failed(&self.shared, StorageError::Unknown(lost));
                }
            }
            Action::ReadAt(id, index) => {
                if let Some(Request::Read(done)) = self.requests.remove(&id) {
                    drop(self.applier.send(applier::Job::Read(index, done)));
                }
            }
            Action::Changed(id, answer) => {
                if let Some(Request::Change(done)) = self.requests.remove(&id) {
                    done(answer);
                }
            }
            Action::Leader(now) => {
                self.note_status();
                let leads = u64::from(now.leader != 0);
                self.shared
                    .set_status(|status| status.leader_changes += leads);
            }
            Action::Alarm(alarm) => self.shared.alarm(&alarm),
            Action::Fatal(why) => self.shared.fail(&why),
        }
    }

    fn tell_writer(&self, job: writer::Job) {
        // It only stops before this thread when it failed, and has said so.
        drop(self.writer.send(job));
    }

    fn note_status(&self) {
        let core = &self.core;
        self.shared.set_status(|status| {
            status.leadership = core.leadership();
            status.committed = core.committed();
            status.durable = core.durable();
            status.members = core.members().clone();
        });
    }

    /// Passes a committed block on, with who waits for it.
    fn commit(&mut self, mut commit: Commit) {
        let mut plain = BTreeMap::new();
        let mut waiters: Vec<(Waiter, Committed)> = Vec::with_capacity(commit.done.len());
        for (id, committed) in std::mem::take(&mut commit.done) {
            if let Some(Request::Commit(waiter, txn)) = self.requests.remove(&id) {
                plain.extend(txn.map(|txn| (committed.ordinal, txn)));
                waiters.push((waiter, committed));
            }
        }
        drop(
            self.applier
                .send(applier::Job::Apply(Box::new(commit), plain, waiters)),
        );
    }

    /// What somebody is told whose transaction is certainly not committed.
    fn error(&self, refusal: &Refusal) -> StorageError {
        match refusal {
            Refusal::Full => StorageError::Full {
                context: self.full.clone(),
            },
            other => StorageError::NotCommitted(other.to_string()),
        }
    }
}
