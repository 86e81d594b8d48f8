-- Commands and handlers: src/handler/.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.command_id_seq;
COMMENT ON SEQUENCE jadugar_internal.command_id_seq IS 'Ids of commands.';
CREATE TABLE jadugar_internal.command (
	command_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.command_id_seq'),
	hash		bigint NOT NULL,
	kind		"char" NOT NULL CHECK (kind IN ('s', 'h', 'f', 'e', 'b', 'o')),
	standalone	boolean NOT NULL,
	unused_since timestamptz,
	text		text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
CREATE INDEX command_hash ON jadugar_internal.command (hash);
COMMENT ON TABLE jadugar_internal.command IS
	'Command texts, shared by the tasks that run them. Kind s: SQL; h: name of a handler. The hash is not unique, so that two writers of one new text never wait for each other.';
COMMENT ON COLUMN jadugar_internal.command.hash IS
	'Hash of the text, seeded with kind and standalone.';
COMMENT ON COLUMN jadugar_internal.command.standalone IS
	'True if the command must run outside a transaction block.';
COMMENT ON COLUMN jadugar_internal.command.unused_since IS
	'Instant since which only the history may refer to the command: src/handler/unused.c.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command', '');

CREATE TABLE jadugar_internal.handler (
	name		text PRIMARY KEY,
	kind		text NOT NULL CHECK (kind IN ('function', 'sql', 'c', 'http')),
	owner		oid NOT NULL,
	function	text,
	sql			text,
	library		text,
	symbol		text,
	payload_type text,
	validate	text,
	cleanup		text,
	on_error	text,
	version		text NOT NULL,
	queue_id	integer,
	priority	integer,
	timeout		interval,
	retry		jsonb,
	transaction	text,
	isolate		boolean,
	description	text,
	created_at	timestamptz NOT NULL,
	expect_rows	text,
	request		jsonb
);
COMMENT ON TABLE jadugar_internal.handler IS
	'Named kinds of work. Functions and types are kept as text signatures, which survive pg_upgrade.';
COMMENT ON COLUMN jadugar_internal.handler.function IS
	'Signature of the function, if kind is function.';
COMMENT ON COLUMN jadugar_internal.handler.request IS
	'Template of the requests, if kind is http: src/request/template.h.';
COMMENT ON COLUMN jadugar_internal.handler.validate IS
	'Signature of the function that checks payloads, or NULL.';
COMMENT ON COLUMN jadugar_internal.handler.cleanup IS
	'Signature of the function that runs as a task when a task has finished, or NULL.';
COMMENT ON COLUMN jadugar_internal.handler.on_error IS
	'Signature of the function that runs as a task when a task has failed, or NULL.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.handler', '');

CREATE TABLE jadugar_internal.handler_grant (
	handler		text NOT NULL,
	role		oid NOT NULL,
	PRIMARY KEY (handler, role)
);
COMMENT ON TABLE jadugar_internal.handler_grant IS
	'Roles that may use a handler owned by another role, as granted by grant_handler().';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.handler_grant', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.register_handler(
	name			text,
	function		text,
	payload_type	text DEFAULT NULL,
	validate		text DEFAULT NULL,
	cleanup			text DEFAULT NULL,
	on_error		text DEFAULT NULL,
	version			text DEFAULT '1.0.0',
	queue			text DEFAULT NULL,
	priority		integer DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	transaction		text DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	description		text DEFAULT NULL,
	or_replace		boolean DEFAULT false,
	expect_rows		text DEFAULT NULL
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_handler';
COMMENT ON FUNCTION jadugar.register_handler IS
	'Registers a function or procedure as a handler, which tasks and schedules can use as their command.';

