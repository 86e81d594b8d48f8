/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  The one way in which jadugar runs SQL of its own.
 *
 * Between jdg_internal_begin() and jdg_internal_end() the current user is
 * the owner of jadugar's tables and search_path is "pg_catalog, pg_temp";
 * plans use indexes whatever the tables' sizes were when they were made; SPI
 * is connected and each statement takes a fresh snapshot.  Only statements in
 * constants of this source tree run there, never a user's text, function,
 * operator, domain or trigger.
 *
 * If an error leaves the section, the (sub)transaction that began outside it
 * must be aborted by the catcher: that restores user, settings and SPI.
 *
 * A JdgQuery is a static object: its plan is made at first use and kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SPI_H
#define JDG_BASE_SPI_H

#include "executor/spi.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/objects.h"

/* the most parameters of a query */
#define JDG_PARAMS_MAX 48

/* nargs and argtypes are not set if parameters have names: see params.h */
typedef struct JdgQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[JDG_PARAMS_MAX];
	bool		config;			/* changes what is kept: jdg_config_epoch() */
	SPIPlanPtr	plan;
} JdgQuery;

typedef struct JdgInternal
{
	Oid			save_user;
	int			save_sec_context;
	int			guc_level;
	bool		outermost;		/* not begun within another section */
} JdgInternal;

extern void jdg_plain_transactions(void);

extern void jdg_internal_begin(JdgInternal *st);
extern void jdg_internal_end(JdgInternal *st);

/*
 * Is this process between jdg_internal_begin() and jdg_internal_end()?  After
 * an error has left the section the answer stays true until the catcher has
 * aborted the (sub)transaction that the section was begun in.
 */
extern bool jdg_is_bookkeeping(void);

/* number of rows processed; results in SPI_tuptable */
extern int64 jdg_run(JdgQuery *q, Datum *values, const char *nulls,
					 long limit);
extern int64 jdg_run_latest(JdgQuery *q, Datum *values, const char *nulls);

/* column (1-based) of row i of SPI_tuptable */
extern Datum jdg_col(uint64 row, int col, bool *isnull);
extern int64 jdg_col_int64(uint64 row, int col, int64 if_null);
extern int32 jdg_col_int32(uint64 row, int col, int32 if_null);
extern Oid	jdg_col_oid(uint64 row, int col);
extern bool jdg_col_bool(uint64 row, int col);
extern char jdg_col_char(uint64 row, int col);
extern TimestampTz jdg_col_time(uint64 row, int col, TimestampTz if_null);

/* copies in the given context, NULL for null */
extern char *jdg_col_text(uint64 row, int col, MemoryContext mcxt);
extern Jsonb *jdg_col_jsonb(uint64 row, int col, MemoryContext mcxt);
extern Interval *jdg_col_interval(uint64 row, int col,
								  MemoryContext mcxt);

/* parameters that may be null: DT_NOBEGIN, "null_if" and NULL are null */
extern void jdg_put_time(Datum *value, char *isnull, TimestampTz t);
extern void jdg_put_int64(Datum *value, char *isnull, int64 i, int64 null_if);
extern void jdg_put_pointer(Datum *value, char *isnull, const void *p);
extern void jdg_put_text(Datum *value, char *isnull, const char *s);

#endif							/* JDG_BASE_SPI_H */
