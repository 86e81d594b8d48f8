-- Access: src/access/access_funcs.c. Functions named _v_... are for views and for
-- functions written in SQL, which run as whoever calls them.

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
