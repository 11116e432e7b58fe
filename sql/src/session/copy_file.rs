//! COPY FROM a file on the server.

use sqlparser::ast::{Ident, ObjectName};
use tokio::io::AsyncReadExt as _;

use super::Session;
use super::copy_in::CopyStatement;
use crate::error::{SqlError, state};

/// Read at one time, in bytes.
const PIECE: usize = 64 << 10;

impl Session {
    /// Reads the whole file. The tag.
    ///
    /// # Errors
    /// 0A000 when no directory is open to COPY, 42501 for who is no superuser, what
    /// opening reports, whatever the rows violate.
    pub(super) async fn copy_from_file(
        &mut self,
        table: &ObjectName,
        columns: &[Ident],
        copy: &CopyStatement<'_>,
        name: &str,
    ) -> Result<String, SqlError> {
        let files = self.engine.server_files();
        if files.is_closed() {
            return Err(SqlError::unsupported(
                "COPY FROM a file on the server that has no directory open to it",
            )
            .hint(
                "Use COPY FROM STDIN (psql's \\copy does it for a local file), or have the \
                 operator open a directory: copy_directories in [storage].",
            ));
        }
        let role = self.catalog()?.role(&self.user).cloned();
        if !role.is_some_and(|role| role.superuser) {
            return Err(SqlError::new(
                state::INSUFFICIENT_PRIVILEGE,
                "must be superuser or have privileges of the pg_read_server_files role to COPY \
                 from a file",
            )
            .hint(
                "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for \
                 anyone.",
            ));
        }
        let mut taking = self.copy_in(table, columns, copy).await?;
        let mut file = tokio::fs::File::from_std(files.open(name)?);
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read(&mut piece).await.map_err(|e| {
                SqlError::new(
                    state::IO_ERROR,
                    format!("could not read from COPY file: {e}"),
                )
            })?;
            let Some(data) = piece.get(..read).filter(|data| !data.is_empty()) else {
                return taking.complete_copy(self).await;
            };
            taking.take(self, data).await?;
        }
    }
}
