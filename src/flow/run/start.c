/*-------------------------------------------------------------------------
 *
 * start.c
 *	  A run is started, see start.h.
 *
 * Without its lock: no other process sees the run before the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "base/errors.h"
#include "base/spi.h"
#include "flow/run/begin.h"
#include "flow/run/drive.h"
#include "flow/run/start.h"
#include "flow/run/timer.h"

/*
 * A caller who is confined gets no id of a run of another tenant: the owner's
 * keys are unique across its tenants.
 */
static void
check_twin(const JdgFlowRun *r, const char *tenant)
{
	if (!jdg_may_manage_row(jdg_section_caller(), r->owner, tenant) &&
		jdg_confined(jdg_section_caller()) != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("idempotency_key \"%s\" is already in use",
						r->idempotency_key),
				 errdetail("A run of another tenant has it."),
				 errhint("Begin the keys of each tenant with its name.")));
}

/*
 * Insert the row of a run that has an idempotency_key.  Returns 0, or the id
 * of the run that has the key already.
 */
static int64
insert_once(JdgFlowRun *r)
{
	static JdgQuery twin = {
		"SELECT run_id, tenant FROM jadugar_internal.flow_run WHERE owner = $1 "
		"AND idempotency_key = $2", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(r->owner),
	CStringGetTextDatum(r->idempotency_key)};

	while (!jdg_flow_run_insert_once(r))
	{
		CHECK_FOR_INTERRUPTS();
		if (jdg_run_latest(&twin, v, NULL) > 0)
		{
			int64		id = jdg_col_int64(0, 1, 0);

			check_twin(r, jdg_col_text(0, 2, CurrentMemoryContext));
			return id;
		}
	}
	return 0;
}

static void
raise_queue_gone(const JdgFlowPlan *plan)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 plan->name == NULL ?
			 errmsg("a queue of the flow no longer exists") :
			 errmsg("a queue of version %d of flow \"%s\" no longer exists",
					plan->version, plan->name),
			 errhint("Create a new version with jadugar.create_flow().")));
}

int64
jdg_flow_begin(const JdgFlowRun *run, TimestampTz start_at)
{
	JdgPass    *pass = jdg_pass_begin();
	JdgRunState *rs = jdg_pass_new_run(pass, run);
	int64		twin = 0;

	Assert(jdg_is_bookkeeping());
	rs->r.started_at = DT_NOBEGIN;
	if (run->idempotency_key != NULL)
		twin = insert_once(&rs->r);
	if (twin != 0)
		return twin;
	if (jdg_flow_queues_use(&rs->plan->queues, true) == JDG_QUEUES_GONE)
		raise_queue_gone(rs->plan);
	if (start_at > pass->now)
	{
		JdgFlowStep *root = jdg_step_make(rs, &rs->plan->graph->nodes[0], -1,
										  0, -1);

		root->state = JDG_STEP_WAITING;
		jdg_step_start_wait(rs, root, start_at);
	}
	else
		jdg_run_begin(rs);
	jdg_pass_finish(pass);
	return rs->r.run_id;
}
