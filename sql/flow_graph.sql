-- The type jadugar.flow, and the functions and operators that build its
-- values: src/flow/graph/.

-- ----------------------------------------------------------------------- type

CREATE TYPE jadugar.flow;

CREATE FUNCTION jadugar_internal.flow_in(cstring)
	RETURNS jadugar.flow
	AS 'MODULE_PATHNAME', 'jdg_flow_in'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_in(cstring) IS 'Input function of type flow.';

CREATE FUNCTION jadugar_internal.flow_out(jadugar.flow)
	RETURNS cstring
	AS 'MODULE_PATHNAME', 'jdg_flow_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_out(jadugar.flow) IS 'Output function of type flow.';

CREATE FUNCTION jadugar_internal.flow_recv(internal)
	RETURNS jadugar.flow
	AS 'MODULE_PATHNAME', 'jdg_flow_recv'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_recv(internal) IS 'Binary input function of type flow.';

CREATE FUNCTION jadugar_internal.flow_send(jadugar.flow)
	RETURNS bytea
	AS 'MODULE_PATHNAME', 'jdg_flow_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_send(jadugar.flow) IS 'Binary output function of type flow.';

CREATE TYPE jadugar.flow (
	INPUT = jadugar_internal.flow_in,
	OUTPUT = jadugar_internal.flow_out,
	RECEIVE = jadugar_internal.flow_recv,
	SEND = jadugar_internal.flow_send,
	LIKE = pg_catalog.jsonb
);
COMMENT ON TYPE jadugar.flow IS 'A graph of steps, or a part of one.';

CREATE FUNCTION jadugar_internal.flow_eq(jadugar.flow, jadugar.flow)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'jdg_flow_eq'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_eq(jadugar.flow, jadugar.flow) IS
	'Implementation of the = operator.';

CREATE FUNCTION jadugar_internal.flow_ne(jadugar.flow, jadugar.flow)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'jdg_flow_ne'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_ne(jadugar.flow, jadugar.flow) IS
	'Implementation of the <> operator.';

