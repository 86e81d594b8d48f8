-- Drafts, which are flows that one call per step builds:
-- src/flow/draft_funcs.c. The functions that add to a draft call the builders
-- of flow_graph.sql.

-- --------------------------------------------------------------------- tables

CREATE TABLE jadugar_internal.flow_draft (
	owner		oid NOT NULL,
	name		text NOT NULL,
	options		jsonb NOT NULL,
	created_at	timestamptz NOT NULL,
	PRIMARY KEY (owner, name)
);
COMMENT ON TABLE jadugar_internal.flow_draft IS
	'Flows under construction, from create_chain() and create_group().';
COMMENT ON COLUMN jadugar_internal.flow_draft.options IS 'Options of the outermost node.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft', '');

CREATE SEQUENCE jadugar_internal.flow_draft_pos_seq;
COMMENT ON SEQUENCE jadugar_internal.flow_draft_pos_seq IS 'Positions of steps in drafts.';
CREATE TABLE jadugar_internal.flow_draft_step (
	owner		oid NOT NULL,
	name		text NOT NULL,
	pos			bigint NOT NULL DEFAULT pg_catalog.nextval('jadugar_internal.flow_draft_pos_seq'),
	step		text NOT NULL,
	graph		jadugar.flow NOT NULL,
	PRIMARY KEY (owner, name, pos)
);
CREATE UNIQUE INDEX flow_draft_step_name ON jadugar_internal.flow_draft_step (owner, name, step);
COMMENT ON TABLE jadugar_internal.flow_draft_step IS 'Parts added to a draft, in order.';
COMMENT ON COLUMN jadugar_internal.flow_draft_step.pos IS 'Position among the steps of the draft.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft_pos_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.flow_draft_step', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.create_chain(
	name text, stop_on_failure boolean DEFAULT true,
	parallel boolean DEFAULT false, max_concurrency integer DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_create_chain';
COMMENT ON FUNCTION jadugar.create_chain(text, boolean, boolean, integer) IS
	'Creates a draft of a flow whose steps run one after the other, or at the same time.';

CREATE FUNCTION jadugar.create_group(
	name text, concurrency integer DEFAULT NULL,
	completion text DEFAULT 'all', n integer DEFAULT NULL,
	timeout interval DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_create_group';
COMMENT ON FUNCTION jadugar.create_group(text, integer, text, integer, interval) IS
	'Creates a draft of a flow whose steps run at the same time.';

CREATE FUNCTION jadugar.add_step(flow text, step jadugar.flow)
	RETURNS text
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_add_step';
COMMENT ON FUNCTION jadugar.add_step(text, jadugar.flow) IS
	'Adds a flow to a draft and returns its name in the draft.';

-- After the name of the draft, the next three functions take the parameters of
-- step(), parallel() and branch().

CREATE FUNCTION jadugar.add_step(
	flow text, name text, command text, payload jsonb DEFAULT NULL,
	compensate text DEFAULT NULL, on_failure text DEFAULT NULL,
	queue text DEFAULT NULL, priority integer DEFAULT NULL,
	timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	transaction text DEFAULT NULL, isolate boolean DEFAULT NULL,
	settings jsonb DEFAULT NULL, concurrency_key text DEFAULT NULL,
	metadata jsonb DEFAULT NULL, compensate_with jadugar.flow DEFAULT NULL,
	compensate_retry jsonb DEFAULT NULL, pivot boolean DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL, expect_rows text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql VOLATILE
	RETURN jadugar.add_step(flow, jadugar.step(
		name => name, command => command, payload => payload,
		compensate => compensate, on_failure => on_failure, queue => queue,
		priority => priority, timeout => timeout, retry => retry,
		transaction => transaction, isolate => isolate, settings => settings,
		concurrency_key => concurrency_key, metadata => metadata,
		compensate_with => compensate_with,
		compensate_retry => compensate_retry, pivot => pivot,
		after => after, "join" => "join", join_n => join_n,
		expect_rows => expect_rows));
COMMENT ON FUNCTION jadugar.add_step(text, text, text, jsonb, text, text, text, integer, interval, jsonb, text, boolean, jsonb, text, jsonb, jadugar.flow, jsonb, boolean, text[], text, integer, text) IS
	'Adds a step to a draft and returns its name.';

CREATE FUNCTION jadugar.add_parallel(
	flow text, steps jadugar.flow[], name text DEFAULT NULL,
	completion text DEFAULT NULL, n integer DEFAULT NULL,
	concurrency integer DEFAULT NULL, timeout interval DEFAULT NULL,
	rest text DEFAULT NULL, on_failure text DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS text
	LANGUAGE sql VOLATILE
	RETURN jadugar.add_step(flow, jadugar.parallel(
		steps => steps, completion => completion, n => n,
		concurrency => concurrency, timeout => timeout, rest => rest,
		name => name, on_failure => on_failure, after => after,
		"join" => "join", join_n => join_n));
COMMENT ON FUNCTION jadugar.add_parallel(text, jadugar.flow[], text, text, integer, integer, interval, text, text, text[], text, integer) IS
	'Adds parts that run at the same time to a draft and returns their name in the draft.';

CREATE FUNCTION jadugar.add_conditional(
	flow text, condition text, if_true jadugar.flow,
	if_false jadugar.flow DEFAULT NULL, name text DEFAULT NULL,
	on_failure text DEFAULT NULL, timeout interval DEFAULT NULL,
	after text[] DEFAULT NULL, "join" text DEFAULT NULL,
	join_n integer DEFAULT NULL)
	RETURNS text
	LANGUAGE sql VOLATILE
	RETURN jadugar.add_step(flow, jadugar.branch(
		condition => condition, if_true => if_true, if_false => if_false,
		name => name, on_failure => on_failure, timeout => timeout,
		after => after, "join" => "join", join_n => join_n));
COMMENT ON FUNCTION jadugar.add_conditional(text, text, jadugar.flow, jadugar.flow, text, text, interval, text[], text, integer) IS
	'Adds a branch to a draft and returns its name in the draft.';

CREATE FUNCTION jadugar.remove_step(flow text, name text)
	RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'jdg_remove_step';
COMMENT ON FUNCTION jadugar.remove_step(text, text) IS
	'Removes the part of that name from a draft.';
