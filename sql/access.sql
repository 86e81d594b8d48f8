-- Access levels, owners, the identity of the database, and functions that
-- pause all work: src/access/.

-- ------------------------------------------------------------------- identity

-- Logical replication copies rows of tables, but no sequences: with the value of
-- this one, a row of "here" that came from another database is recognized, even
-- if both databases have the same OID.
CREATE SEQUENCE jadugar_internal.here_mark;
COMMENT ON SEQUENCE jadugar_internal.here_mark IS 'Its value is that of here.mark.';

CREATE TABLE jadugar_internal.here (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	id			uuid NOT NULL,
	database	oid NOT NULL,
	mark		bigint NOT NULL,
	forgotten	bigint NOT NULL DEFAULT 0,
	command_floor bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE jadugar_internal.here IS
	'Identity of the database in which this copy of jadugar lives. Never dumped.';
COMMENT ON COLUMN jadugar_internal.here.database IS
	'OID that the database had when the extension was created.';
COMMENT ON COLUMN jadugar_internal.here.mark IS
	'Value of the sequence here_mark; a row with another value was copied.';
COMMENT ON COLUMN jadugar_internal.here.forgotten IS
	'Highest task_id of which a failure may have been deleted: src/task/outcome.c.';
COMMENT ON COLUMN jadugar_internal.here.command_floor IS
	'Lowest id of a command that a lookup by text may find: src/handler/unused.c.';

INSERT INTO jadugar_internal.here (id, database, mark)
SELECT pg_catalog.gen_random_uuid(), d.oid,
	pg_catalog.setval('jadugar_internal.here_mark', 1 + (pg_catalog.random() * 4e18)::bigint)
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database();

CREATE TABLE jadugar_internal.origin (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	id			uuid NOT NULL
);
COMMENT ON TABLE jadugar_internal.origin IS
	'Identity of the database to which the rows of jadugar belong. Dumped. Work runs only where it equals jadugar_internal.here.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.origin', '');

-- ---------------------------------------------------------------------- roles

CREATE TABLE jadugar_internal.owner (
	role		oid PRIMARY KEY,
	name		name NOT NULL,
	gone_since	timestamptz
);
COMMENT ON TABLE jadugar_internal.owner IS
	'Name of every role that owns an object of jadugar, so that adopt() can map owners by name.';
COMMENT ON COLUMN jadugar_internal.owner.role IS
	'OID of the role in the cluster where the row was written.';
COMMENT ON COLUMN jadugar_internal.owner.gone_since IS
	'Set if the role was dropped, and if only the history and the logs until then have its OID.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.owner', '');

CREATE TABLE jadugar_internal.access (
	role		oid PRIMARY KEY,
	level		text NOT NULL CHECK (level IN ('user', 'operator', 'monitor'))
);
COMMENT ON TABLE jadugar_internal.access IS 'Access levels granted by grant_access().';
COMMENT ON COLUMN jadugar_internal.access.role IS
	'OID of the role in the cluster where the row was written.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.access', '');

CREATE FUNCTION jadugar_internal._v_is_operator() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_is_operator';
COMMENT ON FUNCTION jadugar_internal._v_is_operator() IS 'Tests whether the caller has the level operator.';

CREATE FUNCTION jadugar_internal._v_is_monitor() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_is_monitor';
COMMENT ON FUNCTION jadugar_internal._v_is_monitor() IS
	'Tests whether the caller has the level monitor or operator.';

CREATE FUNCTION jadugar_internal._v_has_access() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_has_access';
COMMENT ON FUNCTION jadugar_internal._v_has_access() IS
	'Tests whether the caller has access at any level.';

CREATE FUNCTION jadugar_internal._v_owns(owner oid) RETURNS boolean
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_owns';
COMMENT ON FUNCTION jadugar_internal._v_owns(oid) IS
	'Tests whether the caller has access, and the rights of the owner. Returns false for a stored OID that means another role in this database.';

CREATE FUNCTION jadugar_internal._v_is_confined() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_is_confined';
COMMENT ON FUNCTION jadugar_internal._v_is_confined() IS
	'Tests whether the caller is confined to tenants. Such a caller is neither operator nor monitor.';

CREATE FUNCTION jadugar_internal._v_sees(owner oid, tenant text) RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_sees';
COMMENT ON FUNCTION jadugar_internal._v_sees(oid, text) IS
	'Tests for a row with the label of a tenant what _v_owns() tests. For a caller who is confined: whether the tenant is one of its own, whoever owns the row.';

