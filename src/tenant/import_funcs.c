/*-------------------------------------------------------------------------
 *
 * import_funcs.c
 *	  import_tenant(): rows of export_tenant() become rows here.
 *
 * Runs in the caller's backend, for operators, in one transaction.  The server
 * converts an object to a row of its table; the row is then checked as the
 * arguments of schedule() and enqueue() are, as the caller, and inserted with
 * a new id.  The tenant comes first and gets its quotas last, so that they do
 * not refuse its own tasks.  Then come schedules and tasks, each in the order
 * of their old ids, because a task depends on earlier ones.
 *
 * History, logs, events and runs are a record, and are left out: subscriptions
 * would handle events again, and a run goes on where it began.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/params.h"
#include "base/settings.h"
#include "base/xactmode.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "shared/shmem.h"
#include "task/count.h"
#include "task/enqueue.h"
#include "task/prepare.h"
#include "task/room.h"
#include "task/unique.h"
#include "task/wakeup.h"
#include "tenant/imported.h"
#include "tenant/tenant.h"
#include "timing/zone.h"

typedef struct ImportArgs
{
	ArrayType  *rows;
	char	   *rename;
} ImportArgs;

static const JdgArg import_args[] = {
	{"rows", JSONBARRAYOID, offsetof(ImportArgs, rows), JDG_NEEDED},
	{"rename", TEXTOID, offsetof(ImportArgs, rename)},
};

/* a task, and what its row has beside the columns of the table */
typedef struct Task
{
	JdgTask		t;
	TimestampTz unique_until;
	int64	   *parents;		/* old ids */
	int			nparents;
} Task;

/* Says in an error which element is being imported. */
static void
say_element(void *row)
{
	errcontext("element %d of argument \"rows\"",
			   ((const JdgImportRow *) row)->number);
}

/* The role that a row names, to whom the caller may give work. */
static Oid
owner_of(const JdgImportRow *row)
{
	char	   *name = jdg_json_get_text(row->row, "owner");

	if (name == NULL)
		jdg_import_refuse(row, "It has no owner.");
	return jdg_resolve_owner(name);
}

/* ---------------------------------------------------------------- tenant */

static void
take_tenant(JdgConversion *c)
{
	JdgTenant  *tenant = c->result;

	jdg_tenant_read(0, tenant);
}

/* Inserts the tenant, without the quotas that refuse tasks. */
static void
import_tenant(JdgImportRow *row, Oid user)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.tenant (name, owner, weight, "
		"max_concurrency, rate, per, burst, max_priority, history, "
		"retention, max_history, description, metadata, paused_at, "
		"paused_by, pause_reason, created_at) "
		"SELECT $2, $3, coalesce(n.weight, 1), n.max_concurrency, n.rate, "
		"n.per, n.burst, n.max_priority, coalesce(n.history, 'all'), "
		"n.retention, n.max_history, n.description, n.metadata, n.paused_at, "
		"n.paused_by, n.pause_reason, $4 "
		"FROM jsonb_populate_record(NULL::jadugar_internal.tenant, $1) n "
		"ON CONFLICT (name) DO NOTHING RETURNING " JDG_TENANT_COLUMNS,
		4, {JSONBOID, TEXTOID, OIDOID, TIMESTAMPTZOID},.config = true
	};
	JdgTenant	tenant = {0};
	Datum		v[4] = {JsonbPGetDatum(row->row),
		CStringGetTextDatum(row->label), ObjectIdGetDatum(user),
	TimestampTzGetDatum(jdg_now())};
	JdgConversion c = {row, &q, v,.result = &tenant,.take = take_tenant};
	JdgInternal in;

	if (jdg_tenant_by_name(row->label, &tenant))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("tenant \"%s\" already exists", row->label),
				 errhint("Pass rename to import it under another name.")));
	jdg_internal_begin(&in);
	jdg_remember_role(user);
	jdg_internal_end(&in);
	jdg_import_convert(&c);
	jdg_tenant_check(&tenant);
	row->new_id = tenant.tenant_id;
}

