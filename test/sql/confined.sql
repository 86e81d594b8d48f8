-- A role that is confined to a tenant learns nothing of other tenants: not from
-- views, results and errors of functions, and not by guesses. This test calls
-- every function and reads every view of the catalog as such roles. All that is
-- hidden from them has the word "hush" in it, and ids from 7777000 to 7777099.
\i test/include/helpers.sql
CREATE SCHEMA cf;
GRANT USAGE ON SCHEMA cf TO PUBLIC;
CALL test.create_role('cf_acme');
CALL test.create_role('cf_hush');
CALL test.create_role('cf_free');
CALL test.create_role('cf_mon');
-- owns rows of both tenants; its members make them
CREATE ROLE cf_shared LOGIN;
CREATE ROLE cf_super SUPERUSER;
GRANT cf_shared TO cf_acme, cf_hush;
SELECT jadugar.create_tenant('acme', max_concurrency => 4, description => 'own'), jadugar.create_tenant('hush', max_concurrency => 3, description => 'hush'),
	jadugar.create_tenant('hush2', rate => 1000000, enqueue_rate => 1000000) \g /dev/null
SELECT jadugar.grant_tenant('acme', 'cf_acme'), jadugar.grant_tenant('hush', 'cf_hush'), jadugar.grant_tenant('hush2', 'cf_hush'),
	jadugar.grant_tenant('acme', 'cf_mon', 'monitor') \g /dev/null

-- events about tasks and flows have the label of these
SELECT jadugar.subscribe('cf_lifecycle', '{task.completed,flow.started}', 'SELECT 1', topics => '{jadugar}') > 0 AS made;

-- ---------------------------------------------------------------------- rows

