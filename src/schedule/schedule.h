/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  A row of jadugar_internal.schedule as a struct, and when it is due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_SCHEDULE_H
#define JDG_SCHEDULE_SCHEDULE_H

#include "utils/array.h"

#include "base/compat.h"
#include "task/task.h"
#include "timing/timing.h"

typedef enum JdgOverlap
{
	JDG_OVERLAP_SKIP,
	JDG_OVERLAP_QUEUE,
	JDG_OVERLAP_PARALLEL,
	JDG_OVERLAP_REPLACE
} JdgOverlap;

typedef enum JdgMisfire
{
	JDG_MISFIRE_SKIP,
	JDG_MISFIRE_ONCE,
	JDG_MISFIRE_ALL
} JdgMisfire;

/*
 * A schedule.  Pointers are NULL where the column is; strings and varlenas
 * live where the struct's maker says.
 */
typedef struct JdgSchedule
{
	int64		schedule_id;
	Oid			owner;
	char	   *name;
	JdgTiming	timing;
	char	   *timezone;
	int64		command_id;
	Jsonb	   *payload;
	int32		queue_id;
	int32		priority;
	Interval   *timeout;
	Jsonb	   *retry;
	JdgXactMode transaction;
	bool		isolate;
	JdgExpectRows expect_rows;
	JdgOverlap	overlap;
	JdgMisfire	misfire;
	Interval   *misfire_grace;
	Interval   *jitter;
	TimestampTz starts_at;		/* DT_NOBEGIN: null, as all of these */
	TimestampTz ends_at;
	int64		max_runs;		/* 0: null */
	ArrayType  *depends_on;
	char	   *concurrency_key;
	Jsonb	   *settings;
	char	   *tenant;
	char	   *description;
	Jsonb	   *metadata;
	bool		enabled;
	TimestampTz paused_at;
	char	   *paused_by;		/* role that paused it, or NULL */
	TimestampTz anchor;
	TimestampTz next_run_at;
	TimestampTz last_fired_at;
	TimestampTz last_startup;
	int64		runs;
	int64		missed;
	char	   *last_error;
	TimestampTz created_at;
	TimestampTz updated_at;
} JdgSchedule;

/* the columns that jdg_schedule_from_row() expects, in its order */
#define JDG_SCHEDULE_COLUMNS \
	"schedule_id, owner, name, timing, timezone, command_id, payload, " \
	"queue_id, priority, timeout, retry, transaction, isolate, overlap, " \
	"misfire, misfire_grace, jitter, starts_at, ends_at, max_runs, " \
	"depends_on, concurrency_key, settings, tenant, description, metadata, " \
	"enabled, paused_at, anchor, next_run_at, last_fired_at, last_startup, " \
	"runs, missed, last_error, created_at, updated_at, paused_by, " \
	"expect_rows"
#define JDG_SCHEDULE_NCOLUMNS 39

/* words of the columns overlap and misfire, up to a NULL */
extern const char *const jdg_overlap_words[];
extern const char *const jdg_misfire_words[];

/*
 * Rows, all of it inside jdg_internal_begin().  "lock": FOR UPDATE, waiting
 * for the transaction that has locked the row.  Insert returns the new id, or
 * 0 if the owner has a schedule of that name.  Update writes every column
 * except schedule_id, owner and created_at.
 */
extern void jdg_schedule_from_row(uint64 row, JdgSchedule *s,
								  MemoryContext mcxt);
extern JdgSchedule *jdg_schedule_from_rows(int64 n, MemoryContext mcxt);
extern bool jdg_schedule_load(Oid owner, const char *name, bool lock,
							  JdgSchedule *s, MemoryContext mcxt);
extern int64 jdg_schedule_insert(const JdgSchedule *s);
extern void jdg_schedule_update(const JdgSchedule *s);

/* CONFLICT with the name */
JDG_NORETURN extern void jdg_schedule_exists(const char *name);

/*
 * The same as jdg_schedule_load(), or NOT_FOUND; also if the caller may not act
 * on it, or without "lock" if it does not see it.
 */
extern void jdg_schedule_find(Oid owner, const char *name, bool lock,
							  JdgSchedule *s, MemoryContext mcxt);

/* the fields of a task that come from its schedule; the rest unset */
extern void jdg_schedule_task(const JdgSchedule *s, JdgTask *task);

/*
 * Occurrences that do not run: one row of history for n of them, from first
 * to last.  Inside jdg_internal_begin().  Counting them in s->missed is the
 * caller's.
 */
extern void jdg_schedule_record_missed(const JdgSchedule *s, int64 n,
									   TimestampTz first, TimestampTz last,
									   const char *reason, TimestampTz now);

#endif							/* JDG_SCHEDULE_SCHEDULE_H */
