-- The results that a step gets as its argument: the same bytes that the server
-- makes, in all nestings.
\i test/include/helpers.sql
\i test/include/flows.sql
CALL test.create_role('test_data');

CREATE TABLE test.broken (n integer);
INSERT INTO test.broken VALUES (0);
GRANT SELECT, UPDATE ON test.broken TO test_data;

-- Compares the results in an argument with those in the view.
CREATE FUNCTION test.see(data jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	stored jsonb;
BEGIN
	IF NOT record_image_eq(row(data), row(data::text::jsonb)) THEN
		RAISE EXCEPTION 'this is not as the server writes it: %', data;
	END IF;
	SELECT coalesce(jsonb_object_agg(step, result), '{}') INTO stored FROM jadugar.flow_steps
	WHERE run_id = (jadugar.current_task()).flow_run AND status = 'completed' AND result IS NOT NULL AND step !~ '#';
	IF data->'steps' <> stored THEN
		RAISE EXCEPTION 'expected %', stored USING DETAIL = data->'steps';
	END IF;
	RETURN jsonb_build_object('seen', (SELECT count(*) FROM jsonb_object_keys(data->'steps')));
END
$$;
SET SESSION AUTHORIZATION test_data;
SET search_path = public, jadugar;

CREATE FUNCTION pg_temp.ends(run bigint) RETURNS TABLE (status text, error text, result jsonb) LANGUAGE sql AS
	$$ SELECT w.status, concat_ws(' ', w.error->>'message', w.error->>'detail'), w.result FROM wait_flow(run, '60 s') w $$;

-- values of all types; names in another order than the steps
SELECT start_flow(chain(VARIADIC array_agg(step(repeat(chr(97 + i % 26), 1 + i * 7 % 23) || i, format('SELECT %s AS v, test.see($1) AS seen', v)) ORDER BY i))
	~> step('last', 'SELECT test.see($1)'), '"a scalar"') AS run
FROM (SELECT i, (ARRAY['1', '''text''', 'NULL::int', 'true', '1.5e20::numeric', '''[]''::jsonb', '''{"a": [1, {"b": null}]}''::jsonb', '''''',
	'repeat(''x'', 5000)'])[1 + i % 9] AS v FROM generate_series(1, 120) i) x \gset
SELECT * FROM pg_temp.ends(:run);

-- blocks in blocks: a result of the pass hides that of the pass before
SELECT start_flow(
	chain(VARIADIC (SELECT array_agg(step('p' || i, 'SELECT test.see($1)') ORDER BY i) FROM generate_series(1, 20) i))
	~> loop(chain(VARIADIC (SELECT array_agg(step('l' || i, format($$SELECT $1->'input' AS input, coalesce(($1->'steps'->'l%s'->>'n')::int, 0) + 1 AS n, ($1->'steps') ? 'p20' AS outer$$, i)) ORDER BY i) FROM generate_series(1, 20) i)),
		while => '$.steps.l20.n < 5', name => 'loop')
	~> step('after', $$SELECT (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys($1->'steps') k WHERE k !~ '^p') AS keys$$), '[1, 2]') AS run \gset
SELECT * FROM pg_temp.ends(:run);
SELECT result, count(*) FROM flow_steps WHERE run_id = :run AND step ~ '^l[0-9]' GROUP BY 1 ORDER BY 1;
SELECT start_flow(
	chain(VARIADIC (SELECT array_agg(step('p' || i, 'SELECT test.see($1)') ORDER BY i) FROM generate_series(1, 20) i))
	~> each('[10, "b", null, {"c": 1}]', chain(VARIADIC (SELECT array_agg(step('i' || i, CASE WHEN i < 20 THEN $$SELECT $1->'item' AS own, record_image_eq(row($1), row($1::text::jsonb)) AS same$$
		ELSE $$SELECT $1->'item' AS item, $1->'index' AS index, $1->'steps'->'i1'->'own' = $1->'item' AS own, (SELECT count(*) FROM jsonb_object_keys($1->'steps')) AS n$$ END) ORDER BY i)
		FROM generate_series(1, 20) i)))) AS run \gset
SELECT status FROM pg_temp.ends(:run);
SELECT result FROM flow_steps WHERE run_id = :run AND step = 'i20' ORDER BY item;
SELECT DISTINCT result->'same' FROM flow_steps WHERE run_id = :run AND step = 'i19';

-- containers, steps that fail and are passed over, and steps that are skipped, in the chain
SELECT start_flow(
	(step('a', 'SELECT 1/0', on_failure => 'continue') ~> (step('b', 'SELECT test.see($1)') | wait_signal('never'))
	~> branch('$.steps.b.seen > 100', step('d', 'SELECT 1'), step('e', 'SELECT test.see($1)')))
	~> chain(VARIADIC (SELECT array_agg(step('s' || i, 'SELECT test.see($1)') ORDER BY i) FROM generate_series(1, 40) i))) AS run \gset
SELECT * FROM pg_temp.ends(:run);

-- a failed step is retried; a later one sees its new result
SELECT start_flow(chain(VARIADIC array_agg(step('s' || i, CASE i WHEN 30 THEN 'SELECT 1 / n AS v FROM test.broken' ELSE 'SELECT test.see($1)' END,
	retry => '{"max_attempts": 1}') ORDER BY i))) AS run FROM generate_series(1, 60) i \gset
SELECT * FROM pg_temp.ends(:run);
UPDATE test.broken SET n = 1;
SELECT retry_step(:run, 's30');
CALL test.wait_until(format('(SELECT finished_at FROM flow_steps WHERE run_id = %s AND step = ''s60'') IS NOT NULL', :run));
SELECT * FROM pg_temp.ends(:run);

-- clean up
SELECT * FROM check_flows();
RESET SESSION AUTHORIZATION;
CALL test.delete_runs();
DROP TABLE test.broken;
DROP FUNCTION test.see(jsonb);
CALL test.drop_roles('test_data');