-- Makes rows of all kinds, of a tenant and without one, whose contents, names
-- and keys begin with a word.
CREATE PROCEDURE cf.create_rows(word text, label text, owner text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	-- a flow has no label, so it is seen with its owner
	flow text := CASE WHEN word = 'hush ours' THEN 'common' ELSE word END || ' flow';
	data jsonb := jsonb_build_object('a', word || ' data');
BEGIN
	PERFORM set_config('jadugar.tenant', coalesce(label, ''), false);
	PERFORM jadugar.schedule(word || ' schedule', 'every 1 hour', 'SELECT 1', data, settings => jsonb_build_object('a.b', word), metadata => data, owner => create_rows.owner,
		description => word, concurrency_key => word);
	PERFORM jadugar.schedule(word || ' dependent', 'manual', 'SELECT 1', data, owner => create_rows.owner, depends_on => ARRAY[word || ' schedule']);
	PERFORM jadugar.create_flow(flow, jadugar.chain(ARRAY[jadugar.step('one', 'SELECT ''said'' AS a'), jadugar.approval('go')]),
		owner => create_rows.owner);
	PERFORM jadugar.enqueue('SELECT 1', data, delay => '1 day', metadata => data, unique_key => word || ' key', concurrency_key => word, trace => word,
		owner => create_rows.owner);
	PERFORM jadugar.enqueue('SELECT $1 AS result', data, owner => create_rows.owner);
	PERFORM jadugar.enqueue('SELECT jadugar.log(''warning'', ''said'', $1), 1', data, owner => create_rows.owner);
	PERFORM jadugar.enqueue('SELECT ($1 ->> ''a'')::integer', data, retry => jadugar.retry_policy(1), owner => create_rows.owner);
	PERFORM jadugar.start_flow(flow, data, metadata => data, idempotency_key => word || ' run', owner => create_rows.owner);
	PERFORM jadugar.publish(replace(word, ' ', '_') || '.event', data, key => word, headers => data, message_id => word || ' message');
	PERFORM jadugar.put_blob(convert_to(word || ' data', 'UTF8'), replace(word, ' ', '_') || '/x');
END $$;
-- things without a label, of the current role
CREATE PROCEDURE cf.create_things(word text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM jadugar.create_queue(word || '_queue', description => word), jadugar.register_sql_handler(word || '_handler', 'SELECT 1', description => word);
	PERFORM jadugar.create_topic(word || '_topic', description => word), jadugar.register_event_type(word || '.type', topic => word || '_topic');
	PERFORM jadugar.subscribe(word || '_subscription', ARRAY[word || '.*', 'both.*'], 'SELECT ($1).data::integer', max_attempts => 1);
	PERFORM jadugar.create_chain(word || '_draft'), jadugar.add_step(word || '_draft', jadugar.step('one', 'SELECT 1'));
	PERFORM jadugar.set_limit('key', word || '_limit', 2);
	PERFORM jadugar.publish(word || '.type', jsonb_build_object('a', word || ' data'));
END $$;
-- ids of rows that are made from here on
CREATE PROCEDURE cf.continue_ids(from_id bigint) LANGUAGE sql AS $$
	SELECT setval(oid::regclass, from_id) FROM pg_class
	WHERE relkind = 'S' AND relnamespace = 'jadugar_internal'::regnamespace AND relname ~ '^(task|attempt|schedule|flow_run|event|subscription|blob)_id_seq$|^log' $$;
SET ROLE cf_acme;
CALL cf.create_rows('own', 'acme');
CALL cf.create_rows('ours', 'acme', 'cf_shared');
CALL cf.create_things('own');
SELECT jadugar.grant_queue('own_queue', 'cf_free'), jadugar.grant_topic('own_topic', 'cf_free', 'publish') \g /dev/null
SET ROLE cf_free;
CALL cf.create_rows('others', 'acme');
RESET ROLE;
SELECT jadugar.grant_handler('own_handler', 'cf_free') \g /dev/null
-- endpoints have no label, so they are seen by USAGE
CREATE SERVER cf_own FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://own.example');
CREATE SERVER cf_hush FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://hush.example');
CREATE USER MAPPING FOR PUBLIC SERVER cf_own OPTIONS (bearer_token 'hush');
GRANT USAGE ON FOREIGN SERVER cf_own TO cf_acme, cf_mon;
GRANT USAGE ON FOREIGN SERVER cf_hush TO cf_hush;
CALL test.wait_until('SELECT count(*) = 12 FROM jadugar.history WHERE owner::text ~ ''^cf''');
CALL test.wait_until('SELECT count(*) = 3 FROM jadugar.approvals WHERE owner::text ~ ''^cf''');
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.dead_letters WHERE owner::text ~ ''^cf''');
CALL cf.continue_ids(7777000);
SET ROLE cf_hush;
CALL cf.create_rows('hush', 'hush');
CALL cf.create_rows('hush ours', 'hush2', 'cf_shared');
CALL cf.create_things('hush');
SET ROLE cf_free;
CALL cf.create_rows('hush free', NULL);
-- uses what belongs to the confined role
SELECT jadugar.enqueue('own_handler', '{"a": "hush data"}', delay => '1 day', queue => 'own_queue') AS id,
	jadugar.publish('own.type', '{"a": "hush data"}', topic => 'own_topic') AS event \g /dev/null
SELECT jadugar.enqueue('SELECT 1', '{"a": "hush data"}', delay => '1 day') AS parent \gset
RESET ROLE;
CALL test.wait_until('SELECT count(*) = 24 FROM jadugar.history WHERE owner::text ~ ''^cf''');
CALL test.wait_until('SELECT count(*) = 6 FROM jadugar.approvals WHERE owner::text ~ ''^cf''');
CALL test.wait_until('SELECT count(*) = 2 FROM jadugar.dead_letters WHERE owner::text ~ ''^cf''');
CALL cf.continue_ids(8000000);
-- rows of the tenant that refer to rows which are hidden
SET ROLE cf_free;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day', tenant => 'acme', depends_on => ARRAY[:parent]) AS child \gset
SELECT jadugar.subscribe('hush_free_subscription', '{hush_free.event}', 'SELECT jadugar.publish(''own.caused'', tenant => ''acme'')', start => 'beginning') \g /dev/null
RESET ROLE;
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.events WHERE type = ''own.caused''');
SELECT jadugar.pause_all('hold') \g /dev/null
SET jadugar.tenant = '';

-- -------------------------------------------------------------------- calls

-- Returns the rows of tables that belong to what is hidden.
CREATE FUNCTION cf.hidden_rows() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT c.oid::regclass AS name, c.relname FROM pg_class c WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind IN ('r', 'p')
		AND NOT relispartition AND relname NOT IN ('audit', 'command', 'event_cursor') LOOP
		RETURN QUERY EXECUTE format('SELECT %L || x::text FROM %s x WHERE x::text ~ ''hush|77770[0-9][0-9]''', t.relname || ' ', t.name);
	END LOOP;
END $$;
CREATE TABLE cf.hidden AS SELECT row FROM cf.hidden_rows() row;
SELECT count(DISTINCT split_part(row, ' ', 1)) > 15 AS tables, count(*) > 50 AS rows FROM cf.hidden;
-- Tests whether all of them are there, and no other one has come up.
CREATE FUNCTION cf.damage() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
	SELECT string_agg(h.row, E'\n') FROM cf.hidden h WHERE h.row NOT IN (SELECT row FROM cf.hidden_rows() row) $$;
