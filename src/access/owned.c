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
	else
		h->done++;
	tuplestore_putvalues(h->rows, h->desc, values, nulls);
}

/* Reports a batch of rows of name and problem. */
static void
report_batch(int64 n, void *arg)
{
	for (int64 i = 0; i < n; i++)
		jdg_handover_report(arg, jdg_col_text(i, 1, CurrentMemoryContext),
							jdg_col_text(i, 2, CurrentMemoryContext));
}

int64
jdg_handover_list(JdgHandover *h, JdgQuery *list, Datum *values)
{
	return jdg_run_batches(list, values, report_batch, h);
}

void
jdg_handover_rows(JdgHandover *h, JdgQuery *list, JdgQuery *changes)
{
	Datum		v[2] = {ObjectIdGetDatum(h->from), ObjectIdGetDatum(h->to)};

	Assert(jdg_is_bookkeeping());
	if (jdg_handover_list(h, list, v) == 0 || h->dry_run)
		return;
	for (JdgQuery *q = changes; q->sql != NULL; q++)
		jdg_run(q, v, NULL, 0);
}
