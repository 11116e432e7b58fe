//! Types that users define: enums, domains and composite types.
//!
//! A [`crate::types::PgType`] is small and copied everywhere, so a user's type is in
//! it as a reference to a definition that stays for as long as the process runs. Each
//! definition is kept once ([`intern`]); how much all of them together may take is
//! limited ([`has_room`]). Two definitions with one object identifier are versions
//! of the same type and equal: values mean the same in both. Rows that expressions
//! make (`record`) are of as many types as there are lists of attributes.

mod enumeration;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use crate::types::oid::{self, Oid};
use crate::types::pg_type::PgType;

pub use enumeration::{EnumLabel, EnumValue};

/// Bytes that all definitions of a process may take, roughly.
const ROOM: usize = 64 << 20;
/// Bytes a definition takes besides its texts, roughly.
const OVERHEAD: usize = 256;

/// What a type is, apart from its names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// One of these labels, which are in the order of their positions.
    Enum(Vec<EnumLabel>),
    /// Another type with conditions.
    Domain(DomainRules),
    /// A row with these attributes.
    Composite(Vec<Attribute>),
}

/// What makes a domain differ from the type it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainRules {
    /// The type that values have.
    pub base: PgType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Names and conditions, by name; the conditions are SQL about `VALUE`.
    pub checks: Vec<(String, String)>,
    /// What columns of the domain have by default, as SQL.
    pub default: Option<String>,
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: PgType,
}

/// Everything that makes a definition; two with the same are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Definition {
    /// Object identifier.
    pub oid: Oid,
    /// Object identifier of the type of its arrays.
    pub array_oid: Oid,
    /// Name.
    pub name: String,
    /// Name of the type of its arrays.
    pub array_name: String,
    /// What it is.
    pub kind: UserKind,
    /// The numbers of the definitions of users' types in it: a type that refers to
    /// a changed one is another definition too.
    pub parts: Vec<u32>,
}

/// A definition that is kept.
#[derive(Debug)]
pub struct UserType {
    definition: Definition,
    /// The name as SQL writes it, and that of the array.
    shown: [String; 2],
    number: u32,
    element: OnceLock<PgType>,
}

#[derive(Default)]
struct Kept {
    by_definition: HashMap<Definition, &'static UserType>,
    by_number: Vec<&'static UserType>,
    bytes: usize,
}

static KEPT: LazyLock<RwLock<Kept>> = LazyLock::new(RwLock::default);

/// Whether there is room for another definition.
pub fn has_room() -> bool {
    KEPT.read().unwrap_or_else(PoisonError::into_inner).bytes < ROOM
}

/// The one copy of a definition.
pub fn intern(definition: Definition) -> &'static UserType {
    {
        let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.by_definition.get(&definition) {
            return known;
        }
    }
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.by_definition.get(&definition) {
        return known;
    }
    kept.bytes += definition.size();
    let shown = crate::query::quote_ident(&definition.name);
    let made: &'static UserType = Box::leak(Box::new(UserType {
        shown: [shown.clone(), format!("{shown}[]")],
        number: u32::try_from(kept.by_number.len()).unwrap_or(u32::MAX),
        definition: definition.clone(),
        element: OnceLock::new(),
    }));
    kept.by_definition.insert(definition, made);
    kept.by_number.push(made);
    made
}

/// The definition with this number.
pub fn numbered(number: u32) -> Option<&'static UserType> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    kept.by_number.get(usize::try_from(number).ok()?).copied()
}

impl Definition {
    fn size(&self) -> usize {
        let inner: usize = match &self.kind {
            UserKind::Enum(labels) => labels.iter().map(|l| l.label.len() + 64).sum(),
            UserKind::Domain(rules) => {
                let checks = rules.checks.iter();
                checks.map(|(name, text)| name.len() + text.len()).sum()
            }
            UserKind::Composite(attributes) => attributes.iter().map(|a| a.name.len() + 64).sum(),
        };
        // The definition itself, and the copy it is found by.
        2 * (OVERHEAD + self.name.len() + self.array_name.len() + inner)
    }
}

impl UserType {
    /// Object identifier.
    pub fn oid(&self) -> Oid {
        self.definition.oid
    }

    /// Object identifier of the type of its arrays.
    pub fn array_oid(&self) -> Oid {
        self.definition.array_oid
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Name of the type of its arrays.
    pub fn array_name(&self) -> &str {
        &self.definition.array_name
    }

    /// The name as SQL writes it.
    pub fn shown(&self) -> &str {
        &self.shown[0]
    }

    /// The name of the type of its arrays as SQL writes it.
    pub fn shown_array(&self) -> &str {
        &self.shown[1]
    }

    /// What it is.
    pub fn kind(&self) -> &UserKind {
        &self.definition.kind
    }

    /// What tells this definition from all others.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The type.
    pub fn ty(&'static self) -> PgType {
        match self.kind() {
            UserKind::Enum(_) => PgType::Enum(self),
            UserKind::Domain(_) => PgType::Domain(self),
            UserKind::Composite(_) => PgType::Composite(self),
        }
    }

    /// The type, as what arrays refer to.
    pub fn element(&'static self) -> &'static PgType {
        self.element.get_or_init(|| self.ty())
    }

    /// What a domain asks of its values; `None` for another type.
    pub fn rules(&self) -> Option<&DomainRules> {
        match self.kind() {
            UserKind::Domain(rules) => Some(rules),
            _ => None,
        }
    }

    /// The attributes of a composite type; none for another type.
    pub fn attributes(&self) -> &[Attribute] {
        match self.kind() {
            UserKind::Composite(attributes) => attributes,
            _ => &[],
        }
    }
}

impl PartialEq for UserType {
    fn eq(&self, other: &Self) -> bool {
        // Rows that expressions make share one identifier.
        self.oid() == other.oid() && (self.oid() != oid::RECORD || self.number == other.number)
    }
}

impl Eq for UserType {}

impl Hash for UserType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.oid().hash(state);
    }
}

impl PgType {
    /// The definition that the type, or the type of its elements, refers to.
    pub fn user(self) -> Option<&'static UserType> {
        match self {
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => Some(user),
            PgType::Array(element) => element.user(),
            _ => None,
        }
    }

    /// The type whose values those of a domain are; any other type itself.
    pub fn base(self) -> PgType {
        match self {
            PgType::Domain(user) => user.rules().map_or(self, |rules| rules.base.base()),
            other => other,
        }
    }

    /// Whether the type is a domain, or has one in it.
    pub fn has_domain(self) -> bool {
        match self {
            PgType::Domain(_) => true,
            PgType::Array(element) => element.has_domain(),
            PgType::Composite(user) => user.attributes().iter().any(|a| a.ty.has_domain()),
            _ => false,
        }
    }

    /// The type without its modifier; instead of a domain, what it is over.
    pub fn unmodified(self) -> PgType {
        match self.base() {
            ty if ty.user().is_some() => ty,
            ty => PgType::from_oid(ty.oid(), -1).unwrap_or(ty),
        }
    }
}