/* The quotas that the tenant did not get before. */
static void
import_quotas(const JdgImportRow *row)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.tenant t SET max_tasks = n.max_tasks, "
		"enqueue_rate = n.enqueue_rate, enqueue_per = n.enqueue_per, "
		"enqueue_burst = n.enqueue_burst "
		"FROM (SELECT p.max_tasks, p.enqueue_rate, p.enqueue_per, "
		"p.enqueue_burst FROM jsonb_populate_record("
		"NULL::jadugar_internal.tenant, $1) p OFFSET 0) n "
		"WHERE t.tenant_id = $2 RETURNING "
		"t.tenant_id, name, owner, weight, max_concurrency, rate, per, burst, "
		"max_priority, t.max_tasks, t.enqueue_rate, t.enqueue_per, "
		"t.enqueue_burst, history, paused_at IS NOT NULL, dropping",
		2, {JSONBOID, INT4OID},.config = true
	};
	JdgTenant	tenant = {0};
	Datum		v[2] = {JsonbPGetDatum(row->row),
	Int32GetDatum((int32) row->new_id)};
	JdgConversion c = {row, &q, v,.result = &tenant,.take = take_tenant};

	jdg_import_convert(&c);
	jdg_tenant_check(&tenant);
	jdg_tenant_need_quota(&tenant);
}

/* ------------------------------------------------------------- schedules */

/* what other tables would say, and the new label */
#define OVERLAID \
	"$1 || jsonb_build_object('owner', $2, 'tenant', $3, 'queue_id', 1, " \
	"'command_id', 0)"

static void
take_schedule(JdgConversion *c)
{
	jdg_schedule_from_row(0, c->result, c->mcxt);
}

static void
import_schedule(JdgImportRow *row)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS " "
		"FROM jsonb_populate_record(NULL::jadugar_internal.schedule, "
		OVERLAID " || '{\"schedule_id\": 0}') s "
		"WHERE num_nulls(s.name, s.timing, s.timezone, s.payload, s.priority, "
		"s.isolate, s.enabled, s.anchor, s.runs, s.missed, s.overlap, "
		"s.misfire, s.created_at, s.updated_at) = 0 "
		"AND s.transaction IN ('c', 'r', 's', 'x', 'h') "
		"AND s.runs >= 0 AND s.missed >= 0 "
		"AND (s.expect_rows IS NULL OR s.expect_rows IN ('s', 'o'))",
		3, {JSONBOID, OIDOID, TEXTOID}
	};
	Oid			owner = owner_of(row);
	JdgSchedule s;
	JdgTaskOptions o = {0};
	Datum		v[3] = {JsonbPGetDatum(row->row), ObjectIdGetDatum(owner),
	CStringGetTextDatum(row->label)};
	JdgConversion c = {row, &q, v,.result = &s,.take = take_schedule};
	JdgInternal in;

	memset(&s, 0, sizeof(s));
	jdg_import_convert(&c);
	jdg_check_name("schedule", s.name);
	jdg_check_description(s.description);
	(void) jdg_zone_lookup(s.timezone);
	jdg_check_window(&s);
	o.command = jdg_json_get_text(row->row, "command");
	if (o.command == NULL)
		jdg_import_refuse(row, "It has no command.");
	o.queue = jdg_json_get_text(row->row, "queue");
	o.payload = s.payload;
	o.priority = &s.priority;
	o.timeout = s.timeout;
	o.retry = s.retry;
	o.transaction = jdg_xact_word(s.transaction);
	o.isolate = &s.isolate;
	o.expect_rows = &s.expect_rows;
	o.settings = s.settings;
	o.metadata = s.metadata;
	o.concurrency_key = s.concurrency_key;
	o.tenant = s.tenant;
	jdg_prepare_schedule(&o, &s);
	/* as for a new schedule: the server has started already */
	if (s.timing.kind == JDG_TIMING_STARTUP)
		s.last_startup = PgStartTime;
	jdg_internal_begin(&in);
	row->new_id = jdg_schedule_insert(&s);
	if (row->new_id == 0)
		jdg_schedule_exists(s.name);
	jdg_internal_end(&in);
}

/* ----------------------------------------------------------------- tasks */

