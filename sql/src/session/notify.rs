//! LISTEN, UNLISTEN and NOTIFY of a session.

use std::sync::Arc;

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Session;
use super::parse::is_meaningful;
use super::syntax_error::near;
use crate::activity::{ChannelAction, Listener, Notification};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// A command about channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelCommand {
    /// LISTEN.
    Listen(String),
    /// UNLISTEN; none is UNLISTEN *.
    Unlisten(Option<String>),
    /// NOTIFY.
    Notify(String, String),
}

/// Reads a command about channels; `None` for any other statement.
///
/// # Errors
/// 42601.
pub(super) fn parse(
    sql: &str,
    tokens: &[TokenWithSpan],
) -> Result<Option<ChannelCommand>, SqlError> {
    let tokens: Vec<&TokenWithSpan> = tokens.iter().filter(|t| is_meaningful(t)).collect();
    let verb = match tokens.first().map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        _ => return Ok(None),
    };
    if !matches!(verb.as_str(), "listen" | "unlisten" | "notify") {
        return Ok(None);
    }
    let unexpected = |at: usize| {
        let end = TokenWithSpan::wrap(Token::EOF);
        near(sql, tokens.get(at).copied().unwrap_or(&end))
    };
    let channel = match tokens.get(1).map(|t| &t.token) {
        Some(Token::Word(word)) if word.keyword != Keyword::ALL || word.quote_style.is_some() => {
            let mut ident = Ident::new(word.value.clone());
            ident.quote_style = word.quote_style;
            Some(fold_identifier(&ident))
        }
        Some(Token::Mul) if verb == "unlisten" => None,
        _ => return Err(unexpected(1)),
    };
    let mut end = 2;
    let command = match (verb.as_str(), channel) {
        ("listen", Some(channel)) => ChannelCommand::Listen(channel),
        ("unlisten", channel) => ChannelCommand::Unlisten(channel),
        (_, Some(channel)) => {
            let mut payload = String::new();
            if tokens.get(2).is_some_and(|t| t.token == Token::Comma) {
                payload = match tokens.get(3).map(|t| &t.token) {
                    Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                        text.clone()
                    }
                    Some(Token::DollarQuotedString(text)) => text.value.clone(),
                    _ => return Err(unexpected(3)),
                };
                end = 4;
            }
            ChannelCommand::Notify(channel, payload)
        }
        (_, None) => return Err(unexpected(1)),
    };
    match tokens.get(end) {
        Some(_) => Err(unexpected(end)),
        None => Ok(Some(command)),
    }
}

/// What a transaction has to do about channels around its commit.
pub(super) struct Announcement {
    notifications: Vec<Notification>,
    /// The listener as it was before, to be had back when the commit fails.
    before: Option<std::collections::BTreeSet<String>>,
    new: bool,
    /// Ends when everything is said.
    _turn: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Session {
    /// Notes a command about channels for the commit.
    pub(super) fn channel_command(
        &mut self,
        command: &ChannelCommand,
    ) -> Result<&'static str, SqlError> {
        self.transaction()?;
        let mut pending = self.state.pending.lock();
        Ok(match command {
            ChannelCommand::Listen(channel) => {
                pending.act(ChannelAction::Listen(channel.clone()));
                "LISTEN"
            }
            ChannelCommand::Unlisten(channel) => {
                pending.act(ChannelAction::Unlisten(channel.clone()));
                "UNLISTEN"
            }
            ChannelCommand::Notify(channel, payload) => {
                pending.notify(channel, payload)?;
                "NOTIFY"
            }
        })
    }

    /// Stops listening to everything, at once.
    pub(super) fn unlisten_all(&mut self) {
        *self.state.listener.lock() = None;
    }

    /// Before the commit: listens to what is to be listened to, and waits for its
    /// turn when something is to be said.
    ///
    /// # Errors
    /// 54000 when the queue is full.
    pub(super) async fn before_commit(&mut self) -> Result<Announcement, SqlError> {
        let (actions, pairs) = self.state.pending.lock().take();
        let mut announcement = Announcement {
            notifications: pairs
                .into_iter()
                .map(|(channel, payload)| Notification {
                    pid: self.backend_pid,
                    channel,
                    payload,
                })
                .collect(),
            before: None,
            new: false,
            _turn: None,
        };
        if announcement.notifications.is_empty() && actions.is_empty() {
            return Ok(announcement);
        }
        let board = self.engine.activity().board(self.tenant);
        if !announcement.notifications.is_empty() {
            announcement._turn = Some(board.turn(&announcement.notifications).await?);
        }
        if actions.is_empty() {
            return Ok(announcement);
        }
        let mut listener = self.state.listener.lock();
        announcement.new = listener.is_none();
        let listening = listener.get_or_insert_with(|| Listener::new(&board));
        let mut channels = listening.channels();
        announcement.before = Some(channels.clone());
        for action in actions {
            match action {
                ChannelAction::Listen(channel) => {
                    channels.insert(channel);
                }
                ChannelAction::Unlisten(Some(channel)) => {
                    channels.remove(&channel);
                }
                ChannelAction::Unlisten(None) => channels.clear(),
            }
        }
        if channels.is_empty() {
            *listener = None;
        } else {
            listening.listen(channels);
        }
        Ok(announcement)
    }

    /// After the commit: says what is to be said. Without success, listens as
    /// before.
    pub(super) fn after_commit(&mut self, announcement: Announcement, committed: bool) {
        if committed {
            if !announcement.notifications.is_empty() {
                let board = self.engine.activity().board(self.tenant);
                board.publish(announcement.notifications);
            }
            return;
        }
        let Some(before) = announcement.before else {
            return;
        };
        let mut listener = self.state.listener.lock();
        if announcement.new {
            *listener = None;
        } else {
            let board = self.engine.activity().board(self.tenant);
            listener
                .get_or_insert_with(|| Listener::new(&board))
                .listen(before);
        }
    }

    /// Notifications to tell the client; none while a transaction is open.
    pub fn take_notifications(&mut self) -> Vec<Arc<Notification>> {
        if !self.may_hear() {
            return Vec::new();
        }
        let listener = self.state.listener.lock();
        listener.as_ref().map_or_else(Vec::new, Listener::take)
    }

    /// Waits until there may be notifications to tell.
    pub fn notified(&self) -> impl Future<Output = ()> + Send + use<> {
        let wake = match self.may_hear() {
            true => self.state.listener.lock().as_ref().map(Listener::wake),
            false => None,
        };
        async move {
            match wake {
                Some(wake) => wake.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    fn may_hear(&self) -> bool {
        self.txn.is_none() && self.block == super::Block::Implicit
    }
}
