/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  Runs a task's SQL, inside and outside a transaction.
 *
 * Runs in workers as the session's user, and in any backend for run_task().
 * The plan of a command with a single statement is kept, by command id.  Its
 * literals are values by then, so it is kept only if they would be the same
 * values in the next run: 'yesterday'::date is not.
 * Several statements are given to SPI one after the other: a later one may
 * need an object that an earlier one creates, statement_timeout holds for each
 * of them, and an error names its statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "base/errors.h"
#include "base/toplevel.h"
#include "exec/exec.h"
#include "exec/result.h"
#include "exec/sql.h"

/* when there are so many kept plans, all are freed */
#define MAX_PLANS 256

/* settings that decide what the text means */
typedef struct ParseSettings
{
	int			interval_style;
	bool		array_nulls;
	bool		conforming_strings;
	bool		null_equals;
} ParseSettings;

typedef struct KeptPlan
{
	int64		command_id;		/* hash key */
	char	   *sql;			/* text of the planned command */
	ParseSettings settings;		/* when it was parsed */
	SPIPlanPtr	plan;
} KeptPlan;

static HTAB *plans = NULL;

static void
forget_plans(void)
{
	HASH_SEQ_STATUS seq;
	KeptPlan   *p;

	hash_seq_init(&seq, plans);
	while ((p = hash_seq_search(&seq)) != NULL)
	{
		SPI_freeplan(p->plan);
		pfree(p->sql);
	}
	hash_destroy(plans);
	plans = NULL;
}

static ParseSettings
parse_settings(void)
{
	ParseSettings s;

	s.interval_style = IntervalStyle;
	s.array_nulls = Array_nulls;
	s.conforming_strings = standard_conforming_strings;
	s.null_equals = Transform_null_equals;
	return s;
}

/*
 * Does a literal of this type have one value, whenever it is read?  An input
 * function that is not immutable depends on the time, on a setting or on a
 * catalog.  Of these, the server itself makes a plan anew for another
 * search_path or table, and parse_settings() covers intervals and arrays.
 */
static bool
is_fixed_type(Oid type)
{
	Oid			input;
	Oid			ioparam;
	Oid			part = get_element_type(type);

	if (!OidIsValid(part))
		part = get_range_subtype(type);
	if (OidIsValid(part))
		return is_fixed_type(part);
	if (type == REGCLASSOID || type == INTERVALOID || type_is_enum(type))
		return true;
	getTypeInputInfo(type, &input, &ioparam);
	return func_volatile(input) == PROVOLATILE_IMMUTABLE;
}

/*
 * Has the tree a literal whose value may be another one next time?  Only
 * constants of the text itself have a location, not those of views.
 */
static bool
has_moving_literal(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		Const	   *c = (Const *) node;

		return c->location >= 0 && !c->constisnull &&
			!is_fixed_type(c->consttype);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_moving_literal,
								 context, 0);
	return expression_tree_walker(node, has_moving_literal, context);
}

/* Does the plan of a single statement hold for later runs of its text? */
static bool
may_be_kept(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	ListCell   *lc;

	foreach(lc, source->query_list)
	{
		Query	   *q = lfirst_node(Query, lc);

		if (q->utilityStmt == NULL)
		{
			if (has_moving_literal((Node *) q, NULL))
				return false;
		}
		else if (IsA(q->utilityStmt, CallStmt))
		{
			CallStmt   *call = (CallStmt *) q->utilityStmt;

			if (has_moving_literal((Node *) call->funcexpr, NULL))
				return false;
		}
		else if (UtilityContainsQuery(q->utilityStmt) != NULL)
			return false;
	}
	return true;
}

/*
 * The kept plan of the command, if it was made for the same text under the
 * same settings; or NULL.
 */