static void
take_task(JdgConversion *c)
{
	Task	   *task = c->result;
	bool		isnull;
	Datum		parents;
	Datum	   *elems;
	MemoryContext old;

	jdg_task_from_row(0, &task->t, c->mcxt);
	task->unique_until = jdg_col_time(0, SPI_fnumber(SPI_tuptable->tupdesc,
													 "unique_until"),
									  DT_NOBEGIN);
	parents = jdg_col(0, SPI_fnumber(SPI_tuptable->tupdesc, "depends_on"),
					  &isnull);
	if (isnull)
		return;
	old = MemoryContextSwitchTo(c->mcxt);
	deconstruct_array(DatumGetArrayTypeP(parents), INT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elems, NULL, &task->nparents);
	task->parents = palloc(sizeof(int64) * Max(task->nparents, 1));
	for (int i = 0; i < task->nparents; i++)
		task->parents[i] = DatumGetInt64(elems[i]);
	MemoryContextSwitchTo(old);
}

/* Converts a task, and checks it as enqueue() does. */
static void
prepare_task(const JdgImportRow *row, Task *task, JdgTask *t, JdgQueue *queue)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS ", (s.j->>'unique_until')::timestamptz AS unique_until, "
		"ARRAY(SELECT e::bigint FROM jsonb_array_elements_text("
		"coalesce(nullif(s.j->'depends_on', 'null'), '[]')) e) AS depends_on "
		"FROM (SELECT $1 AS j, r.* "
		"FROM jsonb_populate_record(NULL::jadugar_internal.task, "
		OVERLAID " || '{\"bounded\": false, \"crashes\": 0, "
		"\"key_place\": false}') r) s "
		"WHERE num_nulls(s.task_id, s.priority, s.isolate, s.attempt, "
		"s.max_attempts, s.run_at, s.created_at, s.payload, s.state) = 0 "
		"AND s.transaction IN ('c', 'r', 's', 'x', 'h') "
		"AND s.attempt >= 0 AND s.max_attempts > 0 "
		"AND isfinite(s.run_at) AND isfinite(s.created_at) "
		"AND num_nonnulls(s.flow_run, s.step_id, s.event) = 0 "
		"AND (s.on_dependency_failure IS NULL "
		"OR s.on_dependency_failure IN ('c', 'r', 'w')) "
		"AND (s.expect_rows IS NULL OR s.expect_rows IN ('s', 'o'))",
		3, {JSONBOID, OIDOID, TEXTOID}
	};
	Oid			owner = owner_of(row);
	JdgTaskOptions o = {0};
	Datum		v[3] = {JsonbPGetDatum(row->row), ObjectIdGetDatum(owner),
	CStringGetTextDatum(row->label)};
	JdgConversion c = {row, &q, v,.result = task,.take = take_task};

	memset(task, 0, sizeof(*task));
	jdg_import_convert(&c);
	o.command = jdg_json_get_text(row->row, "command");
	if (o.command == NULL)
		jdg_import_refuse(row, "It has no command.");
	o.queue = jdg_json_get_text(row->row, "queue");
	o.payload = task->t.payload;
	o.priority = &task->t.priority;
	o.timeout = task->t.timeout;
	o.retry = task->t.retry;
	o.transaction = jdg_xact_word(task->t.transaction);
	o.isolate = &task->t.isolate;
	o.expect_rows = &task->t.expect_rows;
	o.settings = task->t.settings;
	o.metadata = task->t.metadata;
	o.concurrency_key = task->t.concurrency_key;
	o.tenant = task->t.tenant;
	o.trace = task->t.trace;
	jdg_check_key("unique_key", task->t.unique_key);
	memset(t, 0, sizeof(*t));
	jdg_task_prepare(&o, owner, task->t.max_attempts, t, queue, NULL);
	t->attempt = task->t.attempt;
	t->max_attempts = Max(task->t.max_attempts, t->attempt + 1);
	t->run_at = task->t.run_at;
	t->created_at = task->t.created_at;
	t->unique_key = task->t.unique_key;
	t->on_dependency_failure = task->t.on_dependency_failure;
	t->schedule = task->t.schedule;
}

/* The new ids of the tasks that a task depends on. */
static void
map_parents(const JdgImportRow *row, Task *task, const JdgImportRow *rows, int n)
{
	for (int i = 0; i < task->nparents; i++)
	{
		const JdgImportRow *parent = jdg_import_find(rows, n, JDG_EXPORT_TASK, task->parents[i]);

		if (parent == NULL || parent->new_id == 0)
			jdg_import_refuse(row, psprintf("It depends on task " INT64_FORMAT ", which no earlier task of the rows is.",
											task->parents[i]));
		task->parents[i] = parent->new_id;
	}
}

