//! SQLSTATE values, named after PostgreSQL's condition names.
//!
//! Source: appendix "PostgreSQL Error Codes" of the PostgreSQL 15 manual.

/// 00000: successful completion.
pub const SUCCESSFUL_COMPLETION: &str = "00000";
/// 01000: warning.
pub const WARNING: &str = "01000";
/// 0100C: warning dynamic result sets returned.
pub const WARNING_DYNAMIC_RESULT_SETS_RETURNED: &str = "0100C";
/// 01008: warning implicit zero bit padding.
pub const WARNING_IMPLICIT_ZERO_BIT_PADDING: &str = "01008";
/// 01003: warning null value eliminated in set function.
pub const WARNING_NULL_VALUE_ELIMINATED_IN_SET_FUNCTION: &str = "01003";
/// 01007: warning privilege not granted.
pub const WARNING_PRIVILEGE_NOT_GRANTED: &str = "01007";
/// 01006: warning privilege not revoked.
pub const WARNING_PRIVILEGE_NOT_REVOKED: &str = "01006";
/// 01004: warning string data right truncation.
pub const WARNING_STRING_DATA_RIGHT_TRUNCATION: &str = "01004";
/// 01P01: warning deprecated feature.
pub const WARNING_DEPRECATED_FEATURE: &str = "01P01";
/// 02000: no data.
pub const NO_DATA: &str = "02000";
/// 02001: no additional dynamic result sets returned.
pub const NO_ADDITIONAL_DYNAMIC_RESULT_SETS_RETURNED: &str = "02001";
/// 03000: sql statement not yet complete.
pub const SQL_STATEMENT_NOT_YET_COMPLETE: &str = "03000";
/// 08000: connection exception.
pub const CONNECTION_EXCEPTION: &str = "08000";
/// 08003: connection does not exist.
pub const CONNECTION_DOES_NOT_EXIST: &str = "08003";
/// 08006: connection failure.
pub const CONNECTION_FAILURE: &str = "08006";
/// 08001: sqlclient unable to establish sqlconnection.
pub const SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION: &str = "08001";
/// 08004: sqlserver rejected establishment of sqlconnection.
pub const SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION: &str = "08004";
/// 08007: transaction resolution unknown.
pub const TRANSACTION_RESOLUTION_UNKNOWN: &str = "08007";
/// 08P01: protocol violation.
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// 09000: triggered action exception.
pub const TRIGGERED_ACTION_EXCEPTION: &str = "09000";
/// 0A000: feature not supported.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// 0B000: invalid transaction initiation.
pub const INVALID_TRANSACTION_INITIATION: &str = "0B000";
/// 0P000: invalid role specification.
pub const INVALID_ROLE_SPECIFICATION: &str = "0P000";
/// 0Z000: diagnostics exception.
pub const DIAGNOSTICS_EXCEPTION: &str = "0Z000";
/// 0Z002: stacked diagnostics accessed without active handler.
pub const STACKED_DIAGNOSTICS_ACCESSED_WITHOUT_ACTIVE_HANDLER: &str = "0Z002";
/// 20000: case not found.
pub const CASE_NOT_FOUND: &str = "20000";
/// 21000: cardinality violation.
pub const CARDINALITY_VIOLATION: &str = "21000";
/// 22000: data exception.
pub const DATA_EXCEPTION: &str = "22000";
/// 2202E: array element error.
pub const ARRAY_ELEMENT_ERROR: &str = "2202E";
/// 2202E: array subscript error.
pub const ARRAY_SUBSCRIPT_ERROR: &str = "2202E";
/// 22021: character not in repertoire.
pub const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
/// 22008: datetime field overflow.
pub const DATETIME_FIELD_OVERFLOW: &str = "22008";
/// 22008: datetime value out of range.
pub const DATETIME_VALUE_OUT_OF_RANGE: &str = "22008";
/// 22012: division by zero.
pub const DIVISION_BY_ZERO: &str = "22012";
/// 22005: error in assignment.
pub const ERROR_IN_ASSIGNMENT: &str = "22005";
/// 2200B: escape character conflict.
pub const ESCAPE_CHARACTER_CONFLICT: &str = "2200B";
/// 22022: indicator overflow.
pub const INDICATOR_OVERFLOW: &str = "22022";
/// 22015: interval field overflow.
pub const INTERVAL_FIELD_OVERFLOW: &str = "22015";
/// 2201E: invalid argument for log.
pub const INVALID_ARGUMENT_FOR_LOG: &str = "2201E";
/// 22014: invalid argument for ntile.
pub const INVALID_ARGUMENT_FOR_NTILE: &str = "22014";
/// 22016: invalid argument for nth value.
pub const INVALID_ARGUMENT_FOR_NTH_VALUE: &str = "22016";
/// 2201F: invalid argument for power function.
pub const INVALID_ARGUMENT_FOR_POWER_FUNCTION: &str = "2201F";
/// 2201G: invalid argument for width bucket function.
pub const INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION: &str = "2201G";
/// 22018: invalid character value for cast.
pub const INVALID_CHARACTER_VALUE_FOR_CAST: &str = "22018";
/// 22007: invalid datetime format.
pub const INVALID_DATETIME_FORMAT: &str = "22007";
/// 22019: invalid escape character.
pub const INVALID_ESCAPE_CHARACTER: &str = "22019";
/// 2200D: invalid escape octet.
pub const INVALID_ESCAPE_OCTET: &str = "2200D";
/// 22025: invalid escape sequence.
pub const INVALID_ESCAPE_SEQUENCE: &str = "22025";
/// 22P06: nonstandard use of escape character.
pub const NONSTANDARD_USE_OF_ESCAPE_CHARACTER: &str = "22P06";
/// 22010: invalid indicator parameter value.
pub const INVALID_INDICATOR_PARAMETER_VALUE: &str = "22010";
/// 22023: invalid parameter value.
pub const INVALID_PARAMETER_VALUE: &str = "22023";
/// 22013: invalid preceding or following size.
pub const INVALID_PRECEDING_OR_FOLLOWING_SIZE: &str = "22013";
/// 2201B: invalid regular expression.
pub const INVALID_REGULAR_EXPRESSION: &str = "2201B";
/// 2201W: invalid row count in limit clause.
pub const INVALID_ROW_COUNT_IN_LIMIT_CLAUSE: &str = "2201W";
/// 2201X: invalid row count in result offset clause.
pub const INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE: &str = "2201X";
/// 2202H: invalid tablesample argument.
pub const INVALID_TABLESAMPLE_ARGUMENT: &str = "2202H";
/// 2202G: invalid tablesample repeat.
pub const INVALID_TABLESAMPLE_REPEAT: &str = "2202G";
/// 22009: invalid time zone displacement value.
pub const INVALID_TIME_ZONE_DISPLACEMENT_VALUE: &str = "22009";
/// 2200C: invalid use of escape character.
pub const INVALID_USE_OF_ESCAPE_CHARACTER: &str = "2200C";
/// 2200G: most specific type mismatch.
pub const MOST_SPECIFIC_TYPE_MISMATCH: &str = "2200G";
/// 22004: null value not allowed.
pub const NULL_VALUE_NOT_ALLOWED: &str = "22004";
/// 22002: null value no indicator parameter.
pub const NULL_VALUE_NO_INDICATOR_PARAMETER: &str = "22002";
/// 22003: numeric value out of range.
pub const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
/// 2200H: sequence generator limit exceeded.
pub const SEQUENCE_GENERATOR_LIMIT_EXCEEDED: &str = "2200H";
/// 22026: string data length mismatch.
pub const STRING_DATA_LENGTH_MISMATCH: &str = "22026";
/// 22001: string data right truncation.
pub const STRING_DATA_RIGHT_TRUNCATION: &str = "22001";
/// 22011: substring error.
pub const SUBSTRING_ERROR: &str = "22011";
/// 22027: trim error.
pub const TRIM_ERROR: &str = "22027";
/// 22024: unterminated c string.
pub const UNTERMINATED_C_STRING: &str = "22024";
/// 2200F: zero length character string.
pub const ZERO_LENGTH_CHARACTER_STRING: &str = "2200F";
/// 22P01: floating point exception.
pub const FLOATING_POINT_EXCEPTION: &str = "22P01";
/// 22P02: invalid text representation.
pub const INVALID_TEXT_REPRESENTATION: &str = "22P02";
/// 22P03: invalid binary representation.
pub const INVALID_BINARY_REPRESENTATION: &str = "22P03";
/// 22P04: bad copy file format.
pub const BAD_COPY_FILE_FORMAT: &str = "22P04";
/// 22P05: untranslatable character.
pub const UNTRANSLATABLE_CHARACTER: &str = "22P05";
/// 2200L: not an xml document.
pub const NOT_AN_XML_DOCUMENT: &str = "2200L";
/// 2200M: invalid xml document.
pub const INVALID_XML_DOCUMENT: &str = "2200M";
/// 2200N: invalid xml content.
pub const INVALID_XML_CONTENT: &str = "2200N";
/// 2200S: invalid xml comment.
pub const INVALID_XML_COMMENT: &str = "2200S";
/// 2200T: invalid xml processing instruction.
pub const INVALID_XML_PROCESSING_INSTRUCTION: &str = "2200T";
/// 22030: duplicate json object key value.
pub const DUPLICATE_JSON_OBJECT_KEY_VALUE: &str = "22030";
/// 22031: invalid argument for sql json datetime function.
pub const INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION: &str = "22031";
/// 22032: invalid json text.
pub const INVALID_JSON_TEXT: &str = "22032";
/// 22033: invalid sql json subscript.
pub const INVALID_SQL_JSON_SUBSCRIPT: &str = "22033";
/// 22034: more than one sql json item.
pub const MORE_THAN_ONE_SQL_JSON_ITEM: &str = "22034";
/// 22035: no sql json item.
pub const NO_SQL_JSON_ITEM: &str = "22035";
/// 22036: non numeric sql json item.
pub const NON_NUMERIC_SQL_JSON_ITEM: &str = "22036";
/// 22037: non unique keys in a json object.
pub const NON_UNIQUE_KEYS_IN_A_JSON_OBJECT: &str = "22037";
/// 22038: singleton sql json item required.
pub const SINGLETON_SQL_JSON_ITEM_REQUIRED: &str = "22038";
/// 22039: sql json array not found.
pub const SQL_JSON_ARRAY_NOT_FOUND: &str = "22039";
/// 2203A: sql json member not found.
pub const SQL_JSON_MEMBER_NOT_FOUND: &str = "2203A";
/// 2203B: sql json number not found.
pub const SQL_JSON_NUMBER_NOT_FOUND: &str = "2203B";
/// 2203C: sql json object not found.
pub const SQL_JSON_OBJECT_NOT_FOUND: &str = "2203C";
/// 2203D: too many json array elements.
pub const TOO_MANY_JSON_ARRAY_ELEMENTS: &str = "2203D";
/// 2203E: too many json object members.
pub const TOO_MANY_JSON_OBJECT_MEMBERS: &str = "2203E";
/// 2203F: sql json scalar required.
pub const SQL_JSON_SCALAR_REQUIRED: &str = "2203F";
/// 2203G: sql json item cannot be cast to target type.
pub const SQL_JSON_ITEM_CANNOT_BE_CAST_TO_TARGET_TYPE: &str = "2203G";
/// 23000: integrity constraint violation.
pub const INTEGRITY_CONSTRAINT_VIOLATION: &str = "23000";
/// 23001: restrict violation.
pub const RESTRICT_VIOLATION: &str = "23001";
/// 23502: not null violation.
pub const NOT_NULL_VIOLATION: &str = "23502";
/// 23503: foreign key violation.
pub const FOREIGN_KEY_VIOLATION: &str = "23503";
/// 23505: unique violation.
pub const UNIQUE_VIOLATION: &str = "23505";
/// 23514: check violation.
pub const CHECK_VIOLATION: &str = "23514";
/// 23P01: exclusion violation.
pub const EXCLUSION_VIOLATION: &str = "23P01";
/// 24000: invalid cursor state.
pub const INVALID_CURSOR_STATE: &str = "24000";
/// 25000: invalid transaction state.
pub const INVALID_TRANSACTION_STATE: &str = "25000";
/// 25001: active sql transaction.
pub const ACTIVE_SQL_TRANSACTION: &str = "25001";
/// 25002: branch transaction already active.
pub const BRANCH_TRANSACTION_ALREADY_ACTIVE: &str = "25002";
/// 25008: held cursor requires same isolation level.
pub const HELD_CURSOR_REQUIRES_SAME_ISOLATION_LEVEL: &str = "25008";
/// 25003: inappropriate access mode for branch transaction.
pub const INAPPROPRIATE_ACCESS_MODE_FOR_BRANCH_TRANSACTION: &str = "25003";
/// 25004: inappropriate isolation level for branch transaction.
pub const INAPPROPRIATE_ISOLATION_LEVEL_FOR_BRANCH_TRANSACTION: &str = "25004";
/// 25005: no active sql transaction for branch transaction.
pub const NO_ACTIVE_SQL_TRANSACTION_FOR_BRANCH_TRANSACTION: &str = "25005";
/// 25006: read only sql transaction.
pub const READ_ONLY_SQL_TRANSACTION: &str = "25006";
/// 25007: schema and data statement mixing not supported.
pub const SCHEMA_AND_DATA_STATEMENT_MIXING_NOT_SUPPORTED: &str = "25007";
/// 25P01: no active sql transaction.
pub const NO_ACTIVE_SQL_TRANSACTION: &str = "25P01";
/// 25P02: in failed sql transaction.
pub const IN_FAILED_SQL_TRANSACTION: &str = "25P02";
/// 25P03: idle in transaction session timeout.
pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: &str = "25P03";
/// 26000: invalid sql statement name.
pub const INVALID_SQL_STATEMENT_NAME: &str = "26000";
/// 27000: triggered data change violation.
pub const TRIGGERED_DATA_CHANGE_VIOLATION: &str = "27000";
/// 28000: invalid authorization specification.
pub const INVALID_AUTHORIZATION_SPECIFICATION: &str = "28000";
/// 28P01: invalid password.
pub const INVALID_PASSWORD: &str = "28P01";
/// 2B000: dependent privilege descriptors still exist.
pub const DEPENDENT_PRIVILEGE_DESCRIPTORS_STILL_EXIST: &str = "2B000";
/// 2BP01: dependent objects still exist.
pub const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";
/// 2D000: invalid transaction termination.
pub const INVALID_TRANSACTION_TERMINATION: &str = "2D000";
/// 2F000: sql routine exception.
pub const SQL_ROUTINE_EXCEPTION: &str = "2F000";
/// 2F005: s r e function executed no return statement.
pub const S_R_E_FUNCTION_EXECUTED_NO_RETURN_STATEMENT: &str = "2F005";
/// 2F002: s r e modifying sql data not permitted.
pub const S_R_E_MODIFYING_SQL_DATA_NOT_PERMITTED: &str = "2F002";
/// 2F003: s r e prohibited sql statement attempted.
pub const S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED: &str = "2F003";
/// 2F004: s r e reading sql data not permitted.
pub const S_R_E_READING_SQL_DATA_NOT_PERMITTED: &str = "2F004";
/// 34000: invalid cursor name.
pub const INVALID_CURSOR_NAME: &str = "34000";
/// 3B000: savepoint exception.
pub const SAVEPOINT_EXCEPTION: &str = "3B000";
/// 3B001: s e invalid specification.
pub const S_E_INVALID_SPECIFICATION: &str = "3B001";
/// 3D000: invalid catalog name.
pub const INVALID_CATALOG_NAME: &str = "3D000";
/// 3F000: invalid schema name.
pub const INVALID_SCHEMA_NAME: &str = "3F000";
/// 40000: transaction rollback.
pub const TRANSACTION_ROLLBACK: &str = "40000";
/// 40002: t r integrity constraint violation.
pub const T_R_INTEGRITY_CONSTRAINT_VIOLATION: &str = "40002";
/// 40001: t r serialization failure.
pub const T_R_SERIALIZATION_FAILURE: &str = "40001";
/// 40003: t r statement completion unknown.
pub const T_R_STATEMENT_COMPLETION_UNKNOWN: &str = "40003";
/// 40P01: t r deadlock detected.
pub const T_R_DEADLOCK_DETECTED: &str = "40P01";
/// 42000: syntax error or access rule violation.
pub const SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: &str = "42000";
/// 42601: syntax error.
pub const SYNTAX_ERROR: &str = "42601";
/// 42501: insufficient privilege.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// 42846: cannot coerce.
pub const CANNOT_COERCE: &str = "42846";
/// 42803: grouping error.
pub const GROUPING_ERROR: &str = "42803";
/// 42P20: windowing error.
pub const WINDOWING_ERROR: &str = "42P20";
/// 42P19: invalid recursion.
pub const INVALID_RECURSION: &str = "42P19";
/// 42830: invalid foreign key.
pub const INVALID_FOREIGN_KEY: &str = "42830";
/// 42602: invalid name.
pub const INVALID_NAME: &str = "42602";
/// 42622: name too long.
pub const NAME_TOO_LONG: &str = "42622";
/// 42939: reserved name.
pub const RESERVED_NAME: &str = "42939";
/// 42804: datatype mismatch.
pub const DATATYPE_MISMATCH: &str = "42804";
/// 42P18: indeterminate datatype.
pub const INDETERMINATE_DATATYPE: &str = "42P18";
/// 42P21: collation mismatch.
pub const COLLATION_MISMATCH: &str = "42P21";
/// 42P22: indeterminate collation.
pub const INDETERMINATE_COLLATION: &str = "42P22";
/// 42809: wrong object type.
pub const WRONG_OBJECT_TYPE: &str = "42809";
/// 428C9: generated always.
pub const GENERATED_ALWAYS: &str = "428C9";
/// 42703: undefined column.
pub const UNDEFINED_COLUMN: &str = "42703";
/// 34000: undefined cursor.
pub const UNDEFINED_CURSOR: &str = "34000";
/// 3D000: undefined database.
pub const UNDEFINED_DATABASE: &str = "3D000";
/// 42883: undefined function.
pub const UNDEFINED_FUNCTION: &str = "42883";
/// 26000: undefined pstatement.
pub const UNDEFINED_PSTATEMENT: &str = "26000";
/// 3F000: undefined schema.
pub const UNDEFINED_SCHEMA: &str = "3F000";
/// 42P01: undefined table.
pub const UNDEFINED_TABLE: &str = "42P01";
/// 42P02: undefined parameter.
pub const UNDEFINED_PARAMETER: &str = "42P02";
/// 42704: undefined object.
pub const UNDEFINED_OBJECT: &str = "42704";
/// 42701: duplicate column.
pub const DUPLICATE_COLUMN: &str = "42701";
/// 42P03: duplicate cursor.
pub const DUPLICATE_CURSOR: &str = "42P03";
/// 42P04: duplicate database.
pub const DUPLICATE_DATABASE: &str = "42P04";
/// 42723: duplicate function.
pub const DUPLICATE_FUNCTION: &str = "42723";
/// 42P05: duplicate pstatement.
pub const DUPLICATE_PSTATEMENT: &str = "42P05";
/// 42P06: duplicate schema.
pub const DUPLICATE_SCHEMA: &str = "42P06";
/// 42P07: duplicate table.
pub const DUPLICATE_TABLE: &str = "42P07";
/// 42712: duplicate alias.
pub const DUPLICATE_ALIAS: &str = "42712";
/// 42710: duplicate object.
pub const DUPLICATE_OBJECT: &str = "42710";
/// 42702: ambiguous column.
pub const AMBIGUOUS_COLUMN: &str = "42702";
/// 42725: ambiguous function.
pub const AMBIGUOUS_FUNCTION: &str = "42725";
/// 42P08: ambiguous parameter.
pub const AMBIGUOUS_PARAMETER: &str = "42P08";
/// 42P09: ambiguous alias.
pub const AMBIGUOUS_ALIAS: &str = "42P09";
/// 42P10: invalid column reference.
pub const INVALID_COLUMN_REFERENCE: &str = "42P10";
/// 42611: invalid column definition.
pub const INVALID_COLUMN_DEFINITION: &str = "42611";
/// 42P11: invalid cursor definition.
pub const INVALID_CURSOR_DEFINITION: &str = "42P11";
/// 42P12: invalid database definition.
pub const INVALID_DATABASE_DEFINITION: &str = "42P12";
/// 42P13: invalid function definition.
pub const INVALID_FUNCTION_DEFINITION: &str = "42P13";
/// 42P14: invalid pstatement definition.
pub const INVALID_PSTATEMENT_DEFINITION: &str = "42P14";
/// 42P15: invalid schema definition.
pub const INVALID_SCHEMA_DEFINITION: &str = "42P15";
/// 42P16: invalid table definition.
pub const INVALID_TABLE_DEFINITION: &str = "42P16";
/// 42P17: invalid object definition.
pub const INVALID_OBJECT_DEFINITION: &str = "42P17";
/// 44000: with check option violation.
pub const WITH_CHECK_OPTION_VIOLATION: &str = "44000";
/// 53000: insufficient resources.
pub const INSUFFICIENT_RESOURCES: &str = "53000";
/// 53100: disk full.
pub const DISK_FULL: &str = "53100";
/// 53200: out of memory.
pub const OUT_OF_MEMORY: &str = "53200";
/// 53300: too many connections.
pub const TOO_MANY_CONNECTIONS: &str = "53300";
/// 53400: configuration limit exceeded.
pub const CONFIGURATION_LIMIT_EXCEEDED: &str = "53400";
/// 54000: program limit exceeded.
pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// 54001: statement too complex.
pub const STATEMENT_TOO_COMPLEX: &str = "54001";
/// 54011: too many columns.
pub const TOO_MANY_COLUMNS: &str = "54011";
/// 54023: too many arguments.
pub const TOO_MANY_ARGUMENTS: &str = "54023";
/// 55000: object not in prerequisite state.
pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// 55006: object in use.
pub const OBJECT_IN_USE: &str = "55006";
/// 55P02: cant change runtime param.
pub const CANT_CHANGE_RUNTIME_PARAM: &str = "55P02";
/// 55P03: lock not available.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// 55P04: unsafe new enum value usage.
pub const UNSAFE_NEW_ENUM_VALUE_USAGE: &str = "55P04";
/// 57000: operator intervention.
pub const OPERATOR_INTERVENTION: &str = "57000";
/// 57014: query canceled.
pub const QUERY_CANCELED: &str = "57014";
/// 57P01: admin shutdown.
pub const ADMIN_SHUTDOWN: &str = "57P01";
/// 57P02: crash shutdown.
pub const CRASH_SHUTDOWN: &str = "57P02";
/// 57P03: cannot connect now.
pub const CANNOT_CONNECT_NOW: &str = "57P03";
/// 57P04: database dropped.
pub const DATABASE_DROPPED: &str = "57P04";
/// 57P05: idle session timeout.
pub const IDLE_SESSION_TIMEOUT: &str = "57P05";
/// 58000: system error.
pub const SYSTEM_ERROR: &str = "58000";
/// 58030: io error.
pub const IO_ERROR: &str = "58030";
/// 58P01: undefined file.
pub const UNDEFINED_FILE: &str = "58P01";
/// 58P02: duplicate file.
pub const DUPLICATE_FILE: &str = "58P02";
/// 72000: snapshot too old.
pub const SNAPSHOT_TOO_OLD: &str = "72000";
/// F0000: config file error.
pub const CONFIG_FILE_ERROR: &str = "F0000";
/// F0001: lock file exists.
pub const LOCK_FILE_EXISTS: &str = "F0001";
/// XX000: internal error.
pub const INTERNAL_ERROR: &str = "XX000";
/// XX001: data corrupted.
pub const DATA_CORRUPTED: &str = "XX001";
/// XX002: index corrupted.
pub const INDEX_CORRUPTED: &str = "XX002";

/// Every value above is five characters of digits and capital letters; this
/// answers whether a text has that shape (for `RAISE` and tests).
pub fn is_sqlstate(text: &str) -> bool {
    text.len() == 5
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}
