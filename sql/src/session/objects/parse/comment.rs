//! The grammar of COMMENT ON.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::super::ObjectCommand;
use super::super::comment::{Comment, CommentOn, RelationKind};
use super::{Fault, Reader};
use crate::error::SqlError;

/// Reads what follows COMMENT.
pub(super) fn comment(r: &mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> {
    r.words(&[Keyword::COMMENT]);
    r.parser.expect_keyword_is(Keyword::ON)?;
    let on = subject(r)?;
    r.parser.expect_keyword_is(Keyword::IS)?;
    let text = if r.words(&[Keyword::NULL]) {
        None
    } else {
        Some(r.parser.parse_literal_string()?)
    };
    Ok(Some(ObjectCommand::Comment(Comment { on, text })))
}

fn subject(r: &mut Reader<'_>) -> Result<CommentOn, Fault> {
    let relation = |kind, r: &mut Reader<'_>| Ok(CommentOn::Relation(kind, r.name()?));
    if r.words(&[Keyword::TABLE]) {
        relation(RelationKind::Table, r)
    } else if r.words(&[Keyword::MATERIALIZED, Keyword::VIEW]) {
        relation(RelationKind::MaterializedView, r)
    } else if r.words(&[Keyword::VIEW]) {
        relation(RelationKind::View, r)
    } else if r.words(&[Keyword::INDEX]) {
        relation(RelationKind::Index, r)
    } else if r.words(&[Keyword::SEQUENCE]) {
        relation(RelationKind::Sequence, r)
    } else if r.words(&[Keyword::COLUMN]) {
        Ok(CommentOn::Column(r.name()?))
    } else if r.words(&[Keyword::CONSTRAINT]) {
        let name = r.ident()?;
        r.parser.expect_keyword_is(Keyword::ON)?;
        if r.words(&[Keyword::DOMAIN]) {
            return Err(SqlError::unsupported("COMMENT ON CONSTRAINT … ON DOMAIN").into());
        }
        Ok(CommentOn::Constraint(name, r.name()?))
    } else if r.words(&[Keyword::SCHEMA]) {
        Ok(CommentOn::Schema(r.ident()?))
    } else if r.words(&[Keyword::DATABASE]) {
        Ok(CommentOn::Database(r.ident()?))
    } else if r.words(&[Keyword::ROLE]) {
        Ok(CommentOn::Role(r.ident()?))
    } else {
        let kind = match r.parser.peek_token().token {
            Token::Word(word) => word.value.to_ascii_uppercase(),
            _ => return Err(r.unexpected()),
        };
        Err(SqlError::unsupported(format!("COMMENT ON {kind}")).into())
    }
}
