-- The type jadugar.timing, and functions that compute and describe its
-- instants: src/timing/.

-- ----------------------------------------------------------------------- type

CREATE TYPE jadugar.timing;

CREATE FUNCTION jadugar_internal.timing_in(cstring)
    RETURNS jadugar.timing
    AS 'MODULE_PATHNAME', 'jdg_timing_in'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_in(cstring) IS 'Input function of type timing.';

CREATE FUNCTION jadugar_internal.timing_out(jadugar.timing)
    RETURNS cstring
    AS 'MODULE_PATHNAME', 'jdg_timing_out'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_out(jadugar.timing) IS 'Output function of type timing.';

CREATE FUNCTION jadugar_internal.timing_recv(internal)
    RETURNS jadugar.timing
    AS 'MODULE_PATHNAME', 'jdg_timing_recv'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_recv(internal) IS 'Binary input function of type timing.';

CREATE FUNCTION jadugar_internal.timing_send(jadugar.timing)
    RETURNS bytea
    AS 'MODULE_PATHNAME', 'jdg_timing_send'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_send(jadugar.timing) IS 'Binary output function of type timing.';

CREATE TYPE jadugar.timing (
    INPUT = jadugar_internal.timing_in,
    OUTPUT = jadugar_internal.timing_out,
    RECEIVE = jadugar_internal.timing_recv,
    SEND = jadugar_internal.timing_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = plain
);
COMMENT ON TYPE jadugar.timing IS
	'A cron expression, an interval, one instant, a manual timing or server start.';

-- --------------------------------------------------------- order and equality

