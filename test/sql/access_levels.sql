-- PUBLIC may execute every function, so a role with USAGE on the schema can call
-- it. Each function and view therefore checks the level of its caller. This test
-- calls all of them, as listed in the catalog, as roles without permission.
\i test/include/helpers.sql
CREATE SCHEMA lvl;
GRANT USAGE ON SCHEMA lvl TO PUBLIC;
CALL test.create_role('lvl_owner');
CREATE ROLE lvl_none LOGIN;
CALL test.create_role('lvl_gone');
CREATE ROLE lvl_reader LOGIN;
CALL test.create_role('lvl_monitor', 'monitor');
GRANT pg_read_all_data TO lvl_reader;

-- ----------------------------------------------------- objects of the owner

-- Contents contain the word "secret", which a monitor must not see.
CREATE PROCEDURE lvl.create_objects() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM jadugar.create_queue('lvl');
	PERFORM jadugar.register_sql_handler('lvl', 'SELECT 1');
	PERFORM jadugar.schedule('lvl', 'every 1 hour', 'SELECT 1', '{"a": "secret"}', settings => '{"a.b": "secret"}', metadata => '{"a": "secret"}');
	PERFORM jadugar.create_flow('lvl', jadugar.chain(ARRAY[jadugar.step('one', 'SELECT ''se'' || ''cret'' AS a'), jadugar.approval('lvl', approvers => 'lvl_none')]));
	PERFORM jadugar.create_chain('lvl_draft');
	PERFORM jadugar.add_step('lvl_draft', jadugar.step('one', 'SELECT ''secret'''));
	PERFORM jadugar.enqueue('SELECT 1', '{"a": "secret"}', delay => '1 day', queue => 'lvl', metadata => '{"a": "secret"}', unique_key => 'lvl');
	PERFORM jadugar.enqueue('SELECT ''se'' || ''cret'' AS a', '{"a": "secret"}');
	PERFORM jadugar.enqueue('SELECT jadugar.log(''info'', ''said'', $1)', '{"a": "secret"}');
	PERFORM jadugar.enqueue('SELECT ($1 ->> ''a'')::integer', '{"a": "secret"}', retry => jadugar.retry_policy(1));
	PERFORM jadugar.start_flow('lvl', '{"a": "secret"}');
	PERFORM jadugar.create_topic('lvl'), jadugar.register_event_type('lvl', topic => 'lvl');
	PERFORM jadugar.subscribe('lvl', '{lvl}', 'SELECT ($1).data::integer', max_attempts => 1, settings => '{"a.b": "secret"}', metadata => '{"a": "secret"}');
	PERFORM jadugar.publish('lvl', '{"a": "secret"}', key => 'lvl');
END $$;
SET ROLE lvl_owner;
CALL lvl.create_objects();
RESET ROLE;
SET ROLE lvl_gone;
SELECT jadugar.enqueue('SELECT 2 AS mine', '{"a": "secret"}', delay => '1 day') AS id \g /dev/null
RESET ROLE;
SELECT jadugar.grant_queue('lvl', 'lvl_none'), jadugar.grant_handler('lvl', 'lvl_none'), jadugar.revoke_access('lvl_gone') \g /dev/null
CALL test.wait_until('SELECT count(*) = 4 FROM jadugar.history WHERE owner = ''lvl_owner''');
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.approvals');
CALL test.wait_until('SELECT count(*) = 1 FROM jadugar.dead_letters');
SELECT pg_advisory_lock(4713);
SELECT jadugar.enqueue('SELECT pg_advisory_xact_lock(4713)', '{"a": "secret"}', owner => 'lvl_owner') AS running \gset
CALL test.wait_until('SELECT blocked_by IS NOT NULL FROM jadugar.running');
-- a superuser granted these privileges manually; USAGE alone gives no level
GRANT USAGE ON SCHEMA jadugar TO lvl_none, lvl_gone;
GRANT USAGE ON SCHEMA jadugar_internal TO lvl_none, lvl_monitor;

-- --------------------------------------------------------- calls and outcomes

-- Returns checksums of all tables, which show whether a call has changed a row.
CREATE FUNCTION lvl.checksums() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
	one text;
	al text := '';
BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname LOOP
		EXECUTE format('SELECT string_agg(x::text, E''\n'' ORDER BY x::text) FROM %s x', t) INTO one;
		al := concat(al, md5(one), ' ');
	END LOOP;
	RETURN al;
END $$;
-- Returns the outcome of a statement: its SQLSTATE, "nothing", "something", or
-- "SECRET" if it returns content of the owner.
CREATE FUNCTION lvl.outcome_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	outcome text := 'nothing';
BEGIN
	IF statement ~ '^CALL' THEN
		EXECUTE statement;
		RETURN 'something';
	END IF;
	FOR r IN EXECUTE statement LOOP
		IF r::text ~ 'secret' THEN
			RETURN 'SECRET';
		ELSIF r::text !~ '^\([,"() ]*\)$' THEN
			outcome := 'something';
		END IF;
	END LOOP;
	RETURN outcome;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
