//! Object identifiers of PostgreSQL's built-in types.
//!
//! Source: `select oid, typname, typarray from pg_type` on PostgreSQL 15. They
//! are part of the protocol: every driver has them compiled in.

/// An object identifier, as PostgreSQL numbers types, tables and roles.
pub type Oid = u32;

/// The type `bool`.
pub const BOOL: Oid = 16;
/// The type `bytea`.
pub const BYTEA: Oid = 17;
/// The type `char`.
pub const CHAR: Oid = 18;
/// The type `name`.
pub const NAME: Oid = 19;
/// The type `int8`.
pub const INT8: Oid = 20;
/// The type `int2`.
pub const INT2: Oid = 21;
/// The type `int2vector`.
pub const INT2VECTOR: Oid = 22;
/// The type `int4`.
pub const INT4: Oid = 23;
/// The type `regproc`.
pub const REGPROC: Oid = 24;
/// The type `text`.
pub const TEXT: Oid = 25;
/// The type `oid`.
pub const OID: Oid = 26;
/// The type `tid`.
pub const TID: Oid = 27;
/// The type `xid`.
pub const XID: Oid = 28;
/// The type `cid`.
pub const CID: Oid = 29;
/// The type `oidvector`.
pub const OIDVECTOR: Oid = 30;
/// The type `json`.
pub const JSON: Oid = 114;
/// The type `xml`.
pub const XML: Oid = 142;
/// The type `pg_node_tree`.
pub const PG_NODE_TREE: Oid = 194;
/// The type `float4`.
pub const FLOAT4: Oid = 700;
/// The type `float8`.
pub const FLOAT8: Oid = 701;
/// The type `unknown`.
pub const UNKNOWN: Oid = 705;
/// The type `money`.
pub const MONEY: Oid = 790;
/// The type `inet`.
pub const INET: Oid = 869;
/// The type `aclitem`.
pub const ACLITEM: Oid = 1033;
/// The type `bpchar`.
pub const BPCHAR: Oid = 1042;
/// The type `varchar`.
pub const VARCHAR: Oid = 1043;
/// The type `date`.
pub const DATE: Oid = 1082;
/// The type `time`.
pub const TIME: Oid = 1083;
/// The type `timestamp`.
pub const TIMESTAMP: Oid = 1114;
/// The type `timestamptz`.
pub const TIMESTAMPTZ: Oid = 1184;
/// The type `interval`.
pub const INTERVAL: Oid = 1186;
/// The type `timetz`.
pub const TIMETZ: Oid = 1266;
/// The type `bit`.
pub const BIT: Oid = 1560;
/// The type `varbit`.
pub const VARBIT: Oid = 1562;
/// The type `numeric`.
pub const NUMERIC: Oid = 1700;
/// The type `regprocedure`.
pub const REGPROCEDURE: Oid = 2202;
/// The type `regclass`.
pub const REGCLASS: Oid = 2205;
/// The type `regtype`.
pub const REGTYPE: Oid = 2206;
/// The type `record`.
pub const RECORD: Oid = 2249;
/// The type `cstring`.
pub const CSTRING: Oid = 2275;
/// The type `any`.
pub const ANY: Oid = 2276;
/// The type `anyarray`.
pub const ANYARRAY: Oid = 2277;
/// The type `void`.
pub const VOID: Oid = 2278;
/// The type `anyelement`.
pub const ANYELEMENT: Oid = 2283;
/// The type `uuid`.
pub const UUID: Oid = 2950;
/// The type `jsonb`.
pub const JSONB: Oid = 3802;
/// The type `jsonpath`.
pub const JSONPATH: Oid = 4072;
/// The type `regnamespace`.
pub const REGNAMESPACE: Oid = 4089;
/// The type `regrole`.
pub const REGROLE: Oid = 4096;

/// The array type over `bool`.
pub const BOOL_ARRAY: Oid = 1000;
/// The array type over `bytea`.
pub const BYTEA_ARRAY: Oid = 1001;
/// The array type over `char`.
pub const CHAR_ARRAY: Oid = 1002;
/// The array type over `name`.
pub const NAME_ARRAY: Oid = 1003;
/// The array type over `int8`.
pub const INT8_ARRAY: Oid = 1016;
/// The array type over `int2`.
pub const INT2_ARRAY: Oid = 1005;
/// The array type over `int2vector`.
pub const INT2VECTOR_ARRAY: Oid = 1006;
/// The array type over `int4`.
pub const INT4_ARRAY: Oid = 1007;
/// The array type over `regproc`.
pub const REGPROC_ARRAY: Oid = 1008;
/// The array type over `text`.
pub const TEXT_ARRAY: Oid = 1009;
/// The array type over `oid`.
pub const OID_ARRAY: Oid = 1028;
/// The array type over `tid`.
pub const TID_ARRAY: Oid = 1010;
/// The array type over `xid`.
pub const XID_ARRAY: Oid = 1011;
/// The array type over `cid`.
pub const CID_ARRAY: Oid = 1012;
/// The array type over `oidvector`.
pub const OIDVECTOR_ARRAY: Oid = 1013;
/// The array type over `json`.
pub const JSON_ARRAY: Oid = 199;
/// The array type over `xml`.
pub const XML_ARRAY: Oid = 143;
/// The array type over `float4`.
pub const FLOAT4_ARRAY: Oid = 1021;
/// The array type over `float8`.
pub const FLOAT8_ARRAY: Oid = 1022;
/// The array type over `money`.
pub const MONEY_ARRAY: Oid = 791;
/// The array type over `inet`.
pub const INET_ARRAY: Oid = 1041;
/// The array type over `aclitem`.
pub const ACLITEM_ARRAY: Oid = 1034;
/// The array type over `bpchar`.
pub const BPCHAR_ARRAY: Oid = 1014;
/// The array type over `varchar`.
pub const VARCHAR_ARRAY: Oid = 1015;
/// The array type over `date`.
pub const DATE_ARRAY: Oid = 1182;
/// The array type over `time`.
pub const TIME_ARRAY: Oid = 1183;
/// The array type over `timestamp`.
pub const TIMESTAMP_ARRAY: Oid = 1115;
/// The array type over `timestamptz`.
pub const TIMESTAMPTZ_ARRAY: Oid = 1185;
/// The array type over `interval`.
pub const INTERVAL_ARRAY: Oid = 1187;
/// The array type over `timetz`.
pub const TIMETZ_ARRAY: Oid = 1270;
/// The array type over `bit`.
pub const BIT_ARRAY: Oid = 1561;
/// The array type over `varbit`.
pub const VARBIT_ARRAY: Oid = 1563;
/// The array type over `numeric`.
pub const NUMERIC_ARRAY: Oid = 1231;
/// The array type over `regprocedure`.
pub const REGPROCEDURE_ARRAY: Oid = 2207;
/// The array type over `regclass`.
pub const REGCLASS_ARRAY: Oid = 2210;
/// The array type over `regtype`.
pub const REGTYPE_ARRAY: Oid = 2211;
/// The array type over `record`.
pub const RECORD_ARRAY: Oid = 2287;
/// The array type over `cstring`.
pub const CSTRING_ARRAY: Oid = 1263;
/// The array type over `uuid`.
pub const UUID_ARRAY: Oid = 2951;
/// The array type over `jsonb`.
pub const JSONB_ARRAY: Oid = 3807;
/// The array type over `jsonpath`.
pub const JSONPATH_ARRAY: Oid = 4073;
/// The array type over `regnamespace`.
pub const REGNAMESPACE_ARRAY: Oid = 4090;
/// The array type over `regrole`.
pub const REGROLE_ARRAY: Oid = 4097;
