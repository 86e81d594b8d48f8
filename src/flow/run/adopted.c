/*-------------------------------------------------------------------------
 *
 * adopted.c
 *	  Runs that a copy of a database has brought along, see adopted.h.
 *
 * Runs in the backend that calls adopt().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/spi.h"
#include "flow/run/adopted.h"
#include "flow/run/events.h"
#include "flow/run/message.h"

static void
pause_runs(Oid user)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_run SET paused_at = $1, paused_by = $2 "
		"WHERE finished_at IS NULL AND paused_at IS NULL",
		2, {TIMESTAMPTZOID, TEXTOID}
	};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()),
	CStringGetTextDatum(jdg_role_name(user))};

	jdg_run(&q, v, NULL, 0);
}

/*
 * Ask all unfinished runs to end without compensation.  Their tasks are
 * cancelled afterwards: a step cancelled first would begin compensation.
 */
static void
abort_runs(Oid user)
{
	static JdgQuery q = {
		"SELECT run_id FROM jadugar_internal.flow_run "
		"WHERE finished_at IS NULL ORDER BY run_id", 0
	};
	int64		n = jdg_run(&q, NULL, NULL, 0);
	int64	   *runs = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		runs[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
		jdg_flow_message_as(JDG_MESSAGE_ABORT, runs[i], 0, "kill", NULL, user);
}

void
jdg_flows_adopted(const JdgAdoption *adoption)
{
	if (!adoption->file_copy)
		jdg_flow_events_adopted();
	switch (adoption->pending)
	{
		case JDG_PENDING_RUN:
			break;
		case JDG_PENDING_PAUSE:
			pause_runs(adoption->user);
			break;
		case JDG_PENDING_CANCEL:
			abort_runs(adoption->user);
			break;
	}
}
