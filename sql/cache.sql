-- The cache: values that roles keep for a time: src/actor/.

-- ---------------------------------------------------------------------- table

CREATE UNLOGGED TABLE jadugar_internal.cache (
	owner		oid NOT NULL,
	key			text COLLATE "C" NOT NULL,
	value		jsonb NOT NULL,
	bytes		integer NOT NULL,
	expires_at	timestamptz NOT NULL,
	stale_until	timestamptz NOT NULL,
	PRIMARY KEY (owner, key)
);
CREATE INDEX cache_stale_until ON jadugar_internal.cache (stale_until);
COMMENT ON TABLE jadugar_internal.cache IS
	'Values of cache_set() and cached(), by role. Empty after a crash, and never dumped.';
COMMENT ON COLUMN jadugar_internal.cache.bytes IS
	'Size for which the row counts against jadugar.cache_max_size.';
COMMENT ON COLUMN jadugar_internal.cache.expires_at IS
	'Instant from which the value is not returned, or only by cached() with stale_for.';
COMMENT ON COLUMN jadugar_internal.cache.stale_until IS
	'Instant from which the row may be deleted.';

-- ------------------------------------------------------------------ functions

CREATE FUNCTION jadugar.cache_get(
	key				text
) RETURNS jsonb
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_cache_get';
COMMENT ON FUNCTION jadugar.cache_get IS
	'Returns the value that the caller has in the cache, or NULL.';

CREATE FUNCTION jadugar.cache_set(
	key				text,
	value			jsonb,
	ttl				interval DEFAULT '5 min'
) RETURNS boolean
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_cache_set';
COMMENT ON FUNCTION jadugar.cache_set IS
	'Keeps a value of the caller in the cache for a time. Returns false if there is no room.';

CREATE FUNCTION jadugar.cache_delete(
	key				text,
	prefix			boolean DEFAULT false
) RETURNS bigint
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_cache_delete_values';
COMMENT ON FUNCTION jadugar.cache_delete IS
	'Deletes a value of the caller, or all whose keys begin with a prefix. Returns their number.';

CREATE FUNCTION jadugar.cached(
	key				text,
	command			text,
	payload			jsonb DEFAULT '{}',
	ttl				interval DEFAULT '5 min',
	stale_for		interval DEFAULT '0'
) RETURNS jsonb
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_cached';
COMMENT ON FUNCTION jadugar.cached IS
	'Returns the value that the caller has in the cache. If there is none, computes it once, however many ask.';

CREATE FUNCTION jadugar._cache_refresh(
	request			jsonb
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_cache_refresh';
COMMENT ON FUNCTION jadugar._cache_refresh IS
	'Computes a value of the cache anew. Tasks that cached() enqueues call it.';