CREATE FUNCTION jadugar.register_sql_handler(
	name			text,
	sql				text,
	payload_type	text DEFAULT NULL,
	validate		text DEFAULT NULL,
	cleanup			text DEFAULT NULL,
	on_error		text DEFAULT NULL,
	version			text DEFAULT '1.0.0',
	queue			text DEFAULT NULL,
	priority		integer DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	transaction		text DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	description		text DEFAULT NULL,
	or_replace		boolean DEFAULT false,
	expect_rows		text DEFAULT NULL
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_sql_handler';
COMMENT ON FUNCTION jadugar.register_sql_handler IS
	'Registers SQL text as a handler, which tasks and schedules can use as their command.';

CREATE FUNCTION jadugar.register_c_handler(
	name			text,
	library			text,
	symbol			text,
	payload_type	text DEFAULT NULL,
	validate		text DEFAULT NULL,
	cleanup			text DEFAULT NULL,
	on_error		text DEFAULT NULL,
	version			text DEFAULT '1.0.0',
	queue			text DEFAULT NULL,
	priority		integer DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	transaction		text DEFAULT NULL,
	isolate			boolean DEFAULT NULL,
	description		text DEFAULT NULL,
	or_replace		boolean DEFAULT false
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_c_handler';
COMMENT ON FUNCTION jadugar.register_c_handler IS
	'Registers a C function of a library as a handler, which tasks and schedules can use as their command. For superusers only.';

CREATE FUNCTION jadugar.register_http_handler(
	name			text,
	endpoint		text,
	path			text,
	method			text DEFAULT 'POST',
	query			jsonb DEFAULT NULL,
	headers			jsonb DEFAULT NULL,
	body			text DEFAULT NULL,
	payload_type	text DEFAULT NULL,
	validate		text DEFAULT NULL,
	cleanup			text DEFAULT NULL,
	on_error		text DEFAULT NULL,
	version			text DEFAULT '1.0.0',
	queue			text DEFAULT NULL,
	timeout			interval DEFAULT NULL,
	retry			jsonb DEFAULT NULL,
	expect			text[] DEFAULT NULL,
	description		text DEFAULT NULL,
	or_replace		boolean DEFAULT false
) RETURNS text
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_register_http_handler';
COMMENT ON FUNCTION jadugar.register_http_handler IS
	'Registers a request to an endpoint as a handler, which tasks and schedules can use as their command.';

CREATE FUNCTION jadugar.drop_handler(
	name			text,
	pending			text DEFAULT 'restrict'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_handler';
COMMENT ON FUNCTION jadugar.drop_handler IS
	'Drops a handler. With pending set to cancel, also cancels the tasks that use it.';

CREATE FUNCTION jadugar.grant_handler(
	name			text,
	role			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_handler';
COMMENT ON FUNCTION jadugar.grant_handler IS 'Allows a role to use a handler that it does not own.';

CREATE FUNCTION jadugar.revoke_handler(
	name			text,
	role			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_handler';
COMMENT ON FUNCTION jadugar.revoke_handler IS
	'Revokes the right to use a handler, granted by grant_handler().';

-- ---------------------------------------------------------------------- views

-- The reader sees its own handlers and those that it may use: see is_usable()
-- in src/handler/handler.c.
CREATE VIEW jadugar.handlers WITH (security_barrier) AS
SELECT h.name,
	h.kind,
	h.function,
	h.payload_type,
	h.version,
	COALESCE(a.rolname, h.owner::text::name) AS owner,
	q.name AS queue,
	h.priority,
	h.timeout,
	h.transaction,
	h.isolate,
	h.expect_rows,
	h.validate,
	h.cleanup,
	h.on_error,
	h.library,
	h.symbol,
	h.request,
	h.created_at,
	h.retry,
	h.description,
	h.sql
FROM jadugar_internal.handler h
	LEFT JOIN jadugar_internal.queue q ON q.queue_id = h.queue_id
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = h.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(h.owner)
	OR (SELECT jadugar_internal._v_has_access())
		AND (h.kind <> 'c'
			AND (a.rolsuper
				OR h.owner = (SELECT e.extowner FROM pg_catalog.pg_extension e
					WHERE e.extname = 'jadugar'))
			OR EXISTS (SELECT FROM jadugar_internal.handler_grant g
				WHERE g.handler = h.name AND jadugar_internal._v_owns(g.role)));
COMMENT ON VIEW jadugar.handlers IS
	'Handlers of the reader, and those that it may use, one row each.';
COMMENT ON COLUMN jadugar.handlers.name IS 'Name of the handler.';
COMMENT ON COLUMN jadugar.handlers.kind IS 'Kind of handler: function, sql, c or http.';
COMMENT ON COLUMN jadugar.handlers.function IS 'Signature of its function or procedure, or NULL.';
COMMENT ON COLUMN jadugar.handlers.payload_type IS
	'Type against which payloads are checked, or NULL.';
COMMENT ON COLUMN jadugar.handlers.version IS 'Version given at registration.';
COMMENT ON COLUMN jadugar.handlers.owner IS 'Role that registered it.';
COMMENT ON COLUMN jadugar.handlers.queue IS 'Default queue of its tasks, or NULL.';
COMMENT ON COLUMN jadugar.handlers.priority IS 'Default priority of its tasks, or NULL.';
COMMENT ON COLUMN jadugar.handlers.timeout IS 'Default timeout of its tasks, or NULL.';
COMMENT ON COLUMN jadugar.handlers.transaction IS 'Default transaction mode of its tasks, or NULL.';
COMMENT ON COLUMN jadugar.handlers.isolate IS
	'True if each of its tasks has a transaction of its own by default; or NULL.';
COMMENT ON COLUMN jadugar.handlers.expect_rows IS
	'Rows that its tasks are to return or change by default: any, some or one; or NULL.';
COMMENT ON COLUMN jadugar.handlers.validate IS
	'Signature of the function that checks payloads, or NULL.';
COMMENT ON COLUMN jadugar.handlers.cleanup IS
	'Signature of the function that runs when a task has ended, or NULL.';
COMMENT ON COLUMN jadugar.handlers.on_error IS
	'Signature of the function that runs when a task has failed for good, or NULL.';
COMMENT ON COLUMN jadugar.handlers.library IS 'Library of a C handler, or NULL.';
COMMENT ON COLUMN jadugar.handlers.symbol IS 'Symbol of a C handler in the library, or NULL.';
COMMENT ON COLUMN jadugar.handlers.request IS
	'Request of an HTTP handler, with {field} for fields of the payload, or NULL.';
COMMENT ON COLUMN jadugar.handlers.created_at IS 'Instant of its registration.';
COMMENT ON COLUMN jadugar.handlers.retry IS 'Default retry policy of its tasks, or NULL.';
COMMENT ON COLUMN jadugar.handlers.description IS 'Description given at registration, or NULL.';
COMMENT ON COLUMN jadugar.handlers.sql IS 'Text of an SQL handler, or NULL.';

CREATE VIEW jadugar.handler_grants WITH (security_barrier) AS
SELECT g.handler,
	COALESCE(r.rolname, g.role::text::name) AS role,
	COALESCE(a.rolname, h.owner::text::name) AS owner
FROM jadugar_internal.handler_grant g
	JOIN jadugar_internal.handler h ON h.name = g.handler
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.role
	LEFT JOIN pg_catalog.pg_roles a ON a.oid = h.owner
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(h.owner)
	OR jadugar_internal._v_owns(g.role);
COMMENT ON VIEW jadugar.handler_grants IS
	'Roles that may use a handler that they do not own, as granted by grant_handler().';
COMMENT ON COLUMN jadugar.handler_grants.handler IS 'Name of the handler.';
COMMENT ON COLUMN jadugar.handler_grants.role IS 'Role that may use the handler.';
COMMENT ON COLUMN jadugar.handler_grants.owner IS 'Role that owns the handler.';
