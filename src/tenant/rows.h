/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows with the label of a tenant, for drop_tenant().
 *
 * Each module that has such rows names them (JdgModule.tenant_rows).
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TENANT_ROWS_H
#define JDG_TENANT_ROWS_H

#include "base/spi.h"

/*
 * A kind of rows.  "drop" deletes at most a thousand rows of the label $1 that
 * come after the position $2, an instant, at first -infinity.  It returns
 * their number, and the position for the next call, or null after the last
 * one.  Rows that make work are deleted first, in each round in which tasks
 * and runs are ended.  The others are deleted when no work is left.  A list
 * ends with a NULL kind.
 */
typedef struct JdgTenantRows
{
	const char *kind;
	bool		makes_work;
	JdgQuery   *drop;
} JdgTenantRows;

/* the end of a query of rows that an index finds: "gone" has those deleted */
#define JDG_TENANT_BATCH "1000"
#define JDG_TENANT_GONE \
	"SELECT count(*), CASE WHEN count(*) >= " JDG_TENANT_BATCH " THEN $2 END " \
	"FROM gone"

#endif							/* JDG_TENANT_ROWS_H */