-- Executes a statement, returns all that its caller learns, and rolls it back.
CREATE FUNCTION cf.outcome_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	message text;
	detail text;
	hint text;
	context text;
	learned text := '';
BEGIN
	IF statement ~ '^CALL' THEN
		EXECUTE statement;
	ELSE
		FOR r IN EXECUTE statement LOOP
			learned := concat(learned, r::text, E'\n');
		END LOOP;
	END IF;
	learned := concat(learned, 'DAMAGE ' || cf.damage());
	RAISE EXCEPTION USING ERRCODE = 'ZZ001';
EXCEPTION WHEN OTHERS THEN
	IF SQLSTATE = 'ZZ001' THEN
		RETURN learned;
	END IF;
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	context := regexp_replace(context, E'(^|\\n)PL/pgSQL function cf.outcome_of.*$', '');
	RETURN concat_ws(E'\n', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''), nullif(replace(context, statement, '?'), ''));
END $$;

-- Values of arguments, by type and for some of them by name. Those without a
-- name are for arguments that none of the names fits.
CREATE TABLE cf.value (type regtype, argument text, value text);
INSERT INTO cf.value SELECT 'bigint', 'task_id', format('%s::bigint', task_id) FROM (
	SELECT min(task_id) AS task_id FROM jadugar.tasks WHERE owner::text ~ '^cf' AND status IN ('pending', 'scheduled') GROUP BY owner, tenant, status
	UNION ALL SELECT min(task_id) FROM jadugar.finished WHERE owner::text ~ '^cf' GROUP BY owner, tenant, status) t;
INSERT INTO cf.value SELECT 'bigint', '^id$', format('%s::bigint', blob_id) FROM jadugar.blobs WHERE owner::text ~ '^cf';
INSERT INTO cf.value SELECT 'bigint', 'run_id', format('%s::bigint', run_id) FROM jadugar.flow_runs WHERE owner::text ~ '^cf';
INSERT INTO cf.value SELECT 'bigint', 'event_id', format('%s::bigint', event_id) FROM jadugar.events WHERE publisher::text ~ '^cf';
INSERT INTO cf.value SELECT 'bigint[]', NULL, format('ARRAY[%s]::bigint[]', task_id) FROM jadugar.tasks WHERE owner::text ~ '^cf' AND status = 'scheduled';
INSERT INTO cf.value SELECT 'text', '^(name|queue|topic|type|subscription|tenant)$', quote_literal(n)
	FROM unnest('{own schedule,ours schedule,others schedule,hush schedule,hush ours schedule,own flow,hush flow,common flow,own_queue,hush_queue,own_handler,hush_handler,own_topic,hush_topic,own.type,hush.type,own_subscription,hush_subscription,hush_draft,hush,new}'::text[]) n;
