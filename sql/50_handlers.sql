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
COMMENT ON FUNCTION jadugar.retry_policy IS 'a retry policy, for retry => of tasks, schedules and handlers';

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
COMMENT ON FUNCTION jadugar.register_handler IS 'give a function or procedure a name that tasks and schedules can use as their command';

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
COMMENT ON FUNCTION jadugar.register_sql_handler IS 'give SQL text a name that tasks and schedules can use as their command';

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
COMMENT ON FUNCTION jadugar.register_c_handler IS 'give a C function of a library a name that tasks and schedules can use as their command; superusers only';

CREATE FUNCTION jadugar.drop_handler(
	name			text,
	pending			text DEFAULT 'restrict'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_handler';
COMMENT ON FUNCTION jadugar.drop_handler IS 'forget a handler; pending => cancel cancels the tasks that use it';

CREATE FUNCTION jadugar.grant_handler(
	name			text,
	role			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_handler';
COMMENT ON FUNCTION jadugar.grant_handler IS 'let a role use a handler that is not its own';

CREATE FUNCTION jadugar.revoke_handler(
	name			text,
	role			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_handler';
COMMENT ON FUNCTION jadugar.revoke_handler IS 'take back what grant_handler() gave';
