/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Rows of jadugar_internal.topic, see topic.h.
 *
 * Runs in any process.  Rows are read with the latest snapshot, because the
 * leaf of a topic decides where an event is written, also in a transaction
 * that keeps its snapshot.  A process keeps the rows that it has read until
 * the configuration changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/errors.h"
#include "base/spi.h"
#include "event/topic.h"

#define TOPIC_COLUMNS \
	"topic_id, name, owner, registered_only, index_keys, leaf, max_backlog, " \
	"full_since IS NOT NULL, on_expire = 'detach'"

#define MAX_KEPT 64

/* the rows read at this epoch of the configuration */
static JdgTopic kept[MAX_KEPT];
static int	nkept = 0;
static uint64 kept_epoch = 0;

/* Drops the rows of an older epoch.  May rows of this epoch be kept? */
static bool
keeping(uint64 epoch)
{
	if (epoch != kept_epoch)
	{
		nkept = 0;
		kept_epoch = epoch;
	}
	return epoch != 0;
}

/* Sets the topic from the first row of SPI_tuptable. */
static void
read_topic(JdgTopic *topic)
{
	memset(topic, 0, sizeof(*topic));
	topic->topic_id = jdg_col_int32(0, 1, 0);
	strlcpy(topic->name, jdg_col_text(0, 2, CurrentMemoryContext),
			sizeof(topic->name));
	topic->owner = jdg_col_oid(0, 3);
	topic->registered_only = jdg_col_bool(0, 4);
	topic->index_keys = jdg_col_bool(0, 5);
	topic->leaf = jdg_col_int32(0, 6, 0);
	topic->max_backlog = jdg_col_int64(0, 7, 0);
	topic->full = jdg_col_bool(0, 8);
	topic->archives = jdg_col_bool(0, 9);
}

/* Reads one topic, and keeps it if its epoch is known. */
static bool
load_topic(JdgQuery *query, Datum key, uint64 epoch, JdgTopic *topic)
{
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run_latest(query, &key, NULL) > 0;
	if (found)
		read_topic(topic);
	jdg_internal_end(&in);
	if (found && keeping(epoch))
	{
		if (nkept == MAX_KEPT)
			nkept = 0;
		kept[nkept++] = *topic;
	}
	return found;
}

bool
jdg_topic_by_name(const char *name, JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT " TOPIC_COLUMNS " FROM jadugar_internal.topic "
		"WHERE name = $1", 1, {TEXTOID}
	};
	uint64		epoch = jdg_config_epoch_latest();

	for (int i = 0; keeping(epoch) && i < nkept; i++)
	{
		if (strcmp(kept[i].name, name) != 0)
			continue;
		*topic = kept[i];
		return true;
	}
	return load_topic(&q, CStringGetTextDatum(name), epoch, topic);
}

bool
jdg_topic_by_id(int32 topic_id, JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT " TOPIC_COLUMNS " FROM jadugar_internal.topic "
		"WHERE topic_id = $1", 1, {INT4OID}
	};
	uint64		epoch = jdg_config_epoch_latest();

	for (int i = 0; keeping(epoch) && i < nkept; i++)
	{
		if (kept[i].topic_id != topic_id)
			continue;
		*topic = kept[i];
		return true;
	}
	return load_topic(&q, Int32GetDatum(topic_id), epoch, topic);
}

static void
raise_missing(const char *name)
{
	jdg_check_name("topic", name);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("topic \"%s\" does not exist", jdg_excerpt(name)),
			 errhint("See the view jadugar.topics, or create it with jadugar.create_topic().")));
}

void
jdg_topic_need(const char *name, JdgTopic *topic)
{
	if (!jdg_topic_by_name(name, topic))
		raise_missing(name);
}

void
jdg_topic_lock(const char *name, Oid user, JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT " TOPIC_COLUMNS " FROM jadugar_internal.topic "
		"WHERE name = $1 FOR UPDATE", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};
	bool		built_in;

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 1) == 0)
		raise_missing(name);
	read_topic(topic);
	built_in = topic->topic_id < JDG_TOPIC_FIRST;
	if (built_in ? jdg_is_operator(user) : jdg_may_manage(user, topic->owner))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to change topic \"%s\"", name),
			 built_in ? errdetail("It is built in.") :
			 errdetail("It belongs to role \"%s\".",
					   jdg_role_name(topic->owner)),
			 errhint("A topic can be changed by its owner and by operators, a built-in one only by operators.")));
}

bool
jdg_topic_hold(int32 topic_id)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.topic WHERE topic_id = $1 "
		"FOR KEY SHARE", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(topic_id)};

	Assert(jdg_is_bookkeeping());
	return jdg_run(&q, v, NULL, 1) > 0;
}