CREATE FUNCTION jadugar_internal.timing_eq(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_eq'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_eq(jadugar.timing, jadugar.timing) IS
	'Implementation of the = operator.';

CREATE FUNCTION jadugar_internal.timing_ne(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_ne'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_ne(jadugar.timing, jadugar.timing) IS
	'Implementation of the <> operator.';

CREATE FUNCTION jadugar_internal.timing_lt(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_lt'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_lt(jadugar.timing, jadugar.timing) IS
	'Implementation of the < operator.';

CREATE FUNCTION jadugar_internal.timing_le(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_le'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_le(jadugar.timing, jadugar.timing) IS
	'Implementation of the <= operator.';

CREATE FUNCTION jadugar_internal.timing_gt(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_gt'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_gt(jadugar.timing, jadugar.timing) IS
	'Implementation of the > operator.';

CREATE FUNCTION jadugar_internal.timing_ge(jadugar.timing, jadugar.timing)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'jdg_timing_ge'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_ge(jadugar.timing, jadugar.timing) IS
	'Implementation of the >= operator.';

CREATE FUNCTION jadugar_internal.timing_cmp(jadugar.timing, jadugar.timing)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'jdg_timing_cmp'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_cmp(jadugar.timing, jadugar.timing) IS
	'Less-equal-greater comparison of two timings.';

CREATE FUNCTION jadugar_internal.timing_hash(jadugar.timing)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'jdg_timing_hash'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_hash(jadugar.timing) IS 'Hashes a timing.';

CREATE FUNCTION jadugar_internal.timing_hash_extended(jadugar.timing, bigint)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'jdg_timing_hash_extended'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_hash_extended(jadugar.timing, bigint) IS
	'Hashes a timing with a seed.';

CREATE OPERATOR jadugar.= (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_eq,
    COMMUTATOR = OPERATOR(jadugar.=),
    NEGATOR = OPERATOR(jadugar.<>),
    RESTRICT = eqsel,
    JOIN = eqjoinsel,
    HASHES,
    MERGES
);
COMMENT ON OPERATOR jadugar.= (jadugar.timing, jadugar.timing) IS 'Equal.';

CREATE OPERATOR jadugar.<> (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_ne,
    COMMUTATOR = OPERATOR(jadugar.<>),
    NEGATOR = OPERATOR(jadugar.=),
    RESTRICT = neqsel,
    JOIN = neqjoinsel
);
COMMENT ON OPERATOR jadugar.<> (jadugar.timing, jadugar.timing) IS 'Not equal.';

CREATE OPERATOR jadugar.< (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_lt,
    COMMUTATOR = OPERATOR(jadugar.>),
    NEGATOR = OPERATOR(jadugar.>=),
    RESTRICT = scalarltsel,
    JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR jadugar.< (jadugar.timing, jadugar.timing) IS 'Less than.';

CREATE OPERATOR jadugar.<= (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_le,
    COMMUTATOR = OPERATOR(jadugar.>=),
    NEGATOR = OPERATOR(jadugar.>),
    RESTRICT = scalarlesel,
    JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR jadugar.<= (jadugar.timing, jadugar.timing) IS 'Less than or equal.';

CREATE OPERATOR jadugar.> (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_gt,
    COMMUTATOR = OPERATOR(jadugar.<),
    NEGATOR = OPERATOR(jadugar.<=),
    RESTRICT = scalargtsel,
    JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR jadugar.> (jadugar.timing, jadugar.timing) IS 'Greater than.';

CREATE OPERATOR jadugar.>= (
    LEFTARG = jadugar.timing,
    RIGHTARG = jadugar.timing,
    FUNCTION = jadugar_internal.timing_ge,
    COMMUTATOR = OPERATOR(jadugar.<=),
    NEGATOR = OPERATOR(jadugar.<),
    RESTRICT = scalargesel,
    JOIN = scalargejoinsel
);
COMMENT ON OPERATOR jadugar.>= (jadugar.timing, jadugar.timing) IS 'Greater than or equal.';

CREATE OPERATOR CLASS jadugar.timing_ops
    DEFAULT FOR TYPE jadugar.timing USING btree AS
    OPERATOR 1 jadugar.<,
    OPERATOR 2 jadugar.<=,
    OPERATOR 3 jadugar.=,
    OPERATOR 4 jadugar.>=,
    OPERATOR 5 jadugar.>,
    FUNCTION 1 jadugar_internal.timing_cmp(jadugar.timing, jadugar.timing);
COMMENT ON OPERATOR CLASS jadugar.timing_ops USING btree IS 'Order of timings.';
COMMENT ON OPERATOR FAMILY jadugar.timing_ops USING btree IS 'Order of timings.';

CREATE OPERATOR CLASS jadugar.timing_ops
    DEFAULT FOR TYPE jadugar.timing USING hash AS
    OPERATOR 1 jadugar.=,
    FUNCTION 1 jadugar_internal.timing_hash(jadugar.timing),
    FUNCTION 2 jadugar_internal.timing_hash_extended(jadugar.timing, bigint);
COMMENT ON OPERATOR CLASS jadugar.timing_ops USING hash IS 'Equality of timings.';
COMMENT ON OPERATOR FAMILY jadugar.timing_ops USING hash IS 'Equality of timings.';

-- ---------------------------------------------------------------------- casts

CREATE FUNCTION jadugar_internal.timing_from_interval(interval)
    RETURNS jadugar.timing
    AS 'MODULE_PATHNAME', 'jdg_timing_from_interval_sql'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_from_interval(interval) IS
	'Converts an interval to a timing that recurs after each such interval.';

CREATE FUNCTION jadugar_internal.timing_from_timestamptz(timestamptz)
    RETURNS jadugar.timing
    AS 'MODULE_PATHNAME', 'jdg_timing_from_timestamptz_sql'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.timing_from_timestamptz(timestamptz) IS
	'Converts an instant to a timing that occurs once.';

-- The server casts varchar to text, but not in two steps.
CREATE CAST (text AS jadugar.timing) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (text AS jadugar.timing) IS 'Parses a timing.';

CREATE CAST (varchar AS jadugar.timing) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (varchar AS jadugar.timing) IS 'Parses a timing.';

CREATE CAST (interval AS jadugar.timing)
    WITH FUNCTION jadugar_internal.timing_from_interval(interval) AS IMPLICIT;
COMMENT ON CAST (interval AS jadugar.timing) IS
	'Converts to a timing that recurs after each such interval.';

CREATE CAST (timestamptz AS jadugar.timing)
    WITH FUNCTION jadugar_internal.timing_from_timestamptz(timestamptz) AS IMPLICIT;
COMMENT ON CAST (timestamptz AS jadugar.timing) IS 'Converts to a timing that occurs once.';

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.next_time(
    timing jadugar.timing,
    after timestamptz DEFAULT NULL,
    timezone text DEFAULT NULL)
    RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'jdg_next_time'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION jadugar.next_time(jadugar.timing, timestamptz, text) IS
	'Returns the first instant of a timing strictly after the given one.';

CREATE FUNCTION jadugar.occurrences(
    timing jadugar.timing,
    timezone text DEFAULT NULL,
    after timestamptz DEFAULT NULL,
    n integer DEFAULT 10)
    RETURNS SETOF timestamptz
    AS 'MODULE_PATHNAME', 'jdg_occurrences'
    LANGUAGE C STABLE PARALLEL SAFE
    ROWS 10;
COMMENT ON FUNCTION jadugar.occurrences(jadugar.timing, text, timestamptz, integer) IS
	'Returns the next instants of a timing, in order.';

CREATE FUNCTION jadugar.validate(timing text)
    RETURNS text
    AS 'MODULE_PATHNAME', 'jdg_validate'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar.validate(text) IS
	'Returns the error in the text of a timing, or NULL if the text is valid.';

CREATE FUNCTION jadugar.describe(timing jadugar.timing)
    RETURNS text
    AS 'MODULE_PATHNAME', 'jdg_describe'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar.describe(jadugar.timing) IS 'Describes a timing in English.';
