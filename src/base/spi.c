/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  Execution of jadugar's own SQL, see spi.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/spi.h"

/* rows of a batch of jdg_run_batches() */
#define BATCH_ROWS 1000

/*
 * Nesting level of the transaction in which the outermost section was begun;
 * 0: no section is open.  An error may leave a section without a call of
 * jdg_internal_end(), so callbacks close it when its (sub)transaction aborts.
 * Sections within the outermost one are not recorded: if an error leaves them,
 * they end with their subtransaction, and the outermost continues.
 *
 * The current user does not show whether a section is open.  A SECURITY
 * DEFINER function of the extension's owner sets the same user and the same
 * flags.
 */
static int	section_level = 0;
static Oid	section_caller = InvalidOid;
static bool callbacks_registered = false;

void
jdg_set_transaction_defaults(void)
{
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET,
					PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_USERSET,
					PGC_S_OVERRIDE);
	/* since 17; it would end the process instead of the task */
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_USERSET,
						PGC_S_OVERRIDE);
}

/* Sets a setting until the GUC nest level of the section ends. */
static void
set_for_section(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* The transaction ends: an error may have left a section open. */
static void
section_at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			section_level = 0;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

/* The same for a subtransaction, which is still the current one here. */
static void
section_at_subxact_end(SubXactEvent event, SubTransactionId mine,
					   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB &&
		section_level >= GetCurrentTransactionNestLevel())
		section_level = 0;
}

bool
jdg_is_bookkeeping(void)
{
	return section_level > 0;
}

Oid
jdg_section_caller(void)
{
	Assert(jdg_is_bookkeeping());
	return section_caller;
}

void
jdg_internal_begin(JdgInternal *st)
{
	if (!callbacks_registered)
	{
		RegisterXactCallback(section_at_xact_end, NULL);
		RegisterSubXactCallback(section_at_subxact_end, NULL);
		callbacks_registered = true;
	}
	st->outermost = section_level == 0;
	if (st->outermost)
		section_level = GetCurrentTransactionNestLevel();
	GetUserIdAndSecContext(&st->save_user, &st->save_sec_context);
	if (st->outermost)
		section_caller = st->save_user;
	SetUserIdAndSecContext(jdg_bookkeeper(),
						   st->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	st->guc_level = NewGUCNestLevel();
	set_for_section("search_path", "pg_catalog, pg_temp");

	/*
	 * Plans may be made while a table is small, and used when it has grown.
	 * And a query without an index could then look expensive enough to
	 * compile.
	 */
	if (enable_seqscan)
		set_for_section("enable_seqscan", "off");
	if (enable_bitmapscan)
		set_for_section("enable_bitmapscan", "off");
	if (jit_enabled)
		set_for_section("jit", "off");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
jdg_internal_end(JdgInternal *st)
{
	Assert(jdg_is_bookkeeping());
	SPI_finish();
	AtEOXact_GUC(false, st->guc_level);
	SetUserIdAndSecContext(st->save_user, st->save_sec_context);
	if (st->outermost)
		section_level = 0;
}

/* Plans a query at its first use. */
static void
prepare(JdgQuery *q)
{
	SPIPlanPtr	plan;

	if (q->plan != NULL)
		return;
	plan = SPI_prepare_cursor(q->sql, q->nargs, q->argtypes,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s",
			 SPI_result_code_string(SPI_result), q->sql);
	SPI_keepplan(plan);
	q->plan = plan;
}

/* Raises an error unless a query has run. */
static void
check_run(const JdgQuery *q, int rc)
{
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s",
			 SPI_result_code_string(rc), q->sql);
}

/* Runs a query.  Notes a change of the configuration. */
static int64
run(JdgQuery *q, Datum *values, const char *nulls, bool read_only, long limit)
{
	int			rc;

	Assert(jdg_is_bookkeeping());
	prepare(q);
	rc = SPI_execute_plan(q->plan, values, nulls, read_only, limit);
	check_run(q, rc);
	if (q->config && SPI_processed > 0)
		jdg_config_changed();
	return (int64) SPI_processed;
}

int64
jdg_run(JdgQuery *q, Datum *values, const char *nulls, long limit)
{
	return run(q, values, nulls, false, limit);
}

int64
jdg_run_latest(JdgQuery *q, Datum *values, const char *nulls)
{
	int64		n;

	/* rows that this transaction has written must be visible */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	n = run(q, values, nulls, true, 0);
	PopActiveSnapshot();
	return n;
}

int64
jdg_run_batches(JdgQuery *q, Datum *values,
				void (*take) (int64 n, void *arg), void *arg)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"jadugar batch",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	Portal		portal;
	int64		n;
	int64		total = 0;

	Assert(jdg_is_bookkeeping());
	Assert(!q->config);
	prepare(q);
	portal = SPI_cursor_open(NULL, q->plan, values, NULL, false);
	do
	{
		SPITupleTable *rows;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		n = (int64) SPI_processed;
		rows = SPI_tuptable;
		MemoryContextSwitchTo(batch);
		if (n > 0)
			take(n, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
		SPI_freetuptable(rows);
		total += n;
	} while (n == BATCH_ROWS);
	SPI_cursor_close(portal);
	MemoryContextDelete(batch);
	return total;
}

/* a receiver of rows that calls a function for each */
typedef struct EachRow
{
	DestReceiver pub;
	void		(*take) (TupleTableSlot *row, void *arg);
	void	   *arg;
} EachRow;

static bool
receive_each(TupleTableSlot *row, DestReceiver *self)
{
	EachRow    *each = (EachRow *) self;

	each->take(row, each->arg);
	return true;
}

static void
each_begins(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
each_ends(DestReceiver *self)
{
}

int64
jdg_run_each(JdgQuery *q, Datum *values, const char *nulls,
			 void (*take) (TupleTableSlot *row, void *arg), void *arg)
{
	EachRow		each = {
		.pub = {
			.receiveSlot = receive_each,
			.rStartup = each_begins,
			.rShutdown = each_ends,
			.rDestroy = each_ends,
			.mydest = DestNone
		},
		.take = take,
		.arg = arg
	};
	SPIExecuteOptions options = {.dest = &each.pub};
	int			rc;

	Assert(jdg_is_bookkeeping());
	Assert(!q->config);
	prepare(q);
	options.params = makeParamList(q->nargs);
	for (int i = 0; i < q->nargs; i++)
	{
		ParamExternData *p = &options.params->params[i];

		p->value = values[i];
		p->isnull = nulls != NULL && nulls[i] == 'n';
		p->pflags = PARAM_FLAG_CONST;
		p->ptype = q->argtypes[i];
	}
	rc = SPI_execute_plan_extended(q->plan, &options);
	check_run(q, rc);
	return (int64) SPI_processed;
}

Datum
jdg_col(uint64 row, int col, bool *isnull)
{
	Assert(row < SPI_tuptable->numvals);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col,
						 isnull);
}

int64
jdg_col_int64(uint64 row, int col, int64 if_null)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? if_null : DatumGetInt64(d);
}

