-- Version vectors: clock_tick, clock_merge, clock_compare.
\i test/include/helpers.sql

SELECT jadugar.clock_tick('{}', 'east'), jadugar.clock_tick('{"east": 3}', 'east'), jadugar.clock_tick('{"east": 3, "w": 2}', 'ab');
SELECT jadugar.clock_merge('{}', '{}'), jadugar.clock_merge('{"a": 3}', '{"a": 2, "bb": 1}'), jadugar.clock_merge('{"c": 0, "aa": 7}', '{"b": 9223372036854775807}');

-- Every relation; a counter of 0 is that of a node that is not named.
SELECT a, b, jadugar.clock_compare(a::jsonb, b::jsonb), jadugar.clock_compare(b::jsonb, a::jsonb) AS reversed
FROM (VALUES ('{}', '{}'), ('{}', '{"a": 0}'), ('{}', '{"a": 1}'), ('{"a": 1}', '{"a": 2}'), ('{"a": 1}', '{"b": 1}'),
	('{"a": 2, "b": 1}', '{"a": 2, "b": 1}'), ('{"a": 2, "b": 1}', '{"a": 1, "b": 2}'), ('{"a": 1, "bb": 3, "c": 1}', '{"a": 1, "bb": 3}'),
	('{"é": 1}', '{"é": 1.0}'), ('{"a": 9223372036854775807}', '{"a": 9223372036854775806}')) x(a, b);

-- A tick comes after the clock, and a merge is not before either of them.
SELECT count(*) AS clocks, bool_and(jadugar.clock_compare(a, jadugar.clock_tick(a, n)) = 'before') AS ticks,
	bool_and(jadugar.clock_compare(a, jadugar.clock_merge(a, b)) IN ('before', 'equal')) AS merges,
	bool_and(jadugar.clock_merge(a, b) = jadugar.clock_merge(b, a)) AS commutes,
	bool_and(jadugar.clock_merge(a, a) = a) AS keeps
FROM (SELECT jsonb_object_agg('n' || g % 7, g * s % 5) AS a FROM generate_series(1, 9) g, generate_series(1, 20) s GROUP BY s) x,
	(SELECT jsonb_object_agg('n' || g % 9, g * s % 4) AS b FROM generate_series(1, 9) g, generate_series(1, 20) s GROUP BY s) y,
	unnest(ARRAY['n1', 'other']) n;

-- ------------------------------------------------------------------ bad input

SELECT jadugar.clock_tick(NULL, 'a');
SELECT jadugar.clock_tick('{}', NULL);
SELECT jadugar.clock_merge('{}', NULL);
SELECT jadugar.clock_compare(NULL, '{}');
SELECT jadugar.clock_tick('{}', '');
SELECT jadugar.clock_tick('{}', repeat('x', 256));
SELECT jadugar.clock_tick('[1]', 'a');
SELECT jadugar.clock_merge('{}', '3');
SELECT jadugar.clock_compare('null', '{}');
SELECT jadugar.clock_compare('{"a": -1}', '{}');
SELECT jadugar.clock_compare('{"a": 1.5}', '{}');
SELECT jadugar.clock_compare('{"a": 1e-20}', '{}');
SELECT jadugar.clock_compare('{"a": 9223372036854775808}', '{}');
SELECT jadugar.clock_compare('{"a": 1e300}', '{}');
SELECT jadugar.clock_compare('{"a": "1"}', '{}');
SELECT jadugar.clock_compare('{"a": null}', '{}');
SELECT jadugar.clock_compare('{"a": true}', '{}');
SELECT jadugar.clock_compare('{"a": {"b": 1}}', '{}');
SELECT jadugar.clock_compare('{}', '{"": 1}');
SELECT jadugar.clock_tick('{"a": 9223372036854775807}', 'a');
