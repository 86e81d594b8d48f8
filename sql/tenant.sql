-- Tenants: src/tenant/. The view tenants counts tasks and history, so it is in
-- tenant_views.sql.

-- --------------------------------------------------------------------- tables

CREATE SEQUENCE jadugar_internal.tenant_id_seq AS integer;
COMMENT ON SEQUENCE jadugar_internal.tenant_id_seq IS 'Ids of tenants.';

CREATE TABLE jadugar_internal.tenant (
	tenant_id	integer PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.tenant_id_seq'),
	name		text NOT NULL UNIQUE,
	weight		integer NOT NULL DEFAULT 1 CHECK (weight > 0),
	max_concurrency integer CHECK (max_concurrency > 0),
	rate		integer CHECK (rate > 0),
	per			interval,
	burst		integer CHECK (burst > 0),
	max_priority integer,
	max_tasks	bigint CHECK (max_tasks > 0),
	enqueue_rate integer CHECK (enqueue_rate > 0),
	enqueue_per	interval,
	enqueue_burst integer CHECK (enqueue_burst > 0),
	history		text NOT NULL DEFAULT 'all' CHECK (history IN ('all', 'failures', 'none')),
	retention	interval CHECK (retention > '0'),
	max_history	bigint CHECK (max_history > 0),
	description	text,
	metadata	jsonb,
	owner		oid NOT NULL,
	paused_at	timestamptz,
	paused_by	name,
	pause_reason text,
	dropping	boolean NOT NULL DEFAULT false,
	created_at	timestamptz NOT NULL
);
COMMENT ON TABLE jadugar_internal.tenant IS
	'Tenants that were created, with their weight, limits and quotas. Other rows have the name, as a label that needs no row here.';
COMMENT ON COLUMN jadugar_internal.tenant.tenant_id IS
	'Its negative is the lane of the tenant''s tasks.';
COMMENT ON COLUMN jadugar_internal.tenant.per IS 'NULL means 1 second.';
COMMENT ON COLUMN jadugar_internal.tenant.burst IS 'NULL means a tenth of the rate, at least 1.';
COMMENT ON COLUMN jadugar_internal.tenant.dropping IS
	'Set by drop_tenant(), which deletes this row last.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.tenant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.tenant', '');

CREATE TABLE jadugar_internal.tenant_grant (
	tenant_id	integer NOT NULL,
	role		oid NOT NULL,
	level		text NOT NULL CHECK (level IN ('user', 'monitor')),
	PRIMARY KEY (tenant_id, role)
);
COMMENT ON TABLE jadugar_internal.tenant_grant IS
	'Roles that are confined to tenants, as granted by grant_tenant().';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.tenant_grant', '');

-- Views ask for the label of each of their rows, whoever reads them.
CREATE FUNCTION jadugar_internal._v_tenant_is_paused(label text) RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_tenant_is_paused';
COMMENT ON FUNCTION jadugar_internal._v_tenant_is_paused(text) IS
	'Tests whether a label is that of a tenant that is paused.';

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.create_tenant(
	name			text,
	weight			integer DEFAULT 1,
	max_concurrency	integer DEFAULT NULL,
	rate			integer DEFAULT NULL,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL,
	max_priority	integer DEFAULT NULL,
	max_tasks		bigint DEFAULT NULL,
	enqueue_rate	integer DEFAULT NULL,
	enqueue_per		interval DEFAULT NULL,
	enqueue_burst	integer DEFAULT NULL,
	history			text DEFAULT 'all',
	retention		interval DEFAULT NULL,
	max_history		bigint DEFAULT NULL,
	description		text DEFAULT NULL,
	metadata		jsonb DEFAULT NULL
) RETURNS integer
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_create_tenant';
COMMENT ON FUNCTION jadugar.create_tenant IS
	'Creates a tenant with its weight, limits and quotas, and returns its id.';

CREATE FUNCTION jadugar.alter_tenant(
	name			text,
	weight			integer DEFAULT NULL,
	max_concurrency	integer DEFAULT NULL,
	rate			integer DEFAULT NULL,
	per				interval DEFAULT NULL,
	burst			integer DEFAULT NULL,
	max_priority	integer DEFAULT NULL,
	max_tasks		bigint DEFAULT NULL,
	enqueue_rate	integer DEFAULT NULL,
	enqueue_per		interval DEFAULT NULL,
	enqueue_burst	integer DEFAULT NULL,
	history			text DEFAULT NULL,
	retention		interval DEFAULT NULL,
	max_history		bigint DEFAULT NULL,
	description		text DEFAULT NULL,
	metadata		jsonb DEFAULT NULL,
	reset			text[] DEFAULT NULL
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_alter_tenant';
COMMENT ON FUNCTION jadugar.alter_tenant IS
	'Changes the given options of a tenant. Options named in reset return to their defaults.';

CREATE FUNCTION jadugar.pause_tenant(name text, reason text DEFAULT NULL) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_pause_tenant';
COMMENT ON FUNCTION jadugar.pause_tenant IS
	'Pauses a tenant: no further tasks of it start, and its schedules do not fire. Running tasks continue.';

CREATE FUNCTION jadugar.resume_tenant(name text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_resume_tenant';
COMMENT ON FUNCTION jadugar.resume_tenant IS
	'Resumes a paused tenant. Missed occurrences are handled by the misfire policy of each schedule.';

CREATE FUNCTION jadugar.export_tenant(name text, kinds text[] DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_export_tenant';
COMMENT ON FUNCTION jadugar.export_tenant IS
	'Returns the options of a tenant, its schedules, unfinished tasks, history, logs, events and runs of flows, one object for each.';

CREATE FUNCTION jadugar.import_tenant(rows jsonb[], rename text DEFAULT NULL) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_import_tenant';
COMMENT ON FUNCTION jadugar.import_tenant IS
	'Makes a tenant, schedules and tasks from objects of export_tenant(), with new ids. Returns their number.';

CREATE PROCEDURE jadugar.drop_tenant(name text, INOUT removed bigint DEFAULT NULL)
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_tenant';
COMMENT ON PROCEDURE jadugar.drop_tenant IS
	'Drops a tenant with its tasks, schedules, runs, history and logs, in many transactions. Can be called again if it was interrupted.';
