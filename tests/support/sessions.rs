//! Several sessions that take turns, as a script says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::SimpleQueryMessage;

use super::{Client, PATIENCE, connect};

/// How long a statement that has to wait is watched while it does.
const MOMENT: Duration = Duration::from_millis(120);

/// What is expected of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// These rows of two numbers.
    Rows(&'static [(i32, i32)]),
    /// No error.
    Done,
    /// This SQLSTATE.
    Fails(&'static str),
    /// It does not end; [`Step::ends`] says later what comes of it.
    Waits,
}

/// What one session does.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    who: usize,
    /// None: what waits ends.
    sql: Option<&'static str>,
    /// At READ COMMITTED, REPEATABLE READ and SERIALIZABLE.
    wants: [Want; 3],
}

impl Step {
    /// A statement that has different answers at the three levels.
    pub const fn by_level(who: usize, sql: &'static str, wants: [Want; 3]) -> Self {
        Self {
            who,
            sql: Some(sql),
            wants,
        }
    }

    /// A statement that has the same answer at all levels.
    pub const fn always(who: usize, sql: &'static str, want: Want) -> Self {
        Self::by_level(who, sql, [want; 3])
    }

    /// A statement that only must not fail.
    pub const fn done(who: usize, sql: &'static str) -> Self {
        Self::always(who, sql, Want::Done)
    }

    /// The statement that the session waits for ends.
    pub const fn ends(who: usize, wants: [Want; 3]) -> Self {
        Self {
            who,
            sql: None,
            wants,
        }
    }
}

type Answer = Result<Vec<(i32, i32)>, String>;

/// Sessions of one server.
pub struct Sessions {
    clients: Vec<Arc<Client>>,
    waiting: HashMap<usize, JoinHandle<Answer>>,
}

impl Sessions {
    /// Opens so many.
    pub async fn open(url: &str, count: usize) -> Self {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(Arc::new(connect(url).await.unwrap()));
        }
        Self {
            clients,
            waiting: HashMap::new(),
        }
    }

    /// Runs a statement that must not fail.
    pub async fn run(&self, who: usize, sql: &str) {
        let answer = ask(Arc::clone(&self.clients[who]), sql.to_owned()).await;
        assert!(answer.is_ok(), "{sql}: {answer:?}");
    }

    /// Takes the steps at the level with this number.
    pub async fn play(&mut self, about: &str, steps: &[Step], level: usize) {
        for step in steps {
            let want = step.wants[level];
            let about = format!("{about}: session {} {:?}", step.who, step.sql);
            let answer = match step.sql {
                None => {
                    let task = self.waiting.remove(&step.who).unwrap();
                    bounded(task).await.unwrap()
                }
                Some(sql) => {
                    let client = Arc::clone(&self.clients[step.who]);
                    let mut task = tokio::spawn(ask(client, sql.to_owned()));
                    if want == Want::Waits {
                        let early = tokio::time::timeout(MOMENT, &mut task).await;
                        assert!(early.is_err(), "{about} does not wait: {early:?}");
                        self.waiting.insert(step.who, task);
                        continue;
                    }
                    bounded(task).await.unwrap()
                }
            };
            match want {
                Want::Rows(rows) => assert_eq!(answer, Ok(rows.to_vec()), "{about}"),
                Want::Done => assert!(answer.is_ok(), "{about}: {answer:?}"),
                Want::Fails(state) => assert_eq!(answer, Err(state.to_owned()), "{about}"),
                Want::Waits => panic!("{about}: nothing to wait for"),
            }
        }
        assert!(self.waiting.is_empty(), "{about}: somebody still waits");
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it hangs")
}

/// Runs a statement; the first two columns of its rows, or the SQLSTATE.
async fn ask(client: Arc<Client>, sql: String) -> Answer {
    let messages = client.simple_query(&sql).await.map_err(|error| {
        let state = error.code().unwrap_or_else(|| panic!("{sql}: {error}"));
        state.code().to_owned()
    })?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let value = |at: usize| row.get(at).map_or(0, |text| text.parse().unwrap());
            Some((value(0), if row.len() > 1 { value(1) } else { 0 }))
        }
        _ => None,
    });
    Ok(rows.collect())
}
