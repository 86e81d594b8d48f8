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
#include "base/subxact.h"
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
#include "tenant/exported.h"
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

/* an element of the argument */
typedef struct Row
{
	int			number;			/* from 1 */
	JdgExportKind kind;
	Jsonb	   *row;
	const char *label;
	int64		old_id;			/* 0: none */
	int64		new_id;
} Row;

/* a query that converts a row, in a subtransaction */
typedef struct Conversion
{
	const Row  *row;
	JdgQuery   *query;
	Datum	   *values;
	MemoryContext mcxt;
	void	   *result;			/* JdgSchedule or Task */
	void		(*take) (struct Conversion *c);
	bool		found;
} Conversion;

/* a task, and what its row has beside the columns of the table */
typedef struct Task
{
	JdgTask		t;
	TimestampTz unique_until;
	int64	   *parents;		/* old ids */
	int			nparents;
} Task;

/* Raises VALIDATION_ERROR for an element. */
JDG_NORETURN static void
refuse(const Row *row, const char *detail)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("element %d of rows cannot be imported", row->number),
			 errdetail("%s", detail),
			 errhint("Pass rows as jadugar.export_tenant() returns them.")));
	pg_unreachable();
}

static void
convert_here(void *arg)
{
	Conversion *c = arg;
	JdgInternal in;

	jdg_internal_begin(&in);
	c->found = jdg_run(c->query, c->values, NULL, 1) > 0;
	if (c->found)
		c->take(c);
	jdg_internal_end(&in);
}

/* Converts a row; VALIDATION_ERROR if a value is not valid or lacks. */
static void
convert(Conversion *c)
{
	ErrorData  *error;

	c->mcxt = CurrentMemoryContext;
	error = jdg_in_subxact(convert_here, c, CurrentMemoryContext);
	if (error != NULL)
	{
		int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

		if (category != ERRCODE_DATA_EXCEPTION &&
			category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			error->sqlerrcode != JDG_ERRCODE_VALIDATION_ERROR)
			ReThrowError(error);
		refuse(c->row, error->message);
	}
	if (!c->found)
		refuse(c->row, "A column that is needed is missing, or has an unrecognized value.");
}

/* Reads one element. */
static void
read_row(Jsonb *element, const char *rename, Row *row)
{
	char	   *kind;
	Jsonb	   *version;

	if (!JB_ROOT_IS_OBJECT(element))
		refuse(row, "It is not an object.");
	kind = jdg_json_get_text(element, "kind");
	version = jdg_json_get(element, "version");
	row->row = jdg_json_get(element, "row");
	if (kind == NULL || version == NULL || row->row == NULL ||
		!JB_ROOT_IS_OBJECT(row->row))
		refuse(row, "It has no kind, version or row.");
	if (jdg_json_get_int64(element, "version") != JDG_EXPORT_VERSION)
		refuse(row, "Its version is not known to this version of jadugar.");
	row->kind = jdg_choice("kind", kind, jdg_exported_kinds);
	row->label = rename ? rename :
		jdg_json_get_text(row->row, row->kind == JDG_EXPORT_TENANT ? "name" :
						  "tenant");
	if (row->label == NULL || jdg_tenant_fault(row->label) != NULL)
		refuse(row, "It has no valid tenant.");
	if (row->kind == JDG_EXPORT_SCHEDULE || row->kind == JDG_EXPORT_TASK)
		row->old_id = jdg_json_get_int64(row->row,
										 row->kind == JDG_EXPORT_TASK ?
										 "task_id" : "schedule_id");
}

static int
compare(const void *a, const void *b)
{
	const Row  *ra = a;
	const Row  *rb = b;

	if (ra->kind != rb->kind)
		return ra->kind < rb->kind ? -1 : 1;
	if (ra->old_id != rb->old_id)
		return ra->old_id < rb->old_id ? -1 : 1;
	return ra->number < rb->number ? -1 : 1;
}

/* The row of a kind with this old id, or NULL. */
static const Row *
find(const Row *rows, int n, JdgExportKind kind, int64 old_id)
{
	int			low = 0;
	int			high = n;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;
		Row			key = {.kind = kind,.old_id = old_id};

		if (compare(&rows[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && rows[low].kind == kind && rows[low].old_id == old_id &&
		old_id != 0 ? &rows[low] : NULL;
}

/* Reads all elements, sorted. */
static Row *
read_rows(const ImportArgs *a, int *n)
{
	Datum	   *elems;
	bool	   *nulls;
	Row		   *rows;

	deconstruct_array(a->rows, JSONBOID, -1, false, TYPALIGN_INT, &elems,
					  &nulls, n);
	rows = palloc0(sizeof(Row) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		rows[i].number = i + 1;
		if (nulls[i])
			refuse(&rows[i], "It is null.");
		read_row(DatumGetJsonbP(elems[i]), a->rename, &rows[i]);
	}
	qsort(rows, *n, sizeof(Row), compare);
	for (int i = 1; i < *n; i++)
	{
		if (rows[i].kind == rows[i - 1].kind && rows[i].old_id != 0 &&
			rows[i].old_id == rows[i - 1].old_id)
			refuse(&rows[i], "Another element has the same id.");
	}
	return rows;
}

/* The role that a row names, to whom the caller may give work. */
static Oid
owner_of(const Row *row)
{
	char	   *name = jdg_json_get_text(row->row, "owner");

	if (name == NULL)
		refuse(row, "It has no owner.");
	return jdg_resolve_owner(name);
}

/* ---------------------------------------------------------------- tenant */

static void
take_tenant(Conversion *c)
{
	JdgTenant  *tenant = c->result;

	jdg_tenant_read(0, tenant);
}

/* Inserts the tenant, without the quotas that refuse tasks. */
static void
import_tenant(Row *row, Oid user)
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
	Conversion	c = {row, &q, v,.result = &tenant,.take = take_tenant};
	JdgInternal in;

	if (jdg_tenant_by_name(row->label, &tenant))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("tenant \"%s\" already exists", row->label),
				 errhint("Pass rename to import it under another name.")));
	jdg_internal_begin(&in);
	jdg_remember_role(user);
	jdg_internal_end(&in);
	convert(&c);
	jdg_tenant_check(&tenant);
	row->new_id = tenant.tenant_id;
}

