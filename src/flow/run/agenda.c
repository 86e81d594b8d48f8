/*-------------------------------------------------------------------------
 *
 * agenda.c
 *	  The next things to do in a pass, see agenda.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/run/agenda.h"

typedef struct Ended
{
	JdgRunState *rs;
	JdgFlowStep *step;
	bool		quietly;
} Ended;

typedef struct JdgAgenda
{
	/*
	 * The next item is the last one.  Those from "put" on were put since an
	 * item was last taken, in the order in which they are due: they are
	 * reversed when the next one is taken.
	 */
	JdgItem    *items;
	int			n;
	int			put;
	int			room;

	/* ends, in order */
	Ended	   *ended;
	int			nended;
	int			ntaken;
	int			room_ended;
} JdgAgenda;

#define FIRST_ROOM 64

static JdgAgenda *
agenda_of(JdgPass *pass)
{
	JdgAgenda  *a = pass->agenda;

	if (a == NULL)
	{
		a = pass->agenda = palloc0(sizeof(JdgAgenda));
		a->room = a->room_ended = FIRST_ROOM;
		a->items = palloc(sizeof(JdgItem) * FIRST_ROOM);
		a->ended = palloc(sizeof(Ended) * FIRST_ROOM);
	}
	return a;
}

void
jdg_agenda_put(JdgRunState *rs, JdgAct act, JdgFlowStep *step, void *arg)
{
	JdgAgenda  *a = agenda_of(rs->pass);

	if (a->n == a->room)
	{
		a->room *= 2;
		a->items = repalloc_huge(a->items, sizeof(JdgItem) * a->room);
	}
	a->items[a->n++] = (JdgItem)
	{
		.act = act,.rs = rs,.step = step,.arg = arg
	};
}

void
jdg_agenda_ended(JdgRunState *rs, JdgFlowStep *step, bool quietly)
{
	JdgAgenda  *a = agenda_of(rs->pass);

	if (a->nended == a->room_ended)
	{
		a->room_ended *= 2;
		a->ended = repalloc_huge(a->ended, sizeof(Ended) * a->room_ended);
	}
	a->ended[a->nended++] = (Ended)
	{
		.rs = rs,.step = step,.quietly = quietly
	};
}

static void
reverse(JdgItem *items, int n)
{
	for (int i = 0; i < n / 2; i++)
	{
		JdgItem		item = items[i];

		items[i] = items[n - 1 - i];
		items[n - 1 - i] = item;
	}
}

bool
jdg_agenda_take(JdgPass *pass, bool ends, JdgItem *item)
{
	JdgAgenda  *a = pass->agenda;

	if (a == NULL)
		return false;
	reverse(a->items + a->put, a->n - a->put);
	if (a->n > 0)
		*item = a->items[--a->n];
	else if (ends && a->ntaken < a->nended)
	{
		Ended	   *e = &a->ended[a->ntaken++];

		*item = (JdgItem)
		{
			.act = JDG_ACT_ENDED,.quietly = e->quietly,.rs = e->rs,
				.step = e->step
		};
	}
	else
		return false;
	a->put = a->n;
	return true;
}
