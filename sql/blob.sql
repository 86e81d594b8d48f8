-- Blobs: bytes that roles keep for a time: src/blob/.

-- ---------------------------------------------------------------------- table

CREATE SEQUENCE jadugar_internal.blob_id_seq;
COMMENT ON SEQUENCE jadugar_internal.blob_id_seq IS 'Ids of blobs.';

-- The data is out of line from 128 bytes on, so that rows are read without it.
CREATE TABLE jadugar_internal.blob (
	blob_id		bigint PRIMARY KEY DEFAULT pg_catalog.nextval('jadugar_internal.blob_id_seq'),
	owner		oid NOT NULL,
	tenant		text,
	type		text,
	size		bigint NOT NULL,
	created_at	timestamptz NOT NULL,
	expires_at	timestamptz NOT NULL,
	data		bytea NOT NULL
) WITH (toast_tuple_target = 128);
ALTER TABLE jadugar_internal.blob ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX blob_owner ON jadugar_internal.blob (owner, blob_id);
CREATE INDEX blob_tenant ON jadugar_internal.blob (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX blob_expires_at ON jadugar_internal.blob (expires_at);
COMMENT ON TABLE jadugar_internal.blob IS
	'Blobs, as made by put_blob() and by tasks whose result is a blob.';
COMMENT ON COLUMN jadugar_internal.blob.tenant IS 'Tenant of the call or the task that has made it.';
COMMENT ON COLUMN jadugar_internal.blob.type IS 'Media type, or NULL.';
COMMENT ON COLUMN jadugar_internal.blob.size IS
	'Number of bytes, for which the row counts against jadugar.max_blob_total.';
COMMENT ON COLUMN jadugar_internal.blob.expires_at IS
	'Instant from which it cannot be read, and the scheduler deletes it.';

SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.blob', '');
SELECT pg_catalog.pg_extension_config_dump('jadugar_internal.blob_id_seq', '');

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.put_blob(
	data			bytea,
	type			text DEFAULT NULL,
	ttl				interval DEFAULT '7 days'
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_put_blob';
COMMENT ON FUNCTION jadugar.put_blob IS
	'Keeps bytes for a time, and returns the id by which tasks name them.';

CREATE FUNCTION jadugar.get_blob(id bigint) RETURNS bytea
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_get_blob';
COMMENT ON FUNCTION jadugar.get_blob IS 'Returns the bytes of a blob.';

CREATE FUNCTION jadugar.drop_blob(id bigint) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_drop_blob';
COMMENT ON FUNCTION jadugar.drop_blob IS 'Drops a blob before it expires.';

-- ----------------------------------------------------------------------- view

CREATE VIEW jadugar.blobs WITH (security_barrier) AS
SELECT b.blob_id,
	COALESCE(r.rolname, b.owner::text::name) AS owner,
	b.tenant,
	b.type,
	b.size,
	b.created_at,
	b.expires_at
FROM jadugar_internal.blob b
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = b.owner
WHERE b.expires_at > jadugar_internal._v_now()
	AND ((SELECT jadugar_internal._v_is_monitor()) OR jadugar_internal._v_sees(b.owner, b.tenant));
COMMENT ON VIEW jadugar.blobs IS 'Blobs that have not expired, one row each, without their bytes.';
COMMENT ON COLUMN jadugar.blobs.blob_id IS 'Id, as returned by put_blob().';
COMMENT ON COLUMN jadugar.blobs.owner IS 'Role that it belongs to.';
COMMENT ON COLUMN jadugar.blobs.tenant IS 'Tenant, or NULL.';
COMMENT ON COLUMN jadugar.blobs.type IS 'Media type, or NULL.';
COMMENT ON COLUMN jadugar.blobs.size IS 'Number of bytes.';
COMMENT ON COLUMN jadugar.blobs.created_at IS 'When it was made.';
COMMENT ON COLUMN jadugar.blobs.expires_at IS 'Instant from which it cannot be read.';