/* The name of the role that paused the task where it came from. */
static void
note_paused_by(int64 task_id, const char *name)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET paused_by = left($2, 63) "
		"WHERE task_id = $1", 2, {INT8OID, TEXTOID}
	};
	Datum		v[2] = {Int64GetDatum(task_id)};

	if (name == NULL)
		return;
	v[1] = CStringGetTextDatum(name);
	jdg_run(&q, v, NULL, 0);
}

static void
import_task(JdgImportRow *row, const JdgImportRow *rows, int n, Oid user)
{
	Task		task;
	JdgTask		t;
	JdgQueue	queue;
	const JdgImportRow *schedule;
	JdgInternal in;

	prepare_task(row, &task, &t, &queue);
	map_parents(row, &task, rows, n);
	schedule = jdg_import_find(rows, n, JDG_EXPORT_SCHEDULE, task.t.schedule_id);
	if (schedule != NULL)
	{
		t.schedule_id = schedule->new_id;
		t.scheduled_for = task.t.scheduled_for;
	}
	jdg_internal_begin(&in);
	t.task_id = jdg_task_next_id();
	if (t.unique_key != NULL && jdg_unique_key_take(&t, task.unique_until) != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("unique_key \"%s\" is already in use", t.unique_key)));
	jdg_room_make(&queue, 1);
	jdg_task_place(&t, task.parents, task.nparents, 0, user);
	if (task.t.state == JDG_STATE_PAUSED)
	{
		t.state = JDG_STATE_PAUSED;
		t.key_place = false;
	}
	jdg_task_insert(&t);
	if (t.state == JDG_STATE_PAUSED)
		note_paused_by(t.task_id, jdg_json_get_text(row->row, "paused_by"));
	jdg_wake_at_commit(t.owner, &t);
	jdg_count_enqueued(1);
	jdg_internal_end(&in);
	row->new_id = t.task_id;
}

/* Says how many rows were left out. */
static void
note_left_out(int n)
{
	if (n > 0)
		ereport(NOTICE,
				(errmsg_plural("%d object of history, logs, events and runs was not imported",
							   "%d objects of history, logs, events and runs were not imported",
							   n, n)));
}

/* Imports an element; false: it is a record, which is left out. */
static bool
import_row(JdgImportRow *row, const JdgImportRow *rows, int n, Oid user)
{
	ErrorContextCallback context = {error_context_stack, say_element, row};
	bool		imported = true;

	error_context_stack = &context;
	switch (row->kind)
	{
		case JDG_EXPORT_TENANT:
			import_tenant(row, user);
			break;
		case JDG_EXPORT_SCHEDULE:
			jdg_tenant_use(row->label);
			import_schedule(row);
			break;
		case JDG_EXPORT_TASK:
			jdg_tenant_use(row->label);
			import_task(row, rows, n, user);
			break;
		case JDG_EXPORT_HISTORY:
		case JDG_EXPORT_LOG:
		case JDG_EXPORT_EVENT:
		case JDG_EXPORT_RUN:
			imported = false;
			break;
	}
	error_context_stack = context.previous;
	return imported;
}

/* import_tenant(rows, rename) returns the number of rows that it has made */
JDG_FUNCTION(jdg_import_tenant, JDG_LEVEL_OPERATOR)
{
	ImportArgs	a;
	Oid			user = GetUserId();
	JdgImportRow *rows;
	int			n;
	int			left_out = 0;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar import_tenant",
											   ALLOCSET_DEFAULT_SIZES);

	jdg_require_shmem();
	JDG_READ_ARGS("import_tenant", import_args, &a);
	jdg_check_tenant("rename", a.rename);
	rows = jdg_import_read(a.rows, a.rename, &n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		CHECK_FOR_INTERRUPTS();
		left_out += !import_row(&rows[i], rows, n, user);
		MemoryContextSwitchTo(old);
		MemoryContextReset(mcxt);
	}
	for (int i = 0; i < n && rows[i].kind == JDG_EXPORT_TENANT; i++)
		import_quotas(&rows[i]);
	note_left_out(left_out);
	n -= left_out;
	if (n > 0)
		jdg_audit_detail("import_tenant", "tenant", rows[0].label, user,
						 psprintf("number %d", n), NULL);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED | JDG_WAKE_SCHEDULES);
	PG_RETURN_INT64(n);
}
