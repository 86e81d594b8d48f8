/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Distinguishes a database with its own rows from a copy, see
 *	  identity.h.
 *
 * Runs in the scheduler.  The tables jadugar_internal.here and
 * jadugar_internal.origin are explained where they are made (sql/), adopt()
 * in adopt_funcs.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "access/identity.h"
#include "base/spi.h"
#include "shared/work.h"

/*
 * The transaction that fills origin may take its time, or be prepared, while
 * others have committed work: JdgDb.used shows that, and a restore does not
 * set it.
 */
bool
jdg_is_adopted(JdgDb *db)
{
	static JdgQuery q = {
		"SELECT o.id = h.id AND h.database = $1 AND h.mark = m.last_value "
		"FROM jadugar_internal.here h, jadugar_internal.here_mark m, "
		"jadugar_internal.origin o", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};
	bool		first_use,
				ok;

	jdg_work_begin();
	first_use = jdg_run(&q, v, NULL, 0) == 0;
	ok = first_use ? pg_atomic_read_u32(&db->used) != 0 :
		jdg_col_bool(0, 1);
	jdg_work_end();
	pg_atomic_write_u32(&db->not_adopted, !first_use && !ok);
	return ok;
}

bool
jdg_is_subscriber(void)
{
	static JdgQuery q = {
		"SELECT 1 FROM pg_subscription WHERE subdbid = $1", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};
	bool		found;

	jdg_work_begin();
	found = jdg_run(&q, v, NULL, 1) > 0;
	jdg_work_end();
	return found;
}
