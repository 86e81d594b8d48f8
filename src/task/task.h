/*-------------------------------------------------------------------------
 *
 * task.h
 *	  A row of jadugar_internal.task as a struct, and its readers and
 *	  writers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TASK_H
#define JDG_TASK_TASK_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/expectrows.h"
#include "base/xactmode.h"
#include "shared/limit.h"

/* the letters of task.state */
typedef enum JdgTaskState
{
	JDG_STATE_READY = 'r',
	JDG_STATE_SCHEDULED = 's',	/* waits for its run_at */
	JDG_STATE_DEPENDENCY = 'd', /* waits for other tasks */
	JDG_STATE_KEY = 'k',		/* waits for its concurrency key */
	JDG_STATE_PAUSED = 'p',
	JDG_STATE_STANDALONE = 'x', /* under way, outside a transaction */
	JDG_STATE_FLOW = 'f'		/* has started a run of a flow, and ends with
								 * it */
} JdgTaskState;

/* the same for SQL */
#define JDG_SQL_READY		"'r'"
#define JDG_SQL_SCHEDULED	"'s'"
#define JDG_SQL_DEPENDENCY	"'d'"
#define JDG_SQL_KEY			"'k'"
#define JDG_SQL_PAUSED		"'p'"
#define JDG_SQL_STANDALONE	"'x'"
#define JDG_SQL_FLOW		"'f'"

/* the letters of attempt.status; jdg_status_name() has the words */
typedef enum JdgStatus
{
	JDG_STATUS_NONE = '\0',		/* no row */
	JDG_STATUS_COMPLETED = 'c',
	JDG_STATUS_FAILED = 'f',
	JDG_STATUS_CANCELLED = 'x',
	JDG_STATUS_LOST = 'l',
	JDG_STATUS_SKIPPED = 's'
} JdgStatus;

/* the same for SQL */
#define JDG_SQL_COMPLETED	"'c'"

/* the letters of task.on_dependency_failure, named by their words */
typedef enum JdgDependencyFailure
{
	JDG_FAILURE_NONE = '\0',	/* null */
	JDG_FAILURE_CANCEL = 'c',
	JDG_FAILURE_RUN = 'r',
	JDG_FAILURE_WAIT = 'w'
} JdgDependencyFailure;

/* task.flow_data: the data that the task receives */
typedef enum JdgFlowData
{
	JDG_DATA_NONE,				/* null */
	JDG_DATA_RUN,				/* the data of its run */
	JDG_DATA_INPUT,				/* the same without results of steps */
	JDG_DATA_MAPPED,			/* its payload, filled in from that */
	JDG_DATA_UNDO,				/* the result that it is to undo */
	JDG_DATA_UNDO_MAPPED,		/* its payload, filled in from both */
	JDG_DATA_UNDO_GIVEN			/* its payload as it is; it undoes a step */
} JdgFlowData;

/* the letter in the table, '\0' for NONE, and back */
extern char jdg_flow_data_out(JdgFlowData data);
extern JdgFlowData jdg_flow_data_in(char letter);

/*
 * A task.  Pointers are NULL where the column is; strings and varlenas live
 * where the struct's maker says.
 */
typedef struct JdgTask
{
	int64		task_id;
	Oid			owner;
	int32		queue_id;
	int32		priority;
	JdgTaskState state;
	JdgXactMode transaction;
	bool		isolate;
	bool		bounded;
	int32		attempt;
	int32		max_attempts;
	int32		crashes;
	int64		command_id;
	TimestampTz run_at;
	TimestampTz created_at;
	Jsonb	   *payload;
	int64		schedule_id;	/* 0: none */
	char	   *schedule;		/* its name when the task was made */
	TimestampTz scheduled_for;	/* DT_NOBEGIN: null */
	TimestampTz started_at;		/* DT_NOBEGIN: null */
	Interval   *timeout;
	Jsonb	   *retry;
	Jsonb	   *settings;
	Jsonb	   *metadata;
	char	   *unique_key;
	char	   *concurrency_key;
	char	   *tenant;
	char	   *trace;
	JdgDependencyFailure on_dependency_failure;
	int64		flow_run;		/* 0: not a step of a flow */
	int64		step_id;		/* its row in flow_step */
	char	   *step;			/* its name */
	JdgFlowData flow_data;
	bool		key_place;		/* holds a place of its concurrency_key */
	JdgExpectRows expect_rows;
	Jsonb	   *event;			/* that it is for: event/current.h; or NULL */
	Jsonb	   *fallback;		/* fallback.h; NULL: its first command runs */
	int32		endpoint_id;	/* that it calls; 0: none */
	char	   *host;			/* that it calls, if the payload has the URL */
	int32		lane;			/* lanes.h; set when the row is written */

	/*
	 * Where its row lies, if this transaction claimed it and it has not been
	 * changed since; else not valid.
	 */
	ItemPointerData tid;

	/* for a worker that has claimed it: shared/lane.h, shared/gate.h */
	JdgLimits  *limits;			/* if it has a rate, else NULL */
	bool		circuit_open;	/* it is to fail for that, and holds no place */
	TimestampTz began;			/* when the rate let it begin; 0: none did */
	int32		turn_of;		/* the tenant whose party it was claimed from */
	int32		weight;			/* of that tenant; 0: it takes no turns */

	/* has no row: made by the transaction that runs it, see flow/run/held.h */
	bool		unwritten;
} JdgTask;

