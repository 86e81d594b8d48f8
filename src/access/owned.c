/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Reports and plain cases of reassign_owned() and drop_owned(), see
 *	  owned.h.
 *
 * Runs in the caller's backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access/owned.h"

void
jdg_handover_report(JdgHandover *h, const char *name, const char *problem)
{
	Datum		values[3] = {CStringGetTextDatum(h->kind),
	CStringGetTextDatum(name)};
	bool		nulls[3] = {false, false, problem == NULL};

	if (problem != NULL)
		values[2] = CStringGetTextDatum(problem);
	tuplestore_putvalues(h->rows, h->desc, values, nulls);
}

void
jdg_handover_rows(JdgHandover *h, JdgQuery *list, JdgQuery *changes)
{
	Datum		v[2] = {ObjectIdGetDatum(h->from), ObjectIdGetDatum(h->to)};
	int64		n;

	Assert(jdg_is_bookkeeping());
	n = jdg_run(list, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
		jdg_handover_report(h, jdg_col_text(i, 1, CurrentMemoryContext),
							jdg_col_text(i, 2, CurrentMemoryContext));
	if (n == 0 || h->dry_run)
		return;
	for (JdgQuery *q = changes; q->sql != NULL; q++)
		jdg_run(q, v, NULL, 0);
}
