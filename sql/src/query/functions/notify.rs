//! Functions about channels.

use super::args::{TEXT, at};
use super::locks::link;
use super::overload::{Call, Overload};
use crate::error::SqlResult;
use crate::types::{ArrayValue, Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("pg_notify", &[TEXT, TEXT], PgType::Void, notify)
        .lenient()
        .volatile(),
    Overload::new(
        "__listening_channels",
        &[],
        PgType::Array(&PgType::Text),
        listening,
    )
    .volatile(),
    Overload::new(
        "pg_notification_queue_usage",
        &[],
        PgType::Float8,
        |call, _| {
            let link = link(call)?;
            let board = link.activity.board(link.session.tenant);
            Ok(Datum::Float8(board.usage()))
        },
    )
    .volatile(),
];

fn notify(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let channel = at(args, 0).as_str().unwrap_or_default();
    let payload = at(args, 1).as_str().unwrap_or_default();
    link(call)?
        .session
        .pending
        .lock()
        .notify(channel, payload)?;
    Ok(Datum::text(""))
}

fn listening(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    let listener = link(call)?.session.listener.lock();
    let channels = listener.as_ref().map(|l| l.channels()).unwrap_or_default();
    let channels = channels.into_iter().map(Datum::text).collect();
    Ok(ArrayValue::list(PgType::Text, channels).datum())
}
