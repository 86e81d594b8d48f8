/*-------------------------------------------------------------------------
 *
 * idle.c
 *	  Deletion of idle keys of actors, see idle.h.
 *
 * Runs in the scheduler, hourly, in turns of 50 ms.  It reads the keys of
 * actors with an idle_ttl in the order of their primary key, because an index
 * on the time would be written for each message.  A key is not idle if a
 * message waits for its turn, or runs.  Rows that are locked are passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "actor/idle.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/spi.h"
#include "shared/oldrows.h"
#include "shared/work.h"

/* the concurrency_key of messages to the key of s */
#define KEY_OF_S "'" JDG_ACTOR_KEY_PREFIX "' || s.actor || '/' || s.key"

/* the last key that was read; an empty actor: begin at the first */
typedef struct Position
{
	char		actor[JDG_NAME_MAX + 1];
	char		key[JDG_ACTOR_KEY_MAX + 1];
} Position;

/* Reads a batch of keys, and deletes the idle ones.  False: it was the last. */
static bool
forget_batch(Position *at)
{
	static JdgQuery q = {
		"WITH seen AS MATERIALIZED (SELECT s.ctid AS tid, s.actor, s.key, s.owner "
		"FROM jadugar_internal.actor_state s WHERE (s.actor, s.key) > ($1, $2) "
		"ORDER BY s.actor, s.key LIMIT " JDG_OLD_ROWS_BATCH "), "
		"idle AS MATERIALIZED (SELECT x.ctid FROM jadugar_internal.actor_state x "
		"WHERE x.ctid = ANY (ARRAY(SELECT s.tid FROM seen s WHERE "
		"NOT EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE t.owner = s.owner AND t.key_place AND t.concurrency_key = " KEY_OF_S " OFFSET 0) "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE t.owner = s.owner AND t.state = " JDG_SQL_KEY " "
		"AND t.concurrency_key = " KEY_OF_S " OFFSET 0))) "
		/* looked at again if a message has just changed the row */
		"AND x.updated_at < $3 - (SELECT a.idle_ttl FROM jadugar_internal.actor a "
		"WHERE a.name = x.actor) FOR UPDATE SKIP LOCKED), "
		"gone AS (DELETE FROM jadugar_internal.actor_state x "
		"WHERE x.ctid = ANY (ARRAY(SELECT i.ctid FROM idle i))) "
		"SELECT s.actor, s.key FROM seen s ORDER BY s.actor DESC, s.key DESC LIMIT 1", 3,
		{TEXTOID, TEXTOID, TIMESTAMPTZOID}
	};
	static JdgQuery any = {
		"SELECT 1 FROM jadugar_internal.actor a WHERE a.idle_ttl IS NOT NULL", 0
	};
	Datum		v[3] = {CStringGetTextDatum(at->actor), CStringGetTextDatum(at->key),
	TimestampTzGetDatum(jdg_now())};
	bool		found = false;

	jdg_work_begin();
	if (jdg_run(&any, NULL, NULL, 1) > 0)
		found = jdg_run(&q, v, NULL, 0) > 0;
	if (found)
	{
		strlcpy(at->actor, jdg_col_text(0, 1, CurrentMemoryContext), sizeof(at->actor));
		strlcpy(at->key, jdg_col_text(0, 2, CurrentMemoryContext), sizeof(at->key));
	}
	jdg_work_end();
	return found;
}

TimestampTz
jdg_actor_forget_idle(JdgDb *db, uint32 why)
{
	static Position at = {"", ""};
	TimestampTz began = GetCurrentTimestamp();

	while (forget_batch(&at))
	{
		CHECK_FOR_INTERRUPTS();
		if (GetCurrentTimestamp() - began > JDG_OLD_ROWS_TURN_US)
			return DT_NOBEGIN;
	}
	memset(&at, 0, sizeof(at));
	return jdg_now() + USECS_PER_HOUR;
}
