/*-------------------------------------------------------------------------
 *
 * event_waits.c
 *	  The waits that an event of the log is for, see event_waits.h.
 *
 * Runs in the scheduler, inside the transactions of events.c.
 *
 * A wait that has a message gets no other one, so messages are not more than
 * waits.  One event may be for more waits than a round may send messages to: its
 * place among them is only kept in memory, since those that have a message or
 * an answer are passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "base/json.h"
#include "base/spi.h"
#include "event/grant.h"
#include "event/notice.h"
#include "flow/run/event_waits.h"
#include "flow/run/message.h"
#include "flow/run/wait_start.h"

/* a round ends after this time in microseconds, and after so many messages */
#define TURN_US (50 * 1000)
#define SENT_MAX 256

/* waits that one statement looks at */
#define LOOKED_MAX 1000

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
	int64		run_id;			/* the last one looked at */
	int64		step_id;
} Place;

static Place place;

static MemoryContext window_mcxt = NULL;
static HTAB *types = NULL;		/* of the window, in that context */

/* ------------------------------------------------------- types of a window */

static void
make_types(void)
{
	HASHCTL		ctl = {0};

	if (types != NULL)
		hash_destroy(types);
	ctl.keysize = JDG_EVENT_TYPE_MAX + 1;
	ctl.entrysize = sizeof(AwaitedType);
	ctl.hcxt = window_mcxt;
	types = hash_create("jadugar awaited types", 64, &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

void
jdg_event_waits_window(MemoryContext mcxt)
{
	window_mcxt = mcxt;
	types = NULL;
	place.event_id = 0;
	if (mcxt != NULL)
		make_types();
}

/*
 * Looks whether something waits for a type, once for each window: the events
 * of the window are not for waits that begin later.
 */
static const AwaitedType *
find_type(const char *name)
{
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.flow_step "
		"WHERE event = $1), EXISTS (SELECT FROM jadugar_internal.flow_step "
		"WHERE event > $2 AND event < $3)", 3, {TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		v[3];
	bool		found;
	AwaitedType *type = hash_search(types, name, HASH_FIND, NULL);

	if (type != NULL)
		return type;
	if (hash_get_num_entries(types) >= TYPES_MAX)
		make_types();
	v[0] = CStringGetTextDatum(jdg_message_event_subject(name, NULL));
	v[1] = CStringGetTextDatum(psprintf(FIRST_SUBJECT "%s ", name));
	v[2] = CStringGetTextDatum(psprintf(FIRST_SUBJECT "%s!", name));
	jdg_run(&q, v, NULL, 1);
	type = hash_search(types, name, HASH_ENTER, &found);
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
} Wait;

/*
 * Reads waits for a subject, behind the place.  Those whose filter does not
 * fit, and those that have a message already, have no owner.
 */
static int
read_waits(const char *subject, const JdgEvent *e, Wait *waits)
{
	static JdgQuery q = {
		"SELECT s.run_id, s.step_id, s.wait_start, "
		"CASE WHEN (s.found IS NULL OR $4 @> s.found) AND NOT EXISTS ("
		"SELECT FROM jadugar_internal.flow_message m "
		"WHERE m.run_id = s.run_id AND m.kind = $5 "
		"AND m.step_id = s.step_id AND m.wait_start = s.wait_start OFFSET 0) "
		"THEN (SELECT r.owner FROM jadugar_internal.flow_run r "
		"WHERE r.run_id = s.run_id) END "
		"FROM jadugar_internal.flow_step s "
		"WHERE (s.event, s.run_id, s.step_id) > ($1, $2, $3) "
		"AND s.event <= $1 ORDER BY s.event, s.run_id, s.step_id LIMIT "
		CppAsString2(LOOKED_MAX),
		5, {TEXTOID, INT8OID, INT8OID, JSONBOID, CHAROID}
	};
	Datum		v[5] = {CStringGetTextDatum(subject),
		Int64GetDatum(place.run_id), Int64GetDatum(place.step_id),
		JsonbPGetDatum(e->data),
	CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_EVENT))};
	int			n = (int) jdg_run(&q, v, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		waits[i].run_id = jdg_col_int64(i, 1, 0);
		waits[i].step_id = jdg_col_int64(i, 2, 0);
		waits[i].start_id = jdg_col_int64(i, 3, 0);
		waits[i].owner = jdg_col_oid(i, 4);
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

bool
jdg_event_round_is_over(const JdgEventRound *r)
{
	return r->sent >= SENT_MAX || GetCurrentTimestamp() - r->start >= TURN_US;
}

/* Sends the event to waits for a subject; false: the round is over. */
static bool
send_to(JdgEventRound *r, const char *subject, const JdgEvent *e,
		const JdgTopic *topic)
{
	Wait	   *waits = palloc(sizeof(Wait) * LOOKED_MAX);
	Jsonb	   *result = NULL;
	int			n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = read_waits(subject, e, waits);
		for (int i = 0; i < n; i++)
		{
			const Wait *w = &waits[i];

			if (r->sent >= SENT_MAX)
				return false;
			place.run_id = w->run_id;
			place.step_id = w->step_id;
			if (!OidIsValid(w->owner) ||
				!may_receive(w->owner, e, topic) ||
				!jdg_wait_start_reaches(w->start_id, e, &r->c))
				continue;
			if (result == NULL)
				result = result_of(e);
			jdg_flow_message_event(w->run_id, w->step_id, w->start_id, result);
			r->sent++;
		}
		if (n == LOOKED_MAX && jdg_event_round_is_over(r))
			return false;
	} while (n == LOOKED_MAX);
	return true;
}

bool
jdg_event_send(JdgEventRound *r, const JdgEvent *e, const JdgTopic *topic)
{
	const AwaitedType *type = find_type(e->type);

	if (place.event_id != e->event_id)
	{
		place.event_id = e->event_id;
		place.by_key = false;
		place.run_id = place.step_id = -1;
	}
	if (!place.by_key)
	{
		if (type->awaited &&
			!send_to(r, jdg_message_event_subject(e->type, NULL), e, topic))
			return false;
		place.by_key = true;
		place.run_id = place.step_id = -1;
	}
	return !type->by_key || e->key == NULL ||
		send_to(r, jdg_message_event_subject(e->type, e->key), e, topic);
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
