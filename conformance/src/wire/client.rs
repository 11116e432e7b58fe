//! One connection: a text goes out, an [`Outcome`] comes back.

use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use kimberlite_sqllogictest::target::Target;
use postgres_protocol::message::backend::{ErrorFields, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::{Answer, Column, Outcome, Report, ResultSet};
use super::login::{Settings, Stream, log_in, open};
use crate::error::{Error, Result};

/// How long a server may take to obey a cancel request.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// An answer with more text than this is not held; it counts as no answer.
const ANSWER_MAX: usize = 64 << 20;
/// COPY data goes out in messages of about this size.
const COPY_CHUNK: usize = 32 << 10;

/// Where COPY FROM STDIN gets its data from.
pub(crate) type CopySource<'a> = &'a mut (dyn FnMut() -> String + Send);

/// Messages over a stream.
pub(crate) struct Channel {
    stream: Box<dyn Stream>,
    input: BytesMut,
}

impl Channel {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            input: BytesMut::with_capacity(8 << 10),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    pub(crate) async fn receive(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.input)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(Error::Connect("the server hung up".into()));
            }
        }
    }
}

/// A connection with a time limit for each query.
pub struct Client {
    target: Target,
    settings: Settings,
    limit: Duration,
    channel: Option<Channel>,
    key: (i32, i32),
    standard_strings: bool,
    status: char,
}

impl Client {
    /// Connects; `settings` hold for every connection it makes.
    pub async fn open(target: &Target, settings: &Settings, limit: Duration) -> Result<Self> {
        let mut client = Self {
            target: target.clone(),
            settings: settings.clone(),
            limit,
            channel: None,
            key: (0, 0),
            standard_strings: true,
            status: 'I',
        };
        client.reopen().await?;
        Ok(client)
    }

