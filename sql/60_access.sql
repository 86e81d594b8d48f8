-- Access: src/access/access_funcs.c. Functions named _v_... are for views and for
-- functions written in SQL, which run as whoever calls them.

CREATE FUNCTION jadugar._v_is_operator() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_is_operator';
COMMENT ON FUNCTION jadugar._v_is_operator() IS 'has the caller the level operator?';

CREATE FUNCTION jadugar._v_is_monitor() RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'jdg_v_is_monitor';
COMMENT ON FUNCTION jadugar._v_is_monitor() IS 'has the caller the level monitor or operator?';

CREATE FUNCTION jadugar._v_may_see(owner oid) RETURNS boolean
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_may_see';
COMMENT ON FUNCTION jadugar._v_may_see(oid) IS 'may the caller see what the role owns?';

CREATE FUNCTION jadugar._v_owns(owner oid) RETURNS boolean
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'jdg_v_owns';
COMMENT ON FUNCTION jadugar._v_owns(oid) IS 'has the caller the rights of this owner? False for a stored OID that means another role here';

CREATE FUNCTION jadugar.grant_access(
	role			text,
	level			text DEFAULT 'user'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_access';
COMMENT ON FUNCTION jadugar.grant_access IS 'let a role use jadugar, as user, operator or monitor';

CREATE FUNCTION jadugar.revoke_access(role text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_access';
COMMENT ON FUNCTION jadugar.revoke_access IS 'take back what grant_access() gave';
