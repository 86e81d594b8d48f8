/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Rows of jadugar_internal.queue as structs, and the right to enqueue
 *	  into one.
 *
 * Runs in any process; reads without locks, and keeps the rows it has read
 * until the configuration changes.  A queue may change or be dropped between
 * two calls, so a result may be outdated.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/spi.h"
#include "queue/queue.h"


#define QUEUE_COLUMNS \
	"SELECT queue_id, name, owner, max_concurrency, max_depth, on_full, " \
	"isolate, history, paused_at IS NOT NULL, rate, per, burst " \
	"FROM jadugar_internal.queue "

static JdgQuery by_name_query = {
	QUEUE_COLUMNS "WHERE name = $1", 1, {TEXTOID}
};

static JdgQuery by_id_query = {
	QUEUE_COLUMNS "WHERE queue_id = $1", 1, {INT4OID}
};

static JdgQuery grants_query = {
	"SELECT role FROM jadugar_internal.queue_grant "
	"WHERE queue_id = $1 AND privilege = 'enqueue'",
	1, {INT4OID}
};

static JdgQuery paused_query = {
	"SELECT paused_at IS NOT NULL FROM jadugar_internal.control", 0, {0}
};

static JdgQuery lock_query = {
	"SELECT queue_id, owner FROM jadugar_internal.queue WHERE name = $1 "
	"FOR UPDATE",
	1, {TEXTOID}
};

#define MAX_KEPT 64

/* the rows read at this epoch of the configuration */
static JdgQueue kept[MAX_KEPT];
static int	nkept = 0;
static bool paused_known = false;
static bool paused;
static uint64 kept_epoch = 0;

/*
 * Drops the rows that an older epoch has kept.  May rows of this epoch be
 * kept?
 */
static bool
keeping(uint64 epoch)
{
	if (epoch != kept_epoch)
	{
		nkept = 0;
		paused_known = false;
		kept_epoch = epoch;
	}
	return epoch != 0;
}

/* Sets the queue from the first row of the query's result. */
static void
read_queue(JdgQueue *queue)
{
	char	   *text;

	memset(queue, 0, sizeof(*queue));
	queue->queue_id = jdg_col_int32(0, 1, 0);
	text = jdg_col_text(0, 2, CurrentMemoryContext);

	strlcpy(queue->name, text, sizeof(queue->name));
	queue->owner = jdg_col_oid(0, 3);
	queue->max_concurrency = jdg_col_int32(0, 4, 0);
	queue->max_depth = jdg_col_int64(0, 5, 0);
	text = jdg_col_text(0, 6, CurrentMemoryContext);

	queue->on_full = strcmp(text, "block") == 0 ? JDG_FULL_BLOCK :
		strcmp(text, "drop_oldest") == 0 ? JDG_FULL_DROP_OLDEST :
		JDG_FULL_REJECT;
	queue->isolate = jdg_col_bool(0, 7);
	text = jdg_col_text(0, 8, CurrentMemoryContext);

	queue->keep = strcmp(text, "failures") == 0 ? JDG_KEEP_FAILURES :
		strcmp(text, "none") == 0 ? JDG_KEEP_NONE : JDG_KEEP_ALL;
	queue->paused = jdg_col_bool(0, 9);
	queue->rate = jdg_rate_read(0, 10);
}

/*
 * Reads one queue, and keeps it if its epoch is known.  False: no such queue.
 */
static bool
load_queue(JdgQuery *query, Datum key, uint64 epoch, JdgQueue *queue)
{
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(query, &key, NULL, 1) > 0;
	if (found)
		read_queue(queue);
	jdg_internal_end(&in);
	if (found && keeping(epoch))
	{
		if (nkept == MAX_KEPT)
			nkept = 0;
		kept[nkept++] = *queue;
	}
	return found;
}

bool
jdg_queue_by_name(const char *name, JdgQueue *queue)
{
	uint64		epoch = jdg_config_epoch();

	for (int i = 0; keeping(epoch) && i < nkept; i++)
	{
		if (strcmp(kept[i].name, name) != 0)
			continue;
		*queue = kept[i];
		return true;
	}
	return load_queue(&by_name_query, CStringGetTextDatum(name), epoch, queue);
}

bool
jdg_queue_by_id(int32 queue_id, JdgQueue *queue)
{
	uint64		epoch = jdg_config_epoch();

	for (int i = 0; keeping(epoch) && i < nkept; i++)
	{
		if (kept[i].queue_id != queue_id)
			continue;
		*queue = kept[i];
		return true;
	}
	return load_queue(&by_id_query, Int32GetDatum(queue_id), epoch, queue);
}

Oid
jdg_queue_owner(int32 queue_id)
{
	JdgQueue	queue;

	return jdg_queue_by_id(queue_id, &queue) ? queue.owner : InvalidOid;
}