    /// Connects anew.
    pub async fn reopen(&mut self) -> Result<()> {
        self.close().await;
        let (channel, key) = log_in(&self.target, &self.settings).await?;
        self.channel = Some(channel);
        self.key = key;
        self.standard_strings = true;
        self.status = 'I';
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(&mut self) {
        if let Some(mut channel) = self.channel.take() {
            let mut out = BytesMut::new();
            frontend::terminate(&mut out);
            if channel.send(&out).await.is_ok() {
                // Its end says that the server has let go of the database.
                let over = async { while channel.receive().await.is_ok() {} };
                let _gone_or_given_up = tokio::time::timeout(CANCEL_GRACE, over).await;
            }
        }
    }

    /// Whether there is a connection.
    pub fn is_alive(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether the server reads '…' without backslash escapes.
    pub fn standard_strings(&self) -> bool {
        self.standard_strings
    }

    /// `I`, `T` or `E`, as of the last answer.
    pub fn status(&self) -> char {
        self.status
    }

    /// Runs a text. `data` is asked each time the server wants COPY data.
    pub async fn query(&mut self, text: &str, data: CopySource<'_>) -> Outcome {
        let Some(mut channel) = self.channel.take() else {
            return Outcome::Lost("not connected".into());
        };
        let mut answer = Answer::default();
        let mut reading = Reading::default();
        let mut out = BytesMut::new();
        if frontend::query(text, &mut out).is_err() {
            self.channel = Some(channel);
            return Outcome::Lost("the text has a zero byte".into());
        }
        if let Err(error) = channel.send(&out).await {
            return Outcome::Lost(error.to_string());
        }
        let limit = self.limit;
        let first = {
            let work = self.read(&mut channel, &mut answer, &mut reading, data);
            tokio::time::timeout(limit, work).await
        };
        match first {
            Ok(Ok(())) => {
                self.channel = Some(channel);
                self.status = answer.status;
                Outcome::Answered(answer)
            }
            Ok(Err(Error::TooLarge)) | Err(_) => {
                let grace = async {
                    self.cancel().await?;
                    reading.drain = true;
                    self.read(&mut channel, &mut answer, &mut reading, &mut String::new)
                        .await
                };
                if let Ok(Ok(())) = tokio::time::timeout(CANCEL_GRACE, grace).await {
                    self.channel = Some(channel);
                    self.status = answer.status;
                }
                Outcome::Timeout
            }
            Ok(Err(error)) => Outcome::Lost(match &answer.error {
                Some(said) => format!("{} {} {}", said.severity, said.sqlstate, said.message),
                None => error.to_string(),
            }),
        }
    }

    /// Runs a text that needs no COPY data.
    pub async fn run(&mut self, text: &str) -> Outcome {
        self.query(text, &mut String::new).await
    }

    async fn cancel(&self) -> Result<()> {
        let mut stream = open(&self.target).await?;
        let mut out = BytesMut::new();
        frontend::cancel_request(self.key.0, self.key.1, &mut out);
        stream.write_all(&out).await?;
        stream.flush().await?;
        // The server closes once it has passed the request on.
        let _closed = stream.read(&mut [0; 1]).await;
        Ok(())
    }

    async fn read(
        &mut self,
        channel: &mut Channel,
        answer: &mut Answer,
        reading: &mut Reading,
        data: CopySource<'_>,
    ) -> Result<()> {
        loop {
            match channel.receive().await? {
                Message::ReadyForQuery(body) => {
                    answer.status = char::from(body.status());
                    return Ok(());
                }
                Message::ParameterStatus(body) => {
                    if body.name()? == "standard_conforming_strings" {
                        self.standard_strings = body.value()? == "on";
                    }
                }
                Message::CopyInResponse(_) => {
                    let text = data();
                    let mut out = BytesMut::new();
                    for chunk in text.as_bytes().chunks(COPY_CHUNK) {
                        frontend::CopyData::new(chunk)?.write(&mut out);
                    }
                    frontend::copy_done(&mut out);
                    channel.send(&out).await?;
                }
                Message::ErrorResponse(body) => answer.error = Some(report(body.fields())),
                Message::NoticeResponse(body) => answer.notices.push(report(body.fields())),
                other => reading.message(other, answer)?,
            }
        }
    }
}

/// A result that is coming in.
#[derive(Default)]
struct Reading {
    result: ResultSet,
    bytes: usize,
    /// Whether rows are thrown away.
    drain: bool,
}

impl Reading {
    fn message(&mut self, message: Message, answer: &mut Answer) -> Result<()> {
        match message {
            Message::RowDescription(body) => self.result.columns = Some(columns(&body)?),
            Message::CopyOutResponse(_) => {
                self.result.columns = Some(vec![Column {
                    name: "copy".into(),
                    type_oid: 25,
                }]);
            }
            Message::CopyData(body) => {
                let line = String::from_utf8_lossy(body.data());
                self.row(vec![Some(line.into_owned())])?;
            }
            Message::DataRow(body) => {
                let buffer = body.buffer();
                let row = body
                    .ranges()
                    .map(|range| {
                        Ok(range.map(|r| {
                            let bytes = buffer.get(r).unwrap_or_default();
                            String::from_utf8_lossy(bytes).into_owned()
                        }))
                    })
                    .collect()?;
                self.row(row)?;
            }
            Message::CommandComplete(body) => {
                let tag = body.tag()?.to_owned();
                let result = std::mem::take(&mut self.result);
                answer.results.push(ResultSet { tag, ..result });
            }
            Message::EmptyQueryResponse => answer.results.push(ResultSet::default()),
            _ => {}
        }
        Ok(())
    }

    fn row(&mut self, row: Vec<Option<String>>) -> Result<()> {
        if self.drain {
            return Ok(());
        }
        self.bytes += row.iter().flatten().map(|v| v.len() + 24).sum::<usize>() + 24;
        if self.bytes > ANSWER_MAX {
            return Err(Error::TooLarge);
        }
        self.result.rows.push(row);
        Ok(())
    }
}

fn columns(body: &RowDescriptionBody) -> Result<Vec<Column>> {
    Ok(body
        .fields()
        .map(|field| {
            Ok(Column {
                name: field.name().to_owned(),
                type_oid: field.type_oid(),
            })
        })
        .collect()?)
}

pub(crate) fn report(fields: ErrorFields<'_>) -> Report {
    let mut found = Report::default();
    // A malformed field ends the list; what came before it counts.
    let _complete = fields.for_each(|field| {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'S' => found.severity = value,
            b'C' => found.sqlstate = value,
            b'M' => found.message = value,
            b'D' => found.detail = Some(value),
            b'H' => found.hint = Some(value),
            _ => {}
        }
        Ok(())
    });
    found
}