/* is its payload that of the row, or made when it runs? */
static inline bool
jdg_payload_is_given(const JdgTask *t)
{
	return t->flow_data == JDG_DATA_NONE || t->flow_data == JDG_DATA_UNDO_GIVEN;
}

/* columns of jadugar_internal.task, in the order of sql/task.sql */
enum
{
	JDG_A_TASK_ID = 1, JDG_A_OWNER, JDG_A_QUEUE_ID, JDG_A_PRIORITY,
	JDG_A_STATE, JDG_A_TRANSACTION, JDG_A_ISOLATE, JDG_A_BOUNDED,
	JDG_A_ATTEMPT, JDG_A_MAX_ATTEMPTS, JDG_A_CRASHES, JDG_A_LANE,
	JDG_A_COMMAND_ID, JDG_A_RUN_AT, JDG_A_CREATED_AT, JDG_A_PAYLOAD, JDG_A_SCHEDULE_ID,
	JDG_A_SCHEDULED_FOR, JDG_A_STARTED_AT, JDG_A_TIMEOUT, JDG_A_RETRY,
	JDG_A_SETTINGS, JDG_A_METADATA, JDG_A_UNIQUE_KEY, JDG_A_CONCURRENCY_KEY,
	JDG_A_TENANT, JDG_A_TRACE, JDG_A_ON_DEPENDENCY_FAILURE,
	JDG_A_FLOW_RUN, JDG_A_STEP_ID, JDG_A_STEP, JDG_A_FLOW_DATA,
	JDG_A_PAUSED_BY, JDG_A_KEY_PLACE, JDG_A_EXPECT_ROWS,
	JDG_A_SCHEDULE, JDG_A_EVENT, JDG_A_FALLBACK, JDG_A_ENDPOINT_ID, JDG_A_HOST,
	JDG_A_LAST = JDG_A_HOST
};

typedef struct JdgTaskWriter JdgTaskWriter;

extern int64 jdg_task_next_id(void);

/*
 * Its lane: lanes.h.  Of an HTTP task, t->lane says whether it fails while a
 * breaker is open.
 */
extern int32 jdg_task_lane(const JdgTask *task);

/* sets endpoint_id and host of an HTTP task; from target.c, see there */
extern void (*jdg_task_target_hook) (JdgTask *task);

/*
 * Insert tasks whose fields are all set (task_id by jdg_task_next_id()) but
 * the lane, which is set here: many, or one.  The data that they point to stays
 * valid until the end.  The caller queues wake-ups by jdg_wake_at_commit().
 * With an active snapshot; no user code is evaluated.
 */
extern JdgTaskWriter *jdg_task_writer_begin(void);
extern void jdg_task_writer_put(JdgTaskWriter *writer, JdgTask *task);
extern void jdg_task_writer_end(JdgTaskWriter *writer);
extern void jdg_task_insert(JdgTask *task);

/*
 * Do the task, and those that it enqueues, cause no events?  Then its event
 * says so; one that a quiet process enqueues, and that has no event, gets
 * jdg_task_quiet_event().
 */
extern bool jdg_task_is_quiet(const JdgTask *task);
extern Jsonb *jdg_task_quiet_event(void);

/* the field of JdgTask.event that says so */
#define JDG_QUIET "quiet"

/* the state of a task that may begin */
extern JdgTaskState jdg_ready_state(const JdgTask *t);

/* the same in SQL, from the columns of a row of task */
#define JDG_SQL_READY_STATE JDG_SQL_READY "::\"char\""

/*
 * The state of a task that waits for no other, from its run_at, its key and
 * its place there.
 */
extern JdgTaskState jdg_state_without_dependencies(const JdgTask *t);

/* concurrency keys of messages of actors begin so: src/actor/ */
#define JDG_ACTOR_KEY_PREFIX "actor/"

static inline bool
jdg_task_is_message(const JdgTask *t)
{
	return t->concurrency_key != NULL &&
		strncmp(t->concurrency_key, JDG_ACTOR_KEY_PREFIX,
				sizeof(JDG_ACTOR_KEY_PREFIX) - 1) == 0;
}

/*
 * Is an attempt of the task under way although nobody may have locked its row?
 * A standalone command, or the run of a flow that it has started.
 */
static inline bool
jdg_task_is_begun(const JdgTask *t)
{
	return t->state == JDG_STATE_STANDALONE || t->state == JDG_STATE_FLOW;
}

extern void jdg_task_from_row(uint64 row, JdgTask *task, MemoryContext mcxt);
extern JdgTask *jdg_task_from_rows(int64 n, MemoryContext mcxt);
extern bool jdg_task_load(int64 task_id, bool lock, JdgTask *task,
						  MemoryContext mcxt);

/* the columns that jdg_task_from_row() expects, in its order; their number */
#define JDG_TASK_NCOLUMNS 39
#define JDG_TASK_COLUMNS \
	"task_id, owner, queue_id, priority, state, transaction, isolate, " \
	"bounded, attempt, max_attempts, crashes, command_id, run_at, " \
	"created_at, payload, schedule_id, scheduled_for, started_at, timeout, " \
	"retry, settings, metadata, unique_key, concurrency_key, tenant, trace, " \
	"on_dependency_failure, flow_run, step_id, step, flow_data, key_place, " \
	"expect_rows, schedule, event, lane, fallback, endpoint_id, host"

#endif							/* JDG_TASK_TASK_H */
