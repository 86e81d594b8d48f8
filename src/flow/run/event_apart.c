/*-------------------------------------------------------------------------
 *
 * event_apart.c
 *	  Roles whose waits are served apart, see event_apart.h.
 *
 * Runs in the scheduler.  All waits are served by one cursor, as long as no
 * role takes too much of a turn.  A role that does gets a cursor of its own,
 * at the position of the others, which then pass over its waits.  So a role
 * with very many waits holds up no other.
 *
 *		together -- the role is greedy --> apart, behind the others
 *			^								 |
 *			`----- it has caught up with them
 *
 * A cursor of a role reads up to where the others have read, in windows that
 * end where theirs do.  While there are such cursors, the position of the
 * others is in a row of its own.  That of the common row is the one that is
 * furthest behind: it holds partitions (event/expire.c), and rows of
 * flow_wait_start.
 *
 * The list of roles is read from the table at the start and after errors, and
 * changes with the rows.  No other process writes them, but adopt().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/fault.h"
#include "base/spi.h"
#include "event/era.h"
#include "flow/run/event_apart.h"
#include "flow/run/event_reader.h"
#include "flow/run/wait_start.h"
#include "shared/work.h"

/* roles that are served apart at most; each keeps a window */
#define APART_MAX 16

/* all their turns in a round, in microseconds and messages */
#define TURNS_US (20 * 1000)
#define TURNS_SENT 128

typedef struct Apart
{
	Oid			role;
	JdgEventReader reader;
} Apart;

static int	napart = 0;
static Apart apart[APART_MAX];
static Oid	roles[APART_MAX];	/* the same, for others to read */
static int	next_turn = 0;
static bool careful = false;	/* until all roles have caught up */

static void
set_roles(void)
{
	for (int i = 0; i < napart; i++)
		roles[i] = apart[i].role;
}

/* Adds a role to the list, in its place. */
static void
add(Oid role)
{
	int			i = napart++;

	Assert(napart <= APART_MAX);
	for (; i > 0 && apart[i - 1].role > role; i--)
		apart[i] = apart[i - 1];
	memset(&apart[i], 0, sizeof(Apart));
	apart[i].role = role;
	set_roles();
}

static void
remove_role(int i)
{
	jdg_event_reader_forget(&apart[i].reader);
	napart--;
	memmove(&apart[i], &apart[i + 1], sizeof(Apart) * (napart - i));
	set_roles();
}

void
jdg_apart_forget(void)
{
	while (napart > 0)
		remove_role(napart - 1);
}

void
jdg_apart_load(void)
{
	static JdgQuery q = {
		"SELECT shard FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard NOT IN ($2, $3)",
		3, {INT8OID, INT4OID, INT4OID}
	};
	Datum		v[3] = {Int64GetDatum(JDG_CURSOR_FLOWS),
		Int32GetDatum(JDG_FLOW_CURSOR_COMMON),
	Int32GetDatum(JDG_FLOW_CURSOR_OTHERS)};
	int64		n;

	Assert(jdg_is_bookkeeping());
	jdg_apart_forget();
	careful = true;
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
		add((Oid) jdg_col_int32(i, 1, 0));
}

int
jdg_apart_roles(const Oid **list)
{
	*list = roles;
	return napart;
}

bool
jdg_apart_has(Oid role)
{
	for (int i = 0; i < napart; i++)
	{
		if (roles[i] == role)
			return true;
	}
	return false;
}

JdgFlowCursor
jdg_apart_others(void)
{
	return napart > 0 ? JDG_FLOW_CURSOR_OTHERS : JDG_FLOW_CURSOR_COMMON;
}

/* ---------------------------------------------------------------- cursors */

/* Makes a cursor at the position of another one. */
static void
insert_at(const JdgCursor *at, int32 shard)
{
	JdgCursor	c = *at;

	c.shard = shard;
	jdg_cursor_insert(&c);
	jdg_cursor_write(&c);
}

static void
read_one(int32 shard, JdgCursor *c)
{
	if (!jdg_cursor_read(JDG_CURSOR_FLOWS, shard, c))
		elog(ERROR, "cursor %d of flows does not exist", shard);
}

static void
delete_one(int32 shard)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard = $2", 2, {INT8OID, INT4OID}
	};
	Datum		v[2] = {Int64GetDatum(JDG_CURSOR_FLOWS), Int32GetDatum(shard)};

	jdg_run(&q, v, NULL, 0);
}

