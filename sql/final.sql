-- Privileges on all objects, and the start of the scheduler. USAGE on schema
-- jadugar is the only privilege that grant_access() grants. PUBLIC may execute
-- and read everything in that schema: functions and views check the level of
-- their caller. PUBLIC may also execute the functions of jadugar_internal,
-- because views, types and operators call them as the reader, but cannot name
-- them. The statements are explicit because default privileges may be altered.

REVOKE ALL ON SCHEMA jadugar, jadugar_internal FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA jadugar, jadugar_internal FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA jadugar_internal FROM PUBLIC;

-- Default privileges may have named roles, too.
DO LANGUAGE plpgsql $$
DECLARE
	grantee text;
BEGIN
	FOR grantee IN
		SELECT DISTINCT pg_catalog.quote_ident(r.rolname)
		FROM (SELECT n.nspacl AS acl, n.nspowner AS owner FROM pg_catalog.pg_namespace n
			WHERE n.nspname IN ('jadugar', 'jadugar_internal')
			UNION ALL
			SELECT c.relacl, c.relowner FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname IN ('jadugar', 'jadugar_internal')) o,
			pg_catalog.aclexplode(o.acl) a, pg_catalog.pg_roles r
		WHERE a.grantee <> o.owner AND r.oid = a.grantee
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA jadugar, jadugar_internal FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL TABLES IN SCHEMA jadugar, jadugar_internal FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA jadugar_internal FROM %s', grantee);
	END LOOP;
END $$;

GRANT SELECT ON ALL TABLES IN SCHEMA jadugar TO PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA jadugar, jadugar_internal TO PUBLIC;
GRANT USAGE ON TYPE jadugar.timing, jadugar.flow, jadugar.task_info, jadugar.flow_info,
	jadugar.event_info TO PUBLIC;
GRANT SELECT ON jadugar_internal._v_flow_progress, jadugar_internal._v_flow_problems TO PUBLIC;
REVOKE ALL ON FUNCTION jadugar_internal._install_check(), jadugar_internal._start_scheduler(), jadugar_internal._flow_uses(integer, text),
	jadugar_internal._request(jsonb, text, bigint), jadugar_internal._response(jsonb, integer, text, bytea, boolean) FROM PUBLIC;

-- Changes of tables are left to jadugar itself. Partitions of the history, which
-- are made later, have row-level security without policies.
DO LANGUAGE plpgsql $$
DECLARE
	tablename name;
BEGIN
	FOR tablename IN
		SELECT c.relname FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'jadugar_internal' AND c.relkind IN ('r', 'p')
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
			ON jadugar_internal.%I FOR EACH STATEMENT EXECUTE FUNCTION jadugar_internal._guard()', tablename);
		EXECUTE pg_catalog.format('ALTER TABLE jadugar_internal.%I ENABLE ALWAYS TRIGGER guard', tablename);
	END LOOP;
END $$;

CREATE FUNCTION jadugar_internal._installed()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_installed';
COMMENT ON FUNCTION jadugar_internal._installed() IS 'Starts the scheduler when CREATE EXTENSION commits.';
REVOKE ALL ON FUNCTION jadugar_internal._installed() FROM PUBLIC;

SELECT jadugar_internal._installed();
