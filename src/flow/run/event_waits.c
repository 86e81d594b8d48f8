/*-------------------------------------------------------------------------
 *
 * event_waits.c
 *	  The waits that an event of the log is for, see event_waits.h.
 *
 * Runs in the scheduler, inside the transactions of event_reader.c.
 *
 * A wait that has a message gets no other one, so messages are not more than
 * waits.  One event may be for more waits than a turn may look at: the place
 * among them is only kept in memory, since those that have a message or an
 * answer are passed over.
 *
 * An error ends a turn, and all waits would stand behind the one that caused
 * it.  So the turns after it serve each wait in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "event/grant.h"
#include "event/notice.h"
#include "flow/run/event_waits.h"
#include "flow/run/message.h"
#include "flow/run/wait_start.h"

/*
 * Waits that a turn looks at before it is over, and those that one statement
 * looks at.  A role that has looked at fewer waits in a turn than GREEDY_LOOKED
 * is not greedy.  Tests need turns that end early.
 */
#ifdef JDG_FAULTS
#define TURN_LOOKED 2
#define LOOKED_MAX 2
#define GREEDY_LOOKED 1
#else
#define TURN_LOOKED 20000
#define LOOKED_MAX 1000
#define GREEDY_LOOKED 8000
#endif

/* looking at so many waits takes as long as sending and serving a message */
#define LOOKED_PER_SENT 64

/* types of a window that are kept */
#define TYPES_MAX 4096

/* the subjects of all waits for events are between these two */
#define FIRST_SUBJECT "event:"
#define END_OF_SUBJECTS "event;"

/* a type of a window */
typedef struct AwaitedType
{
	char		name[JDG_EVENT_TYPE_MAX + 1];	/* hash key */
	bool		awaited;		/* something waits for any key */
	bool		by_key;			/* something waits for some key */
} AwaitedType;

/* a place among the waits that an event may be for */
typedef struct Place
{
	int64		event_id;		/* 0: none */
	bool		by_key;			/* those for any key are done */
	Oid			owner;			/* the last one looked at */
	int64		run_id;
	int64		step_id;
} Place;

struct JdgWaitNotes
{
	MemoryContext mcxt;
	HTAB	   *types;			/* AwaitedType */
	Place		place;
};

/* ---------------------------------------------------------------- a turn */

