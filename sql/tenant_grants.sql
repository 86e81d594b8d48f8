-- Roles that are confined to tenants: src/tenant/grant_funcs.c and
-- src/access/confine.c.

CREATE FUNCTION jadugar.grant_tenant(
	tenant			text,
	role			text,
	level			text DEFAULT 'user'
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_grant_tenant';
COMMENT ON FUNCTION jadugar.grant_tenant IS
	'Confines a role to a tenant, or to one more: as user, who acts on its own rows of the tenant and reads the others, or as monitor, who reads without contents.';

CREATE FUNCTION jadugar.revoke_tenant(
	tenant			text,
	role			text
) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'jdg_revoke_tenant';
COMMENT ON FUNCTION jadugar.revoke_tenant IS
	'Revokes a tenant from a role, granted by grant_tenant(). A role without any tenant is not confined.';

CREATE VIEW jadugar.tenant_grants WITH (security_barrier) AS
SELECT t.name AS tenant,
	COALESCE(r.rolname, g.role::text::name) AS role,
	g.level
FROM jadugar_internal.tenant_grant g
	LEFT JOIN jadugar_internal.tenant t ON t.tenant_id = g.tenant_id
	LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.role
WHERE (SELECT jadugar_internal._v_is_monitor())
	OR jadugar_internal._v_owns(g.role);
COMMENT ON VIEW jadugar.tenant_grants IS
	'Roles that are confined to tenants, as granted by grant_tenant(), one row for each tenant of a role.';
COMMENT ON COLUMN jadugar.tenant_grants.tenant IS 'Name of the tenant.';
COMMENT ON COLUMN jadugar.tenant_grants.role IS
	'Role that is confined. Roles that have its privileges are confined, too.';
COMMENT ON COLUMN jadugar.tenant_grants.level IS 'Level: user or monitor.';
