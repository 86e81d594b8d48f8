/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  What a transaction has done to some things, see tally.h.
 *
 * Runs in any process.  Rows of deeper levels come later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/tally.h"

/* rows at first */
#define ROOM 8

void *
jdg_tally_at(const JdgTally *tally, int n)
{
	return tally->rows + tally->size * n;
}

static JdgTallyRow *
row_at(const JdgTally *tally, int n)
{
	return jdg_tally_at(tally, n);
}

/* The number of rows before those of a level and of deeper ones. */
static int
begin_of(const JdgTally *tally, int level)
{
	int			n = tally->n;

	while (n > 0 && row_at(tally, n - 1)->level >= level)
		n--;
	return n;
}

/* The row of a thing at the deepest level, or NULL if it has none there. */
static JdgTallyRow *
find(const JdgTally *tally, int32 id, int level)
{
	for (int i = tally->n - 1; i >= 0 && row_at(tally, i)->level >= level; i--)
	{
		if (row_at(tally, i)->id == id)
			return row_at(tally, i);
	}
	return NULL;
}

void *
jdg_tally_row(JdgTally *tally, int32 id)
{
	int			level = GetCurrentTransactionNestLevel();
	JdgTallyRow *row = find(tally, id, level);

	if (row != NULL)
		return row;
	if (tally->rows == NULL)
	{
		tally->rows = MemoryContextAlloc(TopMemoryContext, tally->size * ROOM);
		tally->room = ROOM;
	}
	else if (tally->n == tally->room)
	{
		tally->rows = repalloc_huge(tally->rows,
									tally->size * tally->room * 2);
		tally->room *= 2;
	}
	row = row_at(tally, tally->n++);
	memset(row, 0, tally->size);
	row->id = id;
	row->level = level;
	return row;
}

/* Reports to all rows, from a number on. */
static void
report(JdgTally *tally, int from, XactEvent event)
{
	for (int i = from; i < tally->n; i++)
		tally->event(row_at(tally, i), event);
}

static void
xact_callback(XactEvent event, void *arg)
{
	JdgTally   *tally = arg;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			report(tally, 0, event);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			report(tally, 0, event);
			tally->n = 0;
			break;
		default:
			break;
	}
}

/* The rows of a released subtransaction become those of its parent. */
static void
merge_level(JdgTally *tally, int level)
{
	int			from = begin_of(tally, level);
	int			end = tally->n;

	tally->n = from;
	for (int i = from; i < end; i++)
	{
		JdgTallyRow *row = row_at(tally, i);
		JdgTallyRow *up = find(tally, row->id, level - 1);

		if (up != NULL)
			tally->merge(up, row);
		else
		{
			row->level = level - 1;
			memmove(row_at(tally, tally->n++), row, tally->size);
		}
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId me,
				 SubTransactionId parent, void *arg)
{
	JdgTally   *tally = arg;
	int			level = GetCurrentTransactionNestLevel();

	if (tally->n == 0)
		return;
	switch (event)
	{
		case SUBXACT_EVENT_COMMIT_SUB:
			merge_level(tally, level);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			report(tally, begin_of(tally, level), XACT_EVENT_ABORT);
			tally->n = begin_of(tally, level);
			break;
		default:
			break;
	}
}

void
jdg_tally_init(JdgTally *tally)
{
	RegisterXactCallback(xact_callback, tally);
	RegisterSubXactCallback(subxact_callback, tally);
}