INSERT INTO cf.value VALUES ('text', '^(role|owner|old_owner|new_owner)$', '''cf_shared'''), ('text', '^(role|owner|old_owner)$', '''cf_hush'''),
	('text', '^command$', '''SELECT 1'''), ('text', '^command$', '''hush flow'''), ('text', '^command$', '''hush_handler'''),
	('text', '^(step|from_step)$', '''one'''), ('text', '^(step|from_step)$', '''go'''), ('text', '^scope$', '''key'''), ('text', '^scope$', '''queue'''),
	('text', '^level$', '''info'''), ('text', '^handler$', '''SELECT 1'''), ('text', NULL, '''1'''), ('text[]', NULL, '''{hush.*}''::text[]'), ('integer', NULL, '1'), ('boolean', NULL, 'true'), ('double precision', NULL, '0.5'),
	('interval', '^age$', '''0''::interval'), ('interval', NULL, '''1 s''::interval'), ('timestamptz', NULL, 'now()'), ('jsonb', NULL, '''{"a": 1}''::jsonb'), ('jsonb[]', NULL, 'ARRAY[''{"a": 1}''::jsonb]'),
	('bytea', NULL, '''a''::bytea'), ('jadugar.timing', NULL, '''every 1 hour''::jadugar.timing'), ('jadugar.task_info', NULL, 'NULL::jadugar.task_info'),
	('jadugar.flow', NULL, format('%L::jsonb::jadugar.flow', jadugar.step('one', 'SELECT 1')::jsonb));
INSERT INTO cf.value SELECT 'jadugar.flow[]', NULL, format('ARRAY[%s]', value) FROM cf.value WHERE type = 'jadugar.flow'::regtype;

-- Lists calls of each function with these values for its required arguments,
-- and with one further argument.
CREATE TABLE cf.call (function name, statement text);
CREATE FUNCTION cf.options(names text[]) RETURNS TABLE (option text) LANGUAGE sql AS $$
	SELECT NULL UNION ALL
	SELECT o.option FROM (VALUES ('runs', 'runs => ''kill'''), ('runs', 'runs => ''kill'', owner => ''cf_shared'''), ('pending', 'pending => ''cancel'''),
		('role', 'role => ''cf_hush'''), ('role', 'role => ''cf_shared'''), ('events', 'events => ''drop'''), ('dead_letters', 'dead_letters => ''drop'''), ('missing_ok', 'missing_ok => true'), ('owner', 'owner => ''cf_shared'''), ('owner', 'owner => ''cf_hush'''), ('tenant', 'tenant => ''hush'''),
		('queue', 'queue => ''hush_queue'''), ('topic', 'topic => ''hush_topic'''), ('topics', 'topics => ''{hush_topic}'''),
		('or_replace', 'or_replace => true'), ('or_replace', 'or_replace => true, owner => ''cf_shared'''),
		('depends_on', 'depends_on => ''{7777001}'''), ('key', 'key => ''hush'''), ('metadata', 'metadata => ''{"a": "hush data"}'''),
		('new_name', 'new_name => ''hush ours schedule'', owner => ''cf_shared'''),
		('unique_key', 'unique_key => ''hush ours key'', owner => ''cf_shared'''), ('on_conflict', 'unique_key => ''hush ours key'', owner => ''cf_shared'', on_conflict => ''replace'''),
		('on_conflict', 'unique_key => ''hush ours key'', owner => ''cf_shared'', on_conflict => ''next'''),
		('idempotency_key', 'idempotency_key => ''hush ours run'', owner => ''cf_shared'''), ('message_id', 'message_id => ''hush message''')) o (name, option)
	WHERE o.name = ANY (names) $$;
CREATE PROCEDURE cf.list_calls() LANGUAGE plpgsql AS $$
DECLARE
	f record;
	lists text[];
BEGIN
	FOR f IN SELECT *, coalesce(proargnames[1 : pronargs], '{}') AS names FROM pg_proc
		WHERE pronamespace = 'jadugar'::regnamespace AND prorettype NOT IN ('cstring'::regtype, 'jadugar.timing'::regtype) LOOP
		lists := '{""}';
		FOR i IN 1 .. f.pronargs - f.pronargdefaults LOOP
			SELECT array_agg(concat_ws(', ', nullif(l, ''), v.value)) INTO lists FROM unnest(lists) l, cf.value v
				WHERE v.type = f.proargtypes[i - 1] AND coalesce(f.names[i] ~ v.argument, NOT EXISTS (
					SELECT FROM cf.value x WHERE x.type = f.proargtypes[i - 1] AND f.names[i] ~ x.argument));
			IF lists IS NULL THEN
				RAISE EXCEPTION 'add values for argument % of %(), %', f.names[i], f.proname, f.proargtypes[i - 1]::regtype;
			END IF;
		END LOOP;
		IF 'timeout' = ANY (f.names) AND f.proname ~ '^wait' THEN
			SELECT array_agg(l || ', timeout => ''0''') INTO lists FROM unnest(lists) l;
		END IF;
		INSERT INTO cf.call SELECT f.proname, format('%s jadugar.%I(%s)', CASE f.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT x.* FROM' END, f.proname,
			concat_ws(', ', nullif(l, ''), o.option)) || CASE f.prokind WHEN 'p' THEN '' ELSE ' x' END
			FROM unnest(lists) l, cf.options(f.proargnames[f.pronargs - f.pronargdefaults + 1 : f.pronargs]) o;
	END LOOP;
END $$;
CALL cf.list_calls();

-- ----------------------------------------------------------------- functions

-- The same call with names and ids that were never used.
CREATE FUNCTION cf.twin_of(statement text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(regexp_replace(statement, '(?<!cf_)hush', 'mute', 'g'), '77770(?=[0-9][0-9])', '99990', 'g') $$;
-- An outcome without times and new ids.
CREATE FUNCTION cf.comparable(outcome text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(replace(outcome, 'mute', 'hush'), '99990(?=[0-9][0-9])', '77770', 'g'),
		'[-0-9 ]+[0-9]:[0-9][0-9:.+]*', '#', 'g'), '(?<![0-9])(?!77770)[0-9]+', '#', 'g') $$;
CREATE TABLE cf.outcome (role name DEFAULT current_user, function name, statement text, learned text, twin text);
GRANT ALL ON cf.outcome, cf.call TO PUBLIC;
CREATE PROCEDURE cf.call_all() LANGUAGE sql AS $$
	INSERT INTO cf.outcome (function, statement, learned, twin) SELECT function, statement, cf.outcome_of(statement),
		CASE WHEN cf.twin_of(statement) <> statement THEN cf.outcome_of(cf.twin_of(statement)) END FROM cf.call $$;
SET client_min_messages = error;
SET ROLE cf_acme;
CALL cf.call_all();
SET ROLE cf_mon;
CALL cf.call_all();
RESET ROLE;
SET client_min_messages = warning;
-- Nothing is learned from a call that does not name it, and nothing is changed.
SELECT role, statement, learned FROM cf.outcome WHERE learned ~ 'hush|77770[0-9][0-9]' AND statement !~ 'hush|77770[0-9][0-9]' OR learned ~ 'DAMAGE .';
-- A monitor sees no contents.
SELECT statement, learned FROM cf.outcome WHERE role = 'cf_mon' AND learned ~ '(own|ours|others) data';
-- What guesses find out: names that are unique in the database, and keys that
-- are unique for an owner. JD004 says that it is not one's own.
SELECT role, function, split_part(learned, E'\n', 1) AS used, CASE WHEN twin ~ '^JD' THEN split_part(twin, E'\n', 1) ELSE 'done' END AS never_used
FROM cf.outcome WHERE cf.comparable(learned) <> cf.comparable(twin) AND split_part(learned, E'\n', 1) ~ '^JD' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
SELECT role, statement, learned, twin FROM cf.outcome
WHERE cf.comparable(learned) <> cf.comparable(twin) AND split_part(learned, E'\n', 1) !~ '^JD' ORDER BY 1, 2;
-- all functions, with the outcomes of all their calls
SELECT function, string_agg(DISTINCT CASE WHEN learned ~ '^(JD|[0-9][0-9A-Z]{4}\n)' THEN split_part(learned, E'\n', 1) ELSE 'done' END, ' ') FILTER (WHERE role = 'cf_acme') AS "user",
	string_agg(DISTINCT CASE WHEN learned ~ '^(JD|[0-9][0-9A-Z]{4}\n)' THEN split_part(learned, E'\n', 1) ELSE 'done' END, ' ') FILTER (WHERE role = 'cf_mon') AS monitor
FROM cf.outcome GROUP BY 1 ORDER BY 1;

-- --------------------------------------------------------------------- views

-- Reads a view with a function that sees each row before a condition of less
-- cost; raises an error for a row that gives something away.
CREATE FUNCTION cf.peek(line text, secret text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
	IF line ~ secret THEN
		RAISE EXCEPTION '%', line;
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION cf.rows_of(view name, secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n integer;
BEGIN
	EXECUTE format('SELECT count(*) FROM jadugar.%I x WHERE cf.peek(x::text, %L)', view, secret) INTO n;
	RETURN CASE WHEN n > 0 THEN 'rows' ELSE '' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE cf.views (view name, role name DEFAULT current_user, outcome text);
GRANT ALL ON cf.views TO PUBLIC;
SET ROLE cf_acme;
INSERT INTO cf.views SELECT relname, current_user, cf.rows_of(relname, 'hush|77770[0-9][0-9]') FROM pg_class WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v';
SET ROLE cf_mon;
INSERT INTO cf.views SELECT relname, current_user, cf.rows_of(relname, 'hush|77770[0-9][0-9]|(own|ours|others) data') FROM pg_class WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v';
RESET ROLE;
-- one may be there yet
UPDATE cf.views SET outcome = '' WHERE view = 'workers' AND outcome = 'rows';
SELECT view, max(outcome) FILTER (WHERE role = 'cf_acme') AS "user", max(outcome) FILTER (WHERE role = 'cf_mon') AS monitor FROM cf.views GROUP BY 1 ORDER BY 1;
-- all of them have the barrier that the function could otherwise pass
SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text ~ '^jadugar' AND relkind = 'v' AND NOT coalesce(reloptions @> '{security_barrier=true}', false) AND relname <> 'error_codes';
-- rows of the tenant, of all owners, and counts of these only
SET ROLE cf_acme;
SELECT owner, tenant, count(*), count(payload) AS payloads FROM jadugar.tasks GROUP BY 1, 2 ORDER BY 1;
SELECT owner, tenant, count(*), count(payload) AS payloads FROM jadugar.history WHERE owner ~ '^cf' GROUP BY 1, 2 ORDER BY 1;
SELECT depends_on FROM jadugar.tasks WHERE task_id = :child;
SELECT depends_on FROM jadugar.get_task(:child);
SELECT publisher, type, count(*), count(cause) AS causes FROM jadugar.events WHERE topic = 'jadugar' OR type = 'own.caused' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, scheduled FROM jadugar.queues ORDER BY 1;
SELECT name, running, finished FROM jadugar.flows WHERE version IS NOT NULL ORDER BY 1;
SET ROLE cf_mon;
SELECT owner, tenant, count(*), count(payload) AS payloads FROM jadugar.tasks GROUP BY 1, 2 ORDER BY 1;
SELECT name, scheduled FROM jadugar.queues ORDER BY 1;

-- --------------------------------------------------------------- ways around

SET ROLE cf_acme;
SELECT count(*) AS seen FROM jadugar.tasks \gset
SET jadugar.tenant = 'hush';
SELECT count(*) = :seen AS same FROM jadugar.tasks;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$) AS error;
RESET jadugar.tenant;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', tenant => 'hush3')$$) AS error;
SELECT test.error_of($$SELECT jadugar.alter_schedule('own schedule', tenant => 'hush')$$) AS error;
SELECT test.error_of($$SELECT jadugar.publish('both.x', tenant => 'hush')$$) AS error;
SELECT test.error_of($$SELECT jadugar.start_flow('own flow', tenant => 'hush')$$) AS error;
SELECT jadugar.alter_schedule('own schedule', reset => '{tenant}');
SELECT name, tenant FROM jadugar.schedules WHERE name = 'own schedule';
-- of a role with several tenants
SET ROLE cf_hush;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$) AS error;
-- cached() needs a tenant if it may have to refresh a value, whatever it finds
SELECT jadugar.cached('several', 'SELECT 1 AS v'), jadugar.cached('several', 'SELECT 2 AS v');
SELECT test.error_of($$SELECT jadugar.cached('new', 'SELECT 1 AS v', stale_for => '1 day')$$) AS error;
SELECT test.error_of($$SELECT jadugar.cached('several', 'SELECT 1 AS v', stale_for => '1 day')$$) AS error;
SET jadugar.tenant = 'hush2';
SELECT jadugar.cached('new', 'SELECT 1 AS v', ttl => '1 microsecond', stale_for => '1 day');
SELECT jadugar.cached('new', 'SELECT 2 AS v', ttl => '1 microsecond', stale_for => '1 day');
RESET jadugar.tenant;
SELECT test.error_of($$SELECT jadugar.cached('new', 'SELECT 1 AS v', stale_for => '1 day')$$) AS error;
SELECT tenant FROM jadugar.tasks WHERE unique_key = 'cache/new';
SELECT jadugar.cancel_tasks(tenant => 'hush2', unique_key => 'cache/new'), jadugar.cache_delete('', prefix => true);
-- objects of the caller before those of jadugar and of the server
RESET ROLE;
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO cf_acme', current_database()); END $$;
SET ROLE cf_acme;
CREATE FUNCTION pg_temp._v_is_monitor() RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION pg_temp._v_sees(owner oid, tenant text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION pg_temp.texteq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.texteq, LEFTARG = text, RIGHTARG = text);
CREATE TEMP VIEW tasks AS SELECT * FROM jadugar.tasks;
SET search_path = pg_temp, jadugar, pg_catalog;
SELECT count(*) = :seen AS same FROM jadugar.tasks;
SELECT jadugar.count_tasks() = :seen AS same;
SELECT test.error_of('SELECT jadugar.flow_status(7777001)') AS error;
RESET search_path;
DROP VIEW pg_temp.tasks;
-- functions of other roles reach what these roles reach, and no more
RESET ROLE;
GRANT CREATE ON SCHEMA cf TO cf_acme, cf_free;
SET ROLE cf_acme;
CREATE FUNCTION cf.seen() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM jadugar.tasks';
SET ROLE cf_free;
CREATE FUNCTION cf.seen_by_free() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM jadugar.tasks WHERE owner = ''cf_free''';
SELECT cf.seen() = :seen AS same;
RESET ROLE;
SELECT cf.seen() = :seen AS same;
SET ROLE cf_acme;
SELECT cf.seen_by_free();

-- -------------------------------------------------------------------- grants

-- a plan that was made before
PREPARE all_tasks AS SELECT tenant, count(*) FROM jadugar.tasks GROUP BY 1 ORDER BY 1;
EXECUTE all_tasks;
RESET ROLE;
SELECT jadugar.grant_tenant('hush', 'cf_acme', 'monitor');
SET ROLE cf_acme;
EXECUTE all_tasks;
SELECT tenant, count(payload) AS payloads FROM jadugar.tasks GROUP BY 1 ORDER BY 1;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', tenant => 'hush')$$) AS error;
SELECT jadugar.enqueue('SELECT 1', delay => '1 day') AS id \gset
SELECT tenant FROM jadugar.get_task(:id);
RESET ROLE;
SELECT jadugar.revoke_tenant('hush', 'cf_acme');
SET ROLE cf_acme;
EXECUTE all_tasks;
DEALLOCATE all_tasks;
RESET ROLE;
-- a member has the tenants of the group, an operator only its own
CREATE ROLE cf_member LOGIN IN ROLE cf_acme;
CALL test.create_role('cf_operator', 'operator');
GRANT cf_acme TO cf_operator;
SET ROLE cf_member;
SELECT tenant, count(*) FROM jadugar.tasks GROUP BY 1 ORDER BY 1;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1', tenant => 'hush')$$) AS error;
SET ROLE cf_operator;
SELECT count(DISTINCT tenant) AS tenants FROM jadugar.tasks WHERE owner::text ~ '^cf';
SELECT test.error_of($$SELECT jadugar.grant_tenant('acme', 'cf_operator')$$) AS error;
RESET ROLE;
SELECT jadugar.grant_tenant('acme', 'cf_operator');
SET ROLE cf_operator;
SELECT count(DISTINCT tenant) AS tenants FROM jadugar.tasks WHERE owner::text ~ '^cf';
SELECT test.error_of($$SELECT jadugar.revoke_tenant('acme', 'cf_operator')$$) AS error;
RESET ROLE;
SELECT jadugar.revoke_tenant('acme', 'cf_operator');
-- the level of the access counts, too
SELECT jadugar.grant_access('cf_acme', 'monitor');
SET ROLE cf_acme;
SELECT count(*), count(payload) AS payloads FROM jadugar.tasks;
SELECT test.error_of($$SELECT jadugar.enqueue('SELECT 1')$$) AS error;
RESET ROLE;
SELECT jadugar.grant_access('cf_acme');
-- errors and warnings
SELECT test.error_of(statement) AS error FROM unnest(ARRAY[$$SELECT jadugar.grant_tenant('none', 'cf_acme')$$, $$SELECT jadugar.grant_tenant('acme', 'none')$$,
	$$SELECT jadugar.grant_tenant('acme', 'public')$$, $$SELECT jadugar.grant_tenant('acme', 'cf_acme', 'operator')$$, $$SELECT jadugar.grant_tenant('acme', 'cf_super')$$,
	$$SELECT jadugar.revoke_tenant('hush', 'cf_acme')$$]) statement;
-- a role without access cannot use what it is granted
CREATE ROLE cf_nobody;
SET client_min_messages = notice;
SELECT jadugar.grant_tenant('acme', 'cf_nobody');
SELECT jadugar.grant_queue('own_queue', 'cf_nobody');
SELECT jadugar.grant_topic('own_topic', 'cf_nobody');
SELECT jadugar.grant_event_type('own.type', 'cf_nobody');
SELECT jadugar.grant_handler('own_handler', 'cf_nobody');
SELECT jadugar.grant_tenant('acme', 'cf_mon', 'monitor');
SET client_min_messages = warning;
SELECT jadugar.revoke_tenant('acme', 'cf_nobody'), jadugar.revoke_queue('own_queue', 'cf_nobody'), jadugar.revoke_topic('own_topic', 'cf_nobody'),
	jadugar.revoke_event_type('own.type', 'cf_nobody'), jadugar.revoke_handler('own_handler', 'cf_nobody') \g /dev/null
DROP ROLE cf_nobody;
GRANT cf_free TO cf_mon;
SELECT jadugar.grant_tenant('acme', 'cf_mon');
REVOKE cf_free FROM cf_mon;
SELECT * FROM jadugar.tenant_grants ORDER BY 1, 2;
SET ROLE cf_acme;
SELECT * FROM jadugar.tenant_grants ORDER BY 1, 2;
RESET ROLE;
SET client_min_messages = notice;
SELECT jadugar.revoke_tenant('acme', 'cf_mon');
SET client_min_messages = warning;

-- ------------------------------------------------------------ work and events

SELECT jadugar.resume_all() \g /dev/null
SET ROLE cf_acme;
-- the calls have stopped them, whatever became of their transactions
SELECT jadugar.start_workers(1) \g /dev/null
CALL test.run_task($$'SELECT count(*) FILTER (WHERE tenant = ''acme'') > 0 AS own, count(*) FILTER (WHERE tenant IS DISTINCT FROM ''acme'') AS others FROM jadugar.tasks'$$);
CALL test.run_task($$'SELECT jadugar.enqueue(''SELECT 2'', delay => ''1 day'') > 0 AS done'$$);
SELECT tenant FROM jadugar.tasks WHERE command = 'SELECT 2';
CALL test.run_task($$'SELECT jadugar.enqueue(''SELECT 1'', tenant => ''hush'')'$$);
-- a key that still holds, of a task of which nothing is kept
SELECT jadugar.create_queue('own_silent', history => 'none') > 0 AS made;
SELECT jadugar.enqueue('SELECT 1', queue => 'own_silent', unique_key => 'once', unique_for => '1 day') AS once \gset
CALL test.wait_until(format('SELECT count(*) = 0 FROM jadugar.tasks WHERE task_id = %s', :once));
SELECT jadugar.enqueue('SELECT 1', queue => 'own_silent', unique_key => 'once', unique_for => '1 day') = :once AS same;
-- a subscription and a run get events of their owner's tenants only
SELECT jadugar.start_flow(jadugar.chain(ARRAY[jadugar.wait_event('both.y'), jadugar.step('one', 'SELECT 1')])) AS run \gset
CALL test.wait_until(format('SELECT count(*) = 1 FROM jadugar.flow_steps WHERE run_id = %s AND waiting_for ~ ''^event''', :run));
SET ROLE cf_hush;
SELECT jadugar.publish('both.x', '{"a": "hush"}', tenant => 'hush'), jadugar.publish('both.y', '{"a": "hush"}', tenant => 'hush') \g /dev/null
SET ROLE cf_acme;
SELECT jadugar.publish('both.x', '{"a": "own"}') AS event, jadugar.publish('both.y', '{"a": "own"}') \gset
CALL test.wait_until(format('SELECT finished_at IS NOT NULL FROM jadugar.flow_runs WHERE run_id = %s', :run));
SELECT result -> 'data' AS data FROM jadugar.flow_steps WHERE run_id = :run AND kind = 'wait_event';
SELECT jadugar.wait_delivered(:event, timeout => '20 s');
RESET ROLE;
SELECT type, count(*) FROM jadugar.dead_letters WHERE subscription = 'own_subscription' GROUP BY 1 ORDER BY 1;