-- values of a type, limited to an argument of that name if there is one
CREATE TABLE lvl.value (type regtype, value text, argument text);
INSERT INTO lvl.value SELECT 'bigint', format('%L::bigint', task_id), 'task_id' FROM jadugar.tasks WHERE owner IN ('lvl_owner', 'lvl_gone') AND status = 'scheduled';
INSERT INTO lvl.value SELECT 'bigint', format('%L::bigint', max(run_id)), 'run_id' FROM jadugar.flow_runs;
INSERT INTO lvl.value SELECT 'bigint', format('%L::bigint', max(event_id)), 'event_id' FROM jadugar.events;
INSERT INTO lvl.value SELECT 'bigint', format('%L::bigint', max(subscription_id)), 'subscription_id' FROM jadugar.subscriptions;
INSERT INTO lvl.value VALUES ('bigint', '0::bigint', 'version_id'), ('bigint', '1::bigint', 'id');
INSERT INTO lvl.value VALUES ('bigint', '1::bigint', 'command_id');
INSERT INTO lvl.value VALUES ('bigint[]', (SELECT format('%L::bigint[]', array_agg(task_id)) FROM jadugar.tasks)),
	('text', '''lvl'''), ('text', '''lvl_draft'''), ('text', '''lvl_none'''), ('text', '''SELECT 1'''), ('text', '''one'''), ('text', '''kill'''), ('text', '''queue'''),
	('text[]', '''{}''::text[]'), ('integer', '1'), ('boolean', 'true'), ('boolean', 'false'), ('double precision', '0.5'),
	('interval', '''10 ms''::interval'), ('timestamptz', 'now() + interval ''1 day'''), ('jsonb', '''{}''::jsonb'), ('bytea', '''a''::bytea'), ('jsonb[]', 'ARRAY[''{}''::jsonb]'),
	('jadugar.timing', '''every 1 hour''::jadugar.timing'), ('oid', '''lvl_owner''::regrole::oid'),
	('jadugar.task_info', 'NULL::jadugar.task_info'),
	('jadugar.flow', format('%L::jsonb::jadugar.flow', jadugar.step('one', 'SELECT 1')::jsonb));
INSERT INTO lvl.value SELECT 'jadugar.flow[]', format('ARRAY[%s]', value) FROM lvl.value WHERE type = 'jadugar.flow'::regtype;
-- Lists calls of each function with its required arguments, taken from those
-- values, and with nulls.
CREATE TABLE lvl.call (schema name, function name, statement text);
CREATE PROCEDURE lvl.list_calls(which regnamespace, pattern text) LANGUAGE plpgsql AS $$
DECLARE
	f record;
	lists text[];
BEGIN
	FOR f IN SELECT *, coalesce(proargnames[1 : pronargs], '{}') AS names FROM pg_proc
		WHERE pronamespace = which AND proname ~ pattern AND prorettype NOT IN ('cstring'::regtype, 'jadugar.timing'::regtype) LOOP
		lists := '{""}';
		FOR i IN 1 .. f.pronargs - f.pronargdefaults LOOP
			SELECT array_agg(concat_ws(', ', nullif(l, ''), v.value)) INTO lists FROM unnest(lists) l, lvl.value v
				WHERE v.type = f.proargtypes[i - 1] AND coalesce(v.argument = f.names[i], true);
			IF lists IS NULL THEN
				RAISE EXCEPTION 'add values for argument % of %(), %', i, f.proname, f.proargtypes[i - 1]::regtype;
			END IF;
		END LOOP;
		-- acting for the owner of the objects
		IF 'owner' = ANY (f.names) THEN
			SELECT lists || array_agg(concat_ws(', ', nullif(l, ''), 'owner => ''lvl_owner''')) INTO lists FROM unnest(lists) l
				WHERE l !~ '::regrole';
		END IF;
		IF f.proname ~ '^wait(_flow)?$' THEN
			SELECT array_agg(l || ', timeout => ''10 ms''') INTO lists FROM unnest(lists) l;
		END IF;
		IF f.prokind = 'f' THEN
			lists := lists || (SELECT string_agg(format('NULL::%s', format_type(a, NULL)), ', ' ORDER BY n) FROM unnest(f.proargtypes) WITH ORDINALITY x(a, n));
		END IF;
		INSERT INTO lvl.call SELECT which, f.proname, format('%s %s.%I(%s)', CASE f.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT x FROM' END, which, f.proname, l)
			|| CASE f.prokind WHEN 'p' THEN '' ELSE ' x' END FROM unnest(lists) l WHERE l IS NOT NULL;
	END LOOP;
END $$;
CALL lvl.list_calls('jadugar', '');
CALL lvl.list_calls('jadugar_internal', '^_');
SELECT count(*) > 500 AS many, count(DISTINCT function) = (SELECT count(DISTINCT proname) FROM pg_proc WHERE pronamespace = 'jadugar'::regnamespace
	AND prorettype <> 'jadugar.timing'::regtype) + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'jadugar_internal'::regnamespace AND proname ~ '^_') AS each
FROM lvl.call;
CREATE TABLE lvl.outcome (role name DEFAULT current_user, schema name, what name, outcome text);
CREATE FUNCTION lvl.outcomes() RETURNS TABLE (what name, outcomes text) LANGUAGE sql AS $$
	SELECT what, string_agg(DISTINCT outcome, ' ' ORDER BY outcome) FROM lvl.outcome
	WHERE role = current_user GROUP BY schema, what HAVING string_agg(DISTINCT outcome, ' ') <> 'JD003' ORDER BY what $$;
GRANT ALL ON lvl.outcome, lvl.call TO PUBLIC;
SELECT lvl.checksums() AS before \gset

-- ------------------------------------------- USAGE on both schemas, no level

-- These need no level: functions that only compute (JD001 is an invalid argument,
-- or a call outside a task), and JD004 of grant_access(), which needs a superuser.
SET ROLE lvl_none;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call WHERE schema = 'jadugar';
SELECT * FROM lvl.outcomes();
TRUNCATE lvl.outcome;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call WHERE schema = 'jadugar_internal';
SELECT * FROM lvl.outcomes();
SELECT relname, lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) AS outcome FROM pg_class
WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v' AND lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) <> 'nothing' ORDER BY 1;
-- a role whose access was revoked, and that owns a task
SET ROLE lvl_gone;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call WHERE schema = 'jadugar';
SELECT * FROM lvl.outcomes() WHERE outcomes ~ 'SECRET|something';
SELECT relname, lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) AS outcome FROM pg_class
WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v' AND lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) <> 'nothing' ORDER BY 1;
-- a member of pg_read_all_data, which has USAGE
SET ROLE lvl_reader;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call;
SELECT * FROM lvl.outcomes() WHERE outcomes ~ 'SECRET|something';
SELECT relname, lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) AS outcome FROM pg_class
WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v' AND lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) <> 'nothing' ORDER BY 1;
RESET ROLE;
SELECT lvl.checksums() = :'before' AS unchanged;