static KeptPlan *
find_plan(int64 command_id, const char *sql)
{
	ParseSettings now = parse_settings();
	KeptPlan   *p;

	if (plans == NULL)
		return NULL;
	p = hash_search(plans, &command_id, HASH_FIND, NULL);
	if (p == NULL || strcmp(p->sql, sql) != 0)
		return NULL;
	if (p->settings.interval_style != now.interval_style ||
		p->settings.array_nulls != now.array_nulls ||
		p->settings.conforming_strings != now.conforming_strings ||
		p->settings.null_equals != now.null_equals)
		return NULL;
	return p;
}

/*
 * Keeps a plan of SPI_prepare() beyond the transaction, and frees an earlier
 * plan of the same command.
 */
static void
keep_plan(int64 command_id, const char *sql, SPIPlanPtr plan)
{
	KeptPlan   *p;
	bool		found;

	if (plans != NULL && hash_get_num_entries(plans) >= MAX_PLANS)
		forget_plans();
	if (plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(KeptPlan);
		plans = hash_create("jadugar plans", MAX_PLANS, &ctl,
							HASH_ELEM | HASH_BLOBS);
	}
	SPI_keepplan(plan);
	p = hash_search(plans, &command_id, HASH_ENTER, &found);
	if (found)
	{
		SPI_freeplan(p->plan);
		pfree(p->sql);
	}
	p->sql = MemoryContextStrdup(TopMemoryContext, sql);
	p->settings = parse_settings();
	p->plan = plan;
}

/*
 * Raises an error if an SPI function has failed.  Statements that a task
 * cannot run have their own messages.
 */
static void
check_spi(int rc)
{
	if (rc == SPI_ERROR_TRANSACTION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("a task cannot begin or end transactions"),
				 errhint("Enqueue it with transaction => 'standalone'.")));
	if (rc == SPI_ERROR_COPY)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a task cannot COPY to or from a client")));
	if (rc < 0)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(rc));
}

/* Tells the receiver that a statement has ended. */
static void
statement_ended(DestReceiver *dest)
{
	const JdgReceiver *r = (JdgReceiver *) dest;

	if (r->ended != NULL)
		r->ended(dest);
}

/*
 * In PG_CATCH: raises the error again.  If the analysis of the text did not
 * accept the use of $1, an event or an array of events, the hint says what
 * that is.
 */
static void
rethrow_with_hint(Oid argument, MemoryContext mcxt)
{
	Oid			event = get_element_type(argument);
	ErrorData  *edata;

	if (argument == JSONBOID || ERRCODE_TO_CATEGORY(geterrcode()) !=
		ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION)
		PG_RE_THROW();
	edata = jdg_take_error(mcxt);
	if (strstr(edata->message,
			   format_type_be(OidIsValid(event) ? event : argument)) != NULL)
		edata->hint = OidIsValid(event) ?
			psprintf("$1 is an array of events, of type %s. Write, for example, FROM unnest($1) AS e, and e.data for the data of each, a jsonb.",
					 format_type_be(argument)) :
			psprintf("$1 is an event, of type %s. Write ($1).data for its data, a jsonb. Only with batch, $1 is an array.",
					 format_type_be(argument));
	ReThrowError(edata);
}

/* Plans a single statement. */
static SPIPlanPtr
prepare(const char *sql, Oid argument)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtypes[1] = {argument};
	SPIPlanPtr	plan = NULL;

	PG_TRY();
	{
		plan = SPI_prepare_cursor(sql, 1, argtypes, CURSOR_OPT_PARALLEL_OK);
	}
	PG_CATCH();
	{
		rethrow_with_hint(argument, mcxt);
	}
	PG_END_TRY();
	if (plan == NULL)
		check_spi(SPI_result);
	return plan;
}

