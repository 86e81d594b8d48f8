-- Version vectors, for rows that several databases change: src/actor/.

CREATE FUNCTION jadugar.clock_tick(
	clock			jsonb,
	node			text
) RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'jdg_clock_tick';
COMMENT ON FUNCTION jadugar.clock_tick IS
	'Returns the clock after one more change by the node.';

CREATE FUNCTION jadugar.clock_merge(
	a				jsonb,
	b				jsonb
) RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'jdg_clock_merge';
COMMENT ON FUNCTION jadugar.clock_merge IS
	'Returns the clock that has seen the changes of both.';

CREATE FUNCTION jadugar.clock_compare(
	a				jsonb,
	b				jsonb
) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'jdg_clock_compare';
COMMENT ON FUNCTION jadugar.clock_compare IS
	'Compares two clocks. Returns before, after, equal or concurrent.';