void
jdg_event_turn_begin(JdgEventTurn *t, int us, int most_sent)
{
	HASHCTL		ctl = {0};

	memset(t, 0, sizeof(*t));
	t->end = GetCurrentTimestamp() + us;
	t->most_sent = most_sent;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(JdgWaitShare);
	ctl.hcxt = CurrentMemoryContext;
	t->shares = hash_create("jadugar shares of a turn", 16, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

bool
jdg_event_turn_is_over(const JdgEventTurn *t)
{
	return t->sent >= t->most_sent || t->looked >= TURN_LOOKED ||
		GetCurrentTimestamp() >= t->end;
}

static JdgWaitShare *
share_of(JdgEventTurn *t, Oid owner)
{
	bool		found;
	JdgWaitShare *share = hash_search(t->shares, &owner, HASH_ENTER, &found);

	if (!found)
		share->looked = share->sent = 0;
	return share;
}

Oid
jdg_event_turn_greedy(const JdgEventTurn *t)
{
	HASH_SEQ_STATUS status;
	JdgWaitShare *share;
	Oid			greedy = InvalidOid;
	int			most = GREEDY_LOOKED - 1;

	hash_seq_init(&status, t->shares);
	while ((share = hash_seq_search(&status)) != NULL)
	{
		int			n = share->looked + LOOKED_PER_SENT * share->sent;

		if (n <= most)
			continue;
		most = n;
		greedy = share->owner;
	}
	return greedy;
}

/* ------------------------------------------------------- types of a window */

static void
make_types(JdgWaitNotes *notes)
{
	HASHCTL		ctl = {0};

	if (notes->types != NULL)
		hash_destroy(notes->types);
	ctl.keysize = JDG_EVENT_TYPE_MAX + 1;
	ctl.entrysize = sizeof(AwaitedType);
	ctl.hcxt = notes->mcxt;
	notes->types = hash_create("jadugar awaited types", 64, &ctl,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

JdgWaitNotes *
jdg_wait_notes(MemoryContext mcxt)
{
	JdgWaitNotes *notes = MemoryContextAllocZero(mcxt, sizeof(JdgWaitNotes));

	notes->mcxt = mcxt;
	make_types(notes);
	return notes;
}

/*
 * Looks whether something waits for a type, once for each window: the events
 * of the window are not for waits that begin later.
 */
static const AwaitedType *
find_type(JdgWaitNotes *notes, const char *name)
{
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.flow_step "
		"WHERE event = $1), EXISTS (SELECT FROM jadugar_internal.flow_step "
		"WHERE event > $2 AND event < $3)", 3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		v[3];
	bool		found;
	AwaitedType *type = hash_search(notes->types, name, HASH_FIND, NULL);

	if (type != NULL)
		return type;
	if (hash_get_num_entries(notes->types) >= TYPES_MAX)
		make_types(notes);
	v[0] = CStringGetTextDatum(jdg_message_event_subject(name, NULL));
	v[1] = CStringGetTextDatum(psprintf(FIRST_SUBJECT "%s ", name));
	v[2] = CStringGetTextDatum(psprintf(FIRST_SUBJECT "%s!", name));
	jdg_run(&q, v, NULL, 1);
	type = hash_search(notes->types, name, HASH_ENTER, &found);
	type->awaited = jdg_col_bool(0, 1);
	type->by_key = jdg_col_bool(0, 2);
	return type;
}

/* ----------------------------------------------------- one event's waits */

/* a wait that an event may be for */
typedef struct Wait
{
	int64		run_id;
	int64		step_id;
	int64		start_id;
	Oid			owner;			/* InvalidOid: the event is not for it */
	Oid			wait_owner;
} Wait;

/*
 * Reads waits for a subject, behind the place and of roles up to "last".
 * Those whose filter does not fit, and those that have a message already, have
 * no owner.
 */
static int
read_waits(const char *subject, const JdgEvent *e, const Place *place, Oid last,
		   Wait *waits)
{
	static JdgQuery q = {
		"SELECT s.run_id, s.step_id, s.wait_start, "
		"CASE WHEN (s.found IS NULL OR $5 @> s.found) AND NOT EXISTS ("
		"SELECT FROM jadugar_internal.flow_message m "
		"WHERE m.run_id = s.run_id AND m.kind = $6 "
		"AND m.step_id = s.step_id AND m.wait_start = s.wait_start OFFSET 0) "
		"THEN (SELECT r.owner FROM jadugar_internal.flow_run r "
		"WHERE r.run_id = s.run_id) END, s.wait_owner "
		"FROM jadugar_internal.flow_step s WHERE s.event = $1 "
		"AND (s.wait_owner, s.run_id, s.step_id) > ($2, $3, $4) "
		"AND s.wait_owner <= $7 "
		"ORDER BY s.event, s.wait_owner, s.run_id, s.step_id LIMIT "
		CppAsString2(LOOKED_MAX),
		7, {TEXTOID, OIDOID, INT8OID, INT8OID, JSONBOID, CHAROID, OIDOID}
	};
	Datum		v[7] = {CStringGetTextDatum(subject),
		ObjectIdGetDatum(place->owner), Int64GetDatum(place->run_id),
		Int64GetDatum(place->step_id), JsonbPGetDatum(e->data),
		CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_EVENT)),
	ObjectIdGetDatum(last)};
	int			n = (int) jdg_run(&q, v, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		waits[i].run_id = jdg_col_int64(i, 1, 0);
		waits[i].step_id = jdg_col_int64(i, 2, 0);
		waits[i].start_id = jdg_col_int64(i, 3, 0);
		waits[i].owner = jdg_col_oid(i, 4);
		waits[i].wait_owner = jdg_col_oid(i, 5);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* May the role receive the event? */
static bool
may_receive(Oid owner, const JdgEvent *e, const JdgTopic *topic)
{
	return jdg_may_manage(e->publisher, owner) ||
		jdg_event_access(owner, topic, e) == JDG_EVENT_WHOLE;
}

/* The result of a wait. */
static Jsonb *
result_of(const JdgEvent *e)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_int64(&st, "event_id", e->event_id);
	jdg_json_text(&st, "key", e->key);
	jdg_json_jsonb(&st, "data", e->data);
	return jdg_json_finish(&st);
}

/* Sends the event to a wait, if it is for it. */
static void
send_to_wait(JdgEventTurn *t, const Wait *w, const JdgEvent *e,
			 const JdgTopic *topic, Jsonb **result)
{
	JdgWaitShare *share = share_of(t, w->wait_owner);

	t->looked++;
	share->looked++;
	if (!OidIsValid(w->owner) || !may_receive(w->owner, e, topic) ||
		!jdg_wait_start_reaches(w->start_id, e, &t->c))
		return;
	if (*result == NULL)
		*result = result_of(e);
	jdg_flow_message_event(w->run_id, w->step_id, w->start_id, *result);
	t->sent++;
	share->sent++;
}

/* The same in a subtransaction; an error is logged. */
static void
try_send_to_wait(JdgEventTurn *t, const Wait *w, const JdgEvent *e,
				 const JdgTopic *topic)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *result = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		JdgInternal st;

		jdg_internal_begin(&st);
		send_to_wait(t, w, e, topic, &result);
		jdg_internal_end(&st);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_error(mcxt);

		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);
		ereport(LOG,
				(errmsg("could not send event %lld to flow run %lld: %s",
						(long long) e->event_id, (long long) w->run_id,
						edata->message)));
	}
	PG_END_TRY();
}

