/*-------------------------------------------------------------------------
 *
 * power.c
 *	  Roles that can do more than any operator of jadugar, see power.h.
 *
 * Runs in any backend.  An operator may give work to other roles, and that
 * work runs with their rights.  Some rights lead out of the database: to all
 * roles of the cluster, or to the account of the server.  They are asked for
 * in every role that the owner is a member of, since SET ROLE in a task
 * reaches those, whether or not the membership inherits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_authid.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "access/power.h"
#include "base/objects.h"

/* The right that comes with a role of this row, or NULL. */
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
	switch (r->oid)
	{
		case ROLE_PG_EXECUTE_SERVER_PROGRAM:
			return "pg_execute_server_program";
		case ROLE_PG_READ_SERVER_FILES:
			return "pg_read_server_files";
		case ROLE_PG_WRITE_SERVER_FILES:
			return "pg_write_server_files";
		default:
			break;
	}
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
		const char *power = power_of(r);

		if (power != NULL && is_member_of_role_nosuper(role, r->oid))
			found = power;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}
