/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Distinguishes a database with its own rows from a copy, see
 *	  identity.h.
 *
 * Runs in the scheduler, and in sessions that need an answer at once.  The
 * tables jadugar_internal.here and
 * jadugar_internal.origin are explained where they are made (sql/), adopt()
 * in adopt_funcs.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "access/identity.h"
#include "base/errors.h"
#include "base/spi.h"
#include "shared/work.h"

static JdgQuery query = {
	"SELECT o.id = h.id AND h.database = $1 AND h.mark = m.last_value "
	"FROM jadugar_internal.here h, jadugar_internal.here_mark m, "
	"jadugar_internal.origin o", 1, {OIDOID}
};

/*
 * The transaction that fills origin may take its time, or be prepared, while
 * others have committed work: JdgDb.used shows that, and a restore does not
 * set it.
 */
bool
jdg_is_adopted(JdgDb *db)
{
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};
	bool		first_use,
				ok;

	jdg_work_begin();
	first_use = jdg_run(&query, v, NULL, 0) == 0;
	ok = first_use ? pg_atomic_read_u32(&db->used) != 0 :
		jdg_col_bool(0, 1);
	jdg_work_end();
	pg_atomic_write_u32(&db->not_adopted, !first_use && !ok);
	return ok;
}

void
jdg_require_adopted(void)
{
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};
	JdgInternal in;
	bool		copied;

	jdg_internal_begin(&in);
	copied = jdg_run_latest(&query, v, NULL) > 0 && !jdg_col_bool(0, 1);
	jdg_internal_end(&in);
	if (copied)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("this database is a copy that has not been adopted"),
				 errdetail("The positions of its subscriptions are those of another database."),
				 errhint("Call jadugar.adopt() first.")));
}

void
jdg_database_id(pg_uuid_t *id)
{
	static JdgQuery q = {
		"SELECT h.id FROM jadugar_internal.here h", 0
	};
	JdgInternal in;
	bool		isnull;

	jdg_internal_begin(&in);
	if (jdg_run(&q, NULL, NULL, 1) == 0)
		elog(ERROR, "jadugar_internal.here has no row");
	*id = *DatumGetUUIDP(jdg_col(0, 1, &isnull));
	jdg_internal_end(&in);
}

char *
jdg_uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
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