/* Sends the event to waits of roles up to "last"; false: the turn is over. */
static bool
send_to_roles(JdgEventTurn *t, Place *place, const char *subject,
			  const JdgEvent *e, const JdgTopic *topic, Oid last)
{
	Wait	   *waits = palloc(sizeof(Wait) * LOOKED_MAX);
	Jsonb	   *result = NULL;
	int			n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = read_waits(subject, e, place, last, waits);
		for (int i = 0; i < n; i++)
		{
			if (t->sent >= t->most_sent)
				return false;
			place->owner = waits[i].wait_owner;
			place->run_id = waits[i].run_id;
			place->step_id = waits[i].step_id;
			if (t->careful && OidIsValid(waits[i].owner))
				try_send_to_wait(t, &waits[i], e, topic);
			else
				send_to_wait(t, &waits[i], e, topic, &result);
		}
		if (n == LOOKED_MAX && jdg_event_turn_is_over(t))
			return false;
	} while (n == LOOKED_MAX);
	pfree(waits);
	return true;
}

/* Puts the place behind all waits of a role. */
static void
pass_role(Place *place, Oid owner)
{
	place->owner = owner;
	place->run_id = place->step_id = PG_INT64_MAX;
}

/* Sends the event to waits for a subject; false: the turn is over. */
static bool
send_to(JdgEventTurn *t, Place *place, const char *subject, const JdgEvent *e,
		const JdgTopic *topic)
{
	if (OidIsValid(t->only))
	{
		if (place->owner < t->only)
			pass_role(place, t->only - 1);
		return send_to_roles(t, place, subject, e, topic, t->only);
	}
	for (int i = 0; i < t->nexcept; i++)
	{
		Oid			role = t->except[i];

		if (place->owner < role &&
			!send_to_roles(t, place, subject, e, topic, role - 1))
			return false;
		if (place->owner <= role)
			pass_role(place, role);
	}
	return send_to_roles(t, place, subject, e, topic, OID_MAX);
}

bool
jdg_event_send(JdgEventTurn *t, JdgWaitNotes *notes, const JdgEvent *e,
			   const JdgTopic *topic)
{
	static const Place first = {.run_id = -1,.step_id = -1};
	const AwaitedType *type = find_type(notes, e->type);
	Place	   *place = &notes->place;

	if (place->event_id != e->event_id)
	{
		*place = first;
		place->event_id = e->event_id;
	}
	if (!place->by_key)
	{
		if (type->awaited &&
			!send_to(t, place, jdg_message_event_subject(e->type, NULL), e,
					 topic))
			return false;
		*place = first;
		place->event_id = e->event_id;
		place->by_key = true;
	}
	return !type->by_key || e->key == NULL ||
		send_to(t, place, jdg_message_event_subject(e->type, e->key), e,
				topic);
}

/* -------------------------------------------------------------- all waits */

bool
jdg_event_is_awaited(void)
{
	static JdgQuery q = {
		"SELECT FROM jadugar_internal.flow_step WHERE event > '"
		FIRST_SUBJECT "' AND event < '" END_OF_SUBJECTS "' LIMIT 1", 0, {0}
	};

	return jdg_run(&q, NULL, NULL, 1) > 0;
}

/* A look for each type. */
uint64
jdg_event_awaited_types(void)
{
	static JdgQuery q = {
		"SELECT event FROM jadugar_internal.flow_step "
		"WHERE event >= $1 AND event < '" END_OF_SUBJECTS "' "
		"ORDER BY event LIMIT 1", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(FIRST_SUBJECT)};
	uint64		bits = 0;

	while (bits != PG_UINT64_MAX && jdg_run(&q, v, NULL, 1) > 0)
	{
		char	   *type = jdg_col_text(0, 1, CurrentMemoryContext) +
		strlen(FIRST_SUBJECT);

		CHECK_FOR_INTERRUPTS();
		type[strcspn(type, " ")] = '\0';
		bits |= jdg_event_type_bit(type);
		/* behind those with a key */
		v[0] = CStringGetTextDatum(psprintf(FIRST_SUBJECT "%s!", type));
	}
	return bits;
}
