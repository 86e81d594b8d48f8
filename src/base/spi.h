/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  Execution of jadugar's own SQL.
 *
 * All of jadugar's own SQL runs through these functions.
 *
 * Between jdg_internal_begin() and jdg_internal_end() the current user is the
 * owner of jadugar's tables and search_path is "pg_catalog, pg_temp".  Plans
 * use indexes regardless of the sizes that the tables had when they were
 * planned.  SPI is connected and each statement takes a fresh snapshot.  Only
 * statements in constants of this source tree run there, never a user's text,
 * function, operator, domain or trigger.
 *
 * If an error leaves the section, the catcher must abort the (sub)transaction
 * that began outside it: that restores user, settings and SPI.
 *
 * A JdgQuery is a static object: its plan is made at first use and kept.  It
 * must be as good when tables have grown, and also if it is made while
 * statistics say that they are empty.  So no two of our tables are joined where
 * one side may be long, since the planner may read either side first: rows of
 * another statement are found by = ANY (ARRAY(SELECT ...)), and a look into
 * another table for each row is a subquery with OFFSET 0 or with an aggregate
 * or a column, which the planner cannot turn into a join.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SPI_H
#define JDG_BASE_SPI_H

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/objects.h"

/* maximum number of parameters of a query */
#define JDG_PARAMS_MAX 48

/* nargs and argtypes are not set if parameters have names: see params.h */
typedef struct JdgQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[JDG_PARAMS_MAX];
	bool		config;			/* changes the configuration: objects.h */
	SPIPlanPtr	plan;
} JdgQuery;

/* the state to restore at the end of a section */
typedef struct JdgInternal
{
	Oid			save_user;
	int			save_sec_context;
	int			guc_level;
	bool		outermost;		/* not begun within another section */
} JdgInternal;

/*
 * For our processes: makes transactions read committed, read-write and without
 * a time limit, regardless of the defaults of the role and of the database.
 */
extern void jdg_set_transaction_defaults(void);

/*
 * Begin and end a bookkeeping section, in a transaction.  Sections can be
 * nested.
 */
extern void jdg_internal_begin(JdgInternal *st);
extern void jdg_internal_end(JdgInternal *st);

/* the current user before the outermost section was begun; within one */
extern Oid	jdg_section_caller(void);

/*
 * Is this process in a bookkeeping section?  After an error has left the
 * section, the answer stays true until the catcher has aborted the
 * (sub)transaction in which the section was begun.
 */
extern bool jdg_is_bookkeeping(void);

/*
 * Runs a query in a bookkeeping section, with values and nulls as for
 * SPI_execute_plan(); "limit" 0: all rows.  Returns the number of rows
 * processed; the result is in SPI_tuptable.
 */
extern int64 jdg_run(JdgQuery *q, Datum *values, const char *nulls,
					 long limit);

/*
 * The same for a query that only reads, and has to see the latest committed
 * rows even in a transaction that keeps its snapshot.
 */
extern int64 jdg_run_latest(JdgQuery *q, Datum *values, const char *nulls);

/*
 * The same for a query with any number of rows: calls take(n, arg) for each
 * batch of them, which is in SPI_tuptable.  What that allocates is freed after
 * the batch.  The query and take() must not change what the other reads.
 * Returns the number of all rows.
 */
extern int64 jdg_run_batches(JdgQuery *q, Datum *values,
							 void (*take) (int64 n, void *arg), void *arg);

/*
 * The same for a query that changes rows and returns something of each, which
 * may be many: calls take(row, arg) for each one, and keeps none.  take() runs
 * no query.  Returns the number of rows.
 */
extern int64 jdg_run_each(JdgQuery *q, Datum *values, const char *nulls,
						  void (*take) (TupleTableSlot *row, void *arg),
						  void *arg);

/*
 * May this procedure commit?  Not in a transaction block, nor where a function
 * or a block with EXCEPTION called it.
 */
extern bool jdg_call_may_commit(FunctionCallInfo fcinfo);

/* column (from 1) of a row (from 0) of SPI_tuptable */
extern Datum jdg_col(uint64 row, int col, bool *isnull);
extern int64 jdg_col_int64(uint64 row, int col, int64 if_null);
extern int32 jdg_col_int32(uint64 row, int col, int32 if_null);
extern Oid	jdg_col_oid(uint64 row, int col);
extern bool jdg_col_bool(uint64 row, int col);
extern char jdg_col_char(uint64 row, int col);
extern TimestampTz jdg_col_time(uint64 row, int col, TimestampTz if_null);

/*
 * Copies in the given context, NULL for null.  jdg_col_int64s(): a column of
 * the first n rows, none of them null.
 */
extern int64 *jdg_col_int64s(int64 n, int col, MemoryContext mcxt);
extern char *jdg_col_text(uint64 row, int col, MemoryContext mcxt);
extern Jsonb *jdg_col_jsonb(uint64 row, int col, MemoryContext mcxt);
extern Interval *jdg_col_interval(uint64 row, int col,
								  MemoryContext mcxt);

/* parameters that may be null: DT_NOBEGIN, null_if and NULL stand for null */
extern void jdg_put_time(Datum *value, char *isnull, TimestampTz t);
extern void jdg_put_int64(Datum *value, char *isnull, int64 i, int64 null_if);
extern void jdg_put_pointer(Datum *value, char *isnull, const void *p);
extern void jdg_put_text(Datum *value, char *isnull, const char *s);

#endif							/* JDG_BASE_SPI_H */
