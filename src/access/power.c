/*-------------------------------------------------------------------------
 *
 * power.c
 *	  Roles that can do more than any operator of jadugar, see power.h.
 *
 * Runs in any backend.  An operator may give work to other roles, and that
 * work runs with their rights.  Some rights were given to chosen roles, and
 * reach what no grant on an object shows: all tables, all roles of the cluster,
 * or the account of the server.  They are asked for in every role that the
 * owner is a member of, since SET ROLE in a task reaches those, whether or not
 * the membership inherits.
 *
 * All predefined roles are among them, also those of later versions of the
 * server.  pg_read_all_data shows, and pg_write_all_data changes, the tables of
 * superusers and our own.  The exception is pg_database_owner: its member is
 * one role of this database, and often that of the application.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "access/power.h"
#include "base/objects.h"

/* The right that comes with a role of this row, palloc'd or constant; or NULL. */
static const char *
power_of(const FormData_pg_authid * r)
{
	if (r->rolsuper)
		return "SUPERUSER";
	if (r->rolcreaterole)
		return "CREATEROLE";
	if (r->rolreplication)
		return "REPLICATION";
	if (r->rolbypassrls)
		return "BYPASSRLS";
	/* a name that only predefined roles can have */
	if (IsReservedName(NameStr(r->rolname)) &&
		r->oid != ROLE_PG_DATABASE_OWNER)
		return pstrdup(NameStr(r->rolname));
	return r->oid == jdg_bookkeeper() ? "owner of jadugar" : NULL;
}

const char *
jdg_role_power(Oid role)
{
	Relation	rel = table_open(AuthIdRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	const char *found = NULL;
	HeapTuple	tuple;

	while (found == NULL &&
		   (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_authid r = (Form_pg_authid) GETSTRUCT(tuple);

		if (is_member_of_role_nosuper(role, r->oid))
			found = power_of(r);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}