-- --------------------------------------------------------------- a monitor

-- It reads, but no content of the owner.
SET ROLE lvl_monitor;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call WHERE schema = 'jadugar';
SELECT * FROM lvl.outcomes();
TRUNCATE lvl.outcome;
INSERT INTO lvl.outcome SELECT current_user, schema, function, lvl.outcome_of(statement) FROM lvl.call WHERE schema = 'jadugar_internal';
SELECT * FROM lvl.outcomes();
SELECT relname, lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) AS outcome FROM pg_class
WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v' ORDER BY 1;
RESET ROLE;
SELECT lvl.checksums() = :'before' AS unchanged;
-- the owner sees its content
SET ROLE lvl_owner;
SELECT string_agg(relname, ' ' ORDER BY relname) AS secret FROM pg_class
WHERE relnamespace = 'jadugar'::regnamespace AND relkind = 'v' AND lvl.outcome_of(format('SELECT * FROM %s', oid::regclass)) = 'SECRET';
RESET ROLE;

-- ------------------------------------------------------------------ clean up

SELECT pg_advisory_unlock(4713);
SELECT status FROM jadugar.wait(:running, '20 s');
SET ROLE lvl_owner;
SELECT jadugar.abort_flow(run_id, 'kill') FROM jadugar.flow_runs \g /dev/null
RESET ROLE;
CALL test.wait_until('SELECT bool_and(finished_at IS NOT NULL) FROM jadugar.flow_runs');
SELECT jadugar.cancel_tasks(owner => 'lvl_owner') + jadugar.cancel_tasks(owner => 'lvl_gone') AS cancelled;
SELECT jadugar.unschedule('lvl', owner => 'lvl_owner'), jadugar.drop_flow('lvl', owner => 'lvl_owner'), jadugar.drop_flow('lvl_draft', owner => 'lvl_owner'),
	jadugar.drop_handler('lvl'), jadugar.drop_queue('lvl'), jadugar.unsubscribe('lvl', owner => 'lvl_owner', dead_letters => 'drop') \g /dev/null
SELECT jadugar.drop_event_type('lvl'), jadugar.drop_topic('lvl', events => 'drop') \g /dev/null
DROP SCHEMA lvl CASCADE;
CALL test.drop_roles('lvl_owner', 'lvl_none', 'lvl_gone', 'lvl_reader', 'lvl_monitor');