/* Runs several statements, each with its own text. */
static void
run_several(const char *sql, List *stmts, ParamListInfo params,
			DestReceiver *dest, MemoryContext mcxt)
{
	SPIExecuteOptions opts = {0};
	ListCell   *lc;

	opts.params = params;
	opts.dest = dest;
	foreach(lc, stmts)
	{
		RawStmt    *stmt = lfirst_node(RawStmt, lc);
		const char *begin = sql + stmt->stmt_location;
		int			len = stmt->stmt_len > 0 ? stmt->stmt_len : strlen(begin);
		MemoryContext old = MemoryContextSwitchTo(mcxt);
		char	   *text = pnstrdup(begin, len);

		MemoryContextSwitchTo(old);
		jdg_exec_statement(foreach_current_index(lc) + 1, list_length(stmts),
						   text,
						   pg_mbstrlen_with_len(sql, stmt->stmt_location));
		check_spi(SPI_execute_extended(text, &opts));
		statement_ended(dest);
	}
}

/*
 * Runs a single statement, with its kept plan if there is one.  Otherwise
 * plans it, and keeps the plan if command_id > 0 and it holds for later runs.
 */
static void
run_single(const char *sql, int64 command_id, ParamListInfo params,
		   DestReceiver *dest)
{
	SPIExecuteOptions opts = {0};
	KeptPlan   *kept = find_plan(command_id, sql);
	SPIPlanPtr	plan = kept ? kept->plan : NULL;

	jdg_exec_statement(1, 1, sql, 0);
	if (plan == NULL)
	{
		plan = prepare(sql, params->params[0].ptype);
		if (command_id > 0 && may_be_kept(plan))
			keep_plan(command_id, sql, plan);
	}
	opts.params = params;
	opts.dest = dest;
	check_spi(SPI_execute_plan_extended(plan, &opts));
	statement_ended(dest);
}

/*
 * Runs the text with these parameters; the rows go to a JdgReceiver.  Returns
 * the number of rows of the last statement.
 */
static int64
run_text(const char *sql, int64 command_id, ParamListInfo params,
		 DestReceiver *dest)
{
	MemoryContext mcxt = CurrentMemoryContext;
	int64		rows;
	List	   *stmts = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (find_plan(command_id, sql) == NULL)
		stmts = raw_parser(sql, RAW_PARSE_DEFAULT);
	if (list_length(stmts) <= 1)
		run_single(sql, command_id, params, dest);
	else
		run_several(sql, stmts, params, dest, mcxt);
	rows = (int64) SPI_processed;
	SPI_finish();
	return rows;
}

/* The same; the first row is the result. */
static void
run_for_result(const char *sql, int64 command_id, ParamListInfo params,
			   JdgExecResult *res)
{
	DestReceiver *dest = jdg_first_row_receiver();

	res->row_count = run_text(sql, command_id, params, dest);
	res->result = jdg_first_row(dest);
}

void
jdg_exec_sql(const char *sql, int64 command_id, Jsonb *payload,
			 JdgExecResult *res)
{
	run_for_result(sql, command_id, jdg_payload_params(payload), res);
}

int64
jdg_exec_sql_rows(const char *sql, Jsonb *payload, DestReceiver *dest)
{
	return run_text(sql, 0, jdg_payload_params(payload), dest);
}

void
jdg_exec_sql_value(const char *sql, int64 command_id, Oid type, Datum value,
				   JdgExecResult *res)
{
	ParamListInfo params = makeParamList(1);

	params->params[0].value = value;
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = type;
	run_for_result(sql, command_id, params, res);
}

/* Callbacks of jdg_toplevel_run(). */
static void
standalone_begins(int n, int statements)
{
	jdg_exec_statement(n, statements, NULL, 0);
}

static const JdgToplevelCalls standalone_calls = {
	standalone_begins, jdg_first_row_convert
};

void
jdg_exec_standalone(const char *sql, Jsonb *payload, JdgExecResult *res)
{
	DestReceiver *dest = jdg_first_row_receiver();

	res->row_count = (int64) jdg_toplevel_run(sql, payload, dest,
											  &standalone_calls);
	res->result = jdg_first_row(dest);
}
