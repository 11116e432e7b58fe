//! Values: PostgreSQL's types, their text, binary, key, row and Arrow forms.