bool
jdg_claims_paused(void)
{
	uint64		epoch = jdg_config_epoch();
	JdgInternal in;
	bool		result;

	if (keeping(epoch) && paused_known)
		return paused;
	jdg_internal_begin(&in);
	result = jdg_run(&paused_query, NULL, NULL, 1) == 0 || jdg_col_bool(0, 1);
	jdg_internal_end(&in);
	if (keeping(epoch))
	{
		paused = result;
		paused_known = true;
	}
	return result;
}

/* Was the queue granted to a role whose privileges this role has? */
static bool
was_granted(int32 queue_id, Oid role)
{
	Datum		value = Int32GetDatum(queue_id);
	JdgInternal in;
	bool		found = false;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run(&grants_query, &value, NULL, 0);
	for (int64 i = 0; i < n && !found; i++)
		found = has_privs_of_role(role, jdg_col_oid(i, 1)) &&
			jdg_role_is_meant(jdg_col_oid(i, 1));
	jdg_internal_end(&in);
	return found;
}

/*
 * Every role may use the default queue.  Other queues may be used by their
 * owner, by the roles they were granted to, and by operators.
 */
bool
jdg_queue_usable(const JdgQueue *queue, Oid role)
{
	if (queue->queue_id == JDG_DEFAULT_QUEUE ||
		(has_privs_of_role(role, queue->owner) &&
		 jdg_role_is_meant(queue->owner)))
		return true;
	return was_granted(queue->queue_id, role) || jdg_is_operator(role);
}

/*
 * Takes the lock that drop_queue() takes, then looks again: the queue may
 * have been dropped during the wait.  The default queue cannot be dropped.
 */
bool
jdg_queue_use_by_id(int32 queue_id, JdgQueue *queue)
{
	if (queue_id != JDG_DEFAULT_QUEUE)
	{
		jdg_lock_xact_shared(JDG_LOCK_QUEUE_USE, (uint32) queue_id);
		AcceptInvalidationMessages();
	}
	return jdg_queue_by_id(queue_id, queue);
}

bool
jdg_queue_try_use_by_id(int32 queue_id, JdgQueue *queue, bool *busy)
{
	*busy = queue_id != JDG_DEFAULT_QUEUE &&
		!jdg_try_lock_xact_shared(JDG_LOCK_QUEUE_USE, (uint32) queue_id);
	/* the lock is held by now, unless it is busy */
	return !*busy && jdg_queue_use_by_id(queue_id, queue);
}

bool
jdg_queue_use_by_name(const char *name, JdgQueue *queue)
{
	if (!jdg_queue_by_name(name, queue))
		return false;
	return jdg_queue_use_by_id(queue->queue_id, queue) &&
		strcmp(queue->name, name) == 0;
}

/* See queue.h. */
int32
jdg_queue_lock(const char *name, Oid user)
{
	Datum		key = CStringGetTextDatum(name);
	int32		queue_id;
	Oid			owner;

	Assert(jdg_is_bookkeeping());
	jdg_check_name("queue", name);
	if (jdg_run(&lock_query, &key, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("queue \"%s\" does not exist", name),
				 errhint("See the view jadugar.queues.")));
	queue_id = jdg_col_int32(0, 1, 0);
	owner = jdg_col_oid(0, 2);
	if (queue_id == JDG_DEFAULT_QUEUE ? !jdg_is_operator(user) :
		!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to change queue \"%s\"", name),
				 queue_id == JDG_DEFAULT_QUEUE ?
				 errdetail("All users share the default queue.") :
				 errdetail("It belongs to role \"%s\".",
						   jdg_role_name(owner)),
				 errhint("A queue can be changed by its owner and by operators, the default queue only by operators.")));
	return queue_id;
}

/* See queue.h. */
void
jdg_queue_for_role(const char *name, Oid role, JdgQueue *queue)
{
	if (!jdg_queue_use_by_name(name, queue))
		jdg_queue_missing(name);
	if (!jdg_queue_usable(queue, role))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for queue \"%s\"", name),
				 errhint("Its owner or an operator can allow it: SELECT jadugar.grant_queue('%s', '%s', 'enqueue').",
						 name, jdg_role_name(role))));
}

void
jdg_queue_missing(const char *name)
{
	jdg_check_name("queue", name);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("queue \"%s\" does not exist", jdg_excerpt(name)),
			 errhint("See the view jadugar.queues, or create it with jadugar.create_queue().")));
	pg_unreachable();
}

bool
jdg_queue_pause(int32 queue_id, Oid user)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.queue SET paused_at = $2, paused_by = $3 "
		"WHERE queue_id = $1 AND paused_at IS NULL",
		3, {INT4OID, TIMESTAMPTZOID, NAMEOID},
		.config = true
	};
	Datum		v[3];
	NameData	user_name;

	Assert(jdg_is_bookkeeping());
	namestrcpy(&user_name, GetUserNameFromId(user, false));
	v[0] = Int32GetDatum(queue_id);
	v[1] = TimestampTzGetDatum(jdg_now());
	v[2] = NameGetDatum(&user_name);
	return jdg_run(&q, v, NULL, 0) > 0;
}