int64 *
jdg_col_int64s(int64 n, int col, MemoryContext mcxt)
{
	int64	   *values = MemoryContextAlloc(mcxt, sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		values[i] = jdg_col_int64(i, col, 0);
	return values;
}

int32
jdg_col_int32(uint64 row, int col, int32 if_null)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? if_null : DatumGetInt32(d);
}

Oid
jdg_col_oid(uint64 row, int col)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(d);
}

bool
jdg_col_bool(uint64 row, int col)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? false : DatumGetBool(d);
}

char
jdg_col_char(uint64 row, int col)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? '\0' : DatumGetChar(d);
}

TimestampTz
jdg_col_time(uint64 row, int col, TimestampTz if_null)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? if_null : DatumGetTimestampTz(d);
}

char *
jdg_col_text(uint64 row, int col, MemoryContext mcxt)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);
	MemoryContext old;
	char	   *s;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(mcxt);
	s = TextDatumGetCString(d);
	MemoryContextSwitchTo(old);
	return s;
}

Jsonb *
jdg_col_jsonb(uint64 row, int col, MemoryContext mcxt)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);
	MemoryContext old;
	Jsonb	   *j;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(mcxt);
	j = DatumGetJsonbPCopy(d);
	MemoryContextSwitchTo(old);
	return j;
}

Interval *
jdg_col_interval(uint64 row, int col, MemoryContext mcxt)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);
	Interval   *copy;

	if (isnull)
		return NULL;
	copy = MemoryContextAlloc(mcxt, sizeof(Interval));
	memcpy(copy, DatumGetIntervalP(d), sizeof(Interval));
	return copy;
}

bool
jdg_call_may_commit(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic &&
		!IsSubTransaction();
}

void
jdg_put_time(Datum *value, char *isnull, TimestampTz t)
{
	*value = TimestampTzGetDatum(t);
	*isnull = t == DT_NOBEGIN ? 'n' : ' ';
}

void
jdg_put_int64(Datum *value, char *isnull, int64 i, int64 null_if)
{
	*value = Int64GetDatum(i);
	*isnull = i == null_if ? 'n' : ' ';
}

void
jdg_put_pointer(Datum *value, char *isnull, const void *p)
{
	*value = PointerGetDatum(p);
	*isnull = p == NULL ? 'n' : ' ';
}

void
jdg_put_text(Datum *value, char *isnull, const char *s)
{
	*value = s ? CStringGetTextDatum(s) : (Datum) 0;
	*isnull = s == NULL ? 'n' : ' ';
}
