/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  Who may publish and read events, see grant.h.
 *
 * Runs in any process.  All rows of jadugar_internal.event_grant are kept, and
 * the answers for the last events that were read: events of one type and one
 * publisher follow one another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/happening.h"
#include "base/spi.h"
#include "event/grant.h"

const char *const jdg_topic_privilege_words[] = {
	"read", "publish", "hold", NULL
};

const char *const jdg_event_privilege_words[] = {"read", "publish", NULL};

typedef struct Grant
{
	int32		topic_id;		/* 0: on types */
	char	   *type;			/* a pattern; "": on the topic */
	Oid			role;
	JdgEventPrivilege privilege;
} Grant;

static MemoryContext grants_context = NULL;
static Grant *grants = NULL;
static int	ngrants = 0;
static uint64 grants_epoch = 0;

/* Reads all grants in the given context. */
static Grant *
read_grants(MemoryContext mcxt, int *n)
{
	static JdgQuery q = {
		"SELECT topic_id, type, role, privilege "
		"FROM jadugar_internal.event_grant", 0, {0}
	};
	JdgInternal in;
	int64		rows;
	Grant	   *result;

	jdg_internal_begin(&in);
	rows = jdg_run_latest(&q, NULL, NULL);
	result = MemoryContextAllocHuge(mcxt, sizeof(Grant) * Max(rows, 1));
	for (int64 i = 0; i < rows; i++)
	{
		char	   *word = jdg_col_text(i, 4, CurrentMemoryContext);

		result[i].topic_id = jdg_col_int32(i, 1, 0);
		result[i].type = jdg_col_text(i, 2, mcxt);
		result[i].role = jdg_col_oid(i, 3);
		result[i].privilege = JDG_EVENT_READ;
		while (strcmp(word, jdg_topic_privilege_words[result[i].privilege]) != 0)
			result[i].privilege++;
	}
	jdg_internal_end(&in);
	*n = (int) rows;
	return result;
}

/* The grants as they are now, kept or in the current memory context. */
static const Grant *
get_grants(int *n)
{
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch == 0)
		return read_grants(CurrentMemoryContext, n);
	if (epoch != grants_epoch)
	{
		if (grants_context == NULL)
			grants_context = AllocSetContextCreate(TopMemoryContext,
												   "jadugar event grants",
												   ALLOCSET_DEFAULT_SIZES);
		MemoryContextReset(grants_context);
		grants_epoch = 0;
		grants = read_grants(grants_context, &ngrants);
		grants_epoch = epoch;
	}
	*n = ngrants;
	return grants;
}

/*
 * Was the privilege granted on the topic or on the type?  "named": also on the
 * type by its name, which its owner can do.  Only operators grant patterns.
 */
static bool
was_granted(Oid role, JdgEventPrivilege privilege, int32 topic_id,
			const char *type, bool named)
{
	int			n;
	const Grant *all = get_grants(&n);
	bool		found = false;

	for (int i = 0; i < n && !found; i++)
	{
		const Grant *g = &all[i];

		found = g->privilege == privilege &&
			(g->topic_id != 0 ? g->topic_id == topic_id :
			 (named || strchr(g->type, '*') != NULL) &&
			 jdg_pattern_matches(g->type, type)) &&
			has_privs_of_role(role, g->role) && jdg_role_is_meant(g->role);
	}
	return found;
}

bool
jdg_event_may_publish(Oid role, const JdgTopic *topic,
					  const JdgEventType *type, const char *name)
{
	if (type != NULL)
	{
		if (jdg_owns(role, type->owner))
			return true;
	}
	else if (topic->topic_id == JDG_TOPIC_DEFAULT ||
			 topic->topic_id == JDG_TOPIC_STREAMS ||
			 jdg_owns(role, topic->owner))
		return true;
	return was_granted(role, JDG_EVENT_PUBLISH, topic->topic_id, name, true);
}

bool
jdg_event_may_hold(Oid role, const JdgTopic *topic)
{
	return jdg_owns(role, topic->owner) || jdg_is_operator(role) ||
		was_granted(role, JDG_EVENT_HOLD, topic->topic_id, "", false);
}

/*
 * "covered": the event is one of the type as it is registered now.  Otherwise
 * whoever registers the name of other roles' events would see them.
 */
static JdgEventAccess
find_access(Oid role, const JdgTopic *topic, const JdgEvent *e,
			const JdgEventType *type, bool covered)
{
	if (jdg_may_manage(role, e->publisher) || jdg_is_operator(role))
		return JDG_EVENT_WHOLE;
	if (topic->topic_id >= JDG_TOPIC_FIRST && jdg_owns(role, topic->owner))
		return JDG_EVENT_WHOLE;
	if (covered && jdg_owns(role, type->owner))
		return JDG_EVENT_WHOLE;
	if (was_granted(role, JDG_EVENT_READ, topic->topic_id, e->type,
					covered || type == NULL))
		return JDG_EVENT_WHOLE;
	return jdg_is_monitor(role) ? JDG_EVENT_OUTLINE : JDG_EVENT_HIDDEN;
}

JdgEventAccess
jdg_event_access(Oid role, const JdgTopic *topic, const JdgEvent *e)
{
	static struct
	{
		uint64		epoch;
		Oid			role;
		int32		topic_id;
		Oid			publisher;
		bool		covered;
		char		type[JDG_EVENT_TYPE_MAX + 1];
		JdgEventAccess access;
	}			last;
	const JdgEventType *type = jdg_event_type(e->type);
	bool		covered = jdg_event_type_covers(type, topic->topic_id,
												e->version, e->published_at);
	uint64		epoch = jdg_config_epoch_latest();
	JdgEventAccess access;

	if (epoch != 0 && epoch == last.epoch && role == last.role &&
		topic->topic_id == last.topic_id && covered == last.covered &&
		e->publisher == last.publisher && strcmp(e->type, last.type) == 0)
		return last.access;
	access = find_access(role, topic, e, type, covered);
	last.epoch = epoch;
	last.role = role;
	last.topic_id = topic->topic_id;
	last.publisher = e->publisher;
	last.covered = covered;
	strlcpy(last.type, e->type, sizeof(last.type));
	last.access = access;
	return access;
}
