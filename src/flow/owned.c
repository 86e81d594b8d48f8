/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Flows, drafts and runs of a role that go to another role, or away; see
 *	  owned.h.
 *
 * Runs in the caller's backend.  An unfinished run stays with its owner: its
 * steps, their compensations and what they have done so far belong together.
 * It can only be aborted, by a message that the scheduler serves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "flow/owned.h"
#include "flow/run/message.h"

/* number of runs that are aborted before their memory is freed */
#define DROP_BATCH 500

#define CURRENT_FLOW \
	"t.owner = $1 AND t.name IS NOT NULL AND t.dropped_at IS NULL"

/* does the new owner have a flow or a draft of the name of t? */
#define NAME_TAKEN \
	"(EXISTS (SELECT FROM jadugar_internal.flow_version o " \
	"WHERE o.owner = $2 AND o.name = t.name AND o.dropped_at IS NULL) " \
	"OR EXISTS (SELECT FROM jadugar_internal.flow_draft o " \
	"WHERE o.owner = $2 AND o.name = t.name))"

static void
reassign_flows(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN " NAME_TAKEN " "
		"THEN 'the new owner has a flow of this name' END "
		"FROM jadugar_internal.flow_version t WHERE " CURRENT_FLOW " "
		"GROUP BY t.name ORDER BY t.name", 2, {OIDOID, OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.flow_version t SET owner = $2 "
			"WHERE " CURRENT_FLOW " AND NOT " NAME_TAKEN,
		2, {OIDOID, OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
	jdg_config_changed();
}

static void
drop_flows(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT DISTINCT t.name, NULL::text "
		"FROM jadugar_internal.flow_version t WHERE " CURRENT_FLOW " "
		"ORDER BY t.name", 1, {OIDOID}
	};
	static JdgQuery drop = {
		"UPDATE jadugar_internal.flow_version t SET dropped_at = $2 "
		"WHERE " CURRENT_FLOW, 2, {OIDOID, TIMESTAMPTZOID}
	};
	static JdgQuery nothing[] = {{NULL}};
	Datum		v[2] = {ObjectIdGetDatum(h->from),
	TimestampTzGetDatum(jdg_now())};

	jdg_handover_rows(h, &list, nothing);
	jdg_run(&drop, v, NULL, 0);
	jdg_config_changed();
}

static void
reassign_drafts(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN " NAME_TAKEN " "
		"THEN 'the new owner has a flow of this name' END "
		"FROM jadugar_internal.flow_draft t WHERE t.owner = $1 "
		"ORDER BY t.name FOR UPDATE OF t", 2, {OIDOID, OIDOID}
	};
	static JdgQuery changes[] = {
		{"WITH moved AS (UPDATE jadugar_internal.flow_draft t SET owner = $2 "
			"WHERE t.owner = $1 AND NOT " NAME_TAKEN " RETURNING t.name) "
			"UPDATE jadugar_internal.flow_draft_step s SET owner = $2 "
			"FROM moved m WHERE s.owner = $1 AND s.name = m.name",
		2, {OIDOID, OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
	jdg_config_changed();
}

static void
drop_drafts(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.flow_draft t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.flow_draft_step WHERE owner = $1",
		1, {OIDOID}},
		{"DELETE FROM jadugar_internal.flow_draft WHERE owner = $1",
		1, {OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
	jdg_config_changed();
}

static void
reassign_runs(JdgHandover *h)
{
	static JdgQuery q = {
		"SELECT r.run_id::text, 'an unfinished run keeps its owner: wait for "
		"it, or abort it' FROM jadugar_internal.flow_run r "
		"WHERE r.owner = $1 AND r.finished_at IS NULL ORDER BY r.run_id",
		1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};

	jdg_handover_list(h, &q, v);
}

/* Aborts the next runs of the role after *last; returns their number. */
static int64
drop_runs_batch(JdgHandover *h, int64 *last)
{
	static JdgQuery q = {
		"SELECT r.run_id FROM jadugar_internal.flow_run r "
		"WHERE r.owner = $1 AND r.finished_at IS NULL AND r.run_id > $2 "
		"ORDER BY r.run_id LIMIT $3", 3, {OIDOID, INT8OID, INT4OID}
	};
	Datum		v[3] = {ObjectIdGetDatum(h->from), Int64GetDatum(*last),
	Int32GetDatum(DROP_BATCH)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
	{
		jdg_flow_message_as(JDG_MESSAGE_ABORT, ids[i], 0, "kill", NULL,
							h->caller);
		jdg_handover_report(h, psprintf("%lld", (long long) ids[i]), NULL);
	}
	if (n > 0)
		*last = ids[n - 1];
	return n;
}

static void
drop_runs(JdgHandover *h)
{
	int64		last = 0;
	int64		n;

	do
	{
		JdgInternal in;

		/* frees what the batch has read */
		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		n = drop_runs_batch(h, &last);
		jdg_internal_end(&in);
	} while (n == DROP_BATCH);
}

const JdgOwned jdg_flow_owned[] = {
	{"runs", reassign_runs, drop_runs},
	{"flows", reassign_flows, drop_flows},
	{"drafts", reassign_drafts, drop_drafts},
	{NULL}
};