CREATE OPERATOR jadugar.= (
	LEFTARG = jadugar.flow,
	RIGHTARG = jadugar.flow,
	FUNCTION = jadugar_internal.flow_eq,
	COMMUTATOR = OPERATOR(jadugar.=),
	NEGATOR = OPERATOR(jadugar.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel
);
COMMENT ON OPERATOR jadugar.= (jadugar.flow, jadugar.flow) IS 'Equal.';

CREATE OPERATOR jadugar.<> (
	LEFTARG = jadugar.flow,
	RIGHTARG = jadugar.flow,
	FUNCTION = jadugar_internal.flow_ne,
	COMMUTATOR = OPERATOR(jadugar.<>),
	NEGATOR = OPERATOR(jadugar.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR jadugar.<> (jadugar.flow, jadugar.flow) IS 'Not equal.';

CREATE FUNCTION jadugar_internal.flow_from_jsonb(jsonb)
	RETURNS jadugar.flow
	AS 'MODULE_PATHNAME', 'jdg_flow_from_jsonb'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION jadugar_internal.flow_from_jsonb(jsonb) IS
	'Converts jsonb to a flow after checking that it is one.';

CREATE CAST (jsonb AS jadugar.flow)
	WITH FUNCTION jadugar_internal.flow_from_jsonb(jsonb);
COMMENT ON CAST (jsonb AS jadugar.flow) IS 'Checks that the value is a flow.';

CREATE CAST (jadugar.flow AS jsonb) WITHOUT FUNCTION;
COMMENT ON CAST (jadugar.flow AS jsonb) IS 'Returns the same value as jsonb.';

-- ---------------------------------------------------------------------- nodes

-- None of these functions is strict: for a missing argument, each raises an
-- error that names it.

CREATE FUNCTION jadugar.step(
	name text, command text, payload jsonb DEFAULT NULL,
	compensate text DEFAULT NULL, on_failure text DEFAULT NULL,
	queue text DEFAULT NULL, priority integer DEFAULT NULL,
	timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	transaction text DEFAULT NULL, isolate boolean DEFAULT NULL,
	settings jsonb DEFAULT NULL, concurrency_key text DEFAULT NULL,
	metadata jsonb DEFAULT NULL, compensate_with jadugar.flow DEFAULT NULL,
	compensate_retry jsonb DEFAULT NULL, pivot boolean DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL, expect_rows text DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_flow_step';
COMMENT ON FUNCTION jadugar.step(text, text, jsonb, text, text, text, integer, interval, jsonb, text, boolean, jsonb, text, jsonb, jadugar.flow, jsonb, boolean, text[], text, integer, text) IS
	'Returns a flow of one step, which runs as a task. Checks the command at once.';

CREATE FUNCTION jadugar.chain(
	steps jadugar.flow[], name text DEFAULT NULL, on_failure text DEFAULT NULL,
	timeout interval DEFAULT NULL, after text[] DEFAULT NULL,
	"join" text DEFAULT NULL, join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_chain';
COMMENT ON FUNCTION jadugar.chain(jadugar.flow[], text, text, interval, text[], text, integer) IS
	'Returns a flow whose parts run one after the other.';

CREATE FUNCTION jadugar.parallel(
	steps jadugar.flow[], completion text DEFAULT NULL, n integer DEFAULT NULL,
	concurrency integer DEFAULT NULL, timeout interval DEFAULT NULL,
	rest text DEFAULT NULL, name text DEFAULT NULL,
	on_failure text DEFAULT NULL, after text[] DEFAULT NULL,
	"join" text DEFAULT NULL, join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_parallel';
COMMENT ON FUNCTION jadugar.parallel(jadugar.flow[], text, integer, integer, interval, text, text, text, text[], text, integer) IS
	'Returns a flow whose parts run at the same time. The completion rule says when it ends and with which status.';

CREATE FUNCTION jadugar.race(
	steps jadugar.flow[], timeout interval DEFAULT NULL, rest text DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_race';
COMMENT ON FUNCTION jadugar.race(jadugar.flow[], interval, text, text, text, text[], text, integer) IS
	'Returns a flow whose parts run at the same time until the first one succeeds.';

CREATE FUNCTION jadugar.branch(
	condition text, if_true jadugar.flow, if_false jadugar.flow DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	timeout interval DEFAULT NULL, after text[] DEFAULT NULL,
	"join" text DEFAULT NULL, join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_branch';
COMMENT ON FUNCTION jadugar.branch(text, jadugar.flow, jadugar.flow, text, text, interval, text[], text, integer) IS
	'Returns a flow that runs one of two parts, depending on a condition.';

CREATE FUNCTION jadugar.each(
	items text, body jadugar.flow, concurrency integer DEFAULT NULL,
	completion text DEFAULT NULL, n integer DEFAULT NULL,
	rest text DEFAULT NULL, timeout interval DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_each';
COMMENT ON FUNCTION jadugar.each(text, jadugar.flow, integer, text, integer, text, interval, text, text, text[], text, integer) IS
	'Returns a flow that runs its body once for each item.';

CREATE FUNCTION jadugar.loop(
	body jadugar.flow, while text, max integer DEFAULT NULL,
	delay interval DEFAULT NULL, timeout interval DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_loop';
COMMENT ON FUNCTION jadugar.loop(jadugar.flow, text, integer, interval, interval, text, text, text[], text, integer) IS
	'Returns a flow that repeats its body. Evaluates the condition after each pass.';

CREATE FUNCTION jadugar.sleep(
	duration interval, name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_sleep';
COMMENT ON FUNCTION jadugar.sleep(interval, text, text, text[], text, integer) IS
	'Returns a flow that waits for a duration. Does not wait itself.';

CREATE FUNCTION jadugar.sleep_until(
	until text, name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_sleep_until';
COMMENT ON FUNCTION jadugar.sleep_until(text, text, text, text[], text, integer) IS
	'Returns a flow that waits until an instant. Does not wait itself.';

CREATE FUNCTION jadugar.wait_event(
	event text, filter jsonb DEFAULT NULL, timeout interval DEFAULT NULL,
	on_timeout text DEFAULT NULL, name text DEFAULT NULL,
	on_failure text DEFAULT NULL, after text[] DEFAULT NULL,
	"join" text DEFAULT NULL, join_n integer DEFAULT NULL,
	key text DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_wait_event';
COMMENT ON FUNCTION jadugar.wait_event(text, jsonb, interval, text, text, text, text[], text, integer, text) IS
	'Returns a flow that waits for an event.';

CREATE FUNCTION jadugar.wait_signal(
	signal text, timeout interval DEFAULT NULL, on_timeout text DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_wait_signal';
COMMENT ON FUNCTION jadugar.wait_signal(text, interval, text, text, text, text[], text, integer) IS
	'Returns a flow that waits for a signal to its run.';

CREATE FUNCTION jadugar.approval(
	name text, approvers text DEFAULT NULL, message text DEFAULT NULL,
	timeout interval DEFAULT NULL, on_timeout text DEFAULT NULL,
	on_failure text DEFAULT NULL, after text[] DEFAULT NULL,
	"join" text DEFAULT NULL, join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_approval';
COMMENT ON FUNCTION jadugar.approval(text, text, text, interval, text, text, text[], text, integer) IS
	'Returns a flow that waits until a role approves or rejects.';

CREATE FUNCTION jadugar.sub_flow(
	flow text, payload jsonb DEFAULT NULL, version integer DEFAULT NULL,
	name text DEFAULT NULL, on_failure text DEFAULT NULL,
	timeout interval DEFAULT NULL, compensate text DEFAULT NULL,
	compensate_with jadugar.flow DEFAULT NULL,
	compensate_retry jsonb DEFAULT NULL, pivot boolean DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS jadugar.flow
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_flow_sub_flow';
COMMENT ON FUNCTION jadugar.sub_flow(text, jsonb, integer, text, text, interval, text, jadugar.flow, jsonb, boolean, text[], text, integer) IS
	'Returns a flow that starts a run of another flow and waits for it.';

-- ------------------------------------------------------------------ operators

-- All operators have the same precedence. src/flow/graph/mixing.c rejects an
-- expression that mixes them without parentheses.

CREATE FUNCTION jadugar_internal.flow_then(jadugar.flow, jadugar.flow)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_then';
COMMENT ON FUNCTION jadugar_internal.flow_then(jadugar.flow, jadugar.flow) IS
	'Implementation of the ~> operator.';

CREATE OPERATOR jadugar.~> (
	LEFTARG = jadugar.flow,
	RIGHTARG = jadugar.flow,
	FUNCTION = jadugar_internal.flow_then
);
COMMENT ON OPERATOR jadugar.~> (jadugar.flow, jadugar.flow) IS
	'Runs the left part, then the right part.';

CREATE FUNCTION jadugar_internal.flow_and(jadugar.flow, jadugar.flow)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_and';
COMMENT ON FUNCTION jadugar_internal.flow_and(jadugar.flow, jadugar.flow) IS
	'Implementation of the & operator.';

CREATE OPERATOR jadugar.& (
	LEFTARG = jadugar.flow,
	RIGHTARG = jadugar.flow,
	FUNCTION = jadugar_internal.flow_and
);
COMMENT ON OPERATOR jadugar.& (jadugar.flow, jadugar.flow) IS 'Runs both parts at the same time.';

CREATE FUNCTION jadugar_internal.flow_or(jadugar.flow, jadugar.flow)
	RETURNS jadugar.flow
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'jdg_flow_or';
COMMENT ON FUNCTION jadugar_internal.flow_or(jadugar.flow, jadugar.flow) IS
	'Implementation of the | operator.';

CREATE OPERATOR jadugar.| (
	LEFTARG = jadugar.flow,
	RIGHTARG = jadugar.flow,
	FUNCTION = jadugar_internal.flow_or
);
COMMENT ON OPERATOR jadugar.| (jadugar.flow, jadugar.flow) IS
	'Runs both parts at the same time until the first one succeeds.';