-- ------------------------------------------------------------------ clean up

SELECT jadugar.abort_flow(run_id, 'kill') FROM jadugar.flow_runs WHERE finished_at IS NULL AND owner::text ~ '^cf' \g /dev/null
CALL test.wait_until('SELECT bool_and(finished_at IS NOT NULL) FROM jadugar.flow_runs WHERE owner::text ~ ''^cf''');
SELECT jadugar.cancel_tasks(owner => r) FROM unnest('{cf_acme,cf_hush,cf_free,cf_shared}'::text[]) r \g /dev/null
SELECT jadugar.unsubscribe('cf_lifecycle');
SELECT jadugar.unsubscribe(name, owner => owner::text, dead_letters => 'drop') FROM jadugar.subscriptions WHERE owner::text ~ '^cf' \g /dev/null
SELECT jadugar.drop_owned(r) FROM unnest('{cf_acme,cf_hush,cf_free,cf_shared}'::text[]) r \g /dev/null
SELECT jadugar.drop_topic(name, events => 'drop') FROM jadugar.topics WHERE owner::text ~ '^cf' \g /dev/null
DROP SERVER cf_own, cf_hush CASCADE;
DROP SCHEMA cf CASCADE;
DELETE FROM jadugar_internal.tenant_grant;
DELETE FROM jadugar_internal.tenant WHERE name IN ('acme', 'hush', 'hush2');
RESET jadugar.tenant;
CALL test.drop_roles('cf_super', 'cf_member', 'cf_operator', 'cf_mon', 'cf_free', 'cf_acme', 'cf_hush', 'cf_shared');