/* The quotas that the tenant did not get before. */
static void
import_quotas(const Row *row)
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
	Conversion	c = {row, &q, v,.result = &tenant,.take = take_tenant};

	convert(&c);
	jdg_tenant_check(&tenant);
	jdg_tenant_need_quota(&tenant);
}

/* ------------------------------------------------------------- schedules */

/* what other tables would say, and the new label */
#define OVERLAID \
	"$1 || jsonb_build_object('owner', $2, 'tenant', $3, 'queue_id', 1, " \
	"'command_id', 0)"

static void
take_schedule(Conversion *c)
{
	jdg_schedule_from_row(0, c->result, c->mcxt);
}

static void
import_schedule(Row *row)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS " "
		"FROM jsonb_populate_record(NULL::jadugar_internal.schedule, "
		OVERLAID " || '{\"schedule_id\": 0}') s "
		"WHERE num_nulls(s.name, s.timing, s.timezone, s.payload, s.priority, "
		"s.isolate, s.enabled, s.anchor, s.runs, s.missed, s.overlap, "
		"s.misfire, s.created_at, s.updated_at) = 0 "
		"AND s.transaction IN ('c', 'r', 's', 'x') "
		"AND s.runs >= 0 AND s.missed >= 0 "
		"AND (s.expect_rows IS NULL OR s.expect_rows IN ('s', 'o'))",
		3, {JSONBOID, OIDOID, TEXTOID}
	};
	Oid			owner = owner_of(row);
	JdgSchedule s;
	JdgTaskOptions o = {0};
	Datum		v[3] = {JsonbPGetDatum(row->row), ObjectIdGetDatum(owner),
	CStringGetTextDatum(row->label)};
	Conversion	c = {row, &q, v,.result = &s,.take = take_schedule};
	JdgInternal in;

	memset(&s, 0, sizeof(s));
	convert(&c);
	jdg_check_name("schedule", s.name);
	jdg_check_description(s.description);
	(void) jdg_zone_lookup(s.timezone);
	jdg_check_window(&s);
	o.command = jdg_json_get_text(row->row, "command");
	if (o.command == NULL)
		refuse(row, "It has no command.");
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
take_task(Conversion *c)
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
prepare_task(const Row *row, Task *task, JdgTask *t, JdgQueue *queue)
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
		"AND s.transaction IN ('c', 'r', 's', 'x') "
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
	Conversion	c = {row, &q, v,.result = task,.take = take_task};

	memset(task, 0, sizeof(*task));
	convert(&c);
	o.command = jdg_json_get_text(row->row, "command");
	if (o.command == NULL)
		refuse(row, "It has no command.");
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
map_parents(const Row *row, Task *task, const Row *rows, int n)
{
	for (int i = 0; i < task->nparents; i++)
	{
		const Row  *parent = find(rows, n, JDG_EXPORT_TASK, task->parents[i]);

		if (parent == NULL || parent->new_id == 0)
			refuse(row, psprintf("It depends on task " INT64_FORMAT ", which no earlier task of the rows is.",
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
import_task(Row *row, const Row *rows, int n, Oid user)
{
	Task		task;
	JdgTask		t;
	JdgQueue	queue;
	const Row  *schedule;
	JdgInternal in;

	prepare_task(row, &task, &t, &queue);
	map_parents(row, &task, rows, n);
	schedule = find(rows, n, JDG_EXPORT_SCHEDULE, task.t.schedule_id);
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

/* import_tenant(rows, rename) returns the number of rows that it has made */
JDG_FUNCTION(jdg_import_tenant, JDG_LEVEL_OPERATOR)
{
	ImportArgs	a;
	Oid			user = GetUserId();
	Row		   *rows;
	int			n;
	int			left_out = 0;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar import_tenant",
											   ALLOCSET_DEFAULT_SIZES);

	jdg_require_shmem();
	JDG_READ_ARGS("import_tenant", import_args, &a);
	jdg_check_tenant("rename", a.rename);
	rows = read_rows(&a, &n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		CHECK_FOR_INTERRUPTS();
		switch (rows[i].kind)
		{
			case JDG_EXPORT_TENANT:
				import_tenant(&rows[i], user);
				break;
			case JDG_EXPORT_SCHEDULE:
				import_schedule(&rows[i]);
				break;
			case JDG_EXPORT_TASK:
				import_task(&rows[i], rows, n, user);
				break;
			default:			/* a record */
				left_out++;
		}
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
