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

#include "access/owner.h"
#include "access/row_access.h"
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

/*
 * In the order of the query below: by topic and type.  Those on types are
 * first, and those on patterns are the first ones of them.
 */
typedef struct Grants
{
	Grant	   *all;
	int			n;
	int			patterns;		/* their number */
} Grants;

static MemoryContext grants_context = NULL;
static Grants kept;
static uint64 kept_epoch = 0;

/* Reads all grants in the given context. */
static void
read_grants(MemoryContext mcxt, Grants *grants)
{
	static JdgQuery q = {
		"SELECT topic_id, type, role, privilege "
		"FROM jadugar_internal.event_grant "
		"ORDER BY topic_id, strpos(type, '*') = 0, type COLLATE \"C\"", 0, {0}
	};
	JdgInternal in;
	int64		rows;

	jdg_internal_begin(&in);
	rows = jdg_run_latest(&q, NULL, NULL);
	grants->all = MemoryContextAllocHuge(mcxt, sizeof(Grant) * Max(rows, 1));
	grants->n = (int) rows;
	grants->patterns = 0;
	for (int64 i = 0; i < rows; i++)
	{
		char	   *word = jdg_col_text(i, 4, CurrentMemoryContext);
		Grant	   *g = &grants->all[i];

		g->topic_id = jdg_col_int32(i, 1, 0);
		g->type = jdg_col_text(i, 2, mcxt);
		g->role = jdg_col_oid(i, 3);
		g->privilege = JDG_EVENT_READ;
		while (strcmp(word, jdg_topic_privilege_words[g->privilege]) != 0)
			g->privilege++;
		grants->patterns += strchr(g->type, '*') != NULL;
	}
	jdg_internal_end(&in);
}

/* The grants as they are now, kept or in the current memory context. */
static Grants
get_grants(void)
{
	uint64		epoch = jdg_config_epoch_latest();
	Grants		grants;

	if (epoch == 0)
	{
		read_grants(CurrentMemoryContext, &grants);
		return grants;
	}
	if (epoch != kept_epoch)
	{
		if (grants_context == NULL)
			grants_context = AllocSetContextCreate(TopMemoryContext,
												   "jadugar event grants",
												   ALLOCSET_DEFAULT_SIZES);
		MemoryContextReset(grants_context);
		kept_epoch = 0;
		read_grants(grants_context, &kept);
		kept_epoch = epoch;
	}
	return kept;
}

/* The first grant, from "from" on, that is not before the topic and type. */
static int
find_first(const Grants *grants, int from, int32 topic_id, const char *type)
{
	int			lo = from;
	int			hi = grants->n;

	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;
		const Grant *g = &grants->all[mid];

		if (g->topic_id < topic_id ||
			(g->topic_id == topic_id && strcmp(g->type, type) < 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
concerns(const Grant *g, Oid role, JdgEventPrivilege privilege)
{
	return g->privilege == privilege && has_privs_of_role(role, g->role) &&
		jdg_role_is_meant(g->role);
}

/* Was the privilege granted on a topic, or with topic_id 0 on a type? */
static bool
was_granted_on(const Grants *grants, Oid role, JdgEventPrivilege privilege,
			   int32 topic_id, const char *type)
{
	for (int i = find_first(grants, grants->patterns, topic_id, type);
		 i < grants->n && grants->all[i].topic_id == topic_id &&
		 strcmp(grants->all[i].type, type) == 0; i++)
	{
		if (concerns(&grants->all[i], role, privilege))
			return true;
	}
	return false;
}

/*
 * Was the privilege granted on the topic or on the type?  "named": also on the
 * type by its name, which its owner can do.  Only operators grant patterns.
 * The cost depends on the number of grants on these, and on patterns.
 */
static bool
was_granted(Oid role, JdgEventPrivilege privilege, int32 topic_id,
			const char *type, bool named)
{
	Grants		grants = get_grants();

	if (was_granted_on(&grants, role, privilege, topic_id, ""))
		return true;
	if (named && was_granted_on(&grants, role, privilege, 0, type))
		return true;
	for (int i = 0; i < grants.patterns; i++)
	{
		if (concerns(&grants.all[i], role, privilege) &&
			jdg_pattern_matches(grants.all[i].type, type))
			return true;
	}
	return false;
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
jdg_event_may_know(Oid role, const JdgEventType *type)
{
	return jdg_confined(role) == NULL || jdg_owns(role, type->owner) ||
		was_granted(role, JDG_EVENT_READ, type->topic_id, type->name, true) ||
		was_granted(role, JDG_EVENT_PUBLISH, type->topic_id, type->name, true);
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

/* A confined role reads the events of its tenants, in all topics. */
static JdgEventAccess
confined_access(Oid role, const JdgEvent *e)
{
	switch (jdg_row_access(role, e->publisher, e->tenant))
	{
		case JDG_ROW_HIDDEN:
			break;
		case JDG_ROW_OUTLINE:
			return JDG_EVENT_OUTLINE;
		case JDG_ROW_WHOLE:
			return JDG_EVENT_WHOLE;
	}
	return JDG_EVENT_HIDDEN;
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

	/* what is kept is of a role that is not confined */
	if (epoch != 0 && epoch == last.epoch && role == last.role &&
		topic->topic_id == last.topic_id && covered == last.covered &&
		e->publisher == last.publisher && strcmp(e->type, last.type) == 0)
		return last.access;
	if (jdg_confined(role) != NULL)
		return confined_access(role, e);
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