void
jdg_apart_begin(Oid role, JdgCursor *c)
{
	Assert(jdg_is_bookkeeping() && !jdg_apart_has(role));
	if (napart == APART_MAX)
		return;
	if (napart == 0)
	{
		insert_at(c, JDG_FLOW_CURSOR_OTHERS);
		c->shard = JDG_FLOW_CURSOR_OTHERS;
	}
	insert_at(c, (int32) role);
	add(role);
}

/*
 * Sets the end of the next window, where the others have been.  False: there
 * is none.  The others may be within a window that the role has done, also
 * within the last one of an earlier era.
 */
static bool
open_window(JdgCursor *c, const JdgCursor *others)
{
	if (c->upto != NULL)
		return true;
	if (c->era < others->era)
		c->upto = jdg_xidset_all();
	else if (c->era > others->era || jdg_xidset_equal(c->base, others->base) ||
			 (others->upto != NULL && jdg_xidset_equal(c->base, others->upto)))
		return false;
	else
		c->upto = others->base;
	return true;
}

/* has the role read all that the others have? */
static bool
has_caught_up(const JdgCursor *c, const JdgCursor *others)
{
	return c->era == others->era && c->upto == NULL && others->upto == NULL &&
		jdg_xidset_equal(c->base, others->base);
}

/*
 * Is a position behind another?  Their windows begin where windows of the
 * others have ended, so those that begin at the same place are the same.
 */
static bool
is_behind(const JdgCursor *a, const JdgCursor *b)
{
	if (a->era != b->era)
		return a->era < b->era;
	if ((a->base == NULL) != (b->base == NULL))
		return a->base == NULL;
	if (jdg_xidset_equal(a->base, b->base))
		return a->after_id < b->after_id;
	return a->base->xmax != b->base->xmax ? a->base->xmax < b->base->xmax :
		a->base->nxip > b->base->nxip;
}

/*
 * Moves the common cursor to the one furthest behind, and forgets the starts
 * of waits that all cursors have passed.
 */
static void
move_common(JdgCursor *others)
{
	JdgCursor	least = *others;

	for (int i = 0; i < napart; i++)
	{
		JdgCursor	c;

		read_one((int32) roles[i], &c);
		if (is_behind(&c, &least))
			least = c;
	}
	if (napart == 0)
		delete_one(JDG_FLOW_CURSOR_OTHERS);
	least.shard = JDG_FLOW_CURSOR_COMMON;
	jdg_cursor_write(&least);
	if (least.base != NULL)
		jdg_wait_starts_passed(least.era, least.base);
}

/* ------------------------------------------------------------------ turns */

/*
 * The turn of a role; false: it has more to read.  The role may not be in the
 * list any more afterwards.
 */
static bool
take_turn(int i, JdgEventTurn *t)
{
	JdgCursor	others;
	bool		caught_up;
	bool		end = false;

	t->only = apart[i].role;
	t->careful = careful;
	read_one((int32) t->only, &t->c);
	read_one(JDG_FLOW_CURSOR_OTHERS, &others);
	if (open_window(&t->c, &others))
	{
		end = jdg_event_reader_send(&apart[i].reader, t);
		if (end)
		{
			jdg_cursor_end_window(&t->c);
			jdg_event_reader_forget(&apart[i].reader);
		}
		jdg_cursor_write(&t->c);
	}
	caught_up = has_caught_up(&t->c, &others);
	if (caught_up)
	{
		delete_one((int32) t->only);
		remove_role(i);
	}
	if (end || caught_up)
		move_common(&others);
	return caught_up || (t->c.upto == NULL && !open_window(&t->c, &others));
}

bool
jdg_apart_read(void)
{
	int			n = napart;
	bool		done = true;
	TimestampTz end;

	if (n == 0)
	{
		careful = false;
		return true;
	}
	end = GetCurrentTimestamp() + TURNS_US;
	for (int i = 0; i < n && napart > 0; i++)
	{
		JdgEventTurn t;
		int			before = napart;

		if (GetCurrentTimestamp() >= end)
			return false;
		next_turn %= napart;
		jdg_work_begin_async();
		jdg_event_turn_begin(&t, TURNS_US / n, Max(TURNS_SENT / n, 1));
		done &= take_turn(next_turn, &t);
		JDG_FAULT("flow-events-sent");
		jdg_work_end();
		/* a role that has gone has left its place to the next one */
		if (napart == before)
			next_turn++;
	}
	return done;
}
