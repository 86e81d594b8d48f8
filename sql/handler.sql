-- Handlers, retry policies: src/handler/handler_funcs.c, handler_admin_funcs.c,
-- retry_funcs.c

CREATE FUNCTION jadugar.retry_policy(
	max_attempts	integer DEFAULT NULL,
	backoff			text DEFAULT NULL,
	delay			interval DEFAULT NULL,
	max_delay		interval DEFAULT NULL,
	factor			double precision DEFAULT NULL,
	jitter			boolean DEFAULT NULL,
	retry_on		text[] DEFAULT NULL,
	discard_on		text[] DEFAULT NULL
) RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'jdg_retry_policy';
COMMENT ON FUNCTION jadugar.retry_policy IS
	'Returns a retry policy for the retry parameter of tasks, schedules and handlers.';

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