CREATE FUNCTION jadugar_internal._v_reads(owner oid, tenant text) RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_reads';
COMMENT ON FUNCTION jadugar_internal._v_reads(oid, text) IS
	'Tests the same for the contents of the row: a caller who is confined must be a user of the tenant.';

CREATE FUNCTION jadugar_internal._v_may_read(function text) RETURNS boolean
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_may_read';
COMMENT ON FUNCTION jadugar_internal._v_may_read(text) IS
	'Raises UNAUTHORIZED unless the caller has access at any level. For SQL functions.';

CREATE FUNCTION jadugar_internal._v_may_change(function text) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'jdg_v_may_change';
COMMENT ON FUNCTION jadugar_internal._v_may_change(text) IS
	'Raises an error unless the caller has the level user, in a transaction that is not read-only. For SQL functions.';

CREATE FUNCTION jadugar_internal._guard() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_guard';
COMMENT ON FUNCTION jadugar_internal._guard() IS
	'Trigger function of all tables. Refuses changes by statements that are not of jadugar.';

CREATE FUNCTION jadugar.grant_access(
	role			text,
	level			text DEFAULT 'user'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_access';
COMMENT ON FUNCTION jadugar.grant_access IS
	'Allows a role to use jadugar as user, operator or monitor.';

CREATE FUNCTION jadugar.revoke_access(role text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_access';
COMMENT ON FUNCTION jadugar.revoke_access IS
	'Revokes the access of a role, granted by grant_access().';

CREATE FUNCTION jadugar.reassign_owned(
	old_owner text, new_owner text,
	kinds text[] DEFAULT NULL, dry_run boolean DEFAULT false,
	OUT kind text, OUT name text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_reassign_owned';
COMMENT ON FUNCTION jadugar.reassign_owned(text, text, text[], boolean) IS
	'Gives the schedules, tasks and other objects of one role to another role. Returns each object, with the problem if it stays.';

CREATE FUNCTION jadugar.drop_owned(
	owner text, kinds text[] DEFAULT NULL,
	OUT kind text, OUT name text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_drop_owned';
COMMENT ON FUNCTION jadugar.drop_owned(text, text[]) IS
	'Drops the schedules and other objects of a role, and cancels its tasks. Returns each object, with the problem if it stays.';

CREATE VIEW jadugar.access_levels WITH (security_barrier) AS
SELECT COALESCE(a.rolname, x.role::text::name) AS role,
	x.level
FROM jadugar_internal.access x
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = x.role
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(x.role);
COMMENT ON VIEW jadugar.access_levels IS
	'Levels granted by grant_access(), one row for each role. Members of the role have the level, too.';
COMMENT ON COLUMN jadugar.access_levels.role IS 'Role that has the level.';
COMMENT ON COLUMN jadugar.access_levels.level IS 'Level: user, operator or monitor.';

-- ---------------------------------------------------------------------- audit

CREATE TABLE jadugar_internal.audit (
	audit_id	bigint GENERATED BY DEFAULT AS IDENTITY,
	at			timestamptz NOT NULL,
	role		oid,
	owner		oid,
	role_name	name NOT NULL,
	session_role name NOT NULL,
	owner_name	name,
	address		inet,
	application	text,
	function	text NOT NULL,
	what		text NOT NULL,
	detail		text,
	reason		text,
	PRIMARY KEY (at, audit_id)
);
COMMENT ON TABLE jadugar_internal.audit IS
	'Calls that changed definitions, access, or work of other roles: src/access/audit.c.';
COMMENT ON SEQUENCE jadugar_internal.audit_audit_id_seq IS 'Ids of rows of audit.';
COMMENT ON COLUMN jadugar_internal.audit.role IS
	'OID of the role that called, for the question who sees the row; NULL if it cannot be mapped.';
COMMENT ON COLUMN jadugar_internal.audit.owner IS
	'The same of the role whose thing was changed.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.audit_audit_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.audit', '');

CREATE VIEW jadugar.audit WITH (security_barrier) AS
SELECT t.audit_id,
	t.at,
	t.role_name AS role,
	t.session_role,
	CASE WHEN (SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_owns(t.role)
		THEN t.application END AS application,
	CASE WHEN (SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_owns(t.role)
		THEN t.address END AS address,
	t.function,
	t.what,
	t.owner_name AS owner,
	t.detail,
	t.reason
FROM jadugar_internal.audit t
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(t.role)
	OR jadugar_internal._v_owns(t.owner) AND NOT (SELECT jadugar_internal._v_is_confined());
COMMENT ON VIEW jadugar.audit IS
	'Calls that changed definitions, access, or work of other roles, one row for each.';
COMMENT ON COLUMN jadugar.audit.audit_id IS 'Number of the row.';
COMMENT ON COLUMN jadugar.audit.at IS 'Instant of the call.';
COMMENT ON COLUMN jadugar.audit.role IS 'Role that called, the current_user, by its name then.';
COMMENT ON COLUMN jadugar.audit.session_role IS 'The session_user of the call, by its name then.';
COMMENT ON COLUMN jadugar.audit.application IS
	'Setting application_name of the session; NULL to users for calls of other roles.';
COMMENT ON COLUMN jadugar.audit.address IS
	'IP address of the client; NULL for Unix sockets and for tasks, and to users for calls of other roles.';
COMMENT ON COLUMN jadugar.audit.function IS 'Function that was called.';
COMMENT ON COLUMN jadugar.audit.what IS 'Kind and name or id of the thing that was changed.';
COMMENT ON COLUMN jadugar.audit.owner IS
	'Role that the thing belongs to, by its name then; NULL if it belongs to none.';
COMMENT ON COLUMN jadugar.audit.detail IS
	'For example the privilege and the role of a grant, or the number of tasks; or NULL.';
COMMENT ON COLUMN jadugar.audit.reason IS 'Reason that the caller gave, or NULL.';

-- -------------------------------------------------------------------- control

CREATE TABLE jadugar_internal.control (
	singleton	boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	paused_at	timestamptz,
	paused_until timestamptz,
	paused_by	name,
	pause_reason text
);
COMMENT ON TABLE jadugar_internal.control IS 'State of pause_all() and resume_all(), in one row.';

INSERT INTO jadugar_internal.control DEFAULT VALUES;

-- The column is NULL if tasks may start. Each of the three tables has one row;
-- the LIMIT 1 makes the planner expect one.
CREATE VIEW jadugar_internal._hold WITH (security_barrier) AS
SELECT CASE
		WHEN h.id IS NULL OR o.id <> h.id OR h.database <> d.oid
				OR h.mark <> m.last_value
			THEN 'not_adopted'
		WHEN NOT v.preloaded OR NOT v.enabled THEN 'disabled'
		WHEN c.paused_at IS NOT NULL
			AND (c.paused_until IS NULL OR c.paused_until > jadugar_internal._v_now())
			THEN 'paused'
	END AS reason
FROM pg_catalog.pg_database d
	CROSS JOIN jadugar_internal._v_health() v
	LEFT JOIN (SELECT x.* FROM jadugar_internal.here x LIMIT 1) h ON true
	CROSS JOIN jadugar_internal.here_mark m
	LEFT JOIN (SELECT x.* FROM jadugar_internal.origin x LIMIT 1) o ON true
	LEFT JOIN (SELECT x.* FROM jadugar_internal.control x LIMIT 1) c ON true
WHERE d.datname = pg_catalog.current_database();
COMMENT ON VIEW jadugar_internal._hold IS 'Reasons why no task starts in this database.';

CREATE FUNCTION jadugar.pause_all(reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_pause_all';
COMMENT ON FUNCTION jadugar.pause_all(text, timestamptz) IS
	'Pauses all work in this database: no schedule fires and no task starts until resume_all() is called.';

CREATE FUNCTION jadugar.resume_all()
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_resume_all';
COMMENT ON FUNCTION jadugar.resume_all() IS
	'Resumes all work in this database. Missed occurrences are handled by the misfire policy of each schedule.';

CREATE PROCEDURE jadugar.drain(
	queue text DEFAULT NULL, timeout interval DEFAULT NULL,
	INOUT remaining integer DEFAULT NULL)
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'jdg_drain';
COMMENT ON PROCEDURE jadugar.drain(text, interval, integer) IS
	'Pauses one queue or all work, and waits until no worker holds a task of it.';

CREATE FUNCTION jadugar.adopt(
	missed text DEFAULT 'policy', pending text DEFAULT 'run',
	OUT owner text, OUT problem text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_adopt';
COMMENT ON FUNCTION jadugar.adopt(text, text) IS
	'Enables work in a restored or copied database. Returns the owners that do not exist in it, and those whose names do not agree.';
