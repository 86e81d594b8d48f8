/*-------------------------------------------------------------------------
 *
 * current_funcs.c
 *	  SQL function current_event().
 *
 * Runs in workers, and reads no table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "event/current.h"
#include "exec/exec.h"

PG_FUNCTION_INFO_V1(jdg_current_event);

/* current_event(): all columns are NULL outside a handler */
Datum
jdg_current_event(PG_FUNCTION_ARGS)
{
	const JdgCurrentEvent *c = jdg_current_task ? jdg_current_task->event : NULL;
	TupleDesc	desc;
	Datum		v[5] = {0};
	bool		n[5] = {true, true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type of current_event() is not a row type");
	desc = BlessTupleDesc(desc);
	if (c != NULL)
	{
		v[0] = jdg_current_event_info(c);
		v[1] = CStringGetTextDatum(c->subscription);
		v[2] = Int32GetDatum(c->shard);
		v[3] = Int32GetDatum(c->attempt);
		v[4] = BoolGetDatum(c->replay);
		memset(n, 0, sizeof(n));
	}
	return HeapTupleGetDatum(heap_form_tuple(desc, v, n));
}
