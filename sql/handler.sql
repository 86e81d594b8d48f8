-- Commands and handlers: src/handler/.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.command_id_seq;
COMMENT ON SEQUENCE jadugar_internal.command_id_seq IS 'Ids of commands.';
CREATE TABLE jadugar_internal.command (
	command_id	bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.command_id_seq'),
	hash		bigint NOT NULL,
	kind		"char" NOT NULL CHECK (kind IN ('s', 'h', 'f')),
	standalone	boolean NOT NULL,
	text		text NOT NULL
);
CREATE INDEX command_hash ON jadugar_internal.command (hash);
COMMENT ON TABLE jadugar_internal.command IS
	'Command texts, shared by the tasks that run them. Kind s: SQL; h: name of a handler. The hash is not unique, so that two writers of one new text never wait for each other.';
COMMENT ON COLUMN jadugar_internal.command.hash IS
	'Hash of the text, seeded with kind and standalone.';
COMMENT ON COLUMN jadugar_internal.command.standalone IS
	'True if the command must run outside a transaction block.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.command', '');

CREATE TABLE jadugar_internal.handler (
	name		text PRIMARY KEY,
	kind		text NOT NULL CHECK (kind IN ('function', 'sql', 'c')),
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
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.handler IS
	'Named kinds of work. Functions and types are kept as text signatures, which survive pg_upgrade.';
COMMENT ON COLUMN jadugar_internal.handler.function IS
	'Signature of the function, if kind is function.';
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
	or_replace		boolean DEFAULT false
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
	or_replace		boolean DEFAULT false
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
