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
 * To compare a filter with large data may take long.  So the statement that
 * reads waits looks at no more of them when its time is over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "base/subxact.h"
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

/* microseconds that count as a look, if a look takes longer */
#define US_PER_LOOK 4

/* a statement has at least so many microseconds, however late it begins */
#define STATEMENT_US (5 * 1000)

/* what read_waits() finds in place of an owner: the time was over before */
#define NOT_LOOKED_AT "-1"

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
	{
		share->looked = share->sent = 0;
		share->us = 0;
	}
	return share;
}

Oid
jdg_event_turn_greedy(const JdgEventTurn *t)
{
	HASH_SEQ_STATUS status;
	JdgWaitShare *share;
	Oid			greedy = InvalidOid;
	int64		most = GREEDY_LOOKED - 1;

	hash_seq_init(&status, t->shares);
	while ((share = hash_seq_search(&status)) != NULL)
	{
		int64		n = Max(share->looked + LOOKED_PER_SENT * share->sent,
							share->us / US_PER_LOOK);

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
	TimestampTz looked_at;
} Wait;

/* the waits for a subject that an event may be for */
typedef struct Subject
{
	const char *subject;
	const JdgEvent *e;
	const JdgTopic *topic;
	Place	   *place;			/* behind this one */
	Oid			last;			/* of roles up to this one */
} Subject;

/*
 * Reads up to "max" waits until the time is over.  Those whose filter does not
 * fit, and those that have a message already, have no owner.  Sets *more if
 * there may be more.
 */
static int
read_waits(const Subject *s, TimestampTz until, int max, Wait *waits,
		   bool *more)
{
	static JdgQuery q = {
		"SELECT s.run_id, s.step_id, s.wait_start, s.wait_owner, "
		"CASE WHEN clock_timestamp() >= $8 THEN " NOT_LOOKED_AT " "
		"WHEN (s.found IS NULL OR $5 @> s.found) AND NOT EXISTS ("
		"SELECT FROM jadugar_internal.flow_message m "
		"WHERE m.run_id = s.run_id AND m.kind = $6 "
		"AND m.step_id = s.step_id AND m.wait_start = s.wait_start OFFSET 0) "
		"THEN (SELECT r.owner::int8 FROM jadugar_internal.flow_run r "
		"WHERE r.run_id = s.run_id) END, clock_timestamp() "
		"FROM jadugar_internal.flow_step s WHERE s.event = $1 "
		"AND (s.wait_owner, s.run_id, s.step_id) > ($2, $3, $4) "
		"AND s.wait_owner <= $7 "
		"ORDER BY s.event, s.wait_owner, s.run_id, s.step_id LIMIT "
		CppAsString2(LOOKED_MAX),
		8, {TEXTOID, OIDOID, INT8OID, INT8OID, JSONBOID, CHAROID, OIDOID,
		TIMESTAMPTZOID}
	};
	Datum		v[8] = {CStringGetTextDatum(s->subject),
		ObjectIdGetDatum(s->place->owner), Int64GetDatum(s->place->run_id),
		Int64GetDatum(s->place->step_id), JsonbPGetDatum(s->e->data),
		CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_EVENT)),
	ObjectIdGetDatum(s->last), TimestampTzGetDatum(until)};
	int			n = (int) jdg_run(&q, v, NULL, max);

	*more = n == max;
	for (int i = 0; i < n; i++)
	{
		int64		owner = jdg_col_int64(i, 5, InvalidOid);

		if (owner < 0)
		{
			*more = true;
			n = i;
			break;
		}
		waits[i].run_id = jdg_col_int64(i, 1, 0);
		waits[i].step_id = jdg_col_int64(i, 2, 0);
		waits[i].start_id = jdg_col_int64(i, 3, 0);
		waits[i].wait_owner = jdg_col_oid(i, 4);
		waits[i].owner = (Oid) owner;
		waits[i].looked_at = jdg_col_time(i, 6, until);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* May the role receive the event? */
static bool
may_receive(Oid owner, const JdgEvent *e, const JdgTopic *topic)
{
	if (jdg_confined(owner) == NULL && jdg_may_manage(e->publisher, owner))
		return true;
	return
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

/* arguments of send_event() */
typedef struct Sending
{
	JdgEventTurn *t;
	const Subject *s;
	const Wait *w;
	Jsonb	   *result;			/* the same for all waits; NULL: not made yet */
	bool		sent;
} Sending;

/* Sends the event to a wait, if it is for it. */
static void
send_event(Sending *x)
{
	const Wait *w = x->w;
	const JdgEvent *e = x->s->e;

	x->sent = false;
	if (!may_receive(w->owner, e, x->s->topic) ||
		!jdg_wait_start_reaches(w->start_id, e, &x->t->c))
		return;
	if (x->result == NULL)
		x->result = result_of(e);
	jdg_flow_message_event(w->run_id, w->step_id, w->start_id, x->result);
	x->sent = true;
}

static void
send_inside(void *arg)
{
	JdgInternal st;

	jdg_internal_begin(&st);
	send_event(arg);
	jdg_internal_end(&st);
}

/* The same in a subtransaction; an error is logged. */
static void
try_send_event(Sending *x)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar event for a wait",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	ErrorData  *edata = jdg_in_subxact(send_inside, x, mcxt);

	x->result = NULL;
	if (edata != NULL)
	{
		x->sent = false;
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);
		ereport(LOG,
				(errmsg("could not send event %lld to flow run %lld: %s",
						(long long) x->s->e->event_id,
						(long long) x->w->run_id, edata->message)));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}

/*
 * Sends the event to the waits of a statement, which began at "began", and
 * moves the place.  False: the turn is over before the last of them.
 */
static bool
send_to_waits(Sending *x, const Wait *waits, int n, TimestampTz began,
			  TimestampTz until)
{
	JdgEventTurn *t = x->t;

	for (int i = 0; i < n; i++)
	{
		const Wait *w = &waits[i];
		JdgWaitShare *share = share_of(t, w->wait_owner);
		TimestampTz now;

		t->looked++;
		share->looked++;
		share->us += w->looked_at - (i > 0 ? waits[i - 1].looked_at : began);
		x->s->place->owner = w->wait_owner;
		x->s->place->run_id = w->run_id;
		x->s->place->step_id = w->step_id;
		if (!OidIsValid(w->owner))
			continue;
		x->w = w;
		now = GetCurrentTimestamp();
		if (t->careful)
			try_send_event(x);
		else
			send_event(x);
		t->sent += x->sent;
		share->sent += x->sent;
		share->us += GetCurrentTimestamp() - now;
		if (i + 1 < n && (t->sent >= t->most_sent ||
						  GetCurrentTimestamp() >= until))
			return false;
	}
	return true;
}

/*
 * Sends the event to waits; false: the turn is over.  Reads no more of them
 * than the turn may send messages to, unless the event is for few of them.
 */
static bool
send_to_subject(JdgEventTurn *t, const Subject *s)
{
	Wait	   *waits = palloc(sizeof(Wait) * LOOKED_MAX);
	Sending		x = {.t = t,.s = s};
	int			max = 0;
	bool		more = true;

	while (more)
	{
		TimestampTz began = GetCurrentTimestamp();
		TimestampTz until = Max(t->end, began + STATEMENT_US);
		int			before = t->sent;
		int			n;

		CHECK_FOR_INTERRUPTS();
		if (t->sent >= t->most_sent)
			return false;
		max = Min(Max(2 * max, t->most_sent - t->sent), LOOKED_MAX);
		n = read_waits(s, until, max, waits, &more);
		/* it gets on, however slow the server is */
		if (n == 0 && more)
			n = read_waits(s, DT_NOEND, 1, waits, &more);
		if (!send_to_waits(&x, waits, n, began, until) ||
			(more && jdg_event_turn_is_over(t)))
			return false;
		if (t->sent > before)
			max = 0;
	}
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
	Subject		s = {.subject = subject,.e = e,.topic = topic,.place = place};

	if (OidIsValid(t->only))
	{
		if (place->owner < t->only)
			pass_role(place, t->only - 1);
		s.last = t->only;
		return send_to_subject(t, &s);
	}
	for (int i = 0; i < t->nexcept; i++)
	{
		Oid			role = t->except[i];

		s.last = role - 1;
		if (place->owner < role && !send_to_subject(t, &s))
			return false;
		if (place->owner <= role)
			pass_role(place, role);
	}
	s.last = OID_MAX;
	return send_to_subject(t, &s);
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
